"""Offers and bonuses through the REST door: for back ends and for players."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bonus.models import Bonus, Offer
from bonus.offers import show_offer, validate_offer
from tests import bonus_scenario, rest_client, scenario
from tests.sample_offers import CURRENCIES, FIXED, SPINS, WELCOME, changed
from wallet.models import Player, Transaction

LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    scenario.catalogue()
    scenario.player("bob")
    return rest_client.key(provider="acme")


def asked(reference: str = "g-1", offer: str = "gift", **more: Any) -> dict[str, Any]:
    return {"player": "bob", "currency": "EUR", "reference": reference, "offer": offer, **more}


def whole(offer: dict[str, Any]) -> Any:
    """The offer with every default, as it is shown."""
    return json.loads(json.dumps(show_offer(validate_offer(offer, CURRENCIES), CURRENCIES)))


# --- offers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [WELCOME, FIXED, SPINS], ids=lambda offer: offer["code"])
def test_makes_an_offer_and_shows_it_whole(shop: rest_client.Caller, offer: dict[str, Any]) -> None:
    made = shop.post("offers", offer)
    assert (made.status, made.body) == (201, whole(offer))
    assert shop.get(f"offers/{offer['code']}").body == made.body


def test_what_is_shown_can_be_sent_back(shop: rest_client.Caller) -> None:
    shown = shop.post("offers", WELCOME).body
    assert shop.patch("offers/welcome", shown).body == shown


def test_makes_an_offer_once(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    again = shop.post("offers", FIXED)
    assert (again.status, again["code"]) == (409, "already_exists")


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("kind", "lottery", "kind"),
        ("multiplier", "30", "multiplier"),
        ("multiplier", 1001, "multiplier"),
        ("amounts.EUR.cap", 200, "amounts.EUR.cap"),
        ("amounts.EUR.cap", "200.001", "amounts.EUR.cap"),
        ("amounts", {"XXX": {}}, "amounts"),
        ("weights.game", {"slot-1": 20001}, "weights.game.slot-1"),
        ("code", "Welcome!", "code"),
        ("name", None, "name"),
        ("valid_from", "tomorrow", "valid_from"),
        ("countries", ["GB"], "multiplier"),
        ("countries", ["UK"], "countries[0]"),
        ("max_convertion", "1000.00", "max_convertion"),
        ("amounts.EUR.max_convertion", "1000.00", "amounts.EUR.max_convertion"),
        ("weights.games", {"slot-1": 0}, "weights.games"),
        ("excluded.categories", ["live"], "excluded.categories"),
    ],
)
def test_says_what_is_wrong_with_an_offer(shop: rest_client.Caller, path: str, value: Any, field: str) -> None:
    answer = shop.post("offers", changed(WELCOME, path, value))
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", field)
    assert not Offer.objects.exists()


def test_edits_members_of_an_offer(shop: rest_client.Caller) -> None:
    shop.post("offers", WELCOME)
    edited = shop.patch("offers/welcome", {"enabled": False, "excluded": {"game": ["slot-1"]}})
    assert edited.status == 200
    assert edited.body == whole({**WELCOME, "enabled": False, "excluded": {"game": ["slot-1"]}})


def test_refuses_an_edit_that_makes_no_offer(shop: rest_client.Caller) -> None:
    shop.post("offers", WELCOME)
    for changes, field in (
        ({"code": "other"}, "code"),
        ({"countries": ["GB"]}, "multiplier"),
        ({"total": 0}, "total"),
        ({"enable": False}, "enable"),
    ):
        answer = shop.patch("offers/welcome", changes)
        assert (answer.status, answer["field"]) == (400, field)
    assert shop.get("offers/welcome").body == whole(WELCOME)


def test_lists_offers_by_code(shop: rest_client.Caller) -> None:
    for code in ("bb", "aa", "cc"):
        shop.post("offers", {**FIXED, "code": code})
    listed = shop.get("offers")
    assert ([each["code"] for each in listed["results"]], listed["next"]) == (["aa", "bb", "cc"], None)
    assert [each["code"] for each in shop.get("offers", cursor="aa")["results"]] == ["bb", "cc"]


def test_lists_offers_a_hundred_a_page(shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casino_pam.api.rest.pagination.PAGE", 2)
    for code in ("aa", "bb", "cc"):
        shop.post("offers", {**FIXED, "code": code})
    first = shop.get("offers")
    second = shop.get("offers", cursor=first["next"])
    assert [[each["code"] for each in page["results"]] for page in (first, second)] == [["aa", "bb"], ["cc"]]
    assert second["next"] is None


def test_knows_no_offer_of_another_name(shop: rest_client.Caller) -> None:
    for call in (shop.get("offers/none"), shop.patch("offers/none", {}), shop.get("offers/%00")):
        assert (call.status, call["code"]) == (404, "unknown_offer")


# --- grants ------------------------------------------------------------------------------------


def test_grants_a_bonus(shop: rest_client.Caller) -> None:
    shop.post("offers", {**FIXED, "spend_days": 30})
    granted = shop.post("bonuses", asked())
    bonus = Bonus.objects.get()
    assert granted.status == 201
    shown = {name: granted[name] for name in ("id", "offer", "status", "amount", "required", "wagered", "percent")}
    assert shown == {
        "id": str(bonus.id),
        "offer": "gift",
        "status": "active",
        "amount": "5.00",
        "required": "50.00",
        "wagered": "0.00",
        "percent": 0,
    }
    assert granted["expires_at"].endswith("Z")
    assert (bonus.source, bonus.reference, bonus.actor) == ("cashier", "g-1", "key:shop")


def test_a_repeated_grant_is_answered_with_the_bonus_as_it_stands(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    shop.post("bonuses", asked())
    scenario.bet("bob", "1.00")
    again = shop.post("bonuses", asked())
    assert (again.status, again["wagered"], again["percent"]) == (200, "1.00", 2)
    assert Bonus.objects.count() == 1


def test_refuses_a_grant_under_a_spent_reference(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    shop.post("offers", {**FIXED, "code": "other"})
    shop.post("bonuses", asked())
    answer = shop.post("bonuses", asked(offer="other"))
    assert (answer.status, answer["code"], answer["differing"]) == (409, "reference_reused", ["offer"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (asked(offer="none"), 404, "unknown_offer"),
        (asked(player="nobody"), 404, "unknown_player"),
        (asked(currency="JPY"), 404, "unknown_wallet"),
        (asked(currency="XXX"), 404, "unknown_currency"),
        (asked(offer=""), 400, "invalid_field"),
        (asked(reference=7), 400, "invalid_field"),
        ({"player": "bob"}, 400, "invalid_field"),
    ],
)
def test_refuses_grants_of_what_there_is_not(shop: rest_client.Caller, body: Any, status: int, code: str) -> None:
    shop.post("offers", FIXED)
    answer = shop.post("bonuses", body)
    assert (answer.status, answer["code"]) == (status, code)
    assert not Bonus.objects.exists()


def test_says_why_an_offer_is_not_available(shop: rest_client.Caller) -> None:
    shop.post("offers", {**FIXED, "valid_until": LONG_AGO})
    answer = shop.post("bonuses", asked())
    assert (answer.status, answer["code"], answer["why"]) == (422, "offer_not_available", "no_longer_valid")
    assert (answer["cash"], answer["bonus"], answer["currency"]) == ("0.00", "0.00", "EUR")


def test_reads_a_bonus(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    granted = shop.post("bonuses", asked()).body
    assert shop.get(f"bonuses/{granted['id']}").body == granted
    assert shop.get(f"bonuses/{granted['id'].upper()}").body == granted


def test_reads_a_bonus_past_its_time_as_expired(shop: rest_client.Caller) -> None:
    bonus = bonus_scenario.wagering("10.00", who="carl", spend_days=1)
    answer = shop.get(f"bonuses/{bonus.id}")
    # It was granted in the past, and nothing has touched the wallet since.
    Bonus.objects.update(expires_at=LONG_AGO)
    assert shop.get(f"bonuses/{bonus.id}")["status"] == "expired"
    assert answer["id"] == str(bonus.id)
    assert shop.get("players/carl/bonuses")["results"][0]["status"] == "expired"
    wallet = shop.get("players/carl/wallets/EUR")
    assert (wallet["bonus"], wallet["wagering"]) == ("0.00", None)


@pytest.mark.parametrize("name", ["nonsense", "01a20000-0000-7000-8000-000000000009", "%00", "7"])
def test_knows_no_bonus_of_another_name(shop: rest_client.Caller, name: str) -> None:
    assert shop.get(f"bonuses/{name}").status == 404
    answer = shop.post(f"bonuses/{name}/forfeit", {"reference": "f"})
    assert (answer.status, answer["code"]) == (404, "unknown_bonus")
    assert rest_client.player("bob").post(f"me/bonuses/{name}/forfeit").status == 404


def test_forfeits_a_bonus_once(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    bonus = shop.post("bonuses", asked())["id"]
    taken = shop.post(f"bonuses/{bonus}/forfeit", {"reference": "f-1"})
    assert (taken.status, taken["status"]) == (200, "forfeited")
    again = shop.post(f"bonuses/{bonus}/forfeit", {"reference": "f-1"})
    assert (again.status, again["status"]) == (200, "forfeited")
    other = shop.post(f"bonuses/{bonus}/forfeit", {"reference": "f-2"})
    assert (other.status, other["code"]) == (409, "bonus_ended")
    assert Transaction.objects.filter(kind="FORFEIT").count() == 1


def test_forfeits_nothing_without_a_reference(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    bonus = shop.post("bonuses", asked())["id"]
    assert shop.post(f"bonuses/{bonus}/forfeit", {}).status == 400
    assert shop.get(f"bonuses/{bonus}")["status"] == "active"


def test_lists_a_players_bonuses_newest_first(shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casino_pam.api.rest.pagination.PAGE", 2)
    shop.post("offers", {**FIXED, "per_player": 9})
    made = [shop.post("bonuses", asked(f"g-{n}"))["id"] for n in range(3)]
    first = shop.get("players/bob/bonuses")
    second = shop.get("players/bob/bonuses", cursor=first["next"])
    assert [each["id"] for page in (first, second) for each in page["results"]] == made[::-1]
    assert second["next"] is None
    assert shop.get("players/nobody/bonuses").status == 404
    assert shop.get("players/bob/bonuses", cursor="x")["code"] == "invalid_field"


def test_an_exclusion_through_the_door_cancels_what_waits(shop: rest_client.Caller) -> None:
    shop.post("offers", {**FIXED, "per_player": 2})
    for n in range(2):
        shop.post("bonuses", asked(f"g-{n}"))
    shop.patch("players/bob", {"excluded_until": "2100-01-01T00:00:00Z"})
    statuses = [each["status"] for each in shop.get("players/bob/bonuses")["results"]]
    assert statuses == ["cancelled", "active"]
    assert shop.post("bonuses", asked("g-3"))["code"] == "player_excluded"


# --- players -----------------------------------------------------------------------------------


def test_a_player_claims_an_offer_once(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    me = rest_client.player("bob")
    claimed = me.post("me/bonuses", {"offer": "gift", "currency": "EUR"})
    assert (claimed.status, claimed["status"], claimed["amount"]) == (201, "active", "5.00")
    again = me.post("me/bonuses", {"offer": "gift", "currency": "EUR"})
    assert (again.status, again["code"], again["why"]) == (422, "offer_not_available", "already_claimed")
    assert again["id"] == claimed["id"]
    assert [each["id"] for each in me.get("me/bonuses")["results"]] == [claimed["id"]]


def test_a_claimed_deposit_match_comes_with_the_deposit(shop: rest_client.Caller) -> None:
    shop.post("offers", WELCOME)
    claimed = rest_client.player("bob").post("me/bonuses", {"offer": "welcome", "currency": "EUR"})
    assert (claimed["status"], claimed["amount"], claimed["required"]) == ("pending", "0.00", "0.00")
    deposit = {"player": "bob", "currency": "EUR", "reference": "d-1", "amount": "20.00"}
    receipt = shop.post("deposits", deposit)
    assert (receipt["granted"]["id"], receipt["granted"]["status"]) == (claimed["id"], "active")
    assert (receipt["granted"]["required"], receipt["bonus"]) == ("600.00", "20.00")


def test_a_player_sees_only_offers_to_be_had(shop: rest_client.Caller) -> None:
    for code, fields in {
        "mine": {},
        "off": {"enabled": False},
        "over": {"valid_until": LONG_AGO},
        "abroad": {"countries": ["SE"]},
        "yen": {"amounts": {"JPY": {"amount": "500"}}},
    }.items():
        assert shop.post("offers", {**FIXED, "code": code, **fields}).status == 201
    me = rest_client.player("bob")
    (offer,) = me.get("me/offers")["results"]
    assert (offer["code"], offer["name"], offer["multiplier"]) == ("mine", "A gift", 10)
    assert offer["amounts"]["EUR"]["amount"] == "5.00"
    assert {"enabled", "total", "countries"}.isdisjoint(offer)
    me.post("me/bonuses", {"offer": "mine", "currency": "EUR"})
    assert me.get("me/offers")["results"] == []


def test_a_first_deposit_offer_is_not_shown_after_it(shop: rest_client.Caller) -> None:
    shop.post("offers", WELCOME)
    me = rest_client.player("bob")
    assert len(me.get("me/offers")["results"]) == 1
    scenario.deposit("bob", amount=100)
    assert me.get("me/offers")["results"] == []
    refused = me.post("me/bonuses", {"offer": "welcome", "currency": "EUR"})
    assert refused["why"] == "which_deposit"


def test_an_excluded_player_is_offered_nothing(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    Player.objects.update(excluded_until="2100-01-01T00:00:00Z")
    assert rest_client.player("bob").get("me/offers")["results"] == []


def test_a_player_gives_a_bonus_up(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    me = rest_client.player("bob")
    bonus = me.post("me/bonuses", {"offer": "gift", "currency": "EUR"})["id"]
    assert me.post(f"me/bonuses/{bonus}/forfeit")["status"] == "forfeited"
    again = me.post(f"me/bonuses/{bonus}/forfeit")
    assert (again.status, again["code"]) == (409, "bonus_ended")


def test_no_player_reaches_another_players_bonus(shop: rest_client.Caller) -> None:
    shop.post("offers", FIXED)
    scenario.alice()
    bonus = shop.post("bonuses", asked())["id"]
    alice = rest_client.player("alice")
    answer = alice.post(f"me/bonuses/{bonus}/forfeit")
    assert (answer.status, answer["code"]) == (404, "unknown_bonus")
    assert alice.get("me/bonuses")["results"] == []
    assert shop.get(f"bonuses/{bonus}")["status"] == "active"
