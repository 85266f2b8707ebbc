"""`make bench`: measure, and write docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import django

from casino_pam.local.os_support import PROJECT
from tests.bench import bench_system, dialect_load, figures_table, game_load, socket_load, statement_baselines

Figures = dict[str, float]
Note = Callable[[str, float], None]


def measure(seconds: int, rows: int, figures: Figures) -> None:
    """Every figure of the door, each next to what it is compared with."""

    def note(name: str, value: float) -> None:
        figures[name] = value
        print(f"  {name:<28} {value:12,.1f}", file=sys.stderr, flush=True)

    print("measuring, in one run on one machine:", file=sys.stderr)
    note("five statements", statement_baselines.five_statements(seconds))
    note("one CTE", statement_baselines.one_cte(seconds))
    note("100 rows a statement", statement_baselines.set_based(100, seconds))
    note("1000 rows a statement", statement_baselines.set_based(1000, seconds))
    bench_system.settle_down()
    with bench_system.web() as port:
        game_load.drive(port, connections=32, seconds=2)
        note("door 32, none wagering", game_load.drive(port, connections=32, seconds=seconds).clean().per_second)
        bench_system.promise()
        bench_system.settle_down()
        for name, connections, hot in (("door 32", 32, False), ("door 128", 128, False), ("door hot 32", 32, True)):
            found = game_load.drive(port, connections=connections, seconds=seconds, hot=hot).clean()
            note(name, found.per_second)
            note(f"{name} p50 ms", found.p50_ms)
            note(f"{name} p99 ms", found.p99_ms)
        others = game_load.drive(port, connections=32, seconds=seconds, wagering=False).clean()
        note("door 32, none wagering again", others.per_second)
        with bench_system.limits():
            # Each process looks up once what the periods of a wallet began with.
            game_load.drive(port, connections=32, seconds=2, wagering=False)
            limited = game_load.drive(port, connections=32, seconds=seconds, wagering=False).clean()
        note("door 32, all limits set", limited.per_second)
        note("door 32, no endpoint", game_load.drive(port, connections=32, seconds=seconds).clean().per_second)
        with bench_system.endpoint_down():
            note("door 32, endpoint down", game_load.drive(port, connections=32, seconds=seconds).clean().per_second)
        note("bulk operations", game_load.bulk(port, seconds=seconds))
    with bench_system.web() as port:
        for name, value in dialect_load.measured(port, min(seconds, 5)).items():
            note(name, value)
    with bench_system.web(DATABASE_ISOLATION="repeatable read") as port:
        game_load.drive(port, connections=128, seconds=2)
        note("door 128, repeatable read", game_load.drive(port, connections=128, seconds=seconds).per_second)
    with bench_system.web(application=["-m", "tests.bench.straightforward"]) as port:
        for name, hot in (("plain DRF 32", False), ("plain DRF hot 32", True)):
            plain = game_load.drive_plain(port, connections=32, seconds=seconds, hot=hot)
            note(name, plain.per_second - plain.refused / seconds)
    measure_live(seconds, note)
    note("five statements again", statement_baselines.five_statements(seconds))
    if rows:
        bench_system.fill(rows)
        bench_system.settle_down()
        with bench_system.web() as port:
            game_load.drive(port, connections=128, seconds=2)
            note(
                f"door 128 at {rows:,} rows", game_load.drive(port, connections=128, seconds=seconds).clean().per_second
            )


def measure_live(seconds: int, note: Note) -> None:
    """How soon players see a bet, and what bets cost when Redis is frozen."""
    with bench_system.web() as port:
        for name, value in socket_load.measure(port, max(seconds, 5)).items():
            note(f"live, {name}", value)
    with bench_system.web() as port:
        game_load.drive(port, connections=128, seconds=2)
        note("door 128, Redis well", game_load.drive(port, connections=128, seconds=seconds).clean().per_second)
        with bench_system.redis_frozen():
            note("door 128, Redis frozen", game_load.drive(port, connections=128, seconds=seconds).clean().per_second)


def machine() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, fsync on, 2 workers"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="how long each measurement lasts")
    parser.add_argument("--rows", type=int, default=0, help="measure once more on a ledger of so many further rows")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    asked = parser.parse_args()
    if not game_load.available():
        print("make bench needs wrk as its load client: apt-get install wrk", file=sys.stderr)
        return 1
    figures: Figures = {}
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
        measure(asked.seconds, asked.rows, figures)
    table = figures_table.table(machine(), figures)
    print(table)
    if asked.write:
        figures_table.write(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
