"""What waits for a second person: the queue, and one page for each request, on which it is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.timesince import timesince

from bonus.models import Bonus
from casino_pam.backoffice import grant_list_pages, permissions
from casino_pam.backoffice import messages as backoffice_messages
from casino_pam.backoffice.actions.forms import Reason
from casino_pam.engine import approvals, bulk_grants
from casino_pam.engine.approvals import Decided
from casino_pam.engine.posting import Alongside
from wallet import audit, money, second_person
from wallet.errors import Refused
from wallet.models import Approval, Currency, Player

VIEW: Final = "wallet.view_approval"
# As many of each sort are shown; a house with more has other worries.
SHOWN: Final = 200
COUNTED: Final = 100

_ACTS: Final = {
    Approval.Act.ADJUST: ("adjustment", "wallet.adjust_wallet"),
    Approval.Act.COMPLETE: ("completion", "bonus.complete_bonus"),
}


@dataclass(frozen=True, kw_only=True)
class PendingApproval:
    """A request as the queue shows it; ``permission`` is that of the act itself, which deciding needs too."""

    id: UUID
    what: str
    permission: str
    player: Player
    currency: Currency
    amount: int
    reason: str
    author: str
    since: datetime
    approve: Callable[[str, str, approvals.Record], object]
    reject: Callable[[str, str, approvals.Record], object]
    bonus: UUID | None = None
    offer: str | None = None
    # Who has decided, and how.
    decided: str | None = None
    # Carries out what was approved and, after a crash, never posted.
    post: Callable[[Alongside], object] | None = None

    @property
    def age(self) -> str:
        return timesince(self.since)

    @property
    def sum(self) -> str:
        return f"{money.show(self.amount, self.currency.digits)} {self.currency.code}"

    def __str__(self) -> str:
        return f"{self.what} for {self.player.code}, {self.currency.code}"


class Decision(forms.Form):
    """Why; kept with the request and in the audit trail. Which button was pressed says the rest."""

    reason = Reason(help_text="One line, kept for ever with your decision.")
    decision = forms.ChoiceField(choices=[(verb, verb) for verb in ("approve", "reject", "post")])


def _of_approval(approval: Approval) -> PendingApproval:
    what, permission = _ACTS[Approval.Act(approval.act)]
    return PendingApproval(
        id=approval.pk,
        what=what,
        permission=permission,
        player=approval.wallet.player,
        currency=approval.wallet.currency,
        amount=approval.amount,
        reason=approval.reason,
        author=approval.author,
        since=approval.created_at,
        approve=lambda by, why, record: approvals.approve(approval, by, why, record),
        reject=lambda by, why, record: approvals.reject(approval, by, why, record),
        bonus=approval.bonus,
        decided=f"{approval.approver} has {approval.state} it" if approval.approver else None,
        post=lambda alongside: approvals.post(approval, alongside),
    )


def _of_grant(bonus: Bonus) -> PendingApproval:
    return PendingApproval(
        id=bonus.pk,
        what="grant",
        permission="bonus.grant_bonus",
        player=bonus.player,
        currency=bonus.wallet.currency,
        amount=bonus.amount,
        reason=bonus.reason or "",
        author=bonus.actor or bonus.source,
        since=bonus.created_at,
        approve=lambda by, why, record: approvals.approve_grant(bonus, by, record),
        reject=lambda by, why, record: approvals.reject_grant(bonus, by, why, record),
        bonus=bonus.pk,
        offer=bonus.offer.code,
        decided=f"{bonus.approver} has decided: the bonus is {bonus.status}" if bonus.approver else None,
    )


def queue() -> list[PendingApproval]:
    """Everything that waits, the oldest first."""
    found = [
        *map(_of_approval, approvals.waiting()[:SHOWN]),
        *map(_of_grant, approvals.waiting_grants()[:SHOWN]),
    ]
    return sorted(found, key=lambda waiting: waiting.since)


def unposted() -> list[PendingApproval]:
    """What was approved and never posted, the oldest first."""
    return list(map(_of_approval, approvals.unposted()[:SHOWN]))


def count() -> int:
    """How many wait, counted no further than anybody reads."""
    requests = approvals.waiting().order_by()[:COUNTED].count()
    lists = bulk_grants.waiting().order_by()[:COUNTED].count()
    return min(requests + lists + approvals.waiting_grants().order_by()[:COUNTED].count(), COUNTED)


def badge(request: HttpRequest) -> str:
    """What the side bar says of it: nothing of nothing."""
    found = count()
    return f"{COUNTED - 1}+" if found == COUNTED else str(found or "")


def patterns() -> list[URLPattern]:
    return [path("approvals/", show, name="approvals"), path("approvals/<uuid:pk>/", decide, name="approval")]


@permissions.page(VIEW)
def show(request: HttpRequest) -> HttpResponse:
    context = {
        "title": "Waiting for approval",
        "queue": queue(),
        "lists": grant_list_pages.waiting(),
        "unposted": unposted(),
        "me": request.user.get_username(),
    }
    return render(request, "backoffice/approvals.html", admin.site.each_context(request) | context)


@permissions.page(VIEW)
def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One request; whoever may do such a thing, and has not asked for this one, decides."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    waiting = _find(pk)
    if request.method != "POST":
        return _page(request, waiting, Decision())
    if not request.user.has_perm(waiting.permission):
        raise PermissionDenied
    form = Decision(request.POST)
    if not form.is_valid():
        return _page(request, waiting, form, status=400)
    return _respond(request, waiting, form)


def _find(pk: UUID) -> PendingApproval:
    """The request, decided or not: a second decision is answered like the first, or told that it came late."""
    approval = approvals.asked().filter(pk=pk).first()
    if approval is not None:
        return _of_approval(approval)
    bonus = approvals.asked_grants().filter(pk=pk).first()
    if bonus is None:
        raise Http404
    return _of_grant(bonus)


def _respond(request: HttpRequest, waiting: PendingApproval, form: Decision) -> HttpResponse:
    verb, why, by = form.cleaned_data["decision"], form.cleaned_data["reason"], request.user.get_username()
    try:
        record = partial(_record, request, waiting, verb, why)
        if verb == "post":
            _post(waiting, record)
        else:
            (waiting.approve if verb == "approve" else waiting.reject)(by, why, record)
    except Refused as refused:
        _record(request, waiting, verb, why, outcome=refused.code)
        form.add_error(None, backoffice_messages.message(refused))
        return _page(request, waiting, form, status=refused.status)
    except Decided as decided:
        _record(request, waiting, verb, why, outcome=audit.REFUSED)
        messages.warning(request, f"{_of_approval(decided.approval).decided}, before you.")
        return redirect("backoffice:approvals")
    messages.success(request, f"{_DONE[verb]} the {waiting}.")
    return redirect("backoffice:approvals")


_DONE: Final = {"approve": "Approved", "reject": "Rejected", "post": "Posted"}


def _post(waiting: PendingApproval, record: approvals.Record) -> None:
    """Carry out what a second person approved before. Raises Refused, also for what was not approved."""
    if waiting.post is None or not approvals.unposted().filter(pk=waiting.id).exists():
        raise Refused("forbidden", why="nothing_to_post")
    waiting.post(lambda _: record())


def _record(request: HttpRequest, waiting: PendingApproval, verb: str, why: str, outcome: str = audit.DONE) -> None:
    audit.record(
        request,
        f"{verb} {waiting.what}",
        player=waiting.player.code,
        subject=f"{waiting}, asked for by {waiting.author}",
        reason=why,
        after={"amount": waiting.sum, "asked because": waiting.reason},
        outcome=outcome,
        reference=str(waiting.id),
    )


def _page(request: HttpRequest, waiting: PendingApproval, form: Decision, status: int = 200) -> HttpResponse:
    me = request.user.get_username()
    own = waiting.author == me
    objection = None if own or waiting.decided else second_person.objection(waiting.author, me)
    context = {
        "title": f"Decide: {waiting}",
        "waiting": waiting,
        "form": form,
        "own": own,
        "objection": objection and backoffice_messages.message(objection),
        "unposted": approvals.unposted().filter(pk=waiting.id).exists(),
        "may": request.user.has_perm(waiting.permission) and not own,
    }
    return render(request, "backoffice/approval.html", admin.site.each_context(request) | context, status=status)
