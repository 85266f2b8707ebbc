"""Terms in plain words, and what they come to in numbers: for operators, and for whoever asks them.

Pure, and computed by the very functions that carry the terms out: a sentence here cannot promise
what a bet does not do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from bonus import grants, rules
from bonus.rules import BASIS_POINTS, Base, Conversion, Counted, SpendOrder, Split
from bonus.terms import OfferKind, OnWithdrawal, OverMaxStake, Terms
from wallet import money
from wallet.errors import Refused

TENTH: Final = BASIS_POINTS // 10
NAMED_GAMES: Final = 5
"""How many games a sentence names one by one before it only counts them."""


class Line(NamedTuple):
    """A term or a figure, and what is to be said of it."""

    about: str
    said: str


def percent(basis_points: int) -> str:
    """Basis points as people write percent: 1250 is ``12.5 %``."""
    text = money.show(basis_points, 2)
    return f"{text.rstrip('0').rstrip('.')} %"


def sum_of(minor: int, terms: Terms, digits: int) -> str:
    return f"{money.grouped(money.show(minor, digits))} {terms.currency}"


# --- the terms, one sentence each --------------------------------------------------------------


def in_words(terms: Terms, digits: int) -> list[Line]:
    """Every term that has something to say, in the order in which a bonus meets them."""
    lines = [
        Line("Granted", _granted(terms, digits)),
        Line("Must be wagered", _required(terms)),
        Line("What counts", f"{_COUNTED[terms.counted]} {_weights(terms)}"),
        Line("Paid from", _SPENT[terms.spend_order]),
        Line("Becomes cash", _converted(terms, digits)),
        Line("A withdrawal", _WITHDRAWN[terms.on_withdrawal]),
        Line("Time", _time(terms)),
    ]
    if terms.excluded.game or terms.excluded.category:
        names = [*sorted(terms.excluded.game), *(f"all of {name}" for name in sorted(terms.excluded.category))]
        lines.insert(3, Line("Excluded", f"{_some(names)}: cash only, and nothing counts."))
    if terms.max_stake is not None or terms.max_stake_bp is not None:
        lines.insert(-3, Line("Largest stake", _largest(terms, digits)))
    if terms.depleted_below:
        lines.append(Line("Too little", f"Below {sum_of(terms.depleted_below, terms, digits)} the bonus is over."))
    return lines


_COUNTED: Final = {
    Counted.ALL: "The whole stake.",
    Counted.BONUS: "Only the part of a stake that bonus money pays.",
    Counted.CASH: "Only the part of a stake that cash pays.",
}
_SPENT: Final = {
    SpendOrder.CASH_FIRST: "Cash first, then bonus money.",
    SpendOrder.BONUS_FIRST: "Bonus money first, then cash.",
    SpendOrder.PROPORTIONAL: "Cash and bonus money, in proportion to what there is of each.",
}
_WITHDRAWN: Final = {
    OnWithdrawal.FORFEIT: "may be asked for at any time, and ends the bonus.",
    OnWithdrawal.REFUSE: "is refused while the bonus is active.",
    OnWithdrawal.KEEP: "leaves the bonus as it is.",
}


def _granted(terms: Terms, digits: int) -> str:
    least = f" of {sum_of(terms.min_deposit, terms, digits)} or more" if terms.min_deposit else ""
    share = f"{percent(terms.percent_bp or 0)} of"
    cap = f", at most {sum_of(terms.cap, terms, digits)}" if terms.cap is not None else ""
    which = {"any": "a deposit", "first": "the first deposit"}.get(
        str(terms.which_deposit), f"deposit number {terms.which_deposit}"
    )
    match terms.kind:
        case OfferKind.DEPOSIT_MATCH:
            return f"{share} {which}{least}{cap}, rounded down."
        case OfferKind.FIXED:
            return f"{sum_of(terms.amount or 0, terms, digits)}."
        case OfferKind.FREE_ROUNDS:
            return "What the free rounds win."
        case OfferKind.CASHBACK:
            return f"{share} a period's net loss{least}{cap}, rounded down."


def _required(terms: Terms) -> str:
    if terms.multiplier == 0:
        return "Nothing: it becomes cash at once."
    base = {
        Base.BONUS: "the bonus",
        Base.DEPOSIT_PLUS_BONUS: "deposit and bonus together",
        Base.WINNINGS: "what the free rounds won",
    }[terms.base]
    return f"{terms.multiplier} times {base}."


def _weights(terms: Terms) -> str:
    weights = terms.weights
    named = [
        *(f"{name} {percent(weight)}" for name, weight in sorted(weights.game.items())),
        *(f"all of {name} {percent(weight)}" for name, weight in sorted(weights.category.items())),
        *(f"provider {name} {percent(weight)}" for name, weight in sorted(weights.provider.items())),
    ]
    rest = f"every {'other ' if named else ''}game {percent(weights.default)}"
    return f"Weights: {_some([*named, rest])}."


def _some(names: list[str]) -> str:
    if len(names) <= NAMED_GAMES:
        return ", ".join(names)
    # The last one stands for all the others, so it is always said.
    return f"{', '.join(names[: NAMED_GAMES - 1])}, {len(names) - NAMED_GAMES} more, {names[-1]}"


def _converted(terms: Terms, digits: int) -> str:
    what = "No more than was granted" if terms.conversion is Conversion.ORIGINAL else "What is left of the bonus money"
    if terms.sticky:
        what += ", less what was granted"
    most = f", at most {sum_of(terms.max_conversion, terms, digits)}" if terms.max_conversion is not None else ""
    return f"{what}{most}."


def _largest(terms: Terms, digits: int) -> str:
    limits = []
    if terms.max_stake is not None:
        limits.append(sum_of(terms.max_stake, terms, digits))
    if terms.max_stake_bp is not None:
        limits.append(f"{percent(terms.max_stake_bp)} of what was granted")
    ends = {
        OverMaxStake.REFUSE: "a larger bet is refused",
        OverMaxStake.FORFEIT: "a larger bet that cash alone can pay ends the bonus, any other is refused",
    }
    smaller = ", the smaller of both" if len(limits) == 2 else ""
    return f"{' and '.join(limits)}{smaller}; {ends[terms.over_max_stake]}."


def _time(terms: Terms) -> str:
    claimed = "without limit" if terms.claim_days is None else f"{terms.claim_days} days"
    spent = "without limit" if terms.spend_days is None else f"{terms.spend_days} days"
    return f"To be started: {claimed}. To be wagered once started: {spent}."


# --- one bonus worked out ----------------------------------------------------------------------


def worked_example(terms: Terms, digits: int, at: datetime) -> list[Line]:
    """What the smallest sensible deposit comes to, and ten whole units staked on a game of 10 %."""
    unit = 10**digits
    given = _smallest(terms, 10 * unit)
    try:
        came_to = _came_to(terms, given)
    except Refused as refusal:
        why = str(refusal.facts["why"]).replace("_", " ")
        return [Line(_ON[terms.kind].format(sum_of(given, terms, digits)), f"nothing is granted: {why}")]
    lines = [
        Line(
            _ON[terms.kind].format(sum_of(given, terms, digits)),
            f"{sum_of(came_to.amount, terms, digits)} of bonus money",
        ),
        Line("To be wagered", sum_of(came_to.required, terms, digits)),
    ]
    lines += _counted(terms, digits, 10 * unit)
    granted = 0 if terms.kind is OfferKind.FREE_ROUNDS else came_to.amount
    limit = rules.effective_max_stake(granted, max_stake=terms.max_stake, max_stake_bp=terms.max_stake_bp)
    lines.append(Line("Largest stake", "no limit" if limit is None else sum_of(limit, terms, digits)))
    return [*lines, Line("Started now, it runs out", _runs_out(terms, at))]


_ON: Final = {
    OfferKind.DEPOSIT_MATCH: "On a deposit of {}",
    OfferKind.FIXED: "Granted",
    OfferKind.FREE_ROUNDS: "On free rounds that won {}",
    OfferKind.CASHBACK: "On a net loss of {}",
}


def _smallest(terms: Terms, usual: int) -> int:
    """The least that earns something: the minimum if there is one, else ten units, never less than earns a cent."""
    if terms.kind is OfferKind.FREE_ROUNDS:
        return usual
    share = terms.percent_bp
    earns = 1 if share is None else -(-BASIS_POINTS // share)
    return max(terms.min_deposit or usual, earns)


def _came_to(terms: Terms, given: int) -> grants.Figures:
    """As a grant reckons it; free rounds are granted with nothing, and grow by what they win."""
    if terms.kind is OfferKind.FREE_ROUNDS:
        return grants.Figures(given, given, given * terms.multiplier)
    return grants.figures(terms, given)


def _counted(terms: Terms, digits: int, stake: int) -> list[Line]:
    """A stake on games of the offer's weights and of a tenth; paid by the balance that counts."""
    paid = Split(stake, 0) if terms.counted is Counted.CASH else Split(0, stake)
    weights = terms.weights
    named = {weights.default, *weights.game.values(), *weights.category.values(), *weights.provider.values()} - {TENTH}
    shown = sorted([*sorted(named, reverse=True)[: NAMED_GAMES - 1], TENTH], reverse=True)
    staked = sum_of(stake, terms, digits)
    return [
        Line(
            f"{staked} on a {percent(weight)} game counts",
            sum_of(rules.contribution(paid, terms.counted, weight) // BASIS_POINTS, terms, digits),
        )
        for weight in shown
    ]


def _runs_out(terms: Terms, at: datetime) -> str:
    if terms.spend_days is None:
        return "never"
    return f"{at + timedelta(days=terms.spend_days):%Y-%m-%d %H:%M:%S} UTC"
