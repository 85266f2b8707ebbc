"""The house that is measured: durable servers of its own, ten thousand funded wallets, two web workers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import psycopg

from casino_pam.local.os_support import PROJECT, free_port, passing_place
from casino_pam.local.servers import PostgreSQL, Server, Servers, Valkey

WALLETS = 10_000
SECRET = "a-benchmark-provider-secret"
FUNDS = 10**12

_running: list[Server] = []
_serving: list[subprocess.Popen[bytes]] = []


def postmaster() -> int:
    """PostgreSQL's first process, whose children do its work."""
    process = _running[0].process
    assert process is not None
    return process.pid


def web_server() -> int | None:
    """The web command that is measured now, whose children are its workers."""
    return _serving[-1].pid if _serving else None


class DurablePostgreSQL(PostgreSQL):
    """As production runs it: a commit that was answered has reached the disk."""

    def _options(self) -> list[str]:
        return [option for option in super()._options() if option not in ("fsync=off", "full_page_writes=off")]


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Durable PostgreSQL and Valkey on free ports; yields the environment that names them."""
    with Servers(passing_place()) as running:
        running.start(DurablePostgreSQL(running.place, port=0), Valkey(running.place, port=0))
        _running.extend(running.running)
        yield running.environment


@contextlib.contextmanager
def redis_frozen() -> Iterator[None]:
    """Redis takes connections and answers nobody meanwhile."""
    process = _running[1].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def seed(wallets: int = WALLETS) -> None:
    """Players p0..pN with one funded EUR wallet each, and a provider `bench`, through the engine."""
    from django.core.management import call_command

    from casino_pam.engine import commands, posting
    from wallet.models import Currency, Player, Provider, Wallet

    call_command("migrate", verbosity=0)
    Currency.objects.create(code="EUR", digits=2)
    provider = Provider(code="bench", name="Bench")
    provider.set_secret(SECRET)
    provider.save()
    Player.objects.bulk_create([Player(code=f"p{n}") for n in range(wallets)])
    Wallet.objects.bulk_create([Wallet(player=player, currency_id="EUR") for player in Player.objects.order_by("id")])
    for first in range(0, wallets, 250):
        deposits = [
            commands.Deposit(
                source="cashier", player=f"p{n}", reference=f"seed-{n}", at=commands.now(), currency="EUR", amount=FUNDS
            )
            for n in range(first, min(first + 250, wallets))
        ]
        assert all(outcome.status == "posted" for outcome in posting.post(deposits))  # type: ignore[union-attr]


def promise(every: int = 3, wallets: int = WALLETS) -> None:
    """From now on every third player wagers a bonus too large to be completed in a measurement."""
    from bonus.models import Offer
    from bonus.offers import create_offer
    from casino_pam.engine import commands, posting

    if Offer.objects.filter(code="bench").exists():
        return
    weights = {"default": 10000, "game": {"slot-1": 1000}}
    amounts = {"EUR": {"amount": "1000000000.00"}}
    offer = {"code": "bench", "name": "Bench", "kind": "fixed", "multiplier": 1000}
    create_offer({**offer, "weights": weights, "amounts": amounts})
    grants = [
        commands.Grant(
            source="cashier", player=f"p{n}", reference=f"bonus-{n}", at=commands.now(), currency="EUR", offer="bench"
        )
        for n in range(0, wallets, every)
    ]
    for first in range(0, len(grants), 100):
        for outcome in posting.post(grants[first : first + 100]):
            assert not isinstance(outcome, Exception), outcome
    settle_down()


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Meanwhile every wallet has all nine limits, none of which is ever reached."""
    from wallet.kinds import LIMIT_NAMES
    from wallet.models import Wallet, WalletLimits
    from wallet.money import MAX_AMOUNT

    amounts = dict.fromkeys(LIMIT_NAMES, MAX_AMOUNT)
    WalletLimits.objects.bulk_create(WalletLimits(wallet=wallet, **amounts) for wallet in Wallet.objects.all())
    settle_down()
    yield
    WalletLimits.objects.all().delete()


@contextlib.contextmanager
def endpoint_down() -> Iterator[None]:
    """Meanwhile a back end that nobody can reach is to be told of everything: a thousand events wait, and are tried."""
    from casino_pam.engine import commands, posting
    from wallet.models import Delivery, Endpoint

    endpoint = Endpoint(code="down", url=f"http://127.0.0.1:{free_port()}/")
    endpoint.renew()
    endpoint.save()
    holds = [
        commands.Hold(
            source="cashier", player=f"p{n}", reference=f"hold-{n}", at=commands.now(), currency="EUR", amount=100
        )
        for n in range(1_000)
    ]
    for first in range(0, len(holds), 100):
        posting.post(holds[first : first + 100])
    assert Delivery.objects.count() >= len(holds)
    argv = [sys.executable, "manage.py", "run_jobs"]
    with subprocess.Popen(argv, cwd=PROJECT, env=os.environ | {"PLAIN_HTTP": "on"}) as jobs:
        until = time.monotonic() + 60
        while not Endpoint.objects.filter(failures__gt=0).exists():
            if time.monotonic() > until:
                raise RuntimeError("the endpoint that is down was never tried")
            time.sleep(0.1)
        yield
        jobs.terminate()
    Delivery.objects.all().delete()
    endpoint.delete()


def fill(rows: int) -> None:
    """Further rows of made-up players, as a house of some age has them (`manage.py fill`), and the reports' sums."""
    from django.core.management import call_command

    from casino_pam.local import filling

    filling.fill(rows, lambda written: print(f"  {written:,} rows of {rows:,}", file=sys.stderr, flush=True))
    settle_down()
    call_command("refresh_reports", verbosity=0)


def ledger_bytes() -> float:
    """What the ledger's rows and their indexes take on disk."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute("SELECT pg_total_relation_size('wallet_transaction')").fetchone()
    assert row is not None
    return float(row[0])


def settle_down() -> None:
    """Statistics and visibility as a house that has run for a while has them, and a checkpoint behind us."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("VACUUM (ANALYZE)")
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("CHECKPOINT")


@contextlib.contextmanager
def web(workers: int = 2, application: list[str] | None = None, **told: str) -> Iterator[int]:
    """The product's own web command (or another application) on a free port; ``told`` are settings of its own."""
    port = free_port(0)
    argv = application or ["-m", "casino_pam.server.web"]
    environment = os.environ | {"WEB_WORKERS": str(workers), "PYTHONPATH": str(PROJECT)} | told
    process = subprocess.Popen([sys.executable, *argv, f"127.0.0.1:{port}"], env=environment, cwd=PROJECT)
    _serving.append(process)
    try:
        _wait_for(port, process)
        yield port
    finally:
        _serving.remove(process)
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if process.poll() is not None:
            raise RuntimeError("the web workers ended; what is above says why")
        time.sleep(0.1)
    raise RuntimeError("the web workers do not listen")


def post(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.read()
