"""Money in and out: deposit, withdrawal, adjustment (PLAY.md rules 26-29).

Pure, like ``casino_pam/engine/play.py``. A withdrawal is a hold that is settled or released, once, never
both, under the hold's own reference.
"""

from __future__ import annotations

from bonus import grants, wagering
from casino_pam.engine.commands import Adjust, Deposit, Hold, Release, Settle
from casino_pam.engine.execution import Execution
from casino_pam.engine.replay import once
from casino_pam.engine.results import Receipt
from wallet import audit, limits
from wallet.errors import InvalidField, Refused
from wallet.jurisdictions import Demand
from wallet.kinds import Kind
from wallet.state import Columns, Entry, OpenPlayer, OpenWallet, Row


def deposit(execution: Execution, command: Deposit) -> Receipt:
    """Money in. Raises InvalidField for an amount of zero."""
    _must_move(command)
    return once(execution, command, _deposit)


def _must_move(command: Deposit | Hold | Adjust) -> None:
    """A row of the cashier that moves nothing would still use up a first deposit, or forfeit a bonus (PLAY.md §1)."""
    if command.amount == 0:
        raise InvalidField("amount", "must not be zero")


def _deposit(execution: Execution, entry: Entry, command: Deposit) -> None:
    """A deposit stands even if its offer does not; the row keeps what the offer came to."""
    if not command.captured:
        may_deposit(entry.wallet, command.at, command.amount)
    asked = grants.Origin(command.source, command.reference, command.actor)
    bonus, refusal = grants.on_deposit(execution.bonuses, entry, command.amount, command.offer, asked)
    entry.named(
        Kind.DEPOSIT,
        command.source,
        command.reference,
        command.amount,
        cash_delta=command.amount,
        captured=command.captured,
        bonus=None if bonus is None else bonus.id,
        wagered_after=None if bonus is None else bonus.wagered,
        refusal=refusal,
    )


def may_deposit(wallet: OpenWallet, at: int, amount: int) -> None:
    """The gates of a deposit: those of a grant, and the player's limits. A captured one passes them by (rule 29)."""
    grants.may_be_granted(wallet, at)
    limits.may_deposit(wallet, at, amount)


def hold(execution: Execution, command: Hold) -> Receipt:
    """Set money aside for a withdrawal; only the withdraw lock and the cash itself gate it.

    Raises InvalidField for an amount of zero.
    """
    _must_move(command)
    return once(execution, command, _hold)


def _hold(execution: Execution, entry: Entry, command: Hold) -> None:
    if entry.wallet.player.withdraw_locked:
        raise Refused("wallet_locked", lock="withdraw")
    wagering.may_withdraw(execution.bonuses, entry.wallet)
    if command.amount > entry.wallet.cash:
        raise Refused("insufficient_funds")
    wagering.withdraw(execution.bonuses, entry)
    entry.named(
        Kind.HOLD,
        command.source,
        command.reference,
        command.amount,
        cash_delta=-command.amount,
        held_delta=command.amount,
    )


def end_hold(execution: Execution, command: Settle | Release) -> Receipt:
    """The held money was paid out, or it goes back to the player's cash."""
    return once(execution, command, _end_hold)


def _end_hold(execution: Execution, entry: Entry, command: Settle | Release) -> None:
    """Raises Refused: ``unknown_withdrawal``, ``already_settled``, ``already_released``, ``player_not_verified``."""
    held = _open_hold(execution, entry.wallet, command)
    if command.kind == Kind.SETTLE:
        _must_be_verified(execution, entry.wallet.player)
    columns: Columns = {"held_delta": -held.amount, "closes": held.id, "original": held.reference}
    if isinstance(command, Release):
        columns["cash_delta"] = held.amount
        columns["reason"] = command.reason
    entry.named(command.kind, command.source, command.reference, held.amount, **columns)


def _must_be_verified(execution: Execution, player: OpenPlayer) -> None:
    if execution.book.is_unverified(player, Demand.VERIFIED_WITHDRAWAL):
        raise Refused("player_not_verified", needed_for="withdrawal", verification=player.verification)


def _open_hold(execution: Execution, wallet: OpenWallet, command: Settle | Release) -> Row:
    """The hold to end; a refused hold is no withdrawal (rule 28)."""
    held = execution.book.row(command.source, Kind.HOLD, command.reference)
    if held is None or not held.posted or held.wallet != wallet.id:
        raise Refused("unknown_withdrawal", reference=command.reference)
    closer = execution.book.closers.get(held.id)
    if closer is not None:
        raise Refused("already_settled" if closer.kind == Kind.SETTLE else "already_released")
    return held


def adjust(execution: Execution, command: Adjust) -> Receipt:
    """Correct a balance by hand, with a reason; nothing gates it but the money itself.

    Raises InvalidField for an amount of zero or a blank reason.
    """
    _must_move(command)
    if not audit.is_reason(command.reason):
        raise InvalidField("reason", "must not be blank")
    return once(execution, command, _adjust)


def _adjust(execution: Execution, entry: Entry, command: Adjust) -> None:
    columns: Columns = {"cash_delta": command.amount, "reason": command.reason}
    if command.bonus is not None:
        bonus = execution.bonuses.by_id.get(command.bonus)
        if bonus is None or bonus.wallet != entry.wallet.id:
            raise Refused("unknown_bonus", bonus=command.bonus)
        columns["bonus"], columns["wagered_after"] = bonus.id, bonus.wagered
    if entry.wallet.cash + command.amount < 0:
        raise Refused("insufficient_funds")
    entry.named(Kind.ADJUST, command.source, command.reference, command.amount, **columns)
