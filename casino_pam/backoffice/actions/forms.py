"""The forms of the acts. Each carries a hidden reference, made when it is shown: sent twice, it acts once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)
from uuid_utils.compat import uuid7

from bonus.models import Bonus, Offer
from bonus.offers import CODE_SHAPE, is_code
from bonus.terms import OfferKind
from wallet import audit, money
from wallet.admin.date_fields import MomentField
from wallet.kinds import VERIFICATIONS
from wallet.models import Currency, Player, Transaction, Wallet
from wallet.models.people import TAG_SHAPE
from wallet.time import FOR_GOOD, months_after

LOCKS: Final = {"bet": "bets", "deposit": "deposits", "withdraw": "withdrawals"}

# A page lists them all.
MOST_TAGS: Final = 20
_tag_shape: Final = re.compile(TAG_SHAPE).fullmatch

# How long exclusions usually last, and when one that begins at an instant is over.
EXCLUSIONS: Final[dict[str, Callable[[datetime], datetime]]] = {
    "24 hours": lambda start: start + timedelta(days=1),
    "6 months": lambda start: months_after(start, 6),
    "1 year": lambda start: months_after(start, 12),
    "5 years": lambda start: months_after(start, 60),
    "for good": lambda start: FOR_GOOD,
}
_COOL_OFFS: Final = {"1": "24 hours", "3": "3 days", "7": "7 days", "30": "30 days"}
# Longer than anybody means, and still a date that every reader of it can hold.
_LONGEST: Final = timedelta(days=100 * 365)


class Reason(forms.CharField):
    """Why; one line, kept for ever."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "One line, kept for ever with the act.")
        super().__init__(max_length=audit.LONGEST_REASON, **kwargs)

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        if text and not audit.is_reason(text):
            raise ValidationError("Write it in one line of printable characters.")
        return text


class Amount(forms.CharField):
    """Minor units of ``currency``; people type a decimal number."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, currency: Currency, *, signed: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.currency, self.signed = currency, signed

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        parse = money.parse_signed if self.signed else money.parse
        try:
            minor = parse(text, self.currency.digits)
        except money.InvalidAmount as wrong:
            raise ValidationError(f"{'Apart from a minus it' if self.signed else 'It'} {wrong}.") from None
        if minor == 0:
            raise ValidationError("It must not be zero.")
        return minor


class Moment(MomentField):
    """A moment in UTC that is still to come, and not in another century."""

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is None:
            return None
        # Django reads it in the time zone of the house, which is UTC.
        if not timezone.now() < moment < timezone.now() + _LONGEST:
            raise ValidationError("It must lie in the future, and within a hundred years.")
        return moment.astimezone(UTC)


class ActionForm(forms.Form):
    """What every act asks; ``subject`` is the row that it is about."""

    # Whether its fields stand three in a row.
    columns = False

    reference = forms.UUIDField(widget=forms.HiddenInput)
    reason = Reason()

    def __init__(self, subject: Any, data: Any = None) -> None:
        super().__init__(data, initial={"reference": uuid7()})
        self.subject = subject
        self.prepare()
        # The reason is asked for last.
        self.order_fields([name for name in self.fields if name != "reason"])

    def prepare(self) -> None:
        """Fields that depend on the subject."""

    def clean_reference(self) -> str:
        reference: UUID = self.cleaned_data["reference"]
        return str(reference)


class NoteForm(ActionForm):
    """An act that explains itself; a note is welcome."""

    reason = Reason(required=False, label="Note", help_text="If there is more to say. Kept for ever with the act.")


REASONS: Final = {
    "player_asked": "The player wants the money back",
    "payment_failed": "The payment failed",
    "wrong_details": "The payment details are wrong",
    "not_verified": "The player is not verified",
    "suspected_fraud": "Fraud is suspected",
    "duplicate": "It was asked for twice",
    "other": "Another reason, written below",
}


class ReleaseForm(ActionForm):
    """Why a withdrawal is not paid: a code, kept in the ledger's row, and words."""

    why = forms.ChoiceField(choices=list(REASONS.items()), widget=UnfoldAdminSelectWidget, label="Why it is not paid")


class AdjustForm(ActionForm):
    def prepare(self) -> None:
        wallet: Wallet = self.subject
        self.fields["amount"] = Amount(
            wallet.currency,
            signed=True,
            label=f"Amount in {wallet.currency_id}",
            help_text="With a minus in front it is taken from the player's cash.",
        )


class LocksForm(ActionForm):
    """Some of the player's locks; ``locked`` is how those stand that can be chosen."""

    locked = False

    def prepare(self) -> None:
        player: Player = self.subject
        # A form that is sent twice names locks that its first copy has changed: every lock may be sent.
        offered = LOCKS if self.is_bound else standing(player, locked=self.locked)
        self.fields["locks"] = forms.MultipleChoiceField(
            choices=list(offered.items()),
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            label="Which",
        )


class LockForm(LocksForm):
    pass


class UnlockForm(LocksForm):
    locked = True


def standing(player: Player, *, locked: bool) -> dict[str, str]:
    """The locks that are set, or those that are not."""
    return {lock: message for lock, message in LOCKS.items() if getattr(player, f"{lock}_locked") is locked}


class PlayerNoteForm(ActionForm):
    """What is written is the whole act."""

    reason = Reason(label="Note", help_text="One line, kept for ever; all who see the player see it, the player never.")


