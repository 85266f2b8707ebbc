"""What dialects need of bets and receipts besides: tips, the bonus part, and which rollback was the first (§8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests import bonus_scenario, scenario
from tests.scenario import word
from wallet.models import Transaction


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()


def wagered() -> int:
    return bonus_scenario.the().wagered


@pytest.mark.parametrize("spend_order", ["cash_first", "bonus_first"])
def test_a_tip_counts_for_no_bonus(spend_order: str):
    bonus_scenario.wagering("30.00", cash="10.00", spend_order=spend_order)
    assert word(scenario.bet("bob", "12.00", reference="tip", wagering=False)) == "posted"
    assert wagered() == 0
    row = Transaction.objects.get(reference="tip")
    assert (row.wagering, row.contribution) == (False, 0)
    assert row.bonus_delta < 0
    assert word(scenario.bet("bob", "12.00", reference="stake")) == "posted"
    assert wagered() > 0


def test_the_rollback_of_a_tip_takes_no_progress_back():
    bonus_scenario.wagering("30.00", cash="10.00")
    scenario.bet("bob", "5.00", reference="stake")
    before = wagered()
    scenario.bet("bob", "12.00", reference="tip", wagering=False)
    assert word(scenario.rollback("tip", "bob")) == "posted"
    assert wagered() == before
    assert scenario.balances("bob") == (500, 3000, 0)


def test_a_tip_is_bound_by_the_gates_of_any_bet():
    bonus_scenario.wagering("30.00", eur={"max_stake": "2.00"})
    assert word(scenario.bet("bob", "5.00", wagering=False)) == "stake_above_limit"


@pytest.mark.parametrize(
    ("first", "again", "expected"),
    [
        (False, False, "posted"),
        (False, None, "posted"),
        (None, True, "posted"),
        (True, None, "posted"),
        (False, True, "reference_reused"),
        (None, False, "reference_reused"),
    ],
)
def test_a_repeat_is_compared_where_it_says_whether_it_wagers(first: Any, again: Any, expected: str):
    scenario.alice()
    scenario.bet(reference="b", wagering=first)
    answer = scenario.bet(reference="b", wagering=again)
    assert word(answer) == expected
    if expected == "reference_reused":
        assert answer.facts["differing"] == ["wagering"]


def test_a_refused_tip_stays_one():
    scenario.alice("1.00")
    assert word(scenario.bet(reference="b", wagering=False)) == "insufficient_funds"
    assert word(scenario.bet(reference="b", wagering=False)) == "insufficient_funds"
    assert word(scenario.bet(reference="b", wagering=True)) == "reference_reused"


# --- the bonus part --------------------------------------------------------------------------


def test_a_receipt_tells_the_bonus_part_whichever_way_it_moved():
    bonus_scenario.wagering("30.00", cash="10.00")
    assert scenario.bet("bob", "12.00", reference="b").bonus_amount == 200
    assert scenario.win("bob", "6.00", reference="w").bonus_amount == 100
    assert scenario.bet("bob", "5.00", reference="cash", round="other").bonus_amount == 0
    scenario.profile(rollback_after_win="allow")
    assert scenario.rollback("b", "bob", reference="r").bonus_amount == 200
    assert scenario.rollback("b", "bob", reference="r").bonus_amount == 200
    assert scenario.bet("bob", "12.00", reference="b").facts.get("bonus_amount") is None


def test_what_was_undone_moved_nothing_of_the_bonus():
    bonus_scenario.wagering("30.00")
    scenario.profile(late_bet="accept_void")
    scenario.bet("bob", "12.00", reference="b")
    scenario.rollback("b", "bob")
    again = scenario.bet("bob", "12.00", reference="b")
    assert (word(again), again.amount, again.bonus_amount) == ("void", 0, 0)


# --- a second rollback ---------------------------------------------------------------------------


def test_a_second_rollback_learns_by_which_row_the_first_was():
    scenario.alice()
    scenario.bet(reference="b")
    first = scenario.rollback("b", reference="r-1")
    second = scenario.rollback("b", reference="r-2")
    assert (word(second), second.facts["rolled_back_by"]) == ("already_rolled_back", first.row.id)
    assert scenario.rollback("b", reference="r-2").facts["rolled_back_by"] == first.row.id
