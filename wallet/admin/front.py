"""The first page after log-in: where to find somebody, what waits, and whether the books balance."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.http import HttpRequest

from wallet.admin import leaves, runs
from wallet.models import Player, ReconciliationRun, Transaction, Wallet

NEWEST = 12


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What each may see of it; nothing here reads more than a few rows."""
    context["title"] = "Overview"
    may = request.user.has_perm
    if may("wallet.view_transaction"):
        context["leaf"] = leaves.Leaf(
            rows=list(leaves.with_names(Transaction.objects.order_by("-id"))[:NEWEST]),
            empty_text="The ledger is empty: the first deposit or bet will be its first row.",
        )
    if may("wallet.view_wallet"):
        context["sizes"] = [(model._meta.verbose_name_plural, about(model)) for model in (Player, Wallet, Transaction)]
    if may("wallet.view_reconciliationrun"):
        # A run over one wallet says nothing of the house.
        run = ReconciliationRun.objects.exclude(scope=ReconciliationRun.Scope.WALLET).first()
        context |= {"may_see_runs": True, "run": run, "verdict": runs.verdict(run) if run else None}
    return context


def about(model: type[Player | Wallet | Transaction]) -> str:
    """How many rows, exactly while they are few, else as PostgreSQL estimates them."""
    exact = model.objects.order_by()[:1001].count()
    if exact <= 1000:
        return str(exact)
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        estimate: int = cursor.fetchone()[0]
    return f"about {estimate:,}" if estimate > exact else "more than 1,000"
