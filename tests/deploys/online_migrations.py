"""`python -m tests.deploys.online_migrations` (`make lint`): refuses migrations for which play would have to stop.

A migration runs while the code before it serves. So an operation on a table that is there may hold a lock for an
instant and no longer, and must leave a schema that the code before it can write to. What is not known here to do so
is refused: docs/operations.md, "Deploying without a pause", has the way for each change.
"""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

import django
from django.contrib.postgres import operations as postgres
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now
from pgtrigger.migrations import AddTrigger, RemoveTrigger

from wallet import operations as online

APPS: Final = ("wallet", "bonus", "casino_pam")

# Made for an empty database. No other may be added.
BASELINE: Final = {"wallet": ["0001_initial"], "bonus": ["0001_initial"]}


class Unsafe(Exception):
    """Play would have to stop for it; the text says what to do instead."""


class Work(enum.Enum):
    """What an operation asks of PostgreSQL."""

    NOTHING = "nothing"
    NEW_TABLE = "a table of its own"
    LOCK = "an instant alone with a table"
    SCAN = "a scan that lets writes pass"
    CONCURRENT = "work outside of a transaction, which can be run again"
    DATA = "rows written by Python"


Judge = Callable[[Any, str, ProjectState], Work]


def _unsafe(text: str) -> Judge:
    def refuse(operation: Operation, app: str, state: ProjectState) -> Work:
        raise Unsafe(text)

    return refuse


def _is(work: Work) -> Judge:
    return lambda operation, app, state: work


def _constant(value: object) -> bool:
    return not hasattr(value, "resolve_expression") or isinstance(value, models.Value | Now)


def _add_field(operation: migrations.AddField, app: str, state: ProjectState) -> Work:
    field: Any = operation.field.clone()
    field.set_attributes_from_name(operation.name)
    if field.many_to_many:
        return Work.NEW_TABLE
    if field.remote_field and field.db_constraint:
        raise Unsafe("locks two tables in the wrong order: use AddForeignKey of wallet.operations")
    if field.unique or field.db_index:
        raise Unsafe("builds its index under a lock: add the field without, then use AddIndexConcurrently")
    if field.generated or isinstance(field, models.AutoField | models.BigAutoField | models.SmallAutoField):
        raise Unsafe("writes the whole table anew")
    if field.db_check(connection):
        raise Unsafe("its CHECK scans the table under a lock: use a signed field, then AddConstraintNotValid")
    if field.has_db_default():
        if not _constant(field.db_default):
            raise Unsafe("a default that differs from row to row writes the whole table anew")
    elif not field.null:
        raise Unsafe("code that does not know it cannot insert: give it a db_default, or let it be null")
    return Work.LOCK


def _alter_field(operation: migrations.AlterField, app: str, state: ProjectState) -> Work:
    """What PostgreSQL never hears of is free; less strictness and a default are an instant."""
    old = state.models[app, operation.model_name_lower].fields[operation.name].deconstruct()
    new = operation.field.deconstruct()
    ignored = {*models.Field.non_db_attrs, "default"} - {"db_column"}
    names = {*old[3], *new[3]} - ignored
    changed = {name for name in names if old[3].get(name) != new[3].get(name)}
    if old[1:3] == new[1:3] and not changed:
        return Work.NOTHING
    laxer = "null" not in changed or operation.field.null
    default = "db_default" not in changed or ("db_default" in new[3] and _constant(new[3]["db_default"]))
    if old[1:3] == new[1:3] and changed <= {"null", "db_default"} and laxer and default:
        return Work.LOCK
    raise Unsafe(
        "scans or rewrites the table under a lock: add a column beside it, fill it in batches, then drop the old"
    )


_DROP: Final = re.compile(r"ALTER TABLE (\w+) DROP COLUMN (?:IF EXISTS )?(\w+);?|DROP TABLE (?:IF EXISTS )?(\w+);?")


def _run_sql(operation: migrations.RunSQL, app: str, state: ProjectState) -> Work:
    """SQL may drop what no code knows any more; the rest has operations."""
    found = _DROP.fullmatch(operation.sql) if isinstance(operation.sql, str) else None
    if not found:
        raise Unsafe("SQL is not read here: use an operation, or add one to wallet/operations.py and to this list")
    table, column, whole = found.groups()
    for model in state.apps.get_models(include_auto_created=True):
        columns = {field.column for field in model._meta.local_concrete_fields}
        if model._meta.db_table == whole or (model._meta.db_table == table and column in columns):
            raise Unsafe("code still knows it: remove it from the models one release earlier, in the state alone")
    return Work.LOCK


def _separate(operation: migrations.SeparateDatabaseAndState, app: str, state: ProjectState) -> Work:
    if operation.database_operations:
        raise Unsafe("only the state may be told apart: list operations on the database by themselves")
    for each in operation.state_operations:
        if isinstance(each, migrations.RemoveField):
            field: Any = state.models[app, each.model_name_lower].fields[each.name]
            if not (field.null or field.has_db_default() or field.many_to_many):
                raise Unsafe(f"code without {each.name} cannot insert: let it be null, or give it a db_default, before")
    return Work.NOTHING


_LATER: Final = "code that serves still asks for it: take it from the state alone, and drop it in the next release"
_RENAME: Final = "code that serves knows the old name: add the new beside it, or keep the name by db_column or db_table"
_OURS: Final = "cannot be run again after an interruption: use the one of wallet.operations"

