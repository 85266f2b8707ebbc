"""Providers at the REST door and by `manage.py provider`: one set of rules, and nothing of a secret told twice."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command

from tests import rest_client, scenario
from tests.threads import threads
from wallet import providers
from wallet.models import AuditEntry, Provider
from wallet.models.provider import PROFILES, profile_of


def pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


LONG = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
OTHER = pem(rsa.generate_private_key(public_exponent=65537, key_size=3072))
SHORT = pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505
CURVE = pem(ec.generate_private_key(ec.SECP256R1()))
NOVA = {"code": "nova", "name": "Nova"}


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    scenario.catalogue()
    return rest_client.key("providers")


def nova() -> Provider:
    return Provider.objects.get(code="nova")


def ran(*args: str) -> str:
    out = StringIO()
    call_command("provider", *args, stdout=out)
    return out.getvalue().strip()


# --- the table of profiles ---------------------------------------------------------------------

# As the contract's table has it, column by column.
COLUMNS = (
    "replay_balance", "zero_amount", "win_requires_bet", "unknown_rollback", "rollback_after_win", "rollback_wins",
    "win_rollback", "share_references",
)  # fmt: skip
TABLE = {
    "beexar": ("first", "refuse", False, "void", "allow", True, "clamp", True),
    "hub88": ("first", "accept", True, "void", "allow", True, "clamp", True),
    "swipegames": ("first", "accept", False, "void", "allow", True, "clamp", True),
    "slotegrator": ("first", "accept", False, "void", "allow", True, "clamp", False),
    "pragmatic": ("current", "accept", True, "not_found", "refuse", False, "refuse", True),
    "evolution": ("current", "accept", True, "not_found", "refuse", False, "refuse", False),
}


@pytest.mark.parametrize("dialect", TABLE)
def test_a_dialect_brings_the_profile_of_the_contract(shop: rest_client.Caller, dialect: str) -> None:
    profile = shop.post("providers", {**NOVA, "dialect": dialect})["profile"]
    assert tuple(profile[name] for name in COLUMNS) == TABLE[dialect]
    assert (profile["late_bet"], profile["late_win"]) == ("refuse", "accept")
    assert profile["ends_rounds"] is (dialect == "pragmatic")
    assert profile["reference_scope"] == "global"


def test_every_dialect_but_our_own_has_a_profile() -> None:
    assert {"door", *PROFILES} == set(Provider.Dialect.values)


# --- making -------------------------------------------------------------------------------------


def test_makes_a_provider_and_shows_its_secret_once(shop: rest_client.Caller) -> None:
    made = shop.post("providers", {**NOVA, "dialect": "hub88", "public_keys": [LONG], "currencies": {"mBTC": "BTC"}})
    assert made.status == 201
    assert nova().live_secrets() == (made["secret"].encode(),)
    assert made["address"].endswith("/api/game/hub88/nova/")
    shown = shop.get("providers/nova")
    assert shown.body == {name: value for name, value in made.body.items() if name != "secret"}
    assert (shown["live_secrets"], shown["public_keys"], shown["currencies"]) == (1, [LONG], {"mBTC": "BTC"})
    entry = AuditEntry.objects.get(act="add provider")
    assert (entry.actor, entry.subject) == ("key:shop", "nova")
    assert made["secret"] not in json.dumps(entry.after)


def test_takes_the_secret_that_the_provider_dictates(shop: rest_client.Caller) -> None:
    assert shop.post("providers", {**NOVA, "secret": "s3cret-slot"})["secret"] == "s3cret-slot"
    assert nova().live_secrets() == (b"s3cret-slot",)


def test_what_is_named_goes_before_what_the_dialect_brings(shop: rest_client.Caller) -> None:
    asked = {**NOVA, "dialect": "hub88", "profile": {"win_requires_bet": False, "reference_scope": "player"}}
    assert shop.post("providers", asked).status == 201
    provider = nova()
    assert (provider.win_requires_bet, provider.share_references, provider.reference_scope) == (False, True, "player")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "Nova"}, "code"),
        ({"code": "cashier"}, "code"),
        ({"code": ""}, "code"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": 7}, "name"),
        ({"dialect": "klingon"}, "dialect"),
        ({"dialect": None}, "dialect"),
        ({"enabled": "yes"}, "enabled"),
        ({"merchant": ""}, "merchant"),
        ({"secret": ""}, "secret"),
        ({"secret": "é"}, "secret"),
        ({"secret": "x" * 129}, "secret"),
        ({"public_keys": "x"}, "public_keys"),
        ({"public_keys": [LONG, OTHER, LONG]}, "public_keys"),
        ({"public_keys": ["x"]}, "public_keys[0]"),
        ({"public_keys": [LONG, SHORT]}, "public_keys[1]"),
        ({"public_keys": [CURVE]}, "public_keys[0]"),
        ({"currencies": []}, "currencies"),
        ({"currencies": {"x": "XXX"}}, "currencies"),
        ({"currencies": {"a": "EUR", "b": "EUR"}}, "currencies"),
        ({"currencies": {"a": 7}}, "currencies"),
        ({"currencies": {"": "EUR"}}, "currencies"),
        ({"profile": {"late_win": "maybe"}}, "profile.late_win"),
        ({"profile": {"rollback_wins": 1}}, "profile.rollback_wins"),
        ({"profile": {"rollbackwins": True}}, "profile.rollbackwins"),
        ({"dialekt": "hub88"}, "dialekt"),
    ],
)
def test_makes_nothing_of_a_body_that_is_wrong(shop: rest_client.Caller, changes: dict[str, Any], field: str) -> None:
    answer = shop.post("providers", {**NOVA, **changes})
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", field)
    assert not Provider.objects.filter(name="Nova").exists()


def test_makes_no_second_one_of_that_code(shop: rest_client.Caller) -> None:
    answer = shop.post("providers", {"code": "acme", "name": "Another"})
    assert (answer.status, answer["code"]) == (409, "already_exists")
    assert Provider.objects.get(code="acme").name == "Acme"


# --- changing -----------------------------------------------------------------------------------


def test_changes_what_is_named_and_no_more(shop: rest_client.Caller) -> None:
    before = Provider.objects.values().get(code="acme")
    answer = shop.patch("providers/acme", {"enabled": False, "profile": {"late_win": "refuse"}})
    assert (answer.status, answer["enabled"], answer["profile"]["late_win"]) == (200, False, "refuse")
    assert Provider.objects.values().get(code="acme") == {**before, "enabled": False, "late_win": "refuse"}
    entry = AuditEntry.objects.get(act="change provider")
    assert (entry.before, entry.after) == (
        {"enabled": True, "late_win": "accept"},
        {"enabled": False, "late_win": "refuse"},
    )


def test_another_dialect_brings_its_profile_and_what_follows_may_change_it(shop: rest_client.Caller) -> None:
    shop.patch("providers/acme", {"dialect": "pragmatic"})
    acme = Provider.objects.get(code="acme")
    assert {name: getattr(acme, name) for name in profile_of("pragmatic")} == profile_of("pragmatic")
    shop.patch("providers/acme", {"profile": {"win_requires_bet": False}})
    shop.patch("providers/acme", {"dialect": "pragmatic"})
    assert Provider.objects.get(code="acme").win_requires_bet is False


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({"dialect": "hub88"}, True),
        ({"merchant": "m-1"}, True),
        ({"public_keys": [LONG]}, True),
        ({"currencies": {"E": "EUR"}}, True),
        ({"profile": {"reference_scope": "player"}}, True),
        ({"enabled": False}, False),
        ({"profile": {"late_win": "refuse"}}, False),
        ({"name": "Acme"}, False),
    ],
)
def test_what_the_game_door_knows_by_heart_counts_the_version_up(
    shop: rest_client.Caller, changes: dict[str, Any], counted: bool
) -> None:
    before = Provider.objects.get(code="acme").secrets_version
    shop.patch("providers/acme", changes)
    assert (Provider.objects.get(code="acme").secrets_version > before) is counted


def test_what_references_are_made_of_is_fixed_from_the_first_transaction_on(shop: rest_client.Caller) -> None:
    scenario.alice()
    scenario.bet()
    answer = shop.patch("providers/acme", {"profile": {"reference_scope": "player"}})
    assert (answer.status, answer["field"]) == (400, "reference_scope")


def test_two_public_keys_may_be_live(shop: rest_client.Caller) -> None:
    shop.post("providers", NOVA)
    assert shop.patch("providers/nova", {"public_keys": [OTHER, LONG]})["public_keys"] == [OTHER, LONG]
    assert shop.patch("providers/nova", {"public_keys": [OTHER]})["public_keys"] == [OTHER]
    assert shop.patch("providers/nova", {"public_keys": []})["public_keys"] == []


def test_knows_no_provider_of_another_name(shop: rest_client.Caller) -> None:
    for method, path, body in (
        ("GET", "providers/nobody", None),
        ("PATCH", "providers/nobody", {"enabled": False}),
        ("POST", "providers/nobody/secrets", {}),
        ("DELETE", "providers/nobody/secrets", None),
        ("DELETE", "providers/nobody/secrets/older", None),
    ):
        answer = shop.call(method, path, body)
        assert (answer.status, answer["code"]) == (404, "unknown_provider")


# --- secrets ------------------------------------------------------------------------------------


def test_makes_secrets_of_which_two_live_and_takes_them_back(shop: rest_client.Caller) -> None:
    second = shop.post("providers/acme/secrets", {})["secret"]
    third = shop.post("providers/acme/secrets", {"secret": "dictated"})["secret"]
    acme = Provider.objects.get(code="acme")
    assert acme.live_secrets() == (third.encode(), second.encode())
    assert shop.call("DELETE", "providers/acme/secrets/older").status == 204
    assert Provider.objects.get(code="acme").live_secrets() == (b"dictated",)
    assert shop.call("DELETE", "providers/acme/secrets").status == 204
    assert Provider.objects.get(code="acme").live_secrets() == ()
    acts = AuditEntry.objects.filter(subject="acme").order_by("id").values_list("act", flat=True)
    assert list(acts) == ["make a new secret"] * 2 + ["revoke the older secret", "revoke every secret"]


# --- the command --------------------------------------------------------------------------------


def test_the_command_makes_shows_and_changes_a_provider(shop: rest_client.Caller, tmp_path: Path) -> None:
    keys = [tmp_path / name for name in ("one.pem", "two.pem")]
    keys[0].write_text(LONG)
    keys[1].write_text(OTHER)
    secret = ran("create", "nova", "--name", "Nova", "--dialect", "hub88", "--public-key", str(keys[0]))
    assert nova().live_secrets() == (secret.encode(),)
    ran("change", "nova", "--public-key", str(keys[1]), "--public-key", str(keys[0]), "--currency", "mBTC=BTC")
    ran("change", "nova", "--set", "late_win=refuse", "--set", "rollback_wins=off", "--disable", "--merchant", "m-1")
    shown = json.loads(ran("show", "nova"))
    assert shown["public_keys"] == [OTHER, LONG]
    assert (shown["currencies"], shown["late_win"], shown["rollback_wins"]) == ({"mBTC": "BTC"}, "refuse", False)
    assert (shown["enabled"], shown["merchant"], shown["live_secrets"]) == (False, "m-1", 1)
    assert "nova  hub88  disabled" in ran("list")
    assert secret not in ran("show", "nova")


def test_the_command_renews_and_revokes_secrets(shop: rest_client.Caller) -> None:
    first = Provider.objects.get(code="acme").live_secrets()[0].decode()
    assert ran("secret", "acme", "--secret", "dictated") == "dictated"
    assert Provider.objects.get(code="acme").live_secrets() == (b"dictated", first.encode())
    ran("revoke", "acme")
    assert Provider.objects.get(code="acme").live_secrets() == (b"dictated",)
    ran("revoke", "acme", "--all")
    assert Provider.objects.get(code="acme").live_secrets() == ()
    assert AuditEntry.objects.filter(actor="command:provider").count() == 3


@pytest.mark.parametrize(
    "args",
    [
        ["create", "Nova", "--name", "Nova"],
        ["create", "acme", "--name", "Another"],
        ["create", "nova", "--name", "Nova", "--secret", "é"],
        ["create", "nova", "--name", "x" * 129],
        ["create", "nova", "--name", "Nova", "--currency", "x=XXX"],
        ["create", "nova", "--name", "Nova", "--currency", "EUR"],
        ["create", "nova", "--name", "Nova", "--set", "late_win=maybe"],
        ["create", "nova", "--name", "Nova", "--set", "moon=full"],
        ["create", "nova", "--name", "Nova", "--public-key", "/nowhere"],
        ["show", "nobody"],
        ["change", "nobody", "--disable"],
        ["secret", "nobody"],
        ["revoke", "nobody"],
    ],
)
def test_the_command_says_in_a_sentence_what_is_wrong(shop: rest_client.Caller, args: list[str]) -> None:
    with pytest.raises(CommandError) as error:
        ran(*args)
    assert str(error.value).strip()
    assert not Provider.objects.filter(name="Nova").exists()


def test_secrets_made_at_once_are_each_counted(books: None) -> None:
    """The counter is what proves a signature stale: no change may put it back, and nobody locks the row for it."""
    scenario.catalogue()
    before = Provider.objects.get(code="acme").secrets_version
    made = threads([lambda: providers.new_secret("acme") for _ in range(4)])
    after = Provider.objects.get(code="acme")
    assert after.secrets_version == before + 4
    assert set(after.live_secrets()) <= {secret.encode() for secret in made}
