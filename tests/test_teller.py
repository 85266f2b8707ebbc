"""The teller: every command exactly once, its neighbours unharmed, nothing answered that does not stand."""

from __future__ import annotations

import itertools
import logging
import re
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import errors

from casino_pam import commands, needs, teller
from casino_pam.receipts import Receipt
from tests import cast
from tests.interleaving import elsewhere, meanwhile
from wallet import ledger
from wallet.book import Turn
from wallet.errors import Refused
from wallet.models import Transaction, Wallet
from wallet.money import MAX_BALANCE

START = 1_000_000.0


def a_bet(reference: str, who: str = "alice", amount: int = 1000, **fields: Any) -> commands.Bet:
    given = {"source": "acme", "at": cast.NOON, "currency": "EUR", "round": "round-1", "game": "slot-1", **fields}
    return commands.Bet(player=who, reference=reference, amount=amount, **given)


def words(outcome: Any) -> str:
    """An outcome in one word: its status or its refusal's code."""
    return outcome.code if isinstance(outcome, Refused) else outcome.status


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg["event"] for record in caplog.records if record.levelno == logging.CRITICAL]


# --- exactly once, answered only when it stands ------------------------------------------------


def test_refuses_to_work_inside_a_transaction(books):
    cast.house()
    cast.alice()
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        cast.bet()
    assert cast.balances() == (10000, 0, 0)


def test_answers_nobody_at_all_with_nothing(books):
    assert teller.post([]) == []


def test_carry_out_raises_the_refusal_that_ask_returns(books):
    cast.house()
    cast.alice("5.00")
    assert teller.ask(a_bet("b1")).code == "insufficient_funds"
    with pytest.raises(Refused, match="insufficient_funds"):
        teller.carry_out(a_bet("b1"))
    assert teller.carry_out(a_bet("b2", amount=500)).cash == 0


def test_posts_a_batch_in_order_and_answers_each_in_its_place(books):
    cast.house()
    cast.alice("15.00")
    cast.bob("10.00")
    asked = [a_bet("a1"), a_bet("b1", "bob"), a_bet("a2"), a_bet("a1"), a_bet("a3", amount=500), a_bet("x", "nobody")]
    outcomes = teller.post(asked)
    assert [words(outcome) for outcome in outcomes] == [
        "posted",
        "posted",
        "insufficient_funds",
        "posted",
        "posted",
        "unknown_player",
    ]
    assert outcomes[3].replayed and not outcomes[0].replayed
    assert cast.balances() == (0, 0, 0) and cast.balances("bob") == (0, 0, 0)


def test_a_twin_in_the_same_batch_is_answered_by_the_row_of_the_first(books):
    cast.house()
    cast.alice("10.00")
    first, twin, refused, refused_twin = teller.post([a_bet("b1"), a_bet("b1"), a_bet("b2"), a_bet("b2")])
    assert twin.row == first.row and twin.replayed
    assert (refused.facts["replayed"], refused_twin.facts["replayed"]) == (False, True)
    assert {**refused.facts, "replayed": True} == refused_twin.facts


def test_a_command_past_its_deadline_is_left_untouched_and_its_neighbours_post(books):
    cast.house()
    cast.alice("100.00")
    late, in_time = teller.post([a_bet("late", deadline=0.0), a_bet("b1")])
    assert (words(late), words(in_time)) == ("busy", "posted")
    assert not Transaction.objects.filter(reference="late").exists()
    assert words(teller.ask(a_bet("late"))) == "posted"


class PassingTime:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 1.0


def test_a_receipt_that_was_never_written_is_never_answered(books, monkeypatch):
    """The wallet turns out stale, and when the command would be looked at again its time is up."""
    cast.house()
    cast.alice("100.00")
    monkeypatch.setattr(teller, "time", PassingTime())
    meanwhile(monkeypatch, ledger, "write", lambda: cast.bet(reference="rival"))
    outcome = teller.ask(a_bet("b1", deadline=START + 0.5))
    assert words(outcome) == "busy"
    assert not Transaction.objects.filter(reference="b1").exists()
    assert cast.balances() == (9000, 0, 0)