JUDGES: Final[dict[type[Operation], Judge]] = {
    migrations.CreateModel: _is(Work.NEW_TABLE),
    migrations.AddField: _add_field,
    migrations.AlterField: _alter_field,
    migrations.RemoveField: _unsafe(_LATER),
    migrations.DeleteModel: _unsafe(_LATER),
    migrations.RenameField: _unsafe(_RENAME),
    migrations.RenameModel: _unsafe(_RENAME),
    migrations.AlterModelTable: _unsafe(_RENAME),
    migrations.AddIndex: _unsafe("no write passes while it is built: use AddIndexConcurrently of wallet.operations"),
    migrations.RemoveIndex: _unsafe("use RemoveIndexConcurrently of wallet.operations"),
    migrations.RenameIndex: _is(Work.LOCK),
    migrations.AddConstraint: _unsafe(
        "scans the table under a lock: use AddConstraintNotValid and, in the next migration, ValidateConstraint;"
        " for a unique constraint AddUniqueConcurrently of wallet.operations"
    ),
    migrations.AlterConstraint: _is(Work.NOTHING),
    migrations.RemoveConstraint: _is(Work.LOCK),
    migrations.AlterUniqueTogether: _unsafe("use AddUniqueConcurrently of wallet.operations"),
    migrations.AlterModelOptions: _is(Work.NOTHING),
    migrations.AlterModelManagers: _is(Work.NOTHING),
    migrations.RunPython: _is(Work.DATA),
    migrations.RunSQL: _run_sql,
    migrations.SeparateDatabaseAndState: _separate,
    postgres.AddIndexConcurrently: _unsafe(_OURS),
    postgres.RemoveIndexConcurrently: _unsafe(_OURS),
    postgres.AddConstraintNotValid: _is(Work.LOCK),
    postgres.ValidateConstraint: _is(Work.SCAN),
    online.CreateRowType: _is(Work.NOTHING),
    online.AddForeignKey: _is(Work.LOCK),
    online.SetStorageParameters: _is(Work.LOCK),
    online.AddIndexConcurrently: _is(Work.CONCURRENT),
    online.RemoveIndexConcurrently: _is(Work.CONCURRENT),
    online.AddUniqueConcurrently: _is(Work.CONCURRENT),
    # A function and its trigger are replaced in an instant; only in one transaction is the table never without it.
    AddTrigger: _is(Work.LOCK),
    RemoveTrigger: _is(Work.LOCK),
}
_unknown: Final = _unsafe(
    "not known to let play go on: measure it under load, then add it to tests/deploys/online_migrations.py"
)


def _table(operation: Any) -> str:
    """The model an operation is about, or the SQL: two such may be two tables."""
    names = (getattr(operation, attribute, None) for attribute in ("model_name", "name", "sql"))
    return str(next(filter(None, names), "")).lower()


def faults(migration: migrations.Migration, state: ProjectState) -> Iterable[str]:
    """What is wrong with a migration, a line each; ``state`` is that before it."""
    state = state.clone()
    made: set[str] = set()
    found: list[tuple[Work, Operation]] = []
    for operation in migration.operations:
        if isinstance(operation, migrations.CreateModel):
            made.add(operation.name_lower)
        if isinstance(operation, migrations.RunPython | migrations.RunSQL) or _table(operation) not in made:
            try:
                judge = JUDGES.get(type(operation), _unknown)
                found.append((judge(operation, migration.app_label, state), operation))
            except Unsafe as reason:
                yield f"{operation.describe()}: {reason}"
        operation.state_forwards(migration.app_label, state)
    yield from _of_the_whole(migration, found, bool(made))


def _of_the_whole(
    migration: migrations.Migration, found: list[tuple[Work, Operation]], makes_tables: bool
) -> Iterable[str]:
    """What operations may not be together, and which of them in a transaction."""
    works = {work for work, _ in found}
    locked = {_table(operation) for work, operation in found if work is Work.LOCK}
    if not migration.atomic:
        if makes_tables or works & {Work.NEW_TABLE, Work.LOCK}:
            yield "only concurrent work may have atomic = False: an interruption would leave half of the rest"
        return
    if Work.CONCURRENT in works:
        yield "work that is done concurrently needs a migration of its own with atomic = False"
    if Work.DATA in works and not migration.initial:
        yield "rows stay locked to the end: set atomic = False, and write in batches that can be run again"
    if Work.SCAN in works and (locked or makes_tables):
        yield "the table stays locked while it is scanned: validate in the next migration"
    if len(locked) > 1:
        yield f"waits for one table while it holds another: a migration each for {', '.join(sorted(locked))}"


def examine(loader: MigrationLoader) -> Iterable[str]:
    """Every fault of every migration of ours that is not in the baseline, and what the baseline has too much."""
    for app, names in BASELINE.items():
        for name in names:
            if (app, name) not in loader.disk_migrations:
                yield f"{app}.{name}: is not there: take it from the baseline in tests/deploys/online_migrations.py"
    for app, name in sorted(loader.disk_migrations):
        if app in APPS and name not in BASELINE.get(app, ()):
            migration = loader.disk_migrations[app, name]
            for fault in faults(migration, loader.project_state((app, name), at_end=False)):
                yield f"{app}.{name}: {fault}"


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    django.setup()
    found = list(examine(MigrationLoader(None)))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
