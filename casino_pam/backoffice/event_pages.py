"""What became of the events that back ends are told: how each endpoint stands, the last failures, and again by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget
from uuid_utils.compat import uuid7

from casino_pam import delivery
from casino_pam.backoffice import permissions
from casino_pam.backoffice.actions.forms import Reason
from casino_pam.backoffice.withdrawals import age
from wallet import audit
from wallet.models import AuditEntry, Delivery, Endpoint

VIEW: Final = "wallet.view_endpoint"
CHANGE: Final = "wallet.change_endpoint"

# Failures on the page.
FAILURES: Final = 50


class EndpointLine(NamedTuple):
    endpoint: Endpoint
    waiting: str
    age: str
    troubled: bool


@permissions.page(VIEW)
def page(request: HttpRequest) -> HttpResponse:
    """How each endpoint stands, and what was refused."""
    context = admin.site.each_context(request) | {
        "title": "Events",
        "lines": _lines(),
        "refused": _refused(),
        "may_change": request.user.has_perm(CHANGE),
        "most": FAILURES,
        "hours": settings.EVENT_GIVE_UP_HOURS,
    }
    return render(request, "backoffice/events.html", context)


def _lines() -> list[EndpointLine]:
    now = timezone.now()
    lines = []
    for endpoint, (waiting, since) in delivery.standings():
        count = f"more than {delivery.COUNTED:,}" if waiting > delivery.COUNTED else f"{waiting:,}"
        troubled = endpoint.enabled and bool(endpoint.failures)
        lines.append(EndpointLine(endpoint, count, age(now - since) if since else "", troubled))
    return lines


def _refused() -> list[Delivery]:
    """The newest events that were given up, before them those that wait for another attempt."""
    rows = Delivery.objects.select_related("endpoint")
    again = rows.filter(state=Delivery.State.PENDING, retry_at__isnull=False).order_by("-retry_at")[:FAILURES]
    given_up = rows.filter(state=Delivery.State.FAILED).order_by("-id")[:FAILURES]
    return [*again, *given_up][:FAILURES]


class ReplayForm(forms.Form):
    """A span of time, and whose events."""

    since = forms.SplitDateTimeField(label="From (UTC)", widget=UnfoldAdminSplitDateTimeWidget)
    until = forms.SplitDateTimeField(label="To (UTC), not included", widget=UnfoldAdminSplitDateTimeWidget)
    player = forms.CharField(
        label="Player", max_length=128, required=False, widget=UnfoldAdminTextInputWidget, help_text="Empty: of all."
    )
    reason = Reason(label="Reason")
    reference = forms.UUIDField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "since" in cleaned and "until" in cleaned and cleaned["since"] >= cleaned["until"]:
            raise ValidationError("The span ends before it begins.")
        if "\0" in cleaned.get("player", ""):
            raise ValidationError("No player has such a code.")
        return cleaned


@permissions.page(CHANGE)
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a span of time; its events wait once more from then on."""
    endpoint = get_object_or_404(Endpoint, pk=pk)
    form = ReplayForm(request.POST if request.method == "POST" else None, initial=_first_values())
    if request.method == "POST" and form.is_valid():
        count = _replayed(request, endpoint, form.cleaned_data)
        messages.success(request, f"{count:,} events will be sent again." if count is not None else "Done before.")
        return redirect("backoffice:events")
    context = admin.site.each_context(request) | {
        "title": f"Send events again: {endpoint.code}",
        "endpoint": endpoint,
        "form": form,
    }
    return render(request, "backoffice/replay.html", context, status=400 if form.errors else 200)


def _replayed(request: HttpRequest, endpoint: Endpoint, asked: dict[str, Any]) -> int | None:
    """How many events; None where this very form was sent before."""
    reference: UUID = asked["reference"]
    with transaction.atomic():
        if AuditEntry.objects.filter(act="replay events", reference=str(reference)).exists():
            return None
        player = asked["player"] or None
        count = delivery.replay(endpoint, asked["since"], asked["until"], player)
        audit.record(
            request,
            "replay events",
            player=player,
            subject=endpoint,
            reason=asked["reason"],
            after={"from": asked["since"], "to": asked["until"], "events": count},
            reference=str(reference),
        )
    return count


def _first_values() -> dict[str, datetime | UUID]:
    """The last day, to begin with."""
    now = timezone.now().replace(microsecond=0)
    return {"since": now - timedelta(days=1), "until": now, "reference": uuid7()}


def patterns() -> list[URLPattern]:
    return [
        path("events/", page, name="events"),
        path("events/<int:pk>/replay/", replay, name="replay"),
    ]
