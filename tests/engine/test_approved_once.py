"""What becomes of an approved request is kept: posted once, or refused for good; and withdrawals of two people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.utils import timezone

from casino_pam.engine import approvals, commands
from casino_pam.engine.results import Receipt
from tests import rest_client, scenario
from tests.scenario import eur
from tests.threads import processes, threads
from wallet import second_person
from wallet.errors import Refused
from wallet.jurisdictions import Demand
from wallet.models import Approval, AuditEntry, Currency, Player, Transaction, Wallet


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """Alice has 100.00; EUR adjustments above 20.00 wait, and settlements above 30.00."""
    scenario.catalogue()
    scenario.alice("100.00")
    Currency.objects.filter(code="EUR").update(approval_above=eur("20.00"), settle_above=eur("30.00"))


def carried(**fields: Any) -> dict[str, Any]:
    return {"player": "alice", "currency": "EUR", "at": commands.now(), "actor": "otto", **fields}


def adjustment(amount: str = "50.00", reference: str = "a-1") -> Approval:
    about = carried(source="operator", reference=reference, amount=eur(amount), reason="Paid twice")
    asked = approvals.adjust(commands.Adjust(**about))
    assert isinstance(asked, Approval)
    return asked


def again(approval: Approval) -> Approval:
    return Approval.objects.get(pk=approval.pk)


def settling(name: str, actor: str = "otto", reference: str = "h-1") -> Receipt | Approval:
    command = commands.Settle(**carried(source="cashier", reference=reference, actor=actor))
    return approvals.settle(command, name, "the bank says so")


def adjusted() -> int:
    return Transaction.objects.filter(kind="ADJUST", status="POSTED").count()


# --- what became of it ---------------------------------------------------------------------------


def test_what_was_posted_and_what_was_refused_have_states_of_their_own() -> None:
    fine, poor = adjustment(), adjustment("-200.00", "a-2")
    approvals.approve(fine, "olga", "seen")
    with pytest.raises(Refused, match="insufficient_funds"):
        approvals.approve(poor, "olga", "seen")
    assert (again(fine).state, again(fine).refusal) == ("posted", None)
    kept = again(poor)
    row = Transaction.objects.get(kind="ADJUST", status="REFUSED")
    assert (kept.state, kept.refusal, kept.refusal_facts["transaction"]) == (
        "refused",
        "insufficient_funds",
        str(row.pk),
    )
    assert not approvals.unposted().exists()


def test_what_was_refused_is_never_carried_out_though_the_money_came_back() -> None:
    poor = adjustment("-200.00")
    for approver in ("olga", "oscar"):
        with pytest.raises(Refused, match="insufficient_funds"):
            approvals.approve(poor, approver)
        scenario.deposit("alice", amount=eur("500.00"), at=commands.now())
    with pytest.raises(Refused) as refused:
        approvals.post(again(poor))
    assert (refused.value.code, refused.value.facts["replayed"]) == ("insufficient_funds", True)
    assert adjusted() == 0


@pytest.mark.parametrize(
    ("reached", "change"),
    [
        ("posted", {"state": "approved"}),
        ("posted", {"state": "refused", "refusal": "internal"}),
        ("approved", {"state": "pending", "approver": None, "decided_at": None}),
        ("approved", {"state": "rejected"}),
        ("approved", {"approver": "oscar"}),
        ("approved", {"decision_reason": "another"}),
        ("pending", {"state": "posted", "approver": "olga", "decided_at": timezone.now()}),
        ("approved", {"state": "refused"}),
    ],
)
def test_the_database_takes_no_other_step(reached: str, change: dict[str, Any]) -> None:
    approval = adjustment()
    if reached != "pending":
        steps = {"state": "approved", "approver": "olga", "decided_at": timezone.now()}
        Approval.objects.filter(pk=approval.pk).update(**steps)
    if reached == "posted":
        approvals.post(again(approval))
    with pytest.raises(DatabaseError), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(**change)
    assert again(approval).state == reached


# --- once ----------------------------------------------------------------------------------------


def approved() -> Approval:
    """Decided a minute ago by Olga, whose process ended before it was posted."""
    approval = adjustment()
    decided = timezone.now() - timedelta(minutes=1)
    Approval.objects.filter(pk=approval.pk).update(state="approved", approver="olga", decided_at=decided)
    return again(approval)


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except Refused as refused:
        return refused.code
    return "done"


def by_command() -> None:
    call_command("post_approved")


@pytest.mark.parametrize("at_once", [threads, lambda acts: processes(2, acts)], ids=["threads", "processes"])
def test_two_people_and_the_command_at_the_same_moment_post_it_once(at_once: Any) -> None:
    approval = approved()

    def by_person() -> None:
        approvals.post(approval, lambda _: AuditEntry.objects.count())

    found = at_once([lambda act=act: outcome(act) for act in (by_person, by_command, by_person, by_command)])
    assert found == ["done"] * 4
    assert (adjusted(), scenario.balances()[0], again(approval).state) == (1, eur("150.00"), "posted")


def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the ledger's own guard away: each posting has a reference of its own."""
    ask = approvals.command_of

    def fresh(approval: Approval) -> Any:
        return msgspec.structs.replace(ask(approval), reference=scenario.fresh())

    monkeypatch.setattr(approvals, "command_of", fresh)


def test_without_both_guards_it_would_be_posted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    approval = approved()
    renamed(monkeypatch)
    monkeypatch.setattr(approvals, "_steps", lambda *_, **__: True)
    assert threads([lambda: outcome(lambda: approvals.post(approval))] * 2) == ["done", "done"]
    assert adjusted() == 2


