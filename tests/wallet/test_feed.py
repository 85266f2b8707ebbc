"""The feed: every row once, in one order, however late its transaction committed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from casino_pam.engine import posting
from tests import rest_client, scenario
from wallet import history, ledger
from wallet.models import Transaction
from wallet.time import first_id


@pytest.fixture
def house(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alice and Bob; clocks agree in here, so the feed need not wait for them."""
    monkeypatch.setattr(history, "_SETTLED_BEFORE", history._SETTLED_BEFORE.replace("2 seconds", "0 seconds"))
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.player("bob", "100.00")


@contextmanager
def somebody() -> Iterator[psycopg.Cursor[Any]]:
    """Another connection of our own role, in a transaction."""
    with psycopg.connect(**_parameters()) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1")
        yield cursor
        other.rollback()


def _parameters() -> dict[str, Any]:
    named = connection.settings_dict
    return {
        "host": named["HOST"],
        "port": named["PORT"],
        "dbname": named["NAME"],
        "user": named["USER"],
        "password": named["PASSWORD"],
    }


def settle() -> None:
    """Go on to another millisecond: the feed shows whole ones only."""
    newest = first_id(timezone.now())
    while first_id(history.settled_before()) <= newest:
        time.sleep(0.001)


def everything() -> list[str]:
    return [row.reference for row in history.feed_page(history.START)]


def test_shows_every_row_in_the_order_of_ids(house: None) -> None:
    for number in range(250):
        scenario.bet("alice" if number % 2 else "bob", amount="0.01", reference=f"b-{number}")
    settle()
    feeder = rest_client.key("feed")
    seen, after = [], {}
    while True:
        page = feeder.get("feed", **after)
        seen += page["results"]
        after = {"after": page["next"]}
        if not page["results"]:
            break
    assert [row["reference"] for row in seen][2:] == [f"b-{number}" for number in range(250)]
    assert {row["player"] for row in seen} == {"alice", "bob"}
    assert len({row["transaction"] for row in seen}) == Transaction.objects.count() == 252
    # The end keeps its place, and goes on from there.
    scenario.bet(reference="later")
    settle()
    assert [row["reference"] for row in feeder.get("feed", **after)["results"]] == ["later"]


def test_begins_at_its_beginning_while_there_is_nothing(books: None) -> None:
    page = rest_client.key("feed").get("feed")
    assert page["results"] == []
    assert (
        rest_client.Caller(rest_client.key("feed", name="again")._headers["Authorization"])
        .get("feed", after=page["next"])
        .body
        == page.body
    )


def test_shows_what_a_warehouse_asks_for(house: None) -> None:
    scenario.bet(reference="b-1", amount="10.00", round="round-9", ends_round=True)
    scenario.rollback("b-1", reference="rb-1")
    settle()
    bet, undone = rest_client.key("feed").get("feed")["results"][-2:]
    assert (bet["player"], bet["currency"], bet["round"], bet["end_round"]) == ("alice", "EUR", "round-9", True)
    assert (undone["original"], undone["closes"], undone["amount"]) == ("b-1", bet["transaction"], "10.00")


@contextmanager
def slow_then_quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bet called ``slow`` is made first and commits last; ``quick`` has committed meanwhile."""
    written, may_commit = threading.Event(), threading.Event()
    write = ledger.write

    def held_up(*args: Any) -> set[int]:
        stale = write(*args)
        if threading.current_thread() is first:
            written.set()
            assert may_commit.wait(30)
        return stale

    monkeypatch.setattr(posting.ledger, "write", held_up)
    first = threading.Thread(target=lambda: (scenario.bet("alice", reference="slow"), connection.close()))
    first.start()
    try:
        assert written.wait(30)
        scenario.bet("bob", reference="quick")
        quick = Transaction.objects.get(reference="quick")
        while first_id(timezone.now()) <= quick.id:
            time.sleep(0.001)
        yield
    finally:
        may_commit.set()
        first.join()


def test_would_pass_a_late_commit_by_if_it_looked_at_the_clock_alone(
    house: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_SETTLED_BEFORE", "SELECT false, clock_timestamp()")
    with slow_then_quick(monkeypatch):
        assert everything()[2:] == ["quick"]
    assert everything()[2:] == ["slow", "quick"]


def test_waits_for_a_row_that_commits_late(house: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_then_quick(monkeypatch):
        assert everything()[2:] == []
    settle()
    assert everything()[2:] == ["slow", "quick"]


def test_is_not_held_up_for_long_by_a_report(house: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_SETTLED_BEFORE", history._SETTLED_BEFORE.replace("30 seconds", "0 seconds"))
    with somebody():
        assert history.settled_before() > timezone.now() - timedelta(seconds=5)
        settle()
        scenario.bet(reference="b-1")
        settle()
        assert "b-1" in everything()


def test_waits_for_a_writer_however_long_it_takes(house: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_SETTLED_BEFORE", history._SETTLED_BEFORE.replace("30 seconds", "0 seconds"))
    with somebody() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        cursor.execute("SELECT xact_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        ((start,),) = cursor.fetchall()
        assert history.settled_before() <= start


def test_allows_for_clocks_that_differ(books: None) -> None:
    assert history.settled_before() <= timezone.now() - timedelta(seconds=1)


def test_makes_ids_inside_the_posting_transaction(house: None) -> None:
    """What the bound rests on: an id's time is never before its transaction's BEGIN."""
    before = first_id(timezone.now())
    scenario.bet(reference="b-1")
    assert Transaction.objects.get(reference="b-1").id >= before
