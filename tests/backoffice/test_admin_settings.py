"""What operators may set in the admin, and how: providers and secrets, keys, currencies, locks, operators."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from tests import operators, scenario
from wallet.models import ApiKey, Currency, Game, Player, Provider

PROVIDER = {
    "code": "newcomer",
    "name": "Newcomer",
    "enabled": "on",
    "reference_scope": "player",
    "replay_balance": "first",
    "zero_amount": "accept",
    "late_win": "accept",
    "unknown_rollback": "void",
    "late_bet": "refuse",
    "rollback_after_win": "refuse",
    "win_rollback": "refuse",
}


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()


def acme() -> Provider:
    return Provider.objects.get(code="acme")


def shown(response: Any) -> str:
    """The secret or key on a page that shows one."""
    found = re.search(r'<p class="once"><code>(?:Authorization: Api-Key )?([^<]+)</code>', response.content.decode())
    assert found, "no secret on this page"
    return found[1]


def act(client: Client, name: str, *, seen: int | None = None) -> Any:
    """Press a button about acme's secrets and say yes to its question."""
    version = acme().secrets_version if seen is None else seen
    return client.post(f"/admin/wallet/provider/{acme().pk}/secrets/{name}/", {"seen": version})


def save(client: Client, url: str, fields: dict[str, Any]) -> Any:
    response = client.post(url, fields)
    assert response.status_code == 302, response.context["adminform"].form.errors
    return response


# --- providers --------------------------------------------------------------------------------------------------------


def test_a_new_provider_s_secret_is_shown_once_and_is_live(house):
    client = operators.sue()
    response = client.post("/admin/wallet/provider/add/", PROVIDER)
    secret = shown(response)
    provider = Provider.objects.get(code="newcomer")
    assert provider.live_secrets() == (secret.encode(),)
    assert provider.reference_scope == "player"
    assert "no-store" in response.headers["Cache-Control"]
    for url in ("", f"{provider.pk}/change/", f"{provider.pk}/history/"):
        assert secret not in client.get(f"/admin/wallet/provider/{url}").content.decode()


def test_a_secret_is_stored_nowhere_in_the_clear(house):
    secret = shown(operators.sue().post("/admin/wallet/provider/add/", PROVIDER))
    provider = Provider.objects.get(code="newcomer")
    assert secret.encode() not in bytes(provider.secret_one or b"")
    assert not LogEntry.objects.filter(change_message__contains=secret).exists()


def test_rotating_keeps_the_newest_secret_live_beside_the_new_one(house):
    client = operators.sue()
    second = shown(act(client, "rotate"))
    assert acme().live_secrets() == (second.encode(), b"acme-secret")
    third = shown(act(client, "rotate"))
    assert acme().live_secrets() == (third.encode(), second.encode())
    assert LogEntry.objects.filter(change_message="Made a new secret.").count() == 2


def test_revoking_the_older_secret_leaves_the_newest(house):
    client = operators.sue()
    newest = shown(act(client, "rotate"))
    assert act(client, "revoke-older").status_code == 302
    assert acme().live_secrets() == (newest.encode(),)


def test_revoking_every_secret_shuts_the_provider_out(house):
    client = operators.sue()
    act(client, "rotate")
    act(client, "revoke-all")
    assert acme().live_secrets() == ()
    assert "the provider is shut out" in client.get(f"/admin/wallet/provider/{acme().pk}/change/").content.decode()


@pytest.mark.parametrize("name", ["rotate", "revoke-older", "revoke-all"])
def test_a_button_asks_first_and_changes_nothing_by_being_looked_at(house, name):
    client = operators.sue()
    act(client, "rotate")
    before = acme().live_secrets()
    response = client.get(f"/admin/wallet/provider/{acme().pk}/secrets/{name}/")
    assert response.status_code == 200
    assert f'name="seen" value="{acme().secrets_version}"' in response.content.decode()
    assert acme().live_secrets() == before


