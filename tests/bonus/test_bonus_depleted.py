"""When a bonus without money left is over, and when a stake may still bring some (docs/bonus.md, DEPLETED)."""

import pytest

from casino_pam.engine.commands import Batch, Bet, EndRound, Win
from tests import bonus_scenario, scenario
from tests.scenario import DAY, NOON, SECOND, eur
from wallet.models import Transaction

HOUR = 3600 * SECOND


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


def status(offer="gift"):
    return bonus_scenario.the(offer).status


def test_the_last_bonus_money_staked_is_not_the_end_yet():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    assert status() == "active"


def test_a_win_of_nothing_is_the_end():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    receipt = scenario.win("bob", "0.00")
    assert (status(), receipt.wagering["status"]) == ("depleted", "depleted")
    # Nothing was left, so nothing leaves.
    assert [row[0] for row in bonus_scenario.rows()] == ["GRANT", "BET", "WIN"]


def test_an_ended_round_is_the_end():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    scenario.end_round("bob")
    assert status() == "depleted"


def test_a_bet_that_ends_its_own_round_is_the_end():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00", ends_round=True)
    assert status() == "depleted"


def test_a_win_reopens_the_balance():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    scenario.win("bob", "3.00")
    assert (status(), scenario.balances("bob")) == ("active", (0, eur("3.00"), 0))


def test_the_next_bonus_starts_after_a_depleted_one():
    bonus_scenario.wagering("10.00")
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    scenario.bet("bob", "10.00")
    receipt = scenario.win("bob", "0.00")
    assert (receipt.bonus, status("next")) == (eur("7.00"), "active")


def test_too_little_left_leaves_after_the_named_row():
    bonus = bonus_scenario.wagering("10.00", eur={"depleted_below": "0.50"})
    scenario.bet("bob", "9.60")
    receipt = scenario.win("bob", "0.00")
    assert [row[0] for row in bonus_scenario.rows()] == ["GRANT", "BET", "WIN", "FORFEIT"]
    assert (status(), receipt.bonus, bonus_scenario.ended("FORFEIT", bonus).bonus_delta) == (
        "depleted",
        0,
        eur("-0.40"),
    )


def test_what_is_not_below_the_threshold_is_enough():
    bonus_scenario.wagering("10.00", eur={"depleted_below": "0.50"})
    scenario.bet("bob", "9.50")
    scenario.win("bob", "0.00")
    assert status() == "active"


def test_another_open_stake_keeps_the_bonus_alive():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "4.00", round="a")
    scenario.bet("bob", "6.00", round="b")
    scenario.win("bob", "0.00", round="b")
    assert status() == "active"
    scenario.win("bob", "0.00", round="a")
    assert status() == "depleted"


def test_an_open_stake_of_cash_keeps_nothing_alive():
    bonus_scenario.wagering("10.00", cash="4.00")
    scenario.bet("bob", "4.00", round="a")
    scenario.bet("bob", "10.00", round="b")
    scenario.win("bob", "0.00", round="b")
    assert status() == "depleted"


def test_a_stake_after_a_win_of_its_round_is_open_again():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "4.00")
    scenario.win("bob", "0.00")
    scenario.bet("bob", "6.00")
    assert status() == "active"
    scenario.win("bob", "0.00")
    assert status() == "depleted"


def test_a_provider_that_ends_its_rounds_settles_nothing_by_a_win():
    scenario.profile(ends_rounds=True)
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    scenario.win("bob", "0.00")
    assert status() == "active"
    scenario.win("bob", "5.00")
    assert scenario.balances("bob") == (0, eur("5.00"), 0)
    scenario.bet("bob", "5.00", round="r2")
    scenario.end_round("bob")
    assert status() == "active"
    scenario.end_round("bob", "r2")
    assert status() == "depleted"


def test_a_win_that_names_the_bet_settles_it_from_another_round():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00", reference="b")
    scenario.win("bob", "0.00", bet="b", round="elsewhere")
    assert status() == "depleted"


def test_a_refund_of_one_stake_keeps_the_bonus_alive_by_its_money():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00", reference="b")
    scenario.rollback("b", "bob")
    assert (status(), scenario.balances("bob")) == ("active", (0, eur("10.00"), 0))


def test_taking_a_win_back_may_be_the_end():
    scenario.profile(rollback_wins=True)
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00", round="a")
    scenario.win("bob", "3.00", round="a", reference="w")
    scenario.end_round("bob", "a")
    assert status() == "active"
    scenario.rollback("w", "bob")
    assert status() == "depleted"


def test_a_win_taken_back_leaves_its_stake_open_again():
    scenario.profile(rollback_wins=True)
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00", round="a")
    scenario.win("bob", "3.00", round="a", reference="w")
    scenario.rollback("w", "bob")
    assert status() == "active"
    scenario.win("bob", "0.00", round="a")
    assert status() == "depleted"


def test_who_has_wagered_enough_is_completed_and_not_depleted():
    bonus_scenario.wagering("10.00", multiplier=1)
    scenario.bet("bob", "10.00", ends_round=True)
    assert status() == "completed"


# --- age ---------------------------------------------------------------------------------------


def test_a_stake_of_a_day_ago_is_waited_for_no_longer_by_the_job():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    bonus_scenario.run_due(at=NOON + DAY - 1)
    assert status() == "active"
    bonus_scenario.run_due(at=NOON + DAY)
    assert status() == "depleted"


def test_a_stake_of_a_day_ago_does_not_keep_alive_what_a_command_settles():
    bonus_scenario.wagering("10.00", cash="0.00")
    scenario.bet("bob", "4.00", round="lost")
    scenario.bet("bob", "6.00", round="b", at=NOON + DAY)
    scenario.end_round("bob", "b", at=NOON + DAY + SECOND)
    assert status() == "depleted"


def test_the_age_is_a_setting(settings):
    settings.UNSETTLED_STAKE_HOURS = 2
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    bonus_scenario.run_due(at=NOON + 2 * HOUR - 1)
    assert status() == "active"
    bonus_scenario.run_due(at=NOON + 2 * HOUR)
    assert status() == "depleted"


def test_a_win_within_the_day_still_belongs_to_the_bonus():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    scenario.win("bob", "30.00", at=NOON + DAY - 1)
    assert (status(), scenario.balances("bob")) == ("active", (0, eur("30.00"), 0))


# --- within one posting ------------------------------------------------------------------------


def test_a_batch_sees_what_it_settles_itself():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "4.00", round="a")
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR"}
    operations = (
        Bet(reference="b", round="b", game="slot-1", amount=eur("6.00"), **common),
        Win(reference="w", round="b", game="slot-1", amount=0, **common),
        EndRound(reference="e", round="a", **common),
    )
    receipts = scenario.do(Batch(operations=operations))
    assert [receipt.wagering["status"] for receipt in receipts[:2]] == ["active", "active"]
    assert (status(), receipts[2].wagering) == ("depleted", None)
    assert Transaction.objects.filter(kind="FORFEIT").count() == 0


def test_a_batch_may_deplete_a_bonus_it_started():
    bonus_scenario.wagering("10.00", multiplier=1)
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR"}
    operations = (
        Bet(reference="a", round="a", game="slot-1", amount=eur("10.00"), **common),
        Bet(reference="b", round="b", game="slot-1", amount=eur("7.00"), **common),
        EndRound(reference="e", round="b", **common),
    )
    scenario.do(Batch(operations=operations))
    assert (status(), status("next")) == ("completed", "depleted")
