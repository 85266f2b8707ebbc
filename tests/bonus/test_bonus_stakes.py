"""What may be staked while a bonus is active, and what of it counts (docs/bonus.md)."""

import pytest

from bonus.offers import edit_offer
from bonus.rules import BASIS_POINTS
from casino_pam.engine.commands import Batch, Bet, Rollback
from tests import bonus_scenario, scenario
from tests.scenario import NOON, eur
from wallet.models import Player


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


def wagered():
    whole, rest = divmod(bonus_scenario.the().wagered, BASIS_POINTS)
    assert rest == 0
    return whole


# --- spend orders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "cash", "bonus"),
    [("cash_first", "-4.00", "-2.00"), ("bonus_first", "0.00", "-6.00"), ("proportional", "-1.71", "-4.29")],
)
def test_the_terms_say_which_balance_pays(order, cash, bonus):
    bonus_scenario.wagering("10.00", cash="4.00", spend_order=order)
    row = scenario.bet("bob", "6.00").row
    assert (row.cash_delta, row.bonus_delta) == (eur(cash), eur(bonus))


@pytest.mark.parametrize("order", ["cash_first", "bonus_first", "proportional"])
def test_no_more_than_both_balances_can_be_staked(order):
    bonus_scenario.wagering("10.00", cash="4.00", spend_order=order)
    assert scenario.bet("bob", "14.01").code == "insufficient_funds"
    assert scenario.bet("bob", "14.00", round="r2").cash == 0


def test_a_bet_of_zero_counts_nothing():
    bonus_scenario.wagering("10.00")
    receipt = scenario.bet("bob", "0.00")
    assert (receipt.status, receipt.wagering["wagered"], wagered()) == ("posted", 0, 0)


def test_a_bet_paid_by_cash_alone_counts_too():
    bonus_scenario.wagering("10.00", cash="4.00")
    receipt = scenario.bet("bob", "4.00")
    assert (receipt.row.bonus_delta, receipt.row.contribution) == (0, eur("4.00") * BASIS_POINTS)


# --- weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "provider", "counts"),
    [("blackjack-1", "acme", 100), ("live-2", "acme", 50), ("slot-1", "zenith", 20), ("slot-1", "acme", 70)],
)
def test_the_most_specific_weight_counts(game, provider, counts):
    bonus_scenario.game("blackjack-1", "live")
    bonus_scenario.game("live-2", "live")
    weights = {
        "default": 7000,
        "game": {"blackjack-1": 10000},
        "category": {"live": 5000},
        "provider": {"zenith": 2000},
    }
    bonus_scenario.wagering("10.00", weights=weights)
    scenario.bet("bob", "1.00", game=game, source=provider)
    assert wagered() == counts


def test_a_game_that_counts_nothing_may_be_played_with_bonus_money():
    bonus_scenario.wagering("10.00", weights={"game": {"slot-1": 0}})
    receipt = scenario.bet("bob", "1.00")
    assert (receipt.bonus, wagered()) == (eur("9.00"), 0)


# --- excluded games ----------------------------------------------------------------------------


@pytest.mark.parametrize("excluded", [{"game": ["slot-9"]}, {"category": ["jackpots"]}])
def test_an_excluded_game_may_be_played_with_cash_only_and_counts_nothing(excluded):
    bonus_scenario.game("slot-9", "jackpots")
    bonus_scenario.wagering("10.00", cash="4.00", excluded=excluded, spend_order="bonus_first")
    refused = scenario.bet("bob", "4.01", game="slot-9")
    assert (refused.code, refused.facts["cash"], refused.facts["bonus"]) == ("game_excluded", eur("4.00"), eur("10.00"))
    receipt = scenario.bet("bob", "4.00", game="slot-9", round="r2")
    assert (receipt.cash, receipt.bonus, wagered()) == (0, eur("10.00"), 0)


def test_an_excluded_game_comes_before_a_stake_above_the_limit():
    bonus_scenario.wagering("10.00", cash="4.00", excluded={"game": ["slot-9"]}, eur={"max_stake": "1.00"})
    assert scenario.bet("bob", "9.00", game="slot-9").code == "game_excluded"
    assert scenario.bet("bob", "4.00", game="slot-9").code == "stake_above_limit"


def test_a_stake_above_the_limit_comes_before_missing_funds():
    bonus_scenario.wagering("10.00", eur={"max_stake": "1.00"})
    assert scenario.bet("bob", "100.00").code == "stake_above_limit"


# --- the largest stake -------------------------------------------------------------------------


def test_the_largest_stake_is_of_the_whole_stake_whichever_balance_pays():
    bonus_scenario.wagering("10.00", cash="100.00", eur={"max_stake": "5.00"})
    assert scenario.bet("bob", "5.01").code == "stake_above_limit"
    assert scenario.bet("bob", "5.00", round="r2").row.bonus_delta == 0


def test_a_refused_stake_is_remembered_and_counts_nothing():
    bonus_scenario.wagering("10.00", eur={"max_stake": "5.00"})
    first = scenario.bet("bob", "5.01", reference="b")
    again = scenario.bet("bob", "5.01", reference="b")
    assert (first.facts["replayed"], again.facts["replayed"], again.code) == (False, True, "stake_above_limit")
    assert wagered() == 0


