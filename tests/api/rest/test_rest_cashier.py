"""Deposits, withdrawals and plays through the REST door."""

from typing import Any

import pytest

from casino_pam.api.rest import pagination
from tests import bonus_scenario, rest_client, scenario
from wallet import history
from wallet.models import ApiKey, Transaction


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    scenario.catalogue()
    scenario.alice("100.00")
    return rest_client.key(provider="acme")


def asked(reference: str, amount: str = "10.00", **more: Any) -> dict[str, Any]:
    return {"player": "alice", "currency": "EUR", "reference": reference, "amount": amount, **more}


def played(reference: str, amount: str = "10.00", **more: Any) -> dict[str, Any]:
    return asked(reference, amount, round="round-1", game="slot-1", **more)


# --- deposits --------------------------------------------------------------------------------


def test_takes_a_deposit(shop: rest_client.Caller) -> None:
    answer = shop.post("deposits", asked("d-1", "25.50"))
    transaction = Transaction.objects.get(reference="d-1")
    assert (answer.status, answer.body) == (
        200,
        {
            "transaction": str(transaction.id),
            "kind": "deposit",
            "status": "posted",
            "reference": "d-1",
            "currency": "EUR",
            "amount": "25.50",
            "bonus_amount": "0.00",
            "balance": "125.50",
            "cash": "125.50",
            "bonus": "0.00",
            "version": 2,
            "replayed": False,
            "wagering": None,
            "granted": None,
            "grant_refusal": None,
        },
    )
    assert (transaction.source, transaction.actor) == ("cashier", "key:shop")


def test_answers_a_repeated_deposit_as_the_first_time(shop: rest_client.Caller) -> None:
    first = shop.post("deposits", asked("d-1"))
    shop.post("deposits", asked("d-2"))
    again = shop.post("deposits", asked("d-1"))
    assert again.status == 200
    assert again.body == {**first.body, "replayed": True}
    assert scenario.balances() == (12_000, 0, 0)


def test_names_what_differs_when_a_reference_is_reused(shop: rest_client.Caller) -> None:
    shop.post("deposits", asked("d-1"))
    answer = shop.post("deposits", asked("d-1", "11.00"))
    assert (answer.status, answer["code"], answer["differing"]) == (409, "reference_reused", ["amount"])
    assert scenario.balances() == (11_000, 0, 0)


def test_remembers_a_refused_deposit(shop: rest_client.Caller) -> None:
    shop.patch("players/alice", {"locks": {"deposit": True}})
    first = shop.post("deposits", asked("d-1"))
    assert (first.status, first["code"], first["replayed"], first["balance"]) == (422, "wallet_locked", False, "100.00")
    shop.patch("players/alice", {"locks": {"deposit": False}})
    again = shop.post("deposits", asked("d-1"))
    assert (again.status, again["code"], again["replayed"]) == (422, "wallet_locked", True)
    assert shop.post("deposits", asked("d-2")).status == 200


def test_lets_captured_money_in_past_the_lock(shop: rest_client.Caller) -> None:
    shop.patch("players/alice", {"locks": {"deposit": True}})
    assert shop.post("deposits", asked("d-1", captured=True))["cash"] == "110.00"
    assert Transaction.objects.get(reference="d-1").captured


def test_two_money_sources_may_use_the_same_reference(shop: rest_client.Caller) -> None:
    other = rest_client.key("cashier", name="bank", source="cashier:bank")
    assert shop.post("deposits", asked("d-1"))["cash"] == "110.00"
    assert other.post("deposits", asked("d-1"))["cash"] == "120.00"


def test_checks_a_deposit_without_any_effect(shop: rest_client.Caller) -> None:
    rows = Transaction.objects.count()
    assert shop.post("deposits/check", asked("d-1")).body == {"refusal": None, "grant_refusal": None}
    shop.patch("players/alice", {"excluded_until": "2999-01-01T00:00:00Z"})
    assert shop.post("deposits/check", asked("d-1"))["refusal"] == "player_excluded"
    assert shop.post("deposits/check", asked("d-1", captured=True))["refusal"] is None
    assert shop.post("deposits/check", {**asked("d-1"), "player": "nobody"})["code"] == "unknown_player"
    assert Transaction.objects.count() == rows
    shop.patch("players/alice", {"excluded_until": None})
    assert not shop.post("deposits", asked("d-1"))["replayed"]


