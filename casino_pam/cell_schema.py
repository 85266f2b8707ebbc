"""The ground a cell stands on: a role and a schema in a database that others share, made and looked over.

Whoever makes it may create roles and schemas there; the cell itself may do nothing but use what it was given.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from casino_pam import cell


class BaseUrlTaken(Exception):
    """Another cell of the database is reached at this address."""


def prepare(name: str, base_url: str, *, new_password: bool) -> str | None:
    """Make what is missing of the cell's role and its schema; the password where the role got a new one.

    Raises BaseUrlTaken, and DatabaseError where our own role may not do it.
    """
    ours = cell.schema(name)
    if base_url in (taken := base_urls()).values() and taken.get(ours) != base_url:
        raise BaseUrlTaken(base_url)
    with _administrator() as cursor:
        password = _role(cursor, ours, new_password=new_password)
    with _membership(ours), _administrator() as cursor:
        cursor.execute(_named("CREATE SCHEMA IF NOT EXISTS {0} AUTHORIZATION {0}", ours))
        cursor.execute("SELECT current_database()")
        ((database,),) = cursor.fetchall()
        # For connections by way of PgBouncer; a direct one asks for its search_path when it is opened.
        cursor.execute(_named("ALTER ROLE {0} IN DATABASE {1} SET search_path = {0}", ours, database))
        # The schema's owner alone may say what it is.
        cursor.execute(_named("SET ROLE {}", ours))
        cursor.execute(_named("COMMENT ON SCHEMA {} IS {}", ours, sql.Literal(base_url)))
        cursor.execute("RESET ROLE")
    return password


def migrate(name: str, verbosity: int) -> None:
    """Make the cell's tables, or what is new of them. Raises CommandError and DatabaseError as `migrate` does."""
    ours = cell.schema(name)
    with _membership(ours), _being(ours):
        call_command("migrate", verbosity=verbosity, interactive=False)


def _administrator() -> Any:
    return connections[settings.SESSION_DATABASE].cursor()


def _named(statement: str, *parts: Any) -> sql.Composed:
    return sql.SQL(statement).format(*(sql.Identifier(part) if isinstance(part, str) else part for part in parts))


def _role(cursor: Any, ours: str, *, new_password: bool) -> str | None:
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [ours])
    is_there = cursor.fetchone() is not None
    if is_there and not new_password:
        return None
    password = secrets.token_urlsafe(24)
    change = "ALTER ROLE {} PASSWORD {}" if is_there else "CREATE ROLE {} LOGIN PASSWORD {}"
    cursor.execute(_named(change, ours, sql.Literal(password)))
    return password


@contextmanager
def _membership(ours: str) -> Iterator[None]:
    """Let our own role act as the cell's within the block. A superuser may anyway."""
    with _administrator() as cursor:
        cursor.execute(
            "SELECT rolsuper, current_setting('server_version_num')::int FROM pg_roles WHERE rolname = current_user"
        )
        ((is_superuser, version),) = cursor.fetchall()
        if not is_superuser:
            # Whoever made a role may hand it out, to himself too.
            options = " WITH INHERIT FALSE, SET TRUE" if version >= 160000 else ""
            cursor.execute(_named("GRANT {} TO CURRENT_USER" + options, ours))
    try:
        yield
    finally:
        if not is_superuser:
            with _administrator() as cursor:
                cursor.execute(_named("REVOKE {} FROM CURRENT_USER", ours))


@contextmanager
def _being(ours: str) -> Iterator[None]:
    """Within the block Django is connected as the cell's role, which owns what is made; no password is needed."""
    known = settings.DATABASES[settings.SESSION_DATABASE]
    start = f"-c role={ours} -c search_path={ours} -c lock_timeout={settings.DATABASE_LIMITS['lock_timeout']}"
    before = connections.databases[DEFAULT_DB_ALIAS]
    _connect_by({**known, "OPTIONS": {**known["OPTIONS"], "pool": 0, "options": start}})
    try:
        yield
    finally:
        _connect_by(before)


def _connect_by(options: dict[str, Any]) -> None:
    connections[DEFAULT_DB_ALIAS].close()
    del connections[DEFAULT_DB_ALIAS]
    connections.databases[DEFAULT_DB_ALIAS] = options


def base_urls() -> dict[str, str]:
    """Where each cell of this database is reached, by its schema, which says so in its comment."""
    with _administrator() as cursor:
        cursor.execute(
            "SELECT nspname, coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace"
            " WHERE starts_with(nspname, %s) ORDER BY nspname",
            [cell.OURS],
        )
        return dict(cursor.fetchall())


# --- looked over -------------------------------------------------------------------------------


class Finding(NamedTuple):
    """``wrong`` says what is not as it must be; empty where all is."""

    what: str
    wrong: str = ""


# Tables that the role may read or write although they are not its own; what comes with PostgreSQL, or with an extension
# that an administrator put there, is everybody's.
_STRANGE: Final = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> %s AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1 LIMIT 3
"""
_POWERS: Final = """
SELECT concat_ws(', ',
    CASE WHEN rolsuper THEN 'is a superuser' END,
    CASE WHEN rolcreaterole THEN 'may create roles' END,
    CASE WHEN rolbypassrls THEN 'bypasses row security' END,
    (SELECT 'acts as ' || string_agg(g.rolname, ', ') FROM pg_roles g
     WHERE g.oid <> r.oid AND pg_has_role(r.oid, g.oid, 'MEMBER') AND NOT r.rolsuper))
FROM pg_roles r WHERE rolname = current_user
"""
_SETTING: Final = """
SELECT coalesce((
    SELECT split_part(setting, '=', 2) FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) setting
    JOIN pg_database d ON d.oid = s.setdatabase
    WHERE s.setrole = current_user::regrole AND d.datname = current_database()
        AND starts_with(setting, 'search_path=')
), '')
"""


def check() -> Iterator[Finding]:
    """Everything of this process's own cell that PostgreSQL can be asked."""
    ours: str = settings.DATABASE_SCHEMA
    for alias in settings.DATABASES:
        with connections[alias].cursor() as cursor:
            path = _told(cursor, "SELECT array_to_string(current_schemas(false), ', ')")
        yield Finding(
            f"schema ({alias})", "" if path == ours else f"looks for tables in {path or 'no schema'}, not in {ours}"
        )
    with _administrator() as cursor:
        kept = _told(cursor, _SETTING)
        yield Finding(
            "search_path of the role", "" if kept == ours else f"is {kept!r}: run `manage.py cell create` again"
        )
        powers = _told(cursor, _POWERS)
        yield Finding("powers of the role", powers)
        cursor.execute(_STRANGE, [ours])
        strange = ", ".join(table for (table,) in cursor.fetchall())
        yield Finding("tables of others", strange and f"the role reaches {strange}")
    executor = MigrationExecutor(connections[settings.SESSION_DATABASE])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    yield Finding(
        "version of the tables", f"{len(missing)} migrations are missing: run `manage.py migrate`" if missing else ""
    )
    yield _base_url(ours)


def _base_url(ours: str) -> Finding:
    known = base_urls()
    told = known.pop(ours, "")
    here = settings.BASE_URL
    if here in known.values():
        return Finding("base URL", f"{here} is another cell's")
    return Finding(
        "base URL", "" if told == here else f"BASE_URL is {here}, and the cell was made for {told or 'none'}"
    )


def _told(cursor: Any, statement: str) -> str:
    cursor.execute(statement)
    ((found,),) = cursor.fetchall()
    return str(found or "")
