"""The engine: every command exactly once, its neighbours unharmed, nothing answered that does not stand."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import connection, transaction
from psycopg import errors

from casino_pam.engine import commands, loading, posting
from tests import scenario
from tests.engine.posting_scenario import START, PassingTime, a_bet, alarms
from tests.interleaving import elsewhere, meanwhile
from tests.scenario import word
from tests.threads import threads
from wallet import ledger
from wallet.errors import Refused
from wallet.models import Transaction
from wallet.pg.session import numbered

# --- exactly once, answered only when it stands ------------------------------------------------


def test_refuses_to_work_inside_a_transaction(books):
    scenario.catalogue()
    scenario.alice()
    for ask in (posting.ask, posting.rehearse):
        with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
            ask(a_bet("b1"))
    assert scenario.balances() == (10000, 0, 0)


def test_answers_nobody_at_all_with_nothing(books):
    assert posting.post([]) == []


def test_execute_raises_the_refusal_that_ask_returns(books):
    scenario.catalogue()
    scenario.alice("5.00")
    assert posting.ask(a_bet("b1")).code == "insufficient_funds"
    with pytest.raises(Refused, match="insufficient_funds"):
        posting.execute(a_bet("b1"))
    assert posting.execute(a_bet("b2", amount=500)).cash == 0


def test_posts_a_batch_in_order_and_answers_each_in_its_place(books):
    scenario.catalogue()
    scenario.alice("15.00")
    scenario.bob("10.00")
    asked = [a_bet("a1"), a_bet("b1", "bob"), a_bet("a2"), a_bet("a1"), a_bet("a3", amount=500), a_bet("x", "nobody")]
    outcomes = posting.post(asked)
    assert [word(outcome) for outcome in outcomes] == [
        "posted",
        "posted",
        "insufficient_funds",
        "posted",
        "posted",
        "unknown_player",
    ]
    assert outcomes[3].replayed and not outcomes[0].replayed
    assert scenario.balances() == (0, 0, 0) and scenario.balances("bob") == (0, 0, 0)


def test_a_twin_in_the_same_batch_is_answered_by_the_row_of_the_first(books):
    scenario.catalogue()
    scenario.alice("10.00")
    first, twin, refused, refused_twin = posting.post([a_bet("b1"), a_bet("b1"), a_bet("b2"), a_bet("b2")])
    assert twin.row == first.row and twin.replayed
    assert (refused.facts["replayed"], refused_twin.facts["replayed"]) == (False, True)
    assert {**refused.facts, "replayed": True} == refused_twin.facts


def test_a_command_past_its_deadline_is_left_untouched_and_its_neighbours_post(books):
    scenario.catalogue()
    scenario.alice("100.00")
    late, in_time = posting.post([a_bet("late", deadline=0.0), a_bet("b1")])
    assert (word(late), word(in_time)) == ("busy", "posted")
    assert not Transaction.objects.filter(reference="late").exists()
    assert word(posting.ask(a_bet("late"))) == "posted"


def test_a_receipt_that_was_never_written_is_never_answered(books, monkeypatch):
    """The wallet turns out stale, and when the command would be looked at again its time is up."""
    scenario.catalogue()
    scenario.alice("100.00")
    monkeypatch.setattr(posting, "time", PassingTime())
    meanwhile(monkeypatch, ledger, "write", lambda: scenario.bet(reference="rival"))
    outcome = posting.ask(a_bet("b1", deadline=START + 0.5))
    assert word(outcome) == "busy"
    assert not Transaction.objects.filter(reference="b1").exists()
    assert scenario.balances() == (9000, 0, 0)


def test_a_stale_wallet_is_looked_at_again_and_its_neighbours_are_kept(books, monkeypatch):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("10.00")
    attempts = []
    reading = loading.read
    monkeypatch.setattr(posting, "read", lambda cursor, asked: attempts.append(len(asked)) or reading(cursor, asked))
    meanwhile(monkeypatch, ledger, "write", lambda: scenario.deposit("alice", amount=1, reference="rival"))
    outcomes = posting.post([a_bet("a1"), a_bet("b1", "bob"), a_bet("a2", amount=8000)])
    assert [(word(outcome), outcome.replayed, outcome.cash) for outcome in outcomes] == [
        ("posted", False, 9001),
        ("posted", False, 0),
        ("posted", False, 1001),
    ]
    # The rival's own posting is the 1; Bob was not looked at again.
    assert attempts == [3, 1, 2]


def test_what_was_written_in_another_wallet_of_a_stale_player_is_answered_as_the_first_time(books, monkeypatch):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.player("alice", "500", currency="JPY")
    meanwhile(monkeypatch, ledger, "write", lambda: scenario.deposit("alice", amount=1, reference="rival"))
    yen, euro = posting.post([a_bet("y1", currency="JPY", amount=500), a_bet("e1")])
    assert (word(yen), yen.replayed, yen.cash) == ("posted", False, 0)
    assert (word(euro), euro.replayed, euro.cash) == ("posted", False, 9001)
    assert Transaction.objects.filter(kind="BET").count() == 2


def test_nothing_rests_on_the_unwritten_row_of_another_player(books, monkeypatch):
    """Bob's rollback meets Alice's bet of the same name in the batch, but Alice's bet is never written."""
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")
    monkeypatch.setattr(posting, "time", PassingTime())
    meanwhile(monkeypatch, ledger, "write", lambda: scenario.deposit("alice", amount=1, reference="rival"))
    undo = commands.Rollback(source="acme", player="bob", reference="rb1", original="same", at=scenario.NOON)
    hers, his = posting.post([a_bet("same", deadline=START + 0.5), undo])
    assert (word(hers), word(his)) == ("busy", "void")
    assert word(posting.ask(a_bet("same", "bob"))) == "rolled_back"


