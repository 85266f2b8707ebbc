"""What a report is asked: days in UTC, and how it is told apart."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django import forms

EARLIEST: Final = date(2000, 1, 1)
LONGEST: Final = timedelta(days=1_100)


def today() -> date:
    return datetime.now(UTC).date()


def day_field(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"required": "Name a day.", "invalid": "This is no day. Write it as 2026-09-21."},
    )


def known(day: date) -> date:
    """Raises ValidationError for a day of which nobody has books."""
    if day < EARLIEST:
        raise forms.ValidationError(f"No house has books from before {EARLIEST}.")
    if day > today() + timedelta(days=1):
        raise forms.ValidationError("This day has not come yet.")
    return day


class Asked(forms.Form):
    """``fresh`` is what is asked before anybody has said anything."""

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {}


class Days(Asked):
    """A range of UTC days, both ends within it."""

    since = day_field("From")
    until = day_field("To")

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {"since": today() - timedelta(days=6), "until": today()}

    def clean_since(self) -> date:
        return known(self.cleaned_data["since"])

    def clean_until(self) -> date:
        return known(self.cleaned_data["until"])

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            raise forms.ValidationError(f"The range ends before it begins: {since} is after {until}.")
        if since and until and until - since > LONGEST:
            raise forms.ValidationError("A report covers at most three years. Ask for fewer days.")
        return cleaned


class Day(Asked):
    """The end of one UTC day."""

    day = day_field("At the end of")

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {"day": today()}

    def clean_day(self) -> date:
        return known(self.cleaned_data["day"])


class RevenueAsked(Days):
    """The groups are those of wallet.reports.figures, with dots between."""

    per = forms.ChoiceField(
        label="For each",
        choices=[
            ("day", "day"),
            ("source", "provider"),
            ("source.game", "game"),
            ("", "currency alone"),
            ("day.source", "day and provider"),
            ("day.source.game", "day, provider and game"),
        ],
        required=False,
    )

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {**super().fresh(), "per": "day"}


class HoldingAsked(Day):
    holding = forms.ChoiceField(
        label="Players with",
        choices=[
            ("both", "cash and bonus money"),
            ("bonus", "bonus money"),
            ("held", "money held for a withdrawal"),
            ("any", "any money"),
        ],
    )

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {**super().fresh(), "holding": "both"}
