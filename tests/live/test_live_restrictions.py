"""A player who is locked or excluded in one process loses every socket in the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack

import msgspec
import pytest
from django.db import transaction

from casino_pam.engine import accounts
from casino_pam.live import restrictions
from casino_pam.live.hub import SHORTEST_REREAD
from casino_pam.live.restrictions import RestrictionPublisher
from casino_pam.live.snapshot import read, stricter
from tests import operators, rest_client, scenario
from tests.backoffice.action_scenario import acted
from tests.socket_client import closed_with, dial, next_frame, ticket
from wallet.models import Player

# So many connections are spread over both workers.
SOCKETS = 8


@pytest.fixture
def port(workers: int, books: None) -> int:
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("50.00")
    return workers


@pytest.fixture
def told(books: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that listeners of this process are told."""
    seen: list[str] = []
    monkeypatch.setattr(accounts, "after_restriction", [seen.append])
    scenario.catalogue()
    scenario.alice("100.00")
    return seen


def lock_by_rest() -> None:
    assert rest_client.key().patch("players/alice", {"locks": {"bet": True}}).status == 200


def exclude_by_rest() -> None:
    assert rest_client.key().patch("players/alice", {"excluded_until": "2099-01-01T00:00:00Z"}).status == 200


def exclude_oneself() -> None:
    assert (
        rest_client.player("alice").call("PUT", "me/exclusion", {"excluded_until": "2099-01-01T00:00:00Z"}).status
        == 200
    )


def lock_in_the_back_office() -> None:
    answer = acted(operators.sue(), "lock", Player.objects.get(code="alice"), locks=["withdraw"])
    assert answer.status_code == 302


def cool_off_in_the_back_office() -> None:
    answer = acted(operators.sue(), "cool-off", Player.objects.get(code="alice"), days="1")
    assert answer.status_code == 302


@pytest.mark.parametrize(
    "restrict",
    [lock_by_rest, exclude_by_rest, exclude_oneself, lock_in_the_back_office, cool_off_in_the_back_office],
)
def test_every_socket_of_the_player_is_closed_and_nobody_elses(port: int, restrict: Callable[[], None]) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(dial(port, ticket("alice"))) for _ in range(SOCKETS)]
        other = stack.enter_context(dial(port, ticket("bob")))
        for client in (*opened, other):
            next_frame(client)
        restrict()
        began = time.monotonic()
        assert [closed_with(client) for client in opened] == [4401] * SOCKETS
        # Sooner than the database would have been read again: it came over the channel layer.
        assert time.monotonic() - began < SHORTEST_REREAD / 2
        scenario.bet("bob", "1.00")
        assert next_frame(other)["cash"] == "49.00"


def test_a_player_who_is_locked_already_may_open_a_socket_and_see_wins(port: int) -> None:
    lock_by_rest()
    with dial(port, ticket("alice")) as client:
        next_frame(client)
        scenario.win("alice", "2.00")
        assert next_frame(client)["cash"] == "102.00"


def test_what_lifts_a_restriction_closes_nothing(port: int) -> None:
    Player.objects.filter(code="alice").update(bet_locked=True)
    with dial(port, ticket("alice")) as client:
        next_frame(client)
        unlocked = {"locks": {"bet": False}, "excluded_until": None, "country": "MT"}
        assert rest_client.key().patch("players/alice", unlocked).status == 200
        scenario.bet("alice", "1.00")
        assert next_frame(client)["cash"] == "99.00"


def test_is_told_after_the_commit_and_not_of_what_was_undone(told: list[str]) -> None:
    with transaction.atomic():
        accounts.change("alice", bet_locked=True)
        transaction.set_rollback(True)
    assert told == []
    with transaction.atomic():
        accounts.change("alice", bet_locked=True)
        assert told == []
    assert told == ["alice"]


def test_what_redis_does_not_take_is_dropped_and_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = asyncio.Event()

    async def never(player: str) -> None:
        await frozen.wait()

    monkeypatch.setattr(restrictions, "_send", never)
    publisher = RestrictionPublisher()
    for _ in range(restrictions.MOST_WAITING + 2):
        publisher.note("alice")
    publisher.flush()
    assert publisher._waiting.unfinished_tasks >= restrictions.MOST_WAITING


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, False),
        ({}, {"bet_locked": True}, True),
        ({"bet_locked": True}, {"bet_locked": True}, False),
        ({"bet_locked": True}, {}, False),
        ({"bet_locked": True}, {"withdraw_locked": True}, True),
        ({}, {"excluded_until": 5}, True),
        ({"excluded_until": 5}, {"excluded_until": 6}, True),
        ({"excluded_until": 5}, {}, False),
    ],
)
def test_a_look_at_the_database_tells_a_new_restriction_from_an_old_one(
    told: list[str], before: dict[str, object], after: dict[str, object], expected: bool
) -> None:
    player = read(["alice"]).players["alice"]
    replace = msgspec.structs.replace
    assert stricter(replace(player, **after), replace(player, **before)) is expected
