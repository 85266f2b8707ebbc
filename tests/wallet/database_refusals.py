"""Statements of one's own, and the guard of the database that refuses them."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import DatabaseError, connection, transaction


def execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


class refused:  # noqa: N801 it reads as a verb
    """Expect that the statement inside is refused by this guard, and go on."""

    def __init__(self, guard: str) -> None:
        self.guard = guard
        self.savepoint = transaction.atomic()

    def __enter__(self) -> None:
        self.savepoint.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        self.savepoint.__exit__(kind, error, trace)
        assert isinstance(error, DatabaseError), f"{self.guard} let it pass"
        cause = error.__cause__
        assert isinstance(cause, psycopg.Error)
        assert self.guard in (cause.diag.constraint_name or cause.diag.message_primary or "")
        return True
