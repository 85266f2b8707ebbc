"""The arithmetic of bonuses: formulas F1 to F8 as pure functions.

Amounts are integers in the currency's minor unit, weights are basis points (10000 is the whole
stake) and progress is their product, so a bet is never rounded: 400 bets of 0.05 at 5 % are exactly
1.00. Nothing here knows a model, a clock or a setting; the formulas are those of docs/bonus.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

BASIS_POINTS = 10_000
"""The whole, in basis points."""

MAX_WEIGHT_BP = 20_000
"""A game counts at most twice its stake."""

MAX_REQUIRED = 10**14
"""The largest wagering requirement, in minor units."""

MAX_WAGERED = MAX_REQUIRED * (BASIS_POINTS + MAX_WEIGHT_BP)
"""The most progress there can be: the largest requirement, overshot by the largest bet. It fits a BIGINT."""


class Base(StrEnum):
    """What the multiplier multiplies."""

    BONUS = "bonus"
    DEPOSIT_PLUS_BONUS = "deposit_plus_bonus"
    WINNINGS = "winnings"


class Counted(StrEnum):
    """Which part of a stake counts towards the requirement."""

    ALL = "all"
    BONUS = "bonus"
    CASH = "cash"


class SpendOrder(StrEnum):
    """Which balance pays a stake first."""

    CASH_FIRST = "cash_first"
    BONUS_FIRST = "bonus_first"
    PROPORTIONAL = "proportional"


class Conversion(StrEnum):
    """What becomes cash on completion: what is left of the bonus, or no more than was granted."""

    BALANCE = "balance"
    ORIGINAL = "original"


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a stake counts, in basis points, by game, category and provider code."""

    default: int = BASIS_POINTS
    game: Mapping[str, int] = {}
    category: Mapping[str, int] = {}
    provider: Mapping[str, int] = {}


class Excluded(msgspec.Struct, frozen=True, kw_only=True):
    """Games and categories that bonus money may not play."""

    game: frozenset[str] = frozenset()
    category: frozenset[str] = frozenset()


class NamedWeight(NamedTuple):
    """A weight in basis points, and the games that have it."""

    name: str
    weight_bp: int


class Split(NamedTuple):
    """An amount in two parts: what the cash balance moves and what the bonus balance moves."""

    cash: int
    bonus: int


class Converted(NamedTuple):
    """What a completed bonus pays into cash, and what leaves the bonus balance without being paid."""

    cash: int
    lost: int


class Progress(NamedTuple):
    """Progress as a player sees it: minor units wagered, and whole percent."""

    wagered: int
    percent: int


