"""Instants as the engine counts them, microseconds since 1970, and the same ones in Python, JSON, SQL and ids. Pure."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The present instant."""
    return time.time_ns() // 1000


def to_datetime(at: int) -> datetime:
    """As Python and the models have it."""
    return _EPOCH + timedelta(microseconds=at)


def to_microseconds(instant: datetime) -> int:
    """The other way round, exactly."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def to_text(instant: datetime) -> str:
    """As it stands in JSON."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# When an exclusion that nobody means to end is over.
FOR_GOOD: Final = datetime(9999, 12, 31, tzinfo=UTC)


def months_after(start: datetime, months: int) -> datetime:
    """The same day and time so many months later; the last day of a month that has no such day."""
    years, month = divmod(start.month - 1 + months, 12)
    first = start.replace(year=start.year + years, month=month + 1, day=1)
    last_day = ((first + timedelta(days=31)).replace(day=1) - timedelta(days=1)).day
    return first.replace(day=min(start.day, last_day))


def midnight(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


# --- periods of the calendar ---------------------------------------------------------------------


class Span(NamedTuple):
    """A period from ``start`` on and before ``end``, in microseconds since 1970."""

    start: int
    end: int


class Spans(NamedTuple):
    """The periods in UTC that an instant lies in; a week begins on Monday (ISO 8601)."""

    day: Span
    week: Span
    month: Span


def spans(at: int) -> Spans:
    """The day, the week and the month of an instant (microseconds since 1970)."""
    return _spans(at // DAY)


@lru_cache(maxsize=64)
def _spans(day: int) -> Spans:
    # 1 January 1970 was a Thursday.
    monday = day - (day + 3) % 7
    first = to_datetime(day * DAY).replace(day=1)
    next_first = (first + timedelta(days=31)).replace(day=1)
    return Spans(
        day=Span(day * DAY, (day + 1) * DAY),
        week=Span(monday * DAY, (monday + 7) * DAY),
        month=Span(to_microseconds(first), to_microseconds(next_first)),
    )


# --- in SQL --------------------------------------------------------------------------------------


def selected(column: str) -> str:
    """A timestamp column, read as microseconds."""
    return f"(extract(epoch from {column}) * 1000000)::bigint"


def timestamp(microseconds: str) -> str:
    """A number of microseconds, to be compared or stored as a timestamp; the same wherever and whenever it is asked.

    Added to a timestamptz an interval might be of months, whose length PostgreSQL would ask of the session's time zone.
    """
    return f"(timestamp 'epoch' + {microseconds} * interval '1 microsecond') AT TIME ZONE 'UTC'"


# --- in ids --------------------------------------------------------------------------------------


def first_id(instant: datetime) -> UUID:
    """The smallest id that a row made at this instant can have: ids begin with their millisecond (UUIDv7).

    Before 1970 nothing was made.
    """
    return UUID(int=max(0, int(instant.timestamp() * 1000)) << 80)


def made_at(id: UUID) -> datetime:
    """The millisecond in which an id was made."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)
