"""What comes after a bonus has ended: wins, rollbacks of bets, rollbacks of wins (docs/bonus.md, late things)."""

import pytest

from bonus.rules import BASIS_POINTS
from tests import bonus_scenario, scenario
from tests.scenario import eur

LATER = scenario.NOON + 3 * scenario.DAY


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.profile(rollback_wins=True, rollback_after_win="allow")


def completed(**fields):
    """Bob's bonus of 20.00, of which 4.00 was converted while a stake of 4.00 cash and 2.00 bonus is still open."""
    bonus = bonus_scenario.wagering("20.00", cash="4.00", **{"multiplier": 1, **fields})
    scenario.bet("bob", "6.00", reference="early", round="early")
    scenario.bet("bob", "14.00", reference="last", round="last")
    bonus.refresh_from_db()
    assert bonus_scenario.ended("CONVERT", bonus).amount == eur("4.00")
    assert bonus.status == "completed"
    return bonus


def gone(status="expired", **fields):
    """As above, but the bonus ended otherwise."""
    bonus = bonus_scenario.wagering("10.00", cash="4.00", **{"multiplier": 10, "spend_days": 1, **fields})
    scenario.bet("bob", "6.00", reference="early", round="early")
    if status == "expired":
        bonus_scenario.run_due(at=LATER)
    else:
        bonus_scenario.forfeit(bonus.id)
    bonus.refresh_from_db()
    assert bonus.status == status
    return bonus


# --- wins --------------------------------------------------------------------------------------


def test_a_late_win_of_a_completed_bonus_is_cash():
    bonus = completed()
    win = scenario.win("bob", "12.00", round="early")
    assert (win.row.cash_delta, win.row.bonus_delta, win.row.void_amount) == (eur("12.00"), 0, 0)
    assert str(win.row.bonus) == str(bonus.id)
    assert win.wagering["status"] == "completed"


def test_a_late_win_converts_no_more_than_is_left_of_the_maximum():
    bonus = completed(eur={"max_conversion": "5.50"})
    win = scenario.win("bob", "12.00", round="early")
    # Two thirds are the player's own; of the bonus part of 4.00 the 1.50 left of 5.50 is paid.
    assert (win.row.cash_delta, win.row.void_amount) == (eur("9.50"), eur("2.50"))
    bonus.refresh_from_db()
    assert bonus.converted == eur("5.50")


def test_converted_keeps_counting_over_several_late_wins():
    bonus = completed(eur={"max_conversion": "6.50"})
    wins = [scenario.win("bob", "6.00", round="early").row for _ in range(3)]
    assert [row.cash_delta for row in wins] == [eur("6.00"), eur("4.50"), eur("4.00")]
    assert [row.void_amount for row in wins] == [0, eur("1.50"), eur("2.00")]
    bonus.refresh_from_db()
    assert bonus.converted == eur("6.50")


def test_a_late_win_of_a_bonus_that_converts_no_more_than_was_granted_keeps_to_that():
    completed(conversion="original", eur={"amount": "20.00"})
    win = scenario.win("bob", "60.00", round="early")
    assert (win.row.cash_delta, win.row.void_amount) == (eur("56.00"), eur("4.00"))


@pytest.mark.parametrize("status", ["expired", "forfeited"])
def test_a_late_win_of_a_bonus_that_ended_otherwise_pays_its_cash_part_only(status):
    bonus = gone(status)
    win = scenario.win("bob", "12.00", round="early", at=LATER)
    assert (win.row.cash_delta, win.row.bonus_delta, win.row.void_amount) == (eur("8.00"), 0, eur("4.00"))
    assert str(win.row.bonus) == str(bonus.id)
    assert (win.amount, win.wagering["status"]) == (eur("12.00"), status)


def test_a_win_belongs_to_the_bonus_of_the_newest_stake_with_a_bonus_part():
    first = gone("forfeited")
    bonus_scenario.gift("20.00", code="next")
    bonus_scenario.grant("next")
    scenario.bet("bob", "10.00", round="early", reference="second")
    win = scenario.win("bob", "16.00", round="early")
    # 4.00 cash and 2.00 + 10.00 bonus money were staked.
    assert (win.row.cash_delta, win.row.bonus_delta, win.row.void_amount) == (eur("4.00"), eur("12.00"), 0)
    assert str(win.row.bonus) == str(bonus_scenario.the("next").id) != str(first.id)


def test_a_stake_rolled_back_is_not_the_newest_one():
    first = gone("forfeited")
    bonus_scenario.gift("20.00", code="next")
    bonus_scenario.grant("next")
    scenario.bet("bob", "10.00", round="early", reference="second")
    scenario.rollback("second", "bob")
    win = scenario.win("bob", "12.00", round="early")
    assert (win.row.cash_delta, win.row.void_amount) == (eur("8.00"), eur("4.00"))
    assert str(win.row.bonus) == str(first.id)


# --- rollbacks of bets -------------------------------------------------------------------------


def test_a_refund_of_a_completed_bonus_is_cash_and_no_conversion():
    bonus = completed(eur={"max_conversion": "4.00"})
    before = scenario.balances("bob")[0]
    back = scenario.rollback("early", "bob")
    assert (back.row.cash_delta, back.row.bonus_delta, back.row.void_amount) == (eur("6.00"), 0, 0)
    assert scenario.balances("bob") == (before + eur("6.00"), 0, 0)
    bonus.refresh_from_db()
    assert bonus.converted == eur("4.00")


def test_progress_follows_rollbacks_after_the_end_and_the_status_does_not():
    bonus = completed()
    back = scenario.rollback("last", "bob")
    bonus.refresh_from_db()
    assert (bonus.status, bonus.wagered) == ("completed", eur("6.00") * BASIS_POINTS)
    # It is up for review, and still shows all of it.
    assert (back.wagering["wagered"], back.wagering["percent"]) == (bonus.required, 100)


