"""The worked numbers of docs/bonus.md, one test a line."""

import pytest

from bonus.rules import BASIS_POINTS
from tests import bonus_scenario, scenario
from tests.scenario import eur


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


def test_1_a_deposit_of_250_is_matched_up_to_the_cap_of_200():
    bonus_scenario.match()
    scenario.player("bob")
    receipt = bonus_scenario.deposit("250.00")
    assert receipt.facts["granted"].amount == eur("200.00")
    assert scenario.balances("bob") == (eur("250.00"), eur("200.00"), 0)


def test_2_half_of_33_33_is_16_66():
    bonus_scenario.match(percent_bp=5000)
    scenario.player("bob")
    assert bonus_scenario.deposit("33.33").facts["granted"].amount == eur("16.66")
    assert scenario.balances("bob") == (eur("33.33"), eur("16.66"), 0)


def test_3_thirty_times_the_bonus_of_25_is_750():
    bonus_scenario.match(percent_bp=5000)
    scenario.player("bob")
    receipt = bonus_scenario.deposit("50.00")
    assert receipt.facts["granted"].required == eur("750.00")
    assert receipt.wagering["required"] == eur("750.00")


def test_4_thirty_times_deposit_and_bonus_of_10_each_is_600():
    bonus_scenario.match(base="deposit_plus_bonus")
    scenario.player("bob")
    assert bonus_scenario.deposit("10.00").facts["granted"].required == eur("600.00")


def test_5_cash_goes_first_and_the_win_comes_back_as_the_stake_went():
    bonus_scenario.wagering("30.00", cash="20.00")
    bet = scenario.bet("bob", "25.00")
    assert (bet.row.cash_delta, bet.row.bonus_delta) == (eur("-20.00"), eur("-5.00"))
    win = scenario.win("bob", "50.00")
    assert (win.row.cash_delta, win.row.bonus_delta) == (eur("40.00"), eur("10.00"))
    assert scenario.balances("bob") == (eur("40.00"), eur("35.00"), 0)


def test_6_proportional_stakes_and_wins_keep_the_proportion():
    bonus_scenario.wagering("10.00", cash="30.00", spend_order="proportional")
    bet = scenario.bet("bob", "10.00")
    assert (bet.row.cash_delta, bet.row.bonus_delta) == (eur("-7.50"), eur("-2.50"))
    win = scenario.win("bob", "20.00")
    assert (win.row.cash_delta, win.row.bonus_delta) == (eur("15.00"), eur("5.00"))


def test_7_table_games_count_a_tenth_and_live_games_a_twentieth():
    bonus_scenario.game("roulette-1", "table")
    bonus_scenario.game("live-1", "live")
    bonus_scenario.wagering("50.00", weights={"category": {"table": 1000, "live": 500}})
    assert scenario.bet("bob", "10.00", game="roulette-1").wagering["wagered"] == eur("1.00")
    for _ in range(400):
        receipt = scenario.bet("bob", "0.05", game="live-1", round="live")
    assert receipt.wagering["wagered"] == eur("2.00")
    assert bonus_scenario.the().wagered == eur("2.00") * BASIS_POINTS


@pytest.mark.parametrize(("counted", "wagered"), [("all", "25.00"), ("bonus", "5.00"), ("cash", "20.00")])
def test_8_the_terms_say_which_part_of_a_stake_counts(counted, wagered):
    bonus_scenario.wagering("30.00", cash="20.00", counted=counted)
    assert scenario.bet("bob", "25.00").wagering["wagered"] == eur(wagered)


def test_9_no_more_than_the_maximum_is_converted():
    bonus = bonus_scenario.wagering("10.00", multiplier=1, eur={"max_conversion": "1000.00"})
    scenario.bet("bob", "5.00")
    scenario.win("bob", "1495.00")
    receipt = scenario.bet("bob", "5.00", round="round-2")
    scenario.win("bob", "5.00", round="round-2")
    assert receipt.wagering["status"] == "completed"
    row = bonus_scenario.ended("CONVERT", bonus)
    assert (row.amount, row.cash_delta, row.bonus_delta) == (eur("1495.00"), eur("1000.00"), eur("-1495.00"))
    assert scenario.balances("bob") == (eur("1000.00"), 0, 0)