def test_too_high_a_stake_forfeits_the_bonus_if_cash_alone_pays_it():
    bonus_scenario.wagering("10.00", cash="20.00", over_max_stake="forfeit", eur={"max_stake": "5.00"})
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    receipt = scenario.bet("bob", "20.00")
    assert [row[0] for row in bonus_scenario.rows()][-3:] == ["FORFEIT", "BET", "GRANT"]
    assert (receipt.cash, receipt.bonus, receipt.row.bonus) == (0, eur("7.00"), None)
    assert (bonus_scenario.the().status, bonus_scenario.the("next").wagered) == ("forfeited", 0)


def test_too_high_a_stake_that_cash_alone_does_not_pay_changes_nothing():
    bonus_scenario.wagering("10.00", cash="20.00", over_max_stake="forfeit", eur={"max_stake": "5.00"})
    assert scenario.bet("bob", "20.01").code == "stake_above_limit"
    assert (bonus_scenario.the().status, scenario.balances("bob")) == ("active", (eur("20.00"), eur("10.00"), 0))


# --- nothing earns progress twice --------------------------------------------------------------


def test_bets_rolled_back_over_and_over_earn_nothing():
    bonus_scenario.wagering("10.00", cash="10.00")
    for n in range(20):
        scenario.bet("bob", "15.00", reference=f"b{n}", round=f"r{n}")
        scenario.rollback(f"b{n}", "bob")
    assert (wagered(), scenario.balances("bob")) == (0, (eur("10.00"), eur("10.00"), 0))


def a_bet(name, amount, round="r"):
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR", "game": "slot-1"}
    return Bet(reference=name, amount=eur(amount), round=round, **common)


@pytest.mark.parametrize("counted", ["all", "bonus", "cash"])
def test_a_stake_in_parts_counts_as_a_whole_one(counted):
    bonus_scenario.wagering("10.00", cash="7.77", counted=counted, weights={"default": 333})
    scenario.bet("bob", "9.99")
    whole = bonus_scenario.the().wagered
    scenario.player("bella", "7.77")
    bonus_scenario.grant(who="bella")
    for n in range(333):
        scenario.bet("bella", "0.03", round=f"r{n}")
    assert bonus_scenario.the(who="bella").wagered == whole > 0
    assert scenario.balances("bella") == scenario.balances("bob")


def test_a_batch_counts_as_its_bets_one_by_one():
    bonus_scenario.wagering("10.00", cash="7.77")
    operations = [a_bet(f"b{n}", "1.11", f"r{n}") for n in range(9)]
    receipts = scenario.do(Batch(operations=tuple(operations)))
    assert [receipt.wagering["wagered"] for receipt in receipts] == [eur("1.11") * n for n in range(1, 10)]
    assert wagered() == eur("9.99")


def test_a_bet_and_its_rollback_in_one_batch_earn_nothing():
    bonus_scenario.wagering("10.00")
    undo = Rollback(source="acme", player="bob", at=NOON, reference="x", original="b0")
    receipts = scenario.do(Batch(operations=(a_bet("b0", "5.00"), undo)))
    assert [receipt.wagering["wagered"] for receipt in receipts] == [eur("5.00"), 0]
    assert (wagered(), scenario.balances("bob")) == (0, (0, eur("10.00"), 0))


def test_a_rollback_gives_back_the_recorded_contribution_whatever_the_game_is_now():
    game = bonus_scenario.game("live-1", "live")
    bonus_scenario.wagering("10.00", weights={"category": {"live": 500}})
    scenario.bet("bob", "4.00", game="live-1", reference="b")
    game.category = "slots"
    game.save()
    scenario.rollback("b", "bob")
    assert bonus_scenario.the().wagered == 0


def test_editing_or_disabling_an_offer_changes_no_bonus_already_granted():
    bonus = bonus_scenario.wagering("10.00", multiplier=2, weights={"default": 5000}, eur={"max_stake": "5.00"})
    edit_offer(
        bonus.offer,
        {
            "enabled": False,
            "multiplier": 50,
            "weights": {"default": 100},
            "amounts": {"EUR": {"amount": "1.00", "max_stake": "0.01"}},
        },
    )
    receipt = scenario.bet("bob", "5.00")
    assert (receipt.wagering["wagered"], receipt.wagering["required"]) == (eur("2.50"), eur("20.00"))
    assert bonus_scenario.grant(who="bob").facts["why"] == "disabled"


def test_a_locked_player_is_told_so_before_any_rule_of_the_bonus():
    bonus_scenario.wagering("10.00", excluded={"game": ["slot-9"]})
    Player.objects.update(bet_locked=True)
    assert scenario.bet("bob", "1.00", game="slot-9").code == "wallet_locked"


@pytest.mark.parametrize("cash", ["0.00", "20.00"])
def test_a_share_of_a_small_bonus_that_rounds_to_nothing_lets_the_smallest_unit_be_staked(cash):
    bonus_scenario.wagering("0.05", cash=cash, max_stake_bp=1000)
    assert scenario.bet("bob", "0.02").code == "stake_above_limit"
    assert scenario.word(scenario.bet("bob", "0.01")) == "posted"
