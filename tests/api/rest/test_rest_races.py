"""Thirty-two callers of one wallet at once, through HTTP and two web workers: no 5xx, no conflict, exact balances."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests import rest_client, scenario
from tests.game_client import Client, served
from wallet.models import Transaction

CALLERS = 32
ROUNDS = 5


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Client]:
    with django_db_blocker.unblock(), served(workers=2, DATABASE_POOL_SIZE="16") as client:
        yield client


class Crowd:
    """Calls with one key from as many connections as there are bodies, all at once."""

    def __init__(self, server: Client, authorization: str) -> None:
        self.server = server
        self.headers = {"Host": "localhost", "Authorization": authorization, "Content-Type": "application/json"}

    def post(self, path: str, bodies: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
        def one(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            connection.request("POST", f"/api/v1/{path}", json.dumps(body), self.headers)
            answer = connection.getresponse()
            told = answer.status, json.loads(answer.read())
            connection.close()
            return told

        with ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(one, bodies))


@pytest.fixture
def crowd(server: Client, books: None) -> Crowd:
    scenario.catalogue()
    return Crowd(server, rest_client.key(provider="acme")._headers["Authorization"])


def asked(player: str, reference: str, amount: str = "10.00", **more: str) -> dict[str, Any]:
    return {"player": player, "currency": "EUR", "reference": reference, "amount": amount, **more}


@pytest.mark.parametrize("path", ["deposits", "withdrawals", "adjustments", "bets"])
def test_posts_once_what_comes_thirty_two_times(crowd: Crowd, path: str) -> None:
    for number in range(ROUNDS):
        player = f"player-{number}"
        scenario.player(player, "10.00")
        body = asked(player, f"{path}-{number}", reason="why not", round="round-1", game="slot-1")
        answers = crowd.post(path, [body] * CALLERS)
        assert Counter((status, told.get("replayed")) for status, told in answers) == {(200, False): 1, (200, True): 31}
        assert len({json.dumps({**told, "replayed": None}) for _, told in answers}) == 1
        assert Transaction.objects.filter(reference=f"{path}-{number}").count() == 1


@pytest.mark.parametrize("path", ["withdrawals", "bets"])
def test_takes_one_of_thirty_two_where_there_is_money_for_one(crowd: Crowd, path: str) -> None:
    for number in range(ROUNDS):
        player = f"player-{number}"
        scenario.player(player, "10.00")
        bodies = [asked(player, f"{number}-{each}", round=f"r-{each}", game="slot-1") for each in range(CALLERS)]
        answers = crowd.post(path, bodies)
        assert Counter(status for status, _ in answers) == {200: 1, 422: 31}
        assert {told["code"] for status, told in answers if status == 422} == {"insufficient_funds"}
        cash, _, held = scenario.balances(player)
        assert (cash, held) == (0, 1_000 if path == "withdrawals" else 0)


def test_settles_or_releases_once_whoever_asks(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        player, reference = f"player-{number}", f"w-{number}"
        scenario.player(player, "10.00")
        crowd.post("withdrawals", [asked(player, reference)])
        paths = [f"withdrawals/{reference}/{end}" for end in ("settle", "release")]
        with ThreadPoolExecutor(2) as pool:
            settled, released = pool.map(crowd.post, paths, [[{}] * 16] * 2)
        statuses = [{status for status, _ in answers} for answers in (settled, released)]
        assert sorted(statuses, key=max) == [{200}, {409}]
        assert scenario.balances(player) == (0 if statuses[0] == {200} else 1_000, 0, 0)
