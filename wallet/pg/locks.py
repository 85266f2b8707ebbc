"""Which rows are locked by others, once waiting for one has failed."""

from __future__ import annotations

import re
from typing import Final

from psycopg.errors import LockNotAvailable

from wallet.pg.session import Session

# Whoever waits behind another waiter is not told for which row; but the first in line holds a lock that all can see.
_QUEUES: Final = """
SELECT '(' || page || ',' || tuple || ')' FROM pg_locks
WHERE locktype = 'tuple' AND granted AND relation = %s::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_place = re.compile(r"\([0-9]+,[0-9]+\)")


def locked_rows(session: Session, fault: LockNotAvailable, table: str) -> list[str]:
    """The places (ctid) of rows of ``table`` that somebody keeps locked; empty where PostgreSQL does not say.

    PostgreSQL names the row in the fault's context, in whatever language it speaks.
    """
    rows = {place for (place,) in session.rows(_QUEUES, [table])}
    context = fault.diag.context or ""
    if table in context:
        rows.update(_place.findall(context))
    return sorted(rows)
