"""What an operation costs: seconds of CPU, from /proc, of the web processes and of PostgreSQL, and bytes of WAL.

The client is left out. A rate says as much about the client and about whoever else works on the machine; CPU for an
operation hardly does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import psycopg

from tests.bench import bench_system

_TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Of one operation: microseconds of the web processes' CPU and of PostgreSQL's, and bytes of WAL."""

    app_us: float
    database_us: float
    wal_bytes: float


class Meter:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._app, self._database, self._wal = _app(), _database(), _wal()

    def cost(self, operations: float) -> Cost:
        """What one of so many operations has cost since."""
        app, database, wal = _app() - self._app, _database() - self._database, _wal() - self._wal
        return Cost(app * 1e6 / operations, database * 1e6 / operations, wal / operations)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def seconds(pids: list[int], *, of_ended: bool = False) -> float:
    """CPU of these processes; ``of_ended`` adds that of their children which have ended."""
    spent = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        spent += sum(map(int, fields[11 : 15 if of_ended else 13]))
    return spent / _TICKS


def web_processes() -> list[int]:
    """The web command that is measured, and its workers."""
    server = bench_system.web_server()
    return [] if server is None else [server, *children(server)]


def _app() -> float:
    return seconds(web_processes())


def _database() -> float:
    postmaster = bench_system.postmaster()
    # A backend that ends meanwhile is the postmaster's own from then on.
    return seconds([postmaster], of_ended=True) + seconds(children(postmaster))


def _wal() -> float:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return float(row[0])
