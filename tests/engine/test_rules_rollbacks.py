"""PLAY.md rules 15-22: a rollback undoes its original once, by what is stored, and always gets an answer."""

from __future__ import annotations

import pytest

from casino_pam.engine import commands
from tests import scenario
from tests.scenario import word
from wallet.models import Transaction


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("100.00")


def find(reference, kind="ROLLBACK", who="alice"):
    return scenario.do(commands.Find(source="acme", player=who, at=scenario.NOON, kind=kind, reference=reference))


def rows():
    """Every row of play in version order, as kind, reference, status."""
    play = Transaction.objects.exclude(kind="DEPOSIT").order_by("wallet", "version")
    return [(row.kind, row.reference, row.status) for row in play]


# --- 15: the stored row decides ------------------------------------------------------------------


def test_rule_15_a_rollback_gives_back_what_the_bet_took():
    scenario.bet(reference="b", amount="10.00")
    receipt = scenario.rollback("b", reference="r")
    assert (receipt.status, receipt.amount, receipt.cash, receipt.version) == ("posted", 1000, 10000, 3)
    row = receipt.row
    assert (row.kind, row.original, row.round, row.game, row.amount) == ("ROLLBACK", "b", "round-1", "slot-1", 1000)
    assert row.closes == str(Transaction.objects.get(reference="b").id)


def test_rule_15_what_the_rollback_names_may_agree():
    scenario.bet(reference="b", amount="10.00")
    told = {"currency": "EUR", "round": "round-1", "game": "slot-1", "amount": "10", "original_kind": "BET"}
    assert word(scenario.rollback("b", **told)) == "posted"


@pytest.mark.parametrize(
    ("told", "differing"),
    [
        ({"currency": "JPY"}, ["currency"]),
        ({"amount": "9.99"}, ["amount"]),
        ({"amount": "5.00"}, ["amount"]),
        ({"amount": "10.001"}, ["amount"]),
        ({"round": "other"}, ["round"]),
        ({"game": "other"}, ["game"]),
        ({"game": "other", "round": "other", "amount": "1.00"}, ["amount", "round", "game"]),
    ],
)
@pytest.mark.parametrize("kind", ["BET", "WIN"])
def test_rule_15_what_it_names_must_not_disagree(told, differing, kind):
    scenario.profile(rollback_wins=True)
    scenario.player("alice", "500", currency="JPY")
    (scenario.bet if kind == "BET" else scenario.win)(reference="b")
    before = rows()
    refused = scenario.rollback("b", **told)
    assert (refused.code, refused.facts["differing"]) == ("original_mismatch", differing)
    assert rows() == before


def test_rule_15_the_currency_it_need_not_name_is_the_originals():
    scenario.player("alice", "500", currency="JPY")
    scenario.bet(reference="b", currency="JPY", amount="1.00")
    receipt = scenario.rollback("b")
    assert (receipt.currency, receipt.digits, receipt.amount, receipt.cash) == ("JPY", 0, 100, 500)


@pytest.mark.parametrize("unknown_rollback", ["void", "not_found"])
def test_rule_15_the_original_of_another_player_is_unknown_and_stays_his(unknown_rollback):
    scenario.profile(unknown_rollback=unknown_rollback)
    scenario.bob("10.00")
    scenario.bet("bob", reference="his")
    answer = scenario.rollback("his", reference="r")
    assert word(answer) == ("void" if unknown_rollback == "void" else "unknown_original")
    assert rows() == [("ROLLBACK", "r", "VOID"), ("BET", "his", "POSTED")]
    assert word(scenario.rollback("his", reference="r")) == word(find("r")) == word(answer)
    assert word(scenario.rollback("his", "bob")) == "posted"


def test_rule_15_ones_own_win_is_found_behind_anothers_bet_of_the_same_name():
    scenario.profile(rollback_wins=True)
    scenario.bob("10.00")
    scenario.bet("bob", reference="same")
    scenario.win(reference="same")
    assert word(scenario.rollback("same")) == "posted"
    assert scenario.balances() == (10000, 0, 0)