def test_a_stale_wallet_is_looked_at_again_and_its_neighbours_are_kept(books, monkeypatch):
    cast.house()
    cast.alice("100.00")
    cast.bob("10.00")
    attempts = []
    reading = needs.read
    monkeypatch.setattr(teller, "read", lambda cursor, asked: attempts.append(len(asked)) or reading(cursor, asked))
    meanwhile(monkeypatch, ledger, "write", lambda: cast.deposit("alice", amount=1, reference="rival"))
    outcomes = teller.post([a_bet("a1"), a_bet("b1", "bob"), a_bet("a2", amount=8000)])
    assert [(words(outcome), outcome.replayed, outcome.cash) for outcome in outcomes] == [
        ("posted", False, 9001),
        ("posted", False, 0),
        ("posted", False, 1001),
    ]
    # The rival's own posting is the 1; Bob was not looked at again.
    assert attempts == [3, 1, 2]


def test_what_was_written_in_another_wallet_of_a_stale_player_is_answered_as_its_repeat(books, monkeypatch):
    cast.house()
    cast.alice("100.00")
    cast.player("alice", "500", currency="JPY")
    meanwhile(monkeypatch, ledger, "write", lambda: cast.deposit("alice", amount=1, reference="rival"))
    yen, euro = teller.post([a_bet("y1", currency="JPY", amount=500), a_bet("e1")])
    assert (words(yen), yen.replayed, yen.cash) == ("posted", True, 0)
    assert (words(euro), euro.replayed, euro.cash) == ("posted", False, 9001)
    assert Transaction.objects.filter(kind="BET").count() == 2


def test_nothing_rests_on_the_unwritten_row_of_another_player(books, monkeypatch):
    """Bob's rollback meets Alice's bet of the same name in the batch, but Alice's bet is never written."""
    cast.house()
    cast.alice("100.00")
    cast.bob("100.00")
    monkeypatch.setattr(teller, "time", PassingTime())
    meanwhile(monkeypatch, ledger, "write", lambda: cast.deposit("alice", amount=1, reference="rival"))
    undo = commands.Rollback(source="acme", player="bob", reference="rb1", original="same", at=cast.NOON)
    hers, his = teller.post([a_bet("same", deadline=START + 0.5), undo])
    assert (words(hers), words(his)) == ("busy", "void")
    assert words(teller.ask(a_bet("same", "bob"))) == "rolled_back"


def test_a_refusal_that_leaves_no_row_does_not_rest_on_balances_older_than_its_rows(books, monkeypatch):
    """The win is paid after the wallet was read and before its rollback looks for it: the money is there."""
    cast.house()
    cast.profile(rollback_wins=True)
    cast.alice("0.00")
    meanwhile(monkeypatch, ledger, "read_rows", lambda: cast.win(reference="w1"))
    undo = cast.rollback("w1", reference="rw1")
    assert (words(undo), undo.cash) == ("posted", 0)


def test_a_repeat_that_shows_balances_of_now_shows_none_older_than_its_row(books, monkeypatch):
    cast.house()
    cast.profile(replay_balance="current")
    cast.alice("100.00")
    meanwhile(monkeypatch, ledger, "read_rows", lambda: cast.bet(reference="b1"))
    repeat = cast.bet(reference="b1")
    assert (repeat.replayed, repeat.version, repeat.cash) == (True, 2, 9000)


# --- losing, and looking again -----------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        errors.UniqueViolation,
        errors.SerializationFailure,
        errors.DeadlockDetected,
        errors.LockNotAvailable,
        errors.QueryCanceled,
        errors.InFailedSqlTransaction,
        errors.IdleInTransactionSessionTimeout,
        errors.AdminShutdown,
        errors.ReadOnlySqlTransaction,
    ],
)
def test_looks_again_after(books, monkeypatch, error):
    cast.house()
    cast.alice("100.00")
    writing, raised = ledger.write, []

    def losing_once(cursor, book):
        if not raised:
            raised.append(error)
            raise error("somebody was first")
        return writing(cursor, book)

    monkeypatch.setattr(ledger, "write", losing_once)
    outcome = teller.ask(a_bet("b1"))
    assert raised and (words(outcome), outcome.replayed, outcome.cash) == ("posted", False, 9000)