def test_a_refusal_that_leaves_no_row_does_not_rest_on_balances_older_than_its_rows(books, monkeypatch):
    """The win is paid after the wallet was read and before its rollback looks for it: the money is there."""
    scenario.catalogue()
    scenario.profile(rollback_wins=True)
    scenario.alice("0.00")
    meanwhile(monkeypatch, ledger, "read_rows", lambda: scenario.win(reference="w1"))
    undo = scenario.rollback("w1", reference="rw1")
    assert (word(undo), undo.cash) == ("posted", 0)


def test_a_repeat_that_shows_balances_of_now_shows_none_older_than_its_row(books, monkeypatch):
    scenario.catalogue()
    scenario.profile(replay_balance="current")
    scenario.alice("100.00")
    meanwhile(monkeypatch, ledger, "read_rows", lambda: scenario.bet(reference="b1"))
    repeat = scenario.bet(reference="b1")
    assert (repeat.replayed, repeat.version, repeat.cash) == (True, 2, 9000)


def test_a_refusal_that_leaves_no_row_tells_balances_that_still_hold_when_it_is_answered(books, monkeypatch):
    """Nothing that was read shows that the wallet moved; its version does."""
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.rollback("b1")
    meanwhile(monkeypatch, ledger, "write", lambda: scenario.deposit("alice", amount=1))
    late = scenario.bet(reference="b1")
    assert (late.code, late.facts["cash"]) == ("rolled_back", 10001)


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
    scenario.catalogue()
    scenario.alice("100.00")
    writing, raised = ledger.write, []

    def losing_once(cursor, book):
        if not raised:
            raised.append(error)
            raise error("somebody was first")
        return writing(cursor, book)

    monkeypatch.setattr(ledger, "write", losing_once)
    outcome = posting.ask(a_bet("b1"))
    assert raised and (word(outcome), outcome.replayed, outcome.cash) == ("posted", False, 9000)


def test_a_reference_spent_meanwhile_in_another_wallet_is_seen_when_looking_again(books, monkeypatch):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.player("alice", "500", currency="JPY")
    happened = meanwhile(monkeypatch, ledger, "write", lambda: posting.ask(a_bet("b1", currency="JPY", amount=5)))
    refused = posting.ask(a_bet("b1"))
    assert word(happened[0]) == "posted"
    assert (refused.code, refused.facts["differing"]) == ("reference_reused", ["currency", "amount"])
    assert scenario.balances() == (10000, 0, 0)


def test_a_connection_that_died_idle_is_replaced(books):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bet()
    killed(connection)
    assert word(scenario.bet()) == "posted"
    assert scenario.balances() == (8000, 0, 0)


@pytest.mark.parametrize("moment", ["read_wallets", "read_rows", "write"])
def test_a_connection_that_dies_at_work_is_replaced_and_the_work_done_once(books, monkeypatch, moment):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bet()
    meanwhile(monkeypatch, ledger, moment, partial(terminate, backend(connection)))
    assert word(scenario.bet(reference="b1")) == "posted"
    assert scenario.balances() == (8000, 0, 0)


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


@pytest.mark.parametrize("own", [False, True])
def test_a_posting_whose_way_is_lost_keeps_its_locks_no_longer_than_anybody_waits_for_it(books, own):
    scenario.catalogue()
    scenario.alice()
    limits = []

    def look(outcome: object = None) -> None:
        limits.append(connection.connection.execute("SHOW transaction_timeout").fetchone())

    def posted() -> None:
        if own:
            posting.own_connection()
        posting.execute(a_bet("b1"), look)
        look()
        posting.part_with_connection()

    threads([posted])
    assert limits == [("3s",), ("3s",) if own else ("0",)]


