"""How tables are kept: set by migrations, taken back by them, and never waited for by play."""

from __future__ import annotations

import psycopg
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from wallet.operations import SetStorageParameters


def parameters(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(reloptions, '{}') FROM pg_class WHERE oid = %s::regclass", [table])
        ((found,),) = cursor.fetchall()
    return sorted(found)


def carried_out(operation: Operation, *, backwards: bool = False) -> None:
    state = MigrationLoader(None).project_state()
    with connection.schema_editor() as editor:
        carry = operation.database_backwards if backwards else operation.database_forwards
        carry("wallet", editor, state, state)


def test_the_ledger_is_looked_after_by_hundredths_of_what_it_is(books: None) -> None:
    """By a fifth and a tenth, as PostgreSQL has it, millions of rows would come to a large ledger in between."""
    assert parameters("wallet_transaction") == [
        "autovacuum_analyze_scale_factor=0.01",
        "autovacuum_vacuum_insert_scale_factor=0.02",
    ]


def test_the_way_back_leaves_what_was_there(books: None) -> None:
    before = parameters("wallet_wallet")
    operation = SetStorageParameters("wallet", {"autovacuum_analyze_threshold": 7})
    carried_out(operation)
    assert parameters("wallet_wallet") == sorted([*before, "autovacuum_analyze_threshold=7"])
    carried_out(operation, backwards=True)
    assert parameters("wallet_wallet") == before


def test_waits_for_nobody_who_writes(books: None) -> None:
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE wallet_transaction IN ROW EXCLUSIVE MODE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        operation = SetStorageParameters("transaction", {"autovacuum_analyze_threshold": 7})
        carried_out(operation)
        carried_out(operation, backwards=True)