def test_checks_a_deposit_whose_reference_is_spent(shop: rest_client.Caller) -> None:
    shop.post("deposits", asked("d-1"))
    assert shop.post("deposits/check", asked("d-1"))["refusal"] is None
    assert shop.post("deposits/check", asked("d-1", "11.00"))["refusal"] == "reference_reused"


def test_ignores_unknown_fields_and_the_parameters_of_a_type(shop: rest_client.Caller) -> None:
    body = {**asked("d-1"), "unheard_of": None, "currency_": 1}
    answer = shop.post("deposits", body, **{"Content-Type": "Application/JSON; charset=latin-1"})
    assert answer.status == 200


def test_tells_what_became_of_the_offer_of_a_deposit(shop: rest_client.Caller) -> None:
    scenario.player("dora")
    bonus_scenario.match()
    asked_by_dora = {**asked("d-1", "20.00", offer="welcome"), "player": "dora"}
    assert shop.post("deposits/check", asked_by_dora).body == {"refusal": None, "grant_refusal": None}
    first = shop.post("deposits", asked_by_dora)
    granted = first["granted"]
    assert (first.status, first["cash"], first["bonus"], first["grant_refusal"]) == (200, "20.00", "20.00", None)
    assert (granted["offer"], granted["currency"], granted["status"]) == ("welcome", "EUR", "active")
    assert (granted["amount"], granted["required"], granted["wagered"]) == ("20.00", "600.00", "0.00")
    assert granted["expires_at"].endswith("Z")
    assert shop.post("deposits", asked_by_dora).body == {**first.body, "replayed": True}


def test_lets_a_deposit_stand_whose_offer_does_not(shop: rest_client.Caller) -> None:
    assert shop.post("deposits/check", asked("d-1", offer="unheard-of"))["grant_refusal"] == "unknown_offer"
    answer = shop.post("deposits", asked("d-1", offer="unheard-of"))
    assert (answer.status, answer["cash"], answer["granted"]) == (200, "110.00", None)
    assert answer["grant_refusal"] == "unknown_offer"


# --- withdrawals -----------------------------------------------------------------------------


def test_holds_settles_and_shows_a_withdrawal(shop: rest_client.Caller) -> None:
    held = shop.post("withdrawals", asked("w-1", "30.00"))
    assert (held.status, held["kind"], held["cash"], held["held"]) == (200, "hold", "70.00", "30.00")
    shown = shop.get("withdrawals/w-1")
    assert (shown.status, shown["status"], shown["amount"], shown["player"]) == (200, "held", "30.00", "alice")
    settled = shop.post("withdrawals/w-1/settle")
    assert (settled.status, settled["kind"], settled["cash"], settled["held"]) == (200, "settle", "70.00", "0.00")
    assert shop.post("withdrawals/w-1/settle", {}).body == {**settled.body, "replayed": True}
    refused = shop.post("withdrawals/w-1/release")
    assert (refused.status, refused["code"]) == (409, "already_settled")
    shown = shop.get("withdrawals/w-1")
    assert (shown["status"], shown["ended_at"] is not None) == ("settled", True)


def test_releases_a_withdrawal(shop: rest_client.Caller) -> None:
    shop.post("withdrawals", asked("w-1", "30.00"))
    released = shop.post("withdrawals/w-1/release")
    assert (released.status, released["cash"], released["held"]) == (200, "100.00", "0.00")
    refused = shop.post("withdrawals/w-1/settle")
    assert (refused.status, refused["code"]) == (409, "already_released")
    assert shop.get("withdrawals/w-1")["status"] == "released"


def test_remembers_a_refused_withdrawal(shop: rest_client.Caller) -> None:
    refused = shop.post("withdrawals", asked("w-1", "100.01"))
    assert (refused.status, refused["code"], refused["cash"]) == (422, "insufficient_funds", "100.00")
    shown = shop.get("withdrawals/w-1")
    assert (shown["status"], shown["refusal"], shown["ended_at"]) == ("refused", "insufficient_funds", None)
    for end in ("settle", "release"):
        answer = shop.post(f"withdrawals/w-1/{end}")
        assert (answer.status, answer["code"]) == (404, "unknown_withdrawal")


