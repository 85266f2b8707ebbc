"""The books of a test: empty at its start, reconciled at its end."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from psycopg._preparing import PrepareManager

from wallet.reconcile import EVERYTHING, Discrepancy, examine, ledger_wide

EMPTIED_APPS = ("wallet", "bonus")
ROLES = ("support", "payments", "bonus", "finance", "auditor", "administrator")
EMPTIED_BESIDES = (
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "django_session",
    "django_admin_log",
    "axes_accessattempt",
)
ROLES_ADDED = "roles added"


def tables() -> list[str]:
    """Every table that a test may have written to."""
    ours = [
        model._meta.db_table
        for label in EMPTIED_APPS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]
    return [*ours, *EMPTIED_BESIDES]


class Cursor(psycopg.Cursor[Any]):
    """Prepares whatever it is asked, and there are few rows."""

    def stream(self, query: Any, params: Any = None, **_: Any) -> Iterator[Any]:
        return iter(self.execute(query, params))


# What is prepared on which connection, hidden from psycopg: after a ROLLBACK it would deallocate everything there,
# the engine's own statements included.
_known: WeakKeyDictionary[psycopg.Connection[Any], PrepareManager] = WeakKeyDictionary()


@contextmanager
def preparing() -> Iterator[Cursor]:
    """Every test asks the same: planning it anew takes PostgreSQL longer than answering it."""
    connection.ensure_connection()
    plain = connection.connection
    own = _known.setdefault(plain, PrepareManager())
    own.prepare_threshold = 0
    before, plain._prepared = plain._prepared, own
    try:
        with Cursor(plain) as cursor:
            yield cursor
    finally:
        plain._prepared = before


@functools.cache
def written() -> str:
    """The statement that names the tables with rows, and whether there are other roles than a migration made."""
    found = [f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables()]
    others = f"SELECT FROM auth_group WHERE name <> ALL ('{{{','.join(ROLES)}}}')"
    return " UNION ALL ".join([*found, f"SELECT '{ROLES_ADDED}' WHERE EXISTS ({others})"])


def emptied() -> None:
    """Empty the tables, setting aside the triggers that guard the ledger: the plugin that starts PostgreSQL lets us.

    pytest-django's own flush would be refused by those triggers, and rightly so. Deleting a few
    rows takes milliseconds where TRUNCATE makes new files for every table and index: a third of a
    second, for every test there is.

    The roles that a migration made stay: no migration makes them again.
    """
    with preparing() as cursor:
        full = {name for (name,) in cursor.execute(written())}
        # A replica's session fires no triggers, those of the foreign keys included.
        deletions = "".join(f"DELETE FROM {name};" for name in full - {ROLES_ADDED})
        if deletions:
            cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {deletions} COMMIT", prepare=False)
    if ROLES_ADDED in full:
        Group.objects.exclude(name__in=ROLES).delete()
    cache.clear()


def reconciled() -> None:
    """Fail if the test left books that do not balance: every row of every wallet is read."""
    found: list[Discrepancy] = []
    with preparing() as cursor:
        # As in manage.py reconcile: on a slow machine thousands of rows may take longer than a bet ever should.
        cursor.execute("SET statement_timeout = 0")
        examine(cursor, EVERYTHING, found.append)
        found += [*ledger_wide.spent_once(cursor), *ledger_wide.balanced(cursor)]
        cursor.execute("RESET statement_timeout")
    assert not found, "\n".join(map(str, found))
