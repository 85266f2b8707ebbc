"""Adjustments: at once below the threshold, by a second person above it, posted once in any case."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from casino_pam.engine import approvals
from casino_pam.engine.approvals import Decided
from casino_pam.engine.results import Receipt
from tests import rest_client, scenario
from wallet.errors import Refused
from wallet.models import Approval, Currency, Transaction


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    """EUR adjustments above 50.00 wait."""
    scenario.catalogue()
    scenario.alice("100.00")
    Currency.objects.filter(code="EUR").update(approval_above=5_000)
    return rest_client.key("adjust")


def asked(reference: str, amount: str = "10.00", **more: Any) -> dict[str, Any]:
    return {
        "player": "alice",
        "currency": "EUR",
        "reference": reference,
        "amount": amount,
        "reason": "Paid twice",
        **more,
    }


def waiting(shop: rest_client.Caller, reference: str = "a-1", amount: str = "60.00") -> Approval:
    assert shop.post("adjustments", asked(reference, amount)).status == 202
    return Approval.objects.get(reference=reference)


# --- at once ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "shown", "cash"),
    [
        ("10.00", "10.00", "110.00"),
        ("-10.00", "-10.00", "90.00"),
        ("50.00", "50.00", "150.00"),
        ("-50", "-50.00", "50.00"),
    ],
)
def test_posts_a_small_adjustment_at_once(shop: rest_client.Caller, amount: str, shown: str, cash: str) -> None:
    answer = shop.post("adjustments", asked("a-1", amount))
    assert (answer.status, answer["kind"], answer["amount"], answer["cash"]) == (200, "adjust", shown, cash)
    row = Transaction.objects.get(reference="a-1")
    assert (row.source, row.actor, row.reason) == ("cashier", "key:shop", "Paid twice")
    assert shop.post("adjustments", asked("a-1", amount)).body == {**answer.body, "replayed": True}


def test_takes_no_more_than_there_is(shop: rest_client.Caller) -> None:
    shop.post("adjustments", asked("a-0", "-50.00"))
    shop.post("adjustments", asked("a-1", "-50.00"))
    answer = shop.post("adjustments", asked("a-2", "-0.01"))
    assert (answer.status, answer["code"], answer["cash"]) == (422, "insufficient_funds", "0.00")
    assert shop.post("adjustments", asked("a-2", "-0.01"))["replayed"]


# --- later -----------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["50.01", "-50.01"])
def test_lets_a_large_adjustment_wait(shop: rest_client.Caller, amount: str) -> None:
    answer = shop.post("adjustments", asked("a-1", amount))
    approval = Approval.objects.get()
    assert (answer.status, answer.body) == (202, {"status": "pending", "id": str(approval.id)})
    assert (approval.author, approval.state, approval.reason) == ("key:shop", "pending", "Paid twice")
    assert scenario.balances() == (10_000, 0, 0)
    again = shop.post("adjustments", asked("a-1", amount, reason="in other words"))
    assert (again.status, again.body) == (202, answer.body)


def test_lets_nothing_wait_for_a_wallet_that_is_not_there(shop: rest_client.Caller) -> None:
    for change, code in (({"player": "nobody"}, "unknown_player"), ({"currency": "JPY"}, "unknown_wallet")):
        answer = shop.post("adjustments", asked("a-1", "6000", **change))
        assert (answer.status, answer["code"]) == (404, code)
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"amount": "61.00"}, ["amount"]),
        ({"amount": "1.00"}, ["amount"]),
        ({"amount": "-60.00"}, ["amount"]),
        ({"currency": "BTC", "amount": "0.00006000"}, ["currency"]),
        ({"player": "bert"}, ["player"]),
    ],
)
def test_compares_a_repeat_with_what_waits(
    shop: rest_client.Caller, change: dict[str, str], differing: list[str]
) -> None:
    scenario.player("bert")
    scenario.player("alice", currency="BTC")
    waiting(shop)
    answer = shop.post("adjustments", asked("a-1", **{"amount": "60.00", **change}))
    assert (answer.status, answer["code"], answer["differing"]) == (409, "reference_reused", differing)


def test_compares_a_large_repeat_with_what_was_posted(shop: rest_client.Caller) -> None:
    shop.post("adjustments", asked("a-1", "10.00"))
    answer = shop.post("adjustments", asked("a-1", "60.00"))
    assert (answer.status, answer["code"], answer["differing"]) == (409, "reference_reused", ["amount"])
    assert not Approval.objects.exists()


def test_answers_a_repeat_as_before_whatever_the_threshold_is_now(shop: rest_client.Caller) -> None:
    small = shop.post("adjustments", asked("a-1", "10.00"))
    large = shop.post("adjustments", asked("a-2", "60.00"))
    Currency.objects.update(approval_above=500)
    assert shop.post("adjustments", asked("a-1", "10.00")).body == {**small.body, "replayed": True}
    Currency.objects.update(approval_above=10**6)
    assert shop.post("adjustments", asked("a-2", "60.00")).body == large.body


# --- decided ---------------------------------------------------------------------------------


def test_posts_what_a_second_person_approves(shop: rest_client.Caller) -> None:
    approval = waiting(shop)
    receipt = approvals.approve(approval, "olga", "the bank confirms")
    assert (receipt.amount, receipt.cash) == (6_000, 16_000)
    approval.refresh_from_db()
    assert (approval.state, approval.approver, approval.decision_reason) == (
        "posted",
        "olga",
        "the bank confirms",
    )
    row = Transaction.objects.get(reference="a-1")
    assert (row.actor, row.reason) == ("key:shop", "Paid twice")
    answer = shop.post("adjustments", asked("a-1", "60.00"))
    assert (answer.status, answer["transaction"], answer["replayed"]) == (200, str(row.id), True)


def test_posts_nothing_that_was_rejected(shop: rest_client.Caller) -> None:
    approval = waiting(shop)
    approvals.reject(approval, "olga", "no such payment")
    with pytest.raises(Decided):
        approvals.approve(approval, "oscar")
    answer = shop.post("adjustments", asked("a-1", "60.00"))
    assert (answer.status, answer.body) == (202, {"status": "rejected", "id": str(approval.id)})
    assert scenario.balances() == (10_000, 0, 0)


def test_rejects_nothing_that_was_approved(shop: rest_client.Caller) -> None:
    approval = waiting(shop)
    approvals.approve(approval, "olga")
    with pytest.raises(Decided):
        approvals.reject(approval, "oscar", "too late")
    assert Approval.objects.get().state == "posted"


def test_lets_nobody_decide_what_they_asked_for(shop: rest_client.Caller) -> None:
    approval = waiting(shop)
    for decide in (approvals.approve, approvals.reject):
        with pytest.raises(Refused, match="forbidden"):
            decide(approval, "key:shop", "mine")
    assert scenario.balances() == (10_000, 0, 0)
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.update(state="approved", approver="key:shop", decided_at=timezone.now())


def test_remembers_what_the_ledger_refused_of_it(shop: rest_client.Caller) -> None:
    approval = waiting(shop, amount="-100.00")
    scenario.bet(amount="0.01")
    with pytest.raises(Refused, match="insufficient_funds"):
        approvals.approve(approval, "olga")
    answer = shop.post("adjustments", asked("a-1", "-100.00"))
    assert (answer.status, answer["code"], answer["replayed"]) == (422, "insufficient_funds", True)


def test_posts_what_was_approved_and_never_posted(shop: rest_client.Caller) -> None:
    """The process died between the claim and the posting."""
    approval = waiting(shop)
    Approval.objects.update(state="approved", approver="olga", decided_at=timezone.now())
    assert scenario.balances() == (10_000, 0, 0)
    assert approvals.approve(approval, "oscar").cash == 16_000
    assert Approval.objects.get().approver == "olga"
    answer = shop.post("adjustments", asked("a-1", "60.00"))
    assert (answer.status, answer["replayed"]) == (200, True)


def together(count: int, work: Any) -> list[Any]:
    """What ``work(number)`` gives or raises in so many threads that start at once."""
    gate = threading.Barrier(count)

    def one(number: int) -> Any:
        gate.wait()
        try:
            return work(number)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_posts_once_what_eight_approve_at_once(shop: rest_client.Caller) -> None:
    approval = waiting(shop)
    outcomes = together(8, lambda number: approvals.approve(approval, f"operator-{number}"))
    assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes
    assert [outcome.replayed for outcome in outcomes].count(False) == 1
    assert scenario.balances() == (16_000, 0, 0)


def test_goes_one_way_when_some_approve_and_some_reject(shop: rest_client.Caller) -> None:
    approval = waiting(shop)

    def decide(number: int) -> Any:
        return (approvals.approve if number % 2 else approvals.reject)(approval, f"operator-{number}", "why not")

    outcomes = together(8, decide)
    state = Approval.objects.get().state
    assert sum(isinstance(outcome, Decided) for outcome in outcomes) == 4
    assert (state, scenario.balances()[0]) in [("posted", 16_000), ("rejected", 10_000)]


def test_asks_once_however_many_ask_at_once(shop: rest_client.Caller) -> None:
    outcomes = together(8, lambda number: shop.post("adjustments", asked("a-1", f"6{number % 2}.00")))
    assert Approval.objects.count() == 1
    assert sorted(outcome.status for outcome in outcomes) == [202] * 4 + [409] * 4
