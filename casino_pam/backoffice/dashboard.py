"""The operators' live page: bets and money by the second, today's revenue, what waits, what was found wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import admin
from django.core.cache import cache
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import strip_tags
from psycopg.errors import QueryCanceled

from bonus.models import LIVE, Bonus
from casino_pam import metrics
from casino_pam.backoffice import permissions
from casino_pam.engine import approvals
from wallet import formatting, money
from wallet.admin import operator_admin
from wallet.models import ReconciliationRun
from wallet.reconcile.checks import Discrepancy
from wallet.reports import figures
from wallet.reports.sums import snapshot

VIEW: Final = "wallet.view_reports"

# The present second is not over, and the one before may still be written to.
SETTLED_SECONDS: Final = 2
# As far back as the page is told at once.
MINUTE: Final = 60
# What changes slowly is looked up once in so long for everybody who watches.
KEPT_SECONDS: Final = 5
# How long an answer may read.
PATIENCE_SECONDS: Final = 3
# Findings shown; each run's page has more.
FINDINGS: Final = 8


@permissions.page(VIEW)
def page(request: HttpRequest) -> HttpResponse:
    """The page; what it shows comes from ``state``."""
    context = admin.site.each_context(request) | {"title": "Live", "state": reverse("backoffice:dashboard_state")}
    return render(request, "backoffice/dashboard.html", context)


@permissions.page(VIEW)
def state(request: HttpRequest) -> JsonResponse:
    """Everything the page shows, the seconds from ``?since=`` (unix) on.

    Asked when the page opens, and whenever nothing comes over its WebSocket.
    """
    since = request.GET.get("since", "")
    try:
        body = ledger(int(since) if since.isascii() and since.isdigit() and len(since) <= 12 else 0)
    except QueryCanceled:
        problem = "The ledger took too long to answer. Is manage.py refresh_reports run every few minutes?"
        return JsonResponse({"problem": problem}, status=503)
    return JsonResponse(body | metrics.of_house(time.time()), headers={"Cache-Control": "no-store"})


def ledger(first: int) -> dict[str, Any]:
    """The seconds from ``first`` (unix) on, of the last minute, and what changes slowly. Raises QueryCanceled."""
    end = int(time.time()) - SETTLED_SECONDS
    with snapshot(PATIENCE_SECONDS) as own:
        found = [_second(each) for each in figures.seconds(own, max(min(first, end), end - MINUTE), end)]
    return {"end": end, "seconds": found, **_cached("today", _today), **_cached("house", _watch)}


def patterns() -> list[URLPattern]:
    return [path("live/", page, name="dashboard"), path("live/state", state, name="dashboard_state")]


def _second(second: figures.Second) -> dict[str, Any]:
    return {
        "at": second.at,
        "currency": second.currency,
        "bets": second.bets,
        "staked": money.show(second.staked, second.digits),
        "paid": money.show(second.paid, second.digits),
    }


def _cached(name: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was found a moment ago, for everybody; without Redis each looks for himself."""
    key = f"dashboard:{name}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = look()
        cache.set(key, found, KEPT_SECONDS)
    return found


def _today() -> dict[str, Any]:
    today = datetime.now(UTC).date()
    with snapshot(PATIENCE_SECONDS) as own:
        rows = list(figures.revenue(own, today, today))
    shown = [
        {
            "currency": row.currency,
            "bets": row.bets,
            "staked": formatting.number(row.staked_cash + row.staked_bonus, row.digits),
            "paid": formatting.number(row.paid_cash + row.paid_bonus, row.digits),
            "ggr": formatting.number(row.ggr, row.digits),
        }
        for row in rows
    ]
    return {"today": shown}


def _watch() -> dict[str, Any]:
    counts = dict(Bonus.objects.filter(status__in=LIVE).order_by().values_list("status").annotate(Count("id")))
    run = ReconciliationRun.objects.first()
    worrying = ReconciliationRun.objects.filter(discrepancy_count__gt=0)[:FINDINGS]
    findings = [
        {
            "text": str(Discrepancy(**found)),
            "found": each.finished_at.isoformat(),
            "link": reverse("admin:wallet_reconciliationrun_change", args=[each.pk]),
        }
        for each in worrying
        for found in each.discrepancies[:FINDINGS]
    ]
    return {
        "bonuses": {status: counts.get(status, 0) for status in LIVE},
        "verdict": strip_tags(operator_admin.verdict(run)) if run else "not proven yet",
        "proven": run.finished_at.isoformat() if run else None,
        "findings": [*_unposted(), *findings][:FINDINGS],
    }


def _unposted() -> list[dict[str, Any]]:
    """A line where something was approved and never posted."""
    count, since = approvals.unposted().order_by().aggregate(count=Count("id"), since=Min("decided_at")).values()
    if not count:
        return []
    text = f"Approved and never posted: {count}"
    return [{"text": text, "found": since.isoformat(), "link": reverse("backoffice:approvals")}]
