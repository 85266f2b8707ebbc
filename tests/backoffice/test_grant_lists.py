"""Grant lists in the back office: every fault is told, a second person decides, and each line is granted once."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from uuid_utils.compat import uuid7

from bonus.campaign_tables import GrantList
from bonus.models import Bonus, Offer
from bonus.offers import offer_to_json
from casino_pam.engine import bulk_grants
from tests import bonus_scenario, operators, rest_client, scenario
from tests.sample_offers import WELCOME
from wallet.models import AuditEntry, Currency

LISTS = reverse("backoffice:grant_lists")


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    for name in ("ann", "ben", "cat"):
        scenario.player(name)
    bonus_scenario.gift("5.00", name="A gift")


def sent(client: Client, players: str = "ann\nben\ncat", **fields: Any) -> Any:
    form = {"offer": "gift", "players": players, "reason": "the VIPs", "reference": str(uuid7()), **fields}
    return client.post(LISTS, {name: value for name, value in form.items() if value is not None})


def body(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_list_is_carried_out_from_its_page_and_its_answers_taken_away() -> None:
    client = operators.of("bonus", "bea")
    reference = str(uuid7())
    answer = sent(client, reference=reference)
    page = answer.headers["Location"]
    assert sent(client, reference=reference).headers["Location"] == page
    assert Bonus.objects.count() == 0
    shown = body(client.get(page))
    assert "0 of 3 lines have their answer" in shown and "data-carry-out" in shown
    assert client.post(page, {"decision": "continue"}, follow=True).status_code == 200
    shown = body(client.get(page))
    assert "3 of 3 lines have their answer" in shown and "data-carry-out" not in shown
    assert Bonus.objects.count() == 3
    assert client.post(page, {"decision": "continue"}).status_code == 302
    assert Bonus.objects.count() == 3
    lines = taken(client)
    assert [line[:4] for line in lines] == [
        ["line", "player", "currency", "answer"],
        ["1", "ann", "EUR", "granted"],
        ["2", "ben", "EUR", "granted"],
        ["3", "cat", "EUR", "granted"],
    ]
    trail = AuditEntry.objects.filter(actor="bea").order_by("id").values_list("act", "subject", "reason")
    assert ("grant to many", "gift to 3 players", "the VIPs") in trail
    assert trail.filter(act="grant", player__in=("ann", "ben", "cat")).count() == 3
    assert trail.last() is not None and trail.last()[0] == "export grant list"


def taken(client: Client) -> list[list[str]]:
    answer = client.get(reverse("backoffice:grant_list_file", args=[GrantList.objects.get().pk]))

    async def whole() -> str:
        return b"".join([piece async for piece in answer]).decode("utf-8-sig")

    return list(csv.reader(io.StringIO(async_to_sync(whole)())))


def test_all_faults_stand_on_the_page_and_nothing_was_granted() -> None:
    scenario.player("dan", deposit_locked=True)
    answer = sent(operators.of("bonus"), "ann\nnobody\ndan\nann\nben,JPY\na,b,c")
    shown = body(answer)
    assert answer.status_code == 400
    assert "Nothing was granted: the list has 5 faults" in shown
    for text in (
        "nobody, EUR: There is no such player.",
        "dan, EUR: The player&#x27;s deposits are locked",
        "ann, EUR: stands in line 1 already",
        "has 3 cells: a line is a player",
        "ben, JPY: The player has no wallet in this currency.",
    ):
        assert text in shown, text
    assert not GrantList.objects.exists() and not Bonus.objects.exists()
    # What was typed is still there to be mended.
    assert "nobody\ndan" in shown


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"players": None}, "Paste the players, or choose a file"),
        ({"file": SimpleUploadedFile("a.csv", b"ann")}, "Paste the players, or choose a file"),
        ({"players": None, "file": SimpleUploadedFile("a.csv", b"\xff\xfe")}, "The file is not in UTF-8."),
        ({"offer": "nothing"}, "Select a valid choice"),
        ({"reason": " "}, "This field is required"),
        ({"players": "a,b,c"}, "has 3 cells"),
    ],
)
def test_a_form_that_is_no_list_says_why(fields: dict[str, Any], said: str) -> None:
    answer = sent(operators.of("bonus"), **fields)
    assert answer.status_code == 400
    assert said in body(answer)
    assert not GrantList.objects.exists()


def test_a_file_is_a_list_as_well() -> None:
    file = SimpleUploadedFile("players.csv", b"\xef\xbb\xbfplayer;currency\r\nann;EUR\r\nben;\r\n")
    assert sent(operators.of("bonus"), players=None, file=file).status_code == 302
    assert bulk_grants.progress(GrantList.objects.get()).lines == 2


def test_a_large_list_is_asked_for_by_one_and_decided_by_another() -> None:
    Currency.objects.update(approval_above=scenario.eur("14.99"))
    bea, ben = operators.of("bonus", "bea"), operators.of("bonus", "bernard")
    page = sent(bea).headers["Location"]
    assert "another operator has to decide" in body(bea.get(page))
    approve = {"decision": "approve", "reason": "planned"}
    for client, status in ((bea, 403), (operators.of("support"), 403), (operators.of("auditor"), 403)):
        assert client.post(page, approve).status_code == status
    assert ben.post(page, {"decision": "approve", "reason": ""}).status_code == 400
    assert 'value="approve"' not in body(operators.of("auditor", "ada").get(page))
    queue = body(ben.get(reverse("backoffice:approvals")))
    assert page in queue and "15.00" in queue
    assert ben.post(page, approve).status_code == 302
    assert GrantList.objects.get().state == "running"
    assert ben.post(page, approve).status_code == 403
    bea.post(page, {"decision": "continue"})
    assert (GrantList.objects.get().state, Bonus.objects.count()) == ("done", 3)
    entries = AuditEntry.objects.filter(act__endswith="grant list").values_list("actor", "outcome")
    assert sorted(entries) == [("bea", "forbidden"), ("bernard", "done"), ("bernard", "forbidden")]
    assert AuditEntry.objects.get(act="grant to many").outcome == "waits"


def test_copying_an_offer_makes_a_closed_draft_of_the_same_terms_once() -> None:
    offer = bonus_scenario.create_offer(WELCOME | {"promo_code": "HELLO"})
    client = operators.of("bonus", "bea")
    page = reverse("backoffice:copy", args=[offer.pk])
    assert 'value="welcome-2"' in body(client.get(page))
    form = {"code": "welcome-2", "reason": "for December", "reference": str(uuid7())}
    made = client.post(page, form)
    copy = Offer.objects.get(code="welcome-2")
    assert made.headers["Location"] == reverse("admin:bonus_offer_change", args=[copy.pk])
    assert client.post(page, form).headers["Location"] == made.headers["Location"]
    differs = {"code": "welcome-2", "enabled": False, "promo_code": None}
    assert offer_to_json(copy) == offer_to_json(Offer.objects.get(code="welcome")) | differs
    assert copy.granted == 0
    entry = AuditEntry.objects.get(act="copy")
    assert (entry.actor, entry.subject, entry.reason, entry.player) == ("bea", "welcome", "for December", None)
    assert 'value="welcome-3"' in body(client.get(page))
    for code, said in (("welcome", "There is one of this name already."), ("Wel come", "lower-case letters")):
        refused = client.post(page, form | {"code": code, "reference": str(uuid7())})
        assert refused.status_code in (400, 409)
        assert said in body(refused)
    assert Offer.objects.count() == 3


def test_no_page_of_lists_asks_more_for_more_lists() -> None:
    client = operators.of("bonus")
    made = [_list(number) for number in range(30)]
    for page in (LISTS, reverse("backoffice:grant_list", args=[made[0].pk]), reverse("backoffice:approvals")):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page).status_code == 200
        assert len(queries) <= 20, page


def _list(number: int) -> GrantList:
    offer = Offer.objects.get()
    given = {"source": "operator", "actor": "olga", "reason": "VIPs", "digest": "", "worth": {"EUR": 500}}
    at = scenario.moment(scenario.NOON)
    return GrantList.objects.create(
        id=uuid7(), offer=offer, reference=f"l-{number}", state="waiting", created_at=at, **given
    )


# --- by REST -------------------------------------------------------------------------------------


def test_a_back_end_grants_to_many_and_reads_what_became_of_them() -> None:
    Currency.objects.update(approval_above=0)
    shop = rest_client.key()
    asked = {"reference": "l-1", "offer": "gift", "currency": "EUR", "players": ["ann", "ben"], "reason": "VIPs"}
    made = shop.post("grant-lists", asked)
    assert (made.status, made["status"], made["lines"], made["granted"]) == (201, "done", 2, 2)
    again = shop.post("grant-lists", asked)
    assert (again.status, again.body) == (200, made.body)
    assert shop.get("grant-lists/l-1").body == made.body
    answers = shop.get("grant-lists/l-1/answers.csv").body.splitlines()
    assert [line.split(",")[1:4] for line in answers[1:]] == [["ann", "EUR", "granted"], ["ben", "EUR", "granted"]]
    reused = shop.post("grant-lists", asked | {"players": ["cat"]})
    assert (reused.status, reused["differing"]) == (409, ["players"])
    # Another key's money source has lists of its own.
    assert rest_client.key(name="other", source="cashier:other").get("grant-lists/l-1").status == 404
    assert Bonus.objects.count() == 2
    trail = AuditEntry.objects.filter(actor="key:shop").values_list("act", flat=True)
    assert sorted(trail) == ["grant", "grant", "grant to many"]


def test_a_back_end_is_told_all_faults_at_once() -> None:
    answer = rest_client.key().post(
        "grant-lists", {"reference": "l-1", "offer": "gift", "currency": "EUR", "players": ["ann", "x", "ann", "y"]}
    )
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", "players[1]")
    assert [problem["field"] for problem in answer["problems"]] == ["players[1]", "players[2]", "players[3]"]
    assert not GrantList.objects.exists()
    unknown = {"reference": "l-1", "offer": "nothing", "currency": "EUR", "players": ["ann"]}
    assert rest_client.key(name="b").post("grant-lists", unknown)["code"] == "unknown_offer"
