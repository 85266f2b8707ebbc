"""The bodies of requests and answers: one class reads, writes and documents each. Those about players are in
player_serializers.py.

Only documented here are offers (read and written by ``bonus.offers``), plays (read by the game door's reader), and
what both doors answer alike (``casino_pam.api.responses``). The tests hold every answer against its shape.
"""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework.serializers import (
    BooleanField,
    CharField,
    DictField,
    IntegerField,
    ListField,
    RegexField,
    UUIDField,
)

from bonus.models import BonusStatus
from bonus.offers import PROMO_CODE
from bonus.rules import MAX_WEIGHT_BP, Base, Conversion, Counted, SpendOrder
from bonus.terms import OfferKind, OnWithdrawal, OverMaxStake
from casino_pam.api.rest.serializer_fields import (
    AmountField,
    CurrencyField,
    FlagField,
    InstantField,
    KindField,
    KnownCurrencySerializer,
    MovingAmountField,
    MovingSignedAmountField,
    NameField,
    PromoCodeField,
    QueryInstantField,
    ReasonField,
    ReferenceField,
    SignedAmountField,
    StrictSerializer,
    TermsSerializer,
    WordField,
)
from wallet import history
from wallet.errors import STATUS
from wallet.history import WITHDRAWAL_STATUSES
from wallet.kinds import KINDS, RELEASE_REASONS, STATUSES, WIN_SOURCES
from wallet.models import Transaction

# --- problems --------------------------------------------------------------------------------


class Problem(StrictSerializer):
    """RFC 9457. Beside these members a problem has named facts, such as `field` or `differing`."""

    type = CharField()
    title = CharField()
    status = IntegerField()
    detail = CharField()
    code = WordField(*STATUS)
    retry = BooleanField(help_text="Whether the very same request may be sent again.")
    request_id = CharField()


# --- wallets ---------------------------------------------------------------------------------


class NewWallet(StrictSerializer):
    currency = CurrencyField()


class Wagering(StrictSerializer):
    bonus = UUIDField()
    wagered = AmountField()
    required = AmountField()  # type: ignore[assignment]
    percent = IntegerField(min_value=0, max_value=100)
    status = CharField()


class Wallet(StrictSerializer):
    player = NameField()
    currency = CurrencyField()
    balance = AmountField(help_text="cash + bonus")
    cash = AmountField()
    bonus = AmountField()
    held = AmountField()
    version = IntegerField(min_value=0)
    wagering = Wagering(allow_null=True)


# --- statements ------------------------------------------------------------------------------


class Entry(StrictSerializer):
    transaction = UUIDField(source="id")
    command = UUIDField(help_text="The row that spent the caller's reference; one command may leave several.")
    kind = WordField(*KINDS)
    status = WordField(*STATUSES)
    source = CharField()  # type: ignore[assignment]
    reference = ReferenceField()
    round = CharField(allow_null=True)
    game = CharField(allow_null=True)
    currency = CurrencyField(source="wallet.currency_id")
    amount = SignedAmountField()
    cash_delta = SignedAmountField()
    bonus_delta = SignedAmountField()
    held_delta = SignedAmountField()
    cash = AmountField(source="cash_after", help_text="After this row.")
    bonus = AmountField(source="bonus_after", help_text="After this row.")
    held = AmountField(source="held_after", help_text="After this row.")
    version = IntegerField(min_value=1)
    refusal = CharField(allow_null=True)
    end_round = BooleanField(source="ends_round")
    created_at = InstantField()

    def digits_of(self, instance: Transaction) -> int:
        return instance.wallet.currency.digits


class MyEntry(Entry):
    game_name = CharField(help_text="What the casino calls the game; empty where it has given it no name.")


class Owner(StrictSerializer):
    player = NameField(source="wallet.player.code")


class FeedEntry(Owner, Entry):  # the player comes first
    original = ReferenceField(allow_null=True)
    original_kind = KindField(allow_null=True)
    closes = UUIDField(allow_null=True)
    win_source = CharField(allow_null=True)
    late = BooleanField()
    captured = BooleanField()
    voided = AmountField(source="void_amount")
    shortfall = AmountField()
    bonus_id = UUIDField(source="bonus", allow_null=True)
    actor = CharField(allow_null=True)
    reason = CharField(
        allow_null=True,
        help_text="An operator's words; of a release its reason's code; of a refused play, deposit or withdrawal what "
        "the refusal named, as JSON.",
    )


# --- bonuses ----------------------------------------------------------------------------------


