"""The game door as it is served: two web workers, and the examples of the documentation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import scenario
from tests.game_client import METRICS_TOKEN, Client, Reply, path_of, raw, served, signed
from wallet.models import Provider, Transaction

SIGNING = Path(__file__).parents[3] / "docs" / "api-signing.md"
BET = {"player": "alice", "currency": "EUR", "reference": "r-1", "round": "x", "game": "slot-1", "amount": "10.00"}


@pytest.fixture
def client(books: None) -> Iterator[Client]:
    scenario.catalogue()
    scenario.alice("100.00")
    with served(workers=2) as opened:
        yield opened


def on_many_connections(client: Client, count: int = 32) -> list[Reply]:
    """One bet, the same bytes, at one moment on so many connections: both workers get some."""
    ready = threading.Barrier(count)
    body = raw(BET)
    headers = signed("bet", body)

    def one() -> Reply:
        own = Client(client.port)
        own.connection.connect()
        ready.wait()
        own.connection.request("POST", path_of("bet"), body, headers)
        answer = own.connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())

    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(one) for _ in range(count)]]


def test_is_one_door_with_two_workers(client: Client) -> None:
    """One row for all copies of a bet, one count of all calls, and a revoked secret is dead at once in both."""
    replies = on_many_connections(client)
    assert {each.status for each in replies} == {200}, [each.body for each in replies]
    assert sorted(each["replayed"] for each in replies) == [False] + [True] * 31
    assert len({raw({**each.json, "replayed": None}) for each in replies}) == 1
    assert Transaction.objects.filter(kind="BET").count() == 1

    headers = {"Host": "localhost", "Authorization": f"Bearer {METRICS_TOKEN}"}
    client.connection.request("GET", "/metrics", headers=headers)
    lines = client.connection.getresponse().read().decode().splitlines()
    assert 'game_door_seconds_count{call="bet",status="200"} 32.0' in lines

    acme = Provider.objects.get(code="acme")
    acme.revoke(older_only=False)
    acme.save()
    assert {(each.status, each["code"]) for each in on_many_connections(client)} == {(401, "unauthenticated")}
