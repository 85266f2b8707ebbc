"""The form of an offer: its JSON, one field a member, saved by the same two functions as the REST API.

A field is called as the API calls the member, so that whatever the API would refuse lands on the field that is
wrong: ``amounts.EUR.cap``, or ``weights.game`` for ``weights.game.blackjack-1``. Bounds and contradictions are not
the business of the fields: ``bonus.offers`` judges them, as for the REST API.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from bonus.describe import percent
from bonus.models import Offer
from bonus.offers import InvalidOffer, create_offer, edit_offer, offer_to_json, show_offer, validate_offer
from bonus.rules import Base, Conversion, Counted, SpendOrder
from bonus.terms import OfferKind, OfferSpec, OnWithdrawal, OverMaxStake
from wallet import money
from wallet.admin.admin_classes import AnyForm
from wallet.admin.date_fields import MomentField
from wallet.errors import Busy, Refused
from wallet.models import Currency


def _basis_points(text: str) -> int:
    """A percentage of at most two decimal places is a whole number of basis points."""
    try:
        return money.parse(text.removesuffix("%").strip(), 2)
    except money.InvalidAmount as wrong:
        raise ValidationError(f'"{text}" {wrong}.') from None


class Text(forms.CharField):
    """Text; nothing typed is null."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> Any:
        return super().clean(value) or None


class Percent(Text):
    """A percentage as people write it; sent as basis points."""

    def prepare_value(self, value: Any) -> Any:
        return percent(value).removesuffix(" %") if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        return None if text is None else _basis_points(text)


class Whole(forms.IntegerField):
    widget = UnfoldAdminIntegerFieldWidget


class Choice(forms.ChoiceField):
    widget = UnfoldAdminSelectWidget


class Switch(forms.BooleanField):
    widget = UnfoldBooleanSwitchWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)


class Moment(MomentField):
    """A time in UTC, sent in ISO 8601."""

    def prepare_value(self, value: Any) -> Any:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        shown = self.prepare_value(initial)
        # The form shows whole seconds: those it does not show were not changed.
        return super().has_changed(shown.replace(microsecond=0) if shown else None, data)

    def clean(self, value: Any) -> str | None:
        moment: datetime | None = super().clean(value)
        return None if moment is None else moment.isoformat()


class WhichDeposit(Text):
    """``any``, ``first``, or the number of a deposit."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else text


class Countries(Text):
    """Codes with commas or spaces between them; sent as a list."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> list[str]:
        return (super().clean(value) or "").replace(",", " ").split()


class Names(forms.CharField):
    """One name a line; sent as a list."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _lines(self.prepare_value(initial)) != _lines(data)

    def clean(self, value: Any) -> Any:
        return _lines(super().clean(value))


class Weights(Names):
    """One ``name = percent`` a line; sent as an object of basis points."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name} = {percent(weight)}" for name, weight in value.items())
        return value

    def clean(self, value: Any) -> dict[str, int]:
        weights: dict[str, int] = {}
        for line in super().clean(value):
            # A name may hold an equals sign, a percentage cannot.
            name, sign, weight = (part.strip() for part in line.rpartition("="))
            if not sign or not name:
                raise ValidationError(f'"{line}" must be a name, =, and a percentage, such as "blackjack-1 = 10 %".')
            if name in weights:
                raise ValidationError(f"{name} stands here twice.")
            weights[name] = _basis_points(weight)
        return weights


def _lines(text: Any) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


FRESH: Final = OfferSpec(code="", name="", kind=OfferKind.DEPOSIT_MATCH, multiplier=30, amounts={})
"""What an empty form begins with: the defaults of an offer."""

_AMOUNTS: Final = {
    "cap": ("At most", "The largest bonus. Asked for in deposit matches and cashback."),
    "amount": ("Fixed amount", "What is granted. Only for fixed bonuses."),
    "min_deposit": ("From a deposit of", "Smaller ones earn nothing. For cashback: the smallest net loss."),
    "max_stake": ("Largest stake", "The whole bet, whichever balance pays it. Empty: no limit."),
    "max_conversion": ("Converts at most", "What is above it leaves with the completion. Empty: no limit."),
    "depleted_below": ("Over below", "Bonus money below this counts as none, and leaves."),
}