def test_knows_no_withdrawal_of_another_money_source(shop: rest_client.Caller) -> None:
    shop.post("withdrawals", asked("w-1"))
    other = rest_client.key("cashier", name="bank", source="cashier:bank")
    assert other.get("withdrawals/w-1")["code"] == "unknown_withdrawal"
    assert other.post("withdrawals/w-1/settle")["code"] == "unknown_withdrawal"
    assert scenario.balances() == (9_000, 0, 1_000)


@pytest.mark.parametrize("reference", ["w/1", "w 1", "50%", "w?x#y", "w" * 128])
def test_finds_a_withdrawal_by_a_name_that_needs_quoting(shop: rest_client.Caller, reference: str) -> None:
    shop.post("withdrawals", asked(reference))
    assert shop.get(f"withdrawals/{rest_client.name(reference)}")["reference"] == reference
    assert shop.post(f"withdrawals/{rest_client.name(reference)}/release").status == 200


def withdrawals(shop: rest_client.Caller, **query: str) -> list[str]:
    """The references of all pages together."""
    found, more = [], query
    while True:
        answer = shop.get("withdrawals", **more)
        assert answer.status == 200, answer.body
        found += [each["reference"] for each in answer["results"]]
        if answer["next"] is None:
            return found
        more = {**query, "cursor": answer["next"]}


def test_lists_withdrawals_newest_first_by_how_they_stand_and_since_when(
    shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        shop.post("withdrawals", asked(f"w-{number}"))
    shop.post("withdrawals", asked("w-much", "500.00"))
    rest_client.key("cashier", name="bank", source="cashier:bank").post("withdrawals", asked("of-another"))
    shop.post("withdrawals/w-1/settle")
    assert shop.post("withdrawals/w-2/release", {"reason": "payment_failed"}).status == 200
    assert shop.post("withdrawals/w-3/release").status == 200
    every = ["w-much", "w-4", "w-3", "w-2", "w-1", "w-0"]
    standing = {"held": ["w-4", "w-0"], "settled": ["w-1"], "released": ["w-3", "w-2"], "refused": ["w-much"]}
    assert withdrawals(shop) == every
    for page, read in ((1, 1_000), (2, 1_000), (1, 1), (3, 3)):
        monkeypatch.setattr(pagination, "PAGE", page)
        monkeypatch.setattr(history, "_HOLDS_READ", read)
        assert withdrawals(shop) == every
        for status, found in standing.items():
            assert withdrawals(shop, status=status) == found, (status, page, read)
    since = shop.get("withdrawals/w-3")["created_at"]
    assert withdrawals(shop, since=since) == ["w-much", "w-4", "w-3"]
    assert withdrawals(shop, since=since, status="held") == ["w-4"]
    # Ids begin with the time since 1970, and no time before it stands in one.
    for early in ("1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"):
        assert withdrawals(shop, since=early) == every
    assert [shop.get(f"withdrawals/w-{n}")["release_reason"] for n in (0, 1, 2, 3)] == [
        None,
        None,
        "payment_failed",
        None,
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "HELD"}, "status"),
        ({"status": ["held", "settled"]}, "status"),
        ({"since": "yesterday"}, "since"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": ["a", "b"]}, "cursor"),
    ],
)
def test_refuses_a_list_of_withdrawals_that_cannot_be(
    shop: rest_client.Caller, query: dict[str, Any], field: str
) -> None:
    answer = shop.get("withdrawals", **query)
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", field)


def test_releases_for_no_other_reason_than_those_there_are(shop: rest_client.Caller) -> None:
    shop.post("withdrawals", asked("w-1"))
    for reason in (None, "", "boredom", 7):
        answer = shop.post("withdrawals/w-1/release", {"reason": reason})
        assert (answer.status, answer["field"]) == (400, "reason")
    assert shop.get("withdrawals/w-1")["status"] == "held"


# --- plays -----------------------------------------------------------------------------------


def test_plays_as_the_provider_of_its_key(shop: rest_client.Caller) -> None:
    bet = shop.post("bets", played("b-1", "10.00"))
    assert (bet.status, bet["kind"], bet["cash"], "held" in bet.body) == (200, "bet", "90.00", False)
    win = shop.post("wins", played("b-1", "4.00", bet="b-1"))
    assert (win.status, win["kind"], win["cash"]) == (200, "win", "94.00")
    undone = shop.post("rollbacks", {"player": "alice", "reference": "rb-1", "original": "b-1"})
    assert (undone.status, undone["code"]) == (409, "has_payout")
    shop.post("bets", {**played("b-2", "10.00"), "round": "round-2"})
    undone = shop.post("rollbacks", {"player": "alice", "reference": "rb-2", "original": "b-2"})
    assert (undone.status, undone["status"], undone["amount"], undone["cash"]) == (200, "posted", "10.00", "94.00")
    assert set(Transaction.objects.exclude(kind="DEPOSIT").values_list("source", "actor")) == {("acme", "key:shop")}


