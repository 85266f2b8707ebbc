"""Nobody waits for ever: a locked row stops its own player alone, a frozen backend stops no other worker."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection

from casino_pam.engine import commands, posting
from casino_pam.engine.queue import post
from tests import bonus_scenario, scenario
from tests.concurrency import our_database
from tests.game_client import Door, Reply
from tests.running_system import eventually
from tests.scenario import fresh, word
from tests.silent_wire import Wire
from tests.threads import threads
from wallet.models import Transaction

LONGEST_ANSWER_SECONDS = 3.5

WALLET = "SELECT FROM wallet_wallet w JOIN wallet_player p ON p.id = w.player_id WHERE p.code = ANY(%s) FOR {} OF w"


@contextmanager
def locked(*players: str, strength: str = "UPDATE") -> Iterator[None]:
    """Somebody else keeps the wallets of these players locked for the time of the block."""
    with psycopg.connect(our_database()) as own:
        own.execute(WALLET.format(strength), [list(players)])
        yield
        own.rollback()


def a_bet(who: str, reference: str = "", amount: str = "1.00") -> dict[str, Any]:
    named = {"player": who, "currency": "EUR", "round": "r", "game": "g"}
    return {**named, "reference": reference or fresh(), "amount": amount}


def answered(future: Future[Reply]) -> tuple[int, float]:
    """The status, and how long the answer took from now on."""
    began = time.monotonic()
    return future.result(20).status, time.monotonic() - began


@pytest.fixture
def door(books: None) -> Iterator[Door]:
    scenario.catalogue()
    for n in range(8):
        scenario.player(f"p{n}", "100.00")
    with Door() as opened:
        yield opened


# --- a row that somebody keeps locked ------------------------------------------------------------


@pytest.mark.parametrize("strength", ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"])
def test_a_locked_wallet_stops_nobody_else(door, strength):
    with locked("p0", strength=strength):
        his = door.send("bet", a_bet("p0"))
        others = [door.post("bet", a_bet(f"p{n}")).status for _ in range(5) for n in range(1, 8)]
        assert others == [200] * 35
        if strength != "KEY SHARE":
            assert not his.done()
    assert his.result(20).status == 200


def test_the_bets_of_one_whose_wallet_is_locked_are_posted_in_their_order_when_it_is_free(door):
    with locked("p0"):
        his = [door.send("bet", a_bet("p0", f"b{n}")) for n in range(3)]
        assert door.post("bet", a_bet("p1")).status == 200
        his += [door.send("bet", a_bet("p0", f"b{n}")) for n in range(3, 6)]
        assert door.post("bet", a_bet("p1")).status == 200
    assert [future.result(20).status for future in his] == [200] * 6
    rows = Transaction.objects.filter(wallet__player__code="p0", kind="BET").order_by("version")
    assert [row.reference for row in rows] == [f"b{n}" for n in range(6)]


def test_one_whose_wallet_stays_locked_is_told_in_time_to_send_it_again(door):
    with locked("p0"):
        reply = door.send("bet", a_bet("p0", "b"))
        status, seconds = answered(reply)
        assert (status, reply.result().headers["retry-after"], seconds < LONGEST_ANSWER_SECONDS) == (503, "1", True)
        # Who comes now is known to have to wait, and makes nobody wait with him.
        second = door.send("bet", a_bet("p0", "c"))
        assert [door.post("bet", a_bet(f"p{n}")).status for n in range(1, 8)] == [200] * 7
    assert second.result(20).status == 200
    assert door.post("bet", a_bet("p0", "b")).status == 200
    assert scenario.balances("p0") == (9800, 0, 0)
    # And a free wallet is nobody's worker of his own for long.
    eventually(lambda: door.posting_queue._patient is None, "the patient worker to end")


def test_many_locked_wallets_are_served_as_each_becomes_free(door):
    with locked("p0", "p1", "p2"):
        with locked("p3", "p4"):
            his = {n: door.send("bet", a_bet(f"p{n}")) for n in range(5)}
            assert [door.post("bet", a_bet(f"p{n}")).status for n in range(5, 8)] == [200] * 3
        assert [his[n].result(20).status for n in (3, 4)] == [200, 200]
        assert not any(his[n].done() for n in range(3))
    assert [his[n].result(20).status for n in range(3)] == [200] * 3


def test_whoever_waits_behind_another_waiter_is_known_as_well(door):
    """PostgreSQL tells the row only to the first in line."""
    with psycopg.connect(our_database(), autocommit=True) as second, locked("p0"):
        asked = "SELECT FROM wallet_wallet WHERE id = %s FOR UPDATE"
        waiter = threading.Thread(target=second.execute, args=(asked, [wallet("p0")]))
        waiter.start()
        eventually(lambda: queued(second.info.backend_pid), "the other waiter")
        his = door.send("bet", a_bet("p0"))
        assert [door.post("bet", a_bet(f"p{n}")).status for n in range(1, 8)] == [200] * 7
        assert not his.done()
    waiter.join()
    assert his.result(20).status == 200


def test_a_locked_bonus_stops_only_its_player(door):
    bonus_scenario.gift()
    bonus_scenario.grant(who="p0")
    with psycopg.connect(our_database()) as own:
        own.execute("SELECT FROM bonus_bonus FOR UPDATE")
        his = door.send("bet", a_bet("p0"))
        assert [door.post("bet", a_bet(f"p{n}")).status for n in range(1, 8)] == [200] * 7
        assert not his.done()
        own.rollback()
    assert his.result(20).status == 200


@pytest.mark.parametrize("table", ["wallet_wallet", "wallet_transaction"])
def test_a_locked_table_is_waited_for_and_then_everybody_is_served(door, table):
    with psycopg.connect(our_database()) as own:
        own.execute(f"LOCK TABLE {table}")
        his = [door.send("bet", a_bet(f"p{n}")) for n in range(8)]
        eventually(lambda: waits_for_a_lock(), "somebody who waits")
        own.rollback()
    assert [future.result(20).status for future in his] == [200] * 8


def test_a_table_that_stays_locked_is_503_in_time_and_nothing_is_posted_later(door):
    with psycopg.connect(our_database()) as own:
        own.execute("LOCK TABLE wallet_transaction")
        his = [door.send("bet", a_bet(f"p{n}")) for n in range(8)]
        answers = [answered(future) for future in his]
        assert {status for status, _ in answers} == {503}
        assert sum(seconds for _, seconds in answers) < LONGEST_ANSWER_SECONDS
        own.rollback()
    assert door.post("balance", {"player": "p0", "currency": "EUR"})["balance"] == "100.00"
    assert not Transaction.objects.filter(kind="BET").exists()


def test_a_single_posting_waits_in_line_and_no_longer_than_its_time(books):
    scenario.catalogue()
    scenario.player("p0", "100.00")
    began = time.monotonic()
    with locked("p0"):
        assert word(scenario.bet("p0", "1.00", reference="b")) == "busy"
    assert time.monotonic() - began < LONGEST_ANSWER_SECONDS
    assert word(scenario.bet("p0", "1.00", reference="b")) == "posted"


def test_those_held_up_part_from_a_batch_and_the_others_post_at_once(books):
    scenario.catalogue()
    for code in ("alice", "bob", "carol"):
        scenario.player(code, "100.00")
    asked = [bet_command("alice"), bet_command("bob"), bet_command("alice"), bet_command("carol")]

    def parted() -> list[str]:
        posting.own_connection()
        return [type(outcome).__name__ for outcome in post(asked)]

    with locked("alice"):
        assert threads([parted]) == [["HeldUp", "Receipt", "HeldUp", "Receipt"]]
    assert scenario.balances("alice") == (10000, 0, 0) and scenario.balances("bob") == (9900, 0, 0)


# --- a PostgreSQL that does not answer -----------------------------------------------------------


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """These processes of PostgreSQL stand still for the time of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def backends() -> list[int]:
    """The processes of PostgreSQL that serve the workers of the door."""
    asked = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%COMMIT%' AND pid <> pg_backend_pid() AND state = 'idle'"
    )
    with psycopg.connect(our_database(), autocommit=True) as own:
        return [pid for (pid,) in own.execute(asked)]


