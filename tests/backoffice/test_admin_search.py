"""Finding things in the admin: one search box, lists, and addresses people mistype; fast at a million rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import operators, scenario
from tests.backoffice.admin_scenario import furnish, ours, page
from wallet import models
from wallet.admin import admin_classes
from wallet.models import ApiKey, Game, Provider, Transaction, Wallet


@pytest.fixture
def house(books: None) -> None:
    furnish()


def search(client: Client, term: str) -> Any:
    return client.get("/admin/search/", {"q": term})


def test_the_search_box_leads_straight_to_what_alone_is_meant(house):
    client = operators.rita()
    alice = page("player", "change", Wallet.objects.get().player_id)
    bet = page("transaction", "change", Transaction.objects.get(reference="b-1").pk)
    assert search(client, "alice").headers["Location"] == alice
    assert search(client, " ALI ").headers["Location"] == alice
    assert search(client, "b-1").headers["Location"] == bet
    assert search(client, str(Transaction.objects.get(reference="b-1").pk)).headers["Location"] == bet
    assert search(client, "alice b-1").headers["Location"] == bet


def test_the_search_box_finds_every_row_of_a_player_s_round(house):
    found = search(operators.rita(), "alice round-1").context["found"]
    assert [row.reference for row in found.rows] == ["w-1", "b-1"]


def test_the_search_box_finds_the_bet_and_the_rollback_that_share_a_name(house):
    scenario.bet(reference="same")
    scenario.rollback("same", reference="same")
    found = search(operators.rita(), "same").context["found"]
    assert [row.kind for row in found.rows] == ["ROLLBACK", "BET"]


def test_the_search_box_finds_a_reference_scoped_to_its_player(house):
    scenario.bet(reference="alice\x1fscoped")
    body = operators.rita().get("/admin/search/", {"q": "alice scoped"}, follow=True).content.decode()
    assert "scoped" in body
    assert "\x1f" not in body


def test_the_search_box_finds_references_of_every_back_end(house):
    ApiKey.objects.create(name="second", digest=ApiKey.digest_of("b"), source="cashier:second")
    scenario.deposit("alice", amount=1, source="cashier:second", reference="theirs")
    assert search(operators.rita(), "theirs").status_code == 302


def test_the_search_box_lists_players_whose_code_begins_so(house):
    for number in range(25):
        models.Player.objects.create(code=f"alice-{number:02}")
    found = search(operators.rita(), "alice").context["found"]
    assert [player.code for player in found.players[:2]] == ["alice", "alice-00"]
    assert len(found.players) == 20


def test_a_term_that_names_nothing_finds_nothing(house):
    client = operators.rita()
    for term in ("", "   ", "x" * 301, "\x01", "é", "%", "_", "\ufffd", "'; --", "alice ", "alice  nothing", "a b c d"):
        response = search(client, term)
        if term.strip() != "alice":
            assert response.status_code == 200
            assert response.context["found"].players == []
            assert response.context["found"].rows == []


def test_the_pop_up_of_ctrl_k_finds_the_same(house):
    body = operators.rita().get("/admin/search/", {"q": "alice", "extended": "1", "page": "x"}).content.decode()
    assert page("player", "change", Wallet.objects.get().player_id) in body


def test_a_list_is_searched_by_the_beginning_of_a_code(house):
    scenario.bob()
    client = operators.rita()
    for name in ("player", "wallet"):
        assert client.get(page(name, "changelist"), {"q": "al"}).context["cl"].result_count == 1
        assert client.get(page(name, "changelist"), {"q": "Al"}).context["cl"].result_count == 1
        assert client.get(page(name, "changelist"), {"q": "lice"}).context["cl"].result_count == 0


GARBAGE = [
    {"q": "\x00"},
    {"p": "999"},
    {"p": "x"},
    {"p": "-1"},
    {"o": "3.-2.x"},
    {"all": ""},
    {"_to_field": "id"},
    {"_popup": "1"},
    {"e": "1"},
    {"bet_locked__exact": "\x00"},
    {"currency__code__exact": "\x00"},
    {"provider__id__exact": "9" * 30},
    {"groups__id__exact": "x"},
    {"state__exact": "\x00"},
]


def test_garbage_in_a_list_s_address_is_never_our_fault(house):
    client = operators.sue()
    for model in admin.site._registry:
        if model._meta.app_label in ("wallet", "auth"):
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            for query in GARBAGE:
                assert client.get(url, query).status_code < 500, (model, query)


def test_garbage_in_a_row_s_address_is_never_our_fault(house):
    client = operators.sue()
    for key in ("0", "-1", "9" * 30, "x", "%00", "%F0%9F%98%80", "_5F", "a/b", "..%2f"):
        for _, name, _ in ours():
            for what in ("change", "delete", "history"):
                assert client.get(f"/admin/wallet/{name}/{key}/{what}/").status_code < 500, (name, key)
        assert client.get(f"/admin/wallet/provider/{key}/secrets/rotate/").status_code < 500


def test_a_nul_in_an_address_is_the_sender_s_mistake(house):
    client = operators.sue()
    for url in ("/admin/wallet/currency/%00/change/", "/admin/wallet/wallet/?currency__code__exact=%00"):
        assert client.get(url).status_code == 400


def test_a_list_is_filtered_by_its_own_filters_only(house):
    client = operators.rita()
    for query in (
        {"digest__startswith": "a"},
        {"secret_one__isnull": "1"},
        {"cash__gt": "5"},
        {"player__code": "alice"},
    ):
        for name in ("wallet", "provider", "apikey"):
            assert client.get(page(name, "changelist"), query).status_code in (302, 400)


# --- fast at a million rows -------------------------------------------------------------------------------------------


def queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_no_page_asks_more_as_the_house_grows(house):
    client = operators.rita()
    wallet = Wallet.objects.get()
    row = Transaction.objects.get(reference="b-1")
    urls = [page(name, "changelist") for _, name, _ in ours()]
    urls += [page("wallet", "change", wallet.pk), page("transaction", "change", row.pk), reverse("admin:index")]
    urls += [page("player", "change", wallet.player_id), "/admin/search/?q=alice+round-1"]
    before = [queries(client, url) for url in urls]
    for number in range(5):
        scenario.player(f"alice-{number}", "10.00")
        scenario.bet(f"alice-{number}", amount="0.01")
        scenario.bet(round="round-1", amount="0.01")
        Game.objects.create(provider=Provider.objects.get(code="zenith"), code=f"game-{number}")
    scenario.player("alice", "500", currency="JPY")
    assert [queries(client, url) for url in urls] == before
    # The most is asked by a player's page, which tells of money, limits, bonuses and acts.
    assert max(before) <= 20


def test_every_question_about_the_ledger_is_answered_by_an_index(house):
    scenario.player("carl", "10.00")
    scenario.many_bets(3_000, "carl")
    client = operators.rita()
    assert b"about 3,0" in client.get("/admin/").content
    wallet = Wallet.objects.get(player__code="alice")
    row = Transaction.objects.get(reference="b-1")
    urls = [page("transaction", "changelist"), page("wallet", "change", wallet.pk), reverse("admin:index")]
    urls += [page("wallet", "change", wallet.pk) + "?to=60", page("wallet", "change", wallet.pk) + "?round=round-1"]
    urls += [page("transaction", "changelist") + f"?before={row.pk}", page("transaction", "change", row.pk)]
    urls += [page("player", "change", wallet.player_id)]
    urls += [f"/admin/search/?q={term}" for term in ("b-1", "alice+round-1", "alice+b-1", str(row.pk), "nothing")]
    with CaptureQueriesContext(connection) as captured:
        for url in urls:
            client.get(url)
    asked = [query["sql"] for query in captured if 'FROM "wallet_transaction"' in query["sql"]]
    assert len(asked) >= len(urls)
    for sql in asked:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(line for (line,) in cursor.fetchall())
        counted = "COUNT(*)" in sql
        assert "Seq Scan on wallet_transaction" not in plan or (counted and "Limit" in plan), (sql, plan)


def test_a_long_list_is_counted_up_to_a_bound(house, monkeypatch):
    monkeypatch.setattr(admin_classes, "COUNTED", 20)
    for number in range(30):
        models.Player.objects.create(code=f"player-{number:02}")
    body = operators.rita().get(page("player", "changelist"), {"q": "player"}).content.decode()
    assert "more than 20 players" in body
