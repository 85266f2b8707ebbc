"""What a standby of PostgreSQL cannot be asked, and how old is what it shows (docs/operations.md, Reads elsewhere)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg
from django.db import connection

from wallet.errors import Busy


class OnStandby(Busy):
    """PostgreSQL follows a primary here, and this needs the primary itself; ``detail`` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__("unavailable", detail=detail)


def refuse(detail: str) -> None:
    """Raises OnStandby where the process is connected to a standby."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        if cursor.fetchone() == (True,):
            raise OnStandby(detail)


class Freshness(NamedTuple):
    """``is_complete``: nothing was missing a moment ago. Else all is there that was committed up to ``as_of``, if
    that is known."""

    is_complete: bool
    as_of: datetime | None = None


COMPLETE: Final = Freshness(True)

_WRITTEN: Final = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn()::text END"
# The time of the last commit that was carried out says nothing where nobody commits: an idle house's would be hours
# old, and everything there. And what a standby has received says nothing once it is cut off.
_CARRIED_OUT: Final = """
SELECT NOT pg_is_in_recovery() OR coalesce(pg_last_wal_replay_lsn() >= %s::pg_lsn, false),
       pg_last_xact_replay_timestamp()
"""


def written() -> str | None:
    """How far the primary's log has come; None where this process is not connected to the primary."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITTEN)
        (place,) = cursor.fetchone()
    return None if place is None else str(place)


def freshness(own: psycopg.Connection[Any], place: str | None) -> Freshness:
    """How fresh what ``own`` shows will be, ``place`` being what ``written`` said before.

    To be asked before the snapshot is taken: what is carried out between the two only makes it fresher.
    """
    record = own.execute(_CARRIED_OUT, [place]).fetchone()
    assert record is not None
    is_complete, as_of = record
    return COMPLETE if is_complete else Freshness(False, as_of)
