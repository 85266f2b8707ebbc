"""How much a key may ask, and what the REST door says while PostgreSQL or Redis is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import redis
import time_machine
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from casino_pam.api.rest import authentication, throttling
from casino_pam.local.os_support import free_port
from tests import rest_client, scenario
from tests.api.rest.test_rest_authentication import EVERY
from wallet.models import ApiKey

NOON = 1_790_000_000


@pytest.fixture
def shop(books: None, monkeypatch: pytest.MonkeyPatch) -> rest_client.Caller:
    monkeypatch.setattr(throttling, "_not_before", 0.0)
    scenario.catalogue()
    scenario.alice("100.00")
    return rest_client.key(provider="acme")


# --- throttle --------------------------------------------------------------------------------


def test_lets_a_key_ask_so_often_a_second(shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    assert throttling.REQUESTS_A_SECOND == 1_000
    monkeypatch.setattr(throttling, "REQUESTS_A_SECOND", 3)
    with time_machine.travel(NOON, tick=False) as clock:
        other, player = rest_client.key(name="other"), rest_client.player("alice")
        assert [shop.get("players/alice").status for _ in range(5)] == [200, 200, 200, 429, 429]
        refused = shop.post("deposits", {})
        assert (refused["code"], refused["retry"], refused.headers["Retry-After"]) == ("rate_limited", True, "1")
        assert other.get("players/alice").status == 200
        assert [player.get("me").status for _ in range(5)] == [200] * 5
        clock.shift(1)
        assert shop.get("players/alice").status == 200


def test_lets_everybody_through_while_redis_is_away(shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def away(alias: str) -> Any:
        asked.append(alias)
        # As django-redis does it: by itself this client would try for five seconds.
        return redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0))

    monkeypatch.setattr(throttling, "get_redis_connection", away)
    monkeypatch.setattr(throttling, "REQUESTS_A_SECOND", 0)
    assert [shop.get("players/alice").status for _ in range(5)] == [200] * 5
    # It is asked once, not by every request anew.
    assert len(asked) == 1


# --- PostgreSQL ------------------------------------------------------------------------------


@contextmanager
def postgresql_away() -> Iterator[None]:
    """Nobody listens where PostgreSQL was."""
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", str(free_port()))
        yield
    connection.close()


@pytest.mark.parametrize(("method", "path", "body"), [call for call in EVERY if call[1] != "me/socket-ticket"])
def test_says_that_nothing_is_known_while_postgresql_is_away(
    shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    # The key is known all the same, so that every view is reached.
    kept = ApiKey.objects.select_related("provider").get()
    monkeypatch.setattr(authentication, "_key", lambda text: kept)
    caller = rest_client.player("alice") if path.startswith("me") else shop
    with postgresql_away():
        answer = caller.call(method, path, body)
    assert (answer.status, answer["code"], answer["retry"]) == (503, "unavailable", True), answer
    assert int(answer.headers["Retry-After"]) >= 1


def test_says_so_even_before_it_knows_the_key(shop: rest_client.Caller) -> None:
    with postgresql_away():
        answer = shop.get("players/alice")
    assert (answer.status, answer["code"]) == (503, "unavailable")


def test_is_busy_while_a_table_is_locked(shop: rest_client.Caller) -> None:
    named = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '20ms'")
    with psycopg.connect(
        host=named["HOST"], port=named["PORT"], dbname=named["NAME"], user=named["USER"], password=named["PASSWORD"]
    ) as other:
        other.execute("LOCK TABLE wallet_player IN ACCESS EXCLUSIVE MODE")
        answer = shop.get("players/alice")
        other.rollback()
    assert (answer.status, answer["code"], answer["retry"]) == (503, "busy", True)
    assert shop.get("players/alice").status == 200


def test_says_nothing_of_a_fault_of_its_own(shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a secret of the house")

    monkeypatch.setattr("casino_pam.engine.accounts.find", fault)
    answer = shop.get("players/alice")
    assert (answer.status, answer["code"], answer["retry"]) == (500, "internal", True)
    assert "secret" not in str(answer.body)
