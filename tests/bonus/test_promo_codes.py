"""Codes that players enter: any case, one open offer each, once a player, and never more than there are."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from bonus.models import Bonus, Offer
from bonus.offers import InvalidOffer, create_offer, edit_offer
from casino_pam.api.rest import throttling
from casino_pam.engine import commands
from tests import bonus_scenario, rest_client, scenario
from tests.rest_client import Reply
from tests.sample_offers import CASHBACK, FIXED
from tests.scenario import word
from tests.threads import processes, threads

PAST, FUTURE = "2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def house(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "_not_before", 0.0)
    scenario.catalogue()
    scenario.bob()


def summer(**fields: Any) -> Offer:
    return bonus_scenario.gift(promo_code="Summer-26", **fields)


def enter(code: Any = "SUMMER-26", who: str = "bob", currency: str = "EUR") -> Reply:
    return rest_client.player(who).post("me/promo-codes", {"code": code, "currency": currency})


def test_a_code_of_any_case_brings_its_offer_once_however_often_that_may_be_had() -> None:
    assert summer(per_player=3).promo_code == "SUMMER-26"
    made = enter("sUmMeR-26")
    assert (made.status, made["offer"], made["status"]) == (201, "gift", "active")
    again = enter()
    assert (again.status, again["code"], again["why"]) == (422, "offer_not_available", "already_claimed")
    assert again["id"] == made["id"]
    assert bonus_scenario.statuses() == ["active"]
    # A later campaign of the same offer has another code, which is good once as well.
    edit_offer(Offer.objects.get(), {"promo_code": "AUTUMN"})
    assert enter("autumn").status == 201


def test_what_is_no_code_of_now_is_refused_clearly_and_grants_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "CODES_A_MINUTE", 100)
    for number, (fields, refused) in enumerate(
        [
            ({"enabled": False}, (404, "unknown_promo_code", None)),
            ({"valid_from": FUTURE}, (422, "offer_not_available", "not_yet_valid")),
            ({"valid_until": PAST}, (422, "offer_not_available", "no_longer_valid")),
            ({"countries": ["MT"]}, (422, "offer_not_available", "country")),
        ]
    ):
        fields = {"code": f"offer-{number}", "promo_code": f"CODE-{number}", **fields}
        bonus_scenario.gift(**fields)
        answer = enter(fields["promo_code"])
        assert (answer.status, answer["code"], answer.body.get("why")) == refused
    for code in ("x", "a" * 33, "SÜMMER", "SUMMER 26", "-SUMMER", "SUMMER\n", None, 1):
        assert (enter(code).status, enter(code)["code"]) == (400, "invalid_field")
    assert (enter("WINTER").status, enter("WINTER")["code"]) == (404, "unknown_promo_code")
    assert not Bonus.objects.exists()


def test_a_code_needs_a_wallet_in_a_currency_of_its_offer() -> None:
    summer()
    assert enter(currency="JPY")["code"] == "unknown_wallet"
    assert enter(currency="XXX")["code"] == "unknown_currency"
    scenario.player("bob", "0", currency="JPY")
    assert (enter(currency="JPY")["code"], enter(currency="JPY")["why"]) == ("offer_not_available", "currency")


def test_an_offer_with_a_code_is_neither_shown_nor_claimed_without_it() -> None:
    summer()
    bob = rest_client.player("bob")
    assert bob.get("me/offers")["results"] == []
    claimed = bob.post("me/bonuses", {"offer": "gift", "currency": "EUR"})
    assert (claimed.status, claimed["code"], claimed["why"]) == (422, "offer_not_available", "needs_a_code")
    # A back end grants it to whom it likes.
    assert bonus_scenario.grant().bonus.status == "active"


def test_a_code_that_was_changed_meanwhile_is_unknown() -> None:
    summer()
    claim = bonus_scenario.claim("gift", promo_code="SPRING")
    assert word(claim) == "unknown_promo_code"
    open_to_all = bonus_scenario.gift(code="open")
    assert word(bonus_scenario.claim(open_to_all.code, promo_code="SPRING")) == "unknown_promo_code"


def test_two_open_offers_never_have_one_code() -> None:
    summer()
    other = {**FIXED, "code": "other", "promo_code": "summer-26"}
    for write in (lambda: create_offer(other), lambda: _opened({**other, "enabled": False})):
        with pytest.raises(InvalidOffer) as refused:
            write()
        assert [problem.message for problem in refused.value.problems] == ["is the code of the open offer gift"]
    edit_offer(Offer.objects.get(code="gift"), {"enabled": False})
    assert edit_offer(Offer.objects.get(code="other"), {"enabled": True}).promo_code == "SUMMER-26"


def _opened(closed: dict[str, Any]) -> Offer:
    return edit_offer(create_offer(closed), {"enabled": True})


def test_an_offer_that_could_have_no_such_code_is_not_saved() -> None:
    wrong = [(FIXED, code, "must be 3 to 32 letters") for code in ("ab", "a" * 33, "a b", "-ab", "été", 123)]
    for offer, code, said in [*wrong, (CASHBACK, "BACK", "must be left out when kind is cashback")]:
        with pytest.raises(InvalidOffer) as refused:
            create_offer({**offer, "promo_code": code})
        ((field, message),) = refused.value.problems
        assert field == "promo_code" and message.startswith(said)
    assert not Offer.objects.exists()


def test_of_all_who_enter_it_at_once_no_more_get_it_than_there_are() -> None:
    summer(total=5)
    names = [f"p{number}" for number in range(16)]
    for name in names:
        scenario.player(name)

    def entering(name: str) -> Any:
        return lambda: word_of(claim_of(name))

    # Each asks twice, from two processes.
    outcomes = processes(2, [entering(name) for name in names * 2])
    assert outcomes.count("granted") == 5
    assert set(outcomes) == {"granted", "offer_not_available"}
    offer = Offer.objects.get()
    assert (offer.granted, Bonus.objects.count()) == (5, 5)
    assert Bonus.objects.values("player").distinct().count() == 5


def claim_of(name: str) -> Any:
    return bonus_scenario.claim("gift", name, source="bonus", promo_code="SUMMER-26", at=commands.now())


def word_of(outcome: Any) -> str:
    return str(outcome.code) if hasattr(outcome, "code") else "granted"


def test_thirty_two_times_one_player_is_one_bonus() -> None:
    summer(per_player=100)
    outcomes = threads([lambda: word_of(claim_of("bob"))] * 32)
    assert (outcomes.count("granted"), Bonus.objects.count()) == (1, 1)


def test_without_the_code_in_its_reference_a_player_would_have_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard taken away."""
    summer(per_player=100)
    monkeypatch.setattr(commands.Claim, "reference", None)
    outcomes = threads([lambda: word_of(claim_of("bob"))] * 8)
    assert outcomes.count("granted") == Bonus.objects.count() > 1


def test_whoever_guesses_is_slowed_down_and_nobody_else() -> None:
    summer()
    scenario.player("carl")
    with time_machine.travel(1_790_000_010, tick=False) as clock:
        assert [enter(f"GUESS-{n}").status for n in range(12)] == [404] * throttling.CODES_A_MINUTE + [429] * 2
        refused = enter()
        assert (refused["code"], refused.headers["Retry-After"]) == ("rate_limited", "30")
        assert enter(who="carl").status == 201
        clock.shift(30)
        assert enter().status == 201
