"""What back ends and players do leaves a row of the audit trail, in the transaction that does it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from bonus.models import Bonus, Offer
from tests import bonus_scenario, rest_client, scenario
from tests.sample_offers import FIXED
from wallet import audit
from wallet.models import Approval, AuditEntry, Currency, Player, Transaction, Wallet


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    scenario.catalogue()
    scenario.alice("100.00")
    return rest_client.key()


def trail() -> list[tuple[str, str, str | None, str]]:
    """Who did what to whom, in order."""
    rows = AuditEntry.objects.order_by("id").values_list("actor", "act", "player", "outcome")
    return [(actor, act, player, outcome) for actor, act, player, outcome in rows]


def told(act: str) -> tuple[Any, Any]:
    entry = AuditEntry.objects.filter(act=act).latest("id")
    return entry.before, entry.after


@pytest.mark.parametrize(
    ("before", "body", "was", "became"),
    [
        ({}, {"locks": {"bet": True}}, {"bet_locked": False}, {"bet_locked": True}),
        ({"bet_locked": True}, {"locks": {"bet": False}}, {"bet_locked": True}, {"bet_locked": False}),
        (
            {},
            {"excluded_until": "2999-01-01T02:00:00+02:00"},
            {"excluded_until": None},
            {"excluded_until": "2999-01-01T00:00:00Z"},
        ),
        (
            {"excluded_until": scenario.moment(scenario.NOON)},
            {"excluded_until": None},
            {"excluded_until": "2026-09-21T14:13:20Z"},
            {"excluded_until": None},
        ),
        ({"country": "MT"}, {"country": "SE"}, {"country": "MT"}, {"country": "SE"}),
        (
            {"bet_locked": True},
            {"locks": {"bet": True, "deposit": True}, "country": "SE"},
            {"deposit_locked": False, "country": None},
            {"deposit_locked": True, "country": "SE"},
        ),
    ],
)
def test_a_changed_player_is_in_the_trail_with_what_changed(
    shop: rest_client.Caller, before: Any, body: Any, was: Any, became: Any
) -> None:
    Player.objects.update(**before)
    assert shop.patch("players/alice", body).status == 200
    assert trail() == [("key:shop", "change player", "alice", "done")]
    assert told("change player") == (was, became)
    assert shop.patch("players/alice", body).status == 200
    assert len(trail()) == 1, "nothing was changed the second time"


def test_made_players_wallets_and_tokens_are_in_the_trail(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora", "country": "MT", "wallets": ["EUR"]})
    shop.post("players", {"player": "dora"})
    shop.post("players/dora/wallets", {"currency": "JPY"})
    shop.post("players/dora/wallets", {"currency": "JPY"})
    shop.post("players/dora/tokens")
    assert trail() == [
        ("key:shop", "add player", "dora", "done"),
        ("key:shop", "add wallet", "dora", "done"),
        ("key:shop", "issue token", "dora", "done"),
    ]
    assert told("add player")[1] == {"country": "MT", "wallets": ["EUR"], "verification": "unverified"}
    assert "token" not in (told("issue token")[1] or {})


def test_offers_made_and_changed_are_in_the_trail(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    shop.post("offers", FIXED)
    shop.patch(f"offers/{FIXED['code']}", {"enabled": False, "multiplier": FIXED["multiplier"]})
    shop.patch(f"offers/{FIXED['code']}", {"enabled": False})
    shop.patch(f"offers/{FIXED['code']}", {"multiplier": -1})
    assert trail() == [("key:shop", "add offer", None, "done"), ("key:shop", "change offer", None, "done")]
    assert told("add offer")[1]["amounts"] == shop.get(f"offers/{FIXED['code']}")["amounts"]
    assert told("change offer") == ({"enabled": True}, {"enabled": False})


def test_limits_are_in_the_trail_whoever_sets_them(shop: rest_client.Caller) -> None:
    limits = {"currency": "EUR", "stake": {"day": "10.00"}}
    shop.call("PUT", "players/alice/limits", limits)
    rest_client.player("alice").call("PUT", "me/limits", {**limits, "stake": {"day": "9.00"}})
    assert trail() == [("key:shop", "limit", "alice", "done"), ("player:alice", "limit", "alice", "done")]


def test_bonuses_granted_claimed_and_given_up_are_in_the_trail_once(shop: rest_client.Caller) -> None:
    bonus_scenario.gift(per_player=3)
    asked = {"player": "alice", "currency": "EUR", "offer": "gift"}
    for _ in range(2):
        granted = shop.post("bonuses", {**asked, "reference": "g-1"})
    for _ in range(2):
        shop.post(f"bonuses/{granted['id']}/forfeit", {"reference": "f-1"})
    alice = rest_client.player("alice")
    claimed = alice.post("me/bonuses", {"offer": "gift", "currency": "EUR"})
    alice.post(f"me/bonuses/{claimed['id']}/forfeit")
    assert trail() == [
        ("key:shop", "grant", "alice", "done"),
        ("key:shop", "forfeit", "alice", "done"),
        ("player:alice", "claim", "alice", "done"),
        ("player:alice", "forfeit", "alice", "done"),
    ]
    assert told("grant") == (None, {"offer": "gift", "status": "active", "amount": "5.00"})


def test_adjustments_are_in_the_trail_posted_or_waiting(shop: rest_client.Caller) -> None:
    Currency.objects.update(approval_above=5_000)
    asked = {"player": "alice", "currency": "EUR", "reason": "Paid twice"}
    for reference, amount in (("a-1", "-10.00"), ("a-2", "60.00"), ("a-1", "-10.00"), ("a-2", "60.00")):
        shop.post("adjustments", {**asked, "reference": reference, "amount": amount})
    shop.post("adjustments", {**asked, "reference": "a-3", "amount": "-50.00"})
    shop.post("adjustments", {**asked, "reference": "a-4", "amount": "-50.00"})
    assert trail() == [
        ("key:shop", "adjust", "alice", "done"),
        ("key:shop", "adjust", "alice", "waits"),
        ("key:shop", "adjust", "alice", "done"),
    ]
    assert AuditEntry.objects.first().reason == "Paid twice"  # type: ignore[union-attr]


def test_what_the_trail_cannot_take_is_not_done(shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction: neither without the other."""
    bonus_scenario.gift()
    offer = Offer.objects.values().get()
    Currency.objects.update(approval_above=5_000)
    adjustment = {"player": "alice", "currency": "EUR", "reason": "Paid twice"}

    def full(entry: AuditEntry) -> None:
        raise OperationalError("the disk is full")

    monkeypatch.setattr(audit, "_insert", full)
    monkeypatch.setattr("casino_pam.engine.posting.PATIENCE_SECONDS", 0.2)
    calls = [
        ("PATCH", "players/alice", {"locks": {"bet": True}}),
        ("POST", "players", {"player": "dora", "wallets": ["EUR"]}),
        ("POST", "players/alice/wallets", {"currency": "JPY"}),
        ("POST", "players/alice/tokens", None),
        ("PATCH", "offers/gift", {"enabled": False}),
        ("POST", "offers", {**FIXED, "code": "another"}),
        ("PUT", "players/alice/limits", {"currency": "EUR", "stake": {"day": "10.00"}}),
        ("POST", "bonuses", {"player": "alice", "currency": "EUR", "offer": "gift", "reference": "g-1"}),
        ("POST", "adjustments", {**adjustment, "reference": "a-1", "amount": "10.00"}),
        ("POST", "adjustments", {**adjustment, "reference": "a-2", "amount": "60.00"}),
    ]
    for method, path, body in calls:
        assert shop.call(method, path, body).status in (500, 503), path
    assert not Player.objects.filter(bet_locked=True).exists()
    assert list(Wallet.objects.values_list("player__code", "currency", "version")) == [("alice", "EUR", 1)]
    assert Offer.objects.values().get() == offer
    assert not Bonus.objects.exists() and not Approval.objects.exists() and not AuditEntry.objects.exists()
    assert Transaction.objects.count() == 1
