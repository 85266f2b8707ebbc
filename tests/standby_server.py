"""A standby of a test's own PostgreSQL: a copy by pg_basebackup that follows it."""

from __future__ import annotations

import shutil
from typing import Any

import psycopg

from casino_pam.local.os_support import CannotStart, Place
from casino_pam.local.servers import PostgreSQL


class Standby(PostgreSQL):
    """Has the passwords of its primary; ``further`` are options beside the usual."""

    name = "standby"

    def __init__(self, place: Place, primary: PostgreSQL) -> None:
        super().__init__(place, 0)
        self._primary = primary
        self.further: list[str] = []

    def _options(self) -> list[str]:
        return [*super()._options(), *self.further]

    def _initdb(self) -> None:
        source = self._primary
        conninfo = psycopg.conninfo.make_conninfo(
            host="127.0.0.1", port=source.port, user="postgres", password=source.superuser_password
        )
        fresh = self.data / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        argv = [str(self.executable.with_name("pg_basebackup")), "-D", str(fresh), "-R", "-c", "fast", "--no-sync"]
        if self._run([*argv, "-d", conninfo]).wait() != 0:
            raise CannotStart(f"pg_basebackup failed: {self._last_words()}")
        fresh.rename(self.cluster)

    def answers(self) -> bool:
        """One without hot standby takes no connections, and says so: then it is up."""
        try:
            self.connect().close()
        except psycopg.OperationalError as error:
            return "hot standby mode is disabled" in str(error).lower()
        return True

    def _create_database(self) -> None:
        """It has its primary's."""

    def follows(self, lsn: str) -> bool:
        """Whether it has carried out what the primary had written there."""
        return bool(self.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", lsn))

    def value(self, query: str, *values: Any) -> Any:
        with self.connect() as connection:
            record = connection.execute(query, values).fetchone()
        assert record is not None
        return record[0]
