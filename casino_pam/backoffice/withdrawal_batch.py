"""Many withdrawals settled or released with one confirmation, each answered by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import render
from unfold.widgets import UnfoldAdminSelectWidget
from uuid_utils.compat import uuid7

from casino_pam.backoffice import messages, permissions, withdrawals
from casino_pam.backoffice.actions import action_page
from casino_pam.backoffice.actions.forms import REASONS, Reason
from wallet.admin import ledger_pages
from wallet.errors import Refused
from wallet.kinds import Kind
from wallet.models import Currency, Transaction

# So many are ended together, and no new one is begun after so long: an answer has 3.5 s.
TOGETHER: Final = 50
PATIENCE_SECONDS: Final = 2.0


class ManyForm(forms.Form):
    """One confirmation for many: the act, the rows it was shown with, and why."""

    reference = forms.UUIDField(widget=forms.HiddenInput)
    why = forms.ChoiceField(
        choices=list(REASONS.items()), widget=UnfoldAdminSelectWidget, label="Why they are not paid"
    )
    reason = Reason(help_text="One line, kept for ever with each of them.")

    def __init__(self, act: str, data: Any = None) -> None:
        super().__init__(data, initial={"reference": uuid7()})
        if act == "settle":
            del self.fields["why"]
            self.fields["reason"].required = False
            self.fields["reason"].label = "Note"


@dataclass(frozen=True)
class Ended:
    """What became of one of many; ``outcome`` as in the audit trail."""

    row: Transaction
    outcome: str
    message: str


@permissions.page(withdrawals.PERMISSION)
def page(request: HttpRequest) -> HttpResponse:
    """Settle or release what was chosen in the queue: a page that asks once, and an answer for each."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    act = request.POST.get("act")
    rows = _chosen(request)
    if act not in ("settle", "release") or not rows:
        wrong = f"Choose between one and {TOGETHER} withdrawals, and what to do with them."
        return _answer(request, {"wrong": wrong}, 400)
    form = ManyForm(act, request.POST if "confirmed" in request.POST else None)
    context = {"act": act, "rows": rows, "form": form, "sums": _sums(rows), "query": request.GET.urlencode()}
    if not form.is_valid():
        return _answer(request, context, 400 if form.is_bound else 200)
    context["ended"] = _end(request, act, rows, form.cleaned_data)
    context["next"] = withdrawals.QueueFilter(request.GET).rows().first()
    return _answer(request, context)


def _chosen(request: HttpRequest) -> list[Transaction]:
    """The chosen holds, ended by now or not: each is answered. None where they cannot be what the page offered."""
    try:
        ids = {UUID(text) for text in request.POST.getlist("chosen")}
    except ValueError:
        return []
    rows = ledger_pages.with_names(Transaction.objects.filter(pk__in=ids, kind=Kind.HOLD)).order_by("created_at", "id")
    return list(rows) if 0 < len(ids) <= TOGETHER else []


def _sums(rows: list[Transaction]) -> list[tuple[Currency, int]]:
    """What is ended in each currency, in minor units."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.wallet.currency_id] = sums.get(row.wallet.currency_id, 0) + row.amount
    currencies = {row.wallet.currency_id: row.wallet.currency for row in rows}
    return [(currencies[code], amount) for code, amount in sorted(sums.items())]


def _end(request: HttpRequest, act: str, rows: list[Transaction], given: dict[str, Any]) -> list[Ended]:
    """End one after another, each as its own button would: what is refused stops no other.

    Each has a reference made of the form's and its own, so that the form sent again acts once.
    """
    until, ended = time.monotonic() + PATIENCE_SECONDS, []
    for row in rows:
        if time.monotonic() > until:
            ended.append(Ended(row, "left", "Not tried yet: there was no time for it. Send the form again."))
            continue
        try:
            told = action_page.perform(request, act, row, {**given, "reference": f"{given['reference']}:{row.pk}"})
            ended.append(Ended(row, told.outcome, told.message))
        except Refused as refused:
            ended.append(Ended(row, refused.code, messages.message(refused)))
    return ended


def _answer(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    title = {"settle": "Settle withdrawals", "release": "Release withdrawals"}.get(
        context.get("act", ""), "Withdrawals"
    )
    context = admin.site.each_context(request) | {"title": title, **context}
    return render(request, "backoffice/many_withdrawals.html", context, status=status)
