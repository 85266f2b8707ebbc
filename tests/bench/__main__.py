"""`make bench`: measure, and write docs/performance.md with its figures."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import django

from casino_pam.local.os_support import PROJECT
from tests.bench import (
    bench_system,
    dialect_load,
    figures_chart,
    figures_table,
    game_load,
    idle_house,
    page_times,
    socket_load,
    start_times,
    statement_baselines,
)
from tests.bench.processor_time import Cost

SOCKETS = 10_000


class Measuring:
    """How long each measurement lasts, on how many further rows the last ones run, and what was found."""

    def __init__(self, seconds: int, rows: int) -> None:
        self.seconds = seconds
        self.rows = rows
        self.figures: dict[str, float] = {}

    def note(self, name: str, value: float) -> None:
        self.figures[name] = value
        print(f"  {name:<44} {value:12,.1f}", file=sys.stderr, flush=True)

    def rate(self, name: str, per_second: float, cost: Cost, operations: int = 1) -> None:
        """A rate, and beside it what an operation costs."""
        self.note(name, per_second * operations)
        self.note(f"{name}, app us", cost.app_us / operations)
        self.note(f"{name}, PostgreSQL us", cost.database_us / operations)

    def door(self, name: str, port: int, *, connections: int, hot: bool = False, wagering: bool = True) -> None:
        """Signed bets, and how long they took."""
        load = game_load.drive(port, connections=connections, seconds=self.seconds, hot=hot, wagering=wagering).clean()
        self.rate(name, load.per_second, load.cost)
        self.note(f"{name} p50 ms", load.p50_ms)
        self.note(f"{name} p99 ms", load.p99_ms)
        self.note(f"{name}, WAL bytes", load.cost.wal_bytes)


def statements(measuring: Measuring) -> None:
    """What PostgreSQL does without us, on the product's tables and on lean ones."""
    own = {
        "five statements": statement_baselines.five_statements,
        "one CTE": statement_baselines.one_cte,
        "100 rows a statement": lambda seconds: statement_baselines.set_based(100, seconds),
        "1000 rows a statement": lambda seconds: statement_baselines.set_based(1000, seconds),
    }
    for name, run in own.items():
        measuring.rate(name, *run(measuring.seconds))
    for name, found in statement_baselines.lean(measuring.seconds):
        measuring.rate(name, *found)
    bench_system.settle_down()


def door(measuring: Measuring) -> None:
    """Signed bets at 32 and 128 connections and on one wallet, with and without bonuses, limits and events."""
    with bench_system.web() as port:
        game_load.drive(port, connections=32, seconds=2)
        measuring.door("door 32, none wagering", port, connections=32)
        bench_system.promise()
        measuring.door("door 32", port, connections=32)
        measuring.door("door 128", port, connections=128)
        measuring.door("door hot 32", port, connections=32, hot=True)
        measuring.door("door 32, none wagering again", port, connections=32, wagering=False)
        with bench_system.limits():
            # Each process looks up once what the periods of a wallet began with.
            game_load.drive(port, connections=32, seconds=2, wagering=False)
            measuring.door("door 32, all limits set", port, connections=32, wagering=False)
        measuring.door("door 32, no endpoint", port, connections=32)
        with bench_system.endpoint_down():
            measuring.door("door 32, endpoint down", port, connections=32)


def bulk(measuring: Measuring) -> None:
    """`bulk` with 1,000 operations a request."""
    bench_system.promise()
    with bench_system.web() as port:
        load = game_load.bulk(port, seconds=measuring.seconds)
        measuring.rate("bulk operations", load.per_second, load.cost, operations=1000)


def dialects(measuring: Measuring) -> None:
    """CPU of a bet in each dialect over our own door's."""
    with bench_system.web() as port:
        for name, value in dialect_load.measured(port, min(measuring.seconds, 5)).items():
            measuring.note(name, value)


def isolation(measuring: Measuring) -> None:
    """The other isolation level."""
    bench_system.promise()
    with bench_system.web(DATABASE_ISOLATION="repeatable read") as port:
        game_load.drive(port, connections=128, seconds=2)
        # Whoever is sent back too often answers 503, and is counted.
        load = game_load.drive(port, connections=128, seconds=measuring.seconds)
        measuring.rate("door 128, repeatable read", load.per_second, load.cost)