# --- 16: unknown originals -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, "BET", "WIN"])
def test_rule_16_an_unknown_original_is_spent_and_the_answer_is_void(kind):
    receipt = scenario.rollback(
        "never", reference="r", original_kind=kind, round="round-1", game="slot-1", amount="10.00"
    )
    assert (receipt.status, receipt.amount, receipt.cash, receipt.replayed) == ("void", 0, 10000, False)
    assert receipt.version == 3
    assert rows() == [("ROLLBACK", "r", "VOID"), (kind or "BET", "never", "VOID")]
    spent = Transaction.objects.get(reference="never")
    assert (spent.round, spent.game, spent.amount) == ("round-1", "slot-1", 0)
    late = scenario.win(reference="never") if kind == "WIN" else scenario.bet(reference="never")
    assert word(late) == "rolled_back"


def test_rule_16_the_void_row_has_round_and_game_only_if_they_were_named():
    scenario.rollback("never")
    spent = Transaction.objects.get(reference="never")
    assert (spent.round, spent.game) == (None, None)


def test_rule_16_naming_a_win_leaves_the_bet_of_that_name_free():
    scenario.rollback("same", original_kind="WIN")
    assert word(scenario.bet(reference="same")) == "posted"
    assert word(scenario.win(reference="same")) == "rolled_back"


def test_rule_16_the_profile_may_call_it_not_found_with_the_same_effect():
    scenario.profile(unknown_rollback="not_found")
    refused = scenario.rollback("never", reference="r")
    assert (refused.code, refused.status, refused.facts["balance"]) == ("unknown_original", 409, 10000)
    assert rows() == [("ROLLBACK", "r", "VOID"), ("BET", "never", "VOID")]
    assert word(scenario.bet(reference="never")) == "rolled_back"
    for again in (scenario.rollback("never", reference="r"), find("r")):
        assert (again.code, again.facts["balance"]) == ("unknown_original", 10000)
    assert len(rows()) == 2


def test_rule_16_a_void_or_refused_original_is_not_unknown_to_that_profile():
    scenario.profile(unknown_rollback="not_found")
    scenario.rollback("never", reference="r1")
    scenario.bet(reference="refused", amount="500.00")
    for original in ("never", "refused"):
        assert word(scenario.rollback(original, reference=f"r-{original}")) == "void"
        assert word(scenario.rollback(original, reference=f"r-{original}")) == word(find(f"r-{original}")) == "void"


def test_rule_16_that_profiles_repeat_answers_the_same_whatever_came_since():
    """The original was another player's; later a win of that name is posted for this one."""
    scenario.profile(unknown_rollback="not_found")
    scenario.bob("10.00")
    scenario.bet("bob", reference="same")
    assert word(scenario.rollback("same", reference="r")) == "unknown_original"
    scenario.win(reference="same")
    assert word(scenario.rollback("same", reference="r")) == word(find("r")) == "unknown_original"


def test_rule_16_the_void_row_lies_in_the_named_currency_else_the_first_opened_wallet():
    scenario.player("alice", "500", currency="JPY")
    assert scenario.rollback("a").currency == "EUR"
    assert scenario.rollback("b", currency="JPY").currency == "JPY"
    wallets = Transaction.objects.filter(kind="BET").order_by("reference").values_list("wallet__currency", flat=True)
    assert list(wallets) == ["EUR", "JPY"]


def test_rule_16_a_bet_in_another_wallet_meets_the_void_row_all_the_same():
    scenario.player("alice", "500", currency="JPY")
    scenario.rollback("b")
    late = scenario.bet(reference="b", currency="JPY", amount="1.00")
    assert (late.code, late.facts["currency"], late.facts["balance"]) == ("rolled_back", "JPY", 500)


def test_rule_16_another_player_who_uses_the_spent_reference_is_told_whose_it_is_not():
    scenario.bob("10.00")
    scenario.rollback("b")
    reused = scenario.bet("bob", reference="b", amount="1.00")
    assert (reused.code, reused.facts["differing"]) == ("reference_reused", ["player"])


@pytest.mark.parametrize("late_bet", ["refuse", "accept_void"])
def test_rule_16_a_late_bet_in_another_wallet_is_void_where_it_was_sent(late_bet):
    scenario.profile(late_bet=late_bet)
    scenario.player("alice", "500", currency="JPY")
    scenario.rollback("b")
    late = scenario.bet(reference="b", currency="JPY", amount="1.00")
    assert word(late) == ("rolled_back" if late_bet == "refuse" else "void")
    assert scenario.balances("alice", "JPY") == (500, 0, 0)


# --- 17: twice -----------------------------------------------------------------------------------


def test_rule_17_a_second_rollback_under_the_same_reference_is_a_replay():
    scenario.bet(reference="b")
    first, second = scenario.rollback("b", reference="r"), scenario.rollback("b", reference="r")
    assert (second.row, second.replayed, second.cash) == (first.row, True, 10000)


