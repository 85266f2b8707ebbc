"""The faults: what each does to the house, for how long, and how it is known that it hit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from casino_pam.local.os_support import as_account
from tests.faults.episodes import LONGEST_ANSWER
from tests.faults.house import HOT, FaultyHouse
from tests.faults.link import Fault, Proxy

Act = Callable[["Stage"], None]

# A run that lasts so many seconds has room for a fault of five minutes.
LONG_ENOUGH: Final = 1800

OURS: Final = "application_name = 'casino-pam' AND datname = 'casino'"
BLOCKED: Final = (
    f"SELECT pid, query_start FROM pg_stat_activity WHERE {OURS} AND cardinality(pg_blocking_pids(pid)) > 0"
)
AT_STANDBY: Final = "wait_event = 'SyncRep'"
LOCK_BONUSES: Final = "SELECT FROM bonus_bonus WHERE status = 'active' ORDER BY id LIMIT 5 FOR UPDATE"
TERMINATE: Final = (
    f"SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE {OURS}"
    " ORDER BY random() LIMIT %s) AS chosen"
)


class Stage:
    """What a fault may use: the house, a die, and how many times it hit."""

    def __init__(self, house: FaultyHouse, dice: random.Random, seconds: float) -> None:
        self.house = house
        self.dice = dice
        self.seconds = seconds
        self.fired = 0
        # When the fault was over, where the end of the act does not say it.
        self.ended: Callable[[], float] | None = None
        # The one player whose wallet is held.
        self.player: str | None = None

    def last(self) -> None:
        """Let the fault be in force for its time."""
        time.sleep(self.seconds)

    def moments(self, every: float) -> Iterator[None]:
        """As ``last``, with something to do every so many seconds."""
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            yield
            time.sleep(every)

    @contextmanager
    def counting(self, sqlstate: str) -> Iterator[None]:
        """Each error of that kind which PostgreSQL gives the product in this block is a hit."""
        before = self.house.database.errors[sqlstate]
        yield
        self.fired += self.house.database.errors[sqlstate] - before

    def speaking(self) -> int:
        """How many connections of the product were in use during the last second."""
        return self.house.database.spoke_since(time.monotonic() - 1)


@dataclass(frozen=True)
class Trouble:
    """A fault by name. ``allowed``: by how much a frozen victim itself lengthens an answer.

    ``lingers``: for how long it is felt after its end; a silent connection is silent until the product gives it up.
    """

    name: str
    act: Act
    seconds: float = 2.0
    allowed: float = 0.0
    lingers: float = 0.0
    # How often it comes in a long run; 0 is once, at the beginning of one that is long enough.
    weight: int = 2
    # Whether the short run has it too.
    short: bool = True
    # What is left to be done when everybody is served again.
    mend: Act | None = None


# --- the links -----------------------------------------------------------------------------------


def on_link(which: Callable[[FaultyHouse], Proxy], kind: str, **options: Any) -> Act:
    """A fault of one of the two proxies."""

    def act(stage: Stage) -> None:
        proxy = which(stage.house)
        fault = proxy.begin(Fault(kind, **options))
        try:
            stage.last()
        finally:
            proxy.end()
        stage.fired = fault.fired

    return act


def database(house: FaultyHouse) -> Proxy:
    return house.database


def redis(house: FaultyHouse) -> Proxy:
    return house.redis


# --- processes -----------------------------------------------------------------------------------


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """The processes stand still in this block."""
    try:
        for pid in pids:
            signal_to(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            signal_to(pid, signal.SIGCONT)


def signal_to(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        # It has left by itself.
        return


def freeze_postgresql(stage: Stage) -> None:
    """Counts the connections that spoke to it meanwhile."""
    began = time.monotonic()
    with frozen(stage.house.postgresql_processes()):
        stage.last()
        stage.fired = stage.house.database.spoke_since(began)


def kill_postgresql(stage: Stage) -> None:
    """kill -9, away for the time given, and back."""
    stage.fired = stage.speaking()
    stage.house.postgresql.kill()
    stage.last()
    stage.house.postgresql.start()


def restart_at_once(stage: Stage) -> None:
    """What `pg_ctl -m immediate` does."""
    stage.fired = stage.speaking()
    process = stage.house.postgresql.process
    assert process is not None
    process.send_signal(signal.SIGQUIT)
    process.wait()
    stage.house.postgresql.start()


def kill_backend(stage: Stage) -> None:
    """What the kernel's memory killer does: PostgreSQL ends every session and recovers."""
    stage.fired = stage.speaking()
    with stage.house.superuser() as connection:
        row = connection.execute(f"SELECT pid FROM pg_stat_activity WHERE {OURS} ORDER BY random()").fetchone()
    assert row is not None
    signal_to(row[0], signal.SIGKILL)
    wait_for_recovery(stage, [row[0]])


