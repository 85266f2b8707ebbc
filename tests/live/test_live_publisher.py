"""What is told after a commit, and that no commit ever waits for it."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from redis.client import PubSub

from casino_pam.engine import posting
from casino_pam.engine.execution import Execution
from casino_pam.live import publisher as module
from casino_pam.live.publisher import Publisher
from casino_pam.live.snapshot import CHANNEL, Announcement, Change, decode
from tests import scenario
from tests.socket_client import database_url, deaf_server


class Redis:
    """Stands for Redis: keeps what it is told, for ``listeners``; fails while ``away`` is set."""

    def __init__(self) -> None:
        self.listeners = 1
        self.heard: queue.Queue[Announcement] = queue.Queue()
        self.away = threading.Event()
        self.failed = threading.Semaphore(0)

    def publisher(self) -> Callable[[bytes], int]:
        return self._publish

    def _publish(self, message: bytes) -> int:
        if self.away.is_set():
            self.failed.release()
            raise redis.ConnectionError("away")
        self.heard.put(decode(message))
        return self.listeners

    def next(self) -> Announcement:
        return self.heard.get(timeout=30)


@pytest.fixture
def desks(books: None, monkeypatch: pytest.MonkeyPatch) -> list[Execution]:
    """The desks of all postings of this test, as listeners get them."""
    seen: list[Execution] = []
    monkeypatch.setattr(posting, "after_commit", [seen.append])
    scenario.catalogue()
    return seen


@pytest.fixture
def heard(books: None) -> Iterator[PubSub]:
    """A subscription to the real Redis."""
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=30) is None
        yield pubsub


def next_changes(heard: PubSub) -> list[Change]:
    """Those of the next message that tells of any: one that tells of none asks whether anybody listens."""
    while True:
        message = heard.get_message(timeout=30)
        assert message is not None
        if changes := decode(message["data"]).changes:
            return changes


def said(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(change.frame(first=False))
    return found


def test_tells_balances_as_decimal_strings(desks: list[Execution]) -> None:
    scenario.alice("100.00")
    desks.clear()
    scenario.bet("alice", "12.50")
    server = Redis()
    Publisher(server.publisher).note(desks[-1])
    (change,) = server.next().changes
    assert (change.player, change.version, change.moved) == ("alice", 2, True)
    assert said(change) == {
        "type": "wallet",
        "version": 2,
        "currency": "EUR",
        "cash": "87.50",
        "bonus": "0.00",
        "held": "0.00",
        "balance": "87.50",
        "wagering": None,
    }


def test_says_nothing_of_what_moved_nothing(desks: list[Execution]) -> None:
    scenario.alice("100.00")
    scenario.rollback("unknown", who="nobody")
    server = Redis()
    publisher = Publisher(server.publisher)
    for execution in reversed(desks):
        publisher.note(execution)
    assert len(server.next().changes) == 1
    publisher.flush()
    assert server.heard.empty()


def test_keeps_the_newest_whoever_hands_over_last(desks: list[Execution]) -> None:
    scenario.alice("100.00")
    desks.clear()
    scenario.bet("alice", "1.00")
    scenario.bet("alice", "2.00")
    older, newer = desks
    server = Redis()
    publisher = Publisher(server.publisher)
    with publisher._state:
        # The thread cannot take anything before both are handed over.
        publisher.note(newer)
        publisher.note(older)
    (change,) = server.next().changes
    assert said(change)["cash"] == "97.00"


def test_says_that_something_was_lost_as_soon_as_redis_is_back(desks: list[Execution]) -> None:
    scenario.alice("100.00")
    server = Redis()
    server.away.set()
    publisher = Publisher(server.publisher, quiet=0)
    publisher.note(desks[-1])
    assert server.failed.acquire(timeout=30)
    server.away.clear()
    assert server.next() == Announcement(True, [])
    scenario.bet("alice", "1.00")
    publisher.note(desks[-1])
    (change,) = server.next().changes
    assert change.version == 2


def test_describes_nothing_while_nobody_listens_and_everything_from_the_moment_somebody_does(
    desks: list[Execution],
) -> None:
    scenario.alice("100.00")
    server = Redis()
    server.listeners = 0
    publisher = Publisher(server.publisher)
    publisher.note(desks[-1])
    assert len(server.next().changes) == 1
    scenario.bet("alice", "1.00")
    publisher.note(desks[-1])
    assert server.next() == Announcement(False, [])
    publisher.flush()
    server.listeners = 1
    scenario.bet("alice", "1.00")
    publisher.note(desks[-1])
    assert server.next() == Announcement(False, [])
    assert [change.version for change in server.next().changes] == [3]
    scenario.bet("alice", "1.00")
    publisher.note(desks[-1])
    assert [change.version for change in server.next().changes] == [4]


def test_asks_nothing_of_a_redis_that_failed_a_moment_ago(desks: list[Execution]) -> None:
    scenario.alice("100.00")
    server = Redis()
    server.away.set()
    publisher = Publisher(server.publisher, quiet=3600)
    publisher.note(desks[-1])
    assert server.failed.acquire(timeout=30)
    publisher.flush()
    for _ in range(10):
        publisher.note(desks[-1])
    assert not server.failed.acquire(blocking=False)
    assert not publisher._waiting


def test_loses_rather_than_keeps_more_than_it_may(desks: list[Execution], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    scenario.alice("100.00")
    scenario.bob("100.00")
    server = Redis()
    publisher = Publisher(server.publisher)
    with publisher._state:
        for execution in desks:
            publisher.note(execution)
    announcement = server.next()
    assert (announcement.lost, announcement.changes) == (True, [])


def test_a_frozen_redis_delays_no_bet(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread stands still in the middle of a PUBLISH; the engine does not notice."""
    standing, go_on = threading.Event(), threading.Event()

    def frozen(_: bytes) -> None:
        standing.set()
        assert go_on.wait(60)

    publisher = Publisher(lambda: frozen)
    monkeypatch.setattr(posting, "after_commit", [publisher.note])
    scenario.catalogue()
    scenario.alice("100.00")
    assert standing.wait(30)
    for _ in range(20):
        assert scenario.bet("alice", "1.00").status == "posted"
    assert scenario.balances() == (8_000, 0, 0)
    assert not go_on.is_set()
    go_on.set()


def test_whatever_commits_in_this_process_is_announced(heard: PubSub) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    (change,) = next_changes(heard)
    assert said(change)["cash"] == "100.00"


def test_a_command_that_ends_right_after_its_commit_is_announced(heard: PubSub) -> None:
    scenario.catalogue()
    scenario.player("alice")
    script = (
        "import django; django.setup(); from tests import scenario;"
        "scenario.deposit('alice', amount=500); from django.db import connections; connections.close_all()"
    )
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "casino_pam.settings"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    (change,) = next_changes(heard)
    assert said(change)["cash"] == "5.00"


def test_the_real_redis_is_given_up_within_a_moment() -> None:
    """Not a timed test: without a time-out this would never end."""
    with deaf_server() as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "REDIS_URL", url)
        with pytest.raises(redis.RedisError):
            module.redis_publish()(b"{}")
