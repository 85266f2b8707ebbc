"""What may be staked while a bonus is active, and what of it counts (docs/bonus.md)."""

import pytest

from bonus.offers import edit_offer
from bonus.rules import BASIS_POINTS
from casino_pam.engine.commands import Batch, Bet, Rollback
from tests import bonuses, cast
from tests.cast import NOON, eur
from wallet.models import Player


@pytest.fixture(autouse=True)
def house(books):
    cast.house()


def wagered():
    whole, rest = divmod(bonuses.the().wagered, BASIS_POINTS)
    assert rest == 0
    return whole


# --- spend orders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "cash", "bonus"),
    [("cash_first", "-4.00", "-2.00"), ("bonus_first", "0.00", "-6.00"), ("proportional", "-1.71", "-4.29")],
)
def test_the_terms_say_which_balance_pays(order, cash, bonus):
    bonuses.wagering("10.00", cash="4.00", spend_order=order)
    row = cast.bet("bob", "6.00").row
    assert (row.cash_delta, row.bonus_delta) == (eur(cash), eur(bonus))


@pytest.mark.parametrize("order", ["cash_first", "bonus_first", "proportional"])
def test_no_more_than_both_balances_can_be_staked(order):
    bonuses.wagering("10.00", cash="4.00", spend_order=order)
    assert cast.bet("bob", "14.01").code == "insufficient_funds"
    assert cast.bet("bob", "14.00", round="r2").cash == 0


def test_a_bet_of_zero_counts_nothing():
    bonuses.wagering("10.00")
    receipt = cast.bet("bob", "0.00")
    assert (receipt.status, receipt.wagering["wagered"], wagered()) == ("posted", 0, 0)


def test_a_bet_paid_by_cash_alone_counts_too():
    bonuses.wagering("10.00", cash="4.00")
    receipt = cast.bet("bob", "4.00")
    assert (receipt.row.bonus_delta, receipt.row.contribution) == (0, eur("4.00") * BASIS_POINTS)


# --- weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "provider", "counts"),
    [("blackjack-1", "acme", 100), ("live-2", "acme", 50), ("slot-1", "zenith", 20), ("slot-1", "acme", 70)],
)
def test_the_most_specific_weight_counts(game, provider, counts):
    bonuses.game("blackjack-1", "live")
    bonuses.game("live-2", "live")
    weights = {
        "default": 7000,
        "game": {"blackjack-1": 10000},
        "category": {"live": 5000},
        "provider": {"zenith": 2000},
    }
    bonuses.wagering("10.00", weights=weights)
    cast.bet("bob", "1.00", game=game, source=provider)
    assert wagered() == counts


def test_a_game_that_counts_nothing_may_be_played_with_bonus_money():
    bonuses.wagering("10.00", weights={"game": {"slot-1": 0}})
    receipt = cast.bet("bob", "1.00")
    assert (receipt.bonus, wagered()) == (eur("9.00"), 0)


# --- excluded games ----------------------------------------------------------------------------


@pytest.mark.parametrize("excluded", [{"game": ["slot-9"]}, {"category": ["jackpots"]}])
def test_an_excluded_game_may_be_played_with_cash_only_and_counts_nothing(excluded):
    bonuses.game("slot-9", "jackpots")
    bonuses.wagering("10.00", cash="4.00", excluded=excluded, spend_order="bonus_first")
    refused = cast.bet("bob", "4.01", game="slot-9")
    assert (refused.code, refused.facts["cash"], refused.facts["bonus"]) == ("game_excluded", eur("4.00"), eur("10.00"))
    receipt = cast.bet("bob", "4.00", game="slot-9", round="r2")
    assert (receipt.cash, receipt.bonus, wagered()) == (0, eur("10.00"), 0)


def test_an_excluded_game_comes_before_a_stake_above_the_limit():
    bonuses.wagering("10.00", cash="4.00", excluded={"game": ["slot-9"]}, eur={"max_stake": "1.00"})
    assert cast.bet("bob", "9.00", game="slot-9").code == "game_excluded"
    assert cast.bet("bob", "4.00", game="slot-9").code == "stake_above_limit"


def test_a_stake_above_the_limit_comes_before_missing_funds():
    bonuses.wagering("10.00", eur={"max_stake": "1.00"})
    assert cast.bet("bob", "100.00").code == "stake_above_limit"


# --- the largest stake -------------------------------------------------------------------------


def test_the_largest_stake_is_of_the_whole_stake_whichever_balance_pays():
    bonuses.wagering("10.00", cash="100.00", eur={"max_stake": "5.00"})
    assert cast.bet("bob", "5.01").code == "stake_above_limit"
    assert cast.bet("bob", "5.00", round="r2").row.bonus_delta == 0


