"""Free rounds: what they win is bonus money to be wagered (docs/bonus.md)."""

import pytest

from bonus.offers import create_offer
from bonus.rules import MAX_REQUIRED
from tests import bonus_scenario, scenario
from tests.sample_offers import SPINS
from tests.scenario import DAY, NOON, eur
from wallet.money import show


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.profile(rollback_wins=True)
    scenario.bob()


def spins(**fields):
    """Bob is promised free rounds whose winnings are wagered 20 times."""
    create_offer({**SPINS, **fields})
    granted = bonus_scenario.grant("spins")
    assert (granted.bonus.status, granted.bonus.amount, granted.bonus.required) == ("pending", 0, 0)


def free_win(amount, **fields):
    return scenario.win("bob", amount, win_source="free_round", **{"round": scenario.fresh("spin"), **fields})


def the():
    return bonus_scenario.the("spins")


def test_the_first_win_starts_the_bonus_without_a_grant_row():
    spins(spend_days=2)
    receipt = free_win("3.00")
    assert (receipt.row.cash_delta, receipt.row.bonus_delta, receipt.row.bonus) == (0, eur("3.00"), str(the().id))
    assert [row[0] for row in bonus_scenario.rows()] == ["WIN"]
    bonus = the()
    assert (bonus.status, bonus.amount, bonus.base, bonus.required) == ("active", 0, eur("3.00"), eur("60.00"))
    assert (receipt.wagering["required"], receipt.wagering["percent"]) == (eur("60.00"), 0)
    assert (bonus.expires_at - bonus.activated_at).days == 2


def test_every_further_win_adds_to_what_must_be_wagered():
    spins()
    free_win("3.00")
    receipt = free_win("2.00")
    assert (receipt.bonus, receipt.wagering["required"]) == (eur("5.00"), eur("100.00"))


def test_winnings_are_wagered_and_converted_as_any_bonus():
    spins(multiplier=1)
    free_win("3.00")
    receipt = scenario.bet("bob", "3.00")
    assert (receipt.wagering["status"], the().status, the().converted) == ("completed", "completed", 0)


def test_nothing_is_judged_complete_before_the_first_win():
    spins()
    assert (the().status, scenario.deposit("bob", amount=100).wagering) == ("pending", None)


def test_a_bet_of_zero_does_not_make_a_round_a_paid_one():
    spins()
    scenario.bet("bob", "0.00", round="spin")
    assert free_win("3.00", round="spin").bonus == eur("3.00")


def test_a_round_that_was_paid_for_is_split_as_its_stakes_were():
    spins()
    scenario.deposit("bob", amount=eur("1.00"))
    scenario.bet("bob", "1.00", round="paid")
    receipt = free_win("3.00", round="paid")
    assert (receipt.cash, receipt.bonus, the().status) == (eur("3.00"), 0, "pending")


def test_a_rollback_takes_the_money_and_the_requirement_back():
    spins()
    free_win("3.00")
    free_win("2.00", reference="w")
    back = scenario.rollback("w", "bob")
    assert (back.bonus, back.wagering["required"]) == (eur("3.00"), eur("60.00"))
    assert (the().base, the().required) == (eur("3.00"), eur("60.00"))


def test_a_rollback_of_all_winnings_waits_for_the_next():
    spins()
    free_win("3.00", reference="w")
    scenario.rollback("w", "bob")
    assert (the().status, the().required, scenario.balances("bob")) == ("active", 0, (0, 0, 0))
    assert free_win("2.00").wagering["required"] == eur("40.00")


def test_a_rollback_after_the_end_takes_the_requirement_back_too():
    spins()
    free_win("3.00", reference="w")
    bonus_scenario.forfeit(the().id)
    back = scenario.rollback("w", "bob")
    assert (back.row.bonus_delta, back.row.void_amount, the().required) == (0, eur("3.00"), 0)


def test_a_win_while_another_bonus_has_the_slot_is_cash():
    spins()
    bonus_scenario.gift()
    bonus_scenario.grant()
    receipt = free_win("3.00")
    assert (receipt.cash, the().status, the().required) == (eur("3.00"), "pending", 0)


def test_a_win_on_a_game_that_the_bonus_does_not_cover_is_cash():
    bonus_scenario.game("slot-9", "jackpots")
    spins(excluded={"category": ["jackpots"]})
    assert free_win("3.00", game="slot-9").cash == eur("3.00")
    assert the().status == "pending"


def test_a_win_without_a_promise_is_cash():
    assert free_win("3.00").cash == eur("3.00")


def test_a_win_of_free_rounds_that_ask_for_nothing_is_cash():
    spins(multiplier=0)
    assert (free_win("3.00").cash, the().status) == (eur("3.00"), "pending")


def test_a_win_of_nothing_starts_nothing():
    spins()
    assert (free_win("0.00").status, the().status) == ("posted", "pending")


def test_other_wins_of_the_house_start_nothing():
    spins()
    assert scenario.win("bob", "3.00", win_source="promo", round=None, game=None).cash == eur("3.00")
    assert the().status == "pending"


def test_the_oldest_promise_is_kept_first():
    spins()
    create_offer({**SPINS, "code": "more"})
    bonus_scenario.grant("more")
    free_win("3.00")
    assert (the().status, bonus_scenario.the("more").status) == ("active", "pending")


def test_a_promise_past_its_days_is_not_kept():
    spins(claim_days=1)
    assert free_win("3.00", at=NOON + DAY).cash == eur("3.00")
    assert the().status == "expired"


def test_a_win_that_would_ask_for_more_than_can_be_wagered_is_cash():
    spins(multiplier=1000)
    free_win("1.00")
    much = MAX_REQUIRED // 1000
    receipt = free_win(show(much, 2))
    assert (receipt.cash, the().required) == (much, eur("1000.00"))


def test_winnings_that_were_lost_end_the_bonus_and_later_ones_are_cash():
    spins()
    free_win("3.00")
    scenario.bet("bob", "3.00", round="a")
    scenario.win("bob", "0.00", round="a")
    assert the().status == "depleted"
    assert free_win("2.00").cash == eur("2.00")
