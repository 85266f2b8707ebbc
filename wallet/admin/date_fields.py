"""Days and moments as operators type them: by ISO 8601 and in UTC, whatever their browser's language would have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from django import forms
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminSplitDateTimeWidget

EARLIEST: Final = date(2000, 1, 1)

_DAY: Final = "2026-12-01"
_FORM: Final = f"UTC, as in {_DAY} 13:05."


def today() -> date:
    """The UTC day that it is."""
    return datetime.now(UTC).date()


def read_day(text: str | None) -> date | None:
    """A day out of an address, such as 2026-12-01; None for anything else, and for the last day, which none follows."""
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if text == str(found) and found.year < date.max.year else None


class DayWidget(UnfoldAdminDateWidget):  # type: ignore[misc]
    """A text with a calendar beside it: the browser's own field of a date would show it in another form."""

    def __init__(self) -> None:
        super().__init__(attrs={"placeholder": _DAY, "autocomplete": "off"})


class DayField(forms.DateField):
    """A UTC day of which a house may have books."""

    widget = DayWidget

    def __init__(self, label: str, **kwargs: Any) -> None:
        messages = {"required": "Name a day.", "invalid": f"This is no day. Write it as {_DAY}."}
        super().__init__(label=f"{label} (UTC)", error_messages=messages, **kwargs)

    def to_python(self, value: Any) -> date | None:
        """Digits of other scripts are no days here, whatever Python makes of them."""
        if isinstance(value, str) and not value.isascii():
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)

    def clean(self, value: Any) -> Any:
        day: date | None = super().clean(value)
        if day is not None and day < EARLIEST:
            raise forms.ValidationError(f"No house has books from before {EARLIEST}.")
        if day is not None and day > today() + timedelta(days=1):
            raise forms.ValidationError("This day has not come yet.")
        return day


class MomentField(forms.SplitDateTimeField):
    """A moment in UTC, to the second: a field for the day and one for the time."""

    widget = UnfoldAdminSplitDateTimeWidget

    def __init__(self, help_text: str = "", **kwargs: Any) -> None:
        messages = {
            "invalid_date": f"This is no valid date. Write it as {_DAY}.",
            "invalid_time": "This is no valid time. Write it as 13:05.",
        }
        super().__init__(help_text=f"{_FORM} {help_text}".strip(), error_messages=messages, **kwargs)

    def clean(self, value: Any) -> Any:
        if any(isinstance(part, str) and not part.isascii() for part in value or ()):
            raise forms.ValidationError(self.error_messages["invalid_date"], code="invalid_date")
        return super().clean(value)


class Preset(NamedTuple):
    """Days that are asked for often; both are within it."""

    title: str
    since: date
    until: date


def presets(day: date | None = None) -> Iterator[Preset]:
    """What is asked for often on that day, which is today's."""
    day = day or today()
    first = day.replace(day=1)
    last_month = first - timedelta(days=1)
    yield Preset("today", day, day)
    yield Preset("yesterday", day - timedelta(days=1), day - timedelta(days=1))
    yield Preset("last 7 days", day - timedelta(days=6), day)
    yield Preset("last 30 days", day - timedelta(days=29), day)
    yield Preset("this month", first, day)
    yield Preset("last month", last_month.replace(day=1), last_month)
