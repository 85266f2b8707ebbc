"""`manage.py set_up`: from empty tables to a house that a provider can call, and the same when it is run again."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from casino_pam.management.commands import set_up
from tests import rest_client
from tests.game_client import Door
from wallet.models import AccountChange, ApiKey, AuditEntry, Currency, Provider

pytestmark = pytest.mark.usefixtures("books")

EVERYTHING = (
    "--operator=olive", "--currency=EUR=2", "--currency=JPY=0", "--country=GB", "--country=MT", "--key=shop",
    "--provider=acme=door", "--provider=softswiss-one=beexar",
)  # fmt: skip


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("set_up", "--no-input", *options, stdout=out)
    return out.getvalue()


def shown(told: str, before: str) -> str:
    """The line behind the one that ends so."""
    lines = told.splitlines()
    (place,) = (place for place, line in enumerate(lines) if before in line)
    return lines[place + 1].strip()


def test_an_empty_house_is_told_what_it_lacks():
    told = run()
    assert "manage.py set_up --currency EUR=2 --operator NAME --key NAME --provider CODE=DIALECT" in told
    assert "docs/production.md" in told


def test_what_it_made_can_be_used_at_every_door(settings: Any):
    told = run(*EVERYTHING)
    assert "asks of the house:\n  A bonus need be wagered ten times at most" in told
    assert "Malta asks nothing of the house that it knows of." in told
    # The operator sets a password, and is in.
    path = shown(told, "Operator olive").removeprefix(settings.BASE_URL)
    browser = Client()
    form = browser.get(path, follow=True)
    chosen = {"new_password1": "quite-a-long-one-7", "new_password2": "quite-a-long-one-7"}
    browser.post(form.redirect_chain[-1][0], chosen)
    browser.post("/admin/login/", {"username": "olive", "password": "quite-a-long-one-7"})
    assert browser.get("/admin/").status_code == 200
    # The back end makes a player and lets a deposit in.
    shop = rest_client.Caller(f"Api-Key {shown(told, 'The back end shop')}")
    assert shop.post("players", {"player": "alice", "wallets": ["EUR"]}).status == 201
    deposit = {"player": "alice", "currency": "EUR", "reference": "d", "amount": "50.00"}
    assert shop.post("deposits", deposit)["balance"] == "50.00"
    # The provider plays.
    bet = {"player": "alice", "currency": "EUR", "reference": "b", "round": "r", "game": "g", "amount": "1.00"}
    with Door() as door:
        assert door.post("bet", bet, secret=shown(told, "Provider acme speaks door"))["balance"] == "49.00"
    assert "It calls http://127.0.0.1:8080/api/game/beexar/softswiss-one/" in told


def test_run_again_it_makes_nothing_twice_and_shows_no_secret_again():
    first = run(*EVERYTHING)
    secrets = [shown(first, before) for before in ("The back end", "speaks door", "speaks beexar")]
    kept = Provider.objects.get(code="acme").live_secrets()
    again = run(*EVERYTHING)
    assert not any(secret in again for secret in secrets)
    assert Provider.objects.get(code="acme").live_secrets() == kept
    assert (Currency.objects.count(), Provider.objects.count(), ApiKey.objects.count()) == (2, 2, 1)
    # Nobody has set the password yet: the operator may need another link.
    assert "new-password" in again
    olive = User.objects.get(username="olive")
    olive.set_password("quite-a-long-one-7")
    olive.save()
    assert "new-password" not in run(*EVERYTHING)


def test_whatever_it_made_stands_in_the_audit_trail_and_the_operator_as_one_that_a_command_made():
    run(*EVERYTHING)
    rows = set(AuditEntry.objects.values_list("actor", "act", "subject"))
    assert {
        ("command:set_up", "add currency", "EUR"), ("command:set_up", "make account", "olive"),
        ("command:set_up", "add provider", "acme"), ("command:api_key", "add api key", "shop"),
    } <= rows  # fmt: skip
    assert list(AccountChange.objects.filter(account="olive").values_list("actor", "what")) == [
        ("command:set_up", "account")
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--currency", "EUR=3"], "EUR has 2 decimal places already, and they never change."),
        (["--provider", "acme=hub88"], "acme speaks door: `manage.py provider change` changes that."),
        (["--provider", "Acme=door"], "small letters"),
        (["--operator", "a b"], "Enter a valid username"),
        (["--currency", "EUR"], "is not of the form EUR=2"),
        (["--currency", "EUR=19"], "is not of the form EUR=2"),
        (["--provider", "acme"], "is not of the form acme=DIALECT"),
        (["--provider", "acme=morse"], "is not of the form acme=DIALECT"),
        (["--country", "UK"], '"UK" is "GB"'),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_made(options: list[str], says: str):
    run("--currency", "EUR=2", "--provider", "acme=door")
    with pytest.raises(CommandError, match=re.escape(says)):
        run("--currency", "JPY=0", *options)
    assert not Currency.objects.filter(code="JPY").exists()


def test_somebody_at_the_terminal_is_asked_and_asked_again(monkeypatch: pytest.MonkeyPatch):
    answers = iter(["olive", "EUR", "EUR=2 JPY=0", "", "shop", "acme=door"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    monkeypatch.setattr(set_up.sys.stdin, "isatty", lambda: True, raising=False)
    out, err = io.StringIO(), io.StringIO()
    call_command("set_up", stdout=out, stderr=err)
    assert "'EUR' is not of the form EUR=2" in err.getvalue()
    assert set(Currency.objects.values_list("code", flat=True)) == {"EUR", "JPY"}
    assert Provider.objects.get().code == "acme"
    assert "manage.py set_up" not in out.getvalue()


def test_what_comes_next_can_be_done():
    """Cases are there for the dialects of others alone, and make up players in a house that is no demo."""
    told = run(*EVERYTHING, "--provider", "nova=swipegames")
    assert "Give acme its address and secret.\n" in told
    assert "manage.py certify nova --yes." in told