def grant_amount(deposit: int, *, percent_bp: int, cap: int, min_deposit: int) -> int:
    """F1: the bonus on a deposit (or on the net loss of a cashback period), 0 when there is none."""
    if deposit < min_deposit:
        return 0
    return min(deposit * percent_bp // BASIS_POINTS, cap)


def base_amount(base: Base, *, deposit: int, granted: int) -> int:
    """What F2 multiplies at grant. Winnings are not known yet then: they add to R as they come."""
    match base:
        case Base.BONUS:
            return granted
        case Base.DEPOSIT_PLUS_BONUS:
            return deposit + granted
        case Base.WINNINGS:
            return 0


def required(base: int, multiplier: int) -> int:
    """F2: how much must be wagered, in minor units.

    Raises OverflowError above MAX_REQUIRED, because progress towards it would not fit a BIGINT.
    """
    amount = base * multiplier
    if amount > MAX_REQUIRED:
        raise OverflowError(f"{base} x {multiplier} is above {MAX_REQUIRED}")
    return amount


def counted_stake(stake: Split, counted: Counted) -> int:
    """F3: the part of a stake that counts, in minor units."""
    match counted:
        case Counted.ALL:
            return stake.cash + stake.bonus
        case Counted.BONUS:
            return stake.bonus
        case Counted.CASH:
            return stake.cash


def weight_bp(weights: Weights, *, game: str, category: str, provider: str) -> int:
    """The weight of a game in basis points: the most specific one that is set wins.

    A game without a category has the empty one, which no offer can name.
    """
    if game in weights.game:
        return weights.game[game]
    if category in weights.category:
        return weights.category[category]
    return weights.provider.get(provider, weights.default)


def is_excluded(excluded: Excluded, *, game: str, category: str) -> bool:
    """Whether a game may be played with cash only while the bonus is active."""
    return game in excluded.game or category in excluded.category


def least_weight(weights: Weights, excluded: Excluded) -> NamedWeight:
    """The smallest weight that a game may have which is not excluded.

    An offer does not know which games there are nor what category they are in, so each weight that it sets counts
    unless that very game or category is excluded, and there are always games that only the default speaks of.
    """
    named = [
        *(NamedWeight(name, bp) for name, bp in weights.game.items() if name not in excluded.game),
        *(NamedWeight(f"all of {name}", bp) for name, bp in weights.category.items() if name not in excluded.category),
        *(NamedWeight(f"provider {name}", bp) for name, bp in weights.provider.items()),
        NamedWeight("every other game", weights.default),
    ]
    return min(named, key=lambda each: each.weight_bp)


def contribution(stake: Split, counted: Counted, weight_bp: int) -> int:
    """F4: what a bet adds to progress, in minor units x basis points."""
    return counted_stake(stake, counted) * weight_bp


def is_complete(wagered: int, required: int, *, multiplier: int) -> bool:
    """F4: whether progress reached the requirement; a multiplier of 0 asks for none.

    Free rounds have R = 0 until their first win: nothing can be completed before that.
    """
    if multiplier == 0:
        return True
    return required > 0 and wagered >= required * BASIS_POINTS


def shown_progress(wagered: int, required: int, *, completed: bool) -> Progress:
    """F4: progress rounded down for display, never above the requirement.

    A completed bonus shows the whole even if a later rollback took some of its progress back.
    """
    if completed:
        return Progress(required, 100)
    if required == 0:
        return Progress(0, 0)
    return Progress(
        wagered=min(wagered // BASIS_POINTS, required),
        percent=min(100 * wagered // (required * BASIS_POINTS), 100),
    )


def split_stake(stake: int, *, cash: int, bonus: int, order: SpendOrder, excluded: bool) -> Split | None:
    """F5: which balances pay a stake; None when they cannot.

    An excluded game is paid in cash only. No part ever exceeds its balance: when both together cover
    the stake, rounding the cash part down leaves a bonus part that is at most rounded up.
    """
    if excluded:
        bonus = 0
    if stake > cash + bonus:
        return None
    match order:
        case SpendOrder.CASH_FIRST:
            from_cash = min(cash, stake)
        case SpendOrder.BONUS_FIRST:
            from_cash = stake - min(bonus, stake)
        case SpendOrder.PROPORTIONAL:
            from_cash = stake * cash // (cash + bonus) if stake else 0
    return Split(from_cash, stake - from_cash)


def split_payout(payout: int, stakes: Split) -> Split:
    """F6: a payout goes back where its stakes (net of rollbacks) came from, the odd cent to cash.

    Without a stake it is all cash.
    """
    staked = stakes.cash + stakes.bonus
    to_bonus = payout * stakes.bonus // staked if staked else 0
    return Split(payout - to_bonus, to_bonus)


def convert(
    balance: int, *, granted: int, conversion: Conversion, sticky: bool, max_conversion: int | None
) -> Converted:
    """F7: what a completed bonus becomes. All of the bonus balance leaves; `cash` of it is paid.

    A sticky bonus never pays out what was granted, only what was won on top of it.
    """
    payable = max(0, balance - granted) if sticky else balance
    if conversion is Conversion.ORIGINAL:
        payable = min(payable, granted)
    if max_conversion is not None:
        payable = min(payable, max_conversion)
    return Converted(cash=payable, lost=balance - payable)


def take_back(wagered: int, contribution: int) -> int:
    """F8: progress after a rollback returns the contribution its bet had recorded.

    Raises ArithmeticError if more would be taken back than was ever added: books like that are broken.
    """
    if contribution > wagered:
        raise ArithmeticError(f"cannot take {contribution} back from {wagered}")
    return wagered - contribution


def effective_max_stake(granted: int, *, max_stake: int | None, max_stake_bp: int | None) -> int | None:
    """The largest whole stake while the bonus is active, in minor units; None when there is no limit.

    The share of the granted bonus rounds down, but not to nothing: the currency's smallest unit may always be staked,
    or cash could not be played with either. Free rounds are granted with 0, so a share of that would forbid every
    bet: for them only the fixed limit applies.
    """
    limits = [] if max_stake is None else [max_stake]
    if max_stake_bp is not None and granted > 0:
        limits.append(max(1, granted * max_stake_bp // BASIS_POINTS))
    return min(limits, default=None)
