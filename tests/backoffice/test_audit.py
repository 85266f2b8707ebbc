"""The audit trail: every act of an operator leaves one row, which nothing can change, and no row holds a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import ProgrammingError, connection
from django.test import Client, RequestFactory
from django.urls import reverse

from tests import operators, scenario
from tests.backoffice.test_admin_offers import typed
from tests.backoffice.test_admin_settings import PROVIDER, act, save, shown
from wallet import audit
from wallet.models import ApiKey, AuditEntry, Currency, Player, Provider


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice()


def sue() -> Client:
    """Sue, whose log-in is not what a test is about."""
    return operators.sue()


def entries(**wanted: Any) -> list[AuditEntry]:
    """The rows in order, log-ins apart unless asked for."""
    rows = AuditEntry.objects.filter(**wanted).order_by("id")
    return list(rows if "act" in wanted else rows.exclude(act="log in"))


def entry(**wanted: Any) -> AuditEntry:
    (found,) = entries(**wanted)
    return found


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("UPDATE wallet_auditentry SET reason = 'another'", "update"),
        ("UPDATE wallet_auditentry SET outcome = outcome", "update"),
        ("DELETE FROM wallet_auditentry", "update or delete"),
        ("TRUNCATE wallet_auditentry", "truncate"),
        ("TRUNCATE wallet_auditentry, wallet_transaction CASCADE", "truncate"),
    ],
)
def test_the_database_refuses_to_change_the_trail(house: None, sql: str, what: str) -> None:
    sue()
    before = list(AuditEntry.objects.values())
    with pytest.raises(ProgrammingError, match=f"Cannot .*{what.split()[-1]}"):
        execute(sql)
    assert before
    assert list(AuditEntry.objects.values()) == before


def asked(user: User, **meta: str) -> Any:
    request = RequestFactory().post("/admin/office/adjust/", **meta)
    request.user = user
    return request


def test_records_a_double_click_once(books: None) -> None:
    olga = User.objects.create_user("olga")
    request = asked(olga)
    first = audit.record(request, "adjust", reference="r-1", reason="first")
    second = audit.record(request, "adjust", reference="r-1", reason="second")
    assert entry().reason == "first"
    assert AuditEntry.objects.filter(pk=first).exists()
    assert not AuditEntry.objects.filter(pk=second).exists()


def test_what_was_refused_may_be_done_later_under_the_same_reference(books: None) -> None:
    request = asked(User.objects.create_user("olga"))
    for outcome in ("wallet_locked", audit.DONE, audit.DONE):
        audit.record(request, "grant", reference="r-1", outcome=outcome)
    assert [row.outcome for row in entries()] == ["wallet_locked", "done"]


def test_says_who_from_where_and_in_which_roles(books: None) -> None:
    operators.of("finance", "olga")
    olga = User.objects.get(username="olga")
    request = asked(olga, REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="198.51.100.1")
    audit.record(request, "adjust", player="alice", subject="alice, EUR", before={"cash": 1}, after={"cash": 2})
    row = entry()
    assert (row.actor, row.roles, row.address, row.player) == ("olga", ["finance"], "192.0.2.7", "alice")
    assert (row.before, row.after, row.outcome) == ({"cash": 1}, {"cash": 2}, "done")
    olga.groups.clear()
    assert entry().roles == ["finance"]


def test_takes_whatever_it_is_told(books: None) -> None:
    request = asked(User.objects.create_user("olga"))
    audit.record(
        request, "adjust", subject="x" * 1000, reason="a\0b" * 1000, after={"until": datetime(2026, 1, 1, tzinfo=UTC)}
    )
    assert (len(entry().subject), len(entry().reason)) == (300, 500)
    assert entry().after == {"until": "2026-01-01T00:00:00Z"}


# --- coming and going ----------------------------------------------------------------------------


def log_in(password: str, username: str = "sue", address: str = "192.0.2.1") -> Any:
    return Client(REMOTE_ADDR=address).post("/admin/login/", {"username": username, "password": password})


def test_notes_log_ins_failed_ones_and_log_outs(books: None) -> None:
    User.objects.create_superuser("sue", password=operators.PASSWORD)
    log_in("wrong")
    client = Client(REMOTE_ADDR="192.0.2.1")
    client.post("/admin/login/", {"username": "sue", "password": operators.PASSWORD})
    client.post("/admin/logout/")
    rows = AuditEntry.objects.order_by("id").values_list("actor", "act", "outcome", "address", "roles")
    assert list(rows) == [
        ("sue", "log in", "refused", "192.0.2.1", []),
        ("sue", "log in", "done", "192.0.2.1", ["superuser"]),
        ("sue", "log out", "done", "192.0.2.1", ["superuser"]),
    ]
    assert "wrong" not in everything_told()


def test_notes_failed_log_ins_of_nobody_we_know(books: None) -> None:
    log_in("guess", "mallory")
    assert (entry(act="log in").actor, entry(act="log in").outcome) == ("mallory", "refused")


def test_a_lock_out_is_noted_once_and_what_is_turned_away_in_it_is_not(books: None) -> None:
    User.objects.create_superuser("sue", password=operators.PASSWORD)
    statuses = [log_in("wrong").status_code for _ in range(8)]
    assert statuses == [200] * 4 + [429] * 4
    assert log_in(operators.PASSWORD).status_code == 429
    rows = AuditEntry.objects.order_by("id").values_list("act", "outcome")
    assert sorted(rows) == [("lock out", "refused")] + [("log in", "refused")] * 5


def test_a_new_password_of_one_s_own_is_noted_without_it(books: None) -> None:
    client = sue()
    fields = {"old_password": "wrong", "new_password1": "a horse of her own", "new_password2": "a horse of her own"}
    assert client.post("/admin/password_change/", fields).status_code == 200
    assert entries() == []
    assert client.post("/admin/password_change/", fields | {"old_password": operators.PASSWORD}).status_code == 302
    assert User.objects.get().check_password("a horse of her own")
    assert (entry().act, entry().actor) == ("change own password", "sue")
    assert "a horse of her own" not in everything_told()


# --- settings ------------------------------------------------------------------------------------


def test_a_player_s_country_is_noted_with_what_it_was(house: None) -> None:
    client = sue()
    alice = Player.objects.get()
    save(client, reverse("admin:wallet_player_change", args=[alice.pk]), {"country": "MT"})
    row = entry()
    assert (row.act, row.player, row.subject, row.actor) == ("change player", "alice", "alice", "sue")
    assert (row.before, row.after) == ({"country": None}, {"country": "MT"})


def test_saving_what_nobody_changed_leaves_no_row(house: None) -> None:
    save(sue(), reverse("admin:wallet_player_change", args=[Player.objects.get().pk]), {})
    assert entries() == []


def test_a_currency_s_threshold_is_noted_as_an_amount(house: None) -> None:
    url = reverse("admin:wallet_currency_change", args=["EUR"])
    Currency.objects.update(approval_above=100_000)
    save(sue(), url, {"enabled": "on", "approval_above": "5.00"})
    assert (entry().before, entry().after) == ({"approval_above": "1000.00 EUR"}, {"approval_above": "5.00 EUR"})


def test_a_game_is_noted_with_its_provider_s_name(house: None) -> None:
    acme = Provider.objects.get(code="acme")
    save(sue(), reverse("admin:wallet_game_add"), {"provider": acme.pk, "code": "slot-2", "category": "slots"})
    assert (entry().act, entry().before) == ("add game", None)
    assert entry().after == {"provider": str(acme), "code": "slot-2", "name": "", "category": "slots", "enabled": False}


def test_roles_are_noted_by_their_names(house: None) -> None:
    client = sue()
    olga = User.objects.create_user("olga", is_staff=True)
    group = Group.objects.get(name="finance")
    url = reverse("admin:auth_user_change", args=[olga.pk])
    save(client, url, {"username": "olga", "is_active": "on", "is_staff": "on", "groups": [group.pk]})
    assert (entry().act, entry().subject) == ("change operator", "olga")
    assert (entry().before, entry().after) == ({"groups": []}, {"groups": ["finance"]})


def test_a_role_s_permissions_are_noted(house: None) -> None:
    client = sue()
    save(client, reverse("admin:auth_group_add"), {"name": "night shift"})
    assert (entry().act, entry().after) == ("add role", {"name": "night shift", "permissions": []})


def test_an_offer_is_noted_as_it_was_typed(house: None) -> None:
    client = sue()
    url = reverse("admin:bonus_offer_add")
    fields = {
        "code": "gift",
        "name": "Gift",
        "kind": "fixed",
        "multiplier": "3",
        "amounts.EUR": "on",
        "amounts.EUR.amount": "5.00",
    }
    save(client, url, typed(client, url, **fields))
    added = entry(act="add offer")
    assert (added.subject, added.after["amounts.EUR.amount"]) == ("gift", "5.00")
    url = client.get(reverse("admin:bonus_offer_changelist")).context["cl"].result_list[0]
    url = reverse("admin:bonus_offer_change", args=[url.pk])
    save(client, url, typed(client, url, multiplier="7"))
    changed = entry(act="change offer")
    assert (changed.before, changed.after) == ({"multiplier": 3}, {"multiplier": "7"})


# --- secrets -------------------------------------------------------------------------------------


def everything_told() -> str:
    """The whole trail as text, as whoever reads the table could."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(e::text, '\n') FROM wallet_auditentry e")
        return str(cursor.fetchone()[0])