def test_rule_17_a_second_rollback_under_another_reference_finds_it_done():
    scenario.bet(reference="b")
    scenario.rollback("b")
    refused = scenario.rollback("b")
    assert (refused.code, refused.facts["balance"]) == ("already_rolled_back", 10000)
    assert scenario.balances() == (10000, 0, 0)


@pytest.mark.parametrize("original", ["void", "refused"])
def test_rule_17_what_moved_no_money_is_void_under_any_reference_one_row_each(original):
    if original == "void":
        scenario.rollback("b", reference="first")
    else:
        scenario.bet(reference="b", amount="500.00")
    before = len(rows())
    for reference in ("r1", "r2", "r1"):
        receipt = scenario.rollback("b", reference=reference)
        assert (receipt.status, receipt.amount, receipt.cash) == ("void", 0, 10000)
    assert len(rows()) == before + 2
    assert len([row for row in rows() if row[:2] == ("BET", "b")]) == 1
    again = scenario.bet(reference="b", amount="500.00")
    assert word(again) == ("rolled_back" if original == "void" else "insufficient_funds")


def test_rule_17_a_zero_rollback_keeps_the_amount_of_the_bet_that_was_refused():
    scenario.bet(reference="b", amount="500.00")
    receipt = scenario.rollback("b", reference="r")
    assert (receipt.row.amount, receipt.amount) == (50000, 0)
    assert scenario.rollback("b", reference="r", amount="500.00").replayed
    assert scenario.rollback("b", reference="r", amount="1.00").facts["differing"] == ["amount"]


@pytest.mark.parametrize("amount", ["7.00", "7.001", "0.00"])
def test_rule_17_the_very_same_zero_rollback_is_a_replay_whatever_amount_it_names(amount):
    scenario.bet(reference="b", amount="500.00")
    assert word(scenario.rollback("b", reference="r", amount=amount)) == "void"
    assert scenario.rollback("b", reference="r", amount=amount).replayed


# --- 18: bets with a payout ----------------------------------------------------------------------


def payout(story):
    """Tell a story around the bet "b" of round-1."""
    told = {
        "no win": [],
        "a win after it": [scenario.bet, scenario.win],
        "a win of zero after it": [scenario.bet, lambda **_: scenario.win(amount="0.00")],
        "a free round's win after it": [scenario.bet, lambda **_: scenario.win(win_source="free_round")],
        "a jackpot after it": [scenario.bet, lambda **_: scenario.win(win_source="jackpot")],
        "a promotion naming it": [scenario.bet, lambda **_: scenario.win(bet="b", win_source="promo")],
        "a win naming it": [scenario.bet, lambda **_: scenario.win(bet="b")],
        "a win naming it from another round": [scenario.bet, lambda **_: scenario.win(bet="b", round="round-2")],
        "a win naming it before it": [lambda **_: scenario.win(bet="b"), scenario.bet],
        "a win naming another bet": [scenario.bet, lambda **_: scenario.win(bet="other")],
        "a win of another round": [scenario.bet, lambda **_: scenario.win(round="round-2")],
        "a win before any bet of the round": [lambda **_: scenario.win(), scenario.bet],
        "a win before it, after another bet": [
            lambda **_: [scenario.bet(reference="b0"), scenario.win()],
            scenario.bet,
        ],
        "a win after it that was rolled back": [
            scenario.bet,
            lambda **_: [scenario.win(reference="w"), scenario.rollback("w")],
        ],
        "a win naming it that was rolled back": [
            scenario.bet,
            lambda **_: [scenario.win(reference="w", bet="b"), scenario.rollback("w")],
        ],
        "a win naming it from another round that was rolled back": [
            scenario.bet,
            lambda **_: [scenario.win(reference="w", bet="b", round="round-2"), scenario.rollback("w")],
        ],
        "a win of another provider": [scenario.bet, lambda **_: scenario.win(source="zenith")],
        "a void win after it": [scenario.bet, lambda **_: scenario.rollback("w", original_kind="WIN", round="round-1")],
    }
    for step in told[story] or [scenario.bet]:
        step(reference="b") if step is scenario.bet else step()