def test_a_reference_spent_meanwhile_in_another_wallet_is_seen_when_looking_again(books, monkeypatch):
    cast.house()
    cast.alice("100.00")
    cast.player("alice", "500", currency="JPY")
    happened = meanwhile(monkeypatch, ledger, "write", lambda: teller.ask(a_bet("b1", currency="JPY", amount=5)))
    refused = teller.ask(a_bet("b1"))
    assert words(happened[0]) == "posted"
    assert (refused.code, refused.facts["differing"]) == ("reference_reused", ["currency", "amount"])
    assert cast.balances() == (10000, 0, 0)


def test_a_connection_that_died_idle_is_replaced(books):
    cast.house()
    cast.alice("100.00")
    cast.bet()
    killed(connection)
    assert words(cast.bet()) == "posted"
    assert cast.balances() == (8000, 0, 0)


@pytest.mark.parametrize("moment", ["read_wallets", "read_rows", "write"])
def test_a_connection_that_dies_at_work_is_replaced_and_the_work_done_once(books, monkeypatch, moment):
    cast.house()
    cast.alice("100.00")
    cast.bet()
    meanwhile(monkeypatch, ledger, moment, partial(terminate, backend(connection)))
    assert words(cast.bet(reference="b1")) == "posted"
    assert cast.balances() == (8000, 0, 0)


def backend(of) -> int:
    with of.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def terminate(pid: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        return cursor.fetchone()[0]


def killed(victim) -> None:
    pid = backend(victim)
    assert elsewhere(lambda: terminate(pid))


def test_a_database_that_cannot_be_reached_is_unavailable_not_our_fault(books, monkeypatch, caplog):
    cast.house()
    cast.alice("100.00")
    monkeypatch.setattr(teller, "time", PassingTime())
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "PORT", 1)
        assert [words(outcome) for outcome in teller.post([a_bet("b1"), a_bet("b2")])] == ["unavailable"] * 2
    connection.close()
    assert alarms(caplog) == []
    assert words(teller.ask(a_bet("b1"))) == "posted"


# --- poison ------------------------------------------------------------------------------------


@pytest.fixture
def poison(monkeypatch):
    """A rule that was missed: rows of the game ``poison`` break a CHECK, those of ``bug`` raise."""
    naming = Turn.named

    def missed(self, *named, **columns):
        if columns.get("game") == "bug":
            raise KeyError("a bug")
        if columns.get("game") == "poison":
            columns["contribution"] = 5
        return naming(self, *named, **columns)

    monkeypatch.setattr(Turn, "named", missed)


@pytest.mark.parametrize("game", ["poison", "bug"])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_poisoned_command_takes_nobody_with_it(books, caplog, poison, game, place):
    cast.house()
    cast.alice("100.00")
    asked = [a_bet(f"b{n}", game=game if n == place else "slot-1") for n in range(7)]
    outcomes = teller.post(asked)
    assert [words(outcome) for outcome in outcomes] == ["internal" if n == place else "posted" for n in range(7)]
    assert [outcome.version for outcome in outcomes if isinstance(outcome, Receipt)] == [2, 3, 4, 5, 6, 7]
    assert cast.balances() == (4000, 0, 0)
    assert not Transaction.objects.filter(reference=f"b{place}").exists()
    assert alarms(caplog) == ["teller_poisoned_command"]


def test_two_poisons_in_one_batch_are_both_found(books, poison):
    cast.house()
    cast.alice("100.00")
    games = ["slot-1", "poison", "slot-1", "bug", "slot-1"]
    outcomes = teller.post([a_bet(f"b{n}", game=game) for n, game in enumerate(games)])
    assert [words(outcome) for outcome in outcomes] == ["posted", "internal", "posted", "internal", "posted"]


