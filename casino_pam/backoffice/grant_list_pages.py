"""An offer granted to many players: the list is sent, decided about where it must be, carried out, and taken away."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)
from uuid_utils.compat import uuid7

from bonus.campaign_tables import GrantList
from bonus.models import Offer
from bonus.terms import OfferKind
from casino_pam import spreadsheet
from casino_pam.backoffice import messages as backoffice_messages
from casino_pam.backoffice import permissions, report_pages
from casino_pam.backoffice.actions.forms import Reason
from casino_pam.engine import bulk_grants
from casino_pam.engine.bulk_grants import Asked, Fault, Unfit
from wallet import audit, formatting, money, second_person
from wallet.errors import Refused
from wallet.kinds import OPERATOR
from wallet.models import Currency
from wallet.pg import deadline

VIEW: Final = "bonus.view_bonus"
GRANT: Final = "bonus.grant_bonus"
SHOWN: Final = 50
FAULTS_SHOWN: Final = 200
PATH: Final = "/admin/office/grant-lists/"
# What one form may hold: looked at in a few seconds, and in more on a busy machine.
LONGEST: Final = 20_000
# How long one request carries a list out, before it answers how far it has come.
PART_SECONDS: Final = 1.0

_COLOURS: Final = {
    GrantList.State.WAITING: "orange",
    GrantList.State.RUNNING: "blue",
    GrantList.State.DONE: "green",
    GrantList.State.REJECTED: "red",
}


class GrantListForm(forms.Form):
    """Players pasted or as a file; the reference makes what is sent twice one list."""

    offer = forms.ModelChoiceField(
        Offer.objects.filter(enabled=True).exclude(kind=OfferKind.CASHBACK),
        to_field_name="code",
        empty_label="Which offer",
        widget=UnfoldAdminSelectWidget,
    )
    currency = forms.ModelChoiceField(
        Currency.objects.order_by("code"),
        required=False,
        empty_label="the offer's own, or each line's",
        help_text="Of lines that name none.",
        widget=UnfoldAdminSelectWidget,
    )
    players = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="One a line: a player, or a player, a comma and a currency."
        f" At most {LONGEST:,}: manage.py grant_bulk takes more.",
    )
    file = forms.FileField(
        required=False,
        label="Or a file",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text="The same lines as CSV in UTF-8, at most 4 MiB.",
    )
    reason = Reason()
    reference = forms.UUIDField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        pasted, file = cleaned.get("players"), cleaned.get("file")
        if bool(pasted) is bool(file):
            raise forms.ValidationError("Paste the players, or choose a file: one of the two.")
        try:
            cleaned["text"] = file.read().decode("utf-8") if file else pasted
        except UnicodeDecodeError:
            self.add_error("file", "The file is not in UTF-8.")
        return cleaned


class Decision(forms.Form):
    """Why a list that waits is carried out or not."""

    reason = Reason(help_text="One line, kept for ever with your decision.")
    decision = forms.ChoiceField(choices=[(verb, verb) for verb in ("approve", "reject")])


def patterns() -> list[URLPattern]:
    return [
        path("grant-lists/", index, name="grant_lists"),
        path("grant-lists/<uuid:pk>/", show, name="grant_list"),
        path("grant-lists/<uuid:pk>.csv", file, name="grant_list_file"),
    ]


@permissions.page(VIEW)
def index(request: HttpRequest) -> HttpResponse:
    """The newest lists, and a form for another one."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    if request.method != "POST":
        begun = {"reference": uuid7(), "offer": request.GET.get("offer")}
        return _index(request, GrantListForm(initial=begun))
    if not request.user.has_perm(GRANT):
        raise PermissionDenied
    form = GrantListForm(request.POST, request.FILES)
    if not form.is_valid():
        return _index(request, form, status=400)
    # As long as the server layer lets it take (casino_pam/asgi.py).
    with deadline.afresh(time.monotonic() + report_pages.SECONDS):
        return _made(request, form)


def _made(request: HttpRequest, form: GrantListForm) -> HttpResponse:
    given = form.cleaned_data
    currency = given["currency"].code if given["currency"] else None
    try:
        lines, unread = bulk_grants.read_lines(given["text"], given["offer"], currency)
        if len(lines) > LONGEST:
            too_long = f"The list has {len(lines)} lines; a form takes {LONGEST}, manage.py grant_bulk takes more."
            raise Unfit([Fault(None, too_long)])
        asked = Asked(
            offer=given["offer"],
            lines=lines,
            unread=unread,
            source=OPERATOR,
            reference=str(given["reference"]),
            actor=request.user.get_username(),
            reason=given["reason"],
        )
        made = bulk_grants.make(asked, partial(_record_made, request, len(asked.lines)))
    except Unfit as unfit:
        return _index(request, form, faults=unfit.faults, status=400)
    except Refused as refused:
        form.add_error(None, backoffice_messages.message(refused))
        return _index(request, form, status=refused.status)
    return redirect("backoffice:grant_list", made.pk)


def _record_made(request: HttpRequest, lines: int, made: GrantList) -> None:
    audit.record(
        request,
        "grant to many",
        subject=f"{made.offer.code} to {lines} players",
        reason=made.reason,
        after={"list": str(made.pk), "worth": _worth(made, _digits())},
        outcome=audit.WAITS if made.state == GrantList.State.WAITING else audit.DONE,
        reference=made.reference,
    )


