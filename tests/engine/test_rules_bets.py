"""PLAY.md rules 7-9: which bets are accepted, bets of zero, and when a round is open."""

from __future__ import annotations

import pytest

from casino_pam.engine import commands
from tests import scenario
from tests.scenario import word
from wallet.models import Currency, Game, Player, Provider, Transaction


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("100.00")


# --- 7: what may be bet --------------------------------------------------------------------------


def test_rule_7_a_bet_takes_its_stake_from_cash():
    receipt = scenario.bet(reference="b", amount="10.00")
    assert (receipt.status, receipt.amount, receipt.cash, receipt.bonus, receipt.version) == (
        "posted",
        1000,
        9000,
        0,
        2,
    )
    assert (receipt.row.kind, receipt.row.reference, receipt.currency, receipt.digits) == ("BET", "b", "EUR", 2)
    assert not receipt.replayed
    assert scenario.balances() == (9000, 0, 0)


def test_rule_7_the_last_cent_may_be_bet_and_no_cent_more():
    assert scenario.bet(amount="100.01").code == "insufficient_funds"
    assert scenario.bet(amount="100.00").cash == 0
    assert scenario.bet(amount="0.01").code == "insufficient_funds"


def test_rule_7_held_money_cannot_be_bet():
    scenario.hold(amount="60.00")
    assert scenario.bet(amount="40.01").code == "insufficient_funds"
    assert scenario.bet(amount="40.00").status == "posted"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"bet_locked": True}, "wallet_locked"),
        ({"deposit_locked": True, "withdraw_locked": True}, "posted"),
        ({"excluded_until": scenario.moment(scenario.NOON + 1)}, "player_excluded"),
        ({"excluded_until": scenario.moment(scenario.NOON)}, "posted"),
        ({"excluded_until": None}, "posted"),
    ],
)
def test_rule_7_the_player_must_be_allowed_to_bet(fields, code):
    Player.objects.filter(code="alice").update(**fields)
    assert word(scenario.bet()) == code


def test_rule_7_exclusion_is_judged_by_the_time_the_bet_was_received():
    Player.objects.filter(code="alice").update(excluded_until=scenario.moment(scenario.NOON))
    assert word(scenario.bet(at=scenario.NOON - 1)) == "player_excluded"
    assert word(scenario.bet(at=scenario.NOON)) == "posted"


def test_rule_7_provider_game_and_currency_must_be_enabled():
    acme = Provider.objects.get(code="acme")
    Game.objects.create(provider=acme, code="off", enabled=False)
    Game.objects.create(provider=acme, code="on", category="slots")
    assert [word(scenario.bet(game=game)) for game in ("off", "on", "unheard-of")] == ["forbidden", "posted", "posted"]
    assert word(scenario.bet(game="off", source="zenith")) == "posted"
    scenario.profile(enabled=False)
    assert scenario.bet().facts["why"] == "provider_disabled"
    assert word(scenario.bet(source="zenith")) == "posted"
    Currency.objects.filter(code="EUR").update(enabled=False)
    assert word(scenario.bet(source="zenith")) == "currency_disabled"


def test_rule_7_a_source_without_a_provider_may_not_bet():
    assert word(scenario.bet(source="nobody")) == "forbidden"
    assert Transaction.objects.filter(kind="BET").count() == 0


# --- 8: bets and wins of zero --------------------------------------------------------------------


def test_rule_8_a_bet_of_zero_is_a_row_without_money():
    receipt = scenario.bet(reference="b", amount="0.00")
    assert (receipt.status, receipt.amount, receipt.cash, receipt.version) == ("posted", 0, 10000, 2)
    assert scenario.bet(reference="b", amount="0.00").replayed


def test_rule_8_a_bet_of_zero_needs_no_funds_but_all_else():
    scenario.hold(amount="100.00")
    assert word(scenario.bet(amount="0.00")) == "posted"
    scenario.end_round()
    assert word(scenario.bet(amount="0.00")) == "round_closed"
    Player.objects.update(bet_locked=True)
    assert word(scenario.bet(amount="0.00", round="round-2")) == "wallet_locked"


def test_rule_8_the_profile_may_refuse_bets_of_zero_as_malformed():
    scenario.profile(zero_amount="refuse")
    refused = scenario.bet(reference="b", amount="0.00")
    assert (refused.code, refused.status, refused.facts["field"]) == ("invalid_field", 400, "amount")
    assert not Transaction.objects.filter(reference="b").exists()
    assert word(scenario.bet(amount="0.01")) == "posted"
    assert word(scenario.bet(amount="0.00", source="zenith")) == "posted"


