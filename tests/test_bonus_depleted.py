"""When a bonus without money left is over, and when a stake may still bring some (docs/bonus.md, DEPLETED)."""

import pytest

from casino_pam.engine.commands import Batch, Bet, EndRound, Win
from tests import bonuses, cast
from tests.cast import DAY, NOON, SECOND, eur
from wallet.models import Transaction

HOUR = 3600 * SECOND


@pytest.fixture(autouse=True)
def house(books):
    cast.house()


def status(offer="gift"):
    return bonuses.the(offer).status


def test_the_last_bonus_money_staked_is_not_the_end_yet():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    assert status() == "active"


def test_a_win_of_nothing_is_the_end():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    receipt = cast.win("bob", "0.00")
    assert (status(), receipt.wagering["status"]) == ("depleted", "depleted")
    # Nothing was left, so nothing leaves.
    assert [row[0] for row in bonuses.rows()] == ["GRANT", "BET", "WIN"]


def test_an_ended_round_is_the_end():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    cast.end_round("bob")
    assert status() == "depleted"


def test_a_bet_that_ends_its_own_round_is_the_end():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00", ends_round=True)
    assert status() == "depleted"


def test_a_win_reopens_the_balance():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    cast.win("bob", "3.00")
    assert (status(), cast.balances("bob")) == ("active", (0, eur("3.00"), 0))


def test_the_next_bonus_starts_after_a_depleted_one():
    bonuses.wagering("10.00")
    bonuses.gift("7.00", code="next")
    bonuses.grant("next")
    cast.bet("bob", "10.00")
    receipt = cast.win("bob", "0.00")
    assert (receipt.bonus, status("next")) == (eur("7.00"), "active")


def test_too_little_left_leaves_after_the_named_row():
    bonus = bonuses.wagering("10.00", eur={"depleted_below": "0.50"})
    cast.bet("bob", "9.60")
    receipt = cast.win("bob", "0.00")
    assert [row[0] for row in bonuses.rows()] == ["GRANT", "BET", "WIN", "FORFEIT"]
    assert (status(), receipt.bonus, bonuses.ended("FORFEIT", bonus).bonus_delta) == ("depleted", 0, eur("-0.40"))


def test_what_is_not_below_the_threshold_is_enough():
    bonuses.wagering("10.00", eur={"depleted_below": "0.50"})
    cast.bet("bob", "9.50")
    cast.win("bob", "0.00")
    assert status() == "active"


def test_another_open_stake_keeps_the_bonus_alive():
    bonuses.wagering("10.00")
    cast.bet("bob", "4.00", round="a")
    cast.bet("bob", "6.00", round="b")
    cast.win("bob", "0.00", round="b")
    assert status() == "active"
    cast.win("bob", "0.00", round="a")
    assert status() == "depleted"


def test_an_open_stake_of_cash_keeps_nothing_alive():
    bonuses.wagering("10.00", cash="4.00")
    cast.bet("bob", "4.00", round="a")
    cast.bet("bob", "10.00", round="b")
    cast.win("bob", "0.00", round="b")
    assert status() == "depleted"


def test_a_stake_after_a_win_of_its_round_is_open_again():
    bonuses.wagering("10.00")
    cast.bet("bob", "4.00")
    cast.win("bob", "0.00")
    cast.bet("bob", "6.00")
    assert status() == "active"
    cast.win("bob", "0.00")
    assert status() == "depleted"


def test_a_provider_that_ends_its_rounds_settles_nothing_by_a_win():
    cast.profile(ends_rounds=True)
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    cast.win("bob", "0.00")
    assert status() == "active"
    cast.win("bob", "5.00")
    assert cast.balances("bob") == (0, eur("5.00"), 0)
    cast.bet("bob", "5.00", round="r2")
    cast.end_round("bob")
    assert status() == "active"
    cast.end_round("bob", "r2")
    assert status() == "depleted"


