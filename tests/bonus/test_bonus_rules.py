"""The formulas F1 to F8: as tables one can read, and as properties that always hold.

Amounts in the tables are minor units: 25_00 is 25.00 EUR.
"""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bonus.rules import (
    MAX_REQUIRED,
    MAX_WAGERED,
    MAX_WEIGHT_BP,
    Base,
    Conversion,
    Converted,
    Counted,
    Excluded,
    Progress,
    SpendOrder,
    Split,
    Weights,
    base_amount,
    contribution,
    convert,
    counted_stake,
    effective_max_stake,
    grant_amount,
    is_complete,
    is_excluded,
    required,
    shown_progress,
    split_payout,
    split_stake,
    take_back,
    weight_bp,
)

amounts = st.integers(0, 10**14)
balances = st.integers(0, 10**17)
weights_bp = st.integers(0, MAX_WEIGHT_BP)
orders = st.sampled_from(SpendOrder)
counted_parts = st.sampled_from(Counted)
splits = st.builds(Split, amounts, amounts)


# F1


@pytest.mark.parametrize(
    ("deposit", "percent_bp", "cap", "min_deposit", "granted"),
    [
        (250_00, 10000, 200_00, 10_00, 200_00),  # worked number 1: capped
        (33_33, 5000, 200_00, 10_00, 16_66),  # worked number 2: 16.665 rounds down
        (10_00, 10000, 200_00, 10_00, 10_00),  # exactly the minimum
        (9_99, 10000, 200_00, 10_00, 0),  # a cent below it
        (1, 5000, 200_00, 0, 0),  # half a cent is nothing
        (-50_00, 1000, 200_00, 0, 0),  # a cashback period the player won
    ],
)
def test_grants_a_share_of_the_deposit_up_to_the_cap(deposit, percent_bp, cap, min_deposit, granted):
    assert grant_amount(deposit, percent_bp=percent_bp, cap=cap, min_deposit=min_deposit) == granted


@given(deposit=amounts, percent_bp=st.integers(1, 100_000), cap=amounts, less=amounts)
def test_grants_never_more_than_the_cap_nor_less_for_a_larger_deposit(deposit, percent_bp, cap, less):
    granted = grant_amount(deposit, percent_bp=percent_bp, cap=cap, min_deposit=0)
    smaller = grant_amount(min(less, deposit), percent_bp=percent_bp, cap=cap, min_deposit=0)
    assert 0 <= smaller <= granted <= cap
    assert granted * 10000 <= deposit * percent_bp


# F2


@pytest.mark.parametrize(
    ("base", "deposit", "granted", "multiplier", "requirement"),
    [
        (Base.BONUS, 50_00, 25_00, 30, 750_00),  # worked number 3
        (Base.DEPOSIT_PLUS_BONUS, 10_00, 10_00, 30, 600_00),  # worked number 4
        (Base.WINNINGS, 0, 0, 30, 0),  # grows with the winnings
        (Base.BONUS, 50_00, 25_00, 0, 0),  # nothing to wager
    ],
)
def test_requires_the_base_times_the_multiplier(base, deposit, granted, multiplier, requirement):
    assert required(base_amount(base, deposit=deposit, granted=granted), multiplier) == requirement


def test_accepts_the_largest_requirement_and_refuses_one_unit_more():
    assert required(MAX_REQUIRED, 1) == MAX_REQUIRED
    with pytest.raises(OverflowError):
        required(MAX_REQUIRED + 1, 1)


def test_the_most_progress_there_can_be_fits_a_bigint():
    biggest_bet = contribution(Split(10**14, 0), Counted.ALL, MAX_WEIGHT_BP)
    assert MAX_REQUIRED * 10000 + biggest_bet <= MAX_WAGERED < 2**63


# F3, F4


@pytest.mark.parametrize(("counted", "part"), [(Counted.ALL, 25_00), (Counted.BONUS, 5_00), (Counted.CASH, 20_00)])
def test_counts_the_part_of_the_stake_the_offer_names(counted, part):
    """Worked number 8."""
    stake = Split(cash=20_00, bonus=5_00)
    assert counted_stake(stake, counted) == part
    assert contribution(stake, counted, 10000) == part * 10000


