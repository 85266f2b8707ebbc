"""The admin as a window: everything can be found and read, nothing about money can be touched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from casino_pam import commands, teller
from tests import cast, operators
from wallet.admin import pages
from wallet.models import ApiKey, Approval, Checkpoint, Game, Provider, ReconciliationRun, Transaction, Wallet

NOON = datetime(2026, 9, 22, 12, tzinfo=UTC)
# What may be changed here at all, by those who may; everything else is a window.
SETTINGS = {"player", "currency", "provider", "game", "apikey", "user", "group"}
MONEY = ("wallet", "transaction", "checkpoint", "reconciliationrun", "approval")


@pytest.fixture
def house(books: None) -> None:
    """A house with a row in every table that the admin shows."""
    cast.house()
    wallet = cast.alice()
    cast.bet(reference="b-1", round="round-1")
    cast.win(reference="w-1", round="round-1", bet="b-1")
    cast.rollback("b-2", reference="rb-2")
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-1", category="slots")
    ApiKey.objects.create(name="shop", digest=ApiKey.digest_of("a key"), scopes=["cashier"])
    Checkpoint.objects.create(wallet=wallet, version=1, digest=Transaction.objects.get(version=1).digest)
    ReconciliationRun.objects.create(
        scope="full",
        started_at=NOON,
        finished_at=NOON,
        wallets=1,
        rows=1,
        discrepancy_count=1,
        discrepancies=[{"invariant": 2, "wallet": wallet.pk, "version": 1, "detail": "the digest differs"}],
    )
    Approval.objects.create(
        id="01900000-0000-7000-8000-000000000001",
        wallet=wallet,
        source="operator",
        reference="a-1",
        amount=500_000,
        reason="a goodwill",
        author="olga",
        created_at=NOON,
    )


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of the wallet."""
    tables = [name for name in connection.introspection.table_names() if name.startswith("wallet_")]
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def ours() -> list[tuple[str, str, Any]]:
    """App, name and admin of every model of the wallet that is registered."""
    return [
        (model._meta.app_label, model._meta.model_name or "", page)
        for model, page in admin.site._registry.items()
        if model._meta.app_label == "wallet"
    ]


def page(name: str, what: str, *args: Any) -> str:
    return reverse(f"admin:wallet_{name}_{what}", args=args)


def some(name: str) -> Any:
    model = next(model for model in admin.site._registry if model._meta.label_lower == f"wallet.{name}")
    return model._default_manager.first()


def test_every_model_of_the_wallet_is_registered_as_a_window_or_as_settings():
    assert {name for _, name, _ in ours()} == {*MONEY, "player", "currency", "provider", "game", "apikey"}


def test_every_page_opens(house):
    client = operators.sue()
    for _, name, _ in ours():
        assert client.get(page(name, "changelist")).status_code == 200, name
        assert client.get(page(name, "change", some(name).pk)).status_code == 200, name
        assert client.get(page(name, "history", some(name).pk)).status_code == 200, name
    assert client.get(reverse("admin:index")).status_code == 200
    for name in ("user", "group"):
        assert client.get(reverse(f"admin:auth_{name}_changelist")).status_code == 200


def test_a_reader_sees_every_page_and_is_offered_no_button(house):
    client = operators.rita()
    for _, name, _ in ours():
        body = client.get(page(name, "change", some(name).pk)).content.decode()
        assert 'name="_save"' not in body, name
        assert "secrets/rotate" not in body


def test_an_operator_without_a_role_sees_nothing(house):
    client = operators.nobody()
    for _, name, _ in ours():
        assert client.get(page(name, "changelist")).status_code == 403, name
        assert client.get(page(name, "change", some(name).pk)).status_code == 403, name
    assert b"Nothing to see here" in client.get(reverse("admin:index")).content
    found = client.get("/admin/search/", {"q": "alice"})
    assert found.status_code == 200
    assert b"Nothing is called" in found.content


def test_a_visitor_is_sent_to_the_log_in(house):
    for url in ("/admin/", "/admin/search/?q=alice", page("transaction", "changelist"), page("wallet", "changelist")):
        assert Client().get(url).headers["Location"].startswith("/admin/login/")


def changes(name: str) -> dict[str, Any]:
    """A form that would change every column of the row, were it listened to."""
    columns = [field.name for field in some(name)._meta.fields]
    return dict.fromkeys(columns, "7") | {"_save": "Save", "_selected_action": str(some(name).pk)}


@pytest.mark.parametrize("name", MONEY)
def test_not_even_a_superuser_can_touch_money_by_any_url(house, name):
    client = operators.sue()
    before = everything()
    form = changes(name)
    assert client.get(page(name, "add")).status_code == 403
    assert client.post(page(name, "add"), form).status_code == 403
    assert client.post(page(name, "change", some(name).pk), form).status_code == 403
    assert client.post(page(name, "change", some(name).pk), form | {"_saveasnew": "1"}).status_code == 403
    assert client.get(page(name, "delete", some(name).pk)).status_code == 403
    assert client.post(page(name, "delete", some(name).pk), {"post": "yes"}).status_code == 403
    client.post(page(name, "history", some(name).pk), form)
    assert everything() == before


