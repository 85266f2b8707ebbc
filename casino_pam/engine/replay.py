"""Repeats: a spent reference answers as it did the first time, for ever (PLAY.md rules 1-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from casino_pam.engine.commands import (
    Adjust,
    Bet,
    Command,
    Deposit,
    EndRound,
    Hold,
    Release,
    Rollback,
    Settle,
    Win,
)
from casino_pam.engine.execution import Execution
from casino_pam.engine.results import Receipt, remembered
from wallet import money
from wallet.errors import Refused
from wallet.kinds import SHARING, Kind, Status
from wallet.state import Entry, OpenWallet, Row

# What names its wallet, as all but rollbacks do.
W = TypeVar("W", bound=Bet | Win | EndRound | Deposit | Hold | Settle | Release | Adjust)


def once(execution: Execution, command: W, decide: Callable[[Execution, Entry, W], None]) -> Receipt:
    """Decide a command on the wallet it names, the first time; a repeat is answered as that time."""
    wallet = execution.book.wallet(command.player, command.currency)
    spent = execution.book.row(command.source, command.kind, command.reference)
    if spent is not None:
        return replay(execution, wallet, spent, command)
    other = counterpart(execution, command.source, command.kind, command.reference)
    if other is not None:
        return _replay_other_kind(execution, wallet, other, command)
    return execution.post(wallet, command, decide)


def replay(execution: Execution, wallet: OpenWallet, row: Row, command: Command) -> Receipt:
    """Answer a command whose reference ``row`` has spent; writes nothing."""
    undone = _undone(execution, row)
    if execution.owner_code(row) != command.player:
        raise Refused("reference_reused", differing=["player"] if undone else _differing_of_another(row, command))
    differing = [] if undone else _differing(execution, row, command)
    if differing:
        raise Refused("reference_reused", differing=differing)
    return answer_again(execution, wallet, row)


def counterpart(execution: Execution, source: str, kind: str, reference: str) -> Row | None:
    """The win that has spent a bet's reference, or the other way round, where the source's share theirs."""
    if kind not in SHARING or not execution.book.shares_references(source):
        return None
    rows = (execution.book.row(source, other, reference) for other in SHARING if other != kind)
    return next(filter(None, rows), None)


def _replay_other_kind(execution: Execution, wallet: OpenWallet, row: Row, command: Command) -> Receipt:
    """Answer a bet or win whose reference ``row``, of the other kind, has spent.

    A captured bet that comes again as a win must not pay. One that a rollback of something unknown has voided is
    `rolled_back` as either kind: the rollback need not have said which it meant (rule 16).
    """
    mine = execution.owner_code(row) == command.player
    if mine and row.status == Status.VOID:
        return _answer_undone(execution, wallet, row)
    raise Refused("reference_reused", differing=["kind"] if mine else ["player", "kind"])


def _undone(execution: Execution, row: Row) -> bool:
    """A bet or win whose rollback came, before it or after; such a row is never compared."""
    if row.kind not in (Kind.BET, Kind.WIN):
        return False
    return row.status == Status.VOID or execution.book.rolled_back(row)


def answer_again(execution: Execution, wallet: OpenWallet, row: Row) -> Receipt:
    """The row's first answer, with the balances its provider's profile asks for.

    ``wallet`` is the one asked about; its balances go with the answer to an undone bet.
    """
    if _undone(execution, row):
        return _answer_undone(execution, wallet, row)
    wallet = execution.book.wallets_by_id[row.wallet]
    current = shows_now(execution, row.source)
    if row.status == Status.REFUSED:
        refusal = remembered(wallet, row, execution.book.last_of(row), replayed=True)
        if current:
            refusal.facts.update(execution.balances(wallet), version=wallet.version)
        raise refusal
    first = as_profiled(execution, wallet, execution.receipt(wallet, row))
    first.replayed = True
    return _as_of_now(execution, first, wallet) if current else first


def shows_now(execution: Execution, source: str) -> bool:
    """Whether the source's repeats show the balances of now, not those of the first time."""
    provider = execution.book.providers.get(source)
    return provider is not None and provider.replay_balance == "current"


