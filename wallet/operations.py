"""Migration operations that block nobody and can be run again after an interruption, beside Django's own.

Which operations a migration may hold is decided by tests/deploys/online_migrations.py;
docs/operations.md says how a change is deployed with them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from django.contrib.postgres import operations as postgres
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddConstraint, AddField
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Model, UniqueConstraint

log = structlog.get_logger(__name__)


class _Index(enum.Enum):
    ABSENT = "absent"
    INVALID = "invalid"
    VALID = "valid"
    CONSTRAINT = "constraint"


def _found(editor: BaseDatabaseSchemaEditor, model: type[Model], name: str) -> _Index:
    """What an earlier run has left of an index; nothing where SQL is only being collected."""
    if editor.collect_sql:
        return _Index.ABSENT
    with editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.indisvalid, EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype = 'u')"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE c.relname = %s AND i.indrelid = %s::regclass",
            [name, editor.quote_name(model._meta.db_table)],
        )
        for is_valid, is_constraint in cursor.fetchall():
            if not is_valid:
                return _Index.INVALID
            return _Index.CONSTRAINT if is_constraint else _Index.VALID
    return _Index.ABSENT


@contextmanager
def _patience(editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """No bound on waiting for locks meanwhile: what works CONCURRENTLY keeps nobody waiting."""
    if editor.collect_sql:
        yield
        return
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SET lock_timeout = 0")
        yield
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])


def _build(editor: BaseDatabaseSchemaEditor, model: type[Model], name: str, statement: str) -> None:
    """Create an index concurrently, unless it is there; what an interrupted run left of it is dropped first."""
    found = _found(editor, model, name)
    with _patience(editor):
        if found is _Index.INVALID:
            log.warning("invalid_index_dropped", index=name, table=model._meta.db_table)
            editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {editor.quote_name(name)}", params=None)
        if found in (_Index.ABSENT, _Index.INVALID):
            editor.execute(statement, params=None)


class AddIndexConcurrently(postgres.AddIndexConcurrently):
    """Django's, which could not be run a second time."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            statement = self.index.create_sql(model, schema_editor, concurrently=True)
            _build(schema_editor, model, self.index.name, str(statement))

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with _patience(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class RemoveIndexConcurrently(postgres.RemoveIndexConcurrently):
    """Django's, whose way back could not be run a second time."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with _patience(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
            statement = index.create_sql(model, schema_editor, concurrently=True)
            _build(schema_editor, model, self.name, str(statement))


class AddUniqueConcurrently(postgres.NotInTransactionMixin, AddConstraint):
    """Add a unique constraint: its index is built concurrently, then attached in an instant.

    Raises IntegrityError where a value stands twice; the next run drops what was built.
    """

    atomic = False

    def __init__(self, model_name: str, constraint: UniqueConstraint) -> None:
        if not isinstance(constraint, UniqueConstraint):
            raise TypeError("AddUniqueConcurrently.constraint must be a unique constraint.")
        super().__init__(model_name, constraint)

    def describe(self) -> str:
        return f"Concurrently create unique constraint {self.constraint.name} on model {self.model_name}"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        name = self.constraint.name
        statement: Any = self.constraint.create_sql(model, schema_editor)
        whole = str(statement)
        if whole.startswith("CREATE UNIQUE INDEX "):
            # A condition or an expression: to PostgreSQL an index is all there is.
            concurrent = whole.replace("CREATE UNIQUE INDEX ", "CREATE UNIQUE INDEX CONCURRENTLY ", 1)
            _build(schema_editor, model, name, concurrent)
            return
        parts = {part: str(value) for part, value in statement.parts.items()}
        index = "CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns}){nulls_distinct}"
        _build(schema_editor, model, name, index.format(**parts))
        if _found(schema_editor, model, name) is not _Index.CONSTRAINT:
            attach = "ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}{deferrable}"
            schema_editor.execute(attach.format(**parts), params=None)


class AddForeignKey(AddField):
    """Add a foreign key in a column of its own, empty and without an index: no row is read.

    The table it points to is locked first, as a posting does it: who changes a wallet and then writes of it in the
    ledger would else wait for a migration that waits for the wallet.
    """

    def __init__(self, model_name: str, name: str, field: Any) -> None:
        if not (field.many_to_one and field.null) or field.has_default():
            raise TypeError("AddForeignKey.field must be a foreign key that may be null and has no default.")
        if field.db_index or field.unique:
            raise TypeError("AddForeignKey.field must have db_index=False: its index is built concurrently.")
        super().__init__(model_name, name, field)

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._lock("SHARE ROW EXCLUSIVE", app_label, schema_editor, to_state)
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._lock("ACCESS EXCLUSIVE", app_label, schema_editor, from_state)
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def _lock(self, mode: str, app_label: str, editor: BaseDatabaseSchemaEditor, state: ProjectState) -> None:
        model = state.apps.get_model(app_label, self.model_name)
        target: Any = model._meta.get_field(self.name).related_model
        if self.allow_migrate_model(editor.connection.alias, model):
            editor.execute(f"LOCK TABLE {editor.quote_name(target._meta.db_table)} IN {mode} MODE", params=None)


class CreateRowType(Operation):
    """A composite type of ``(name, SQL type)`` columns, as an array of which many rows travel in one parameter.

    It touches no table. A further column needs a further type: code that serves knows the old one.
    """

    reversible = True

    def __init__(self, name: str, columns: Sequence[tuple[str, str]]) -> None:
        self.name = name
        self.columns = columns

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """No model knows of it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        columns = ", ".join(f"{schema_editor.quote_name(name)} {sql_type}" for name, sql_type in self.columns)
        schema_editor.execute(f"CREATE TYPE {schema_editor.quote_name(self.name)} AS ({columns})")

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        schema_editor.execute(f"DROP TYPE {schema_editor.quote_name(self.name)}")

    def describe(self) -> str:
        return f"Create type {self.name}"


class SetStorageParameters(Operation):
    """How PostgreSQL keeps a table (``autovacuum_...``, ``fillfactor``): rows written before stay as they are.

    It waits for no reader and no writer, only for another of its kind: a vacuum, say.
    """

    reversible = True

    def __init__(self, model_name: str, parameters: dict[str, float]) -> None:
        self.model_name = model_name
        self.parameters = parameters

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """No model knows of it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        values = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        self._alter(f"SET ({values})", app_label, schema_editor, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._alter(f"RESET ({', '.join(self.parameters)})", app_label, schema_editor, from_state)

    def _alter(self, how: str, app_label: str, editor: BaseDatabaseSchemaEditor, state: ProjectState) -> None:
        model = state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(editor.connection.alias, model):
            editor.execute(f"ALTER TABLE {editor.quote_name(model._meta.db_table)} {how}")

    def describe(self) -> str:
        return f"Set {', '.join(self.parameters)} of model {self.model_name}"