def plain(measuring: Measuring) -> None:
    """What most houses write first."""
    with bench_system.web(application=["-m", "tests.bench.straightforward"]) as port:
        for name, hot in (("plain DRF 32", False), ("plain DRF hot 32", True)):
            load = game_load.drive_plain(port, connections=32, seconds=measuring.seconds, hot=hot)
            measuring.rate(name, load.per_second - load.refused / measuring.seconds, load.cost)


def live(measuring: Measuring) -> None:
    """How soon players see a bet, and what bets cost when Redis is frozen."""
    bench_system.promise()
    with bench_system.web() as port:
        for name, value in socket_load.measure(port, max(measuring.seconds, 5)).items():
            measuring.note(f"live, {name}", value)
    with bench_system.web() as port:
        game_load.drive(port, connections=128, seconds=2)
        measuring.door("door 128, Redis well", port, connections=128)
        with bench_system.redis_frozen():
            measuring.door("door 128, Redis frozen", port, connections=128)


def sockets(measuring: Measuring) -> None:
    """What ten thousand players who watch need of memory."""
    with bench_system.web() as port:
        for name, value in socket_load.memory(port, SOCKETS).items():
            measuring.note(f"{SOCKETS:,} sockets, {name}", value)


def idle(measuring: Measuring) -> None:
    """The first bet of an idle house."""
    bench_system.promise()
    with bench_system.web() as port:
        game_load.drive(port, connections=8, seconds=2)
        for name, value in idle_house.measure(port, measuring.seconds).items():
            measuring.note(f"first bet of an idle house {name}", value)


def starts(measuring: Measuring) -> None:
    """How long a newcomer waits."""
    measuring.note("second start of make run, s", start_times.second_start())
    measuring.note("manage.py check, s", start_times.check())


def grown(measuring: Measuring) -> None:
    """Every page, and bets again, on a ledger of ``--rows`` further rows."""
    if not measuring.rows:
        return
    bench_system.promise()
    with bench_system.web() as port:
        game_load.drive(port, connections=128, seconds=2)
        measuring.door("door 128, before the rows", port, connections=128)
    before = bench_system.ledger_bytes()
    bench_system.fill(measuring.rows)
    measuring.note("MB a million rows", (bench_system.ledger_bytes() - before) / measuring.rows)
    with bench_system.web(LOG_LEVEL="WARNING") as port:
        pages = page_times.measured(port)
        for page in pages:
            measuring.note(f"page: {page.name}, ms", page.ms)
            measuring.note(f"page: {page.name}, CPU ms", page.cpu_ms)
        quick = [page for page in pages if page.name != page_times.REPORT]
        measuring.note("slowest page, ms", max(page.ms for page in quick))
        measuring.note("most queries of a page", max(page.queries for page in quick))
        game_load.drive(port, connections=128, seconds=2)
        measuring.door(f"door 128, on {measuring.rows:,} rows", port, connections=128)


Part = Callable[[Measuring], None]
# In this order: `door` measures first without and then with bonuses, and the last one lets the ledger grow.
PARTS: dict[str, Part] = {
    part.__name__: part
    for part in (statements, door, bulk, dialects, isolation, plain, live, sockets, idle, starts, grown)
}


def machine() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, fsync on, 2 workers"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="how long each measurement lasts")
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many further rows the last part lets there be")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part alone; may be given more than once")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md; only of the whole")
    asked = parser.parse_args()
    if asked.write and asked.only:
        parser.error("a part is not the whole: leave out --only or --write")
    if not game_load.available():
        print("make bench needs wrk as its load client: apt-get install wrk", file=sys.stderr)
        return 1
    measuring = Measuring(asked.seconds, asked.rows)
    with bench_system.servers() as environment:
        os.environ.update(
            environment
            | {
                "DATABASE_POOL_SIZE": "8",
                "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
                "DJANGO_SETTINGS_MODULE": "casino_pam.settings",
            }
        )
        django.setup()
        bench_system.seed()
        bench_system.settle_down()
        print("measuring, in one run on one machine:", file=sys.stderr)
        for name, part in PARTS.items():
            if name in (asked.only or PARTS):
                began = time.monotonic()
                part(measuring)
                print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    table = figures_table.table(machine(), measuring.figures)
    print(table)
    if asked.write:
        figures_table.write(table)
        figures_chart.write(measuring.figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