def as_profiled(execution: Execution, wallet: OpenWallet, receipt: Receipt) -> Receipt:
    """The receipt, unless it is of a rollback that the profile answers `unknown_original` (rule 16)."""
    row = receipt.row
    provider = execution.book.providers.get(row.source)
    unknown = row.kind == Kind.ROLLBACK and row.status == Status.VOID and row.closes is None
    if unknown and provider is not None and provider.unknown_rollback == "not_found":
        raise Refused("unknown_original", **execution.balances(wallet))
    return receipt


def _as_of_now(execution: Execution, receipt: Receipt, wallet: OpenWallet) -> Receipt:
    now = execution.balances(wallet)
    receipt.cash, receipt.bonus, receipt.held = now["cash"], now["bonus"], wallet.held
    receipt.version = wallet.version
    return receipt


def _answer_undone(execution: Execution, wallet: OpenWallet, row: Row) -> Receipt:
    """Rules 3 and 16: never `posted` again, whether the rollback came before or after."""
    provider = execution.book.providers.get(row.source)
    if provider is None or provider.late_bet == "refuse":
        raise Refused("rolled_back", **execution.balances(wallet))
    answer = _as_of_now(execution, execution.receipt(wallet, row), wallet)
    return msgspec.structs.replace(answer, status="void", amount=0, bonus_amount=0, replayed=True)


def _differing_of_another(row: Row, command: Command) -> list[str]:
    """Another player's row: its player, and whatever else the request shows to be different."""
    differing = ["player"]
    for name in ("amount", "round", "game"):
        asked = getattr(command, name, None)
        if isinstance(command, Rollback):
            break
        if asked is not None and asked != getattr(row, name):
            differing.append(name)
    return differing


def _differing(execution: Execution, row: Row, command: Command) -> list[str]:
    """The names of the fields in which the request differs from the stored row (rule 4)."""
    wallet = execution.book.wallets_by_id[row.wallet]
    if isinstance(command, Rollback):
        return _differing_rollback(wallet, row, command)
    differing = []
    if command.currency != wallet.currency.code:  # type: ignore[attr-defined]
        differing.append("currency")
    if not isinstance(command, EndRound) and hasattr(command, "amount"):
        if command.amount != row.amount:
            differing.append("amount")
    if isinstance(command, (Bet, Win, EndRound)) and command.round != row.round:
        differing.append("round")
    if isinstance(command, (Bet, Win)) and command.game != row.game:
        differing.append("game")
    if isinstance(command, Bet) and command.wagering not in (None, row.wagering):
        differing.append("wagering")
    if isinstance(command, Win):
        if command.bet is not None and command.bet != row.original:
            differing.append("bet")
        if command.win_source is not None and command.win_source != row.win_source:
            differing.append("source")
    return differing


def _differing_rollback(wallet: OpenWallet, row: Row, command: Rollback) -> list[str]:
    """What a rollback names only where it likes is compared only where it is named."""
    differing = []
    if command.original != row.original:
        differing.append("original")
    if command.original_kind not in (None, row.original_kind):
        differing.append("original_kind")
    if command.currency not in (None, wallet.currency.code):
        differing.append("currency")
    if command.amount is not None and (row.posted or row.amount):
        if minor(wallet, command.amount) != row.amount:
            differing.append("amount")
    for name in ("round", "game"):
        asked, stored = getattr(command, name), getattr(row, name)
        if asked is not None and asked != stored and (row.posted or stored is not None):
            differing.append(name)
    return differing


def original_of(execution: Execution, command: Rollback) -> Row | None:
    """The row the rollback names: the bet of that reference, else the win; the player's own first."""
    kinds = (command.original_kind,) if command.original_kind else (Kind.BET, Kind.WIN)
    rows = [row for kind in kinds if (row := execution.book.row(command.source, kind, command.original))]
    return next((row for row in rows if execution.owner_code(row) == command.player), rows[0] if rows else None)


def minor(wallet: OpenWallet, text: str) -> int | None:
    """The decimal text in minor units; None if the currency has no such amount."""
    try:
        return money.parse(text, wallet.currency.digits)
    except ValueError:
        return None
