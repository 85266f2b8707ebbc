"""Django's PostgreSQL backend with connections that keep deadlines: ENGINE ``wallet.pg``."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import IsolationLevel

from wallet.pg.connection import Lent
from wallet.pg.pool import Pool


class DatabaseWrapper(base.DatabaseWrapper):
    """``OPTIONS["pool"]`` is how many connections this process may have; 0 keeps none."""

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
        connection = self.pool.getconn() if self.pool else Lent.connect(**conn_params)
        self.isolation_level = self.settings_dict["OPTIONS"].get("isolation_level", IsolationLevel.READ_COMMITTED)
        connection.isolation_level = self.isolation_level
        return connection

    def _connect_for_pool(self) -> Lent:
        connection = Lent.connect(**self.get_connection_params(), autocommit=True)
        self._configure_connection(connection)  # type: ignore[attr-defined]  # of Django's, but not of its stubs
        return connection
