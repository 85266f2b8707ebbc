"""The one page behind every button: a form that explains the act, and the act itself, carried out once."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from uuid_utils.compat import uuid7

from casino_pam.backoffice import messages as backoffice_messages
from casino_pam.backoffice import permissions
from casino_pam.backoffice.actions import player_actions, wallet_actions
from casino_pam.backoffice.actions.base import SUBJECTS, Act, Asked, Done, Guard, home
from casino_pam.backoffice.actions.forms import ActForm
from wallet import audit
from wallet.admin import ledger_pages
from wallet.errors import Busy, Refused
from wallet.models import AuditEntry

ACTIONS: Final[tuple[Act[Any], ...]] = (
    *player_actions.PLAYER_ACTIONS,
    *player_actions.LIMIT_ACTIONS,
    *wallet_actions.WALLET_ACTIONS,
    *wallet_actions.ROW_ACTIONS,
    *wallet_actions.BONUS_ACTIONS,
)


class _Repeated(Exception):
    """A twin was first: what was done just now is to be undone."""


def patterns() -> list[URLPattern]:
    """An address for every act."""
    return [
        path(f"{act.subject.name}/<{act.subject.key}:pk>/{act.name}/", _page(act), name=act.name) for act in ACTIONS
    ]


def offered(user: Any, row: Model) -> list[dict[str, Any]]:
    """The acts about this row that the operator may do and that nothing hinders now."""
    acts = [act for act in ACTIONS if act.subject is SUBJECTS[type(row)] and user.has_perm(act.permission)]
    return [
        {"title": act.title, "address": act.address(row), "takes": act.takes}
        for act in acts
        if act.hindrance(row) is None
    ]


def _page(act: Act[Any]) -> permissions.View:
    def page(request: HttpRequest, pk: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        row = get_object_or_404(act.subject.rows(), pk=pk)
        if request.method != "POST":
            return _shown(request, act, row, act.form(row))
        form = act.form(row, request.POST)
        if not form.is_valid():
            return _shown(request, act, row, form, status=400)
        return _answered(request, act, row, form)

    return permissions.page(act.permission)(page)


def _answered(request: HttpRequest, act: Act[Any], row: Any, form: ActForm) -> HttpResponse:
    by = request.user.get_username()
    asked = Asked(on=row, given=form.cleaned_data, by=by, before=act.subject.state(row))
    try:
        done = _carried_out(request, act, asked)
    except Refused as refused:
        _record(request, act, asked, outcome=refused.code, after={"said": backoffice_messages.said(refused)})
        return _refused(request, act, row, refused)
    messages.success(request, _told(done))
    return redirect(_back(request, act, row))


def _carried_out(request: HttpRequest, act: Act[Any], asked: Asked[Any]) -> Done:
    if act.guard is not Guard.COMMAND and (known := _known(act, asked)):
        return known
    if act.guard is not Guard.TRANSACTION:
        return _by_command(request, act, asked)
    try:
        with transaction.atomic():
            done = act.carry_out(asked)
            entry = _record(request, act, asked, outcome=done.outcome, after=_after(act, asked, done))
            if not AuditEntry.objects.filter(pk=entry).exists():
                raise _Repeated
    except _Repeated:
        known = _known(act, asked)
        assert known is not None
        return known
    return done


def _by_command(request: HttpRequest, act: Act[Any], asked: Asked[Any]) -> Done:
    """The teller commits by itself; the trail follows, once."""
    done = act.carry_out(asked)
    _record(request, act, asked, outcome=done.outcome, after=_after(act, asked, done))
    return done


def _known(act: Act[Any], asked: Asked[Any]) -> Done | None:
    """What this very form came to before, in the words of then."""
    entry = AuditEntry.objects.filter(act=act.name, reference=asked.reference, outcome=audit.DONE).first()
    if entry is None:
        return None
    if entry.subject != act.subject.called(asked.on):
        raise Refused("reference_reused", differing=["subject"])
    return Done(said=(entry.after or {})["said"])


def _after(act: Act[Any], asked: Asked[Any], done: Done) -> dict[str, Any]:
    told = {"said": done.said, **({"row": done.row} if done.row else {})}
    return {**act.subject.state(act.subject.again(asked.on)), **told}


def _record(request: HttpRequest, act: Act[Any], asked: Asked[Any], *, outcome: str, after: dict[str, Any]) -> Any:
    return audit.record(
        request,
        act.name,
        player=act.subject.player(asked.on).code,
        subject=act.subject.called(asked.on),
        reason=asked.reason,
        before=asked.before,
        after=after,
        outcome=outcome,
        reference=asked.reference,
    )


# --- what is shown -------------------------------------------------------------------------------


def _refused(request: HttpRequest, act: Act[Any], row: Any, refused: Refused) -> HttpResponse:
    """The form again, as it was filled in. A spent reference would be refused for ever, so it gets a fresh one;
    where nobody knows whether anything happened it keeps its own."""
    sent = request.POST.copy()
    if not isinstance(refused, Busy) and refused.code != "internal":
        sent["reference"] = str(uuid7())
    row = act.subject.again(row)
    form = act.form(row, sent)
    form.add_error(None, backoffice_messages.said(refused))
    return _shown(request, act, row, form, status=refused.status)


def _shown(request: HttpRequest, act: Act[Any], row: Any, form: ActForm, status: int = 200) -> HttpResponse:
    context = admin.site.each_context(request) | {
        "title": f"{act.title}: {act.subject.called(row)}",
        "crumbs": [*ledger_pages.player_crumbs(act.subject.player(row)), {"title": act.title.lower()}],
        "act": act,
        "effect": act.effect(row),
        "hindrance": None if form.is_bound else act.hindrance(row),
        "state": act.subject.state(row),
        "form": form,
        "back": _back(request, act, row),
    }
    return render(request, "office/act.html", context, status=status)


def _back(request: HttpRequest, act: Act[Any], row: Any) -> str:
    """The player's page, for whoever may see it."""
    return home(act.subject.player(row)) if request.user.has_perm("wallet.view_player") else reverse("admin:index")


def _told(done: Done) -> str | SafeString:
    if done.row is None:
        return done.said
    link = reverse("admin:wallet_transaction_change", args=[done.row])
    return format_html('{} <a class="link" href="{}">The row</a>', done.said, link)
