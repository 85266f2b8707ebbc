"""The admin as a window: everything can be looked at, nothing about money can be touched."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests import operators, scenario
from tests.backoffice.admin_scenario import furnish, ours, page, some
from wallet import models
from wallet.models import Checkpoint, ReconciliationRun, Transaction, Wallet

# What may be changed here at all, by those who may; everything else is a window.
SETTINGS = ("player", "currency", "provider", "game", "apikey", "endpoint")
MONEY = (
    "gamesession",
    "wallet",
    "transaction",
    "checkpoint",
    "reconciliationrun",
    "providerrun",
    "approval",
    "auditentry",
)


@pytest.fixture
def house(books: None) -> None:
    furnish()


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of the wallet, but for the trail of who tried."""
    names = connection.introspection.table_names()
    tables = [name for name in names if name.startswith("wallet_") and name != "wallet_auditentry"]
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def test_every_model_of_the_wallet_is_registered_as_a_window_or_as_settings():
    assert {name for _, name, _ in ours()} == {*MONEY, *SETTINGS}


def test_every_page_opens(house):
    client = operators.sue()
    for _, name, _ in ours():
        assert client.get(page(name, "changelist")).status_code == 200, name
        assert client.get(page(name, "change", some(name).pk)).status_code == 200, name
        assert client.get(page(name, "history", some(name).pk), follow=True).status_code == 200, name
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
        wallet = scenario.player("carol", cash, currency=currency)
        body = operators.logged_in(User.objects.get_or_create(username="ute", is_superuser=True, is_staff=True)[0])
        assert (
            f'{cash} <span class="unit">{currency}</span>'
            in body.get(page("wallet", "change", wallet.pk)).content.decode()
        )


def test_a_long_statement_is_leafed_through_by_version(house):
    wallet = Wallet.objects.get()
    for _ in range(120):
        scenario.bet(amount="0.01")
    wallet.refresh_from_db()
    client = operators.rita()
    url = page("wallet", "change", wallet.pk)
    seen: list[int] = []
    query: str | None = "?"
    while query:
        ledger_page = client.get(url + query).context["ledger_page"]
        seen += [row.version for row in ledger_page.rows]
        query = ledger_page.older
    assert seen == list(range(wallet.version, 0, -1))
    assert client.get(url + ledger_page.newer).context["ledger_page"].rows[0].version == 75
    assert client.get(url + "?to=7").context["ledger_page"].rows[0].version == 7


def test_garbage_in_a_statement_s_address_shows_the_newest_rows(house):
    wallet = Wallet.objects.get()
    client = operators.rita()
    for to in ("0", "-1", "x", "9" * 40, "1e3", "٣", "1" * 18):
        ledger_page = client.get(page("wallet", "change", wallet.pk), {"to": to}).context["ledger_page"]
        assert ledger_page.rows[0].version == wallet.version


def test_a_statement_can_be_narrowed_to_a_round(house):
    scenario.bet(reference="other", round="round-2")
    url = page("wallet", "change", Wallet.objects.get().pk)
    client = operators.rita()
    assert [row.reference for row in client.get(url, {"round": "round-1"}).context["ledger_page"].rows] == [
        "w-1",
        "b-1",
    ]
    assert b"No row of this wallet matches" in client.get(url, {"round": "nope"}).content
    assert client.get(url, {"round": "\x01"}).status_code == 200


def test_a_statement_can_be_narrowed_to_a_kind_a_reference_and_days(house):
    url = page("wallet", "change", Wallet.objects.get().pk)
    client = operators.rita()

    def found(**chosen: str) -> list[str]:
        return [row.reference for row in client.get(url, chosen).context["ledger_page"].rows]

    noon = scenario.moment(scenario.NOON)
    the_day = f"{noon:%Y-%m-%d}"
    assert found(kind="WIN") == ["w-1"]
    assert found(kind="BET", reference="b-1") == ["b-1"]
    assert "b-1" in found(since=the_day, until=the_day)
    assert found(since=f"{noon + timedelta(days=1):%Y-%m-%d}") == []
    assert found(until=f"{noon - timedelta(days=2):%Y-%m-%d}") == []
    for nonsense in ({"kind": "win"}, {"since": "today"}, {"until": "9999-12-31"}, {"reference": "\x01"}):
        assert found(**nonsense) == []


def test_a_narrowed_statement_has_pages_too(house):
    for number in range(60):
        scenario.bet(amount="0.01", reference=f"small-{number:02}")
    url = page("wallet", "change", Wallet.objects.get().pk)
    client = operators.rita()
    first = client.get(url, {"kind": "BET"}).context["ledger_page"]
    second = client.get(url + first.older).context["ledger_page"]
    assert [len(first.rows), second.newest, second.older] == [50, "?kind=BET", None]
    assert {row.reference for row in second.rows} >= {"b-1", "small-00"}
    assert not {row.pk for row in first.rows} & {row.pk for row in second.rows}


def test_a_transaction_s_page_shows_what_belongs_to_it(house):
    scenario.profile(rollback_wins=True)
    scenario.rollback("w-1", reference="rw-1", original_kind="WIN")
    client = operators.rita()
    win = Transaction.objects.get(reference="w-1")
    undone = Transaction.objects.get(reference="rw-1")
    for one, other in ((win, undone), (undone, win)):
        ledger_page = client.get(page("transaction", "change", one.pk)).context["ledger_page"]
        assert [row.pk for row in ledger_page.rows] == [other.pk]


def test_the_house_s_rows_are_leafed_through_newest_first(house):
    for _ in range(60):
        scenario.bet(amount="0.01")
    client = operators.rita()
    url = page("transaction", "changelist")
    first = client.get(url).context["ledger_page"]
    second = client.get(url + first.older).context["ledger_page"]
    ids = [row.pk for row in [*first.rows, *second.rows]]
    assert ids == list(Transaction.objects.order_by("-id").values_list("pk", flat=True))
    assert second.older is None
    assert client.get(url, {"before": "garbage"}).context["ledger_page"].rows[0].pk == ids[0]
    assert client.post(url, {"action": "delete_selected"}).status_code == 405


def test_a_player_s_page_shows_wallets_and_the_newest_rows_of_all(house):
    scenario.player("alice", "500", currency="JPY")
    body = operators.rita().get(page("player", "change", Wallet.objects.first().player_id)).content.decode()
    assert '100.00 <span class="unit">EUR</span>' in body
    assert '500 <span class="unit">JPY</span>' in body
    assert "w-1" in body


def test_a_player_without_wallets_is_told_so(house):
    models.Player.objects.create(code="empty")
    client = operators.rita()
    body = client.get(page("player", "change", models.Player.objects.get(code="empty").pk)).content.decode()
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
        if name == "auditentry":
            # Never empty for whoever sees it: it begins with the log-in.
            continue
        if name == "transaction":
            assert "the first deposit or bet will be its first row" in body
        else:
            assert registered.empty_text in body.replace("&#x27;", "'")
    assert b"not proven yet" in client.get("/admin/").content
