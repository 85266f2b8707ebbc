"""`manage.py api_key`."""

import io

import pytest
from django.core.management import CommandError, call_command

from tests import rest_client, scenario
from wallet.models import ApiKey, AuditEntry


def api_key(*arguments: str) -> str:
    out = io.StringIO()
    call_command("api_key", *arguments, stdout=out)
    return out.getvalue().strip()


def test_prints_a_key_that_lets_in_and_is_kept_nowhere(books: None) -> None:
    scenario.catalogue()
    wanted = ("--scopes", "players", "play", "--source", "cashier:shop", "--provider", "acme")
    printed = api_key("create", "shop", *wanted)
    kept = ApiKey.objects.get()
    assert (kept.scopes, kept.source, kept.provider and kept.provider.code) == (
        ["players", "play"],
        "cashier:shop",
        "acme",
    )
    assert printed.encode() not in bytes(kept.digest)
    assert rest_client.Caller(f"Api-Key {printed}").post("players", {"player": "dora"}).status == 201


def test_a_key_opens_nothing_from_the_day_on_that_it_is_told(books: None) -> None:
    scenario.catalogue()
    old = rest_client.Caller(f"Api-Key {api_key('create', 'old', '--scopes', 'feed', '--expires', '2026-09-21')}")
    assert (old.get("feed").status, old.get("feed")["expired_at"]) == (401, "2026-09-21T00:00:00+00:00")
    new = rest_client.Caller(f"Api-Key {api_key('create', 'new', '--scopes', 'feed', '--expires', '2999-12-31')}")
    assert new.get("feed").status == 200


def test_takes_a_key_back(books: None) -> None:
    caller = rest_client.Caller(f"Api-Key {api_key('create', 'shop', '--scopes', 'feed')}")
    assert caller.get("feed").status == 200
    api_key("revoke", "shop")
    assert caller.get("feed").status == 401


def test_keys_made_and_taken_back_are_in_the_audit_trail(books: None) -> None:
    key = api_key("create", "shop", "--scopes", "feed")
    api_key("revoke", "shop")
    with pytest.raises(CommandError):
        api_key("revoke", "nobody")
    made, taken_back = AuditEntry.objects.order_by("id")
    assert (made.actor, made.act, made.subject) == ("command:api_key", "add api key", "shop")
    assert made.after == {"scopes": ["feed"], "source": "cashier", "provider": None, "expires_at": None}
    assert (taken_back.act, taken_back.after) == ("change api key", {"enabled": False})
    assert key not in str(made.after)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "shop", "--scopes", "players"), "called shop already"),
        (("create", "new", "--scopes", "everything"), "invalid choice"),
        (("create", "new", "--scopes", "play", "--provider", "nobody"), "no provider called nobody"),
        (("create", "new", "--scopes", "play", "--source", "bonus"), "no money source"),
        (("revoke", "nobody"), "no key called nobody"),
    ],
)
def test_says_what_cannot_be(books: None, arguments: tuple[str, ...], told: str) -> None:
    api_key("create", "shop", "--scopes", "players")
    with pytest.raises(CommandError, match=told):
        api_key(*arguments)
    assert ApiKey.objects.count() == 1