def test_rule_8_a_malformed_bet_is_told_so_before_its_player_is_looked_for():
    scenario.profile(zero_amount="refuse")
    assert word(scenario.bet("nobody", amount="0.00")) == "invalid_field"


def test_rule_8_the_profile_refuses_a_whole_batch_with_a_bet_of_zero_in_it():
    scenario.profile(zero_amount="refuse")
    fields = {"source": "acme", "player": "alice", "at": scenario.NOON, "currency": "EUR", "round": "r", "game": "g"}
    operations = tuple(commands.Bet(reference=f"b{amount}", amount=amount, **fields) for amount in (99_999, 0))
    refused = scenario.do(commands.Batch(operations=operations))
    assert (refused.code, refused.facts["field"]) == ("invalid_field", "operations[1].amount")
    assert Transaction.objects.filter(kind="BET").count() == 0


@pytest.mark.parametrize("zero_amount", ["accept", "refuse"])
def test_rule_8_a_win_of_zero_is_always_accepted(zero_amount):
    scenario.profile(zero_amount=zero_amount)
    scenario.bet()
    receipt = scenario.win(amount="0.00", ends_round=True)
    assert (receipt.status, receipt.amount, receipt.cash) == ("posted", 0, 9000)
    assert word(scenario.bet()) == "round_closed"


# --- 9: rounds -----------------------------------------------------------------------------------

CLOSING = {
    "an end of round": lambda: scenario.end_round(reference="closing"),
    "a bet that ends it": lambda: scenario.bet(reference="closing", amount="1.00", ends_round=True),
    "a win that ends it": lambda: scenario.win(reference="closing", amount="1.00", ends_round=True),
}


@pytest.mark.parametrize("closing", CLOSING)
def test_rule_9_a_bet_on_a_closed_round_is_refused_also_when_the_end_came_first(closing):
    assert word(CLOSING[closing]()) == "posted"
    refused = scenario.bet(reference="b")
    assert (refused.code, refused.facts["round"]) == ("round_closed", "round-1")
    assert Transaction.objects.get(reference="b").status == "REFUSED"
    assert Transaction.objects.filter(round="round-1", ends_round=True).count() == 1


@pytest.mark.parametrize("closing", [closing for closing in CLOSING if "end of" not in closing])
def test_rule_9_a_rollback_of_what_ended_the_round_reopens_it(closing):
    scenario.profile(rollback_wins=True)
    CLOSING[closing]()
    assert word(scenario.rollback("closing")) == "posted"
    assert word(scenario.bet()) == "posted"


def test_rule_9_a_round_that_ended_twice_is_reopened_by_neither_rollback_alone():
    scenario.profile(rollback_wins=True, late_win="accept")
    scenario.bet(reference="first", ends_round=True)
    scenario.win(reference="second", ends_round=True, win_source="jackpot")
    scenario.rollback("first")
    assert word(scenario.bet()) == "round_closed"
    scenario.rollback("second")
    assert word(scenario.bet()) == "posted"


def test_rule_9_a_refused_bet_closes_nothing():
    assert word(scenario.bet(amount="500.00", ends_round=True)) == "insufficient_funds"
    assert word(scenario.bet()) == "posted"


def test_rule_9_a_void_bet_closes_nothing():
    scenario.rollback("b", round="round-1")
    assert word(scenario.bet(reference="b", ends_round=True)) == "rolled_back"
    assert word(scenario.bet()) == "posted"


def test_rule_9_a_round_is_one_of_a_provider_and_of_a_wallet():
    scenario.bob("10.00")
    scenario.player("alice", "10", currency="JPY")
    scenario.end_round()
    assert word(scenario.bet()) == "round_closed"
    assert word(scenario.bet(source="zenith")) == "posted"
    assert word(scenario.bet("bob")) == "posted"
    assert word(scenario.bet(currency="JPY", amount="0.10")) == "posted"
    assert word(scenario.bet(round="round-2")) == "posted"


def test_rule_9_a_bet_on_a_round_that_already_had_wins_is_fine():
    scenario.win()
    scenario.bet()
    scenario.win()
    assert word(scenario.bet()) == "posted"
