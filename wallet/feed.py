"""Every row of the house in one order that never skips one, however late it was committed.

Rows come in the order of their ids, which begin with the time at which they were made. A row may
be committed after a younger one, so nothing younger than the oldest posting still under way is
shown yet: ids are made inside the transaction that writes them, never before its BEGIN.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from wallet.models import Transaction

PAGE: Final = 100
START: Final = UUID(int=0)

# Clocks of our processes and of PostgreSQL may differ by so much.
_MARGIN: Final = "2 seconds"
# A posting that has not written yet has no transaction id of its own. It is bounded in its reading,
# so one that has read for longer than this will never write: it is a report, and holds nobody up.
_READING: Final = "30 seconds"

_SETTLED_BEFORE: Final = f"""
SELECT least(
    clock_timestamp(),
    min(xact_start) FILTER (
        WHERE pid <> pg_backend_pid()
        AND (backend_xid IS NOT NULL OR xact_start > clock_timestamp() - interval '{_READING}')
    )
) - interval '{_MARGIN}'
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
"""


def page(after: UUID, size: int = PAGE) -> list[Transaction]:
    """The rows that follow ``after``, oldest first; those made a moment ago come a moment later."""
    # The bound is asked for before the rows, in a statement of its own: what is committed between
    # the two is then seen, and what is committed later lies beyond the bound.
    bound = _first_id(settled_before())
    rows = Transaction.objects.select_related("wallet__player", "wallet__currency").defer("digest")
    return list(rows.filter(id__gt=after, id__lt=bound).order_by("id")[:size])


def settled_before() -> datetime:
    """The instant before which every row that will ever be written can be seen."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED_BEFORE)
        (instant,) = cursor.fetchone()
    assert isinstance(instant, datetime)
    return instant


def _first_id(instant: datetime) -> UUID:
    """The lowest UUIDv7 of the instant's millisecond."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
