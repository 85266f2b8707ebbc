"""The window on the audit trail: searched, narrowed, opened, taken away as a file."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests import operators, scenario
from tests.backoffice.test_admin_settings import save
from tests.backoffice.test_audit import asked, entry, sue
from wallet import audit
from wallet.models import AuditEntry, Player


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice()


# --- the window ----------------------------------------------------------------------------------

LIST = reverse("admin:wallet_auditentry_changelist")


def found(client: Client, **query: str) -> list[tuple[str, str]]:
    rows = client.get(LIST, query).context["cl"].result_list
    return [(row.actor, row.act) for row in rows]


@pytest.fixture
def trail(books: None) -> Client:
    """Rita, and a trail of three rows besides her log-in."""
    olga = User.objects.create_user("olga")
    client = operators.of("auditor", "rita")
    for what, more in (("adjust", {"player": "alice", "reference": "r-1"}), ("grant", {"outcome": "waits"})):
        audit.record(asked(olga), what, **more)
    audit.record(asked(olga), "lock", player="bob", outcome="forbidden")
    return client


@pytest.mark.parametrize(
    ("query", "acts"),
    [
        ({"q": "ali"}, ["adjust"]),
        ({"q": "olg"}, ["lock", "grant", "adjust"]),
        ({"q": "r-1"}, ["adjust"]),
        ({"q": "gran"}, ["grant"]),
        ({"q": "nobody"}, []),
        ({"act": "lock"}, ["lock"]),
        ({"outcome": "refused"}, ["lock"]),
        ({"outcome": "done"}, ["grant", "adjust", "log in"]),
        ({"day": "today"}, ["lock", "grant", "adjust", "log in"]),
        ({"day": "2020-01-01"}, []),
        ({"act": "lock", "outcome": "done"}, []),
    ],
)
def test_the_trail_is_searched_and_narrowed(trail: Client, query: dict[str, str], acts: list[str]) -> None:
    assert [act for _, act in found(trail, **query)] == acts


def test_a_day_is_one_day_in_utc(trail: Client) -> None:
    today = AuditEntry.objects.latest("at").at.astimezone(UTC).date()
    assert len(found(trail, day=today.isoformat())) + len(found(trail, day=(today - timedelta(1)).isoformat())) == 4


@pytest.mark.parametrize("garbage", ["x", "9999-12-31", "2026-13-45", "", "٣", "1e9"])
def test_garbage_in_a_filter_narrows_nothing(trail: Client, garbage: str) -> None:
    assert len(found(trail, day=garbage, outcome=garbage)) == 4


def test_a_row_shows_what_changed(house: None) -> None:
    client = sue()
    alice = Player.objects.get()
    save(client, reverse("admin:wallet_player_change", args=[alice.pk]), {"country": "MT"})
    body = client.get(reverse("admin:wallet_auditentry_change", args=[entry().pk])).content.decode()
    assert "<tr><td>country</td><td>null</td><td>MT</td></tr>" in body


def test_the_trail_s_page_reads_no_more_for_more_rows(trail: Client, django_assert_max_num_queries: Any) -> None:
    olga = User.objects.get(username="olga")
    for number in range(40):
        audit.record(asked(olga), f"act {number % 3}", player="alice", after=json.loads('{"a": 1}'))
    with django_assert_max_num_queries(14):
        assert len(found(trail)) == 44


# --- the file ------------------------------------------------------------------------------------

FILE = reverse("backoffice:audit_trail")


def taken(client: Client, **query: str) -> list[dict[str, str]]:
    response: Any = client.get(FILE, query)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"

    async def whole() -> bytes:
        return b"".join([piece async for piece in response])

    return list(csv.DictReader(io.StringIO(async_to_sync(whole)().decode("utf-8-sig"))))


def test_the_file_holds_what_the_list_shows(trail: Client) -> None:
    rows = taken(trail)
    assert [row["act"] for row in rows] == ["lock", "grant", "adjust", "log in"]
    assert (rows[2]["actor"], rows[2]["player"], rows[2]["reference"]) == ("olga", "alice", "r-1")
    assert [row["act"] for row in taken(trail, outcome="refused")] == ["lock"]
    assert [row["act"] for row in taken(trail, q="ali")] == ["adjust"]


def test_taking_the_file_is_noted_with_what_was_asked(trail: Client) -> None:
    taken(trail, act="lock")
    assert (entry(act="export audit trail").actor, entry(act="export audit trail").subject) == ("rita", "act=lock")


def test_the_file_goes_on_for_pages(trail: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casino_pam.backoffice.list_files.LINES", 2)
    assert [row["act"] for row in taken(trail)] == ["lock", "grant", "adjust", "log in"]


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_the_file_is_a_formula(trail: Client, cell: str) -> None:
    audit.record(asked(User.objects.get(username="olga")), "lock", subject=cell, reason=cell, player=cell)
    row = taken(trail)[0]
    assert (row["subject"], row["reason"], row["player"]) == ("'" + cell, "'" + cell, "'" + cell)


@pytest.mark.parametrize("query", [{"foo": "bar"}, {"p": "x"}, {"p": "99"}, {"e": "1"}, {"id__gt": "x"}, {"o": "1.x"}])
def test_garbage_in_the_file_s_address_is_never_our_fault(trail: Client, query: dict[str, str]) -> None:
    assert trail.get(FILE, query).status_code in (200, 400)


def test_the_file_is_for_whoever_may_see_the_trail(books: None) -> None:
    assert operators.of("support").get(FILE).status_code == 403
    assert Client().get(FILE).status_code == 302
