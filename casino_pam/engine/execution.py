"""The execution: an open book with the bonuses beside it, where the verbs decide one command.

Every command that is not a repeat goes the same way: what is due on the wallet comes first,
then the verb's own decision, then what follows from it (a bonus completed, the next one started).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from bonus import lifecycle
from bonus.open_bonuses import Bonuses, summary
from casino_pam.engine.commands import Adjust, Bet, BonusRequest, Command, Deposit
from casino_pam.engine.results import Receipt, Standing, kept_facts, receipt, remembered
from wallet.errors import REMEMBERED, TELLS_BALANCES, Refused
from wallet.kinds import Kind, Status
from wallet.state import Book, Columns, Entry, Mark, OpenWallet, Row

C = TypeVar("C", bound=Command)
Decided = TypeVar("Decided")

# A refusal of these is a row too: a delayed copy must never be accepted later (PLAY.md rule 5).
REMEMBERED_KINDS = frozenset((Kind.BET, Kind.HOLD, Kind.DEPOSIT, Kind.ADJUST))


def _described(command: Command) -> Columns:
    """What the row of a refusal says of its command beyond its amount."""
    if isinstance(command, Bet):
        return {"round": command.round, "game": command.game, "wagering": command.wagering is not False}
    if isinstance(command, Deposit):
        return {"captured": command.captured}
    if isinstance(command, Adjust):
        return {"reason": command.reason}
    return {}


class ExecutionMark(msgspec.Struct):
    book: Mark
    bonuses: int


class Execution:
    """What the verbs decide on. Nothing here touches the database."""

    def __init__(self, book: Book, bonuses: Bonuses) -> None:
        self.book = book
        self.bonuses = bonuses

    def run(
        self,
        wallet: OpenWallet,
        command: Command | BonusRequest,
        decide: Callable[[Entry], Decided],
    ) -> Decided:
        """Decide ``command`` on ``wallet``. Raises ``Refused`` with what the caller may know of it."""
        entry = Entry(self.book, wallet, at=command.at, actor=command.actor)
        lifecycle.expire_due(self.bonuses, entry)
        mark = self.mark(wallet)
        try:
            decided = decide(entry)
            lifecycle.settle(self.bonuses, entry)
        except Refused as refusal:
            # What follows from a command may be what cannot be: a balance at its bound.
            self.back_to(mark)
            entry.named_row = None
            if isinstance(command, Command):
                self.remember(entry, command, refusal)
            lifecycle.settle(self.bonuses, entry)
            entry.close()
            raise self.explain(entry, refusal) from None
        entry.close()
        return decided

    def post(self, wallet: OpenWallet, command: C, decide: Callable[[Execution, Entry, C], None]) -> Receipt:
        """Decide a command that spends a reference, by the row that ``decide`` names or by that of its refusal.

        Raises as ``run``.
        """

        def decided(entry: Entry) -> Entry:
            decide(self, entry, command)
            return entry

        entry = self.run(wallet, command, decided)
        assert entry.named_row is not None
        return self.receipt(wallet, entry.named_row)

    def remember(self, entry: Entry, command: Command, refusal: Refused) -> None:
        """Spend the reference on the refusal, where forgetting it would be dangerous."""
        if refusal.code not in REMEMBERED or command.kind not in REMEMBERED_KINDS:
            return
        amount: int = getattr(command, "amount", 0)
        bonus = self.bonuses.money(entry.wallet)
        refused: Columns = {
            "reason": kept_facts(refusal, bonus if bonus != entry.wallet.bonus else None),
            **_described(command),
            "status": Status.REFUSED,
            "refusal": refusal.code,
        }
        entry.named(command.kind, command.source, command.reference, amount, **refused)

    def explain(self, entry: Entry, refusal: Refused) -> Refused:
        """The refusal with its row, if it left one, or else with the balances where they help."""
        row = entry.named_row
        if row is not None and row.status == Status.REFUSED:
            known = remembered(entry.wallet, row, self.book.last_of(row), replayed=False)
            return Refused(refusal.code, **{**refusal.facts, **known.facts})
        if refusal.code in TELLS_BALANCES:
            return Refused(refusal.code, **{**refusal.facts, **self.balances(entry.wallet)})
        return refusal

    def balances(self, wallet: OpenWallet) -> dict[str, Any]:
        """The facts about where the wallet stands, without the money of a bonus that is due to expire (PLAY.md §1)."""
        bonus = self.bonuses.money(wallet)
        return {**wallet.balances(), "bonus": bonus, "balance": wallet.cash + bonus}

    def receipt(self, wallet: OpenWallet, row: Row) -> Receipt:
        """The receipt of a row that stands in the book, as its first answer was."""
        wagering = self.bonuses.wagering(wallet, row)
        answer = receipt(wallet, row, self.book.last_of(row), wagering)
        if row.kind == Kind.DEPOSIT:
            granted = None if row.bonus is None else self.bonuses.by_id[row.bonus]
            answer.facts = {
                "granted": None if granted is None else summary(granted, self.bonuses.at),
                "grant_refusal": row.refusal,
            }
        return answer

    def standing(self, wallet: OpenWallet) -> Standing:
        return Standing(
            player=wallet.player.code,
            currency=wallet.currency.code,
            digits=wallet.currency.digits,
            cash=wallet.cash,
            bonus=self.bonuses.money(wallet),
            held=wallet.held,
            version=wallet.version,
            wagering=self.bonuses.wagering(wallet, None),
        )

    def owner_code(self, row: Row) -> str | None:
        """Whose row this is, if it belongs to a player this posting has read."""
        wallet = self.book.wallets_by_id.get(row.wallet)
        return None if wallet is None else wallet.player.code

    def mark(self, wallet: OpenWallet) -> ExecutionMark:
        return ExecutionMark(book=self.book.mark(wallet), bonuses=self.bonuses.mark())

    def back_to(self, mark: ExecutionMark) -> None:
        self.book.back_to(mark.book)
        self.bonuses.back_to(mark.bonuses)