def test_9_of_a_balance_of_1500_a_thousand_becomes_cash_and_the_rest_leaves():
    bonus = bonus_scenario.wagering("10.00", multiplier=1, eur={"max_conversion": "1000.00"})
    scenario.bet("bob", "9.00")
    scenario.win("bob", "1500.00")
    receipt = scenario.bet("bob", "1.00", round="round-2", reference="last")
    assert (receipt.cash, receipt.bonus) == (eur("1000.00"), 0)
    assert bonus_scenario.ended("CONVERT", bonus).amount == eur("1500.00")
    assert bonus_scenario.the().converted == eur("1000.00")


def test_10_a_rollback_takes_back_what_the_bet_counted_and_no_more():
    bonus_scenario.wagering("100.00", weights={"game": {"blackjack-1": 1000}})
    scenario.bet("bob", "50.00", round="other")
    scenario.win("bob", "50.00", round="other")
    bet = scenario.bet("bob", "100.00", game="blackjack-1", reference="b")
    assert bet.wagering["wagered"] == eur("60.00")
    back = scenario.rollback("b", "bob")
    assert back.wagering["wagered"] == eur("50.00")
    assert scenario.balances("bob") == (0, eur("100.00"), 0)


def test_11_the_largest_stake_is_the_smaller_of_5_and_a_tenth_of_the_bonus():
    bonus_scenario.wagering("30.00", max_stake_bp=1000, eur={"max_stake": "5.00"})
    assert scenario.bet("bob", "3.00").wagering["wagered"] == eur("3.00")
    refused = scenario.bet("bob", "3.01", round="round-2")
    assert refused.code == "stake_above_limit"
    assert (refused.facts["cash"], refused.facts["bonus"]) == (0, eur("27.00"))
    assert bonus_scenario.the().wagered == eur("3.00") * BASIS_POINTS


def test_12_what_overshoots_the_requirement_is_not_carried_over():
    bonus_scenario.wagering("10.00", cash="200.00")
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    assert scenario.bet("bob", "99.00").wagering["percent"] == 99
    receipt = scenario.bet("bob", "5.00", round="round-2")
    assert receipt.wagering == {
        "bonus": str(bonus_scenario.the().id),
        "wagered": eur("100.00"),
        "required": eur("100.00"),
        "percent": 100,
        "status": "completed",
    }
    following = bonus_scenario.the("next")
    assert (following.status, following.wagered) == ("active", 0)
    assert [row[0] for row in bonus_scenario.rows()][-3:] == ["BET", "CONVERT", "GRANT"]


def test_13_a_repeated_bet_moves_progress_once():
    bonus_scenario.wagering("30.00")
    scenario.bet("bob", "10.00", reference="b")
    again = scenario.bet("bob", "10.00", reference="b")
    assert again.replayed and again.wagering["wagered"] == eur("10.00")
    assert bonus_scenario.the().wagered == eur("10.00") * BASIS_POINTS


def test_14_at_its_time_the_bonus_leaves_and_a_later_bet_counts_nothing():
    bonus = bonus_scenario.wagering("37.50", cash="20.00", spend_days=1)
    expires = scenario.NOON - scenario.SECOND + scenario.DAY
    receipt = scenario.bet("bob", "1.00", at=expires + scenario.SECOND)
    assert (receipt.cash, receipt.bonus, receipt.wagering) == (eur("19.00"), 0, None)
    row = bonus_scenario.ended("EXPIRE", bonus)
    assert (row.cash_delta, row.bonus_delta) == (0, eur("-37.50"))
    bonus.refresh_from_db()
    assert (bonus.status, bonus.wagered) == ("expired", 0)
