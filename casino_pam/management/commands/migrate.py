"""`manage.py migrate`: Django's own, which never lets a bet wait for it.

Whoever wants a table for himself stands in the queue for its lock, and everybody who comes later behind him. So each
wait is short, then the migration gives way, lets the queue pass and tries again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from psycopg import errors

# Below the 1 s after which PostgreSQL looks for deadlocks: in one with a bet, the migration is the first to give way.
LOCK_MILLISECONDS: Final = 300
ATTEMPTS = 60
PAUSE_SECONDS = (1, 2, 4, 8, 10)  # the last of them again and again: ten minutes in all

# One at a time: a second `migrate` would take the index that the first is building for a leftover.
# Cells have a schema each in one database.
MIGRATING: Final = "hashtextextended('casino_pam migrate ' || current_schema(), 0)"

_IN_THE_WAY: Final = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type),
    extract(epoch FROM clock_timestamp() - a.xact_start)::bigint
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
    AND a.xact_start < clock_timestamp() - %s * interval '1 millisecond'
    AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation')
ORDER BY a.xact_start
LIMIT 3
"""


class LockWait(Exception):
    """A lock was not to be had in time. Nothing of the migration at hand was done, or it can be run again."""


@contextmanager
def alone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Be the only `migrate` on this schema, with short waits for locks and no bound on work.

    Raises LockWait where another is at work.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({MIGRATING})")
        ((is_alone,),) = cursor.fetchall()
        if not is_alone:
            raise LockWait("Another migrate is at work on this schema.")
        cursor.execute(f"SET lock_timeout = '{LOCK_MILLISECONDS}ms'")
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        # Whoever lost the connection holds nothing any more.
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
                cursor.execute("RESET statement_timeout")
                cursor.execute(f"SELECT pg_advisory_unlock({MIGRATING})")


def in_the_way(connection: BaseDatabaseWrapper) -> str:
    """Whoever holds locks for longer than a migration may wait for them: most likely one of these it was."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_THE_WAY, [LOCK_MILLISECONDS])
        found = [f"process {pid} ({name}), in a transaction for {age} s" for pid, name, age in cursor.fetchall()]
    return f"In the way: {'; '.join(found)}." if found else "Who was in the way has left."


def refuse_halves(connection: BaseDatabaseWrapper) -> None:
    """Raises CommandError where a database has some of the migrations that became one, and the others are gone.

    Django would go on as if the whole package had no migrations.
    """
    loader = MigrationLoader(None)
    applied = MigrationRecorder(connection).applied_migrations()
    for (app, _), migration in sorted(loader.replacements.items()):
        missing = [name for name in migration.replaces if name not in applied]
        if len(missing) < len(migration.replaces) and any(name not in loader.disk_migrations for name in missing):
            raise CommandError(
                f"The tables of {app} are older than 1.0.0: {missing[0][1]} was never applied."
                " Run `manage.py migrate` of release 1.0.0 first, then this one."
            )


class Command(migrate.Command):
    _at = ""

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError when a lock cannot be had in all attempts, and for a database older than 1.0.0."""
        refuse_halves(connections[options["database"]])
        if options["check_unapplied"] or options["plan"]:
            super().handle(*args, **options)
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._try(*args, **options)
                return
            except LockWait as wait:
                text = str(wait)
            if attempt < ATTEMPTS:
                pause = PAUSE_SECONDS[min(attempt, len(PAUSE_SECONDS)) - 1]
                if options["verbosity"] > 0:
                    self.stdout.write(f"\n  {text} Attempt {attempt + 1} of {ATTEMPTS} in {pause} s.")
                time.sleep(pause)
        raise CommandError(
            f"{text} Given up after {ATTEMPTS} attempts. What was applied before it stays, and play goes on;"
            " docs/operations.md says how to clear the way. Then run migrate again."
        )

    def _try(self, *args: Any, **options: Any) -> None:
        """Migrate as far as possible; what is done stays done. Raises LockWait."""
        connection = connections[options["database"]]
        self._at = "migrate"
        try:
            with alone(connection):
                super().handle(*args, **options)
        except OperationalError as error:
            if isinstance(error.__cause__, errors.DeadlockDetected):
                raise LockWait(f"{self._at} met a deadlock and was undone.") from error
            if not isinstance(error.__cause__, errors.LockNotAvailable):
                raise
            text = f"{self._at} waited {LOCK_MILLISECONDS} ms for a lock and gave way. {in_the_way(connection)}"
            raise LockWait(text) from error

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        if action in ("apply_start", "unapply_start"):
            self._at = str(migration)
        super().migration_progress_callback(action, migration, fake)