def test_a_frozen_backend_stops_its_own_calls_alone_and_those_are_answered_in_time(door):
    door.post("bet", a_bet("p0"))
    with frozen(backends()):
        his = door.send("bet", a_bet("p0", "b"))
        eventually(lambda: door.posting_queue._workers[0].began is not None, "the first worker to be at work")
        others = [door.send("bet", a_bet(f"p{n}")) for n in range(1, 8)]
        assert [future.result(20).status for future in others] == [200] * 7
        status, seconds = answered(his)
        assert (status, seconds < LONGEST_ANSWER_SECONDS) == (503, True)
        # The repeat comes by another worker.
        assert door.post("bet", a_bet("p0", "b")).status == 200
    assert door.post("bet", a_bet("p0", "b"))["replayed"] is True
    assert scenario.balances("p0") == (9800, 0, 0)


def test_what_was_sent_to_a_frozen_backend_is_never_posted_twice(door):
    """All workers freeze in turn; when PostgreSQL thaws, each call stands once or not at all, and its repeat once."""
    door.post("bet", a_bet("p0"))
    with frozen(backends()):
        his = [door.send("bet", a_bet("p0", f"b{n}")) for n in range(20)]
        assert {answered(future)[0] for future in his} == {503}
    for n in range(20):
        assert door.post("bet", a_bet("p0", f"b{n}")).status == 200
    assert scenario.balances("p0") == (10000 - 2100, 0, 0)
    assert Transaction.objects.filter(kind="BET").count() == 21