def test_a_database_that_cannot_be_reached_is_unavailable_not_our_fault(books, monkeypatch, caplog):
    scenario.catalogue()
    scenario.alice("100.00")
    monkeypatch.setattr(posting, "time", PassingTime())
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "PORT", 1)
        assert [word(outcome) for outcome in posting.post([a_bet("b1"), a_bet("b2")])] == ["unavailable"] * 2
    connection.close()
    assert alarms(caplog) == []
    assert word(posting.ask(a_bet("b1"))) == "posted"


# --- after the commit --------------------------------------------------------------------------


def test_listeners_hear_of_moved_wallets_after_the_commit_and_only_of_those(books, monkeypatch):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")
    heard = []

    def listener(execution):
        seen = elsewhere(lambda: set(Transaction.objects.values_list("reference", flat=True)))
        moved = [wallet.player.code for wallet in execution.book.wallets_by_id.values() if wallet.rows]
        written = all(row.reference in seen for wallet in execution.book.wallets_by_id.values() for row in wallet.rows)
        heard.append((sorted(moved), written))

    meanwhile(monkeypatch, ledger, "write", lambda: scenario.deposit("alice", amount=1, reference="rival"))
    monkeypatch.setattr(posting, "after_commit", [lambda execution: heard.append(1 / 0), listener])
    posting.post([a_bet("a1"), a_bet("b1", "bob")])
    # The rival's deposit, then Bob while Alice was stale, then Alice.
    assert heard == [(["alice"], True), (["bob"], True), (["alice"], True)]


# --- the statements ----------------------------------------------------------------------------


INDEX_ON_IDS = "Index Scan using wallet_wallet_pkey on wallet_wallet w"


@pytest.mark.parametrize("wallets", [0, 2, 200])
def test_wallets_are_locked_in_ascending_order_whatever_the_planner_knows(books, wallets):
    """A nested loop, driven by the sorted ids or by the index on ids; any other plan could deadlock two processes."""
    scenario.catalogue()
    for n in range(wallets):
        scenario.player(f"p{n}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE wallet_wallet")
    changes = ",".join(f'"({id},1,1,0,0,0,1,0,0,0,00,)"' for id in (1, 2))
    with posting._transaction() as session:
        session.command(f"PREPARE locking AS {numbered(ledger.UPDATE_WALLETS)}")
        plan = [line for (line,) in session.rows(f"EXPLAIN (COSTS OFF) EXECUTE locking('{{{changes}}}')", [])]
        session.command("DEALLOCATE locking")
    nodes = [line.strip().removeprefix("->").strip() for line in plan if "->" in line or line.startswith("Update")]
    assert nodes[:2] == ["Update on wallet_wallet w", "Nested Loop"], plan
    by_ids = nodes[2:4] == ["Subquery Scan on n", "Sort"] and "Sort Key: u.id" in map(str.strip, plan)
    by_index = nodes[2].startswith(INDEX_ON_IDS)
    assert by_ids or by_index, plan
    # Whichever of the wallet's indexes is asked for the id, the order is that of the outer side.
    assert not any("Seq Scan" in node for node in nodes), plan


def test_rows_and_changes_travel_in_types_of_their_very_columns(books):
    attributes = """SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = (SELECT typrelid FROM pg_type WHERE typname = %s) ORDER BY attnum"""
    with connection.cursor() as cursor:
        cursor.execute(attributes, [ledger.ROW_TYPE])
        assert cursor.fetchall() == [*map(tuple, ledger.COLUMNS), ("digest", "text")]
        cursor.execute(attributes, [ledger.CHANGE_TYPE])
        assert [name for name, _ in cursor.fetchall()] == [*ledger.CHANGED, "digest", "undone_earlier"]


@pytest.mark.parametrize("name", ["a,b", "(a)", '"', "\\", '\\"', '",")', "{a}", "NULL", "'", "a b", ",", '\\\\",("'])
def test_a_name_that_means_something_to_postgresql_is_stored_as_it_was_sent(books, name):
    scenario.catalogue()
    scenario.alice("100.00")
    bet = commands.Bet(
        source="acme", player="alice", currency="EUR", reference=name, round=name, game=name, amount=100, at=1_000_000
    )
    posting.execute(bet)
    row = Transaction.objects.get(kind="BET")
    assert (row.reference, row.round, row.game) == (name, name, name)
    assert posting.execute(bet).replayed is True
