"""PLAY.md rules 10-14: a win is paid unless its own round or structure forbids it."""

from __future__ import annotations

import pytest

from tests import scenario
from tests.scenario import word
from wallet.models import Transaction

SOURCES = (None, "game", "free_round", "jackpot", "promo")


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("100.00")


# --- 10: never refused ---------------------------------------------------------------------------


def test_rule_10_a_win_passes_every_gate():
    scenario.bet()
    scenario.close_every_gate()
    receipt = scenario.win(reference="w", amount="25.00")
    assert (receipt.status, receipt.amount, receipt.cash, receipt.row.late) == ("posted", 2500, 11500, False)


# --- 11: without a bet ---------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_rule_11_a_win_without_a_bet_is_accepted(source):
    receipt = scenario.win(win_source=source)
    assert (receipt.status, receipt.cash, receipt.row.win_source) == ("posted", 11000, source or "game")


@pytest.mark.parametrize("source", ["jackpot", "promo"])
def test_rule_11_a_jackpot_needs_neither_round_nor_game(source):
    receipt = scenario.win(win_source=source, round=None, game=None)
    assert (receipt.status, receipt.row.round, receipt.row.game) == ("posted", None, None)


def test_rule_11_the_profile_may_require_a_bet_and_remembers_nothing():
    scenario.profile(win_requires_bet=True)
    assert word(scenario.win(reference="w")) == "unknown_original"
    assert not Transaction.objects.filter(reference="w").exists()
    scenario.bet()
    assert word(scenario.win(reference="w")) == "posted"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "posted"),
        ({"bet": "b"}, "posted"),
        ({"bet": "b", "round": "other"}, "posted"),
        ({"bet": "not there"}, "unknown_original"),
        ({"bet": "refused"}, "unknown_original"),
        ({"bet": "hers"}, "unknown_original"),
        ({"bet": "undone"}, "rolled_back"),
        ({"bet": "in yen"}, "unknown_original"),
        ({"bet": "not there", "win_source": "free_round"}, "posted"),
        ({"round": "other"}, "unknown_original"),
        ({"round": "refused"}, "unknown_original"),
        ({"bet": "refused", "round": "refused"}, "unknown_original"),
        ({"round": "other", "win_source": "game"}, "unknown_original"),
        ({"round": "other", "win_source": "free_round"}, "posted"),
        ({"round": None, "game": None, "win_source": "jackpot"}, "posted"),
    ],
)
def test_rule_11_the_required_bet_is_the_one_it_names_or_one_of_its_round(fields, expected):
    scenario.profile(win_requires_bet=True)
    scenario.bet(reference="b")
    scenario.bet(reference="refused", round="refused", amount="500.00")
    scenario.player("bob", "100.00")
    scenario.bet("bob", reference="hers")
    scenario.bet(reference="undone")
    scenario.rollback("undone")
    scenario.player("alice", "100", currency="JPY")
    scenario.bet(reference="in yen", currency="JPY", amount="0.10")
    assert word(scenario.win(**fields)) == expected


def test_rule_11_the_bet_of_another_wallet_is_no_bet_of_this_win():
    scenario.player("alice", "500", currency="JPY")
    scenario.profile(win_requires_bet=True)
    scenario.bet(reference="b")
    assert word(scenario.win(bet="b", currency="JPY")) == "unknown_original"


def test_rule_11_the_bet_of_another_player_is_no_bet_of_this_win():
    scenario.bob("10.00")
    scenario.profile(win_requires_bet=True)
    scenario.bet("bob", reference="his")
    assert word(scenario.win(bet="his")) == "unknown_original"


# --- 12: late ------------------------------------------------------------------------------------


def test_rule_12_a_win_on_a_closed_round_is_accepted_and_marked_late():
    scenario.bet()
    scenario.end_round()
    receipt = scenario.win(reference="w")
    assert (receipt.status, receipt.cash, receipt.row.late) == ("posted", 10000, True)
    assert scenario.win(reference="w").row.late