@pytest.mark.parametrize("status", ["expired", "forfeited"])
def test_a_refund_of_a_bonus_that_ended_otherwise_returns_its_cash_part_only(status):
    bonus = gone(status)
    back = scenario.rollback("early", "bob", at=LATER)
    assert (back.row.cash_delta, back.row.bonus_delta, back.row.void_amount) == (eur("4.00"), 0, eur("2.00"))
    assert back.amount == eur("4.00")
    bonus.refresh_from_db()
    assert (bonus.status, bonus.wagered) == (status, 0)


# --- rollbacks of wins -------------------------------------------------------------------------


def test_a_win_taken_back_while_its_bonus_lives_leaves_as_it_came():
    bonus_scenario.wagering("10.00", cash="4.00")
    scenario.bet("bob", "6.00", round="early")
    scenario.win("bob", "12.00", round="early", reference="w")
    back = scenario.rollback("w", "bob")
    assert (back.row.cash_delta, back.row.bonus_delta) == (eur("-8.00"), eur("-4.00"))
    assert scenario.balances("bob") == (0, eur("8.00"), 0)


def test_a_win_taken_back_after_completion_leaves_in_cash():
    bonus = bonus_scenario.wagering("10.00", cash="4.00", multiplier=1)
    scenario.bet("bob", "6.00", round="early")
    scenario.win("bob", "12.00", round="early", reference="w")
    scenario.bet("bob", "4.00", round="last")
    assert bonus_scenario.ended("CONVERT", bonus).cash_delta == eur("12.00")
    back = scenario.rollback("w", "bob")
    assert (back.row.cash_delta, back.row.bonus_delta) == (eur("-12.00"), 0)


@pytest.mark.parametrize("status", ["expired", "forfeited"])
def test_a_win_taken_back_after_another_end_leaves_only_its_cash_part(status):
    bonus = bonus_scenario.wagering("10.00", cash="4.00", spend_days=1)
    scenario.bet("bob", "6.00", round="early")
    scenario.win("bob", "12.00", round="early", reference="w")
    bonus_scenario.run_due(at=LATER) if status == "expired" else bonus_scenario.forfeit(bonus.id)
    back = scenario.rollback("w", "bob", at=LATER)
    assert (back.row.cash_delta, back.row.bonus_delta, back.row.void_amount) == (eur("-8.00"), 0, eur("4.00"))
    assert scenario.balances("bob") == (0, 0, 0)


def test_a_late_win_taken_back_gives_its_share_of_the_maximum_back():
    bonus = completed(eur={"max_conversion": "5.50"})
    scenario.win("bob", "12.00", round="early", reference="w")
    taken = scenario.rollback("w", "bob")
    assert (taken.row.cash_delta, taken.row.void_amount) == (eur("-9.50"), eur("2.50"))
    bonus.refresh_from_db()
    assert bonus.converted == eur("4.00")
    assert scenario.win("bob", "12.00", round="early").row.cash_delta == eur("9.50")


def test_what_the_bonus_balance_lacks_comes_from_cash():
    bonus_scenario.wagering("10.00", cash="4.00", spend_order="bonus_first")
    scenario.bet("bob", "12.00", round="early")
    scenario.win("bob", "12.00", round="early", reference="w")
    scenario.bet("bob", "9.00", round="next")
    assert scenario.balances("bob") == (eur("4.00") - eur("2.00") + eur("2.00"), eur("1.00"), 0)
    scenario.deposit("bob", amount=eur("20.00"))
    back = scenario.rollback("w", "bob")
    assert (back.row.cash_delta, back.row.bonus_delta) == (eur("-11.00"), eur("-1.00"))


def test_what_cash_lacks_comes_from_the_bonus_balance():
    bonus_scenario.wagering("10.00", cash="4.00")
    scenario.bet("bob", "6.00", round="early")
    scenario.win("bob", "6.00", round="early", reference="w")
    scenario.bet("bob", "4.00", round="next")
    back = scenario.rollback("w", "bob")
    assert (back.row.cash_delta, back.row.bonus_delta) == (0, eur("-6.00"))


def test_what_neither_balance_has_refuses_or_is_recorded_as_shortfall():
    bonus_scenario.wagering("10.00", cash="4.00")
    scenario.bet("bob", "14.00", round="early")
    scenario.win("bob", "14.00", round="early", reference="w")
    scenario.bet("bob", "10.00", round="next")
    refused = scenario.rollback("w", "bob")
    assert refused.code == "insufficient_funds"
    scenario.profile(win_rollback="clamp")
    clamped = scenario.rollback("w", "bob")
    assert (clamped.row.cash_delta, clamped.row.bonus_delta, clamped.row.shortfall) == (0, eur("-4.00"), eur("10.00"))
    assert clamped.amount == eur("4.00")


# --- adjustments -------------------------------------------------------------------------------


def test_what_was_converted_wrongly_is_taken_back_by_an_adjustment_naming_the_bonus():
    bonus = completed()
    receipt = scenario.adjust("bob", "-3.00", bonus=str(bonus.id))
    assert (receipt.row.bonus, receipt.cash) == (str(bonus.id), eur("1.00"))
    assert receipt.wagering["bonus"] == str(bonus.id)


def test_an_adjustment_cannot_name_another_players_bonus():
    bonus = completed()
    scenario.alice("10.00")
    refused = scenario.adjust("alice", "-3.00", bonus=str(bonus.id))
    assert refused.code == "unknown_bonus"
    assert scenario.balances("alice") == (eur("10.00"), 0, 0)