@pytest.mark.parametrize(
    ("stake", "bets", "weight", "progress"),
    [
        (10_00, 1, 1000, 1_00),  # worked number 7: a table game at 10 %
        (5, 400, 500, 1_00),  # worked number 7: live at 5 %, exactly 1.00
        (100_00, 1, 1000, 10_00),  # worked number 10
        (100_00, 1, 0, 0),
        (10_00, 1, 20000, 20_00),
    ],
)
def test_adds_stake_times_weight_without_rounding(stake, bets, weight, progress):
    wagered = sum(contribution(Split(stake, 0), Counted.ALL, weight) for _ in range(bets))
    assert wagered == progress * 10000


@given(parts=st.lists(splits, max_size=20), counted=counted_parts, weight=weights_bp)
def test_splitting_a_stake_in_parts_never_changes_the_total_contribution(parts, counted, weight):
    whole = Split(sum(part.cash for part in parts), sum(part.bonus for part in parts))
    assert contribution(whole, counted, weight) == sum(contribution(part, counted, weight) for part in parts)


@given(
    stakes=st.lists(st.integers(0, 10**6), max_size=20),
    cash=st.integers(0, 10**7),
    bonus=st.integers(0, 10**7),
    order=st.sampled_from([SpendOrder.CASH_FIRST, SpendOrder.BONUS_FIRST]),
    counted=counted_parts,
    weight=weights_bp,
)
def test_many_small_bets_count_what_one_large_bet_counts(stakes, cash, bonus, order, counted, weight):
    assume(sum(stakes) <= cash + bonus)
    whole = split_stake(sum(stakes), cash=cash, bonus=bonus, order=order, excluded=False)
    total = 0
    for stake in stakes:
        part = split_stake(stake, cash=cash, bonus=bonus, order=order, excluded=False)
        cash, bonus = cash - part.cash, bonus - part.bonus
        total += contribution(part, counted, weight)
    assert total == contribution(whole, counted, weight)


@given(stakes=st.lists(st.integers(0, 10**6), max_size=20), weight=weights_bp)
def test_small_proportional_bets_count_what_one_large_bet_counts_when_all_counts(stakes, weight):
    """A proportional split rounds to the minor unit, so this holds for the whole stake only."""
    cash = bonus = 10**8
    total = 0
    for stake in stakes:
        part = split_stake(stake, cash=cash, bonus=bonus, order=SpendOrder.PROPORTIONAL, excluded=False)
        cash, bonus = cash - part.cash, bonus - part.bonus
        total += contribution(part, Counted.ALL, weight)
    assert total == sum(stakes) * weight


WEIGHTS = Weights(
    default=10000,
    game={"blackjack-1": 1000, "free-spin-1": 0},
    category={"live": 500},
    provider={"acme": 2000},
)


@pytest.mark.parametrize(
    ("game", "category", "provider", "weight"),
    [
        ("blackjack-1", "live", "acme", 1000),  # the game before its category
        ("free-spin-1", "live", "acme", 0),  # a weight of nothing is a weight
        ("roulette-1", "live", "acme", 500),  # the category before the provider
        ("slot-1", "slots", "acme", 2000),  # the provider before the default
        ("slot-1", "", "other", 10000),
    ],
)
def test_takes_the_most_specific_weight(game, category, provider, weight):
    assert weight_bp(WEIGHTS, game=game, category=category, provider=provider) == weight


@pytest.mark.parametrize(
    ("game", "category", "excluded"),
    [("slot-9", "slots", True), ("slot-1", "jackpots", True), ("slot-1", "", False)],
)
def test_excludes_by_game_and_by_category(game, category, excluded):
    rules = Excluded(game=frozenset({"slot-9"}), category=frozenset({"jackpots"}))
    assert is_excluded(rules, game=game, category=category) is excluded


@pytest.mark.parametrize(
    ("wagered", "requirement", "multiplier", "complete"),
    [
        (9999, 1, 30, False),  # one basis point of a minor unit short
        (10000, 1, 30, True),
        (104_00 * 10000, 100_00, 10, True),  # worked number 12
        (0, 0, 0, True),  # nothing asked
        (0, 0, 30, False),  # free rounds before their first win
        (5000, 0, 30, False),
    ],
)
def test_completes_when_progress_reaches_the_requirement(wagered, requirement, multiplier, complete):
    assert is_complete(wagered, requirement, multiplier=multiplier) is complete


