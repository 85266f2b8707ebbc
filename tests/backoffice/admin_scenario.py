"""A house for the tests of the admin, with a row in every table it shows, and the addresses of its pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.urls import reverse

from tests import scenario
from wallet.models import (
    ApiKey,
    Approval,
    Checkpoint,
    Endpoint,
    Game,
    Provider,
    ProviderRun,
    ReconciliationRun,
    Transaction,
)

NOON = datetime(2026, 9, 22, 12, tzinfo=UTC)


def furnish() -> None:
    """A house with a row in every table that the admin shows."""
    scenario.catalogue()
    wallet = scenario.alice()
    scenario.bet(reference="b-1", round="round-1")
    scenario.win(reference="w-1", round="round-1", bet="b-1")
    scenario.rollback("b-2", reference="rb-2")
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-1", category="slots")
    scenario.opened("session-of-alice", "alice")
    Endpoint.objects.create(code="crm", url="https://crm.example/events")
    ApiKey.objects.create(name="shop", digest=ApiKey.digest_of("a key"), scopes=["cashier"])
    Checkpoint.objects.create(wallet=wallet, version=1, digest=Transaction.objects.get(version=1).digest)
    ReconciliationRun.objects.create(
        scope="full",
        started_at=NOON,
        finished_at=NOON,
        wallets=1,
        rows=1,
        discrepancy_count=1,
        discrepancies=[{"invariant": 2, "wallet": wallet.pk, "version": 1, "detail": "the digest differs"}],
    )
    ProviderRun.objects.create(
        provider="acme",
        day=NOON.date(),
        file="acme.csv",
        started_at=NOON,
        finished_at=NOON,
        lines=1,
        rows=1,
        difference_count=1,
        summary=[{"what": "missing_here", "currency": "EUR", "count": 1, "theirs": "1.00", "ours": "0.00"}],
    )
    Approval.objects.create(
        id="01900000-0000-7000-8000-000000000001",
        wallet=wallet,
        source="operator",
        reference="a-1",
        amount=500_000,
        reason="a goodwill",
        author="olga",
        created_at=NOON,
    )


def ours() -> list[tuple[str, str, Any]]:
    """App, name and admin of every model of the wallet that is registered."""
    return [
        (model._meta.app_label, model._meta.model_name or "", page)
        for model, page in admin.site._registry.items()
        if model._meta.app_label == "wallet"
    ]


def page(name: str, what: str, *args: Any) -> str:
    return reverse(f"admin:wallet_{name}_{what}", args=args)


def some(name: str) -> Any:
    model = next(model for model in admin.site._registry if model._meta.label_lower == f"wallet.{name}")
    return model._default_manager.first()
