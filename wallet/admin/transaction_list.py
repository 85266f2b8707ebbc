"""Everybody's rows, narrowed: along an index where there is one, else a bounded span of the newest at a time.

A ledger of a million rows is never read as a whole. Rows that are no play have an index by kind. For every other
choice a page looks through REACH rows, in order of their ids, says back to when that was, and where to go on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.db.models import QuerySet

from wallet import formatting, history, money
from wallet.admin.date_fields import DayField
from wallet.kinds import KINDS, PLAY, STATUSES
from wallet.models import Currency, Transaction
from wallet.time import first_id, midnight

# Rows that a page looks through for those that were chosen.
REACH: Final = 20_000
# A row is made after its command was received, and no clock of ours is a day slow.
_SLACK: Final = timedelta(days=1)


def _words(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("", "all"), *((value, formatting.words(value.lower())) for value in values)]


class TransactionChoices(forms.Form):
    """What everybody's rows can be narrowed to; nothing chosen is all of them."""

    kind = forms.ChoiceField(choices=_words(KINDS), required=False)
    status = forms.ChoiceField(choices=_words(STATUSES), required=False)
    source = forms.ChoiceField(required=False)
    since = DayField("From", required=False)
    until = DayField("To", required=False)
    currency = forms.ChoiceField(required=False)
    least = forms.CharField(label="Amount from", max_length=40, required=False)
    most = forms.CharField(label="Amount to", max_length=40, required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.digits = dict(Currency.objects.values_list("code", "digits"))
        self._choices("source", history.sources())
        self._choices("currency", sorted(self.digits))

    def _choices(self, name: str, codes: list[str]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "all"), *((code, code) for code in codes)]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", f"The days end before they begin: {since} is after {until}.")
        if len(self.digits) == 1 and (cleaned.get("least") or cleaned.get("most")):
            (cleaned["currency"],) = self.digits
        for name in ("least", "most"):
            if cleaned.get(name):
                cleaned[name] = self._minor(name, cleaned.get("currency"), cleaned[name])
        return cleaned

    def _minor(self, name: str, currency: str | None, text: str) -> int | None:
        """An amount in minor units; adjustments may be negative."""
        if not currency:
            if "currency" not in self.errors:
                self.add_error("currency", "Choose the currency of the amounts.")
            return None
        try:
            return money.parse_signed(text.strip(), self.digits[currency])
        except money.InvalidAmount as wrong:
            self.add_error(name, f"It {wrong}.")
            return None

    @property
    def chosen(self) -> dict[str, str]:
        """The choices as they stand in an address."""
        return {name: str(self.data[name]) for name in self.fields if self.data.get(name)}


def rows_from(choices: TransactionChoices, before: UUID | None) -> QuerySet[Transaction]:
    """The rows in order of time, the newest first, as far as an index narrows them."""
    asked = choices.cleaned_data if choices.is_bound else {}
    rows = Transaction.objects.order_by("-id")
    if asked.get("kind") and asked["kind"] not in PLAY:
        rows = rows.filter(kind=asked["kind"])
    if asked.get("since"):
        # As in wallet.reports.figures: ids begin with the time at which they were made.
        rows = rows.filter(id__gte=first_id(midnight(asked["since"]) - timedelta(seconds=5)))
    if asked.get("until"):
        rows = rows.filter(id__lt=first_id(midnight(asked["until"]) + timedelta(days=1) + _SLACK))
    return rows if before is None else rows.filter(id__lt=before)


def narrowed(rows: QuerySet[Transaction], choices: TransactionChoices) -> QuerySet[Transaction]:
    """Those of the rows that are as chosen."""
    asked = choices.cleaned_data if choices.is_bound else {}
    wanted: dict[str, Any] = {name: asked[name] for name in ("kind", "status", "source") if asked.get(name)}
    if asked.get("since"):
        wanted["created_at__gte"] = midnight(asked["since"])
    if asked.get("until"):
        wanted["created_at__lt"] = midnight(asked["until"]) + timedelta(days=1)
    if asked.get("currency"):
        wanted["wallet__currency"] = asked["currency"]
    for name, compared in (("least", "gte"), ("most", "lte")):
        if isinstance(asked.get(name), int):
            wanted[f"amount__{compared}"] = asked[name]
    return rows.filter(**wanted)


def floor_of(rows: QuerySet[Transaction]) -> UUID | None:
    """The id of the last row that a page looks at; None where it looks at all there are."""
    return rows.values_list("id", flat=True)[REACH - 1 : REACH].first()