def test_an_idle_worker_whose_server_went_without_a_word_serves_the_next_call(books, monkeypatch):
    """After a failover the old connection leads nowhere: it is asked before a request is entrusted to it."""
    scenario.catalogue()
    scenario.player("p0", "100.00")
    place = connection.settings_dict
    with Wire((place["HOST"], int(place["PORT"]))) as wire, monkeypatch.context() as laid:
        laid.setitem(place, "HOST", "127.0.0.1")
        laid.setitem(place, "PORT", wire.port)
        laid.setattr("wallet.pg.connection.FRESH_SECONDS", 0.0)
        with Door() as door:
            assert door.post("bet", a_bet("p0")).status == 200
            with wire.cut(lost=True):
                pass
            assert door.post("bet", a_bet("p0")).status == 200
        connection.close()


def test_a_far_postgresql_is_waited_for_and_serves_many_at_once(books, monkeypatch):
    """With 0.1 s to PostgreSQL and as much back every call takes less than a second, however many come."""
    scenario.catalogue()
    for n in range(24):
        scenario.player(f"p{n}", "100.00")
    place = connection.settings_dict
    with Wire((place["HOST"], int(place["PORT"])), delay=0.1) as wire, monkeypatch.context() as laid:
        laid.setitem(place, "HOST", "127.0.0.1")
        laid.setitem(place, "PORT", wire.port)
        with Door() as door:
            door.post("bet", a_bet("p0"))
            his = [door.send("bet", a_bet(f"p{n}")) for _ in range(2) for n in range(24)]
            assert [future.result(20).status for future in his] == [200] * 48
        connection.close()


# --- helpers -------------------------------------------------------------------------------------


def bet_command(who: str) -> commands.Bet:
    given = {"source": "acme", "at": scenario.NOON, "currency": "EUR", "round": "r", "game": "g"}
    return commands.Bet(player=who, reference=fresh(), amount=100, **given)


def wallet(who: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.id FROM wallet_wallet w JOIN wallet_player p ON p.id = player_id WHERE p.code = %s", [who]
        )
        return int(cursor.fetchone()[0])


def queued(pid: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", [pid])
        return bool(cursor.fetchone()[0])


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])