@pytest.mark.parametrize("action", ["delete_selected", "anything"])
def test_no_bulk_action_or_bulk_edit_touches_anything(house, action):
    client = operators.sue()
    before = everything()
    for _, name, registered in ours():
        assert registered.get_actions(client.get("/admin/").wsgi_request) == {}
        bulk = {"action": action, "index": "0", "select_across": "1", "_selected_action": str(some(name).pk)}
        client.post(page(name, "changelist"), bulk)
        client.post(page(name, "changelist"), bulk | {"post": "yes"})
        edits = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(some(name).pk), "_save": "Save"}
        client.post(page(name, "changelist"), changes(name) | edits | {"form-0-cash": "7", "form-0-enabled": ""})
    assert everything() == before


def test_settings_cannot_be_deleted_either(house):
    client = operators.sue()
    before = everything()
    for _, name, _ in ours():
        assert client.get(page(name, "delete", some(name).pk)).status_code == 403
        assert client.post(page(name, "delete", some(name).pk), {"post": "yes"}).status_code == 403
    assert everything() == before


def test_operators_and_roles_cannot_be_deleted(house):
    client = operators.sue()
    target = User.objects.create_user("otto")
    assert client.post(reverse("admin:auth_user_delete", args=[target.pk]), {"post": "yes"}).status_code == 403
    assert User.objects.filter(username="otto").exists()


def test_a_wallet_page_shows_balances_and_the_statement(house):
    body = operators.rita().get(page("wallet", "change", Wallet.objects.get().pk)).content.decode()
    assert '100.00 <span class="unit">EUR</span>' in body
    assert '<span class="money out">-10.00</span>' in body
    assert "b-1" in body
    assert "2026-09-21 14:13:20.000000 UTC" in body
    assert body.count('<td class="number"><a') == Wallet.objects.get().version


def test_shows_money_with_the_digits_of_its_currency(house):
    for currency, cash in (("JPY", "700"), ("KWD", "1.234"), ("BTC", "0.00000001")):
        wallet = cast.player("carol", cash, currency=currency)
        body = operators.logged_in(User.objects.get_or_create(username="ute", is_superuser=True, is_staff=True)[0])
        assert (
            f'{cash} <span class="unit">{currency}</span>'
            in body.get(page("wallet", "change", wallet.pk)).content.decode()
        )


def test_a_long_statement_is_leafed_through_by_version(house):
    wallet = Wallet.objects.get()
    for _ in range(120):
        cast.bet(amount="0.01")
    wallet.refresh_from_db()
    client = operators.rita()
    url = page("wallet", "change", wallet.pk)
    seen: list[int] = []
    query: str | None = "?"
    while query:
        leaf = client.get(url + query).context["leaf"]
        seen += [row.version for row in leaf.rows]
        query = leaf.older
    assert seen == list(range(wallet.version, 0, -1))
    assert client.get(url + leaf.newer).context["leaf"].rows[0].version == 75
    assert client.get(url + "?to=7").context["leaf"].rows[0].version == 7


def test_garbage_in_a_statement_s_address_shows_the_newest_rows(house):
    wallet = Wallet.objects.get()
    client = operators.rita()
    for to in ("0", "-1", "x", "9" * 40, "1e3", "٣", "1" * 18):
        leaf = client.get(page("wallet", "change", wallet.pk), {"to": to}).context["leaf"]
        assert leaf.rows[0].version == wallet.version


def test_a_statement_can_be_narrowed_to_a_round(house):
    cast.bet(reference="other", round="round-2")
    url = page("wallet", "change", Wallet.objects.get().pk)
    client = operators.rita()
    assert [row.reference for row in client.get(url, {"round": "round-1"}).context["leaf"].rows] == ["w-1", "b-1"]
    assert b"has no row of a round called" in client.get(url, {"round": "nope"}).content
    assert client.get(url, {"round": "\x01"}).status_code == 200


def test_a_transaction_s_page_shows_what_belongs_to_it(house):
    cast.profile(rollback_wins=True)
    cast.rollback("w-1", reference="rw-1", original_kind="WIN")
    client = operators.rita()
    win = Transaction.objects.get(reference="w-1")
    undone = Transaction.objects.get(reference="rw-1")
    for one, other in ((win, undone), (undone, win)):
        leaf = client.get(page("transaction", "change", one.pk)).context["leaf"]
        assert [row.pk for row in leaf.rows] == [other.pk]


def test_the_house_s_rows_are_leafed_through_newest_first(house):
    for _ in range(60):
        cast.bet(amount="0.01")
    client = operators.rita()
    url = page("transaction", "changelist")
    first = client.get(url).context["leaf"]
    second = client.get(url + first.older).context["leaf"]
    ids = [row.pk for row in [*first.rows, *second.rows]]
    assert ids == list(Transaction.objects.order_by("-id").values_list("pk", flat=True))
    assert second.older is None
    assert client.get(url, {"before": "garbage"}).context["leaf"].rows[0].pk == ids[0]
    assert client.post(url, {"action": "delete_selected"}).status_code == 405


