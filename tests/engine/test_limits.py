"""A player's own limits inside the posting (docs/limits.md), asked through the engine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from casino_pam.engine import commands, posting
from tests import bonus_scenario, scenario, threads
from tests.limit_scenario import MIDNIGHT, MONDAY, a_bet, bets, forget, limit
from tests.scenario import word
from wallet.kinds import LIMIT_NAMES, LIMIT_PERIODS
from wallet.models import Player, Transaction, Wallet
from wallet.time import spans

HOUR = 3600 * scenario.SECOND
MONTH_END = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) * scenario.SECOND


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("1000.00")
    scenario.bob("1000.00")
    forget()


# --- stakes ------------------------------------------------------------------------------------


def test_takes_stakes_up_to_the_limit_and_not_a_cent_more():
    limit(stake_day="25.00")
    assert bets("10.00", "10.00", "5.01", "5.00", "0.01") == [
        "posted",
        "posted",
        "limit_reached",
        "posted",
        "limit_reached",
    ]
    assert scenario.balances() == (97500, 0, 0)


def test_says_which_limit_how_much_is_left_and_when_it_starts_anew():
    limit(stake_day="25.00", stake_week="24.00", stake_month="100.00")
    assert bets("20.00") == ["posted"]
    refused = scenario.bet(amount="5.00")
    # The week leaves least.
    assert refused.facts["limit"] == "stake_week"
    assert refused.facts["left"] == 400
    assert refused.facts["resets_at"] == "2026-09-28T00:00:00.000000Z"
    assert refused.facts["balance"] == refused.facts["cash"] == 98000


def test_names_of_equal_limits_the_one_that_lasts_longest():
    limit(stake_day="10.00", stake_week="10.00", loss_month="10.00", stake_month="11.00")
    refused = scenario.bet(amount="12.00")
    assert (refused.facts["limit"], refused.facts["left"]) == ("loss_month", 1000)


def test_counts_wins_and_other_people_towards_no_limit_on_stakes():
    limit(stake_day="10.00")
    assert word(scenario.win(amount="500.00")) == "posted"
    assert word(scenario.bet("bob", amount="500.00")) == "posted"
    assert bets("10.00") == ["posted"]


def test_limits_one_wallet_and_not_the_players_others():
    scenario.player("alice", "100000", currency="JPY")
    limit(stake_day="0.00")
    assert bets("0.01") == ["limit_reached"]
    assert bets("10.00", currency="JPY") == ["posted"]


def test_lets_a_bet_of_zero_pass_every_limit():
    limit(stake_day="0.00", loss_day="0.00")
    assert bets("0.00", "0.01", "0.00") == ["posted", "limit_reached", "posted"]


def test_starts_each_period_anew_at_its_first_instant():
    limit(stake_day="10.00")
    assert bets("10.00", at=MIDNIGHT - 1) == ["posted"]
    assert bets("0.01", at=MIDNIGHT - 1) == ["limit_reached"]
    assert bets("10.00", "0.01", at=MIDNIGHT) == ["posted", "limit_reached"]


@pytest.mark.parametrize(
    ("name", "resets"),
    [("stake_day", MIDNIGHT), ("stake_week", MONDAY + 7 * scenario.DAY), ("stake_month", MONTH_END)],
)
@pytest.mark.parametrize("known", [True, False])
def test_counts_the_whole_period_and_nothing_before_it(name, resets, known):
    """Whether the process has seen the period begin or must look it up."""
    scenario.player("dora")
    scenario.deposit("dora", amount=100_000, at=MONDAY - 50 * scenario.DAY)
    assert bets("300.00", who="dora", at=MONDAY - 40 * scenario.DAY) == ["posted"]
    assert bets("10.00", who="dora", at=MONDAY) == ["posted"]
    limit("dora", **{name: "30.00"})
    assert bets("10.00", who="dora", at=MONDAY + HOUR) == ["posted"]
    if not known:
        forget()
    last = ["limit_reached", "posted", "limit_reached"]
    assert bets("10.01", "10.00", "0.01", who="dora", at=resets - 1) == last
    if not known:
        forget()
    assert bets("30.00", "0.01", who="dora", at=resets) == ["posted", "limit_reached"]


def test_judges_by_the_time_the_row_will_have():
    """A process whose clock is behind comes after one whose clock has struck midnight."""
    limit(stake_day="10.00")
    assert bets("10.00", at=MIDNIGHT - 1) == ["posted"]
    assert word(scenario.win(amount="0.00", at=MIDNIGHT)) == "posted"
    assert bets("10.00", "0.01", at=MIDNIGHT - HOUR) == ["posted", "limit_reached"]


def test_a_rollback_gives_the_room_back():
    limit(stake_day="10.00", loss_day="10.00")
    assert bets("10.00", reference="b") == ["posted"]
    assert word(scenario.rollback("b")) == "posted"
    assert bets("10.01", "10.00", "0.01") == ["limit_reached", "posted", "limit_reached"]


def test_a_rollback_of_yesterdays_bet_gives_no_room_today():
    limit(stake_day="10.00", loss_day="10.00")
    assert bets("10.00", reference="b", at=MIDNIGHT - 1) == ["posted"]
    assert bets("10.00", at=MIDNIGHT) == ["posted"]
    assert word(scenario.rollback("b", at=MIDNIGHT + 1)) == "posted"
    assert bets("0.01", at=MIDNIGHT + 2) == ["limit_reached"]
    forget()
    assert bets("0.01", at=MIDNIGHT + 2) == ["limit_reached"]
    # The next day is whole again.
    assert bets("10.00", "0.01", at=MIDNIGHT + scenario.DAY) == ["posted", "limit_reached"]


# A bet, its rollback, and whether that gives room in the period that both or only the rollback lie in.
BORDERS = {
    "day": (MIDNIGHT - 1, MIDNIGHT),
    "week": (MONDAY + 7 * scenario.DAY - 1, MONDAY + 7 * scenario.DAY),
    "month": (MONTH_END - 1, MONTH_END),
}


@pytest.mark.parametrize("period", LIMIT_PERIODS)
@pytest.mark.parametrize("subject", ["stake", "loss"])
def test_a_rollback_gives_room_in_the_periods_of_its_bet_and_in_no_other(subject, period):
    before, after = BORDERS[period]
    start = getattr(spans(before), period).start
    scenario.player("dora")
    scenario.deposit("dora", amount=100_000, at=start)
    for reference, at in (("inside", start), ("earlier", start), ("later", after)):
        assert bets("10.00", who="dora", reference=reference, at=at) == ["posted"]
        if reference == "inside":
            assert word(scenario.rollback("inside", "dora", at=before)) == "posted"
    limit("dora", **{f"{subject}_{period}": "20.00"})
    assert word(scenario.rollback("earlier", "dora", at=after)) == "posted"
    # Of the new period 10.00 are used.
    assert bets("10.01", "10.00", "0.01", who="dora", at=after) == ["limit_reached", "posted", "limit_reached"]


@pytest.mark.parametrize(("period", "room"), [("day", False), ("week", True), ("month", True)])
def test_yesterdays_bet_gives_room_where_it_was_counted(period, room):
    limit(**{f"stake_{period}": "10.00"})
    assert bets("10.00", reference="b", at=MIDNIGHT - 1) == ["posted"]
    assert word(scenario.rollback("b", at=MIDNIGHT)) == "posted"
    assert bets("10.00", "0.01", at=MIDNIGHT + 1) == ["posted", "limit_reached"]
    assert bets("10.00", at=MIDNIGHT + scenario.DAY) == ["limit_reached" if room else "posted"]


def test_several_rollbacks_add_up_within_their_day_and_are_forgotten_after_it():
    for n in range(3):
        assert bets("10.00", reference=f"b{n}", at=MIDNIGHT - 1) == ["posted"]
    limit(stake_day="20.00", stake_month="1000.00")
    assert bets("20.00", reference="today", at=MIDNIGHT) == ["posted"]
    for n in range(2):
        assert word(scenario.rollback(f"b{n}", at=MIDNIGHT)) == "posted"
        assert bets("0.01", at=MIDNIGHT) == ["limit_reached"]
    # What is today's own gives room today.
    assert word(scenario.rollback("today", at=MIDNIGHT)) == "posted"
    assert bets("20.00", "0.01", at=MIDNIGHT) == ["posted", "limit_reached"]
    tomorrow = MIDNIGHT + scenario.DAY
    assert word(scenario.rollback("b2", at=tomorrow)) == "posted"
    assert bets("20.00", "0.01", at=tomorrow) == ["posted", "limit_reached"]


def test_a_rollback_long_after_changes_no_limit():
    assert bets("10.00", reference="b") == ["posted"]
    limit(**dict.fromkeys(LIMIT_NAMES, "10.00"))
    at = MONTH_END + 40 * scenario.DAY
    assert bets("10.00", at=at) == ["posted"]
    assert word(scenario.rollback("b", at=at)) == "posted"
    assert bets("0.01", at=at) == ["limit_reached"]


def test_a_limit_set_after_the_rollback_counts_as_one_set_before():
    assert bets("10.00", reference="b", at=MIDNIGHT - 1) == ["posted"]
    assert bets("10.00", at=MIDNIGHT) == ["posted"]
    assert word(scenario.rollback("b", at=MIDNIGHT)) == "posted"
    limit(stake_day="10.00")
    assert bets("0.01", at=MIDNIGHT) == ["limit_reached"]


def test_a_rollback_and_bets_of_one_posting_see_each_other():
    limit(stake_day="10.00")
    assert bets("10.00", reference="b", at=MIDNIGHT - 1) == ["posted"]
    undo = commands.Rollback(source="acme", player="alice", reference="u", original="b", at=MIDNIGHT)
    asked = [a_bet("b1", at=MIDNIGHT), undo, a_bet("b2", amount=1, at=MIDNIGHT)]
    assert [word(each) for each in posting.post(asked)] == ["posted", "posted", "limit_reached"]


def test_a_batch_that_is_refused_undoes_its_rollback_too():
    limit(stake_day="10.00")
    assert bets("10.00", reference="b", at=MIDNIGHT - 1) == ["posted"]
    undo = commands.Rollback(source="acme", player="alice", reference="u", original="b", currency="EUR", at=MIDNIGHT)
    refused = scenario.do(commands.Batch(operations=(undo, a_bet("b1", amount=1001, at=MIDNIGHT))))
    assert (refused.code, refused.facts["left"]) == ("limit_reached", 1000)
    assert Wallet.objects.get(player__code="alice").undone_earlier is None
    assert bets("10.00", "0.01", at=MIDNIGHT) == ["posted", "limit_reached"]


def test_a_rollback_of_yesterdays_win_is_no_loss_of_today():
    scenario.profile(rollback_wins=True)
    limit(loss_day="10.00")
    assert word(scenario.win(amount="50.00", reference="w", at=MIDNIGHT - 1)) == "posted"
    assert word(scenario.rollback("w", original_kind="WIN", at=MIDNIGHT)) == "posted"
    assert bets("10.01", "10.00", "0.01", at=MIDNIGHT) == ["limit_reached", "posted", "limit_reached"]


def test_a_rollback_of_todays_win_takes_its_room_away():
    scenario.profile(rollback_wins=True)
    limit(loss_day="10.00")
    assert word(scenario.win(amount="50.00", reference="w")) == "posted"
    assert word(scenario.rollback("w", original_kind="WIN")) == "posted"
    assert bets("10.01", "10.00") == ["limit_reached", "posted"]


def test_a_limit_set_below_what_is_used_leaves_nothing():
    assert bets("20.00") == ["posted"]
    limit(stake_day="5.00")
    refused = scenario.bet(amount="0.01")
    assert (refused.code, refused.facts["left"]) == ("limit_reached", 0)


# --- net loss ----------------------------------------------------------------------------------


def test_counts_a_stake_as_lost_until_it_is_won_back():
    limit(loss_day="10.00")
    assert bets("10.00", "0.01") == ["posted", "limit_reached"]
    assert word(scenario.win(amount="4.00")) == "posted"
    assert bets("4.01", "4.00") == ["limit_reached", "posted"]


def test_lets_a_net_win_be_played_back():
    limit(loss_day="10.00")
    assert word(scenario.win(amount="50.00")) == "posted"
    assert bets("60.01", "60.00", "0.01") == ["limit_reached", "posted", "limit_reached"]


def test_carries_no_win_of_one_day_into_the_next():
    limit(loss_day="10.00")
    assert word(scenario.win(amount="50.00")) == "posted"
    assert bets("10.01", "10.00", at=MIDNIGHT) == ["limit_reached", "posted"]


# --- deposits ----------------------------------------------------------------------------------


def deposit(amount, **fields):
    return scenario.deposit("alice", amount=scenario.eur(amount), **{"at": scenario.NOON, **fields})


def test_takes_deposits_up_to_the_limit():
    limit(deposit_day="100.00")
    assert word(deposit("60.00")) == "posted"
    refused = deposit("40.01")
    assert (refused.code, refused.facts["limit"], refused.facts["left"]) == ("limit_reached", "deposit_day", 4000)
    assert refused.facts["resets_at"] == "2026-09-22T00:00:00.000000Z"
    assert word(deposit("40.00")) == "posted"
    assert word(deposit("100.00", at=MIDNIGHT)) == "posted"


def test_takes_money_that_the_gateway_already_took_and_counts_it():
    limit(deposit_day="100.00")
    assert word(deposit("150.00", captured=True)) == "posted"
    assert word(deposit("0.01")) == "limit_reached"


def test_corrections_by_hand_are_no_deposits():
    limit(deposit_day="10.00")
    assert word(scenario.adjust(amount="500.00")) == "posted"
    assert word(deposit("10.00")) == "posted"


def test_a_deposits_limit_hinders_no_bet_and_a_bets_limit_no_deposit():
    limit(deposit_day="0.00")
    assert bets("10.00") == ["posted"]
    limit(deposit_day=None, stake_day="0.00", loss_day="0.00")
    assert word(deposit("10.00")) == "posted"


# --- what no limit hinders ---------------------------------------------------------------------


def test_never_limits_wins_rollbacks_and_withdrawals():
    assert bets("10.00", reference="b") == ["posted"]
    limit(**dict.fromkeys(LIMIT_NAMES, "0.00"))
    assert bets("0.01") == ["limit_reached"]
    assert word(scenario.win(amount="5.00", round="another")) == "posted"
    assert word(scenario.rollback("b")) == "posted"
    assert word(scenario.hold(reference="h")) == word(scenario.settle("h")) == "posted"
    assert word(scenario.hold(reference="k")) == word(scenario.release("k")) == "posted"


# --- order and memory of the refusal -----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"bet_locked": True}, "wallet_locked"), ({"excluded_until": scenario.moment(MIDNIGHT)}, "player_excluded")],
)
def test_locks_and_exclusion_come_before_limits(fields, code):
    limit(stake_day="0.00")
    Player.objects.filter(code="alice").update(**fields)
    assert bets("10.00") == [code]


def test_the_bonuss_own_limit_on_stakes_comes_before_the_players():
    bonus_scenario.wagering(cash="50.00", who="dora", eur={"max_stake": "5.00"})
    limit("dora", stake_day="4.00")
    assert [scenario.bet("dora", amount=amount).code for amount in ("5.01", "5.00")] == [
        "stake_above_limit",
        "limit_reached",
    ]


def test_stakes_in_bonus_money_count_like_cash():
    bonus_scenario.wagering("30.00", who="dora")
    limit("dora", stake_day="10.00", loss_day="15.00")
    assert bets("10.00", "0.01", who="dora") == ["posted", "limit_reached"]
    limit("dora", stake_day=None)
    assert bets("5.01", "5.00", who="dora") == ["limit_reached", "posted"]


def test_grants_and_conversions_are_neither_deposits_nor_wins():
    limit(deposit_day="1.00", loss_day="10.00")
    bonus_scenario.gift("5.00", multiplier=1)
    bonus_scenario.grant(who="alice")
    assert word(deposit("1.00")) == "posted"
    # The bet that wagers it all lets it convert; what was lost is the stake alone.
    assert bets("5.00", "5.01", "5.00") == ["posted", "limit_reached", "posted"]


def test_limits_come_before_funds():
    limit(stake_day="10.00")
    assert bets("2000.00") == ["limit_reached"]


def test_a_limit_refuses_a_deposit_after_the_locks():
    limit(deposit_day="0.00")
    Player.objects.filter(code="alice").update(deposit_locked=True)
    assert word(deposit("10.00")) == "wallet_locked"


@pytest.mark.parametrize("act", [scenario.bet, lambda **fields: scenario.deposit("alice", amount=1000, **fields)])
def test_a_refusal_is_remembered_when_the_limit_is_gone(act):
    limit(stake_day="0.00", deposit_day="0.00")
    first = act(reference="r")
    row = Transaction.objects.get(reference="r")
    assert (row.status, row.refusal) == ("REFUSED", "limit_reached")
    limit(stake_day=None, deposit_day=None)
    again = act(reference="r", at=MIDNIGHT)
    assert (again.code, again.facts["transaction"]) == (first.code, first.facts["transaction"])
    assert (first.facts["replayed"], again.facts["replayed"]) == (False, True)
    assert word(act(reference="s")) == "posted"


def test_a_refusal_uses_nothing_up():
    limit(stake_day="10.00")
    assert bets("11.00", "11.00", "10.00") == ["limit_reached", "limit_reached", "posted"]


# --- several in one posting --------------------------------------------------------------------


def test_bets_of_one_posting_see_each_other():
    limit(stake_day="20.00")
    assert [word(each) for each in posting.post([a_bet(f"b{n}") for n in range(3)])] == [
        "posted",
        "posted",
        "limit_reached",
    ]


def test_a_posting_across_midnight_counts_for_both_days():
    limit(stake_day="10.00", stake_month="25.00")
    asked = [
        a_bet("b1", at=MIDNIGHT - 2),
        a_bet("b2", at=MIDNIGHT - 1),
        a_bet("b3", at=MIDNIGHT),
        a_bet("b4", at=MIDNIGHT + 1),
        a_bet("b5", at=MIDNIGHT + scenario.DAY),
        a_bet("b6", amount=500, at=MIDNIGHT + scenario.DAY),
    ]
    words = [word(each) for each in posting.post(asked)]
    assert words == ["posted", "limit_reached", "posted", "limit_reached", "limit_reached", "posted"]
    # What the process remembers of the days begun in that posting is what the rows say.
    assert word(scenario.bet(amount="0.01", at=MIDNIGHT + scenario.DAY)) == "limit_reached"
    forget()
    assert word(scenario.bet(amount="0.01", at=MIDNIGHT + scenario.DAY)) == "limit_reached"
    assert word(scenario.bet(amount="10.00", at=MONTH_END)) == "posted"


def test_a_batch_that_reaches_a_limit_posts_nothing_and_gives_the_room_back():
    limit(stake_day="20.00")
    refused = scenario.do(commands.Batch(operations=tuple(a_bet(f"b{n}") for n in range(3))))
    assert (refused.code, refused.facts["index"], refused.facts["limit"]) == ("limit_reached", 2, "stake_day")
    assert scenario.balances() == (100000, 0, 0)
    assert bets("20.00") == ["posted"]


# --- many at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [scenario.NOON, MIDNIGHT])
def test_threads_betting_at_the_limit_never_pass_it(at):
    assert bets("10.00") == ["posted"]
    limit(stake_day="50.00", stake_month="60.00", loss_week="70.00")
    acts = [lambda: word(scenario.bet(amount="7.00", at=at)) for _ in range(16)]
    words = threads.threads(acts)
    fitting = 5 if at == scenario.NOON else 7
    assert sorted(words) == ["limit_reached"] * (16 - fitting) + ["posted"] * fitting