_SAID: Final[dict[str, dict[Any, str]]] = {
    "kind": {
        OfferKind.DEPOSIT_MATCH: "deposit match: a share of a deposit",
        OfferKind.FIXED: "fixed: the same amount for everybody",
        OfferKind.FREE_ROUNDS: "free rounds: what the rounds win",
        OfferKind.CASHBACK: "cashback: a share of a period's net loss",
    },
    "base": {
        Base.BONUS: "the bonus",
        Base.DEPOSIT_PLUS_BONUS: "deposit and bonus together",
        Base.WINNINGS: "winnings (free rounds)",
    },
    "counted": {
        Counted.ALL: "the whole stake",
        Counted.BONUS: "the part that bonus money pays",
        Counted.CASH: "the part that cash pays",
    },
    "spend_order": {
        SpendOrder.CASH_FIRST: "cash first",
        SpendOrder.BONUS_FIRST: "bonus money first",
        SpendOrder.PROPORTIONAL: "in proportion",
    },
    "over_max_stake": {
        OverMaxStake.REFUSE: "refuse the bet",
        OverMaxStake.FORFEIT: "end the bonus, if cash alone pays the bet",
    },
    "conversion": {
        Conversion.BALANCE: "what is left of the bonus money",
        Conversion.ORIGINAL: "no more than was granted",
    },
    "on_withdrawal": {
        OnWithdrawal.FORFEIT: "end the bonus",
        OnWithdrawal.REFUSE: "refuse the withdrawal",
        OnWithdrawal.KEEP: "nothing",
    },
}


# Fields that only some kinds have; the form hides the others and does not send them (static/bonus/offer_form.js).
_ON_DEPOSITS: Final = (OfferKind.DEPOSIT_MATCH, OfferKind.FIXED, OfferKind.FREE_ROUNDS)
_SHARES: Final = (OfferKind.DEPOSIT_MATCH, OfferKind.CASHBACK)
_GRANTED_AT_ONCE: Final = (OfferKind.DEPOSIT_MATCH, OfferKind.FIXED, OfferKind.CASHBACK)
KINDS_OF: Final[dict[str, tuple[OfferKind, ...]]] = {
    "percent_bp": _SHARES,
    "which_deposit": _ON_DEPOSITS,
    "promo_code": _ON_DEPOSITS,
    "base": (OfferKind.DEPOSIT_MATCH, OfferKind.FIXED),
    "conversion": _GRANTED_AT_ONCE,
    "sticky": _GRANTED_AT_ONCE,
}
KINDS_OF_AMOUNTS: Final[dict[str, tuple[OfferKind, ...]]] = {"cap": _SHARES, "amount": (OfferKind.FIXED,)}


def _kinds_of(name: str) -> tuple[OfferKind, ...]:
    """The kinds that have the field."""
    if name.startswith("amounts."):
        return KINDS_OF_AMOUNTS.get(name.rpartition(".")[2], tuple(OfferKind))
    return KINDS_OF.get(name, tuple(OfferKind))


def _choice(name: str, label: str, help_text: str) -> Choice:
    choices = [(word.value, said) for word, said in _SAID[name].items()]
    return Choice(choices=choices, label=label, help_text=help_text)


