"""What decides is shown before it is decided: to who asks, and to who approves."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bonus.models import Bonus
from casino_pam.engine import approvals, commands
from tests import bonus_scenario, operators, scenario
from tests.backoffice import action_scenario
from tests.scenario import eur
from wallet.models import Approval, AuditEntry, Currency, Player, Transaction, Wallet


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """Bob has 100.00; EUR above 20.00 waits, and withdrawals above 5.00."""
    scenario.catalogue()
    scenario.bob("100.00")
    Currency.objects.filter(code="EUR").update(approval_above=eur("20.00"), settle_above=eur("5.00"))


def asked(**fields: Any) -> dict[str, Any]:
    return {"player": "bob", "actor": "otto", "at": commands.now(), **fields}


def adjustment(amount: str) -> Approval:
    about = asked(source="operator", currency="EUR", reference=scenario.fresh(), amount=eur(amount))
    waiting = approvals.adjust(commands.Adjust(reason="paid in twice", **about))
    assert isinstance(waiting, Approval)
    return waiting


def completion() -> Approval:
    bonus_scenario.gift("40.00", multiplier=10)
    bonus_scenario.grant(at=commands.now())
    about = asked(source="operator", bonus=str(bonus_scenario.the().pk), reference="c-1", reason="ours")
    waiting = approvals.complete(commands.Complete(**about))
    assert isinstance(waiting, Approval)
    return waiting


def grant() -> Bonus:
    bonus_scenario.gift("50.00", multiplier=10)
    approvals.grant(commands.Grant(**asked(source="operator", currency="EUR", reference="g-1", offer="gift")))
    return Bonus.objects.get()


def settlement() -> Approval:
    scenario.hold("bob", "10.00", reference="h-1", at=commands.now())
    waiting = approvals.settle(commands.Settle(**asked(source="cashier", currency="EUR", reference="h-1")), "x", "paid")
    assert isinstance(waiting, Approval)
    return waiting


def seen(client: Client, row: Approval | Bonus) -> Any:
    return client.get(reverse("backoffice:approval", args=[row.pk]))


def lines(answer: Any) -> dict[str, tuple[int, int | None]]:
    return {line.name: (line.now, line.after) for line in answer.context["foresight"].lines}


def everything() -> tuple[Any, ...]:
    rows = AuditEntry.objects.exclude(act="log in").count(), Transaction.objects.count()
    return *rows, *Wallet.objects.values_list("cash", "bonus", "held", "version", "digest"), *Bonus.objects.values()


@pytest.mark.parametrize(
    ("ask", "cash", "bonus", "held"),
    [
        (lambda: adjustment("30.00"), ("100.00", "130.00"), ("0.00", "0.00"), ("0.00", "0.00")),
        (completion, ("100.00", "140.00"), ("40.00", "0.00"), ("0.00", "0.00")),
        (grant, ("100.00", "100.00"), ("0.00", "50.00"), ("0.00", "0.00")),
        (settlement, ("90.00", "90.00"), ("0.00", "0.00"), ("10.00", "0.00")),
    ],
    ids=["adjustment", "completion", "grant", "settlement"],
)
def test_the_approver_sees_the_balances_now_and_after_it(ask: Any, cash: Any, bonus: Any, held: Any) -> None:
    row = ask()
    client = operators.of("administrator", "olga")
    before = everything()
    for operator in (client, operators.of("administrator", "otto")):
        found = lines(seen(operator, row))
        assert found == {"cash": tuple(map(eur, cash)), "bonus": tuple(map(eur, bonus)), "held": tuple(map(eur, held))}
    assert everything() == before, "a look has written something"
    client.post(reverse("backoffice:approval", args=[row.pk]), {"decision": "approve", "reason": "seen"})
    assert scenario.balances("bob") == tuple(eur(after) for _, after in (cash, bonus, held))


def test_what_would_be_refused_now_is_said_with_the_reason() -> None:
    poor, gift, paid = adjustment("-100.01"), grant(), settlement()
    scenario.release("h-1", "bob", at=commands.now())
    Player.objects.update(deposit_locked=True)
    client = operators.of("administrator", "olga")
    for row, why in ((poor, "not that much money"), (gift, "deposits are locked"), (paid, "was released")):
        refusal = seen(client, row).context["foresight"].refusal
        assert refusal.startswith("This would be refused now: ") and why in refusal, refusal
    assert Bonus.objects.get().status == "pending"


def test_once_it_is_decided_nothing_is_foretold() -> None:
    row = adjustment("30.00")
    approvals.approve(row, "olga", "fine")
    assert "foresight" not in seen(operators.of("finance", "fay"), row).context


def test_the_last_adjustments_are_shown_with_who_asked_and_who_approved() -> None:
    approvals.approve(adjustment("30.00"), "olga", "fine")
    scenario.adjust("bob", "-1.00", actor="pete", at=commands.now())
    client = operators.of("finance", "fay")
    for answer in (
        seen(client, adjustment("40.00")),
        client.get(action_scenario.address("adjust", Wallet.objects.get())),
    ):
        newest = [(each.row.amount, each.row.actor, each.approver) for each in answer.context["corrections"]]
        assert newest == [(eur("-1.00"), "pete", None), (eur("30.00"), "otto", "olga")]
        assert "paid in twice" in answer.content.decode()


# --- before it is sent ---------------------------------------------------------------------------


def foreseen(client: Client, act: str, row: Any, how: str = "fragment", **fields: Any) -> Any:
    form = action_scenario.opened(client, act, row)
    return client.post(action_scenario.address(act, row), {**form, "foresee": how, **fields})


@pytest.mark.parametrize("how", ["fragment", "page"])
def test_who_asks_sees_it_while_the_form_is_filled_in(how: str) -> None:
    client, wallet = operators.of("administrator", "olga"), Wallet.objects.get()
    before = everything()
    small = foreseen(client, "adjust", wallet, how, amount="1.00")
    assert lines(small)["cash"] == (eur("100.00"), eur("101.00")) and not small.context["second"]
    large = foreseen(client, "adjust", wallet, how, amount="20.01")
    assert "second operator decides" in large.content.decode()
    poor = foreseen(client, "adjust", wallet, how, amount="-100.01", reason="why not")
    assert "This would be refused now: There is not that much money" in poor.content.decode()
    assert (small.status_code, large.status_code, poor.status_code) == (200, 200, 200)
    wrong = foreseen(client, "adjust", wallet, how, amount="a lot")
    assert "foresight" not in wrong.context
    assert everything() == before, "a look has written something"


def test_who_grants_sees_whether_it_begins_waits_or_is_refused() -> None:
    bonus_scenario.gift("5.00", multiplier=10)
    bonus_scenario.gift("50.00", code="large", multiplier=10)
    client, wallet = operators.of("administrator", "olga"), Wallet.objects.get()
    small = foreseen(client, "grant", wallet, offer="gift")
    assert (lines(small)["bonus"][1], small.context["second"]) == (eur("5.00"), "")
    large = foreseen(client, "grant", wallet, offer="large")
    assert lines(large)["bonus"][1] == 0 and large.context["second"]
    Player.objects.update(excluded_until="2099-01-01T00:00:00Z")
    assert "The player is excluded" in foreseen(client, "grant", wallet, offer="gift").content.decode()


def test_an_act_that_asks_nothing_more_says_at_once_what_it_comes_to() -> None:
    scenario.hold("bob", "10.00", reference="h-1", at=commands.now())
    client, hold = operators.of("payments", "pam"), Transaction.objects.get(kind="HOLD")
    settle = client.get(action_scenario.address("settle", hold))
    assert lines(settle)["held"] == (eur("10.00"), 0) and settle.context["second"]
    release = client.get(action_scenario.address("release", hold))
    assert lines(release)["cash"] == (eur("90.00"), eur("100.00")) and not release.context["second"]