def test_the_step_alone_lets_one_of_them_post(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds the request posted, so that its own rows are undone."""
    approval = approved()
    renamed(monkeypatch)
    found = threads([lambda: outcome(lambda: approvals.post(approval))] * 2)
    assert sorted(found) == ["done", "forbidden"]
    assert (adjusted(), again(approval).state) == (1, "posted")


# --- withdrawals of two people -------------------------------------------------------------------


def held(amount: str, reference: str = "h-1") -> None:
    assert scenario.word(scenario.hold(reference=reference, amount=amount, at=commands.now())) == "posted"


def test_a_withdrawal_up_to_the_amount_is_settled_by_one_person() -> None:
    held("30.00")
    assert isinstance(settling("form-1"), Receipt)
    assert not Approval.objects.exists()


def test_no_amount_is_no_second_person() -> None:
    Currency.objects.filter(code="EUR").update(settle_above=None)
    held("90.00")
    assert isinstance(settling("form-1"), Receipt)


def test_a_larger_one_waits_and_is_settled_once_by_another() -> None:
    held("30.01")
    asked = settling("form-1")
    assert isinstance(asked, Approval)
    assert (asked.act, asked.amount, asked.author) == ("settle", eur("30.01"), "otto")
    assert scenario.balances() == (eur("69.99"), 0, eur("30.01"))
    with pytest.raises(Refused, match="forbidden"):
        approvals.approve(asked, "otto")
    found = threads([lambda name=name: outcome(lambda: approvals.approve(asked, name)) for name in ("olga", "oscar")])
    assert found == ["done", "done"]
    row = Transaction.objects.get(kind="SETTLE")
    assert (row.actor, row.reference, again(asked).state) == ("otto", "h-1", "posted")
    assert scenario.balances()[2] == 0
    assert isinstance(settling("form-1"), Receipt)


def test_while_one_request_is_open_every_other_is_that_one() -> None:
    held("40.00")
    found = threads([lambda name=name: settling(name, name).pk for name in ("pam", "pia", "pol")])
    assert len(set(found)) == 1
    assert Approval.objects.count() == 1


def test_a_rejected_one_is_asked_for_anew_under_another_name_only() -> None:
    held("40.00")
    asked = settling("form-1")
    approvals.reject(asked, "olga", "not verified")
    assert settling("form-1").state == "rejected"
    anew = settling("form-2")
    assert (anew.state, anew.pk != asked.pk) == ("pending", True)


def test_one_released_meanwhile_is_refused_for_good() -> None:
    held("40.00")
    asked = settling("form-1")
    assert scenario.word(scenario.release("h-1", at=commands.now())) == "posted"
    with pytest.raises(Refused, match="already_released"):
        approvals.approve(asked, "olga")
    assert (again(asked).state, again(asked).refusal) == ("refused", "already_released")
    assert scenario.balances() == (eur("100.00"), 0, 0)


def test_one_refused_is_asked_for_anew_once_its_reason_is_gone(settings: Any) -> None:
    """A back end has one name only for the settlement of a withdrawal."""
    settings.VERIFIED_BEFORE = {Demand.VERIFIED_WITHDRAWAL}
    held("40.00")
    asked = settling("form-1")
    with pytest.raises(Refused, match="player_not_verified"):
        approvals.approve(asked, "olga")
    assert again(asked).state == "refused"
    Player.objects.update(verification="verified")
    anew = settling("form-1")
    assert (anew.state, anew.pk != asked.pk, settling("form-1").pk) == ("pending", True, anew.pk)
    approvals.approve(anew, "olga")
    assert (scenario.balances()[2], again(asked).state) == (0, "refused")


def test_who_raised_the_amount_settles_nothing_alone() -> None:
    currency = Currency.objects.get(code="EUR")
    held("10.00")
    with second_person.acting(lambda: "otto"):
        currency.settle_above = None
        currency.save()
    assert isinstance(settling("form-1"), Approval)
    assert isinstance(settling("form-2", "olga"), Approval)
    held("10.00", "h-2")
    assert isinstance(settling("form-3", "olga", "h-2"), Receipt)


def test_a_key_settles_a_large_one_with_a_second_person_too() -> None:
    shop = rest_client.key("cashier")
    held("40.00")
    first = shop.post("withdrawals/h-1/settle")
    approval = Approval.objects.get()
    assert (first.status, first.body) == (202, {"status": "pending", "id": str(approval.pk)})
    assert shop.post("withdrawals/h-1/settle").body == first.body
    waits = AuditEntry.objects.get(act="settle")
    assert (waits.actor, waits.outcome, waits.player) == ("key:shop", "waits", "alice")
    approvals.approve(approval, "olga")
    settled = shop.post("withdrawals/h-1/settle")
    assert (settled.status, settled["kind"], settled["held"]) == (200, "settle", "0.00")
    assert Wallet.objects.get().held == 0


def test_a_key_is_told_that_a_second_person_said_no() -> None:
    shop = rest_client.key("cashier")
    held("40.00")
    shop.post("withdrawals/h-1/settle")
    approvals.reject(Approval.objects.get(), "olga", "not yet")
    for _ in range(2):
        told = shop.post("withdrawals/h-1/settle")
        assert (told.status, told["status"]) == (202, "rejected")
    assert shop.post("withdrawals/h-1/release", {"reason": "not_verified"})["kind"] == "release"
    assert Transaction.objects.get(kind="RELEASE").reason == "not_verified"
