"""``batch``: operations on one wallet, in order, all or nothing (PLAY.md rule 24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from casino_pam.commands import Batch, Bet, EndRound, Play, Rollback, Win
from casino_pam.desk import REMEMBERED_KINDS, Desk
from casino_pam.fields import InvalidField
from casino_pam.play import bet, check_stake, end_round, rollback, win
from casino_pam.receipts import Receipt
from casino_pam.repeats import shows_now
from wallet.book import Columns, OpenWallet, Turn
from wallet.errors import REMEMBERED, Refused

VERBS: dict[type[Play], Callable[[Desk, Any], Receipt]] = {
    Bet: bet,
    Win: win,
    Rollback: rollback,
    EndRound: end_round,
}


def batch(desk: Desk, command: Batch) -> list[Receipt]:
    """Carry out all operations or none; the refusal names the failing operation's index.

    A refused batch leaves nothing but the REFUSED row of the operation that failed, where its
    kind is remembered, so that the same batch fails at the same place for ever.
    """
    for index, operation in enumerate(command.operations):
        try:
            if isinstance(operation, Bet):
                check_stake(desk, operation)
        except InvalidField as malformed:
            raise malformed.inside(f"operations[{index}]") from None
    currency = command.operations[0].currency  # type: ignore[attr-defined]
    wallet = desk.book.wallet(command.player, currency)
    mark = desk.mark(wallet)
    receipts = []
    for index, operation in enumerate(command.operations):
        try:
            receipts.append(VERBS[type(operation)](desk, operation))
        except Refused as refusal:
            desk.back_to(mark)
            facts = {**refusal.facts, **_refused_row(desk, wallet, operation, refusal)}
            if "balance" in facts and _tells_now(desk, operation, refusal):
                facts.update(wallet.balances())
                if "version" in facts:
                    facts["version"] = wallet.version
            raise Refused(refusal.code, **facts, index=index) from None
    return receipts


def _tells_now(desk: Desk, operation: Play, refusal: Refused) -> bool:
    """A remembered refusal tells the balances of its first time, unless the profile wants those of now."""
    return not refusal.facts.get("replayed") or shows_now(desk, operation.source)


def _refused_row(desk: Desk, wallet: OpenWallet, operation: Play, refusal: Refused) -> dict[str, Any]:
    """Remember the refusal by itself, unless it is not of that kind or already stands."""
    if operation.kind not in REMEMBERED_KINDS or refusal.code not in REMEMBERED:
        return {}
    if refusal.facts.get("replayed"):
        return {}
    turn = Turn(desk.book, wallet, at=operation.at, actor=operation.actor)
    columns: Columns = {"round": getattr(operation, "round", None), "game": getattr(operation, "game", None)}
    desk.remember(turn, operation, refusal.code, columns)
    row = turn.named_row
    return {} if row is None else {"transaction": row.id, "version": row.version}
