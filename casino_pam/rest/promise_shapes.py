"""The shapes of offers and bonuses, for the OpenAPI document (as ``casino_pam/rest/shapes.py``).

Offers are read by ``bonus.offer_json``, which says in its own words what is wrong with one.
"""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework.serializers import (
    BooleanField,
    CharField,
    DateTimeField,
    DictField,
    IntegerField,
    ListField,
    RegexField,
    Serializer,
)

from bonus.rules import MAX_WEIGHT_BP, Base, Conversion, Counted, SpendOrder
from bonus.terms import Kind, OnWithdrawal, OverMaxStake
from casino_pam.rest.shapes import Bonus, currency_text, money_text, name_text, words

_CODE: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"


def _weights(**more: Any) -> DictField:
    return DictField(child=IntegerField(min_value=0, max_value=MAX_WEIGHT_BP), **more)


@extend_schema_field(
    {"oneOf": [{"type": "string", "enum": ["any", "first"]}, {"type": "integer", "minimum": 1, "maximum": 1000}]}
)
class WhichDeposit(CharField):
    """Any deposit, the wallet's first, or the one of that number."""


class Weights(Serializer[Any]):
    default = IntegerField(min_value=0, max_value=MAX_WEIGHT_BP, required=False, help_text="Basis points.")
    game = _weights(required=False)
    category = _weights(required=False)
    provider = _weights(required=False)


class Excluded(Serializer[Any]):
    game = ListField(child=name_text(), required=False)
    category = ListField(child=RegexField(_CODE), required=False)


class Amounts(Serializer[Any]):
    cap = money_text(required=False, allow_null=True)
    amount = money_text(required=False, allow_null=True)
    min_deposit = money_text(required=False)
    max_stake = money_text(required=False, allow_null=True)
    max_conversion = money_text(required=False, allow_null=True)
    depleted_below = money_text(required=False)


class OfferChanges(Serializer[Any]):
    """Members of an offer, each replaced as a whole; the code cannot be changed."""

    name = CharField(required=False, max_length=128)
    kind = words(*Kind, required=False)
    percent_bp = IntegerField(required=False, allow_null=True, min_value=1, max_value=100_000)
    which_deposit = WhichDeposit(required=False)
    multiplier = IntegerField(required=False, min_value=0, max_value=1000)
    base = words(*Base, required=False)
    counted = words(*Counted, required=False)
    spend_order = words(*SpendOrder, required=False)
    weights = Weights(required=False)
    excluded = Excluded(required=False)
    max_stake_bp = IntegerField(required=False, allow_null=True, min_value=1, max_value=100_000)
    over_max_stake = words(*OverMaxStake, required=False)
    conversion = words(*Conversion, required=False)
    sticky = BooleanField(required=False)
    on_withdrawal = words(*OnWithdrawal, required=False)
    claim_days = IntegerField(required=False, allow_null=True, min_value=1, max_value=3650)
    spend_days = IntegerField(required=False, allow_null=True, min_value=1, max_value=3650)
    amounts = DictField(child=Amounts(), required=False, help_text="By currency.")
    valid_from = DateTimeField(required=False, allow_null=True)
    valid_until = DateTimeField(required=False, allow_null=True)
    per_player = IntegerField(required=False, min_value=1, max_value=1_000_000)
    total = IntegerField(required=False, allow_null=True, min_value=1, max_value=10**9)
    countries = ListField(child=RegexField(r"^[A-Z]{2}$"), required=False, help_text="None: everywhere.")
    enabled = BooleanField(required=False)


class Offer(OfferChanges):
    code = RegexField(_CODE)
    name = CharField(max_length=128)
    kind = words(*Kind)
    multiplier = IntegerField(min_value=0, max_value=1000)
    amounts = DictField(child=Amounts(), help_text="By currency.")


class Offers(Serializer[Any]):
    results = Offer(many=True)
    next = CharField(allow_null=True, help_text="The cursor of the next page; null on the last.")


class GrantAsked(Serializer[Any]):
    player = name_text()
    currency = currency_text()
    reference = name_text(help_text="Spent once, for ever; a repeat shows the bonus as it stands.")
    offer = name_text()


class ClaimAsked(Serializer[Any]):
    offer = name_text()
    currency = currency_text()


class ForfeitAsked(Serializer[Any]):
    reference = name_text()


class Bonuses(Serializer[Any]):
    results = Bonus(many=True)
    next = CharField(allow_null=True, help_text="The cursor of the next page; null on the last.")


class Line(Serializer[Any]):
    about = CharField()
    said = CharField()


class Terms(Serializer[Any]):
    """What the bonus is held to, frozen when it was granted."""

    kind = words(*Kind)
    max_stake = money_text(allow_null=True, help_text="The largest stake while the bonus is active.")
    max_conversion = money_text(allow_null=True, help_text="The most that becomes cash.")
    weights = Weights(help_text="What counts, in basis points; the most specific is the one.")
    excluded = Excluded(help_text="Not to be played with bonus money.")
    said = Line(many=True, help_text="All the terms in plain words.")


class MyBonus(Bonus):
    terms = Terms()


class MyBonuses(Serializer[Any]):
    results = MyBonus(many=True)
    next = CharField(allow_null=True, help_text="The cursor of the next page; null on the last.")
