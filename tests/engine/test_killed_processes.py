"""Death on any line: a killed worker, a killed PostgreSQL, a COMMIT without an answer. Nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from casino_pam.engine import commands, posting
from casino_pam.local.servers import PostgreSQL, passing_servers
from tests import clean_books as the_books
from tests import scenario
from tests.concurrency import OtherProcess, die_at, insisting, work
from tests.faults.link import Fault
from tests.faults.postgres_proxy import PostgresProxy
from tests.scenario import word
from wallet.models import Transaction

PLAYERS = 6


def a_bet(reference: str, who: str = "p0", amount: int = 10, **fields: Any) -> commands.Bet:
    given = {"source": "acme", "at": scenario.NOON, "currency": "EUR", "round": reference, "game": "slot", **fields}
    return commands.Bet(player=who, reference=reference, amount=amount, **given)


def furnish() -> None:
    """A house and players with 100.00 each."""
    scenario.catalogue()
    for n in range(PLAYERS):
        scenario.player(f"p{n}", "100.00")


def stored() -> list[tuple[str, str]]:
    """Every row of play: its reference and status."""
    return list(
        Transaction.objects.exclude(kind="DEPOSIT").order_by("wallet", "version").values_list("reference", "status")
    )


def batches(prefix: str, count: int) -> list[list[Any]]:
    """Postings of a bet for each player, each with a reference of its own."""
    return [[a_bet(f"{prefix}-{k}-{n}", f"p{n}") for n in range(PLAYERS)] for k in range(count)]


def staked(sent: list[list[Any]]) -> None:
    """Every command that was sent stands exactly once, and so does the money."""
    references = sorted(command.reference for batch in sent for command in batch)
    assert sorted(reference for reference, _ in stored()) == references
    assert {scenario.balances(f"p{n}")[0] for n in range(PLAYERS)} == {10000 - 10 * len(sent)}


# --- a worker is killed --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other(django_db_setup: None) -> Iterator[OtherProcess]:
    with OtherProcess() as process:
        yield process


def a_posting(attempt: str) -> list[Any]:
    """A bet, a bet that is refused, a batch, a rollback that finds nothing: rows of every status."""
    operations = (a_bet(f"{attempt}-3", "p1"), a_bet(f"{attempt}-4", "p1"))
    undo = commands.Rollback(
        source="acme", player="p2", reference=f"{attempt}-r", original=f"{attempt}-5", at=scenario.NOON
    )
    return [
        a_bet(f"{attempt}-1"),
        a_bet(f"{attempt}-2", amount=10**9),
        commands.Batch(operations=operations),
        undo,
    ]


def test_a_worker_killed_at_any_journey_leaves_all_or_nothing_and_its_work_is_done_once(books, other):
    furnish()
    sent = other.do(die_at, 10**9, "never", a_posting("alive"))
    assert 4 <= sent <= 20
    deaths = [(journey, moment) for journey in range(1, sent + 1) for moment in ("before", "after")]
    for place, (journey, moment) in enumerate([*deaths, (sent, "sent")]):
        asked = a_posting(f"death-{place}")
        assert other.do(die_at, journey, moment, asked) == journey
        left = [reference for reference, _ in stored() if reference.startswith(f"death-{place}-")]
        if moment != "sent":
            assert len(left) == (6 if (journey, moment) == (sent, "after") else 0)
        outcomes = posting.post(asked)
        assert [word(outcomes[0]), word(outcomes[1]), word(outcomes[3])] == ["posted", "insufficient_funds", "void"]
        assert [word(each) for each in outcomes[2]] == ["posted", "posted"]
        if moment != "sent":
            assert outcomes[0].replayed == bool(left)
        again = [reference for reference, _ in stored() if reference.startswith(f"death-{place}-")]
        assert len(again) == len(set(again)) == 6


def test_a_worker_killed_under_load_has_kept_all_that_it_acknowledged(books):
    furnish()
    dice = random.Random(5)
    sent: list[list[Any]] = []
    acknowledged: list[list[Any]] = []
    for life in range(2):
        planned = batches(f"life-{life}", dice.randint(5, 30))
        with OtherProcess() as worker:
            for batch in planned:
                worker.give(insisting, batch)
            for batch in planned[: len(planned) // 2]:
                assert {word(each) for each in worker.take()} == {"posted"}
                acknowledged.append(batch)
            # It is killed in the middle of the others.
            worker.kill()
        sent.extend(planned)
    standing = {reference for reference, _ in stored()}
    assert standing >= {command.reference for batch in acknowledged for command in batch}
    for batch in sent:
        assert {word(each) for each in insisting(batch)} == {"posted"}
    staked(sent)


# --- PostgreSQL is killed ------------------------------------------------------------------------


def kill_a_backend(url: str) -> None:
    """What the kernel's memory killer does; PostgreSQL then ends every session and recovers."""
    with psycopg.connect(url, autocommit=True) as watcher:
        asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'casino-pam' AND pid <> pg_backend_pid()"
        row = watcher.execute(asked).fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGKILL)


