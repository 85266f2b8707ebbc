"""The product as the faults meet it: servers of its own, web workers that reach them through the proxies."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import psycopg

from casino_pam.local.os_support import PROJECT, free_port, processes_in
from casino_pam.local.servers import PostgreSQL, Servers, Valkey
from tests.faults.postgres_proxy import PostgresProxy
from tests.faults.redis_proxy import RedisProxy
from tests.faults.volume import move_ledger, small_volume
from tests.prepared_servers import prepared_servers

PLAYERS = 60
HOT = "hot"
START_SECONDS = 60
# Some have limits that they never reach, so that limits are judged; some wager a bonus.
_FURNISH = """
import django
django.setup()
import time
from casino_pam.engine import commands
from tests import bonus_scenario, scenario
from wallet.models import ApiKey, Player, Wallet, WalletLimits
from wallet.models.provider import SCOPES
now = time.time_ns() // 1000
scenario.catalogue()
bonus_scenario.gift("500.00", multiplier=50)
bonus_scenario.gift("500.00", multiplier=50, code="kept", on_withdrawal="keep")
for n, code in enumerate([%r, *("p%%d" %% n for n in range(%d))]):
    wallet = Wallet.objects.create(player=Player.objects.create(code=code), currency_id="EUR")
    given = dict(source="cashier", currency="EUR", reference="seed-" + code, at=now)
    assert scenario.word(scenario.do(commands.Deposit(player=code, amount=10**9, **given))) == "posted"
    if n %% 6 == 1:
        WalletLimits.objects.create(wallet=wallet, stake_day=10**12, loss_week=10**12)
    if n %% 3 == 2:
        # A withdrawal forfeits the one and leaves the other.
        offer = "kept" if n %% 2 else "gift"
        bonus_scenario.grant(offer, who=code, at=now)
        assert bonus_scenario.the(offer, who=code).status == "active"
key = ApiKey(name="shop", scopes=list(SCOPES))
print(key.renew())
key.save()
"""


def furnished(environment: dict[str, str]) -> str:
    """Players, wallets, limits and bonuses in the database that the environment names; the key of a back end."""
    argv = [sys.executable, "-c", _FURNISH % (HOT, PLAYERS)]
    done = subprocess.run(argv, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


class FaultyHouse:
    """Two web workers between proxies; whatever hurts a process is done to those that were started here."""

    def __init__(self, servers: Servers, database: PostgresProxy, redis: RedisProxy, folder: Path) -> None:
        self.database = database
        self.redis = redis
        self.folder = folder
        self.postgresql: PostgreSQL
        self.valkey: Valkey
        self.postgresql, self.valkey = servers.running  # type: ignore[assignment]
        self.port = free_port()
        self._environment = {
            **os.environ,
            **servers.environment,
            "DATABASE_URL": through(self.postgresql.url, database.port),
            "REDIS_URL": through(self.valkey.url, redis.port),
            "WEB_WORKERS": "2",
            "DATABASE_POOL_SIZE": "4",
            "DJANGO_SETTINGS_MODULE": "casino_pam.settings",
            "LOG_LEVEL": "WARNING",
            # What killed workers leave behind goes with the rest.
            "TMPDIR": str(folder),
        }
        self._web: subprocess.Popen[bytes] | None = None
        (folder / "clock").write_bytes(bytes(8))
        self.stepped = 0.0
        self.volume = small_volume(servers.place)
        self.api_key = ""

    def furnish(self) -> None:
        """Players, and web workers that answer."""
        if self.volume is not None:
            with self.superuser() as connection:
                move_ledger(connection, self.volume)
        self.api_key = furnished(self._environment)
        self.open()

    def open(self) -> None:
        """Start the web workers; they always listen at the same port."""
        argv = [sys.executable, "-m", "casino_pam.server.web", f"127.0.0.1:{self.port}"]
        stepped = {"PYTHONPATH": str(Path(__file__).with_name("clock")), "FAULTS_CLOCK": str(self.folder / "clock")}
        with (self.folder / "web.log").open("ab") as log:
            self._web = subprocess.Popen(
                argv, cwd=PROJECT, env=self._environment | stepped, stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + START_SECONDS
        while not self._listens():
            assert self._web.poll() is None and time.monotonic() < until, "the web workers did not start"
            time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def ledger_url(self) -> str:
        """Where the ledger is read when all is over."""
        return self.postgresql.url

    def superuser(self) -> psycopg.Connection[Any]:
        """On the product's database and past the proxy; each statement commits by itself."""
        server = self.postgresql
        return psycopg.connect(
            host="127.0.0.1",
            port=server.port,
            dbname="casino",
            user="postgres",
            password=server.superuser_password,
            autocommit=True,
            connect_timeout=5,
        )

    def follow_ports(self) -> None:
        """A server that was started again may have had to take another port."""
        self.database.target = ("127.0.0.1", self.postgresql.port)
        self.redis.target = ("127.0.0.1", self.valkey.port)

    def step_clock(self, seconds: float) -> None:
        """Let the wall clock of the web workers be so far from the true one."""
        self.stepped = seconds
        with (self.folder / "clock").open("r+b") as file:
            file.write(struct.pack("q", int(seconds * 1e9)))

    def clock_is_off(self) -> float:
        """By how many seconds a worker's own date differs from ours."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                date = answer.headers["Date"]
        except HTTPError as refusal:
            # A worker that is too busy says so, and when.
            date = refusal.headers["Date"]
        return parsedate_to_datetime(date).timestamp() - time.time()

    def workers(self) -> list[int]:
        """The processes that answer; their supervisor, and whatever else it started, apart."""
        assert self._web is not None
        children = Path(f"/proc/{self._web.pid}/task/{self._web.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def postgresql_processes(self) -> list[int]:
        """All of the cluster: the postmaster and its children."""
        return processes_in(self.postgresql.cluster)

    def restart_web(self) -> None:
        """The last resort for workers that do not come back: end them at once and start others."""
        self._end_web(self.workers())
        self.open()

    def close(self) -> None:
        """As a deployment stops them; workers that do not leave in time are ended."""
        if self._web is not None:
            workers = self.workers()
            self._web.terminate()
            try:
                self._web.wait(15)
            except subprocess.TimeoutExpired:
                self._end_web(workers)
        self.postgresql.stop()
        if self.volume is not None:
            self.volume.unmount()

    def _end_web(self, workers: list[int]) -> None:
        assert self._web is not None
        self._web.kill()
        self._web.wait()
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def through(url: str, port: int) -> str:
    """The same address by way of a proxy."""
    place = urlsplit(url)
    return urlunsplit(place._replace(netloc=f"{place.netloc.rpartition(':')[0]}:{port}"))


@contextmanager
def faulty_house(folder: Path, dice: random.Random) -> Iterator[FaultyHouse]:
    """A furnished house that answers, until the end of the block."""
    with prepared_servers() as servers:
        postgresql, valkey = servers.running
        database = PostgresProxy(("127.0.0.1", postgresql.port), dice.random)
        redis = RedisProxy(("127.0.0.1", valkey.port), dice.random)
        with database, redis:
            house = FaultyHouse(servers, database, redis, folder)
            try:
                house.furnish()
                yield house
            finally:
                house.close()
