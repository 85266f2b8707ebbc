"""What somebody with a password to the database could do to the books.

The tests that do it ask for ``broken_books``: the books are then not reconciled at their end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from tests import clean_books
from wallet.models import Transaction, Wallet

_CONSTRAINT = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s"
_INDEX = "SELECT pg_get_indexdef(to_regclass(%s))"


def sql(statement: str, *values: Any) -> None:
    """Run a statement with the ledger's triggers set aside."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wallet_transaction DISABLE TRIGGER USER")
        cursor.execute(statement, values)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE wallet_transaction ENABLE TRIGGER USER")


def change(who: str, version: int, change: str) -> None:
    """Change columns of one row: ``change`` is what stands after SET."""
    sql(f"UPDATE wallet_transaction SET {change} WHERE wallet_id = %s AND version = %s", wallet_id(who), version)


def remove(who: str, *versions: int) -> None:
    sql("DELETE FROM wallet_transaction WHERE wallet_id = %s AND version = ANY(%s)", wallet_id(who), list(versions))


def copy(who: str, version: int, /, **columns: Any) -> None:
    """Add a copy of a row under a new id, with some columns changed."""
    row = Transaction.objects.values().get(wallet_id=wallet_id(who), version=version)
    row |= {"id": "01900000-0000-7000-8000-000000000000", **columns}
    names = ", ".join(row)
    sql(f"INSERT INTO wallet_transaction ({names}) VALUES ({', '.join(['%s'] * len(row))})", *row.values())


def wallet_id(who: str) -> int:
    return Wallet.objects.values_list("id", flat=True).get(player__code=who)


@contextmanager
def without(table: str, *guards: str) -> Iterator[None]:
    """Drop constraints and unique indexes of a table; the rows they would refuse go before they return."""
    definitions: list[str] = []
    with connection.cursor() as cursor:
        for guard in guards:
            cursor.execute(_CONSTRAINT, [guard])
            record = cursor.fetchone()
            if record:
                definitions.append(f"ALTER TABLE {table} ADD CONSTRAINT {guard} {record[0]}")
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {guard}")
            else:
                cursor.execute(_INDEX, [guard])
                definitions.append(cursor.fetchone()[0])
                cursor.execute(f"DROP INDEX {guard}")
    try:
        yield
    finally:
        clean_books.emptied()
        with connection.cursor() as cursor:
            for definition in definitions:
                cursor.execute(definition)