def test_a_win_that_names_the_bet_settles_it_from_another_round():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00", reference="b")
    cast.win("bob", "0.00", bet="b", round="elsewhere")
    assert status() == "depleted"


def test_a_refund_of_one_stake_keeps_the_bonus_alive_by_its_money():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00", reference="b")
    cast.rollback("b", "bob")
    assert (status(), cast.balances("bob")) == ("active", (0, eur("10.00"), 0))


def test_taking_a_win_back_may_be_the_end():
    cast.profile(rollback_wins=True)
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00", round="a")
    cast.win("bob", "3.00", round="a", reference="w")
    cast.end_round("bob", "a")
    assert status() == "active"
    cast.rollback("w", "bob")
    assert status() == "depleted"


def test_a_win_taken_back_leaves_its_stake_open_again():
    cast.profile(rollback_wins=True)
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00", round="a")
    cast.win("bob", "3.00", round="a", reference="w")
    cast.rollback("w", "bob")
    assert status() == "active"
    cast.win("bob", "0.00", round="a")
    assert status() == "depleted"


def test_who_has_wagered_enough_is_completed_and_not_depleted():
    bonuses.wagering("10.00", multiplier=1)
    cast.bet("bob", "10.00", ends_round=True)
    assert status() == "completed"


# --- age ---------------------------------------------------------------------------------------


def test_a_stake_of_a_day_ago_is_waited_for_no_longer_by_the_job():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    bonuses.tend(at=NOON + DAY - 1)
    assert status() == "active"
    bonuses.tend(at=NOON + DAY)
    assert status() == "depleted"


def test_a_stake_of_a_day_ago_does_not_keep_alive_what_a_command_settles():
    bonuses.wagering("10.00", cash="0.00")
    cast.bet("bob", "4.00", round="lost")
    cast.bet("bob", "6.00", round="b", at=NOON + DAY)
    cast.end_round("bob", "b", at=NOON + DAY + SECOND)
    assert status() == "depleted"


def test_the_age_is_a_setting(settings):
    settings.UNSETTLED_STAKE_HOURS = 2
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    bonuses.tend(at=NOON + 2 * HOUR - 1)
    assert status() == "active"
    bonuses.tend(at=NOON + 2 * HOUR)
    assert status() == "depleted"


def test_a_win_within_the_day_still_belongs_to_the_bonus():
    bonuses.wagering("10.00")
    cast.bet("bob", "10.00")
    cast.win("bob", "30.00", at=NOON + DAY - 1)
    assert (status(), cast.balances("bob")) == ("active", (0, eur("30.00"), 0))


# --- within one posting ------------------------------------------------------------------------


def test_a_batch_sees_what_it_settles_itself():
    bonuses.wagering("10.00")
    cast.bet("bob", "4.00", round="a")
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR"}
    operations = (
        Bet(reference="b", round="b", game="slot-1", amount=eur("6.00"), **common),
        Win(reference="w", round="b", game="slot-1", amount=0, **common),
        EndRound(reference="e", round="a", **common),
    )
    receipts = cast.do(Batch(operations=operations))
    assert [receipt.wagering["status"] for receipt in receipts[:2]] == ["active", "active"]
    assert (status(), receipts[2].wagering) == ("depleted", None)
    assert Transaction.objects.filter(kind="FORFEIT").count() == 0


def test_a_batch_may_deplete_a_bonus_it_started():
    bonuses.wagering("10.00", multiplier=1)
    bonuses.gift("7.00", code="next")
    bonuses.grant("next")
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR"}
    operations = (
        Bet(reference="a", round="a", game="slot-1", amount=eur("10.00"), **common),
        Bet(reference="b", round="b", game="slot-1", amount=eur("7.00"), **common),
        EndRound(reference="e", round="b", **common),
    )
    cast.do(Batch(operations=operations))
    assert (status(), status("next")) == ("completed", "depleted")
