"""The queue of what waits for a second person, and the page on which it is decided."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bonus.models import Bonus
from casino_pam.engine import approvals, commands
from tests import bonus_scenario, operators, scenario
from tests.scenario import eur
from tests.threads import threads
from wallet.models import Approval, AuditEntry, Currency, Player, Transaction

QUEUE = reverse("backoffice:approvals")


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """EUR above 20.00 waits."""
    scenario.catalogue()
    scenario.bob("100.00")
    Currency.objects.filter(code="EUR").update(approval_above=eur("20.00"))


def asked(**fields: Any) -> dict[str, Any]:
    return {"source": "operator", "player": "bob", "actor": "otto", "at": commands.now(), **fields}


def adjustment(amount: str = "30.00", reference: str = "a-1") -> Approval:
    command = commands.Adjust(**asked(currency="EUR", reference=reference, amount=eur(amount), reason="paid in twice"))
    return approvals.adjust(command)


def grant() -> Bonus:
    bonus_scenario.gift("50.00", multiplier=10)
    command = commands.Grant(**asked(currency="EUR", reference="g-1", offer="gift", reason="a birthday"))
    approvals.grant(command)
    return Bonus.objects.get()


def completion() -> Approval:
    bonus_scenario.gift("40.00", code="other", multiplier=10)
    bonus_scenario.grant("other", at=commands.now())
    bonus = bonus_scenario.the("other")
    return approvals.complete(
        commands.Complete(**asked(bonus=str(bonus.pk), reference="c-1", reason="a fault of ours"))
    )


ASK = {"adjustment": adjustment, "grant": grant, "completion": completion}


def cash_and_bonus() -> tuple[int, int]:
    return scenario.balances("bob")[:2]


def boss(name: str = "olga") -> Client:
    return operators.of("administrator", name)


def page(row: Approval | Bonus) -> str:
    return reverse("backoffice:approval", args=[row.pk])


def decide(client: Client, row: Approval | Bonus, decision: str, reason: str = "looked into it") -> Any:
    return client.post(page(row), {"decision": decision, "reason": reason})


def entry() -> AuditEntry:
    return AuditEntry.objects.exclude(act="log in").get()


# --- the queue -----------------------------------------------------------------------------------


def test_shows_who_asked_for_what_why_and_since_when():
    adjustment(), grant(), completion()
    body = boss().get(QUEUE).content.decode()
    for said in ("paid in twice", "a birthday", "a fault of ours", "otto", "bob", "gift", "minute"):
        assert said in body, said
    for amount in ("30.00", "50.00", "40.00"):
        assert f'{amount} <span class="unit">EUR</span>' in body


def test_the_oldest_is_first():
    first, second = adjustment(), grant()
    queue = boss().get(QUEUE).context["queue"]
    assert [waiting.id for waiting in queue] == [first.pk, second.pk]


def test_an_empty_queue_explains_itself():
    assert b"Nothing waits" in boss().get(QUEUE).content


def test_what_waits_is_counted_in_the_side_bar_and_on_the_front_page():
    client = boss()
    assert 'waiting">' not in client.get("/admin/").content.decode()
    adjustment(), grant()
    body = client.get("/admin/").content.decode()
    assert '<span class="badge badge-orange waiting">2</span>' in body
    assert "<strong>2</strong><small>for a second operator</small>" in body


def test_the_queue_reads_no_more_for_more_rows(django_assert_max_num_queries: Any):
    client = boss()
    for number in range(30):
        adjustment(reference=f"a-{number}")
    with django_assert_max_num_queries(15):
        assert len(client.get(QUEUE).context["queue"]) == 30


# --- deciding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "after"),
    [("adjustment", ("130.00", "0.00")), ("grant", ("100.00", "50.00")), ("completion", ("140.00", "0.00"))],
)
def test_approving_posts_and_is_noted(what: str, after: tuple[str, str]):
    row = ASK[what]()
    assert decide(boss(), row, "approve").headers["Location"] == QUEUE
    assert cash_and_bonus() == tuple(map(eur, after))
    noted = entry()
    assert (noted.act, noted.actor, noted.player, noted.outcome) == (f"approve {what}", "olga", "bob", "done")
    assert (noted.reason, noted.reference) == ("looked into it", str(row.pk))


@pytest.mark.parametrize("what", ASK)
def test_rejecting_keeps_the_reason_and_posts_nothing(what: str):
    row = ASK[what]()
    before = Transaction.objects.count()
    assert decide(boss(), row, "reject", "no such thing").status_code == 302
    row.refresh_from_db()
    kept = row.ended_reason if isinstance(row, Bonus) else row.decision_reason
    assert (kept, row.approver, Transaction.objects.count()) == ("no such thing", "olga", before)
    assert (entry().act, entry().reason) == (f"reject {what}", "no such thing")
    assert b"Nothing waits" in Client.get(boss("oscar"), QUEUE).content


@pytest.mark.parametrize("what", ASK)
@pytest.mark.parametrize(
    ("decision", "reason"), [("approve", ""), ("reject", " "), ("reject", "a\nb"), ("burn", "why"), ("", "why")]
)
def test_nothing_is_decided_without_a_reason_or_by_garbage(what: str, decision: str, reason: str):
    row = ASK[what]()
    assert decide(boss(), row, decision, reason).status_code == 400
    assert len(boss("oscar").get(QUEUE).context["queue"]) == 1


@pytest.mark.parametrize("what", ASK)
def test_nobody_decides_about_their_own(what: str):
    row = ASK[what]()
    client = boss("otto")
    body = client.get(page(row)).content.decode()
    assert "You asked for this yourself" in body
    assert 'value="approve"' not in body
    before = cash_and_bonus()
    for decision in ("approve", "reject"):
        assert decide(client, row, decision).status_code == 403
    assert (cash_and_bonus(), len(client.get(QUEUE).context["queue"])) == (before, 1)
    assert {noted.outcome for noted in AuditEntry.objects.exclude(act="log in")} == {"forbidden"}


@pytest.mark.parametrize(("what", "role"), [("adjustment", "bonus"), ("grant", "finance"), ("completion", "auditor")])
def test_deciding_needs_the_permission_of_the_act_itself(what: str, role: str):
    row = ASK[what]()
    client = operators.of(role, "olga")
    assert 'value="approve"' not in client.get(page(row)).content.decode()
    assert decide(client, row, "approve").status_code == 403
    assert len(client.get(QUEUE).context["queue"]) == 1


@pytest.mark.parametrize(("what", "role"), [("adjustment", "finance"), ("grant", "bonus"), ("completion", "bonus")])
def test_who_may_do_the_act_may_approve_it(what: str, role: str):
    assert decide(operators.of(role, "olga"), ASK[what](), "approve").status_code == 302


@pytest.mark.parametrize("what", ASK)
def test_two_approve_at_the_same_moment_and_it_is_posted_once(what: str):
    row = ASK[what]()
    before = Transaction.objects.count()
    clients = [boss(name) for name in ("olga", "oscar")]
    answers = threads([lambda client=client: decide(client, row, "approve").status_code for client in clients])
    assert set(answers) <= {302, 403}
    assert 302 in answers
    assert Transaction.objects.count() == before + 1


@pytest.mark.parametrize("what", ASK)
def test_a_double_click_posts_and_is_noted_once(what: str):
    row, client = ASK[what](), boss()
    before = Transaction.objects.count()
    assert [decide(client, row, "approve").status_code for _ in range(2)] == [302, 302]
    assert Transaction.objects.count() == before + 1
    assert entry().outcome == "done"


@pytest.mark.parametrize("what", ASK)
def test_who_comes_late_is_told_so(what: str):
    row = ASK[what]()
    decide(boss(), row, "reject", "no")
    late = boss("oscar")
    decide(late, row, "approve")
    assert AuditEntry.objects.get(actor="oscar", act=f"approve {what}").outcome in ("refused", "bonus_ended")
    assert "olga has" in late.get(page(row)).content.decode()
    assert not Transaction.objects.filter(kind__in=("ADJUST", "CONVERT")).exists()


def test_what_the_ledger_refuses_is_said_and_noted():
    row = adjustment("-100.00")
    scenario.bet("bob", "0.01")
    answer = decide(boss(), row, "approve")
    assert answer.status_code == 422
    assert "not that much money" in answer.content.decode()
    rows = AuditEntry.objects.exclude(act="log in").order_by("id")
    # The decision stands, and what came of it.
    assert [row.outcome for row in rows] == ["done", "insufficient_funds"]


def shown(client: Client, state: str) -> list[tuple[Any, str]]:
    """What the list shows in a state, each with its mark."""
    answer = client.get(QUEUE, {"state": state})
    return [(waiting.id, str(waiting.badge)) for waiting in answer.context["queue"]]


def test_the_list_shows_what_became_of_each_and_a_page_for_it_without_buttons():
    client = boss()
    posted, rejected, granted = adjustment(), adjustment(reference="a-2"), grant()
    poor = adjustment("-500.00", reference="a-3")
    for row, decision in ((posted, "approve"), (rejected, "reject"), (granted, "approve"), (poor, "approve")):
        decide(client, row, decision, f"{decision} it")
    assert {id for id, _ in shown(client, "posted")} == {posted.pk, granted.pk}
    assert [id for id, _ in shown(client, "rejected")] == [rejected.pk]
    ((refused, mark),) = shown(client, "refused")
    assert (refused, "approved, refused: insufficient funds" in mark) == (poor.pk, True)
    assert shown(client, "approved") == shown(client, "pending") == []
    for row in (posted, rejected, granted, poor):
        body = client.get(page(row)).content.decode()
        assert 'name="decision"' not in body, row
    ledger = {
        True: Transaction.objects.get(kind="ADJUST", status="POSTED"),
        False: Transaction.objects.get(refusal__isnull=False),
    }
    for row, left in ((posted, ledger[True]), (poor, ledger[False])):
        assert reverse("admin:wallet_transaction_change", args=[left.pk]) in client.get(page(row)).content.decode()
    assert "the wallet has 130.00 EUR of cash" in client.get(page(poor)).content.decode()
    assert 'value="approve"' not in decide(boss("oscar"), poor, "approve").content.decode()


def test_what_never_waited_has_no_page():
    bonus_scenario.gift("5.00")
    bonus_scenario.grant(at=commands.now())
    client = boss()
    assert client.get(page(bonus_scenario.the())).status_code == 404
    assert client.get(reverse("backoffice:approval", args=["01900000-0000-7000-8000-000000000009"])).status_code == 404
    assert client.delete(QUEUE).status_code == 200
    assert client.put(page(adjustment())).status_code == 405


def test_strangers_and_roles_without_approvals_see_no_queue():
    row = adjustment()
    for url in (QUEUE, page(row)):
        assert Client().get(url).headers["Location"].startswith("/admin/login/")
        client = operators.logged_in(User.objects.get_or_create(username="sam", is_staff=True)[0])
        assert client.get(url).status_code == 403
    assert Player.objects.exists()