def _terms() -> dict[str, forms.Field]:
    """The fields that are the same in every currency."""
    return {
        "code": Text(
            required=False, help_text="Its name for back ends and players' claims, such as welcome. Never changes."
        ),
        "name": Text(required=False, help_text="What people call it."),
        "kind": _choice("kind", "Kind", "What makes the bonus money."),
        "enabled": Switch(label="Open", help_text="A closed offer grants nothing; its bonuses live on."),
        "percent_bp": Percent(
            required=False, label="Percent", help_text="Of the deposit or the net loss; rounded down to the cent."
        ),
        "which_deposit": WhichDeposit(
            required=False, label="Which deposit", help_text='"any", "first", or a number: 2 is the second.'
        ),
        "multiplier": Whole(
            required=False, label="Times to wager", help_text="How often the base must be bet. 0: it is cash at once."
        ),
        "base": _choice("base", "Of what", "What is multiplied. Free rounds: always their winnings."),
        "counted": _choice("counted", "What counts", "Which part of a stake counts."),
        "spend_order": _choice(
            "spend_order", "Bets are paid", "Which balance pays first. Wins return as bets were paid."
        ),
        **_game_terms(),
        "max_stake_bp": Percent(
            required=False,
            label="Largest stake, percent of the bonus",
            help_text="Beside the limit in money below: the smaller one holds. Empty: no limit.",
        ),
        "over_max_stake": _choice("over_max_stake", "A larger stake", "What happens to it."),
        "conversion": _choice("conversion", "Becomes cash", "What a completed bonus pays."),
        "sticky": Switch(help_text="What was granted is never paid, only what was won on top of it."),
        "on_withdrawal": _choice("on_withdrawal", "A withdrawal will", "In Great Britain it may never be refused."),
        "claim_days": Whole(
            required=False, label="Days to start", help_text="From the grant until it is active. Empty: no limit."
        ),
        "spend_days": Whole(
            required=False, label="Days to wager", help_text="From its start; then the bonus money leaves."
        ),
        "valid_from": Moment(required=False, label="Granted from", help_text="Empty: from now."),
        "valid_until": Moment(required=False, label="Granted until", help_text="Empty: no end."),
        "per_player": Whole(required=False, label="Times a player", help_text="How often one player may have it."),
        "total": Whole(required=False, label="Times in all", help_text="Empty: no limit."),
        "promo_code": Text(
            required=False,
            label="Promo code",
            help_text="What a player enters for it, such as SUMMER; case does not matter. With a code it can be had in"
            " no other way.",
        ),
        "countries": Countries(required=False, label="Countries", help_text="Such as GB, DE. Empty: everywhere."),
    }


def _game_terms() -> dict[str, forms.Field]:
    """How much which game counts."""
    return {
        "weights.default": Percent(
            required=False, label="Every other game counts", help_text="Percent of the stake, 0 to 200."
        ),
        "weights.game": Weights(
            required=False, label="Games", help_text="One a line: blackjack-1 = 10 %. Comes before its category."
        ),
        "weights.category": Weights(
            required=False, label="Categories", help_text="One a line: live = 5 %. Comes before the provider."
        ),
        "weights.provider": Weights(required=False, label="Providers", help_text="One a line: acme = 50 %."),
        "excluded.game": Names(
            required=False, label="Excluded games", help_text="One a line. Played with cash only; nothing counts."
        ),
        "excluded.category": Names(required=False, label="Excluded categories", help_text="One a line."),
    }


def currency_fields(currency: str) -> list[Any]:
    """The names of one currency's fields, as lines of a fieldset."""
    named = [f"amounts.{currency}.{amount}" for amount in _AMOUNTS]
    return [f"amounts.{currency}", tuple(named[:2]), tuple(named[2:4]), tuple(named[4:])]


def _amounts(currency: str) -> dict[str, forms.Field]:
    offered: dict[str, forms.Field] = {
        f"amounts.{currency}": Switch(
            label=f"Offered in {currency}", help_text="Players with a wallet in another currency do not get it."
        )
    }
    for amount, (label, help_text) in _AMOUNTS.items():
        offered[f"amounts.{currency}.{amount}"] = Text(required=False, label=label, help_text=help_text)
    return offered


