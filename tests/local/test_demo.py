"""The demo house: complete after one command, the same after two, and nowhere but on a demo machine."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import subprocess
import time
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from casino_pam import demo, tokens
from casino_pam.engine import posting
from casino_pam.local import demo_data
from tests import scenario
from tests.clean_books import ROLES
from wallet import providers
from wallet.errors import Refused
from wallet.models import ApiKey, Game, Player, Provider, Transaction, Wallet
from wallet.models.provider import profile_of


@pytest.fixture
def machine(books: None, settings: Any) -> None:
    """A machine that was told to be a demo, empty."""
    settings.DEMO = True


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("demo", *options, stdout=out)
    return out.getvalue()


def printed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json"))
    return found


def everything() -> dict[str, list[tuple[Any, ...]]]:
    tables = [name for name in connection.introspection.table_names() if name.startswith(("wallet_", "auth_"))]
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def test_loading_furnishes_an_empty_house_and_prints_nothing(machine):
    assert run("--load") == ""
    for wallet in Wallet.objects.exclude(player__code="vera"):
        assert wallet.cash > 0, wallet
    kinds = set(Transaction.objects.values_list("kind", "status"))
    assert {("BET", "POSTED"), ("BET", "REFUSED"), ("ROLLBACK", "POSTED"), ("WIN", "POSTED")} <= kinds
    assert {("DEPOSIT", "POSTED"), ("HOLD", "POSTED"), ("SETTLE", "POSTED"), ("END_ROUND", "POSTED")} <= kinds
    assert {game.category for game in Game.objects.all()} == {"slots", "table", "live", "crash"}


def test_loading_twice_changes_nothing(machine):
    run("--load")
    before = everything()
    run("--load")
    assert everything() == before


def test_printing_needs_no_loading_first(machine):
    assert printed()["players"]
    assert Transaction.objects.exists()


def test_a_load_that_was_cut_short_is_completed(machine, monkeypatch):
    class Cut(Exception):
        pass

    def cut(guest: demo.Guest) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(demo_data, "_load_guest", cut)
        with pytest.raises(Cut):
            demo_data.load()
    assert not Player.objects.exists()
    run("--load")
    assert Player.objects.count() == len(demo.GUESTS) + 1


def test_what_is_missing_is_made_again(machine):
    run("--load")
    Game.objects.all().delete()
    User.objects.get(username="rita").delete()
    User.objects.filter(username="olga").update(password="!")
    provider = Provider.objects.get(code=demo.PROVIDER)
    provider.revoke(older_only=False)
    provider.save()
    ApiKey.objects.update(enabled=False)
    found = printed()
    assert Game.objects.count() == len(demo_data.GAMES)
    for operator in found["operators"]:
        assert User.objects.get(username=operator["username"]).check_password(operator["password"])
    assert Provider.objects.get(code=demo.PROVIDER).live_secrets() == (found["provider"]["secret"].encode(),)
    assert ApiKey.objects.get().enabled


def test_a_furnished_house_is_left_alone(machine):
    scenario.catalogue()
    before = everything()
    with pytest.raises(CommandError, match="nothing was loaded"):
        run("--load")
    with pytest.raises(CommandError, match="nothing was loaded"):
        run("--json")
    assert everything() == before


def test_players_who_came_later_do_not_stop_the_demo(machine):
    run("--load")
    scenario.player("stranger", "5.00")
    assert "stranger" not in run()
    assert scenario.balances("stranger")[0] == 500


@pytest.mark.parametrize("options", [[], ["--json"], ["--load"]])
def test_a_machine_that_is_no_demo_refuses_and_makes_nothing(books, options):
    assert not settings.DEMO
    with pytest.raises(CommandError, match="DEMO is off"):
        run(*options)
    assert not User.objects.exists()
    assert not ApiKey.objects.exists()


def test_the_json_is_one_object_for_scripts(machine):
    found = printed()
    assert found["base_url"] == "http://127.0.0.1:8080"
    assert {operator["role"] for operator in found["operators"]} == {"superuser", *ROLES}
    assert {player["currency"] for player in found["players"]} == {"EUR", "USD", "JPY", "KWD", "BTC"}
    assert set(found) == {"base_url", "api_key", "provider", "dialects", "operators", "players"}


def test_the_operators_have_their_roles(machine):
    run("--load")
    sue, olga, rita = (User.objects.get(username=name) for name in ("sue", "olga", "rita"))
    assert sue.is_superuser
    assert olga.has_perm("wallet.adjust_wallet")
    assert not olga.has_perm("wallet.settle_withdrawal")
    assert rita.has_perm("wallet.view_transaction")
    assert {permission.partition(".")[2].partition("_")[0] for permission in rita.get_all_permissions()} == {"view"}


def test_every_login_that_is_printed_works(machine):
    for operator in printed()["operators"]:
        form = {"username": operator["username"], "password": operator["password"]}
        assert Client().post("/admin/login/", form).status_code == 302


def test_the_key_and_the_secret_that_are_printed_are_live(machine):
    found = printed()
    key = ApiKey.objects.get(digest=ApiKey.digest_of(found["api_key"]))
    assert key.enabled
    assert key.provider is not None
    assert key.provider.code == found["provider"]["code"]
    assert Provider.objects.get(code=demo.PROVIDER).live_secrets() == (found["provider"]["secret"].encode(),)


def test_there_is_a_provider_of_each_dialect_and_its_line_is_printed(machine):
    found, told = printed(), run()
    assert {each["dialect"] for each in found["dialects"]} == set(Provider.Dialect.values) - {"door"}
    for each in found["dialects"]:
        provider = Provider.objects.get(code=each["code"])
        assert (provider.dialect, provider.live_secrets()) == (each["dialect"], (each["secret"].encode(),))
        assert {name: getattr(provider, name) for name in profile_of(each["dialect"])} == profile_of(each["dialect"])
        assert each["address"] == providers.address(provider, found["base_url"])
        assert each["address"] in told


def test_tokens_are_fresh_and_each_player_s_own(machine):
    now = time.time()
    for player in printed()["players"]:
        token = tokens.read(player["token"], now)
        assert token.player == player["player"]
        assert token.expires_at >= int(now) + tokens.LIFETIME_SECONDS


def test_another_machine_s_secrets_are_other_secrets(machine, settings):
    here = demo.secret("provider")
    settings.SECRET_KEY = "another machine's key, which nobody here has ever seen"
    assert demo.secret("provider") != here
    assert here not in {demo.secret("api key"), demo.secret("sue")}


def test_the_printed_bet_is_signed_as_the_door_wants_it(machine):
    """The lines are pasted into a real shell, with echo in the place of curl."""
    text = run()
    lines = text[text.index("  body=") : text.index("What the player sees:")].replace("curl -s", "printf '%s\\n'")
    said = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True).stdout.splitlines()
    headers = dict(line.split(": ", 1) for line in said if line.startswith("X-"))
    body = said[-1]
    assert json.loads(body)["amount"] == "1.00"
    message = f"POST\n/api/game/v1/bet\n{headers['X-Timestamp']}\n{body}"
    expected = hmac.new(demo.secret("provider").encode(), message.encode(), hashlib.sha256).hexdigest()
    assert headers["X-Signature"] == expected
    assert said[0] == f"{settings.BASE_URL}/api/game/v1/bet"


def test_the_link_to_the_player_s_page_carries_a_token_of_theirs(machine):
    token = re.search(r"^  (\S+)/play#token=(\S+)$", run(), re.MULTILINE)
    assert token is not None
    assert token[1] == settings.BASE_URL
    assert tokens.read(token[2], time.time()).player == demo.GUESTS[0].code


def test_the_printed_deposit_is_a_body_of_json(machine):
    text = run()
    lines = text[text.index("  curl -s") : text.index("A bet, signed")].replace("curl -s", "printf '%s\\n'")
    said = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"Authorization: Api-Key {demo.secret('api key')}" in said
    assert json.loads(said[-1])["player"] == "anna"


def test_a_refusal_nobody_expected_stops_the_load(machine, monkeypatch):
    monkeypatch.setattr(posting, "post", lambda asked: [Refused("wallet_locked")])
    with pytest.raises(Refused, match="wallet_locked"):
        demo_data.load()
