"""Grants and completions by hand: at once below the threshold, by a second person above it, once in any case."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from bonus.models import Bonus, Offer
from casino_pam.engine import approvals, commands
from casino_pam.engine.approvals import Decided
from casino_pam.engine.results import BonusResult
from tests import bonus_scenario, scenario
from tests.scenario import eur
from tests.threads import threads
from wallet.errors import Refused
from wallet.models import Approval, Currency, Transaction


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """EUR above 20.00 waits."""
    scenario.catalogue()
    scenario.bob()
    Currency.objects.filter(code="EUR").update(approval_above=eur("20.00"))


def grant(amount: str, reference: str = "g-1", actor: str = "otto", **fields: Any) -> BonusResult:
    if not Offer.objects.filter(code="gift").exists():
        bonus_scenario.gift(amount, multiplier=10)
    asked = {"source": "operator", "player": "bob", "currency": "EUR", "offer": "gift", "at": commands.now()}
    return approvals.grant(commands.Grant(reference=reference, actor=actor, reason="a birthday", **asked, **fields))


def waiting(amount: str = "30.00") -> Bonus:
    grant(amount)
    (bonus,) = approvals.waiting_grants()
    return bonus


def complete(bonus: Bonus, reference: str = "c-1", actor: str = "otto", **fields: Any) -> BonusResult | Approval:
    asked = {"source": "operator", "player": "bob", "reason": "a fault of ours", "at": commands.now(), **fields}
    return approvals.complete(commands.Complete(bonus=str(bonus.pk), reference=reference, actor=actor, **asked))


def active(amount: str) -> Bonus:
    bonus_scenario.gift(amount, multiplier=10)
    bonus_scenario.grant(at=commands.now())
    return bonus_scenario.the()


def tried(work: Any) -> Any:
    try:
        return work()
    except (Refused, Decided) as error:
        return error


# --- grants --------------------------------------------------------------------------------------


def test_a_small_grant_begins_at_once_and_keeps_its_reason():
    assert grant("20.00").bonus.status == "active"
    assert (bonus_scenario.the().actor, bonus_scenario.the().reason) == ("otto", "a birthday")
    assert not approvals.waiting_grants().exists()


def test_a_large_grant_waits_and_moves_no_money():
    bonus = waiting()
    assert (bonus.status, bonus.amount, bonus.actor, bonus.reason) == ("pending", eur("30.00"), "otto", "a birthday")
    assert scenario.balances("bob") == (0, 0, 0)
    again = grant("30.00")
    assert (again.bonus.id, again.replayed) == (str(bonus.pk), True)


def test_what_waits_for_a_deposit_is_in_nobodys_queue():
    bonus_scenario.match(claim_days=7)
    bonus_scenario.claim("welcome")
    assert not approvals.waiting_grants().exists()


def test_posts_a_grant_once_when_two_approve_at_the_same_moment():
    bonus = waiting()
    acts = [lambda name=name: tried(lambda: approvals.approve_grant(bonus, name)) for name in ("olga", "oscar")]
    outcomes = threads(acts)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["BonusResult", "Refused"]
    assert bonus_scenario.rows() == [("GRANT", 0, eur("30.00"))]
    assert bonus_scenario.the().approver in ("olga", "oscar")


def test_goes_one_way_when_one_approves_and_one_rejects():
    bonus = waiting()
    outcomes = threads(
        [
            lambda: tried(lambda: approvals.approve_grant(bonus, "olga")),
            lambda: tried(lambda: approvals.reject_grant(bonus, "oscar", "no")),
        ]
    )
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 1
    expected = {"active": [("GRANT", 0, eur("30.00"))], "cancelled": []}
    assert bonus_scenario.rows() == expected[bonus_scenario.the().status]


def test_approving_a_grant_again_is_answered_alike():
    bonus = waiting()
    assert [approvals.approve_grant(bonus, "olga").replayed for _ in range(2)] == [False, True]


def test_a_rejected_grant_keeps_who_and_why_and_never_begins():
    bonus = waiting()
    assert [approvals.reject_grant(bonus, "olga", "not his birthday").replayed for _ in range(2)] == [False, True]
    kept = bonus_scenario.the()
    assert (kept.status, kept.approver, kept.ended_reason) == ("cancelled", "olga", "not his birthday")
    for second in ("olga", "oscar"):
        with pytest.raises(Refused, match="bonus_ended"):
            approvals.approve_grant(bonus, second)
    assert grant("30.00").bonus.status == "cancelled"
    assert bonus_scenario.rows() == []


@pytest.mark.parametrize("who", ["olga", "oscar"])
def test_a_bonus_that_has_begun_cannot_be_rejected(who: str):
    bonus = waiting()
    approvals.approve_grant(bonus, "olga")
    with pytest.raises(Refused, match="forbidden"):
        approvals.reject_grant(bonus, who, "too late")
    assert bonus_scenario.the().status == "active"


def test_nobody_decides_about_a_grant_of_their_own():
    bonus = waiting()
    for decide in (
        lambda: approvals.approve_grant(bonus, "otto"),
        lambda: approvals.reject_grant(bonus, "otto", "changed my mind"),
    ):
        assert tried(decide).facts["why"] == "needs_a_second_person"
    assert bonus_scenario.the().status == "pending"


def test_the_database_refuses_a_grant_approved_by_its_author():
    bonus = waiting()
    with pytest.raises(IntegrityError, match="bonus_needs_two_people"), connection.cursor() as cursor:
        cursor.execute("UPDATE bonus_bonus SET approver = actor WHERE id = %s", [bonus.pk])


# --- completions ---------------------------------------------------------------------------------


def test_a_small_completion_is_done_at_once():
    outcome = complete(active("20.00"))
    assert isinstance(outcome, BonusResult)
    assert scenario.balances("bob") == (eur("20.00"), 0, 0)


def test_a_large_completion_waits_and_is_done_once_when_two_approve_at_the_same_moment():
    bonus = active("30.00")
    approval = complete(bonus)
    assert isinstance(approval, Approval)
    assert (approval.act, approval.bonus, approval.amount) == ("complete", bonus.pk, eur("30.00"))
    assert complete(bonus) == approval
    assert (scenario.balances("bob"), bonus_scenario.the().status) == ((0, eur("30.00"), 0), "active")
    outcomes = threads([lambda name=name: approvals.approve(approval, name) for name in ("olga", "oscar")])
    assert sorted(outcome.replayed for outcome in outcomes) == [False, True]
    assert scenario.balances("bob") == (eur("30.00"), 0, 0)
    assert Transaction.objects.filter(kind="CONVERT").count() == 1
    assert bonus_scenario.the().ended_reason == "a fault of ours"
    again = complete(bonus)
    assert isinstance(again, BonusResult)
    assert again.replayed


def test_what_grew_beyond_the_threshold_meanwhile_waits_too():
    """The engine decides, on the balance that it converts."""
    bonus = active("20.00")
    scenario.bet("bob", "5.00", reference="b-1", at=commands.now())
    scenario.win("bob", "5.01", bet="b-1", at=commands.now())
    assert isinstance(complete(bonus), Approval)


def test_a_rejected_completion_is_never_done():
    bonus = active("30.00")
    approval = complete(bonus)
    approvals.reject(approval, "olga", "let him wager it")
    with pytest.raises(Decided):
        approvals.approve(approval, "oscar")
    again = complete(bonus)
    assert (again.state, again.decision_reason) == ("rejected", "let him wager it")
    assert bonus_scenario.the().status == "active"


def test_nobody_approves_a_completion_of_their_own():
    approval = complete(active("30.00"))
    with pytest.raises(Refused, match="forbidden"):
        approvals.approve(approval, "otto")
    with pytest.raises(IntegrityError, match="approval_needs_two_people"), transaction.atomic():
        Approval.objects.update(state="approved", approver="otto", decided_at=timezone.now())


def test_compares_a_repeated_reference_with_what_waits():
    bonus = active("30.00")
    complete(bonus)
    other = commands.Adjust(
        source="operator", player="bob", currency="EUR", reference="c-1", amount=1, reason="x", at=commands.now()
    )
    with pytest.raises(Refused) as refused:
        approvals.adjust(other)
    assert refused.value.facts["differing"] == ["kind", "amount"]


def test_completes_no_bonus_of_somebody_else():
    scenario.alice()
    with pytest.raises(Refused, match="unknown_bonus"):
        complete(active("30.00"), player="alice")


def test_a_completion_approved_after_the_bonus_ended_says_so_and_moves_nothing():
    bonus = active("30.00")
    approval = complete(bonus)
    bonus_scenario.forfeit(str(bonus.pk), at=commands.now())
    with pytest.raises(Refused, match="bonus_ended"):
        approvals.approve(approval, "olga")
    assert scenario.balances("bob") == (0, 0, 0)


# --- what stands ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["amount = 1", "author = 'x'", "reason = 'x'", "reference = 'x'", "bonus = NULL, act = 'adjust'"]
)
def test_the_database_keeps_what_was_asked_for(change: str):
    complete(active("30.00"))
    with pytest.raises(ProgrammingError, match="Cannot update"), connection.cursor() as cursor:
        cursor.execute(f"UPDATE wallet_approval SET {change}")


def test_the_database_keeps_what_was_decided():
    approvals.reject(complete(active("30.00")), "olga", "no")
    for sql in (
        "UPDATE wallet_approval SET state = 'approved'",
        "UPDATE wallet_approval SET decision_reason = 'yes'",
        "DELETE FROM wallet_approval",
    ):
        with pytest.raises(ProgrammingError, match="Cannot"), connection.cursor() as cursor:
            cursor.execute(sql)