def test_a_button_pressed_twice_acts_once(house):
    client = operators.sue()
    seen = acme().secrets_version
    shown(act(client, "rotate", seen=seen))
    before = acme().live_secrets()
    assert act(client, "rotate", seen=seen).status_code == 302
    assert acme().live_secrets() == before


def test_garbage_in_a_button_s_form_changes_nothing(house):
    client = operators.sue()
    before = acme().live_secrets()
    url = f"/admin/wallet/provider/{acme().pk}/secrets/"
    for seen in ("", "x", "-1", "٣", "9" * 40, f" {acme().secrets_version} ", "\x00"):
        assert client.post(f"{url}rotate/", {"seen": seen}).status_code == 302
    assert client.post(f"{url}rotate/").status_code == 302
    assert client.post(f"{url}burn/", {"seen": acme().secrets_version}).status_code == 404
    assert client.put(f"{url}rotate/").status_code == 405
    assert act(client, "revoke-older").status_code == 302
    assert acme().live_secrets() == before


def test_only_who_may_change_providers_can_press_the_buttons(house):
    before = acme().live_secrets()
    for client in (operators.rita(), operators.nobody()):
        for name in ("rotate", "revoke-older", "revoke-all"):
            assert act(client, name).status_code == 403
    assert act(Client(), "rotate").status_code == 302
    forgetful = Client(enforce_csrf_checks=True)
    forgetful.force_login(User.objects.create_superuser("sam"), backend="django.contrib.auth.backends.ModelBackend")
    assert act(forgetful, "rotate").status_code == 403
    assert acme().live_secrets() == before


def test_a_provider_s_code_never_changes_and_its_scope_not_after_its_first_row(house):
    client = operators.sue()
    url = f"/admin/wallet/provider/{acme().pk}/change/"
    save(client, url, PROVIDER | {"name": "Acme"})
    assert (acme().name, acme().reference_scope) == ("Acme", "player")
    scenario.alice()
    scenario.bet()
    save(client, url, PROVIDER | {"reference_scope": "global", "late_win": "refuse", "enabled": ""})
    assert (acme().reference_scope, acme().late_win, acme().enabled) == ("player", "refuse", False)


def test_saving_a_provider_does_not_put_back_a_secret_revoked_meanwhile(house, monkeypatch):
    client = operators.sue()
    first = acme()
    monkeypatch.setattr("wallet.admin.provider_admin.ProviderAdmin.save_form", _revoking(first))
    save(client, f"/admin/wallet/provider/{first.pk}/change/", PROVIDER | {"name": "Renamed"})
    assert acme().name == "Renamed"
    assert acme().live_secrets() == ()


def _revoking(provider: Provider) -> Any:
    """Somebody revokes the secrets between another's reading and saving."""

    def save_form(self: Any, request: Any, form: Any, change: bool) -> Any:
        provider.revoke(older_only=False)
        provider.save()
        return form.save(commit=False)

    return save_form


@pytest.mark.parametrize("code", ["cashier", "bonus", "operator", "UPPER", "", "a" * 65, "with space", "-dash"])
def test_a_provider_cannot_carry_a_name_of_the_house_or_a_malformed_one(house, code):
    response = operators.sue().post("/admin/wallet/provider/add/", PROVIDER | {"code": code})
    assert response.status_code == 200
    assert response.context["adminform"].form.errors
    assert Provider.objects.count() == 2


def test_a_game_s_name_is_fixed_and_its_category_and_state_are_not(house):
    client = operators.sue()
    form = {"provider": acme().pk, "code": "slot-1", "category": "slots", "enabled": "on"}
    save(client, "/admin/wallet/game/add/", form)
    game = Game.objects.get()
    save(client, f"/admin/wallet/game/{game.pk}/change/", form | {"code": "other", "category": "table", "enabled": ""})
    game.refresh_from_db()
    assert (game.code, game.category, game.enabled) == ("slot-1", "table", False)


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_shown_once_and_only_its_digest_is_kept(house):
    client = operators.sue()
    form = {"name": "shop", "scopes": ["players", "cashier"], "source": "cashier:shop", "enabled": "on"}
    response = client.post("/admin/wallet/apikey/add/", form)
    text = shown(response)
    key = ApiKey.objects.get()
    assert bytes(key.digest) == ApiKey.digest_of(text)
    assert key.scopes == ["players", "cashier"]
    assert "no-store" in response.headers["Cache-Control"]
    assert text not in client.get(f"/admin/wallet/apikey/{key.pk}/change/").content.decode()


