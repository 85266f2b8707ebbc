"""What waits for a second person or was decided by one: a list by state, and a page for each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from bonus.models import Bonus
from casino_pam.backoffice import foresight, grant_list_pages, permissions
from casino_pam.backoffice import messages as backoffice_messages
from casino_pam.backoffice.actions.forms import Reason
from casino_pam.engine import approvals, bulk_grants
from casino_pam.engine.approvals import Decided
from casino_pam.engine.commands import Command, Complete, Request
from casino_pam.engine.posting import Alongside
from wallet import audit, formatting, second_person
from wallet.admin import operator_admin
from wallet.errors import Refused
from wallet.kinds import BONUS, Kind
from wallet.models import Approval, AuditEntry, Currency, Player, Transaction, Wallet

VIEW: Final = "wallet.view_approval"
SEES_ROWS: Final = "wallet.view_transaction"
# So many of each sort are shown.
SHOWN: Final = 200
COUNTED: Final = 100

_ACTS: Final = {
    Approval.Act.ADJUST: ("adjustment", "wallet.adjust_wallet"),
    Approval.Act.COMPLETE: ("completion", "bonus.complete_bonus"),
    Approval.Act.SETTLE: ("settlement", "wallet.settle_withdrawal"),
}


@dataclass(frozen=True, kw_only=True)
class PendingApproval:
    """A request as the queue shows it; ``permission`` is that of the act itself, which deciding needs too."""

    id: UUID
    what: str
    permission: str
    player: Player
    wallet: Wallet
    currency: Currency
    amount: int
    reason: str
    author: str
    since: datetime
    # What would be posted if this operator approved it.
    command: Callable[[str], Request]
    approve: Callable[[str, str, approvals.Record], object]
    reject: Callable[[str, str, approvals.Record], object]
    # Who has decided, and how; empty while nobody has.
    decided: str = ""
    decision_reason: str = ""
    state: Approval.State = Approval.State.PENDING
    # The row that holds the withdrawal (its id).
    held: UUID | None = None
    # Why the engine refused what was approved: the code, and a sentence.
    code: str = ""
    refusal: str = ""
    bonus: UUID | None = None
    offer: str | None = None
    # Carries out what was approved and, after a crash, never posted.
    post: Callable[[Alongside], object] | None = None

    @property
    def badge(self) -> SafeString:
        return operator_admin.approval_state(self.state, self.code)

    @property
    def age(self) -> str:
        return timesince(self.since)

    @property
    def sum(self) -> str:
        return f"{formatting.number(self.amount, self.currency.digits)} {self.currency.code}"

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
        decided=_decided(approval),
        decision_reason=approval.decision_reason or "",
        state=Approval.State(approval.state),
        wallet=approval.wallet,
        command=lambda _: approvals.command_of(approval),
        held=approval.withdrawal,
        code=approval.refusal or "",
        refusal=backoffice_messages.message(approvals.refusal_of(approval)) if approval.refusal else "",
        post=lambda alongside: approvals.post(approval, alongside),
    )


def _decided(approval: Approval) -> str:
    if approval.approver is None:
        return ""
    rejected = approval.state == Approval.State.REJECTED
    return f"{approval.approver} has {'rejected' if rejected else 'approved'} it"


def _of_grant(bonus: Bonus, state: Approval.State | None = None) -> PendingApproval:
    """A grant; where its state is known already, nobody need look for it."""
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
        decided=f"{bonus.approver} has decided: the bonus is {bonus.status}" if bonus.approver else "",
        state=state or _state_of(bonus),
        wallet=bonus.wallet,
        command=lambda by: approvals.grant_of(bonus, by),
    )


def _state_of(bonus: Bonus) -> Approval.State:
    """What was decided of a grant. The trail says it: one that was approved and cancelled later looks rejected."""
    if bonus.approver is None:
        return Approval.State.PENDING
    rejected = AuditEntry.objects.filter(act="reject grant", reference=str(bonus.pk), outcome=audit.DONE).exists()
    return Approval.State.REJECTED if rejected else Approval.State.POSTED


def _of_trail(state: Approval.State) -> list[PendingApproval]:
    """The grants that were decided so, the newest first. A grant is carried out as it is approved, or not at all."""
    verb = {Approval.State.POSTED: "approve grant", Approval.State.REJECTED: "reject grant"}.get(state)
    if verb is None:
        return []
    noted = AuditEntry.objects.filter(act=verb, outcome=audit.DONE).order_by("-id").values_list("reference", "reason")
    reasons = {UUID(reference): reason for reference, reason in noted[:SHOWN]}
    bonuses = Bonus.objects.select_related("offer", "player", "wallet__player", "wallet__currency")
    found = bonuses.filter(pk__in=reasons)
    return [replace(_of_grant(bonus, state), decision_reason=reasons[bonus.pk]) for bonus in found]


def in_state(state: Approval.State) -> list[PendingApproval]:
    """What stands so: what waits the oldest first, what was decided the newest first."""
    if state == Approval.State.PENDING:
        return queue()
    decided = [*map(_of_approval, approvals.asked().filter(state=state).order_by("-decided_at")[:SHOWN])]
    return sorted([*decided, *_of_trail(state)], key=lambda one: one.since, reverse=True)[:SHOWN]


def queue() -> list[PendingApproval]:
    """Everything that waits, the oldest first."""
    found = [
        *map(_of_approval, approvals.waiting()[:SHOWN]),
        *map(_of_grant, approvals.waiting_grants()[:SHOWN]),
    ]
    return sorted(found, key=lambda waiting: waiting.since)


def unposted() -> int:
    """How many were approved and never posted, counted no further than anybody reads."""
    return approvals.unposted().order_by()[:COUNTED].count()


def count() -> int:
    """How many wait, counted no further than anybody reads."""
    requests = approvals.waiting().order_by()[:COUNTED].count()
    lists = bulk_grants.waiting().order_by()[:COUNTED].count()
    return min(requests + lists + approvals.waiting_grants().order_by()[:COUNTED].count(), COUNTED)


def count_for(request: HttpRequest) -> int:
    """As ``count``, looked up once for a page that shows it in its side bar and in a card."""
    if not hasattr(request, "approvals_waiting"):
        cast("Any", request).approvals_waiting = count()
    return cast("int", cast("Any", request).approvals_waiting)


def badge(request: HttpRequest) -> str:
    """How many wait, for the side bar; empty where nothing does."""
    found = count_for(request)
    return f"{COUNTED - 1}+" if found == COUNTED else str(found or "")


def patterns() -> list[URLPattern]:
    return [path("approvals/", show, name="approvals"), path("approvals/<uuid:pk>/", decide, name="approval")]


@permissions.page(VIEW)
def show(request: HttpRequest) -> HttpResponse:
    """The requests in one ``?state=``; those that wait, if none is named."""
    chosen = request.GET.get("state")
    state = Approval.State(chosen) if chosen in Approval.State.values else Approval.State.PENDING
    context = {
        "title": "Approvals",
        "queue": in_state(state),
        "state": state,
        "states": Approval.State,
        "waits": state == Approval.State.PENDING,
        "unposted": list(map(_of_approval, approvals.unposted()[:SHOWN])),
        "lists": grant_list_pages.waiting() if state == Approval.State.PENDING else [],
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
        # The decision may stand all the same.
        return _page(request, _find(waiting.id), form, status=refused.status)
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


def _row(waiting: PendingApproval) -> Transaction | None:
    """The row that was left in the ledger, posted or refused."""
    if waiting.state not in (Approval.State.POSTED, Approval.State.REFUSED):
        return None
    command = waiting.command("")
    rows = Transaction.objects.filter(source=command.source)
    if isinstance(command, Complete):
        rows = Transaction.objects.filter(
            source=BONUS, reference=command.bonus, kind=Kind.CONVERT, original=command.reference
        )
    elif isinstance(command, Command):
        rows = rows.filter(reference=command.reference, kind=command.kind)
    else:
        return None
    return rows.first()


def _page(request: HttpRequest, waiting: PendingApproval, form: Decision, status: int = 200) -> HttpResponse:
    me = request.user.get_username()
    own = waiting.author == me
    objection = None if own or waiting.decided else second_person.objection(waiting.author, me)
    context = {
        "title": f"{str(waiting)[:1].upper()}{str(waiting)[1:]}",
        "waiting": waiting,
        "form": form,
        "own": own,
        "objection": objection and backoffice_messages.message(objection),
        "unposted": approvals.unposted().filter(pk=waiting.id).exists(),
        "may": request.user.has_perm(waiting.permission) and not own,
        "row": _row(waiting),
        "wallet": waiting.wallet,
        "corrections": foresight.corrections(waiting.player) if request.user.has_perm(SEES_ROWS) else None,
    }
    if waiting.state in approvals.OPEN:
        # Whoever asked cannot approve it, and is shown what somebody else would be.
        context["foresight"] = foresight.of(waiting.command("" if own else me), waiting.wallet)
    return render(request, "backoffice/approval.html", admin.site.each_context(request) | context, status=status)