def test_rule_12_a_win_that_itself_ends_the_round_is_not_late():
    assert not scenario.win(ends_round=True).row.late
    assert scenario.win(ends_round=True).row.late


def test_rule_12_the_profile_may_refuse_late_wins_and_remembers_nothing():
    scenario.profile(late_win="refuse", rollback_wins=True)
    scenario.win(reference="last", ends_round=True)
    assert word(scenario.win(reference="w")) == "round_closed"
    assert word(scenario.win(reference="other", round="round-2")) == "posted"
    scenario.rollback("last")
    receipt = scenario.win(reference="w")
    assert (receipt.status, receipt.row.late) == ("posted", False)


# --- 13: the split is the bonus's matter; without one it all is cash -----------------------------


@pytest.mark.parametrize("bets", [0, 1, 2])
def test_rule_13_without_bonus_stakes_a_win_goes_to_cash(bets):
    for _ in range(bets):
        scenario.bet()
    receipt = scenario.win(amount="0.01")
    assert (receipt.row.cash_delta, receipt.row.bonus_delta) == (1, 0)


# --- 14: when what it answers did not happen -----------------------------------------------------


def before(story):
    """Rounds in every state a win may meet; "b" is always the bet that a win may name."""
    scenario.profile(rollback_after_win="allow")
    if story in ("rolled back", "one of two rolled back"):
        scenario.bet(reference="b")
        scenario.rollback("b")
    if story == "void":
        scenario.rollback("b", round="round-1")
    if story == "void, the round not told":
        scenario.rollback("b")
    if story == "refused":
        scenario.bet(reference="b", amount="500.00")
    if story in ("posted", "one of two rolled back"):
        scenario.bet(reference="b2" if "two" in story else "b")
    if story == "refused beside a rolled back one":
        scenario.bet(reference="refused", amount="500.00")
        scenario.bet(reference="b")
        scenario.rollback("b")


# story: (naming none, naming "b")
STORIES = {
    "nothing": ("posted", "posted"),
    "posted": ("posted", "posted"),
    "rolled back": ("rolled_back", "rolled_back"),
    "void": ("rolled_back", "rolled_back"),
    "void, the round not told": ("posted", "rolled_back"),
    "refused": ("posted", "posted"),
    "one of two rolled back": ("posted", "rolled_back"),
    "refused beside a rolled back one": ("rolled_back", "rolled_back"),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("story", STORIES)
def test_rule_14_a_win_is_rolled_back_when_the_bet_it_answers_is(story, source):
    before(story)
    anonymous, naming = STORIES[story] if source in (None, "game") else ("posted", "posted")
    rows = Transaction.objects.count()
    first, second = scenario.win(win_source=source), scenario.win(win_source=source, bet="b")
    assert (word(first), word(second)) == (anonymous, naming)
    assert Transaction.objects.count() == rows + [anonymous, naming].count("posted")


def test_rule_14_the_named_bet_decides_wherever_its_round_is():
    scenario.bet(reference="b", round="round-1")
    scenario.rollback("b")
    scenario.bet(round="round-2")
    assert word(scenario.win(bet="b", round="round-2")) == "rolled_back"
    assert word(scenario.win(bet="unheard-of", round="round-1")) == "posted"


def test_rule_14_a_bet_made_void_in_another_wallet_is_void_for_its_win_as_well():
    """The rollback names no currency, so the bet's name is spent in the first-opened wallet."""
    scenario.player("alice", "500", currency="JPY")
    scenario.rollback("b")
    assert word(scenario.win(bet="b", currency="JPY")) == "rolled_back"


def test_rule_14_the_bet_of_another_player_says_nothing():
    scenario.bob("10.00")
    scenario.bet("bob", reference="his")
    scenario.rollback("his", "bob")
    assert word(scenario.win(bet="his")) == "posted"


def test_rule_14_a_win_refused_so_is_paid_once_a_bet_of_its_round_stands():
    before("rolled back")
    assert word(scenario.win(reference="w")) == "rolled_back"
    scenario.bet(reference="b2")
    assert word(scenario.win(reference="w")) == "posted"