class OfferForm(AnyForm):
    """``spec`` is the offer as typed, once it is valid; ``_preview`` asks for that alone and saves nothing."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    spec: OfferSpec | None = None

    class Meta:
        model = Offer
        # None of the model's own: they would be written one by one, and this form is one whole.
        fields: tuple[str, ...] = ()

    def __init__(
        self, data: Any = None, files: Any = None, *, instance: Offer | None = None, initial: Any = None
    ) -> None:
        self.digits = dict(Currency.objects.values_list("code", "digits"))
        self.json = show_offer(FRESH, self.digits) if instance is None else offer_to_json(instance)
        shown = {**_flat(self.json), "seen": instance.version if instance else None, **(initial or {})}
        super().__init__(data, files, instance=instance, initial=shown)
        for name, field in self.fields.items():
            if (kinds := _kinds_of(name)) != tuple(OfferKind):
                field.widget.attrs["data-kinds"] = " ".join(kinds)
        self.left_out = {name for name in self.fields if data is not None and self._is_left_out(name)}
        for name in self.left_out:
            self.fields[name].required = False
        if instance is not None:
            self.fields["code"].disabled = True
            self.spec = instance.spec()

    def _is_left_out(self, name: str) -> bool:
        """Whether the field is not one of the kind's, and was not sent."""
        kind = self.data.get("kind")
        return kind in list(OfferKind) and kind not in _kinds_of(name) and name not in self.data

    @property
    def previewing(self) -> bool:
        return "_preview" in self.data

    def is_valid(self) -> bool:
        """A preview is shown again, with its example and whatever is wrong, but never saved."""
        return super().is_valid() and not self.previewing

    def _post_clean(self) -> None:
        """Save: the checks are those of saving itself, so each of them can still lead to its field."""
        if self.errors:
            self.spec = None
            return
        try:
            self.spec = validate_offer(self._typed(), self.digits)
            if not self.previewing:
                self._save()
        except InvalidOffer as wrong:
            self.spec = None
            for field, message in wrong.problems:
                self._blame(field, message)
        except Busy:
            self.add_error(None, "Somebody else has edited this offer since you opened it: open it again.")
        except Refused:
            self.add_error("code", "There is an offer of this code already.")

    def _save(self) -> None:
        if self.instance.pk is None:
            self.instance = create_offer(self._typed())
            return
        # What was read a moment ago may not be what the operator saw.
        self.instance.version = self.cleaned_data["seen"]
        members = {name.partition(".")[0] for name in self.changed_data} - {"seen"}
        typed = self._typed()
        self.instance = edit_offer(self.instance, {member: typed[member] for member in members})

    def _typed(self) -> dict[str, Any]:
        """The offer's JSON; what is not on the form, such as a currency out of use, stays as it was."""
        cleaned = self.cleaned_data
        offer = {**self.json, "weights": {**self.json["weights"]}, "excluded": {}, "amounts": {**self.json["amounts"]}}
        for name in _terms():
            first, _, second = name.partition(".")
            if name in self.left_out:
                offer[name] = self._default(name)
            elif second:
                offer[first][second] = cleaned[name]
            elif name in self.changed_data or self.instance.pk is None:
                offer[name] = cleaned[name]
        for currency in self.digits:
            if f"amounts.{currency}" in self.fields:
                offer["amounts"].pop(currency, None)
                if cleaned[f"amounts.{currency}"]:
                    offer["amounts"][currency] = self._amounts_of(currency)
        return offer

    def _default(self, name: str) -> Any:
        """What a field says that the offer's kind does not have."""
        if name == "base" and self.cleaned_data["kind"] == OfferKind.FREE_ROUNDS:
            return Base.WINNINGS.value
        return show_offer(FRESH, self.digits)[name]

    def _amounts_of(self, currency: str) -> dict[str, str | None]:
        typed = {amount: self.cleaned_data[f"amounts.{currency}.{amount}"] for amount in _AMOUNTS}
        # An amount that is left out has its default: no limit, or zero where there is always one.
        return {name: text for name, text in typed.items() if text is not None}

    def _blame(self, member: str, message: str) -> None:
        """Tie a problem to the field of its member, or to the one that the member is a part of."""
        field = member
        while field and field not in self.fields:
            field = field[: max(field.rfind("."), field.rfind("["), 0)]
        inner = member[len(field) :].lstrip(".")
        said = format_html("{} {}.", inner, message) if inner and field else format_html("{}.", message)
        if field:
            self.add_error(field, said)
        else:
            self.add_error(None, format_html("{} {}.", member, message))


def form_for(currencies: list[str]) -> type[OfferForm]:
    """The form with the fields of these currencies."""
    declared = _terms()
    for currency in currencies:
        declared |= _amounts(currency)
    return type("OfferForm", (OfferForm,), {"__module__": __name__, **declared})


def _flat(offer: dict[str, Any]) -> dict[str, Any]:
    """An offer's JSON by the names of the fields."""
    flat = {name: value for name, value in offer.items() if name not in ("weights", "excluded", "amounts")}
    for part in ("weights", "excluded"):
        flat |= {f"{part}.{name}": value for name, value in offer[part].items()}
    for currency, amounts in offer["amounts"].items():
        flat[f"amounts.{currency}"] = True
        flat |= {f"amounts.{currency}.{name}": value for name, value in amounts.items()}
    return flat
