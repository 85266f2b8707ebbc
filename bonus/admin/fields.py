"""Form fields that stand for one member of an offer's JSON: what is typed, and the value that is sent.

Bounds and contradictions are not their business: ``bonus.offer_json`` judges them, as for the REST API.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from bonus.words import percent
from wallet import money


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


class Moment(forms.SplitDateTimeField):
    """A time in UTC, sent in ISO 8601."""

    widget = UnfoldAdminSplitDateTimeWidget

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
