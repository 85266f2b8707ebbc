"""What the casino's back ends are told of: events, written in the transaction of what they tell (docs/events.md).

A posting that brings none pays a look at its rows. One that does pays one INSERT, which travels with its others and
writes a row for each endpoint that is to be told; with no endpoint it writes nothing. Who sends them, and when, is
``casino_pam.delivery``.

The order of telling is that of the transactions' ids, and within a transaction that of its events. What begins after
another has committed, as every further command on a wallet does, has the larger id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import msgspec
from django.db import connection
from uuid_utils import uuid7

from bonus.models import BonusStatus
from bonus.open_bonuses import Bonuses, OpenBonus, progress
from casino_pam.engine.execution import Execution
from casino_pam.engine.results import facts_of
from wallet.kinds import LIMIT_NAMES, Kind, Status, unscoped
from wallet.ledger import array
from wallet.money import show
from wallet.pg.session import Session
from wallet.state import OpenWallet, Row
from wallet.time import now, to_datetime, to_text

# --- the shapes: the only place they are declared --------------------------------------------------


class BonusTold(msgspec.Struct, frozen=True):
    """A bonus as it stands; ``reason`` says why it ended, where somebody said so."""

    id: str
    offer: str
    status: str
    amount: str
    required: str
    wagered: str
    converted: str
    reason: str | None


class WithdrawalTold(msgspec.Struct, frozen=True):
    """A withdrawal; ``transaction`` is the row of the ledger that this event tells of."""

    source: str
    reference: str
    amount: str
    transaction: str


class LimitTold(msgspec.Struct, frozen=True):
    """A limit of the player's own, and what is left of it until ``resets_at``."""

    name: str
    amount: str
    left: str
    resets_at: str


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all events tell: which it is, for good, when it happened, and to whom."""

    id: str
    at: str
    player: str


class OfBonus(Event, frozen=True, kw_only=True):
    currency: str
    bonus: BonusTold


class BonusGranted(OfBonus, frozen=True, tag="bonus.granted"):
    """A bonus was granted: a claim waits for no deposit any more, or a grant for no second person."""


class BonusCompleted(OfBonus, frozen=True, tag="bonus.completed"):
    """A bonus was wagered, or completed by hand; ``converted`` became cash."""


class BonusEnded(OfBonus, frozen=True, tag="bonus.ended"):
    """A bonus that was granted ended without being completed: ``status`` says how."""


class OfWithdrawal(Event, frozen=True, kw_only=True):
    currency: str
    withdrawal: WithdrawalTold


class WithdrawalHeld(OfWithdrawal, frozen=True, tag="withdrawal.held"):
    """A player asked for money, which is held until it is paid."""


class WithdrawalSettled(OfWithdrawal, frozen=True, tag="withdrawal.settled"):
    """A withdrawal was paid."""


class WithdrawalReleased(OfWithdrawal, frozen=True, tag="withdrawal.released"):
    """A withdrawal will not be paid: its money is the player's again."""


class LimitReached(Event, frozen=True, kw_only=True, tag="limit.reached"):
    """A bet or deposit was refused by a limit of the player's own; told once for each limit, amount and period."""

    currency: str
    limit: LimitTold


class PlayerExcluded(Event, frozen=True, kw_only=True, tag="player.excluded"):
    """A player is excluded until that moment, by whomever."""

    until: str


class PlayerExclusionLifted(Event, frozen=True, kw_only=True, tag="player.exclusion_lifted"):
    """Somebody ended a player's exclusion before its time. One that runs out is told by its ``until``."""


AnyEvent = (
    BonusGranted
    | BonusCompleted
    | BonusEnded
    | WithdrawalHeld
    | WithdrawalSettled
    | WithdrawalReleased
    | LimitReached
    | PlayerExcluded
    | PlayerExclusionLifted
)

# --- written ---------------------------------------------------------------------------------------

_INSERT: Final = """
INSERT INTO wallet_delivery
    (position, endpoint_id, event, kind, player, body, created_at, since, state, attempts, answer)
SELECT pg_current_xact_id()::text::bigint, e.id, n.event, n.kind, n.player, n.body,
    clock_timestamp(), clock_timestamp(), 'pending', 0, ''
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[])
    WITH ORDINALITY AS n(event, kind, player, body, place)
JOIN wallet_endpoint e ON e.enabled AND (e.kinds = '{}' OR n.kind = ANY (e.kinds))
ORDER BY n.place
ON CONFLICT DO NOTHING
"""


def write(session: Session, execution: Execution, stale: set[int]) -> None:
    """Put down the events of a posting, with what it sends next; those of stale wallets have not happened."""
    if _may_bring_events(execution):
        told = list(_of_posting(execution, stale))
        if told:
            session.put(_INSERT, _columns(told))