def test_a_refused_stake_is_remembered_and_counts_nothing():
    bonuses.wagering("10.00", eur={"max_stake": "5.00"})
    first = cast.bet("bob", "5.01", reference="b")
    again = cast.bet("bob", "5.01", reference="b")
    assert (first.facts["replayed"], again.facts["replayed"], again.code) == (False, True, "stake_above_limit")
    assert wagered() == 0


def test_too_high_a_stake_forfeits_the_bonus_if_cash_alone_pays_it():
    bonuses.wagering("10.00", cash="20.00", over_max_stake="forfeit", eur={"max_stake": "5.00"})
    bonuses.gift("7.00", code="next")
    bonuses.grant("next")
    receipt = cast.bet("bob", "20.00")
    assert [row[0] for row in bonuses.rows()][-3:] == ["FORFEIT", "BET", "GRANT"]
    assert (receipt.cash, receipt.bonus, receipt.row.bonus) == (0, eur("7.00"), None)
    assert (bonuses.the().status, bonuses.the("next").wagered) == ("forfeited", 0)


def test_too_high_a_stake_that_cash_alone_does_not_pay_changes_nothing():
    bonuses.wagering("10.00", cash="20.00", over_max_stake="forfeit", eur={"max_stake": "5.00"})
    assert cast.bet("bob", "20.01").code == "stake_above_limit"
    assert (bonuses.the().status, cast.balances("bob")) == ("active", (eur("20.00"), eur("10.00"), 0))


# --- nothing earns progress twice --------------------------------------------------------------


def test_bets_rolled_back_over_and_over_earn_nothing():
    bonuses.wagering("10.00", cash="10.00")
    for n in range(20):
        cast.bet("bob", "15.00", reference=f"b{n}", round=f"r{n}")
        cast.rollback(f"b{n}", "bob")
    assert (wagered(), cast.balances("bob")) == (0, (eur("10.00"), eur("10.00"), 0))


def a_bet(name, amount, round="r"):
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR", "game": "slot-1"}
    return Bet(reference=name, amount=eur(amount), round=round, **common)


@pytest.mark.parametrize("counted", ["all", "bonus", "cash"])
def test_a_stake_in_parts_counts_as_a_whole_one(counted):
    bonuses.wagering("10.00", cash="7.77", counted=counted, weights={"default": 333})
    cast.bet("bob", "9.99")
    whole = bonuses.the().wagered
    cast.player("bella", "7.77")
    bonuses.grant(who="bella")
    for n in range(333):
        cast.bet("bella", "0.03", round=f"r{n}")
    assert bonuses.the(who="bella").wagered == whole > 0
    assert cast.balances("bella") == cast.balances("bob")


def test_a_batch_counts_as_its_bets_one_by_one():
    bonuses.wagering("10.00", cash="7.77")
    operations = [a_bet(f"b{n}", "1.11", f"r{n}") for n in range(9)]
    receipts = cast.do(Batch(operations=tuple(operations)))
    assert [receipt.wagering["wagered"] for receipt in receipts] == [eur("1.11") * n for n in range(1, 10)]
    assert wagered() == eur("9.99")


def test_a_bet_and_its_rollback_in_one_batch_earn_nothing():
    bonuses.wagering("10.00")
    undo = Rollback(source="acme", player="bob", at=NOON, reference="x", original="b0")
    receipts = cast.do(Batch(operations=(a_bet("b0", "5.00"), undo)))
    assert [receipt.wagering["wagered"] for receipt in receipts] == [eur("5.00"), 0]
    assert (wagered(), cast.balances("bob")) == (0, (0, eur("10.00"), 0))


def test_a_rollback_gives_back_the_recorded_contribution_whatever_the_game_is_now():
    game = bonuses.game("live-1", "live")
    bonuses.wagering("10.00", weights={"category": {"live": 500}})
    cast.bet("bob", "4.00", game="live-1", reference="b")
    game.category = "slots"
    game.save()
    cast.rollback("b", "bob")
    assert bonuses.the().wagered == 0


def test_editing_or_disabling_an_offer_changes_no_bonus_already_granted():
    bonus = bonuses.wagering("10.00", multiplier=2, weights={"default": 5000}, eur={"max_stake": "5.00"})
    edit_offer(
        bonus.offer,
        {
            "enabled": False,
            "multiplier": 50,
            "weights": {"default": 100},
            "amounts": {"EUR": {"amount": "1.00", "max_stake": "0.01"}},
        },
    )
    receipt = cast.bet("bob", "5.00")
    assert (receipt.wagering["wagered"], receipt.wagering["required"]) == (eur("2.50"), eur("20.00"))
    assert bonuses.grant(who="bob").facts["why"] == "disabled"


def test_a_locked_player_is_told_so_before_any_rule_of_the_bonus():
    bonuses.wagering("10.00", excluded={"game": ["slot-9"]})
    Player.objects.update(bet_locked=True)
    assert cast.bet("bob", "1.00", game="slot-9").code == "wallet_locked"
