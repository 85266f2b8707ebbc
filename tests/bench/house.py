"""The house that is measured: durable servers of its own, ten thousand funded wallets, two web workers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import psycopg

from casino_pam.machine import PROJECT, free_port, passing_place
from casino_pam.servers import PostgreSQL, Servers, Valkey

WALLETS = 10_000
SECRET = "a-benchmark-provider-secret"
FUNDS = 10**12


class DurablePostgreSQL(PostgreSQL):
    """As production runs it: a commit that was answered has reached the disk."""

    def _options(self) -> list[str]:
        return [option for option in super()._options() if option not in ("fsync=off", "full_page_writes=off")]


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Durable PostgreSQL and Valkey on free ports; yields the environment that names them."""
    with Servers(passing_place()) as running:
        running.start(DurablePostgreSQL(running.place, port=0), Valkey(running.place, port=0))
        yield running.environment


def seed(wallets: int = WALLETS) -> None:
    """Players p0..pN with one funded EUR wallet each, and a provider `bench`, through the teller."""
    from django.core.management import call_command

    from casino_pam import commands, teller
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
        assert all(outcome.status == "posted" for outcome in teller.post(deposits))  # type: ignore[union-attr]


def settle_down() -> None:
    """Statistics and visibility as a house that has run for a while has them, and a checkpoint behind us."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("VACUUM (ANALYZE)")
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("CHECKPOINT")


@contextlib.contextmanager
def web(workers: int = 2, application: list[str] | None = None) -> Iterator[int]:
    """The product's own web command (or another application) on a free port."""
    port = free_port(0)
    argv = application or ["-m", "casino_pam.web"]
    environment = os.environ | {"WEB_WORKERS": str(workers), "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen([sys.executable, *argv, f"127.0.0.1:{port}"], env=environment, cwd=PROJECT)
    try:
        _wait_for(port, process)
        yield port
    finally:
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
