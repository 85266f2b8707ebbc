"""The bodies about players that only one of their views has: the list, the log of limits, the reality check."""

from __future__ import annotations

from rest_framework.serializers import CharField, IntegerField, ListField

from casino_pam.api.rest.serializer_fields import (
    AmountField,
    CountryField,
    CurrencyField,
    InstantField,
    NameField,
    QueryInstantField,
    SignedAmountField,
    StrictSerializer,
    TermsSerializer,
    WholeField,
    WordField,
)
from casino_pam.api.rest.serializers import Entry, Player
from casino_pam.engine.accounts import LONGEST_CHECK, SHORTEST_CHECK
from wallet.kinds import LIMIT_NAMES, VERIFICATIONS
from wallet.models import LimitChange as LimitChangeModel


class ListedPlayer(Player):
    tags = ListField(child=CharField(), source="tags.all", help_text="By operators; no player sees them.")
    created_at = InstantField()


class MyEntry(Entry):
    game_name = CharField(help_text="What the casino calls the game; empty where it has given it no name.")


class PlayerQuery(StrictSerializer):
    country = CountryField(required=False, help_text="ISO 3166-1, such as `MT`.")
    status = WordField(
        "free", "locked", "excluded", required=False, help_text="As they are now; `locked` is locked in any way."
    )
    verification = WordField(*VERIFICATIONS, required=False)
    tag = NameField(required=False, help_text="A tag that operators gave.")
    since = QueryInstantField(required=False, help_text="Made from this instant on (ISO 8601, with any offset).")


class LimitChange(StrictSerializer):
    at = InstantField()
    by = WordField("player", "house", help_text="`house`: at the player's word.")
    currency = CurrencyField(source="wallet.currency_id")
    limit = WordField(*LIMIT_NAMES)
    before = AmountField(allow_null=True, help_text="What held until then; null is no limit.")
    after = AmountField(allow_null=True, help_text="What holds since; null is no limit.")
    increase = AmountField(allow_null=True, help_text="What was asked for and waits; with `available_at` null is none.")
    available_at = InstantField(allow_null=True, help_text="From when the increase can be confirmed; null without one.")

    def digits_of(self, instance: LimitChangeModel) -> int:
        return instance.wallet.currency.digits


class RealityCheckAsked(TermsSerializer):
    minutes = WholeField(SHORTEST_CHECK, LONGEST_CHECK, help_text="How often the player's page tells time and result.")


class Played(StrictSerializer):
    currency = CurrencyField()
    staked = SignedAmountField(help_text="Net of rollbacks, of earlier stakes too: it may be negative.")
    won = SignedAmountField()
    result = SignedAmountField(help_text="Won less staked.")


class RealityCheck(StrictSerializer):
    minutes = IntegerField(min_value=SHORTEST_CHECK, max_value=LONGEST_CHECK)
    shortest = IntegerField()
    longest = IntegerField()
    played = Played(many=True, help_text="Since the instant that was asked for; empty without one.")


class SinceQuery(StrictSerializer):
    since = QueryInstantField(required=False, help_text="The beginning of the session (ISO 8601, with any offset).")