def test_a_key_can_be_disabled_and_keeps_its_source_and_digest(house):
    client = operators.sue()
    shown(client.post("/admin/wallet/apikey/add/", {"name": "shop", "scopes": ["players"], "source": "cashier"}))
    before = ApiKey.objects.get()
    form = {"name": "shop", "scopes": ["feed"], "source": "cashier:other", "digest": "x"}
    save(client, f"/admin/wallet/apikey/{before.pk}/change/", form)
    after = ApiKey.objects.get()
    assert (after.source, bytes(after.digest)) == (before.source, bytes(before.digest))
    assert (after.scopes, after.enabled) == (["feed"], False)


@pytest.mark.parametrize(
    "wrong", [{"scopes": []}, {"scopes": ["everything"]}, {"source": "operator"}, {"source": "cashier:A"}, {"name": ""}]
)
def test_a_key_without_scopes_or_with_another_s_source_is_refused(house, wrong):
    form = {"name": "shop", "scopes": ["players"], "source": "cashier", **wrong}
    response = operators.sue().post("/admin/wallet/apikey/add/", form)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors
    assert not ApiKey.objects.exists()


# --- currencies -------------------------------------------------------------------------------------------------------


def test_a_currency_s_threshold_is_typed_in_its_own_digits(house):
    client = operators.sue()
    for code, digits, typed, minor in (("ETH", 18, "0.00001", 10**13), ("USD", 2, "250.5", 25050), ("CLP", 0, "7", 7)):
        form = {"code": code, "digits": digits, "enabled": "on", "approval_above": typed}
        save(client, "/admin/wallet/currency/add/", form)
        assert Currency.objects.get(code=code).approval_above == minor


def test_a_currency_keeps_its_code_and_digits_for_ever(house):
    client = operators.sue()
    form = {"code": "QQQ", "digits": "4", "approval_above": "12.34"}
    save(client, "/admin/wallet/currency/EUR/change/", form)
    euro = Currency.objects.get(code="EUR")
    assert (euro.digits, euro.enabled, euro.approval_above) == (2, False, 1234)
    assert not Currency.objects.filter(code="QQQ").exists()


@pytest.mark.parametrize("typed", ["12.345", "-1", "1e3", "", "NaN", "٣", "1_0", "9" * 40, "1,50"])
def test_a_malformed_threshold_is_refused(house, typed):
    response = operators.sue().post("/admin/wallet/currency/EUR/change/", {"enabled": "on", "approval_above": typed})
    assert response.status_code == 200
    assert "approval_above" in response.context["adminform"].form.errors
    assert Currency.objects.get(code="EUR").approval_above == 100_000


# --- players ----------------------------------------------------------------------------------------------------------


def test_a_player_s_country_can_be_set_and_nothing_else(house):
    """Locks and exclusion are set in the back office (tests/backoffice/test_actions.py), where each leaves a reason."""
    scenario.alice()
    client = operators.sue()
    alice = Player.objects.get()
    form = {
        "country": "DE",
        "bet_locked": "on",
        "code": "mallory",
        "excluded_until": "2030-01-01",
        "created_at": "2030-01-01",
    }
    save(client, f"/admin/wallet/player/{alice.pk}/change/", form)
    after = Player.objects.get()
    assert (after.code, after.country, after.bet_locked, after.excluded_until) == ("alice", "DE", False, None)
    assert after.created_at == alice.created_at


