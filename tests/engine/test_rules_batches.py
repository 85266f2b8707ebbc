"""PLAY.md rules 23-25: ends of rounds, batches that are all or nothing, operations that stand alone."""

from __future__ import annotations

import pytest

from casino_pam.engine import commands, posting
from tests import scenario
from tests.scenario import word
from wallet.models import Player, Provider, Transaction


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("100.00")


def operation(kind, reference, **fields):
    given = {
        "source": "acme",
        "player": "alice",
        "at": scenario.NOON,
        "currency": "EUR",
        "reference": reference,
        **fields,
    }
    return kind(**given)


def a_bet(reference, amount=1000, **fields):
    return operation(commands.Bet, reference, amount=amount, **{"round": "round-1", "game": "slot-1", **fields})


def a_win(reference, amount=1000, **fields):
    return operation(commands.Win, reference, amount=amount, **{"round": "round-1", "game": "slot-1", **fields})


def an_undo(original, reference, **fields):
    return operation(commands.Rollback, reference, original=original, **fields)


def an_end(reference, **fields):
    return operation(commands.EndRound, reference, **{"round": "round-1", **fields})


def batch(*operations):
    return scenario.do(commands.Batch(operations=operations))


def rows():
    """Every row of play in version order, as kind, reference, status."""
    play = Transaction.objects.exclude(kind="DEPOSIT").order_by("wallet", "version")
    return [(row.kind, row.reference, row.status) for row in play]


# --- 23: ends of rounds --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before", [[], [scenario.bet], [scenario.end_round], [scenario.bet, scenario.win, scenario.end_round]]
)
def test_rule_23_ending_a_round_known_or_not_closed_or_not_is_a_row_of_its_own(before):
    for act in before:
        act()
    receipt = scenario.end_round(reference="e")
    assert (receipt.status, receipt.amount, receipt.cash, receipt.row.kind) == (
        "posted",
        0,
        scenario.balances()[0],
        "END_ROUND",
    )
    assert rows()[-1] == ("END_ROUND", "e", "POSTED")
    assert scenario.end_round(reference="e").replayed


def test_rule_23_no_gate_stops_an_end_of_round():
    Player.objects.update(bet_locked=True, excluded_until=scenario.moment(scenario.NOON + scenario.DAY))
    Provider.objects.update(enabled=False)
    assert word(scenario.end_round()) == "posted"


# --- 24: all or nothing --------------------------------------------------------------------------


def test_rule_24_a_batch_posts_its_operations_in_order():
    receipts = batch(a_bet("b"), a_win("w", 2500, bet="b"), an_undo("never", "r"), an_end("e"))
    assert [(word(receipt), receipt.cash, receipt.version) for receipt in receipts] == [
        ("posted", 9000, 2),
        ("posted", 11500, 3),
        ("void", 11500, 5),
        ("posted", 11500, 6),
    ]
    assert scenario.balances() == (11500, 0, 0)


def test_rule_24_later_operations_see_the_earlier_ones():
    receipts = batch(a_win("w", 5000, round="round-0"), a_bet("b", 15000), an_undo("b", "r"), a_bet("b2", 15000))
    assert [receipt.cash for receipt in receipts] == [15000, 0, 15000, 0]
    assert batch(an_end("e"), a_bet("late")).code == "round_closed"


# What fails as the third operation, its code, and whether its refusal is remembered.
FAILING = {
    "a bet without funds": (lambda: a_bet("x", 99_999), "insufficient_funds", True),
    "a bet on the round just closed": (lambda: a_bet("x", round="closing"), "round_closed", True),
    "a win that disagrees with its first time": (lambda: a_win("earlier", 7), "reference_reused", False),
    "a bet that disagrees with one above": (lambda: a_bet("b1", 7), "reference_reused", False),
    "a win of a rolled back bet": (lambda: a_win("x", bet="undone"), "rolled_back", False),
    "a bet that was rolled back": (lambda: a_bet("undone"), "rolled_back", False),
    "a rollback that disagrees": (lambda: an_undo("b1", "x", amount="1.00"), "original_mismatch", False),
    "a rollback that was done": (lambda: an_undo("undone", "x"), "already_rolled_back", False),
    "a rollback that may not be": (lambda: an_undo("earlier", "x", original_kind="WIN"), "forbidden", False),
    "a rollback of a bet with a payout": (lambda: an_undo("paid", "x"), "has_payout", False),
}


