"""What the linter of migrations (tests/deploys/online_migrations.py, `make lint`) refuses, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.postgres import operations as postgres
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Random
from pgtrigger.compiler import Trigger, UpsertTriggerSql
from pgtrigger.migrations import AddTrigger, RemoveTrigger

from tests.deploys import online_migrations
from tests.deploys.online_migrations import examine, faults
from wallet import operations as online

INDEX = models.Index(fields=["kind"], name="ledger_kind")
CHECK = models.CheckConstraint(condition=models.Q(amount__gte=0), name="ledger_check")
UNIQUE = models.UniqueConstraint(fields=["kind", "id"], name="ledger_unique")
TRIGGER = Trigger(
    name="guard",
    sql=UpsertTriggerSql(
        func="RETURN NEW;",
        hash="0",
        operation="UPDATE",
        pgid="pgtrigger_guard_1",
        table="wallet_transaction",
        when="BEFORE",
    ),
)
TEXT = models.CharField(max_length=8, null=True)
TABLE = migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])


def to_wallet(**options: Any) -> Any:
    return models.ForeignKey("wallet.wallet", models.PROTECT, related_name="+", **options)


def found(*operations: Operation, **attributes: Any) -> list[str]:
    """The faults of a migration after the newest of the wallet's."""
    made = type("Migration", (migrations.Migration,), {"operations": list(operations), **attributes})
    return list(faults(made("9999_next", "wallet"), MigrationLoader(None).project_state()))


def test_every_migration_there_is_passes() -> None:
    assert list(examine(MigrationLoader(None))) == []


def test_a_migration_that_left_must_leave_the_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(online_migrations.BASELINE, "casino_pam", ["0001_gone"])
    assert [fault.partition(":")[0] for fault in examine(MigrationLoader(None))] == ["casino_pam.0001_gone"]


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        (migrations.AddIndex("transaction", INDEX), "AddIndexConcurrently"),
        (migrations.RemoveIndex("transaction", "ledger_kind"), "RemoveIndexConcurrently"),
        (migrations.AddConstraint("transaction", CHECK), "AddConstraintNotValid"),
        (migrations.AddConstraint("transaction", UNIQUE), "AddUniqueConcurrently"),
        (migrations.AlterUniqueTogether("transaction", {("kind", "id")}), "AddUniqueConcurrently"),
        (migrations.AddField("transaction", "note", models.CharField(max_length=8)), "db_default"),
        (migrations.AddField("transaction", "note", models.CharField(max_length=8, default="")), "db_default"),
        (migrations.AddField("transaction", "note", models.FloatField(db_default=Random())), "anew"),
        (migrations.AddField("transaction", "note", models.SlugField(null=True)), "AddIndexConcurrently"),
        (migrations.AddField("transaction", "note", models.CharField(max_length=8, unique=True, null=True)), "index"),
        (migrations.AddField("transaction", "note", models.PositiveIntegerField(null=True)), "AddConstraintNotValid"),
        (
            migrations.AddField(
                "transaction",
                "note",
                models.GeneratedField(
                    expression=models.F("amount") + 1, output_field=models.BigIntegerField(), db_persist=True
                ),
            ),
            "anew",
        ),
        (migrations.AddField("transaction", "other", to_wallet(null=True)), "AddForeignKey"),
        (migrations.AlterField("transaction", "kind", models.TextField()), "add a column beside it"),
        (migrations.AlterField("wallet", "digest", models.BinaryField(max_length=32)), "add a column beside it"),
        (migrations.AlterField("player", "code", models.CharField(max_length=200, unique=True)), "add a column"),
        (migrations.RemoveField("transaction", "actor"), "in the next release"),
        (migrations.DeleteModel("WalletLimits"), "in the next release"),
        (migrations.RenameField("transaction", "actor", "who"), "db_column"),
        (migrations.RenameModel("WalletLimits", "Limits"), "db_table"),
        (migrations.AlterModelTable("walletlimits", "limits"), "db_table"),
        (migrations.RunSQL("CREATE INDEX ledger_kind ON wallet_transaction (kind)"), "use an operation"),
        (migrations.RunSQL("ALTER TABLE wallet_transaction DROP COLUMN actor"), "code still knows it"),
        (migrations.RunSQL("DROP TABLE wallet_walletlimits"), "code still knows it"),
        (
            migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("transaction", "amount")]),
            "code without amount cannot insert",
        ),
        (
            migrations.SeparateDatabaseAndState(database_operations=[migrations.AddIndex("transaction", INDEX)]),
            "list operations on the database by themselves",
        ),
        (migrations.RunPython(migrations.RunPython.noop), "atomic = False"),
        (postgres.AddIndexConcurrently("transaction", INDEX), "wallet.operations"),
        (postgres.HStoreExtension(), "measure it"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Operation) else "",
)
def test_refuses_what_stops_play_and_says_what_to_do_instead(operation: Operation, advice: str) -> None:
    (fault,) = found(operation)
    assert advice in fault