def _index(
    request: HttpRequest, form: GrantListForm, *, faults: list[Fault] | None = None, status: int = 200
) -> HttpResponse:
    faults = faults or []
    context = {
        "title": "Grant lists",
        "form": form if request.user.has_perm(GRANT) else None,
        "faults": [(fault.line, _sentence(fault)) for fault in faults[:FAULTS_SHOWN]],
        "fault_count": len(faults),
        "lists": _rows(bulk_grants.lists()),
    }
    return _page(request, "backoffice/grant_lists.html", context, status)


def waiting() -> list[dict[str, Any]]:
    """The lists that wait for a second person, as the page of approvals shows them."""
    return _rows(bulk_grants.waiting())


def _sentence(fault: Fault) -> str:
    if fault.refusal is None:
        return fault.text
    player, _, _ = fault.text.partition(":")
    return f"{player}: {backoffice_messages.message(fault.refusal)}"


def _rows(lists: QuerySet[GrantList]) -> list[dict[str, Any]]:
    """The first lists, as a table shows them."""
    digits = _digits()
    return [_row(each, digits) for each in lists[:SHOWN]]


def _row(of: GrantList, digits: Mapping[str, int]) -> dict[str, Any]:
    state = formatting.badge(of.state, _COLOURS[GrantList.State(of.state)])
    return {"list": of, "state": state, "worth": _worth(of, digits)}


def _worth(of: GrantList, digits: Mapping[str, int]) -> str:
    """What the list grants at once; of offers that wait for a deposit or a win nothing is known yet."""
    return ", ".join(f"{money.show(minor, digits[code])} {code}" for code, minor in of.worth.items())


def _digits() -> Mapping[str, int]:
    return dict(Currency.objects.values_list("code", "digits"))


# --- one list ------------------------------------------------------------------------------------


@permissions.page(VIEW)
def show(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One list: how far it has come. Sent, it goes on for a moment, or a second person decides."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    found = bulk_grants.lists().filter(pk=pk).first()
    if found is None:
        raise Http404
    if request.method != "POST":
        return _show(request, found, Decision())
    if not request.user.has_perm(GRANT):
        raise PermissionDenied
    if request.POST.get("decision") == "continue":
        bulk_grants.carry_out(found, PART_SECONDS)
        return redirect("backoffice:grant_list", found.pk)
    form = Decision(request.POST)
    if not form.is_valid():
        return _show(request, found, form, status=400)
    return _decided(request, found, form)


def _decided(request: HttpRequest, found: GrantList, form: Decision) -> HttpResponse:
    verb, why = form.cleaned_data["decision"], form.cleaned_data["reason"]
    record = partial(_record_decision, request, found, verb, why)
    try:
        bulk_grants.decide(found, request.user.get_username(), why, approved=verb == "approve", record=record)
    except Refused as refused:
        record(outcome=refused.code)
        form.add_error(None, backoffice_messages.message(refused))
        return _show(request, found, form, status=refused.status)
    messages.success(request, "Approved: the list is carried out now." if verb == "approve" else "Rejected the list.")
    return redirect("backoffice:grant_list", found.pk)


def _record_decision(request: HttpRequest, found: GrantList, verb: str, why: str, outcome: str = audit.DONE) -> None:
    audit.record(
        request,
        f"{verb} grant list",
        subject=f"{found.offer.code}, asked for by {found.actor}",
        reason=why,
        after={"list": str(found.pk), "worth": _worth(found, _digits()), "asked because": found.reason},
        outcome=outcome,
        # Done, it is one act; whoever is refused has a row of their own each time.
        reference=str(found.pk) if outcome == audit.DONE else None,
    )


def _show(request: HttpRequest, found: GrantList, form: Decision, status: int = 200) -> HttpResponse:
    me = request.user.get_username()
    waits = found.state == GrantList.State.WAITING
    objection = second_person.objection(found.actor, me) if waits and found.actor != me else None
    progress = bulk_grants.progress(found)
    context = {
        "title": f"{found.offer.name} to {progress.lines:,} players",
        **_row(found, _digits()),
        "progress": progress,
        "form": form,
        "own": found.actor == me,
        "waits": waits,
        "running": found.state == GrantList.State.RUNNING,
        "objection": objection and backoffice_messages.message(objection),
        "may": request.user.has_perm(GRANT),
    }
    return _page(request, "backoffice/grant_list.html", context, status)


@permissions.page(VIEW)
def file(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """One answer a line, as CSV. Who took it is in the audit trail."""
    found = bulk_grants.lists().filter(pk=pk).first()
    if found is None:
        raise Http404
    audit.record(request, "export grant list", subject=f"{found.offer.code}, {found.pk}")
    return spreadsheet.download(f"{found.offer.code}-{found.created_at:%Y-%m-%d}-answers.csv", pieces(found))


def pieces(of: GrantList) -> Iterator[str]:
    yield spreadsheet.line(bulk_grants.COLUMNS)
    yield from report_pages.together(bulk_grants.result(of))


def _page(request: HttpRequest, template: str, context: dict[str, Any], status: int) -> HttpResponse:
    return render(request, template, admin.site.each_context(request) | context, status=status)