def what_came_before():
    scenario.win(reference="earlier", amount="1.00", round="round-0")
    scenario.bet(reference="undone", round="round-8")
    scenario.rollback("undone")
    scenario.bet(reference="paid", round="round-9", amount="1.00")
    scenario.win(round="round-9", amount="1.00")


@pytest.mark.parametrize("case", FAILING)
def test_rule_24_the_first_refusal_undoes_the_whole_and_names_its_index(case):
    failing, code, remembered = FAILING[case]
    what_came_before()
    before, money = rows(), scenario.balances()
    operations = [a_bet("b1"), an_end("e1", round="closing"), failing(), a_bet("b2")]
    refused = batch(*operations)
    assert (refused.code, refused.facts["index"]) == (code, 2)
    assert scenario.balances() == money == (10100, 0, 0)
    if "balance" in refused.facts:
        assert refused.facts["balance"] == 10100
    assert rows() == before + ([("BET", "x", "REFUSED")] if remembered else [])
    again = batch(*operations)
    assert (again.code, again.facts["index"]) == (code, 2)
    assert len(rows()) == len(before) + remembered
    assert [word(scenario.do(each)) for each in (operations[0], operations[3])] == ["posted", "posted"]


def test_rule_24_a_remembered_refusal_tells_its_row_and_repeats_as_it_was():
    operations = [a_bet("b1"), a_bet("x", 99_999)]
    first = batch(*operations)
    row = Transaction.objects.get(reference="x")
    assert (first.facts["transaction"], first.facts["version"], first.facts["replayed"]) == (str(row.id), 2, False)
    assert (row.cash_after, row.refusal, row.round, row.game, row.amount) == (
        10000,
        "insufficient_funds",
        "round-1",
        "slot-1",
        99_999,
    )
    scenario.deposit("alice", amount=1_000_000)
    again = batch(*operations)
    assert again.facts == {**first.facts, "replayed": True}
    alone = scenario.do(operations[1])
    assert {**alone.facts, "index": 1} == again.facts


def test_rule_24_the_profile_may_show_the_balances_of_now_when_it_repeats():
    scenario.profile(replay_balance="current")
    operations = [a_bet("b1"), a_bet("x", 99_999)]
    batch(*operations)
    now = scenario.deposit("alice", amount=1_000_000)
    again = batch(*operations)
    assert (again.facts["index"], again.facts["balance"], again.facts["version"]) == (1, now.cash, now.version)


def test_rule_24_operations_posted_before_are_replays():
    scenario.do(a_bet("b1"))
    receipts = batch(a_bet("b1"), a_bet("b2"), a_bet("b2"))
    assert [(receipt.replayed, receipt.cash) for receipt in receipts] == [(True, 9000), (False, 8000), (True, 8000)]
    again = batch(a_bet("b1"), a_bet("b2"), a_bet("b2"))
    assert [(receipt.replayed, receipt.row) for receipt in again] == [(True, receipt.row) for receipt in receipts]
    assert scenario.balances() == (8000, 0, 0)


@pytest.mark.parametrize("late_bet", ["refuse", "accept_void"])
def test_rule_24_one_that_was_refused_or_rolled_back_answers_for_the_whole(late_bet):
    scenario.profile(late_bet=late_bet)
    scenario.do(a_bet("refused", 99_999))
    scenario.do(a_bet("undone"))
    scenario.do(an_undo("undone", "r"))
    before = rows()
    assert (batch(a_bet("new"), a_bet("refused", 99_999)).code, rows()) == ("insufficient_funds", before)
    answer = batch(a_bet("new"), a_bet("undone"))
    if late_bet == "refuse":
        assert (answer.code, answer.facts["index"], rows()) == ("rolled_back", 1, before)
    else:
        assert [word(receipt) for receipt in answer] == ["posted", "void"]


@pytest.mark.parametrize("unknown_rollback", ["void", "not_found"])
def test_rule_24_an_unknown_rollback_inside_a_batch(unknown_rollback):
    scenario.profile(unknown_rollback=unknown_rollback)
    answer = batch(a_bet("b"), an_undo("never", "r"))
    if unknown_rollback == "void":
        assert [word(receipt) for receipt in answer] == ["posted", "void"]
    else:
        assert (answer.code, answer.facts["index"], answer.facts["balance"], rows()) == (
            "unknown_original",
            1,
            10000,
            [],
        )


