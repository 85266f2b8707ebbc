"""The queue of withdrawals: narrowed, worked through one after another, and ended many at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from uuid_utils.compat import uuid7

from casino_pam.backoffice import withdrawal_batch
from casino_pam.engine import commands
from tests import operators, scenario
from tests.backoffice import action_scenario
from tests.scenario import DAY, eur
from tests.threads import threads
from wallet.models import Approval, AuditEntry, Currency, Player, Transaction
from wallet.time import HOUR

QUEUE = reverse("backoffice:withdrawals")
MANY = reverse("backoffice:many_withdrawals")


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """Of Bob, Bert and Carol, from four days ago to now, in two currencies."""
    scenario.catalogue()
    now = commands.now()
    scenario.bob("100.00")
    scenario.player("bert", "100.00")
    scenario.player("carol", "5000", currency="JPY")
    asked = [("bob", "10.00", 4 * DAY), ("bert", "20.00", 2 * DAY), ("bob", "30.00", 2 * HOUR), ("bert", "40.00", 0)]
    for number, (who, amount, ago) in enumerate(asked):
        scenario.hold(who, amount, reference=f"h-{number}", at=now - ago)
    scenario.hold("carol", "15.00", currency="JPY", reference="h-jpy", at=now - DAY - HOUR)


@pytest.fixture
def pam() -> Client:
    return operators.of("payments", "pam")


def shown(client: Client, **query: str) -> list[str]:
    return [each.row.reference for each in client.get(QUEUE, query).context["waiting"]]


def hold(reference: str) -> Transaction:
    return Transaction.objects.get(reference=reference, kind="HOLD")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["h-0", "h-1", "h-jpy", "h-2", "h-3"]),
        ({"older": "1"}, ["h-0", "h-1", "h-jpy", "h-2"]),
        ({"older": "72"}, ["h-0"]),
        ({"currency": "JPY"}, ["h-jpy"]),
        ({"currency": "EUR", "least": "20.00", "most": "30"}, ["h-1", "h-2"]),
        ({"currency": "JPY", "least": "1501"}, []),
        ({"player": "b"}, ["h-0", "h-1", "h-2", "h-3"]),
        ({"player": "bert", "older": "24"}, ["h-1"]),
        ({"verification": "verified"}, ["h-jpy"]),
        ({"verification": "unverified", "older": "72"}, ["h-0"]),
    ],
)
def test_the_queue_is_narrowed_by_age_amount_player_and_verification(
    pam: Client, query: dict[str, str], found: list[str]
) -> None:
    Player.objects.filter(code="carol").update(verification="verified")
    assert shown(pam, **query) == found


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"least": "1.00"}, "Choose a currency"),
        ({"currency": "EUR", "most": "a lot"}, "decimal number"),
        ({"currency": "JPY", "least": "1.5"}, "It "),
        ({"currency": "XXX"}, "valid choice"),
        ({"older": "9"}, "valid choice"),
        ({"verification": "maybe"}, "valid choice"),
    ],
)
def test_what_cannot_be_looked_for_is_said_and_finds_nothing(pam: Client, query: dict[str, str], said: str) -> None:
    answer = pam.get(QUEUE, query)
    assert (answer.status_code, answer.context["waiting"]) == (200, [])
    assert said in answer.content.decode()


def test_the_next_in_the_queue_is_the_next_of_what_was_looked_for(pam: Client) -> None:
    for act, first, following in (("settle", "h-0", "h-2"), ("release", "h-2", None)):
        address = f"{action_scenario.address(act, hold(first))}?player=bob"
        form = {"reference": str(uuid7()), "reason": "done", "why": "player_asked", "next": "on"}
        answer = pam.post(address, form)
        there = action_scenario.address(act, hold(following)) if following else QUEUE
        assert answer.headers["Location"] == f"{there}?player=bob"
    assert shown(pam) == ["h-1", "h-jpy", "h-3"]


def test_a_release_says_why_by_a_code_in_the_ledger_and_in_words_in_the_trail(pam: Client) -> None:
    act = ("release", hold("h-0"))
    assert action_scenario.acted(pam, *act).status_code == 400
    assert action_scenario.acted(pam, *act, why="boredom").status_code == 400
    assert action_scenario.acted(pam, *act, why="wrong_details", reason="The IBAN is another's").status_code == 302
    row = Transaction.objects.get(kind="RELEASE")
    assert (row.reason, row.actor) == ("wrong_details", "pam")
    assert AuditEntry.objects.get(act="release").reason == "The IBAN is another's"


# --- many at once --------------------------------------------------------------------------------


def chosen(*references: str) -> list[str]:
    return [str(hold(reference).pk) for reference in references]


def ended(client: Client, act: str, *references: str, form: str = "", **fields: str) -> dict[str, str]:
    body = {"act": act, "chosen": chosen(*references), "confirmed": "yes", "reference": form or str(uuid7()), **fields}
    answer = client.post(MANY, body)
    assert answer.status_code == 200, answer.content.decode()
    # Not by the context: those of all threads are told to every client.
    told = re.findall(r'>([^<>]+)</a></td>.*?<span class="badge[^>]*>([^<]+)', answer.content.decode(), re.DOTALL)
    return {reference: outcome.replace(" ", "_") for reference, outcome in told}


def test_many_are_asked_about_once_and_nothing_happens_before(pam: Client) -> None:
    answer = pam.post(f"{MANY}?player=b", {"act": "settle", "chosen": chosen("h-0", "h-1", "h-jpy")})
    body = answer.content.decode()
    assert [(currency.code, amount) for currency, amount in answer.context["sums"]] == [
        ("EUR", eur("30.00")),
        ("JPY", 1_500),
    ]
    assert "This cannot be undone" in body and "h-jpy of carol" in body
    assert not Transaction.objects.filter(kind="SETTLE").exists()


def test_each_of_many_has_an_answer_and_what_is_refused_stops_no_other(pam: Client) -> None:
    Currency.objects.filter(code="EUR").update(settle_above=eur("35.00"))
    scenario.release("h-1", "bert", at=commands.now())
    form = str(uuid7())
    every = ("h-0", "h-1", "h-2", "h-3", "h-jpy")
    expected = {"h-0": "done", "h-1": "already_released", "h-2": "done", "h-3": "waits", "h-jpy": "done"}
    assert ended(pam, "settle", *every, form=form, reason="the bank's list of today") == expected
    # Sent again it acts once, and answers the same.
    assert ended(pam, "settle", *every, form=form, reason="the bank's list of today") == expected
    assert Transaction.objects.filter(kind="SETTLE").count() == 3
    assert Approval.objects.get().withdrawal == hold("h-3").pk
    trail = AuditEntry.objects.filter(act="settle").order_by("id")
    assert [entry.outcome for entry in trail] == [
        expected[reference] for reference in ("h-0", "h-1", "h-jpy", "h-2", "h-3")
    ]
    assert {entry.reason for entry in trail} == {"the bank's list of today"}
    assert shown(pam) == ["h-3"]


def test_two_people_who_end_the_same_ones_at_once_end_each_once(pam: Client) -> None:
    clients = [pam, operators.of("payments", "pia")]
    every = ("h-0", "h-1", "h-2", "h-3")
    found = threads([lambda client=client: ended(client, "settle", *every) for client in clients])
    assert Transaction.objects.filter(kind="SETTLE").count() == 4
    for reference in every:
        assert sorted(answer[reference] for answer in found) == ["done", "repeated"]


def test_many_are_released_with_a_reason_and_its_code(pam: Client) -> None:
    body = {"act": "release", "chosen": chosen("h-0"), "confirmed": "yes", "reference": str(uuid7())}
    for wrong in ({}, {"why": "duplicate"}, {"reason": "asked twice"}, {"why": "x", "reason": "asked twice"}):
        assert pam.post(MANY, body | wrong).status_code == 400
    assert ended(pam, "release", "h-0", "h-2", why="duplicate", reason="asked twice") == {"h-0": "done", "h-2": "done"}
    assert set(Transaction.objects.filter(kind="RELEASE").values_list("reason", flat=True)) == {"duplicate"}
    assert scenario.balances("bob") == (eur("100.00"), 0, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"act": "settle"},
        {"act": "settle", "chosen": "x"},
        {"act": "settle", "chosen": "01900000-0000-7000-8000-000000000009"},
        {"act": "settle", "chosen": [str(uuid7()) for _ in range(withdrawal_batch.TOGETHER + 1)]},
        {"act": "burn", "chosen": "h-0"},
    ],
)
def test_what_is_no_choice_ends_nothing(pam: Client, body: dict[str, Any]) -> None:
    if body.get("chosen") == "h-0":
        body = {**body, "chosen": chosen("h-0")}
    answer = pam.post(MANY, {"confirmed": "yes", "reference": str(uuid7()), **body})
    assert (answer.status_code, "Choose between" in answer.content.decode()) == (400, True)
    assert len(shown(pam)) == 5


def test_what_there_is_no_time_for_is_said_to_be_left(pam: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal_batch, "PATIENCE_SECONDS", -1.0)
    assert ended(pam, "settle", "h-0", "h-1") == {"h-0": "left", "h-1": "left"}
    assert len(shown(pam)) == 5


def test_the_queue_tells_what_waits_for_a_second_person(pam: Client) -> None:
    Currency.objects.update(settle_above=0)
    ended(pam, "settle", "h-0")
    body = pam.get(QUEUE).content.decode()
    assert "waits for approval" in body and "asked for by pam" in body
