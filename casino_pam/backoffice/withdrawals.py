"""Withdrawals that wait to be paid: who asked when for how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString

from casino_pam.backoffice import permissions
from wallet.admin import ledger_pages
from wallet.admin.player_admin import states
from wallet.kinds import Kind, Status
from wallet.models import Transaction, Wallet

PAGE: Final = 100
# A queue of more than this is counted no further.
COUNTED: Final = 1_000


@dataclass(frozen=True)
class PendingWithdrawal:
    """A hold that nobody has settled or released yet."""

    row: Transaction
    age: str
    states: SafeString


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
    return [PendingWithdrawal(row, age(now - row.created_at), states(row.wallet.player)) for row in rows]


def age(since: timedelta) -> str:
    """How long, in the two largest units that say something."""
    minutes = max(0, int(since.total_seconds())) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def queue() -> dict[str, Any]:
    """How many wait, and the one that has waited longest."""
    count = held().order_by()[: COUNTED + 1].count()
    oldest = _pending(held()[:1]) if count else []
    return {"count": f"more than {COUNTED}" if count > COUNTED else str(count), "oldest": next(iter(oldest), None)}


@permissions.page("wallet.settle_withdrawal")
def page(request: HttpRequest) -> HttpResponse:
    """The queue, its oldest first."""
    context = admin.site.each_context(request) | {
        "title": "Open withdrawals",
        "waiting": _pending(held()[:PAGE]),
        "page": PAGE,
        **queue(),
    }
    return render(request, "backoffice/withdrawals.html", context)
