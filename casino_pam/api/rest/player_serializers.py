"""The bodies about players: who they are, what they may do, their limits, and what their own pages ask for."""

from __future__ import annotations

from rest_framework.serializers import BooleanField, CharField, IntegerField, ListField

from casino_pam.api.rest.serializer_fields import (
    AmountField,
    CountryField,
    CurrenciesField,
    CurrencyField,
    CurrencySerializer,
    FlagField,
    InstantField,
    NameField,
    QueryInstantField,
    SignedAmountField,
    StrictSerializer,
    TermsSerializer,
    WholeField,
    WordField,
)
from casino_pam.engine.accounts import LONGEST_CHECK, SHORTEST_CHECK
from wallet.kinds import LIMIT_NAMES, VERIFICATIONS
from wallet.models import LimitChange as LimitChangeModel


class Locks(StrictSerializer):
    bet = BooleanField(source="bet_locked")
    deposit = BooleanField(source="deposit_locked")
    withdraw = BooleanField(source="withdraw_locked")


class SomeLocks(TermsSerializer):
    bet = FlagField(source="bet_locked", required=False)
    deposit = FlagField(source="deposit_locked", required=False)
    withdraw = FlagField(source="withdraw_locked", required=False)


class NewPlayer(TermsSerializer):
    player = NameField()
    country = CountryField(required=False)
    wallets = CurrenciesField(required=False, max_length=100)
    verification = WordField(*VERIFICATIONS, required=False)


class PlayerChanges(TermsSerializer):
    locks = SomeLocks(source="*", required=False)
    excluded_until = InstantField(allow_null=True, help_text="With any offset; null lifts the exclusion.")
    country = CountryField()
    verification = WordField(*VERIFICATIONS)


class Player(StrictSerializer):
    player = NameField(source="code")
    country = CharField(allow_null=True)
    locks = Locks(source="*")
    excluded_until = InstantField(allow_null=True)
    verification = WordField(*VERIFICATIONS)
    wallets = CurrenciesField()


class ListedPlayer(Player):
    tags = ListField(child=CharField(), source="tags.all", help_text="By operators; no player sees them.")
    created_at = InstantField()


class PlayerQuery(StrictSerializer):
    country = CountryField(required=False, help_text="ISO 3166-1, such as `MT`.")
    status = WordField(
        "free", "locked", "excluded", required=False, help_text="As they are now; `locked` is locked in any way."
    )
    verification = WordField(*VERIFICATIONS, required=False)
    tag = NameField(required=False, help_text="A tag that operators gave.")
    since = QueryInstantField(required=False, help_text="Made from this instant on (ISO 8601, with any offset).")


class Token(StrictSerializer):
    token = CharField()
    expires_at = InstantField()


class Ticket(StrictSerializer):
    ticket = CharField(help_text="Good once, for 30 s: `/ws/player/?ticket=...`.")
    expires_at = InstantField()


class ExclusionAsked(StrictSerializer):
    excluded_until = InstantField(help_text="Not before the exclusion in force, which nobody can shorten here.")


# --- limits ----------------------------------------------------------------------------------


class LimitsOfSubjectAsked(TermsSerializer):
    day = AmountField(required=False, allow_null=True)
    week = AmountField(required=False, allow_null=True)
    month = AmountField(required=False, allow_null=True)


class LimitsAsked(TermsSerializer, CurrencySerializer):
    """What is not named stays; null is no limit. A subject or period that there is not is refused."""

    currency = CurrencyField()
    deposit = LimitsOfSubjectAsked(required=False)
    stake = LimitsOfSubjectAsked(required=False)
    loss = LimitsOfSubjectAsked(required=False)


class Increase(StrictSerializer):
    limit = AmountField(allow_null=True)
    available_at = InstantField(help_text="Asked for again from then on, it holds.")
    lapses_at = InstantField(help_text="From then on it must be asked for anew.")


class Limit(StrictSerializer):
    limit = AmountField(allow_null=True)
    used = SignedAmountField(help_text="In this period so far; a net loss below zero is a win.")
    left = AmountField(allow_null=True)
    resets_at = InstantField(help_text="When the period ends (UTC; a week begins on Monday).")
    increase = Increase(allow_null=True, help_text="A higher limit that was asked for and does not hold yet.")


class LimitsOfSubject(StrictSerializer):
    day = Limit()
    week = Limit()
    month = Limit()


class Limits(StrictSerializer):
    player = NameField()
    currency = CurrencyField()
    holds_for = WordField(
        "currency",
        "account",
        help_text="`currency`: another wallet has limits of its own. `account`: the player has one wallet.",
    )
    deposit = LimitsOfSubject()
    stake = LimitsOfSubject()
    loss = LimitsOfSubject(help_text="Stakes less wins; a stake counts as lost until it is won back.")


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


# --- the reality check -----------------------------------------------------------------------


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