def test_no_secret_reaches_the_trail(house: None) -> None:
    client = sue()
    first = shown(client.post("/admin/wallet/provider/add/", PROVIDER))
    rotated = shown(act(client, "rotate"))
    key = shown(client.post("/admin/wallet/apikey/add/", {"name": "till", "scopes": ["cashier"], "source": "cashier"}))
    link = shown(client.post("/admin/auth/user/add/", {"username": "otto"}))
    otto = User.objects.get(username="otto")
    other = shown(client.post(f"/admin/auth/user/{otto.pk}/password/"))
    visitor = Client()
    form = visitor.get(other, follow=True).request["PATH_INFO"]
    visitor.post(form, {"new_password1": "a horse of his own", "new_password2": "a horse of his own"})
    otto.refresh_from_db()
    assert otto.check_password("a horse of his own")
    acts = [
        "add provider",
        "make a new secret",
        "add API key",
        "add operator",
        "reset password",
        "set password by link",
    ]
    assert [row.act for row in entries()] == acts
    told = everything_told()
    hashes = [otto.password, ApiKey.objects.get().digest.hex()]
    tokens = [each.partition("token=")[2] for each in (link, other)]
    for secret in (first, rotated, key, "a horse of his own", *tokens, *hashes):
        assert secret not in told


# --- refusals ------------------------------------------------------------------------------------


def test_every_refusal_in_the_admin_is_noted(house: None) -> None:
    client = operators.of("support", "sam")
    assert client.get("/admin/wallet/apikey/").status_code == 403
    assert client.post("/admin/wallet/wallet/add/", {"cash": "7"}).status_code == 403
    rows = [(row.actor, row.act, row.subject, row.outcome) for row in entries()]
    assert rows == [
        ("sam", "open page", "GET /admin/wallet/apikey/", "refused"),
        ("sam", "open page", "POST /admin/wallet/wallet/add/", "refused"),
    ]


def test_strangers_cannot_fill_the_trail(house: None) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/admin/login/", {"username": "sue", "password": "x"}).status_code == 403
    assert client.get("/admin/wallet/apikey/").status_code == 302
    assert not AuditEntry.objects.exists()
