"""Django's PostgreSQL backend with connections that keep deadlines: ENGINE ``wallet.pg``."""

from __future__ import annotations

import re
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base, schema
from psycopg import IsolationLevel, OperationalError, errors

from wallet.pg.connection import Lent
from wallet.pg.pool import Pool
from wallet.pg.session import STATEMENT_PREFIX, session_of


class UnfitPooler(OperationalError):
    """What pools connections before PostgreSQL cannot do what postings rest on; the text says what to change."""


# While a statement of ours is carried out, PostgreSQL knows it by our own name, which a client of another
# connection uses for something else, or by one that PgBouncer has given it.
_POOLER: Final = f"""
SELECT current_schema(), EXISTS (SELECT FROM pg_prepared_statements WHERE starts_with(name, '{STATEMENT_PREFIX}')),
    (SELECT string_agg(name, ', ') FROM pg_settings WHERE name = ANY(%s::text[]) AND setting = '0')
"""


def check_pooler(connection: Lent) -> None:
    """Raises UnfitPooler where PgBouncer keeps no prepared statements, or the role lacks schema or limits."""
    session = session_of(connection)
    schema = None
    try:
        ((schema, by_our_name, unbounded),) = session.rows(_POOLER, [f"{{{','.join(settings.DATABASE_LIMITS)}}}"])
    except (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName):
        by_our_name, unbounded = True, None
    if by_our_name:
        raise UnfitPooler(
            "PgBouncer does not keep prepared statements: run 1.21 or newer in transaction mode with"
            " max_prepared_statements above 0, or set DATABASE_PGBOUNCER=off where there is none."
        )
    if settings.DATABASE_SCHEMA not in ("", schema):
        raise UnfitPooler(
            f"The role's tables would be those of {schema}, not of {settings.DATABASE_SCHEMA}: run"
            " `manage.py cell create` again, then RECONNECT in PgBouncer."
        )
    if unbounded:
        raise UnfitPooler(f"The role has no {unbounded}: run `manage.py limit_role`, then RECONNECT in PgBouncer.")


_OF_TRIGGERS: Final = "_pgtrigger_should_ignore"
# Up to the semicolons outside of strings and bodies of functions.
_statements = re.compile(r"(?:[^;'$]|'[^']*'|\$\$.*?\$\$|\$)+", re.DOTALL).findall


class SchemaEditor(schema.DatabaseSchemaEditor):
    """Installs triggers wherever the tables are: pgtrigger would name the schema public, and send five statements in
    one message, which Citus could not pass on."""

    def execute(self, sql: Any, params: Any = ()) -> None:
        if not (isinstance(sql, str) and _OF_TRIGGERS in sql) or self.collect_sql:
            super().execute(sql, params)
            return
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            if cursor.fetchone() != ("public",):
                sql = sql.replace(f'"public".{_OF_TRIGGERS}', _OF_TRIGGERS)
        for statement in filter(str.strip, _statements(sql)):
            super().execute(statement, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """``OPTIONS["pool"]`` is how many connections this process may have; 0 keeps none."""

    SchemaEditorClass = SchemaEditor
    _connection_pools: dict[str, Pool] = {}

    @property
    def pool(self) -> Pool | None:
        size = self.settings_dict["OPTIONS"].get("pool")
        if not size or self.alias == NO_DB_ALIAS:
            return None
        return self._connection_pools.get(self.alias) or self._connection_pools.setdefault(
            self.alias, Pool(self._connect_for_pool, size)
        )

    def ensure_connection(self) -> None:
        """Connect again where the connection was closed under us: no thread shall go on failing for that."""
        if self.connection is not None and self.connection.closed and not self.in_atomic_block:
            self.close()
        super().ensure_connection()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Lent:
        """Raises psycopg.Error when there is none to be had by the deadline."""
        connection = self.pool.getconn() if self.pool else self._connected(conn_params)
        self.isolation_level = self.settings_dict["OPTIONS"].get("isolation_level", IsolationLevel.READ_COMMITTED)
        connection.isolation_level = self.isolation_level
        return connection

    def _connected(self, conn_params: dict[str, Any]) -> Lent:
        connection = Lent.connect(**conn_params)
        if settings.DATABASE_PGBOUNCER and self.alias == DEFAULT_DB_ALIAS:
            try:
                check_pooler(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _connect_for_pool(self) -> Lent:
        connection = self._connected({**self.get_connection_params(), "autocommit": True})
        self._configure_connection(connection)  # type: ignore[attr-defined]  # of Django's, but not of its stubs
        return connection