@pytest.mark.parametrize(
    ("wagered", "requirement", "completed", "shown"),
    [
        (250_00 * 10000, 750_00, False, Progress(250_00, 33)),
        (99_00 * 10000, 100_00, False, Progress(99_00, 99)),
        (100_00 * 10000 - 1, 100_00, False, Progress(99_99, 99)),  # never rounded up
        (104_00 * 10000, 100_00, True, Progress(100_00, 100)),  # worked number 12
        (104_00 * 10000, 100_00, False, Progress(100_00, 100)),  # never above the requirement
        (90_00 * 10000, 100_00, True, Progress(100_00, 100)),  # rolled back after completion
        (0, 0, True, Progress(0, 100)),
        (5_00 * 10000, 0, False, Progress(0, 0)),  # free rounds before their first win
    ],
)
def test_shows_progress_rounded_down(wagered, requirement, completed, shown):
    assert shown_progress(wagered, requirement, completed=completed) == shown


@given(wagered=st.integers(0, MAX_WAGERED), requirement=st.integers(0, MAX_REQUIRED))
def test_shows_a_hundred_percent_exactly_when_complete(wagered, requirement):
    shown = shown_progress(wagered, requirement, completed=False)
    assert 0 <= shown.wagered <= requirement
    assert (shown.percent == 100) is is_complete(wagered, requirement, multiplier=1)


# F5

CASH_FIRST, BONUS_FIRST, PROPORTIONAL = SpendOrder


@pytest.mark.parametrize(
    ("stake", "cash", "bonus", "order", "excluded", "split"),
    [
        (25_00, 20_00, 30_00, CASH_FIRST, False, (20_00, 5_00)),  # worked number 5
        (15_00, 20_00, 30_00, CASH_FIRST, False, (15_00, 0)),
        (25_00, 20_00, 30_00, BONUS_FIRST, False, (0, 25_00)),
        (35_00, 20_00, 30_00, BONUS_FIRST, False, (5_00, 30_00)),
        (10_00, 30_00, 10_00, PROPORTIONAL, False, (7_50, 2_50)),  # worked number 6
        (1, 30_00, 10_00, PROPORTIONAL, False, (0, 1)),
        (50_00, 20_00, 30_00, PROPORTIONAL, False, (20_00, 30_00)),
        (0, 0, 0, PROPORTIONAL, False, (0, 0)),
        (50_01, 20_00, 30_00, PROPORTIONAL, False, None),
        (50_01, 20_00, 30_00, CASH_FIRST, False, None),
        (20_00, 20_00, 30_00, BONUS_FIRST, True, (20_00, 0)),  # excluded: cash only
        (20_01, 20_00, 30_00, BONUS_FIRST, True, None),
    ],
)
def test_splits_a_stake_between_cash_and_bonus(stake, cash, bonus, order, excluded, split):
    assert split_stake(stake, cash=cash, bonus=bonus, order=order, excluded=excluded) == split


@given(stake=amounts, cash=balances, bonus=balances, order=orders, excluded=st.booleans())
def test_a_stake_is_paid_exactly_and_from_what_is_there(stake, cash, bonus, order, excluded):
    available = cash if excluded else cash + bonus
    split = split_stake(stake, cash=cash, bonus=bonus, order=order, excluded=excluded)
    if stake > available:
        assert split is None
    else:
        assert split.cash + split.bonus == stake
        assert 0 <= split.cash <= cash
        assert 0 <= split.bonus <= (0 if excluded else bonus)


@given(cash=st.integers(0, 20), bonus=st.integers(0, 20), share=st.integers(0, 40), order=orders)
def test_a_stake_near_the_whole_balance_is_paid_from_what_is_there(cash, bonus, share, order):
    """Small numbers, where rounding is a large part of the whole."""
    stake = min(share, cash + bonus)
    split = split_stake(stake, cash=cash, bonus=bonus, order=order, excluded=False)
    assert split.cash + split.bonus == stake
    assert 0 <= split.cash <= cash
    assert 0 <= split.bonus <= bonus


# F6


@pytest.mark.parametrize(
    ("payout", "stakes", "split"),
    [
        (50_00, (20_00, 5_00), (40_00, 10_00)),  # worked number 5
        (20_00, (7_50, 2_50), (15_00, 5_00)),  # worked number 6
        (1, (1, 1), (1, 0)),  # the odd cent is the player's cash
        (10_00, (0, 5_00), (0, 10_00)),
        (10_00, (0, 0), (10_00, 0)),  # no stake known
        (0, (1_00, 1_00), (0, 0)),
    ],
)
def test_splits_a_payout_as_its_stakes_were(payout, stakes, split):
    assert split_payout(payout, Split(*stakes)) == split