def wait_for_recovery(stage: Stage, dying: list[int]) -> None:
    """Return when the processes are gone and PostgreSQL takes connections again."""
    until = time.monotonic() + 30
    while (set(dying) & set(stage.house.postgresql_processes())) or not stage.house.postgresql.answers():
        assert time.monotonic() < until, "PostgreSQL does not recover"
        time.sleep(0.02)


def kill_worker(stage: Stage) -> None:
    signal_to(stage.dice.choice(stage.house.workers()), signal.SIGKILL)
    stage.fired = 1
    stage.last()


def freeze_worker(stage: Stage) -> None:
    with frozen([stage.dice.choice(stage.house.workers())]):
        stage.last()
    stage.fired = 1


def kill_valkey(stage: Stage) -> None:
    stage.fired = stage.house.redis.spoke_since(time.monotonic() - 5)
    stage.house.valkey.kill()
    stage.last()
    stage.house.valkey.start()


def freeze_valkey(stage: Stage) -> None:
    process = stage.house.valkey.process
    assert process is not None
    began = time.monotonic()
    with frozen([process.pid]):
        stage.last()
        stage.fired = stage.house.redis.spoke_since(began)


def step_clock(stage: Stage) -> None:
    """The web workers' wall clock jumps ahead and back; counts the jumps that a worker then dates its answers by."""
    try:
        # Uvicorn looks at the clock for its Date header once a second.
        for _ in stage.moments(every=1.2):
            away = stage.house.clock_is_off()
            stage.fired += abs(away - stage.house.stepped) < 2 and abs(away) > 2
            stage.house.step_clock(stage.dice.choice((-1, 1)) * stage.dice.uniform(20, 120))
    finally:
        stage.house.step_clock(0)


# --- inside PostgreSQL ---------------------------------------------------------------------------


def terminate_backends(stage: Stage) -> None:
    with stage.house.superuser() as connection:
        for _ in stage.moments(every=0.15):
            row = connection.execute(TERMINATE, [1]).fetchone()
            stage.fired += row[0] if row else 0


def holding(statement: str, player: str | None = None) -> Act:
    """Somebody else's transaction holds a lock; counts the statements that were seen to wait for it."""

    def act(stage: Stage) -> None:
        stage.player = player
        waiting: set[Any] = set()
        with stage.house.superuser() as holder, stage.house.superuser() as watcher, holder.transaction():
            holder.execute(statement)
            for _ in stage.moments(every=0.05):
                waiting.update(watcher.execute(BLOCKED).fetchall())
        stage.fired = len(waiting)

    return act


def turn_read_only(stage: Stage) -> None:
    """As a primary that was demoted: every write is refused with 25006."""
    with stage.house.superuser() as connection, stage.counting("25006"):
        connection.execute("SET default_transaction_read_only = off")
        try:
            connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            connection.execute("SELECT pg_reload_conf()")
            stage.last()
        finally:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def lose_standby(stage: Stage) -> None:
    """Each COMMIT waits for a synchronous standby that is not there; counts those that were seen to wait."""
    waiting: set[Any] = set()
    with stage.house.superuser() as connection:
        connection.execute("SET synchronous_commit = local")
        try:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            connection.execute("SELECT pg_reload_conf()")
            for _ in stage.moments(every=0.1):
                waiting.update(connection.execute(f"SELECT pid FROM pg_stat_activity WHERE {OURS} AND {AT_STANDBY}"))
        finally:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
    stage.fired = len(waiting)


def exhaust_connections(stage: Stage) -> None:
    """Somebody else takes every connection there is, and ours are ended."""
    taken: list[psycopg.Connection[Any]] = []
    try:
        with stage.house.superuser() as connection, stage.counting("53300"):
            for _ in stage.moments(every=0.1):
                take_all(stage.house.postgresql.url, taken)
                connection.execute(TERMINATE, [100])
                take_all(stage.house.postgresql.url, taken)
    finally:
        for each in taken:
            each.close()


def take_all(url: str, taken: list[psycopg.Connection[Any]]) -> None:
    """Open connections until there are none left."""
    while len(taken) < 200:
        try:
            taken.append(psycopg.connect(url, connect_timeout=2))
        except psycopg.OperationalError:
            return


def fill_disk(stage: Stage) -> None:
    """No page can be added to the ledger's table."""
    volume = stage.house.volume
    if volume is None:
        return
    with stage.counting("53100"):
        volume.fill()
        try:
            stage.last()
        finally:
            volume.empty()