class Bonus(StrictSerializer):
    id = UUIDField(source="bonus.id")
    offer = CharField(source="bonus.offer")
    currency = CurrencyField(source="bonus.currency")
    status = WordField(*BonusStatus.values, source="bonus.status")
    amount = AmountField(source="bonus.amount", help_text="What was granted.")
    required = AmountField(source="bonus.required", help_text="What must be wagered.")  # type: ignore[assignment]
    wagered = AmountField(source="bonus.wagered")
    percent = IntegerField(source="bonus.percent", min_value=0, max_value=100)
    created_at = InstantField(source="bonus.created_at")
    expires_at = InstantField(
        source="bonus.expires_at",
        allow_null=True,
        help_text="What ends it by itself: while it waits, and while it is active.",
    )
    waits_for = WordField(
        "verification",
        source="bonus.waits_for",
        allow_null=True,
        help_text="It is wagered in full, set aside, and becomes cash once the player is verified; else null.",
    )
    ended_at = InstantField(source="bonus.ended_at", allow_null=True)


# --- commands --------------------------------------------------------------------------------


class Receipt(StrictSerializer):
    transaction = UUIDField()
    kind = WordField(*KINDS)
    status = WordField("posted", "void")
    reference = NameField()
    currency = CurrencyField()
    amount = SignedAmountField()
    bonus_amount = AmountField(help_text="What this row moved of bonus money, whichever way; not in a refusal.")
    balance = AmountField(help_text="cash + bonus, after the command's last row.")
    cash = AmountField()
    bonus = AmountField()
    version = IntegerField(min_value=1)
    replayed = BooleanField()
    wagering = Wagering(allow_null=True)
    late = BooleanField(required=False)
    shortfall = AmountField(required=False)
    voided = AmountField(required=False)


class Asked(KnownCurrencySerializer):
    currency = CurrencyField()
    player = NameField()
    reference = NameField(help_text="Spent once, for ever; a repeat answers as the first time.")
    amount: AmountField = MovingAmountField(help_text="Decimal string above zero, at most the currency's digits.")


class DepositOptions(StrictSerializer):
    offer = NameField(required=False)
    captured = FlagField(required=False, help_text="The gateway already took the money: the gates are skipped.")


class DepositAsked(DepositOptions, Asked):
    pass


class DepositReceipt(Receipt):
    granted = Bonus(allow_null=True)
    grant_refusal = CharField(allow_null=True)


class DepositChecked(StrictSerializer):
    refusal = CharField(allow_null=True)
    grant_refusal = CharField(allow_null=True)


class WithdrawalReceipt(Receipt):
    held = AmountField()


class Withdrawal(StrictSerializer):
    reference = NameField(source="hold.reference")
    player = NameField(source="hold.wallet.player.code")
    currency = CurrencyField(source="hold.wallet.currency_id")
    amount = AmountField(source="hold.amount")
    status = WordField(*WITHDRAWAL_STATUSES)
    transaction = UUIDField(source="hold.id")
    refusal = CharField(source="hold.refusal", allow_null=True)
    created_at = InstantField(source="hold.created_at")
    ended_at = InstantField(source="end.created_at", allow_null=True)
    release_reason = CharField(source="end.reason", allow_null=True)

    def digits_of(self, instance: history.Withdrawal) -> int:
        return instance.hold.wallet.currency.digits


class ReleaseAsked(StrictSerializer):
    reason = WordField(*RELEASE_REASONS, required=False, help_text="Why it is not paid.")


class Reason(StrictSerializer):
    reason = ReasonField(help_text="For the auditor, on one line.")


class AdjustmentAsked(Reason, Asked):
    amount = MovingSignedAmountField(help_text="Decimal string, negative where money leaves; never zero.")


class AdjustmentWaits(StrictSerializer):
    status = WordField("pending", "rejected")
    id = UUIDField()


class SettlementWaits(AdjustmentWaits):
    pass


class Bet(Asked):
    amount = AmountField()
    round = NameField()
    game = NameField()
    end_round = BooleanField(required=False)
    wagering = BooleanField(required=False, help_text="False for a tip, which counts for no bonus; true if left out.")


class Win(Asked):
    amount = AmountField()
    round = NameField(required=False, help_text="Optional for jackpots and promotions only.")
    game = NameField(required=False, help_text="Optional for jackpots and promotions only.")
    bet = NameField(required=False)
    source = WordField(*WIN_SOURCES, required=False)  # type: ignore[assignment]
    end_round = BooleanField(required=False)


class Rollback(StrictSerializer):
    player = NameField()
    reference = NameField()
    original = NameField()
    original_kind = WordField("bet", "win", required=False)
    currency = CurrencyField(required=False)
    round = NameField(required=False)
    game = NameField(required=False)
    amount = AmountField(required=False)


_CODE: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"


def _weights(**more: Any) -> DictField:
    return DictField(child=IntegerField(min_value=0, max_value=MAX_WEIGHT_BP), **more)


@extend_schema_field(
    {"oneOf": [{"type": "string", "enum": ["any", "first"]}, {"type": "integer", "minimum": 1, "maximum": 1000}]}
)
class WhichDeposit(CharField):
    """Any deposit, the wallet's first, or the one of that number."""


class Weights(TermsSerializer):
    default = IntegerField(min_value=0, max_value=MAX_WEIGHT_BP, required=False, help_text="Basis points.")
    game = _weights(required=False)
    category = _weights(required=False)
    provider = _weights(required=False)