def test_a_player_s_page_shows_wallets_and_the_newest_rows_of_all(house):
    cast.player("alice", "500", currency="JPY")
    body = operators.rita().get(page("player", "change", Wallet.objects.first().player_id)).content.decode()
    assert '100.00 <span class="unit">EUR</span>' in body
    assert '500 <span class="unit">JPY</span>' in body
    assert "w-1" in body


def test_a_player_without_wallets_is_told_so(house):
    cast.Player.objects.create(code="empty")
    client = operators.rita()
    body = client.get(page("player", "change", cast.Player.objects.get(code="empty").pk)).content.decode()
    assert "The back end opens them" in body
    assert "No money has moved" in body


def test_a_run_s_discrepancies_lead_to_the_rows_they_were_found_in(house):
    client = operators.rita()
    body = client.get(page("reconciliationrun", "change", some("reconciliationrun").pk)).content.decode()
    assert f'href="{page("wallet", "change", some("wallet").pk)}?to=1#statement"' in body
    assert "1 discrepancy" in client.get("/admin/").content.decode()


def test_a_run_over_one_wallet_is_not_taken_for_the_house(house):
    ReconciliationRun.objects.update(scope="wallet")
    assert b"not proven yet" in operators.rita().get("/admin/").content


def test_a_wallet_says_whether_it_is_proven(house):
    client = operators.rita()
    url = page("wallet", "change", some("wallet").pk)
    assert b"rows 1 to 1" in client.get(url).content
    Checkpoint.objects.update(suspect=True)
    assert b"something was found here" in client.get(url).content
    Checkpoint.objects.update(suspect=False)


def test_empty_lists_explain_themselves(books):
    client = operators.sue()
    for _, name, registered in ours():
        body = client.get(page(name, "changelist")).content.decode()
        if name == "transaction":
            assert "the first deposit or bet will be its first row" in body
        else:
            assert registered.empty_text in body.replace("&#x27;", "'")
    assert b"not proven yet" in client.get("/admin/").content


# --- finding ----------------------------------------------------------------------------------------------------------


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
    cast.bet(reference="same")
    cast.rollback("same", reference="same")
    found = search(operators.rita(), "same").context["found"]
    assert [row.kind for row in found.rows] == ["ROLLBACK", "BET"]


def test_the_search_box_finds_a_reference_scoped_to_its_player(house):
    cast.bet(reference="alice\x1fscoped")
    body = operators.rita().get("/admin/search/", {"q": "alice scoped"}, follow=True).content.decode()
    assert "scoped" in body
    assert "\x1f" not in body


def test_the_search_box_finds_references_of_every_back_end(house):
    ApiKey.objects.create(name="second", digest=ApiKey.digest_of("b"), source="cashier:second")
    cast.deposit("alice", amount=1, source="cashier:second", reference="theirs")
    assert search(operators.rita(), "theirs").status_code == 302


def test_the_search_box_lists_players_whose_code_begins_so(house):
    for number in range(25):
        cast.Player.objects.create(code=f"alice-{number:02}")
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
    body = operators.rita().get("/admin/search/", {"s": "alice", "extended": "1", "page": "x"}).content.decode()
    assert page("player", "change", Wallet.objects.get().player_id) in body


def test_a_list_is_searched_by_the_beginning_of_a_code(house):
    cast.bob()
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
        cast.player(f"alice-{number}", "10.00")
        cast.bet(f"alice-{number}", amount="0.01")
        cast.bet(round="round-1", amount="0.01")
        Game.objects.create(provider=Provider.objects.get(code="zenith"), code=f"game-{number}")
    cast.player("alice", "500", currency="JPY")
    assert [queries(client, url) for url in urls] == before
    assert max(before) <= 14


def test_every_question_about_the_ledger_is_answered_by_an_index(house):
    cast.player("carl", "10.00")
    for _ in range(30):
        teller_of_many(100)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE wallet_transaction")
        cursor.execute("ANALYZE wallet_wallet")
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


def teller_of_many(count: int) -> None:
    """Many bets in one transaction: rows of a real ledger at the price of a few."""
    for outcome in teller.post(
        [
            commands.Bet(
                source="acme",
                player="carl",
                currency="EUR",
                at=cast.NOON,
                reference=cast.fresh("many"),
                round=cast.fresh("many-round"),
                game="slot-1",
                amount=0,
            )
            for _ in range(count)
        ]
    ):
        assert outcome.status == "posted"


def test_a_long_list_is_counted_up_to_a_bound(house, monkeypatch):
    monkeypatch.setattr(pages, "COUNTED", 20)
    for number in range(30):
        cast.Player.objects.create(code=f"player-{number:02}")
    body = operators.rita().get(page("player", "changelist"), {"q": "player"}).content.decode()
    assert "more than 20 players" in body
