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

from casino_pam.backoffice import foresight as foresight_page
from casino_pam.backoffice import messages as backoffice_messages
from casino_pam.backoffice import permissions, withdrawals
from casino_pam.backoffice.actions import offer_actions, operator_actions, player_actions, wallet_actions
from casino_pam.backoffice.actions.action import (
    SUBJECTS,
    Action,
    ActionRequest,
    ActionResult,
    Guard,
    home,
    own_page,
    wallet_of,
)
from casino_pam.backoffice.actions.forms import ActionForm
from wallet import audit
from wallet.admin import ledger_pages
from wallet.errors import Busy, Refused
from wallet.models import AuditEntry

ACTIONS: Final[tuple[Action[Any], ...]] = (
    *player_actions.PLAYER_ACTIONS,
    *player_actions.SESSION_ACTIONS,
    *player_actions.LIMIT_ACTIONS,
    *wallet_actions.WALLET_ACTIONS,
    *wallet_actions.ROW_ACTIONS,
    *wallet_actions.BONUS_ACTIONS,
    *offer_actions.OFFER_ACTIONS,
    *operator_actions.OPERATOR_ACTIONS,
)


class _Replayed(Exception):
    """A twin was first: what was done just now is to be undone."""


def patterns() -> list[URLPattern]:
    """An address for every act."""
    return [
        path(f"{act.subject.name}/<{act.subject.key}:pk>/{act.name}/", _page(act), name=act.name) for act in ACTIONS
    ]


def available(user: Any, row: Model) -> list[dict[str, Any]]:
    """The acts about this row that the operator may do and that nothing hinders now."""
    acts = [act for act in ACTIONS if act.subject is SUBJECTS[type(row)] and user.has_perm(act.permission)]
    return [
        {"title": act.title, "address": act.address(row), "takes": act.takes}
        for act in acts
        if act.hindrance(row) is None
    ]