class Excluded(TermsSerializer):
    game = ListField(child=NameField(), required=False)
    category = ListField(child=RegexField(_CODE), required=False)


class Amounts(TermsSerializer):
    cap = AmountField(required=False, allow_null=True)
    amount = AmountField(required=False, allow_null=True)
    min_deposit = AmountField(required=False)
    max_stake = AmountField(required=False, allow_null=True)
    max_conversion = AmountField(required=False, allow_null=True)
    depleted_below = AmountField(required=False)


class OfferChanges(TermsSerializer):
    """Members of an offer, each replaced as a whole; the code cannot be changed."""

    name = CharField(required=False, max_length=128)
    kind = WordField(*OfferKind, required=False)
    percent_bp = IntegerField(required=False, allow_null=True, min_value=1, max_value=100_000)
    which_deposit = WhichDeposit(required=False)
    multiplier = IntegerField(required=False, min_value=0, max_value=1000)
    base = WordField(*Base, required=False)
    counted = WordField(*Counted, required=False)
    spend_order = WordField(*SpendOrder, required=False)
    weights = Weights(required=False)
    excluded = Excluded(required=False)
    max_stake_bp = IntegerField(required=False, allow_null=True, min_value=1, max_value=100_000)
    over_max_stake = WordField(*OverMaxStake, required=False)
    conversion = WordField(*Conversion, required=False)
    sticky = BooleanField(required=False)
    on_withdrawal = WordField(*OnWithdrawal, required=False)
    claim_days = IntegerField(required=False, allow_null=True, min_value=1, max_value=3650)
    spend_days = IntegerField(required=False, allow_null=True, min_value=1, max_value=3650)
    amounts = DictField(child=Amounts(), required=False, help_text="By currency.")
    valid_from = InstantField(required=False, allow_null=True)
    valid_until = InstantField(required=False, allow_null=True)
    per_player = IntegerField(required=False, min_value=1, max_value=1_000_000)
    total = IntegerField(required=False, allow_null=True, min_value=1, max_value=10**9)
    promo_code = RegexField(
        f"^{PROMO_CODE}$", required=False, allow_null=True, help_text="What players enter for it; kept in capitals."
    )
    countries = ListField(child=RegexField(r"^[A-Z]{2}$"), required=False, help_text="None: everywhere.")
    enabled = BooleanField(required=False)


class Offer(OfferChanges):
    code = RegexField(_CODE)
    name = CharField(max_length=128)
    kind = WordField(*OfferKind)
    multiplier = IntegerField(min_value=0, max_value=1000)
    amounts = DictField(child=Amounts(), help_text="By currency.")


class GrantAsked(KnownCurrencySerializer):
    player = NameField()
    reference = NameField(help_text="Spent once, for ever; a repeat shows the bonus as it stands.")
    offer = NameField()
    currency = CurrencyField()


class ClaimAsked(KnownCurrencySerializer):
    offer = NameField()
    currency = CurrencyField()


class PromoCodeAsked(KnownCurrencySerializer):
    code = PromoCodeField(help_text="As the player writes it: case does not matter.")
    currency = CurrencyField()


class ForfeitAsked(StrictSerializer):
    reference = NameField()


class Line(StrictSerializer):
    about = CharField()
    said = CharField()


class Terms(StrictSerializer):
    """What the bonus is held to, frozen when it was granted."""

    kind = WordField(*OfferKind)
    max_stake = AmountField(allow_null=True, help_text="The largest stake while the bonus is active.")
    max_conversion = AmountField(allow_null=True, help_text="The most that becomes cash.")
    weights = Weights(help_text="What counts, in basis points; the most specific is the one.")
    excluded = Excluded(help_text="Not to be played with bonus money.")
    said = Line(many=True, help_text="All the terms in plain words.")


class MyBonus(Bonus):
    name = CharField(help_text="What the offer is called now.")
    terms = Terms()


# --- queries ---------------------------------------------------------------------------------


class StatementQuery(StrictSerializer):
    kind = WordField(*KINDS, required=False, help_text="A kind of row, such as `bet`.")
    status = WordField(*STATUSES, required=False, help_text="`posted`, `refused` or `void`.")
    round = NameField(required=False, help_text="Rows of one round.")
    reference = NameField(required=False, help_text="Rows spent under one reference.")
    since = QueryInstantField(required=False, help_text="From this instant on (ISO 8601, with any offset).")
    until = QueryInstantField(required=False, help_text="Before this instant (ISO 8601, with any offset).")


class WithdrawalQuery(StrictSerializer):
    status = WordField(*WITHDRAWAL_STATUSES, required=False, help_text="How they stand now.")
    since = QueryInstantField(required=False, help_text="Asked for from this instant on (ISO 8601, with any offset).")


class CurrencyQuery(StrictSerializer):
    currency = CurrencyField(required=False, help_text="One wallet only.")


class InstantQuery(StrictSerializer):
    at = QueryInstantField(
        required=False, help_text="The balances at this instant (ISO 8601, with any offset); `wagering` is then null."
    )
