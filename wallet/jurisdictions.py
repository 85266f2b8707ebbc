"""Countries, and what the law of a player's country asks of the house: every such rule in one table.

No other file knows what a country asks. The table is shown on a page of the back office and in docs/jurisdictions.md;
a rule is asked wherever its demand is (docs/decisions/0023-one-table-of-jurisdictions.md).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

import pycountry
from django.conf import settings

# --- countries ---------------------------------------------------------------------------------------

# Read while the module is imported: two threads that read pycountry's file at once may find it half read.
_CODES: Final = frozenset(each.alpha_2 for each in pycountry.countries)

# What people write for a country, and ISO 3166-1 has not assigned to it.
_ALIASES: Final = {"UK": "GB", "EL": "GR"}
# Longer than any name of a country: what is longer is not looked for.
_LONGEST_NAME: Final = 64


class InvalidCountry(ValueError):
    """Not the code of a country; the text says what would have been right."""


def country(text: object) -> str:
    """The assigned ISO 3166-1 code (two capital letters) that ``text`` is. Raises InvalidCountry."""
    if isinstance(text, str) and text in _CODES:
        return text
    raise InvalidCountry(f'must be the two capital letters of ISO 3166-1, such as "MT"{_meant(text)}')


def name(code: str) -> str:
    """What the country of an assigned code is called in English."""
    found = pycountry.countries.get(alpha_2=code)
    assert found is not None, "not a code that country() let pass"
    return found.name


def _meant(text: object) -> str:
    """What the country seems to be that somebody wrote in another way."""
    if not isinstance(text, str) or len(text) > _LONGEST_NAME or not text.isprintable():
        return ""
    code = _ALIASES.get(text.upper(), text)
    try:
        found = pycountry.countries.lookup(code)
    except LookupError:
        return f': "{text}" is not assigned' if len(text) == 2 and text.isupper() else ""
    return f': "{text}" is "{found.alpha_2}" ({found.name})'


# --- the rules ---------------------------------------------------------------------------------------


class Demand(StrEnum):
    """What a rule asks for; ``Rule.figure`` is its number, where it has one."""

    WAGERING = "wagering"  # times that a bonus need be wagered at most, on whatever game
    WITHOUT_DEPOSIT = "without_deposit"  # the deposit is no part of what must be wagered
    WITHDRAWAL = "withdrawal"  # a bonus refuses no withdrawal
    ONE_CURRENCY = "one_currency"  # limits hold for the account: a player has one wallet
    RAISE_HOURS = "raise_hours"  # hours from the wish for a higher limit until it can be confirmed
    RAISE_AFTER_PERIOD = "raise_after_period"  # nor before the period ends that the wish was made in
    # The house itself may ask for these two of every player (settings.VERIFIED_BEFORE).
    VERIFIED_WITHDRAWAL = "verified_withdrawal"  # nothing is paid out before the player is verified
    VERIFIED_CONVERSION = "verified_conversion"  # nor does a bonus become cash


class Rule(NamedTuple):
    """What a country (ISO 3166-1) asks, where it is written, and since when it holds."""

    country: str
    demand: Demand
    figure: int
    text: str
    source: str
    since: date


_CMA: Final = "CMA undertakings on online gambling promotions, asked for by the Gambling Commission's LCCP 7.1.1"
_ORDINANCE: Final = "Spelförordningen (2018:1475) 11 kap. 3 §"

RULES: Final = (
    Rule(
        "GB",
        Demand.WAGERING,
        10,
        "A bonus need be wagered ten times at most, on whatever game that is not excluded, and the whole stake counts.",
        "Gambling Commission, LCCP, social responsibility code 5.1.1",
        date(2026, 1, 19),
    ),
    Rule(
        "GB",
        Demand.WITHOUT_DEPOSIT,
        0,
        "The deposit is no part of what must be wagered.",
        _CMA,
        date(2018, 2, 28),
    ),
    Rule("GB", Demand.WITHDRAWAL, 0, "A bonus never refuses a withdrawal.", _CMA, date(2018, 2, 28)),
    Rule(
        "GB",
        Demand.ONE_CURRENCY,
        0,
        "Limits hold for the account: a player has one wallet, in one currency.",
        "Gambling Commission, remote technical standards, RTS 12B",
        date(2025, 10, 31),
    ),
    Rule(
        "GB",
        Demand.RAISE_HOURS,
        24,
        "A higher limit waits 24 hours, and for the player to confirm it.",
        "Gambling Commission, remote technical standards, RTS 12D",
        date(2025, 10, 31),
    ),
    Rule("SE", Demand.RAISE_HOURS, 72, "A higher limit waits 72 hours.", _ORDINANCE, date(2019, 1, 1)),
    Rule(
        "SE",
        Demand.RAISE_AFTER_PERIOD,
        0,
        "A higher limit does not hold before the running day, week or month has ended.",
        f"{_ORDINANCE}, as Spelinspektionen reads it",
        date(2021, 12, 13),
    ),
    Rule(
        "DE",
        Demand.VERIFIED_WITHDRAWAL,
        0,
        "Nothing is paid out to a player who is not verified.",
        "Glücksspielstaatsvertrag 2021 § 6a Abs. 4",
        date(2021, 7, 1),
    ),
)

_RULES: Final = {(rule.country, rule.demand): rule for rule in RULES}


def rule(country: str | None, demand: Demand) -> Rule | None:
    """The country's rule about it, if it has one; a player without a country is in no jurisdiction that we know."""
    return None if country is None else _RULES.get((country, demand))


def must_be_verified(country: str | None, demand: Demand) -> bool:
    """Whether a player of the country must be verified first, by the law there or by the house's own word."""
    return demand in settings.VERIFIED_BEFORE or rule(country, demand) is not None


def where_verified(demand: Demand) -> list[str] | None:
    """The countries whose players must be verified first; None where all must be, those without a country too."""
    return None if demand in settings.VERIFIED_BEFORE else sorted(c for c, asked in _RULES if asked is demand)
