"""Withdrawals that wait to be paid: who asked when for how much, found by what matters, and which is the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from casino_pam.backoffice import permissions
from casino_pam.engine import approvals
from wallet import money
from wallet.admin import ledger_pages
from wallet.admin.player_admin import states
from wallet.kinds import VERIFICATIONS, Kind, Status
from wallet.models import Approval, Currency, Transaction, Wallet

VIEW: Final = "wallet.view_withdrawals"
PERMISSION: Final = "wallet.settle_withdrawal"
PAGE: Final = 100
# A queue of more than this is counted no further.
COUNTED: Final = 1_000


@dataclass(frozen=True)
class PendingWithdrawal:
    """A hold that nobody has settled or released yet, and the request to settle it that waits for a second person."""

    row: Transaction
    age: str
    states: SafeString
    request: Approval | None = None


def held() -> QuerySet[Transaction]:
    """Holds that nothing has ended, oldest first.

    Only wallets with held money are looked at: the holds of all times would be many more.
    """
    ended = Transaction.objects.filter(closes=OuterRef("pk"), status=Status.POSTED)
    holds = Transaction.objects.filter(kind=Kind.HOLD, status=Status.POSTED, wallet__held__gt=0)
    return ledger_pages.with_names(holds.filter(~Exists(ended))).order_by("created_at", "id")


def of_wallets(wallets: Iterable[Wallet]) -> list[PendingWithdrawal]:
    """What waits in these wallets; asks nothing where no money is held."""
    holding = [wallet.pk for wallet in wallets if wallet.held]
    return _pending(held().filter(wallet__in=holding)[:PAGE]) if holding else []


def _pending(rows: Iterable[Transaction]) -> list[PendingWithdrawal]:
    now = timezone.now()
    rows = list(rows)
    asked = Approval.objects.filter(withdrawal__in=[row.pk for row in rows], state__in=approvals.OPEN) if rows else []
    requests = {each.withdrawal: each for each in asked}
    return [
        PendingWithdrawal(row, age(now - row.created_at), states(row.wallet.player), requests.get(row.pk))
        for row in rows
    ]


def age(since: timedelta) -> str:
    """How long, in the two largest units that say something."""
    minutes = max(0, int(since.total_seconds())) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def queue(rows: QuerySet[Transaction] | None = None) -> dict[str, Any]:
    """How many wait, and the one that has waited longest."""
    waiting = held() if rows is None else rows
    count = waiting.order_by()[: COUNTED + 1].count()
    oldest = _pending(waiting[:1]) if count else []
    return {"count": f"more than {COUNTED}" if count > COUNTED else str(count), "oldest": next(iter(oldest), None)}


# --- what is looked for --------------------------------------------------------------------------

_AGES: Final = {"": "any", "1": "an hour", "24": "a day", "72": "three days", "168": "a week"}


class QueueFilter(forms.Form):
    """What the queue is narrowed to; it travels in the address, so that the next in the queue is of the same kind."""

    older = forms.ChoiceField(choices=list(_AGES.items()), required=False, label="Waits for more than")
    least = forms.CharField(required=False, max_length=40, label="Amount from")
    most = forms.CharField(required=False, max_length=40, label="Amount to")
    player = forms.CharField(required=False, max_length=128, label="Player begins with")
    verification = forms.ChoiceField(
        choices=[("", "any"), *((status, status) for status in VERIFICATIONS)], required=False
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.digits = dict(Currency.objects.values_list("code", "digits"))
        codes = [("", "all"), *((code, code) for code in self.digits)]
        self.fields["currency"] = forms.ChoiceField(choices=codes, required=False)
        self.order_fields(["older", "currency"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("least", "most"):
            if not cleaned.get(name):
                cleaned[name] = None
                continue
            if not cleaned.get("currency"):
                raise ValidationError("Choose a currency: an amount is one of its.")
            try:
                cleaned[name] = money.parse(cleaned[name], self.digits[cleaned["currency"]])
            except money.InvalidAmount as wrong:
                self.add_error(name, f"It {wrong}.")
        return cleaned

    def rows(self) -> QuerySet[Transaction]:
        """What waits and fits; nothing where the form is wrong."""
        if not self.is_valid():
            return held().none()
        wanted, chosen = Q(), self.cleaned_data
        if chosen["older"]:
            wanted &= Q(created_at__lte=timezone.now() - timedelta(hours=int(chosen["older"])))
        if chosen["currency"]:
            wanted &= Q(wallet__currency=chosen["currency"])
        if chosen["least"] is not None:
            wanted &= Q(amount__gte=chosen["least"])
        if chosen["most"] is not None:
            wanted &= Q(amount__lte=chosen["most"])
        if chosen["player"]:
            wanted &= Q(wallet__player__code__startswith=chosen["player"])
        if chosen["verification"]:
            wanted &= Q(wallet__player__verification=chosen["verification"])
        return held().filter(wanted)


def following(row: Transaction, request: HttpRequest) -> Transaction | None:
    """The one that waits after this one in the queue as the request's address narrows it, or the oldest of all."""
    rows = QueueFilter(request.GET).rows().exclude(pk=row.pk)
    later = Q(created_at__gt=row.created_at) | Q(created_at=row.created_at, id__gt=row.pk)
    return rows.filter(later).first() or rows.first()


@permissions.page(VIEW)
def page(request: HttpRequest) -> HttpResponse:
    """The queue, its oldest first."""
    wanted = QueueFilter(request.GET)
    rows = wanted.rows()
    context = admin.site.each_context(request) | {
        "title": "Withdrawals",
        "filter": wanted,
        "narrowed": any(request.GET.get(name) for name in wanted.fields),
        "query": request.GET.urlencode(),
        "waiting": _pending(rows[:PAGE]),
        "page": PAGE,
        **queue(rows),
    }
    return render(request, "backoffice/withdrawals.html", context)


def queue_address(request: HttpRequest) -> str:
    """The queue as the request's address narrows it."""
    return f"{reverse('backoffice:withdrawals')}?{request.GET.urlencode()}".rstrip("?")