class TagForm(NoteForm):
    names = forms.CharField(
        label="Tags",
        widget=UnfoldAdminTextInputWidget,
        help_text="One or more, with spaces between: small letters, digits and hyphens, such as vip.",
    )

    def clean_names(self) -> list[str]:
        names = sorted(set(self.cleaned_data["names"].replace(",", " ").split()))
        wrong = [name for name in names if not _tag_shape(name)]
        if wrong:
            raise ValidationError(f"{wrong[0]}: a tag is 1 to 32 small letters, digits and hyphens.")
        if len({*names, *(tag.name for tag in self.subject.tags.all())}) > MOST_TAGS:
            raise ValidationError(f"A player has at most {MOST_TAGS} tags.")
        return names


class UntagForm(NoteForm):
    def prepare(self) -> None:
        player: Player = self.subject
        # A form that is sent twice names tags that its first copy has taken away: they may be sent.
        sent = cast("QueryDict", self.data).getlist("names") if self.is_bound else []
        offered = sorted({*(tag.name for tag in player.tags.all()), *filter(_tag_shape, sent)})
        self.fields["names"] = forms.MultipleChoiceField(
            choices=[(name, name) for name in offered], widget=UnfoldAdminCheckboxSelectMultipleWidget, label="Which"
        )


class VerificationForm(ActionForm):
    def prepare(self) -> None:
        player: Player = self.subject
        # As with locks: a form that is sent twice names what its first copy has set.
        offered = [status for status in VERIFICATIONS if self.is_bound or status != player.verification]
        self.fields["verification"] = forms.ChoiceField(
            choices=[(status, status) for status in offered],
            widget=UnfoldAdminSelectWidget,
            label="Verification",
            help_text="Where the checks are kept, and which, belongs into the reason.",
        )


class ExcludeForm(ActionForm):
    """For one of the usual spans, or until a moment; ``end`` is what either comes to."""

    span = forms.ChoiceField(
        choices=[("", "until the moment below"), *((name, name) for name in EXCLUSIONS)],
        widget=UnfoldAdminSelectWidget,
        required=False,
        label="For",
        help_text="Counted from now; months by the calendar.",
    )
    until = Moment(label="Until (UTC)", required=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        span, until = cleaned.get("span"), cleaned.get("until")
        if not self.errors and bool(span) is (until is not None):
            wrong = "Choose one of the two: a span, or a moment." if span else "Name the moment, or choose a span."
            raise ValidationError({"until": wrong})
        cleaned["end"] = EXCLUSIONS[span](timezone.now().astimezone(UTC)) if span else until
        return cleaned


class CoolOffForm(ActionForm):
    days = forms.ChoiceField(choices=list(_COOL_OFFS.items()), widget=UnfoldAdminSelectWidget, label="For")


class GrantForm(NoteForm):
    def prepare(self) -> None:
        wallet: Wallet = self.subject
        offers = Offer.objects.filter(enabled=True, amounts__has_key=wallet.currency_id)
        self.fields["offer"] = forms.ChoiceField(
            choices=[(offer.code, f"{offer.name} ({offer.code})") for offer in offers],
            widget=UnfoldAdminSelectWidget,
            help_text=f"Offers that are enabled and speak of {wallet.currency_id}.",
        )
        self.fields["loss"] = Amount(
            wallet.currency,
            signed=False,
            required=False,
            label=f"Net loss in {wallet.currency_id}",
            help_text="What a cashback pays on. Leave it empty for every other offer.",
        )
        self.cashback = {offer.code for offer in offers if offer.kind == OfferKind.CASHBACK}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        needs, has = cleaned.get("offer") in self.cashback, cleaned.get("loss") is not None
        if "offer" in cleaned and "loss" not in self.errors and needs is not has:
            message = (
                "A cashback is granted on a net loss: how much was it?" if needs else "Only a cashback pays on a loss."
            )
            self.add_error("loss", message)
        return cleaned


class CopyForm(ActionForm):
    code = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        label="Code of the copy",
        help_text="Its name for back ends and players' claims. Never changes.",
    )

    def prepare(self) -> None:
        offer: Offer = self.subject
        self.fields["code"].initial = next(code for code in _numbered(offer.code) if not _is_offer(code))

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if not is_code(code):
            raise ValidationError(f"It must be {CODE_SHAPE}.")
        return code


def _numbered(code: str) -> Iterator[str]:
    """``welcome-2``, ``welcome-3``, and so on."""
    stem, _, number = code.rpartition("-")
    stem, begin = (stem, int(number) + 1) if stem and number.isdigit() and len(number) < 6 else (code, 2)
    return (f"{stem[:56]}-{number}" for number in itertools.count(begin))


def _is_offer(code: str) -> bool:
    return Offer.objects.filter(code=code).exists()


class ExtendForm(ActionForm):
    until = Moment(label="Until (UTC)", help_text="The new end. It may be earlier than the present one.")

    def prepare(self) -> None:
        bonus: Bonus = self.subject
        self.fields["until"].initial = bonus.claim_by if bonus.activated_at is None else bonus.expires_at


class RollbackForm(ActionForm):
    def prepare(self) -> None:
        row: Transaction = self.subject
        self.fields["reason"].help_text = f"One line, kept for ever in the row that undoes this {row.kind.lower()}."