def write_exclusion(player: str, until: datetime | None) -> None:
    """Put down that the player was excluded, or is no longer, in Django's transaction under way."""
    named: dict[str, Any] = {"id": str(uuid7()), "at": to_text(to_datetime(now())), "player": player}
    event = PlayerExclusionLifted(**named) if until is None else PlayerExcluded(**named, until=to_text(until))
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, _columns([event]))


def _columns(events: Sequence[Event]) -> list[str]:
    columns: Iterable[list[str]] = (
        [event.id for event in events],
        [str(event.__struct_config__.tag) for event in events],
        [event.player for event in events],
        [msgspec.json.encode(event).decode() for event in events],
    )
    return [array(column) for column in columns]


# --- found in a posting. Pure ----------------------------------------------------------------------

_WITHDRAWALS: Final[dict[str, type[OfWithdrawal]]] = {
    Kind.HOLD: WithdrawalHeld,
    Kind.SETTLE: WithdrawalSettled,
    Kind.RELEASE: WithdrawalReleased,
}


def _may_bring_events(execution: Execution) -> bool:
    """Whether a second look is worth its while: of a bet, and of a bonus that only progressed, it is not."""
    return any(row.kind in _WITHDRAWALS or row.refusal for row in execution.book.added) or any(
        copy is None or copy.status != bonus.status for bonus, copy in execution.bonuses.journal
    )


def _of_posting(execution: Execution, stale: set[int]) -> Iterator[Event]:
    """Its events, in the order in which they happened."""
    wallets = execution.book.wallets_by_id
    found = [
        (at, _of_bonus(wallets[bonus.wallet], shape, bonus, at))
        for bonus, shape, at in _turns(execution.bonuses)
        if bonus.wallet not in stale
    ]
    for row in execution.book.added:
        event = None if row.wallet in stale else _of_row(wallets[row.wallet], row)
        if event is not None:
            found.append((row.created_at, event))
    found.sort(key=lambda each: each[0])
    return (event for _, event in found)


def _turns(bonuses: Bonuses) -> Iterator[tuple[OpenBonus, type[OfBonus], int]]:
    """The bonuses that were granted or that ended in this posting, and when.

    One that waits for its deposit, or for a second person, is none yet; if it ends so, there never was one.
    """
    before = {bonus.id: copy for bonus, copy in reversed(bonuses.journal)}
    for bonus in bonuses.changed():
        was = before[bonus.id]
        pending = was is None or was.status == BonusStatus.PENDING
        granted = pending and (bonus.status == BonusStatus.QUEUED or bonus.activated_at is not None)
        if granted:
            yield bonus, BonusGranted, bonus.activated_at or bonuses.at
        if bonus.ended_at is not None and (granted or not pending) and (was is None or was.ended_at is None):
            yield bonus, BonusCompleted if bonus.status == BonusStatus.COMPLETED else BonusEnded, bonus.ended_at


def _named(wallet: OpenWallet, at: int) -> dict[str, Any]:
    named = {"id": str(uuid7()), "at": to_text(to_datetime(at))}
    return {**named, "player": wallet.player.code, "currency": wallet.currency.code}


def _of_bonus(wallet: OpenWallet, shape: type[OfBonus], bonus: OpenBonus, at: int) -> Event:
    digits = wallet.currency.digits
    told = BonusTold(
        id=bonus.id,
        offer=bonus.terms.offer,
        status=_status(bonus) if shape is BonusGranted else bonus.status,
        amount=show(bonus.amount, digits),
        required=show(bonus.required, digits),
        wagered=show(progress(bonus, at)["wagered"], digits),
        converted=show(bonus.converted, digits),
        reason=bonus.ended_reason,
    )
    return shape(**_named(wallet, at), bonus=told)


def _status(bonus: OpenBonus) -> str:
    """What it was when it was granted: one posting may grant it and end it."""
    return BonusStatus.QUEUED if bonus.activated_at is None else BonusStatus.ACTIVE


def _of_row(wallet: OpenWallet, row: Row) -> Event | None:
    digits = wallet.currency.digits
    if row.status == Status.REFUSED:
        return _of_refusal(wallet, row) if row.refusal == "limit_reached" else None
    shape = _WITHDRAWALS.get(row.kind)
    if shape is None:
        return None
    told = WithdrawalTold(row.source, unscoped(row.reference), show(row.amount, digits), row.id)
    return shape(**_named(wallet, row.created_at), withdrawal=told)


def _of_refusal(wallet: OpenWallet, row: Row) -> Event | None:
    """The limit that refused it, if it is one of the player's: each is told once while it stands, by its id."""
    facts = facts_of(row)
    name = facts.get("limit")
    if wallet.limits is None or name not in LIMIT_NAMES:
        return None
    digits = wallet.currency.digits
    amount = wallet.limits.amounts[name]
    told = LimitTold(name, show(amount, digits), show(facts["left"], digits), facts["resets_at"])
    once = uuid5(NAMESPACE_URL, f"limit:{wallet.id}:{name}:{amount}:{told.resets_at}")
    return LimitReached(**{**_named(wallet, row.created_at), "id": str(once)}, limit=told)