def test_saving_a_player_does_not_put_back_a_lock_set_meanwhile(house, monkeypatch):
    scenario.alice()
    alice = Player.objects.get()

    def locked_meanwhile(self: Any, request: Any, form: Any, change: bool) -> Any:
        Player.objects.update(withdraw_locked=True)
        return form.save(commit=False)

    monkeypatch.setattr("wallet.admin.player_admin.PlayerAdmin.save_form", locked_meanwhile)
    save(operators.sue(), f"/admin/wallet/player/{alice.pk}/change/", {"country": "DE"})
    after = Player.objects.get()
    assert (after.country, after.withdraw_locked) == ("DE", True)


@pytest.mark.parametrize("country", ["de", "DEU", "D", "\x00", "ÄÖ"])
def test_a_malformed_country_is_refused(house, country):
    scenario.alice()
    url = f"/admin/wallet/player/{Player.objects.get().pk}/change/"
    response = operators.sue().post(url, {"country": country})
    assert response.status_code == 200
    assert response.context["adminform"].form.errors


def test_nobody_makes_players_by_hand(house):
    client = operators.sue()
    assert client.get("/admin/wallet/player/add/").status_code == 403
    assert client.post("/admin/wallet/player/add/", {"code": "mallory"}).status_code == 403


# --- operators --------------------------------------------------------------------------------------------------------


def log_in(password: str, address: str = "192.0.2.1") -> Any:
    return Client(REMOTE_ADDR=address).post("/admin/login/", {"username": "sue", "password": password})


def test_five_failed_log_ins_lock_the_name_for_that_address(books):
    operators.sue()
    for _ in range(4):
        assert log_in("wrong").status_code == 200
    response = log_in("wrong")
    assert response.status_code == 429
    assert b"Too many failed log-ins" in response.content
    assert log_in(operators.PASSWORD).status_code == 429
    assert log_in(operators.PASSWORD, "192.0.2.2").status_code == 302


def test_a_log_in_leads_to_the_overview(books):
    operators.sue()
    assert log_in(operators.PASSWORD).headers["Location"] == "/admin/"


def clerk() -> Client:
    """May keep the list of operators, and is no superuser."""
    operator = User.objects.create_user("clara", is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    return operators.logged_in(operator)


def test_nobody_but_a_superuser_hands_out_power(books):
    operators.sue()
    client = clerk()
    clara = User.objects.get(username="clara")
    save(
        client,
        f"/admin/auth/user/{clara.pk}/change/",
        {"username": "clara", "is_active": "on", "is_staff": "on", "is_superuser": "on", "first_name": "Clara"},
    )
    clara.refresh_from_db()
    assert (clara.first_name, clara.is_superuser) == ("Clara", False)
    assert client.post("/admin/auth/group/add/", {"name": "all"}).status_code == 403


def test_nobody_but_a_superuser_touches_a_superuser(books):
    operators.sue()
    client = clerk()
    sue = User.objects.get(username="sue")
    new = {"password1": "another horse entirely", "password2": "another horse entirely"}
    assert client.post(f"/admin/auth/user/{sue.pk}/password/", new).status_code == 403
    assert client.post(f"/admin/auth/user/{sue.pk}/change/", {"username": "sue"}).status_code == 403
    sue.refresh_from_db()
    assert sue.check_password(operators.PASSWORD)


def test_a_superuser_makes_operators_and_gives_them_roles(books):
    client = operators.sue()
    assert "/new-password/" in shown(client.post("/admin/auth/user/add/", {"username": "otto"}))
    otto = User.objects.get(username="otto")
    assert not otto.has_usable_password()
    save(client, "/admin/auth/group/add/", {"name": "readers"})
    group = Group.objects.get(name="readers")
    url = f"/admin/auth/user/{otto.pk}/change/"
    save(client, url, {"username": "otto", "is_active": "on", "is_staff": "on", "groups": [group.pk]})
    otto.refresh_from_db()
    assert otto.is_staff
    assert otto.groups.get() == group
