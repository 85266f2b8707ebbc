"""An approval that was decided and, for a crash, never posted: it is found, and carried out once."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from casino_pam.engine import approvals, posting
from casino_pam.engine.commands import Complete
from tests import bonus_scenario, operators, rest_client, scenario
from wallet.errors import Refused
from wallet.models import Approval, AuditEntry, Currency, Transaction


@pytest.fixture(autouse=True)
def house(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """EUR adjustments above 50.00 wait; what was approved before this moment should be posted."""
    scenario.catalogue()
    scenario.alice("100.00")
    Currency.objects.filter(code="EUR").update(approval_above=5_000)
    monkeypatch.setattr(approvals, "POSTING_TIME", timedelta(0))


class Died(BaseException):
    """The process ended between the decision and the posting."""


def asked(reference: str = "a-1", amount: str = "60.00") -> Approval:
    body = {"player": "alice", "currency": "EUR", "reference": reference, "amount": amount, "reason": "Paid twice"}
    assert rest_client.key("adjust", name=reference).post("adjustments", body).status == 202
    return Approval.objects.get(reference=reference)


def died_deciding(monkeypatch: pytest.MonkeyPatch, approval: Approval) -> None:
    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(posting, "execute", die)
        with pytest.raises(Died):
            approvals.approve(approval, "olga")
    assert Approval.objects.get(pk=approval.pk).state == "approved"


def run() -> str:
    told = io.StringIO()
    call_command("post_approved", stdout=told)
    return told.getvalue()


def test_what_waits_or_was_carried_out_is_not_found() -> None:
    asked("waits")
    approvals.reject(asked("rejected"), "olga", "no")
    approvals.approve(asked("posted"), "olga")
    poor = asked("refused", "-170.00")
    with pytest.raises(Refused, match="insufficient_funds"):
        approvals.approve(poor, "olga")
    assert list(approvals.unposted()) == []
    assert run() == ""


def test_what_is_being_posted_at_this_moment_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    died_deciding(monkeypatch, asked())
    monkeypatch.setattr(approvals, "POSTING_TIME", timedelta(seconds=10))
    assert list(approvals.unposted()) == []


def test_an_adjustment_whose_posting_was_lost_is_found_and_posted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    died_deciding(monkeypatch, asked())
    assert [each.reference for each in approvals.unposted()] == ["a-1"]
    assert scenario.balances() == (10_000, 0, 0)
    assert run() == "Posted adjust cashier/a-1 of alice, EUR.\n"
    row = Transaction.objects.get(kind="ADJUST")
    assert (row.reference, row.actor, row.reason, row.cash_after) == ("a-1", "key:a-1", "Paid twice", 16_000)
    assert run() == "" and not approvals.unposted().exists()
    entry = AuditEntry.objects.latest("id")
    assert (entry.actor, entry.act, entry.player) == ("command:post_approved", "post adjust", "alice")


def test_run_in_many_places_at_once_it_posts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        died_deciding(monkeypatch, asked(f"a-{number}"))

    def running(_: int) -> str:
        try:
            return run()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(running, range(4)))
    assert scenario.balances() == (28_000, 0, 0)
    assert Transaction.objects.filter(kind="ADJUST").count() == 3
    assert AuditEntry.objects.filter(act="post adjust").count() == 3


def test_what_the_ledger_refuses_is_told_and_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    died_deciding(monkeypatch, asked(amount="-170.00"))
    assert run() == "Refused, insufficient_funds: adjust cashier/a-1 of alice, EUR.\n"
    assert run() == ""
    assert scenario.balances() == (10_000, 0, 0)


def test_what_cannot_be_posted_now_is_left_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    died_deciding(monkeypatch, asked())
    with monkeypatch.context() as away:
        away.setattr(posting, "_attempt", lambda *_: [posting.Busy("unavailable")])
        away.setattr(posting, "PATIENCE_SECONDS", 0.2)
        with pytest.raises(CommandError, match="Left for the next run: 1"):
            run()
    assert run().startswith("Posted")


def test_a_completion_whose_posting_was_lost_is_found_and_carried_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bonus = bonus_scenario.wagering("80.00")
    command = Complete(
        source="operator", player="bob", bonus=str(bonus.pk), reference="c-1", reason="a promise", actor="sue",
        at=scenario.NOON,
    )  # fmt: skip
    waiting = approvals.complete(command)
    assert isinstance(waiting, Approval)
    died_deciding(monkeypatch, waiting)
    assert [each.reference for each in approvals.unposted()] == ["c-1"]
    assert run() == "Posted complete operator/c-1 of bob, EUR.\n"
    assert bonus_scenario.statuses() == ["completed"] and run() == ""
    assert scenario.balances("bob") == (8_000, 0, 0)


# --- in the back office --------------------------------------------------------------------------


@pytest.fixture
def finance() -> Client:
    return operators.of("finance", "fay")


def test_the_back_office_lists_it_and_posts_it_at_a_button(monkeypatch: pytest.MonkeyPatch, finance: Client) -> None:
    approval = asked()
    died_deciding(monkeypatch, approval)
    page = reverse("backoffice:approval", args=[approval.pk])
    assert page in finance.get(reverse("backoffice:approvals")).content.decode()
    assert "Post it now" in finance.get(page).content.decode()
    for _ in range(2):
        finance.post(page, {"reason": "after the crash", "decision": "post"})
    assert scenario.balances() == (16_000, 0, 0)
    entries = AuditEntry.objects.filter(actor="fay", act="post adjustment").order_by("id")
    assert [entry.outcome for entry in entries] == ["done", "forbidden"]
    assert page not in finance.get(reverse("backoffice:approvals")).content.decode()


def test_nothing_is_posted_at_the_button_that_nobody_approved(finance: Client) -> None:
    page = reverse("backoffice:approval", args=[asked().pk])
    assert "Post it now" not in finance.get(page).content.decode()
    assert finance.post(page, {"reason": "hm", "decision": "post"}).status_code == 403
    assert scenario.balances() == (10_000, 0, 0)


def test_the_live_page_tells_of_it(monkeypatch: pytest.MonkeyPatch, finance: Client) -> None:
    died_deciding(monkeypatch, asked())
    answer = finance.get(reverse("backoffice:dashboard_state"))
    (finding,) = answer.json()["findings"]
    assert (finding["text"], finding["link"]) == ("Approved and never posted: 1", reverse("backoffice:approvals"))
    assert finding["found"] <= timezone.now().isoformat()


def test_the_decision_and_its_row_of_the_trail_are_one_transaction(
    monkeypatch: pytest.MonkeyPatch, finance: Client
) -> None:
    """The server dies after it: both are there."""
    approval = asked()

    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(posting, "execute", die)
        with pytest.raises(Died):
            finance.post(reverse("backoffice:approval", args=[approval.pk]), {"reason": "fine", "decision": "approve"})
    entry = AuditEntry.objects.get(act="approve adjustment")
    assert (entry.actor, entry.outcome, entry.reason) == ("fay", "done", "fine")
