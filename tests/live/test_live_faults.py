"""Redis, PostgreSQL and the web workers go away and come back; every socket shows the truth again."""

import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from casino_pam.live.hub import SHORTEST_REREAD
from tests import scenario
from tests.running_system import RunningSystem, eventually, running
from tests.socket_client import closed_with, dial, next_frame, until


@pytest.fixture(scope="module")
def house() -> Iterator[RunningSystem]:
    with running("alice", "bob") as opened:
        yield opened


def test_bets_go_on_while_redis_is_stopped_and_sockets_show_them_when_it_is_back(house: RunningSystem) -> None:
    with house.dial("alice") as client:
        first = next_frame(client)["version"]
        house.valkey.kill()
        assert [house.bet("alice") for _ in range(20)] == [200] * 20
        # Empty: it kept nothing, and knows nobody.
        house.valkey.start()
        frames = until(client, lambda frame: frame["version"] == first + 20)
        assert house.bet("alice") == 200
        frames += until(client, lambda frame: frame["version"] == first + 21)
        versions = [frame["version"] for frame in frames]
        assert versions == sorted(versions)


def test_bets_go_on_while_redis_is_frozen_and_sockets_show_them_when_it_thaws(house: RunningSystem) -> None:
    with house.dial("alice") as client:
        first = next_frame(client)["version"]
        assert house.valkey.process is not None
        house.valkey.process.send_signal(signal.SIGSTOP)
        try:
            assert [house.bet("alice") for _ in range(20)] == [200] * 20
        finally:
            house.valkey.process.send_signal(signal.SIGCONT)
        until(client, lambda frame: frame["version"] == first + 20)


def test_a_socket_outlives_a_restart_of_postgresql(house: RunningSystem) -> None:
    with house.dial("alice") as alice, house.dial("bob") as bob:
        first = next_frame(alice)["version"]
        before = next_frame(bob)
        house.postgresql.kill()
        assert house.bet("alice") == 503
        house.postgresql.start()
        eventually(lambda: house.bet("alice") == 200, "a bet after PostgreSQL is back")
        until(alice, lambda frame: frame["version"] > first)
        assert house.bet("bob") == 200
        after = until(bob, lambda frame: frame["version"] > before["version"])[-1]
        assert scenario.eur(before["cash"]) - scenario.eur(after["cash"]) == 100


def test_a_socket_opened_while_postgresql_is_away_shows_the_wallet_when_it_is_back(house: RunningSystem) -> None:
    ticket = house.ticket("alice")
    house.postgresql.kill()
    with dial(house.port, ticket) as client:
        house.postgresql.start()
        assert next_frame(client)["type"] == "snapshot"


def test_a_restart_of_the_web_workers_closes_with_1012_and_the_next_socket_shows_the_truth(
    house: RunningSystem,
) -> None:
    with house.dial("alice") as client:
        version = next_frame(client)["version"]
        house.close()
        assert closed_with(client) == 1012
    house.open()
    assert house.bet("alice") == 200
    with house.dial("alice") as client:
        assert until(client, lambda frame: frame["version"] == version + 1)


def test_a_lock_stands_while_redis_is_stopped_and_closes_the_sockets_when_it_is_back(house: RunningSystem) -> None:
    with house.dial("alice") as client:
        next_frame(client)
        house.valkey.kill()
        try:
            assert house.lock("alice", True) == 200
            assert house.bet("alice") == 422
        finally:
            house.valkey.start()
        assert closed_with(client) == 4401
    assert house.lock("alice", False) == 200


def test_a_lock_stands_while_redis_is_frozen_and_closes_the_sockets_when_it_thaws(house: RunningSystem) -> None:
    with house.dial("alice") as client:
        next_frame(client)
        assert house.valkey.process is not None
        house.valkey.process.send_signal(signal.SIGSTOP)
        try:
            assert house.lock("alice", True) == 200
            assert house.bet("alice") == 422
        finally:
            house.valkey.process.send_signal(signal.SIGCONT)
        assert closed_with(client) == 4401
    assert house.lock("alice", False) == 200


def test_the_way_over_redis_is_found_again_after_it_came_back_empty(house: RunningSystem) -> None:
    with house.dial("alice") as client:
        next_frame(client)
        eventually(house.listeners, "the worker with the socket to listen")
        before = house.listeners()
        house.valkey.kill()
        house.valkey.start()
        # What is sent before they listen again is lost, and what Redis does not take in a second, which a crowded
        # machine may make of it; then it is told once more. They may be more than before: the other worker's first
        # socket was this one, and it had not yet begun to listen when they were counted.
        eventually(lambda: house.listeners() >= before, "the workers to listen again")
        for _ in range(3):
            began = time.monotonic()
            assert house.lock("alice", True) == 200
            with suppress(TimeoutError, ConnectionClosed):
                while True:
                    client.recv(timeout=SHORTEST_REREAD / 5)
            if client.close_code is not None:
                break
        assert client.close_code == 4401
        assert time.monotonic() - began < SHORTEST_REREAD / 2
    assert house.lock("alice", False) == 200