PAYOUTS = {
    "no win": False,
    "a win after it": True,
    "a win of zero after it": True,
    "a free round's win after it": True,
    "a jackpot after it": False,
    "a promotion naming it": False,
    "a win naming it": True,
    "a win naming it from another round": True,
    "a win naming it before it": True,
    "a win naming another bet": False,
    "a win of another round": False,
    "a win before any bet of the round": True,
    "a win before it, after another bet": False,
    "a win after it that was rolled back": False,
    "a win naming it that was rolled back": False,
    "a win naming it from another round that was rolled back": False,
    "a win of another provider": False,
    "a void win after it": False,
}


@pytest.mark.parametrize("story", PAYOUTS)
def test_rule_18_a_bet_with_a_payout_is_not_rolled_back(story):
    scenario.profile(rollback_wins=True)
    payout(story)
    before = rows()
    answer = scenario.rollback("b", reference="r")
    assert word(answer) == ("has_payout" if PAYOUTS[story] else "posted")
    if PAYOUTS[story]:
        assert rows() == before
        scenario.profile(rollback_after_win="allow")
        assert word(scenario.rollback("b", reference="r")) == "posted"


# --- 19: rollbacks of wins -----------------------------------------------------------------------


def test_rule_19_a_wins_rollback_needs_the_profile():
    scenario.win(reference="w")
    refused = scenario.rollback("w", reference="r")
    assert (refused.code, refused.status) == ("forbidden", 403)
    scenario.profile(rollback_wins=True)
    receipt = scenario.rollback("w", reference="r")
    assert (receipt.status, receipt.amount, receipt.cash) == ("posted", 1000, 10000)


@pytest.mark.parametrize("original_kind", [None, "BET", "WIN"])
def test_rule_19_the_bet_comes_before_the_win_of_the_same_name(original_kind):
    scenario.profile(rollback_wins=True, rollback_after_win="allow")
    scenario.bet(reference="same", amount="3.00")
    scenario.win(reference="same", amount="5.00")
    receipt = scenario.rollback("same", original_kind=original_kind)
    assert receipt.cash == (9700 if original_kind == "WIN" else 10500)


def test_rule_19_once_the_bet_is_undone_its_name_does_not_fall_to_the_win():
    scenario.profile(rollback_wins=True, rollback_after_win="allow")
    scenario.bet(reference="same")
    scenario.win(reference="same")
    scenario.rollback("same")
    assert word(scenario.rollback("same")) == "already_rolled_back"
    assert word(scenario.rollback("same", original_kind="WIN")) == "posted"


@pytest.mark.parametrize(
    ("left", "policy", "expected"),
    [
        ("10.00", "refuse", ("posted", 1000, 0, 0)),
        ("9.99", "refuse", ("insufficient_funds", None, 999, None)),
        ("10.00", "clamp", ("posted", 1000, 0, 0)),
        ("9.99", "clamp", ("posted", 999, 0, 1)),
        ("0.00", "clamp", ("posted", 0, 0, 1000)),
    ],
)
def test_rule_19_a_win_that_was_spent_is_refused_or_clamped(left, policy, expected):
    scenario.profile(rollback_wins=True, win_rollback=policy)
    scenario.win(reference="w")
    scenario.hold(amount=f"{110 - float(left):.2f}")
    answer = scenario.rollback("w", reference="r")
    posted = word(answer) == "posted"
    moved, shortfall = (answer.amount, answer.row.shortfall) if posted else (None, None)
    assert (word(answer), moved, scenario.balances()[0], shortfall) == expected
    if posted:
        assert (answer.row.amount, word(scenario.rollback("w"))) == (1000, "already_rolled_back")
        assert word(scenario.win(reference="w")) == "rolled_back"


# --- 20 is the bonus's; 21: nothing stops a rollback ---------------------------------------------


def test_rule_21_no_gate_stops_a_rollback():
    scenario.bet(reference="b")
    scenario.end_round()
    scenario.close_every_gate()
    assert word(scenario.rollback("never")) == "void"
    receipt = scenario.rollback("b")
    assert (receipt.status, receipt.cash) == ("posted", 10000)


# --- across wallets ------------------------------------------------------------------------------


def test_a_void_original_of_another_wallet_leaves_the_zero_row_where_the_rollback_names_it():
    scenario.player("alice", "500", currency="JPY")
    scenario.rollback("b", reference="r1")
    receipt = scenario.rollback("b", reference="r2", currency="JPY")
    assert (receipt.status, receipt.currency, receipt.cash) == ("void", "JPY", 500)
    assert scenario.rollback("b", reference="r2", currency="JPY").replayed
    assert scenario.rollback("b", reference="r3").currency == "EUR"