def stop_wal(stage: Stage) -> None:
    """A write to the log fails, as on a full disk: PostgreSQL panics and recovers. Counts the sessions that ended."""
    with stage.house.superuser() as connection:
        pids = [pid for (pid,) in connection.execute(f"SELECT pid FROM pg_stat_activity WHERE {OURS}")]
    for pid in pids:
        # Their own account may limit them; root without all its rights may not.
        argv = ["prlimit", "--pid", str(pid), "--fsize=0:"]
        subprocess.run(argv, check=False, capture_output=True, **as_account(stage.house.postgresql.place.account))
    wait_for_recovery(stage, pids)
    stage.fired = len(pids)


TROUBLES: Final = (
    Trouble("COMMIT reply lost, connection cut", on_link(database, "commit_reply_lost", chance=0.3), weight=8),
    Trouble(
        "COMMIT reply lost, silence",
        on_link(database, "commit_reply_silence", chance=0.1),
        weight=6,
        lingers=LONGEST_ANSWER,
    ),
    Trouble("Cut before COMMIT", on_link(database, "commit_cut_before", chance=0.3), weight=8),
    Trouble("Connections reset", on_link(database, "reset", chance=0.05), weight=8),
    Trouble("Connections refused", on_link(database, "refuse"), weight=4),
    Trouble("Black hole", on_link(database, "black_hole"), seconds=5.0, weight=4),
    Trouble("Latency 50 ms each way", on_link(database, "latency", seconds=0.05)),
    Trouble("Latency 200 ms each way", on_link(database, "latency", seconds=0.2)),
    Trouble("Slow bytes", on_link(database, "dribble")),
    # A closed window is probed after pauses that double (RFC 9293, 3.8.6.1): at its end a pause may still be as long
    # as the fault was, and neither side can end it.
    Trouble("Narrow window", on_link(database, "narrow"), lingers=2.0),
    Trouble("PostgreSQL frozen", freeze_postgresql, seconds=5.0, weight=4),
    Trouble("PostgreSQL killed", kill_postgresql, seconds=0.0),
    Trouble("PostgreSQL away for 20 s", kill_postgresql, seconds=20.0, weight=1, short=False),
    Trouble("PostgreSQL away for 300 s", kill_postgresql, seconds=300.0, weight=0, short=False),
    Trouble("Black hole for 20 s", on_link(database, "black_hole"), seconds=20.0, weight=1, short=False),
    Trouble("PostgreSQL restarted at once", restart_at_once),
    Trouble("A backend killed", kill_backend),
    Trouble("Backends terminated", terminate_backends, weight=8),
    Trouble("Write-ahead log fails", stop_wal),
    Trouble("Disk full", fill_disk),
    Trouble("Primary read-only", turn_read_only, weight=4),
    Trouble("Synchronous standby away", lose_standby, seconds=5.0),
    Trouble("Connections exhausted", exhaust_connections),
    Trouble(
        "One wallet locked",
        holding(
            "SELECT FROM wallet_wallet w JOIN wallet_player p ON p.id = w.player_id"
            f" WHERE p.code = '{HOT}' FOR UPDATE OF w",
            player=HOT,
        ),
        seconds=4.0,
    ),
    Trouble("Bonuses locked", holding(LOCK_BONUSES), seconds=2.5),
    Trouble("Ledger table locked", holding("LOCK TABLE wallet_transaction IN ACCESS EXCLUSIVE MODE"), seconds=1.5),
    Trouble("Worker killed", kill_worker, seconds=0.0),
    Trouble("Worker frozen", freeze_worker, allowed=2.0),
    Trouble("Clock steps", step_clock, seconds=4.5),
    Trouble("Valkey killed", kill_valkey, seconds=1.0),
    Trouble("Valkey frozen", freeze_valkey),
    Trouble("Redis: latency 200 ms each way", on_link(redis, "latency", seconds=0.2)),
    Trouble("Redis: connections reset", on_link(redis, "reset", chance=0.5)),
    Trouble("Redis: black hole", on_link(redis, "black_hole")),
    Trouble("Redis: slow bytes", on_link(redis, "dribble")),
    Trouble("Redis: replies lost", on_link(redis, "reply_lost", chance=0.5)),
    Trouble("Redis: replies lost, silence", on_link(redis, "reply_silence", chance=0.5)),
)


def in_turn(dice: random.Random, *, short: bool) -> list[Trouble]:
    """Each once, in an order of the seed's; a short run leaves out those that take long."""
    troubles = [trouble for trouble in TROUBLES if trouble.short or not short]
    dice.shuffle(troubles)
    return troubles


def for_long(dice: random.Random, seconds: float) -> Iterator[Trouble]:
    """Without end, each as often as its weight says; every one before any comes again that often."""
    if seconds >= LONG_ENOUGH:
        yield from (trouble for trouble in TROUBLES if not trouble.weight)
    while True:
        troubles = [trouble for trouble in TROUBLES for _ in range(trouble.weight)]
        dice.shuffle(troubles)
        yield from troubles