def test_a_poisoned_reference_may_be_sent_again_once_the_rule_is_mended(books, monkeypatch, poison):
    cast.house()
    cast.alice("100.00")
    assert words(teller.ask(a_bet("b1", game="poison"))) == "internal"
    monkeypatch.undo()
    assert words(teller.ask(a_bet("b1", game="poison"))) == "posted"


def test_a_command_that_always_loses_does_not_keep_its_neighbours(books, monkeypatch):
    """A reference that collides for ever (a damaged wallet) must not make every batch it is in busy."""
    cast.house()
    cast.alice("100.00")
    cast.bob("100.00")
    writing = ledger.write

    def colliding(cursor, book):
        if any(row.reference == "doomed" for row in book.added):
            raise errors.UniqueViolation("for ever")
        return writing(cursor, book)

    monkeypatch.setattr(teller, "time", PassingTime())
    monkeypatch.setattr(teller, "PATIENCE_SECONDS", 50)
    monkeypatch.setattr(ledger, "write", colliding)
    outcomes = teller.post([a_bet("a1"), a_bet("doomed", "bob"), a_bet("a2"), a_bet("b1", "bob")])
    assert [words(outcome) for outcome in outcomes] == ["posted", "busy", "posted", "posted"]


def test_an_alarm_is_raised_when_a_balance_would_pass_its_bound(books, caplog):
    cast.house()
    cast.alice()
    Wallet.objects.update(cash=MAX_BALANCE)
    assert words(cast.win(amount="0.01")) == "limit_reached"
    assert alarms(caplog) == ["teller_balance_at_its_bound"]
    Wallet.objects.update(cash=10000)


# --- after the commit --------------------------------------------------------------------------


def test_listeners_hear_of_moved_wallets_after_the_commit_and_only_of_those(books, monkeypatch):
    cast.house()
    cast.alice("100.00")
    cast.bob("100.00")
    heard = []

    def listener(desk):
        seen = elsewhere(lambda: set(Transaction.objects.values_list("reference", flat=True)))
        moved = [wallet.player.code for wallet in desk.book.wallets_by_id.values() if wallet.rows]
        written = all(row.reference in seen for wallet in desk.book.wallets_by_id.values() for row in wallet.rows)
        heard.append((sorted(moved), written))

    meanwhile(monkeypatch, ledger, "write", lambda: cast.deposit("alice", amount=1, reference="rival"))
    monkeypatch.setattr(teller, "after_commit", [lambda desk: heard.append(1 / 0), listener])
    teller.post([a_bet("a1"), a_bet("b1", "bob")])
    # The rival's deposit, then Bob while Alice was stale, then Alice.
    assert heard == [(["alice"], True), (["bob"], True), (["alice"], True)]


# --- the statements ----------------------------------------------------------------------------


@pytest.mark.parametrize("wallets", [2, 200])
def test_wallets_are_locked_in_ascending_order_whatever_the_planner_knows(books, wallets):
    """A nested loop from the sorted ids to the wallets' index; any other plan could deadlock two processes."""
    cast.house()
    for n in range(wallets):
        cast.player(f"p{n}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE wallet_wallet")
    columns = [ledger.array(["1", "2"], quoted=False)] * 10 + [ledger.array(["00", "00"], quoted=False)]
    with teller._transaction() as cursor:
        numbered = itertools.count(1)
        statement = re.sub("%s", lambda _: f"${next(numbered)}", ledger.UPDATE_WALLETS)
        literals = ", ".join(f"'{column}'" for column in columns)
        cursor.execute(f"PREPARE locking AS {statement}")
        plan = [line for (line,) in cursor.execute(f"EXPLAIN (COSTS OFF) EXECUTE locking({literals})").fetchall()]
        cursor.execute("DEALLOCATE locking")
    nodes = [line.strip().removeprefix("->").strip() for line in plan if "->" in line or line.startswith("Update")]
    assert nodes[:2] == ["Update on wallet_wallet w", "Nested Loop"]
    assert nodes[2].startswith("Subquery Scan") and nodes[3] == "Sort"
    assert nodes[-1].startswith("Index Scan using wallet_wallet_pkey on wallet_wallet w")
