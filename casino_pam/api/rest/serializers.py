"""The shapes of requests and answers, for the OpenAPI document.

Requests are read by ``casino_pam.api.fields`` and ``bonus.offers``, answers written by ``casino_pam.api.responses``:
nothing here validates. The tests hold every answer against these shapes.
"""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DateTimeField,
    DictField,
    IntegerField,
    ListField,
    RegexField,
    Serializer,
    UUIDField,
)

from bonus.models import BonusStatus
from bonus.rules import MAX_WEIGHT_BP, Base, Conversion, Counted, SpendOrder
from bonus.terms import OfferKind, OnWithdrawal, OverMaxStake
from wallet.errors import STATUS
from wallet.kinds import KINDS, STATUSES, WIN_SOURCES

LONGEST_REASON: Final = 500

_AMOUNT: Final = r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"
_SIGNED: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_NAME: Final = r"^[!-~]([ -~]*[!-~])?$"


def money_text(**more: Any) -> RegexField:
    return RegexField(_AMOUNT, **{"help_text": "Decimal string, at most the currency's digits.", **more})


def signed_text(**more: Any) -> RegexField:
    return RegexField(_SIGNED, **{"help_text": "Decimal string, negative where money leaves.", **more})


def name_text(**more: Any) -> RegexField:
    return RegexField(_NAME, max_length=128, **more)


def currency_text(**more: Any) -> RegexField:
    return RegexField(r"^[A-Z][A-Z0-9_]{2,31}$", **more)


def words(*allowed: str, **more: Any) -> ChoiceField:
    return ChoiceField(choices=list(allowed), **more)


# --- problems --------------------------------------------------------------------------------


class Problem(Serializer[Any]):
    """RFC 9457. Beside these members a problem has named facts, such as `field` or `differing`."""

    type = CharField()
    title = CharField()
    status = IntegerField()
    detail = CharField()
    code = words(*STATUS)
    retry = BooleanField(help_text="Whether the very same request may be sent again.")
    request_id = CharField()


# --- players and wallets ---------------------------------------------------------------------


class Locks(Serializer[Any]):
    bet = BooleanField()
    deposit = BooleanField()
    withdraw = BooleanField()


class SomeLocks(Serializer[Any]):
    bet = BooleanField(required=False)
    deposit = BooleanField(required=False)
    withdraw = BooleanField(required=False)


class NewPlayer(Serializer[Any]):
    player = name_text()
    country = RegexField(r"^[A-Z]{2}$", required=False)
    wallets = ListField(child=currency_text(), required=False, max_length=100)


class PlayerChanges(Serializer[Any]):
    locks = SomeLocks(required=False)
    excluded_until = DateTimeField(required=False, allow_null=True, help_text="UTC; null lifts the exclusion.")
    country = RegexField(r"^[A-Z]{2}$", required=False)


class Player(Serializer[Any]):
    player = name_text()
    country = CharField(allow_null=True)
    locks = Locks()
    excluded_until = DateTimeField(allow_null=True)
    wallets = ListField(child=currency_text())


class NewWallet(Serializer[Any]):
    currency = currency_text()


class Wagering(Serializer[Any]):
    bonus = UUIDField()
    wagered = money_text()
    required = money_text()  # type: ignore[assignment]
    percent = IntegerField(min_value=0, max_value=100)
    status = CharField()


class Wallet(Serializer[Any]):
    player = name_text()
    currency = currency_text()
    balance = money_text(help_text="cash + bonus")
    cash = money_text()
    bonus = money_text()
    held = money_text()
    version = IntegerField(min_value=0)
    wagering = Wagering(allow_null=True)


class Wallets(Serializer[Any]):
    results = Wallet(many=True)
    next = CharField(allow_null=True)


class Token(Serializer[Any]):
    token = CharField()
    expires_at = DateTimeField()


class Ticket(Serializer[Any]):
    ticket = CharField(help_text="Good once, for 30 s: `/ws/player/?ticket=...`.")
    expires_at = DateTimeField()


class LimitsOfSubjectAsked(Serializer[Any]):
    day = money_text(required=False, allow_null=True)
    week = money_text(required=False, allow_null=True)
    month = money_text(required=False, allow_null=True)


class LimitsAsked(Serializer[Any]):
    """What is not named stays; null is no limit."""

    currency = currency_text()
    deposit = LimitsOfSubjectAsked(required=False)
    stake = LimitsOfSubjectAsked(required=False)
    loss = LimitsOfSubjectAsked(required=False)


class Increase(Serializer[Any]):
    limit = money_text(allow_null=True)
    available_at = DateTimeField(help_text="Asked for again from then on, it holds.")


class Limit(Serializer[Any]):
    limit = money_text(allow_null=True)
    used = signed_text(help_text="In this period so far; a net loss below zero is a win.")
    left = money_text(allow_null=True)
    resets_at = DateTimeField(help_text="When the period ends (UTC; a week begins on Monday).")
    increase = Increase(allow_null=True, help_text="A higher limit that was asked for and does not hold yet.")


class LimitsOfSubject(Serializer[Any]):
    day = Limit()
    week = Limit()
    month = Limit()


class Limits(Serializer[Any]):
    player = name_text()
    currency = currency_text()
    deposit = LimitsOfSubject()
    stake = LimitsOfSubject()
    loss = LimitsOfSubject(help_text="Stakes less wins; a stake counts as lost until it is won back.")