@given(payout=amounts, stakes=splits)
def test_a_payout_is_paid_exactly(payout, stakes):
    split = split_payout(payout, stakes)
    assert split.cash + split.bonus == payout
    assert split.cash >= 0
    assert split.bonus >= 0
    if stakes.bonus == 0:
        assert split.bonus == 0


# F7

BALANCE, ORIGINAL = Conversion


@pytest.mark.parametrize(
    ("balance", "granted", "conversion", "sticky", "max_conversion", "cash", "lost"),
    [
        (1500_00, 100_00, BALANCE, False, 1000_00, 1000_00, 500_00),  # worked number 9
        (1500_00, 100_00, BALANCE, False, None, 1500_00, 0),
        (150_00, 100_00, BALANCE, True, None, 50_00, 100_00),
        (80_00, 100_00, BALANCE, True, None, 0, 80_00),
        (1500_00, 100_00, BALANCE, True, 1000_00, 1000_00, 500_00),  # sticky before the maximum
        (150_00, 100_00, ORIGINAL, False, None, 100_00, 50_00),
        (80_00, 100_00, ORIGINAL, False, None, 80_00, 0),
        (150_00, 100_00, ORIGINAL, False, 60_00, 60_00, 90_00),
        (0, 100_00, BALANCE, False, 1000_00, 0, 0),
    ],
)
def test_converts_what_the_terms_allow(balance, granted, conversion, sticky, max_conversion, cash, lost):
    assert convert(
        balance,
        granted=granted,
        conversion=conversion,
        sticky=sticky,
        max_conversion=max_conversion,
    ) == Converted(cash, lost)


@given(
    balance=balances,
    granted=amounts,
    conversion=st.sampled_from(Conversion),
    sticky=st.booleans(),
    max_conversion=st.none() | amounts,
)
def test_a_conversion_empties_the_bonus_balance_exactly(balance, granted, conversion, sticky, max_conversion):
    converted = convert(
        balance,
        granted=granted,
        conversion=conversion,
        sticky=sticky,
        max_conversion=max_conversion,
    )
    assert converted.cash + converted.lost == balance
    assert converted.cash >= 0
    assert converted.lost >= 0
    assert max_conversion is None or converted.cash <= max_conversion


# F8


@given(bets=st.lists(st.tuples(splits, counted_parts, weights_bp), max_size=20), data=st.data())
def test_rollbacks_are_the_exact_inverse_of_their_bets_in_any_order(bets, data):
    recorded = [contribution(*bet) for bet in bets]
    wagered = sum(recorded)
    for one in data.draw(st.permutations(recorded)):
        wagered = take_back(wagered, one)
        assert wagered >= 0
    assert wagered == 0


def test_takes_back_what_a_weighted_bet_added_and_no_more():
    """Worked number 10: a bet of 100.00 at 10 % added 10.00."""
    added = contribution(Split(100_00, 0), Counted.ALL, 1000)
    assert take_back(250_00 * 10000 + added, added) == 250_00 * 10000


def test_taking_back_more_than_was_added_is_loud():
    with pytest.raises(ArithmeticError):
        take_back(9999, 10000)


# Stake limits


@pytest.mark.parametrize(
    ("granted", "max_stake", "max_stake_bp", "limit"),
    [
        (30_00, 5_00, 1000, 3_00),  # worked number 11: 10 % of 30.00 is less than 5.00
        (80_00, 5_00, 1000, 5_00),
        (33_33, None, 1000, 3_33),  # rounds down
        (30_00, 5_00, None, 5_00),
        (30_00, None, None, None),
        (0, 5_00, 1000, 5_00),  # free rounds have no granted amount to take a share of
        (0, None, 1000, None),
        (5, None, 1000, 1),  # a share that rounds to nothing lets the smallest unit be staked
        (1, None, 1, 1),
        (19, None, 1000, 1),
        (20, None, 1000, 2),
        (5, 5_00, 1000, 1),
    ],
)
def test_the_smaller_of_both_stake_limits_holds(granted, max_stake, max_stake_bp, limit):
    assert effective_max_stake(granted, max_stake=max_stake, max_stake_bp=max_stake_bp) == limit
