"""Periods and what moved in them: the arithmetic of limits. Pure.

Every ledger row carries its wallet's lifetime totals, so what was staked, lost or deposited in a
period is the difference of two rows: the newest one, and the newest one before the period began.
Periods are those of the calendar in UTC; a week begins on Monday (ISO 8601).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

SUBJECTS: Final = ("deposit", "stake", "loss")
PERIODS: Final = ("day", "week", "month")
# The columns of WalletLimits, in the order in which they are read.
NAMES: Final = tuple(f"{subject}_{period}" for subject in SUBJECTS for period in PERIODS)
UNLIMITED: Final = (None,) * len(NAMES)

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND

_FIRST_DAY: Final = date(1970, 1, 1)
_FIRST_INSTANT: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A period from ``start`` on and before ``end``, in microseconds since 1970."""

    start: int
    end: int


class Totals(NamedTuple):
    """A wallet's lifetime totals in minor units, net of rollbacks."""

    staked: int
    paid: int
    deposited: int


class OpenLimits(msgspec.Struct):
    """A wallet's limits in a posting: ``amounts`` as NAMES has them, None where there is none.

    ``totals`` and ``newest_at`` are the wallet's as they were read; ``before`` holds the totals
    that were looked up, by the start of the period before which they stood.
    """

    amounts: tuple[int | None, ...]
    totals: Totals
    newest_at: int
    before: dict[int, Totals] = {}


def spans(at: int) -> tuple[Span, Span, Span]:
    """The day, the week and the month of an instant (microseconds since 1970)."""
    return _spans(at // DAY)


@lru_cache(maxsize=64)
def _spans(day: int) -> tuple[Span, Span, Span]:
    # 1 January 1970 was a Thursday.
    monday = day - (day + 3) % 7
    first = (_FIRST_DAY + timedelta(days=day)).replace(day=1)
    next_first = (first + timedelta(days=31)).replace(day=1)
    month = ((first - _FIRST_DAY).days, (next_first - _FIRST_DAY).days)
    return (
        Span(day * DAY, (day + 1) * DAY),
        Span(monday * DAY, (monday + 7) * DAY),
        Span(month[0] * DAY, month[1] * DAY),
    )


def used(subject: str, now: Totals, before: Totals) -> int:
    """What of a limit is used up, in minor units.

    Stakes and deposits count from zero: what came back of an earlier period's bet is no room in
    this one beyond the limit. A net loss below zero is a win, and may be played back.
    """
    if subject == "deposit":
        return max(0, now.deposited - before.deposited)
    staked = now.staked - before.staked
    if subject == "stake":
        return max(0, staked)
    return staked - (now.paid - before.paid)


def moment(at: int) -> datetime:
    """Microseconds since 1970 as Python and the models have them."""
    return _FIRST_INSTANT + timedelta(microseconds=at)


def micros(instant: datetime) -> int:
    """The other way round, exactly."""
    return (instant - _FIRST_INSTANT) // timedelta(microseconds=1)


def written(at: int) -> str:
    """An instant as it is written in JSON."""
    return moment(at).isoformat(timespec="microseconds").replace("+00:00", "Z")