class ExclusionAsked(Serializer[Any]):
    excluded_until = DateTimeField(help_text="UTC; not before the exclusion in force, which nobody can shorten here.")


# --- statements ------------------------------------------------------------------------------


class Entry(Serializer[Any]):
    transaction = UUIDField()
    command = UUIDField(help_text="The row that spent the caller's reference; one command may leave several.")
    kind = words(*(kind.lower() for kind in KINDS))
    status = words(*(status.lower() for status in STATUSES))
    source = CharField()  # type: ignore[assignment]
    reference = CharField()
    round = CharField(allow_null=True)
    game = CharField(allow_null=True)
    currency = currency_text()
    amount = signed_text()
    cash_delta = signed_text()
    bonus_delta = signed_text()
    held_delta = signed_text()
    cash = money_text(help_text="After this row.")
    bonus = money_text(help_text="After this row.")
    held = money_text(help_text="After this row.")
    version = IntegerField(min_value=1)
    refusal = CharField(allow_null=True)
    created_at = DateTimeField()


class Entries(Serializer[Any]):
    results = Entry(many=True)
    next = CharField(allow_null=True, help_text="The cursor of the next page; null on the last.")


class FeedEntry(Entry):
    player = name_text()
    original = CharField(allow_null=True)
    original_kind = CharField(allow_null=True)
    closes = UUIDField(allow_null=True)
    win_source = CharField(allow_null=True)
    end_round = BooleanField()
    late = BooleanField()
    captured = BooleanField()
    voided = money_text()
    shortfall = money_text()
    bonus_id = UUIDField(allow_null=True)
    actor = CharField(allow_null=True)
    reason = CharField(allow_null=True)


class FeedPage(Serializer[Any]):
    results = FeedEntry(many=True)
    next = UUIDField(help_text="Ask with it again, now or later; it is never null.")


# --- bonuses ----------------------------------------------------------------------------------


class Bonus(Serializer[Any]):
    id = UUIDField()
    offer = CharField()
    currency = currency_text()
    status = words(*BonusStatus.values)
    amount = money_text(help_text="What was granted.")
    required = money_text(help_text="What must be wagered.")  # type: ignore[assignment]
    wagered = money_text()
    percent = IntegerField(min_value=0, max_value=100)
    created_at = DateTimeField()
    expires_at = DateTimeField(
        allow_null=True, help_text="What ends it by itself: while it waits, and while it is active."
    )
    ended_at = DateTimeField(allow_null=True)


# --- commands --------------------------------------------------------------------------------


class Receipt(Serializer[Any]):
    transaction = UUIDField()
    kind = words(*(kind.lower() for kind in KINDS))
    status = words("posted", "void")
    reference = name_text()
    currency = currency_text()
    amount = signed_text()
    balance = money_text(help_text="cash + bonus, after the command's last row.")
    cash = money_text()
    bonus = money_text()
    version = IntegerField(min_value=1)
    replayed = BooleanField()
    wagering = Wagering(allow_null=True)
    late = BooleanField(required=False)
    shortfall = money_text(required=False)
    voided = money_text(required=False)


class Asked(Serializer[Any]):
    player = name_text()
    currency = currency_text()
    reference = name_text(help_text="Spent once, for ever; a repeat answers as the first time.")
    amount = money_text()


class DepositAsked(Asked):
    offer = name_text(required=False)
    captured = BooleanField(required=False, help_text="The gateway already took the money: the gates are skipped.")


class DepositReceipt(Receipt):
    granted = Bonus(allow_null=True)
    grant_refusal = CharField(allow_null=True)


class DepositChecked(Serializer[Any]):
    refusal = CharField(allow_null=True)
    grant_refusal = CharField(allow_null=True)


class WithdrawalReceipt(Receipt):
    held = money_text()


class Withdrawal(Serializer[Any]):
    reference = name_text()
    player = name_text()
    currency = currency_text()
    amount = money_text()
    status = words("held", "settled", "released", "refused")
    transaction = UUIDField()
    refusal = CharField(allow_null=True)
    created_at = DateTimeField()
    ended_at = DateTimeField(allow_null=True)


class AdjustmentAsked(Asked):
    amount = signed_text()
    reason = RegexField(r"^.+$", max_length=LONGEST_REASON, help_text="For the auditor, on one line.")


class AdjustmentWaits(Serializer[Any]):
    status = words("pending", "rejected")
    id = UUIDField()


class Bet(Asked):
    round = name_text()
    game = name_text()
    end_round = BooleanField(required=False)


class Win(Asked):
    round = name_text(required=False, help_text="Optional for jackpots and promotions only.")
    game = name_text(required=False, help_text="Optional for jackpots and promotions only.")
    bet = name_text(required=False)
    source = words(*WIN_SOURCES, required=False)  # type: ignore[assignment]
    end_round = BooleanField(required=False)


class Rollback(Serializer[Any]):
    player = name_text()
    reference = name_text()
    original = name_text()
    original_kind = words("bet", "win", required=False)
    currency = currency_text(required=False)
    round = name_text(required=False)
    game = name_text(required=False)
    amount = money_text(required=False)


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
    kind = words(*OfferKind, required=False)
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
    kind = words(*OfferKind)
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

    kind = words(*OfferKind)
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
