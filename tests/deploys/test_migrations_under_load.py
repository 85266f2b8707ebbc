"""Deploying while people play: a release's migrations (tests/deploys) forwards and back, under the code before it."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests import game_client, scenario
from tests.deploys.migrations import NEWEST
from tests.running_system import RunningSystem, eventually, running

ROWS = 200_000
PLAYERS = tuple(f"p{number}" for number in range(4))
RELEASE = {"DJANGO_SETTINGS_MODULE": "tests.deploys.settings"}
# No write may wait longer for a migration, and no call for its answer.
WAIT_SECONDS = 1.0
ANSWER_SECONDS = 3.5
# Between two bets of a player, and between two looks at who waits: with less, the bets themselves keep both cores busy.
PAUSE_SECONDS = 0.04


@pytest.fixture(scope="module")
def serving() -> Iterator[RunningSystem]:
    """Two workers of the present code over a ledger of some age."""
    with running(*PLAYERS) as house:
        filled, text = output(house.manage("fill", "--rows", str(ROWS), DEMO="on"))
        assert filled == 0, text
        with database(house) as connection:
            connection.execute("VACUUM (ANALYZE)")
        yield house


@pytest.fixture
def before(serving: RunningSystem) -> Iterator[RunningSystem]:
    """The house as it was before the release."""
    yield serving
    with database(serving) as connection:
        applied = connection.execute("SELECT FROM django_migrations WHERE name LIKE 'deploy%'").fetchone()
    if applied is not None:
        assert output(migrate(serving, NEWEST))[0] == 0


def migrate(house: RunningSystem, target: str = "") -> subprocess.Popen[str]:
    return house.manage("migrate", "--no-color", *(["wallet", target] if target else []), **RELEASE)


def output(process: subprocess.Popen[str]) -> tuple[int, str]:
    text = process.communicate(timeout=300)[0]
    return process.returncode, text


@contextmanager
def database(house: RunningSystem) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(house.postgresql.url, autocommit=True) as connection:
        yield connection


def invalid(house: RunningSystem) -> list[str]:
    with database(house) as connection:
        found = connection.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid").fetchall()
    return [name for (name,) in found]


class Play:
    """Bets on kept connections, a player each, until the end of the block; then what they were told and waited for.

    PostgreSQL itself is asked how long they waited for locks: on a busy machine a client's clock tells of the machine.
    """

    def __init__(self, house: RunningSystem) -> None:
        self.house = house
        self.answers: list[tuple[float, int]] = []
        self.waits: list[float] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._bet, args=(player,)) for player in PLAYERS]
        self._threads.append(threading.Thread(target=self._watch))

    def _bet(self, player: str) -> None:
        client = game_client.Client(self.house.port)
        body = {"player": player, "currency": "EUR", "round": "r-1", "game": "g-1", "amount": "0.01"}
        while not self._over.wait(PAUSE_SECONDS):
            begun = time.monotonic()
            status = client.post("bet", {**body, "reference": scenario.fresh(player)}).status
            self.answers.append((time.monotonic() - begun, status))
        client.connection.close()

    def _watch(self) -> None:
        """How long statements of the web workers have been waiting for a lock by now."""
        waiting = (
            "SELECT extract(epoch FROM clock_timestamp() - l.waitstart)::float8 FROM pg_locks l"
            " JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.query !~ '^(ALTER|CREATE|DROP|LOCK|SET)'"
        )
        with database(self.house) as connection:
            while not self._over.wait(PAUSE_SECONDS):
                self.waits += [seconds for (seconds,) in connection.execute(waiting).fetchall() if seconds]

    def __enter__(self) -> Play:
        for thread in self._threads:
            thread.start()
        eventually(lambda: len(self.answers) > 100, "the first bets")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def went_on(self) -> None:
        """Nobody was refused, nobody waited long for a migration, and nobody was answered after his deadline."""
        assert {status for _, status in self.answers} == {200}
        waited, slowest = max(self.waits, default=0.0), max(seconds for seconds, _ in self.answers)
        print(f"{len(self.answers)} bets: for a lock at most {waited:.3f} s, answered after at most {slowest:.3f} s")
        assert waited < WAIT_SECONDS
        assert slowest < ANSWER_SECONDS


def test_play_goes_on_while_a_release_migrates_and_while_it_is_taken_back(before: RunningSystem) -> None:
    with Play(before) as play:
        done, text = output(migrate(before))
        assert done == 0, text
        undone, text = output(migrate(before, NEWEST))
        assert undone == 0, text
    play.went_on()


def test_a_migration_gives_way_to_a_long_transaction_and_says_to_whose(before: RunningSystem) -> None:
    with psycopg.connect(before.postgresql.url, application_name="a long report") as report:
        report.execute("SELECT kind FROM wallet_transaction LIMIT 1")
        with Play(before) as play:
            migration = migrate(before)
            assert migration.stdout
            line = next(line for line in migration.stdout if " ms for a lock and gave way" in line)
            assert line.startswith("  wallet.deploy_1_column waited 300 ms for a lock and gave way. In the way: ")
            assert f"process {report.info.backend_pid} (a long report), in a transaction for " in line
            assert line.endswith(" Attempt 2 of 60 in 1 s.\n")
            report.commit()
            done, text = output(migration)
            assert done == 0, text
        play.went_on()


def test_the_leftover_of_an_index_that_was_interrupted_is_dropped_and_built_again(before: RunningSystem) -> None:
    assert output(migrate(before, "deploy_3_foreign_key"))[0] == 0
    with psycopg.connect(before.postgresql.url) as report, database(before) as looking:
        report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT kind FROM wallet_transaction LIMIT 1")
        migration = migrate(before)
        building = "SELECT pid FROM pg_stat_progress_create_index WHERE index_relid <> 0"
        eventually(lambda: invalid(before) and looking.execute(building).fetchone(), "an index that waits")
        (backend,) = looking.execute(building).fetchone() or (0,)
        # Another one, as a second pod starts it, keeps its hands off the index.
        second = migrate(before)
        assert second.stdout
        assert any("Another migrate is at work on this schema." in line for line in second.stdout)
        second.send_signal(signal.SIGTERM)
        second.communicate()
        migration.kill()
        migration.communicate()
        looking.execute("SELECT pg_terminate_backend(%s)", [backend])
    assert invalid(before) == ["ledger_opponent"]
    done, text = output(migrate(before))
    assert done == 0, text
    assert '"event": "invalid_index_dropped"' in text
    assert '"index": "ledger_opponent"' in text
    assert not invalid(before)


def test_what_was_built_before_an_interruption_stays_and_everything_is_valid(before: RunningSystem) -> None:
    assert output(migrate(before))[0] == 0
    with database(before) as connection:
        indexes = "SELECT oid::bigint FROM pg_class WHERE relname LIKE 'ledger_%' AND relkind = 'i' ORDER BY 1"
        built = connection.execute(indexes).fetchall()
        # As if the process had ended before it could write down that it was done.
        connection.execute("DELETE FROM django_migrations WHERE name = 'deploy_4_indexes'")
        done, text = output(migrate(before))
        assert done == 0, text
        assert connection.execute(indexes).fetchall() == built
        constraints = "SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid = 'wallet_transaction'::regclass"
        assert connection.execute(constraints).fetchone() == (True,)
    assert not invalid(before)