def test_a_killed_postgresql_loses_nothing_that_was_acknowledged_and_the_engine_recovers():
    with passing_servers(PostgreSQL) as servers, OtherProcess(database_url=servers.running[0].url) as worker:
        [server] = servers.running
        worker.do(migrate)
        worker.do(furnish)
        hands = [batches(f"hand-{hand}", 25) for hand in range(4)]
        worker.give(work, hands)
        for blow in ("a backend", "all of it"):
            wait_for_rows(server.url, 60 if blow == "a backend" else 240)
            if blow == "a backend":
                kill_a_backend(server.url)
            else:
                server.kill()
                server.start()
        answers = worker.take()
        assert {word(each) for hand in answers for batch in hand for each in batch} == {"posted"}
        worker.do(hang_up)
        worker.do(staked, [batch for hand in hands for batch in hand])
        worker.do(the_books.reconciled)


def hang_up() -> None:
    """The connection of Django's own queries died as well; views get another one for every request."""
    connection.close()


def migrate() -> None:
    call_command("migrate", verbosity=0)


def wait_for_rows(url: str, count: int) -> None:
    """Return when so many rows of play stand; the server may be recovering."""
    while True:
        try:
            with psycopg.connect(url, autocommit=True) as watcher:
                while True:
                    row = watcher.execute("SELECT count(*) FROM wallet_transaction WHERE kind = 'BET'").fetchone()
                    if row is not None and row[0] >= count:
                        return
        except psycopg.OperationalError:
            continue


# --- a COMMIT without an answer ------------------------------------------------------------------


@pytest.fixture
def wire(books: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresProxy]:
    """Between us and PostgreSQL; the house is furnished before it is laid."""
    furnish()
    place = connection.settings_dict
    far_end = (place["HOST"], int(place["PORT"]))
    with PostgresProxy(far_end, random.Random(1).random) as proxy, monkeypatch.context() as laid:
        connection.close()
        laid.setitem(place, "HOST", "127.0.0.1")
        laid.setitem(place, "PORT", proxy.port)
        yield proxy
        connection.close()


@pytest.mark.parametrize(("lost", "replayed"), [("commit_reply_lost", True), ("commit_cut_before", False)])
@pytest.mark.parametrize("times", [1, 3])
def test_a_commit_without_an_answer_is_looked_up_and_done_once(wire, lost, replayed, times):
    asked = a_posting("a")
    fault = wire.begin(Fault(lost, times=times))
    outcomes = insisting(asked)
    assert fault.fired == times
    assert [word(outcomes[0]), word(outcomes[1]), word(outcomes[3])] == ["posted", "insufficient_funds", "void"]
    assert (outcomes[0].replayed, outcomes[1].facts["replayed"], outcomes[2][0].replayed) == (replayed,) * 3
    assert sorted(stored()) == [
        ("a-1", "POSTED"),
        ("a-2", "REFUSED"),
        ("a-3", "POSTED"),
        ("a-4", "POSTED"),
        ("a-5", "VOID"),
        ("a-r", "VOID"),
    ]
    assert scenario.balances("p0")[0] == 9990 and scenario.balances("p1")[0] == 9980


def test_hands_on_a_lossy_wire_post_everything_once(wire):
    fault = wire.begin(Fault("commit_reply_lost", times=6))
    sent = [batch for hand in range(4) for batch in batches(f"hand-{hand}", 6)]
    answers = work([sent[place::4] for place in range(4)])
    assert {word(each) for hand in answers for batch in hand for each in batch} == {"posted"}
    assert fault.fired == 6
    staked(sent)