@pytest.mark.parametrize(
    "operations",
    [
        [migrations.AddField("transaction", "note", TEXT)],
        [migrations.AddField("transaction", "note", models.BigIntegerField(db_default=7))],
        [postgres.AddConstraintNotValid("transaction", CHECK)],
        [postgres.ValidateConstraint("transaction", "ledger_check")],
        [online.AddForeignKey("transaction", "other", to_wallet(null=True, db_index=False))],
        [RemoveTrigger("transaction", "append_only"), AddTrigger("transaction", TRIGGER)],
        [migrations.RemoveConstraint("transaction", "ledger_amount")],
        [online.SetStorageParameters("transaction", {"fillfactor": 90})],
        [migrations.AlterField("transaction", "amount", models.BigIntegerField(null=True))],
        [migrations.AlterField("transaction", "amount", models.BigIntegerField(help_text="In minor units"))],
        [migrations.AlterField("transaction", "amount", models.BigIntegerField(db_default=0))],
        [
            migrations.AlterField("transaction", "amount", models.BigIntegerField(null=True)),
            migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("transaction", "amount")]),
        ],
        [migrations.RunSQL("ALTER TABLE wallet_transaction DROP COLUMN long_forgotten")],
        [
            TABLE,
            migrations.AddField("note", "wallet", to_wallet()),
            migrations.AddIndex("note", models.Index(fields=["id"], name="note_id")),
            migrations.AddConstraint(
                "note", models.CheckConstraint(condition=models.Q(id__gt=0), name="note_positive")
            ),
        ],
    ],
    ids=lambda operations: "-".join(type(each).__name__ for each in operations),
)
def test_lets_pass_what_takes_an_instant(operations: list[Operation]) -> None:
    assert found(*operations) == []


def test_lets_pass_what_is_done_concurrently_outside_of_a_transaction_alone() -> None:
    operations = [
        online.AddIndexConcurrently("transaction", INDEX),
        online.AddUniqueConcurrently("transaction", UNIQUE),
        migrations.RunPython(migrations.RunPython.noop),
    ]
    assert found(*operations, atomic=False) == []
    (fault,) = found(operations[0])
    assert "atomic = False" in fault
    (fault,) = found(operations[0], migrations.AddField("transaction", "note", TEXT), atomic=False)
    assert "an interruption would leave half" in fault


def test_a_check_is_not_validated_under_the_lock_that_added_it() -> None:
    operations = [postgres.AddConstraintNotValid("transaction", CHECK), postgres.ValidateConstraint("transaction", "x")]
    (fault,) = found(*operations)
    assert "validate in the next migration" in fault


def test_a_transaction_holds_one_table_and_waits_for_no_other() -> None:
    operations = [migrations.AddField(name, "note", TEXT) for name in ("transaction", "wallet")]
    (fault,) = found(*operations)
    assert fault.endswith("a migration each for transaction, wallet")


def test_the_command_names_each_fault_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert online_migrations.main() == 0
    monkeypatch.setitem(online_migrations.BASELINE, "casino_pam", ["0001_gone"])
    assert online_migrations.main() == 1
    assert capsys.readouterr().err.startswith("casino_pam.0001_gone: is not there")