def test_rule_24_a_batch_touches_one_wallet_even_where_the_original_is_void_in_another():
    scenario.player("alice", "500", currency="JPY")
    scenario.rollback("b", reference="r1")
    refused = batch(
        an_undo("b", "r2", currency="JPY"),
        a_bet("x", 99_999, currency="JPY"),
    )
    assert (refused.code, refused.facts["index"], refused.facts["currency"]) == ("insufficient_funds", 1, "JPY")
    assert rows() == [("ROLLBACK", "r1", "VOID"), ("BET", "b", "VOID"), ("BET", "x", "REFUSED")]
    assert Transaction.objects.get(reference="x").wallet.currency_id == "JPY"


def test_rule_24_an_original_in_another_wallet_is_a_mismatch():
    scenario.player("alice", "500", currency="JPY")
    scenario.bet(reference="b")
    refused = batch(a_bet("y", 100, currency="JPY"), an_undo("b", "r", currency="JPY"))
    assert (refused.code, refused.facts["index"], refused.facts["differing"]) == ("original_mismatch", 1, ["currency"])
    assert scenario.balances("alice", "JPY") == (500, 0, 0)


def test_rule_24_a_refused_batch_leaves_its_neighbours_in_the_same_posting_alone():
    scenario.bob("50.00")
    asked = [
        a_bet("a1"),
        commands.Batch(operations=(a_bet("x1"), a_win("x2", bet="x1"), an_undo("never", "x3"), a_bet("x4", 99_999))),
        a_bet("a2"),
        a_bet("b1", player="bob"),
        a_win("x2"),
        an_undo("never", "x3"),
        a_bet("x1"),
    ]
    outcomes = posting.post(asked)
    assert [word(outcome) for outcome in outcomes] == [
        "posted",
        "insufficient_funds",
        "posted",
        "posted",
        "posted",
        "void",
        "posted",
    ]
    assert [outcome.replayed for outcome in outcomes if word(outcome) == "posted"] == [False] * 5
    assert scenario.balances() == (8000, 0, 0)
    versions = (
        Transaction.objects.filter(wallet__player__code="alice").order_by("version").values_list("version", flat=True)
    )
    assert list(versions) == list(range(1, 9))


def test_rule_24_twin_batches_in_one_posting_agree():
    operations = (a_bet("b1"), a_win("w1", 500))
    failing = (a_bet("b2"), a_bet("x", 99_999))
    first, second, third, fourth = posting.post(
        [commands.Batch(operations=each) for each in (operations, operations, failing, failing)]
    )
    assert [receipt.row for receipt in first] == [receipt.row for receipt in second]
    assert [receipt.replayed for receipt in second] == [True, True]
    assert fourth.facts == {**third.facts, "replayed": True}


# --- 25: one by one ------------------------------------------------------------------------------


def test_rule_25_operations_posted_together_succeed_and_fail_one_by_one():
    scenario.bob("5.00")
    asked = [
        a_bet("a1", 6000),
        a_bet("b1", player="bob"),
        a_bet("a2", 6000),
        a_win("b2", player="bob"),
        a_bet("a3", 4000),
        a_bet("n1", player="nobody"),
        an_undo("a1", "r"),
    ]
    outcomes = posting.post(asked)
    assert [word(outcome) for outcome in outcomes] == [
        "posted",
        "insufficient_funds",
        "insufficient_funds",
        "posted",
        "posted",
        "unknown_player",
        "posted",
    ]
    assert (scenario.balances(), scenario.balances("bob")) == ((6000, 0, 0), (1500, 0, 0))


def test_rule_25_a_thousand_operations_are_posted_in_order_of_each_player():
    scenario.bob("100.00")
    asked = [a_bet(f"r{n}", 10, player=("alice", "bob")[n % 2], round=f"round-{n % 50}") for n in range(1000)]
    outcomes = posting.post(asked)
    assert {word(outcome) for outcome in outcomes} == {"posted"}
    for player in (0, 1):
        assert [outcome.version for outcome in outcomes[player::2]] == list(range(2, 502))
    assert (scenario.balances(), scenario.balances("bob")) == ((5000, 0, 0), (5000, 0, 0))
