"""A report reads one snapshot on a connection of its own, and its rows come through a cursor of the server's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
from django.db import connection

from wallet.pg.connection import Connection

Connected = psycopg.Connection[Any]
Values = Mapping[str, Any]

# Rows fetched at a time: memory stays flat however long the report is.
FETCHED: Final = 2_000

_cursors = itertools.count()


@contextmanager
def snapshot(seconds: int = 0) -> Iterator[Connected]:
    """A connection in a read-only transaction; ``seconds`` bounds each statement, 0 does not.

    It is none of the pool's: a slow reader of a long file must not keep one from the doors. Raises
    psycopg.errors.QueryCanceled from a statement that takes longer.
    """
    parameters = connection.get_connection_params()
    with closing(Connection.connect(**parameters, autocommit=True)) as own:
        own.execute(f"SET statement_timeout = '{seconds}s'")
        # A reader who takes the file slowly leaves the transaction idle; the server layer ends one who stops.
        own.execute("SET idle_in_transaction_session_timeout = '120s'")
        own.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield own


def stream(own: Connected, statement: str, values: Values) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement, a few thousand at a time."""
    with own.cursor(name=f"report_{next(_cursors)}") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(statement, values)
        yield from cursor


def one(own: Connected, statement: str, values: Values) -> tuple[Any, ...]:
    """The only row of a statement."""
    record = own.execute(statement, values).fetchone()
    assert record is not None
    return tuple(record)