def test_answers_a_repeated_bet_as_the_first_time(shop: rest_client.Caller) -> None:
    first = shop.post("bets", played("b-1"))
    assert shop.post("bets", played("b-1")).body == {**first.body, "replayed": True}
    different = shop.post("bets", {**played("b-1"), "game": "slot-2"})
    assert (different.status, different["differing"]) == (409, ["game"])


def test_remembers_a_refused_bet(shop: rest_client.Caller) -> None:
    first = shop.post("bets", played("b-1", "100.01"))
    assert (first.status, first["code"], first["balance"]) == (422, "insufficient_funds", "100.00")
    again = shop.post("bets", played("b-1", "100.01"))
    assert again.body == {**first.body, "replayed": True, "request_id": again["request_id"]}


def test_scopes_references_to_the_player_where_the_provider_does(shop: rest_client.Caller) -> None:
    scenario.profile("acme", reference_scope="player")
    scenario.player("bert", "50.00")
    assert shop.post("bets", played("b-1"))["cash"] == "90.00"
    theirs = shop.post("bets", {**played("b-1"), "player": "bert"})
    assert (theirs["cash"], theirs["reference"]) == ("40.00", "b-1")
    assert shop.post("rollbacks", {"player": "bert", "reference": "x", "original": "b-1"})["cash"] == "50.00"
    entry = shop.get("players/bert/wallets/EUR/transactions", reference="b-1")["results"][0]
    assert (entry["kind"], entry["reference"]) == ("bet", "b-1")


@pytest.mark.parametrize("path", ["bets", "wins", "rollbacks"])
def test_lets_nobody_play_without_a_provider(shop: rest_client.Caller, path: str) -> None:
    ApiKey.objects.update(provider=None)
    answer = shop.post(path, played("b-1", original="b-0"))
    assert (answer.status, answer["code"]) == (403, "forbidden")
    assert scenario.balances() == (10_000, 0, 0)


# --- nothing, and no reason ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["deposits", "deposits/check", "withdrawals", "adjustments"])
@pytest.mark.parametrize("amount", ["0", "0.0", "0.00", "-0", "-0.00"])
@pytest.mark.parametrize("currency", ["EUR", "JPY", "XYZ"])
def test_an_amount_of_zero_is_no_amount(shop: rest_client.Caller, path: str, amount: str, currency: str) -> None:
    """Also before anything is looked up: there is no XYZ, and Alice has no yen."""
    rows = Transaction.objects.count()
    answer = shop.post(path, asked("z-1", amount, currency=currency, reason="Paid twice"))
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", "amount")
    assert Transaction.objects.count() == rows


def test_a_deposit_of_zero_uses_no_first_deposit_up(shop: rest_client.Caller) -> None:
    bonus_scenario.match(which_deposit="first")
    shop.post("players", {"player": "dora", "wallets": ["EUR"]})
    shop.post("deposits", {**asked("z-1", "0.00"), "player": "dora"})
    answer = shop.post("deposits", {**asked("d-1", "10.00", offer="welcome"), "player": "dora"})
    assert (answer["grant_refusal"], answer["granted"]["amount"]) == (None, "10.00")


@pytest.mark.parametrize("reason", ["", " ", "    ", "\u00a0", "\u3000 ", "\t", "a\nb", "\0", "x" * 501, None, 5])
def test_a_blank_reason_is_no_reason(shop: rest_client.Caller, reason: Any) -> None:
    answer = shop.post("adjustments", asked("a-1", reason=reason))
    assert answer.status == 400
    assert scenario.balances() == (10_000, 0, 0)


def test_plays_of_zero_stay_what_they_were(shop: rest_client.Caller) -> None:
    assert shop.post("bets", played("b-1", "0.00"))["amount"] == "0.00"
    assert shop.post("wins", played("w-1", "0.00"))["amount"] == "0.00"
