"""What became of requests that an earlier release approved is learnt from the ledger."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from casino_pam.engine import approvals, commands
from tests import bonus_scenario, scenario
from tests.scenario import eur
from wallet import migrations
from wallet.errors import Refused
from wallet.models import Approval, Currency


class _Editor:
    connection = connection


def fill() -> None:
    (path,) = Path(str(migrations.__path__[0])).glob("*_approvals_filled.py")
    migration: Any = import_module(f"wallet.migrations.{path.stem}")
    migration.fill(None, _Editor)


def asked(reference: str, amount: str) -> Approval:
    about: dict[str, Any] = {"source": "operator", "player": "bob", "currency": "EUR", "actor": "otto"}
    command = commands.Adjust(
        **about, reference=reference, amount=eur(amount), reason="Paid twice", at=commands.now()
    )  # fmt: skip
    waiting = approvals.adjust(command)
    assert isinstance(waiting, Approval)
    return waiting


def as_before(approval: Approval) -> None:
    """Approved as an earlier release left it: whatever became of it, the state says no more."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        decided = timezone.now() - timedelta(days=1)
        Approval.objects.filter(pk=approval.pk).update(
            state="approved", refusal=None, refusal_facts=None, approver="olga", decided_at=decided
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def test_requests_of_before_are_posted_refused_or_left_to_be_tried_again(books: None) -> None:
    scenario.catalogue()
    Currency.objects.filter(code="EUR").update(approval_above=eur("20.00"))
    bonus = bonus_scenario.wagering("80.00")
    posted, refused, lost = asked("a-1", "30.00"), asked("a-2", "-900.00"), asked("a-3", "40.00")
    about: dict[str, Any] = {"source": "operator", "player": "bob", "actor": "otto", "at": commands.now()}
    completed = approvals.complete(commands.Complete(**about, bonus=str(bonus.pk), reference="c-1", reason="ours"))
    assert isinstance(completed, Approval)
    for approval in (posted, completed):
        approvals.approve(approval, "olga")
    with pytest.raises(Refused):
        approvals.approve(refused, "olga")
    kept = Approval.objects.get(pk=refused.pk).refusal_facts
    for approval in (posted, refused, lost, completed):
        as_before(approval)
    for _ in range(2):
        fill()
        found = {each.reference: each.state for each in Approval.objects.all()}
        assert found == {"a-1": "posted", "a-2": "refused", "a-3": "approved", "c-1": "posted"}
    assert Approval.objects.get(pk=refused.pk).refusal_facts == kept
    assert [each.pk for each in approvals.unposted()] == [lost.pk]
