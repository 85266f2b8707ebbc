"""`manage.py migrate` on a database where somebody is in its way, and the SQL of our operations."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models
from django.db.migrations.state import ProjectState
from django.test import override_settings

from casino_pam.management.commands import migrate
from tests import scenario
from wallet.operations import AddForeignKey, AddUniqueConcurrently


@pytest.fixture
def another(books: None) -> Iterator[None]:
    """Another `migrate` is at work."""
    other = connection.copy()
    with migrate.alone(other):
        yield
    other.close()


def printed(*argv: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out, no_color=True, **options)
    return out.getvalue()


def test_gives_up_in_the_end_and_says_what_to_do(another: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", (0,))
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"Given up after 2 attempts\. .* Then run migrate again"):
        call_command("migrate", stdout=out)
    assert out.getvalue() == "\n  Another migrate is at work on this schema. Attempt 2 of 2 in 0 s.\n"


def test_whoever_only_asks_waits_for_nobody(another: None) -> None:
    assert printed("migrate", "--check") == ""
    assert "No planned migration operations." in printed("migrate", "--plan")


def test_stands_in_nobodys_way_while_it_waits_for_a_lock(books: None) -> None:
    with migrate.alone(connection), connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("300ms",)


def test_leaves_the_connection_as_it_was_and_the_way_free(books: None) -> None:
    def settings() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),"
                " count(*) FILTER (WHERE locktype = 'advisory') FROM pg_locks"
            )
            return list(cursor.fetchone())

    before = settings()
    assert "No migrations to apply." in printed("migrate")
    assert settings() == before


@override_settings(MIGRATION_MODULES={"wallet": "tests.deploys.migrations"})
def test_the_sql_can_be_read_beforehand(books: None) -> None:
    sql = printed("sqlmigrate", "wallet", "deploy_4_indexes").splitlines()
    assert [line for line in sql if not line.startswith("--")] == [
        'CREATE INDEX CONCURRENTLY "ledger_opponent" ON "wallet_transaction" ("opponent_id", "created_at");',
        'CREATE INDEX CONCURRENTLY "ledger_by_channel" ON "wallet_transaction" ("channel", "kind", "id");',
        'CREATE UNIQUE INDEX CONCURRENTLY "ledger_unique" ON "wallet_transaction" ("channel", "id");',
        'ALTER TABLE "wallet_transaction" ADD CONSTRAINT "ledger_unique" UNIQUE USING INDEX "ledger_unique";',
    ]
    assert 'LOCK TABLE "wallet_wallet" IN SHARE ROW EXCLUSIVE MODE;' in printed(
        "sqlmigrate", "wallet", "deploy_3_foreign_key"
    )


def test_a_unique_constraint_whose_rows_were_not_unique_can_be_added_once_they_are(books: None) -> None:
    scenario.catalogue()
    state = ProjectState.from_apps(apps)
    constraint = models.UniqueConstraint(fields=["late_bet"], name="providers_differ", condition=models.Q(enabled=True))
    operation = AddUniqueConcurrently("provider", constraint)
    with pytest.raises(IntegrityError), connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("wallet", editor, state, state)
    scenario.profile("zenith", enabled=False)
    for _ in range(2):
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("wallet", editor, state, state)
    with connection.schema_editor(atomic=False) as editor, connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'providers_differ'::regclass")
        assert cursor.fetchall() == [(True,)]
        operation.database_backwards("wallet", editor, state, state)


@pytest.mark.parametrize("options", [{}, {"null": True}, {"null": True, "db_index": False, "default": 1}])
def test_a_foreign_key_that_would_read_rows_is_no_operation(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"AddForeignKey\.field must"):
        AddForeignKey("transaction", "other", models.ForeignKey("wallet.wallet", models.PROTECT, **options))