def _page(act: Action[Any]) -> permissions.View:
    def page(request: HttpRequest, pk: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        row = get_object_or_404(act.subject.rows(), pk=pk)
        if request.method != "POST":
            return _form_page(request, act, row, act.form(row))
        form = act.form(row, request.POST)
        if "foresee" in request.POST:
            return _foresight_page(request, act, row, form)
        if not form.is_valid():
            return _form_page(request, act, row, form, status=400)
        return _respond(request, act, row, form)

    return permissions.page(act.permission)(page)


def _respond(request: HttpRequest, act: Action[Any], row: Any, form: ActionForm) -> HttpResponse:
    try:
        result = perform(request, act.name, row, form.cleaned_data)
    except Refused as refused:
        return _refusal_page(request, act, row, refused)
    messages.success(request, _message(result))
    return redirect(result.page or _forward(request, act, row))


def perform(request: HttpRequest, name: str, row: Any, given: dict[str, Any]) -> ActionResult:
    """Carry an act out with what its form gave, once; done or refused, it is in the audit trail. Raises Refused."""
    act = next(act for act in ACTIONS if act.name == name)

    def record(result: ActionResult) -> Any:
        return _record(request, act, submission, outcome=result.outcome, after=_after(act, submission, result))

    by = request.user.get_username()
    submission = ActionRequest(on=row, given=given, by=by, before=act.subject.state(row), record=record)
    try:
        return _run_once(act, submission)
    except Refused as refused:
        _record(request, act, submission, outcome=refused.code, after={"said": backoffice_messages.message(refused)})
        raise


def _run_once(act: Action[Any], submission: ActionRequest[Any]) -> ActionResult:
    if act.guard is not Guard.COMMAND and (known := _earlier_result(act, submission)):
        return known
    if act.guard is not Guard.TRANSACTION:
        # The engine commits by itself; the row of the audit trail is written alongside.
        return act.run(submission)
    try:
        with transaction.atomic():
            result = act.run(submission)
            if not AuditEntry.objects.filter(pk=submission.record(result)).exists():
                raise _Replayed
    except _Replayed:
        known = _earlier_result(act, submission)
        assert known is not None
        return known
    return result


def _earlier_result(act: Action[Any], submission: ActionRequest[Any]) -> ActionResult | None:
    """What this very form came to when it was sent before, in the words of that answer; None if it never was."""
    entry = AuditEntry.objects.filter(act=act.name, reference=submission.reference, outcome=audit.DONE).first()
    if entry is None:
        return None
    if entry.subject != act.subject.called(submission.on):
        raise Refused("reference_reused", differing=["subject"])
    after = entry.after or {}
    return ActionResult(message=after["said"], page=after.get("page"))


def _after(act: Action[Any], submission: ActionRequest[Any], result: ActionResult) -> dict[str, Any]:
    told = {"said": result.message}
    told |= {name: value for name, value in (("row", result.row), ("page", result.page)) if value}
    return {**act.subject.state(act.subject.again(submission.on)), **told}


def _record(
    request: HttpRequest, act: Action[Any], submission: ActionRequest[Any], *, outcome: str, after: dict[str, Any]
) -> Any:
    player = act.subject.player(submission.on)
    return audit.record(
        request,
        act.name,
        player=None if player is None else player.code,
        subject=act.subject.called(submission.on),
        reason=submission.reason,
        before=submission.before,
        after=after,
        outcome=outcome,
        reference=submission.reference,
    )


# --- what is shown -------------------------------------------------------------------------------


def _refusal_page(request: HttpRequest, act: Action[Any], row: Any, refused: Refused) -> HttpResponse:
    """The form again, as it was filled in. A spent reference would be refused for ever, so it gets a fresh one;
    where nobody knows whether anything happened it keeps its own."""
    sent = request.POST.copy()
    if not isinstance(refused, Busy) and refused.code != "internal":
        sent["reference"] = str(uuid7())
    row = act.subject.again(row)
    form = act.form(row, sent)
    form.add_error(None, backoffice_messages.message(refused))
    return _form_page(request, act, row, form, status=refused.status)


def _foresight_page(request: HttpRequest, act: Action[Any], row: Any, form: ActionForm) -> HttpResponse:
    """What the form would come to as it is filled in so far; nothing happens.

    A page of its own, or what a script puts into the page that is there (wallet/static/wallet/admin.js).
    """
    form.full_clean()
    foreseen = {} if form.errors.keys() - {"reason"} else _foresee(request, act, row, form.cleaned_data)
    if request.POST["foresee"] == "fragment":
        return render(request, "backoffice/foresight.html", foreseen)
    return _form_page(request, act, row, form, foreseen=foreseen)


def _foresee(request: HttpRequest, act: Action[Any], row: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What the template of a foresight shows."""
    if act.command is None:
        return {}
    by, wallet = request.user.get_username(), wallet_of(row)
    # The reason need not be given yet: what the act comes to does not depend on it.
    given = {"reference": uuid7(), **given, "reason": given.get("reason") or "foreseen"}
    submission = ActionRequest(on=row, given=given, by=by, before={}, record=lambda _: None)
    foresight = foresight_page.of(act.command(submission), wallet)
    second = "A second operator decides about it before it is posted." if act.second(submission, foresight) else ""
    return {"foresight": foresight, "wallet": wallet, "second": "" if foresight.refusal else second}


def _corrections(request: HttpRequest, act: Action[Any], row: Any) -> list[foresight_page.Correction] | None:
    player = act.subject.player(row)
    if player is None or not request.user.has_perm("wallet.view_transaction"):
        return None
    return foresight_page.corrections(player)


def _form_page(
    request: HttpRequest,
    act: Action[Any],
    row: Any,
    form: ActionForm,
    status: int = 200,
    foreseen: dict[str, Any] | None = None,
) -> HttpResponse:
    hindrance = None if form.is_bound else act.hindrance(row)
    if foreseen is None and act.at_once and hindrance is None:
        foreseen = _foresee(request, act, row, {})
    moves_money = act.command is not None
    context = admin.site.each_context(request) | {
        "title": f"{act.title}: {act.subject.called(row)}",
        "crumbs": _crumbs(act, row),
        "act": act,
        "effect": act.effect(row),
        "hindrance": hindrance,
        "moves_money": moves_money,
        "queued": act.name in ("settle", "release"),
        "corrections": _corrections(request, act, row) if moves_money else None,
        **(foreseen or {}),
        "state": act.subject.state(row),
        "form": form,
        "back": _back(request, act, row),
    }
    return render(request, "backoffice/action.html", context, status=status)


def _crumbs(act: Action[Any], row: Any) -> list[dict[str, Any]]:
    player = act.subject.player(row)
    above = [{"title": str(row), "link": own_page(row)}] if player is None else ledger_pages.player_crumbs(player)
    return [*above, {"title": act.title.lower()}]


def _forward(request: HttpRequest, act: Action[Any], row: Any) -> str:
    """Where to go after the act: to the next in the queue, for whoever works through it."""
    if "next" not in request.POST:
        return _back(request, act, row)
    following = withdrawals.following(row, request)
    if following is None:
        return withdrawals.queue_address(request)
    return f"{act.address(following)}?{request.GET.urlencode()}".rstrip("?")


def _back(request: HttpRequest, act: Action[Any], row: Any) -> str:
    """The player's page, for whoever may see it; the row's own where it is no player's."""
    player = act.subject.player(row)
    if player is None:
        return own_page(row)
    return home(player) if request.user.has_perm("wallet.view_player") else reverse("admin:index")


def _message(result: ActionResult) -> str | SafeString:
    if result.row is None:
        return result.message
    link = reverse("admin:wallet_transaction_change", args=[result.row])
    return format_html('{} <a class="link" href="{}">The row</a>', result.message, link)
