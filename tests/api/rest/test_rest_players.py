"""Players, wallets and tokens through the REST door."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from casino_pam.api.rest import urls
from casino_pam.engine import accounts
from tests import bonus_scenario, rest_client, scenario, threads
from tests.interleaving import meanwhile
from wallet.models import AuditEntry, Currency, Player, PlayerTag, Wallet


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    scenario.catalogue()
    return rest_client.key()


def test_makes_a_player_with_wallets(shop: rest_client.Caller) -> None:
    made = shop.post("players", {"player": "dora", "country": "MT", "wallets": ["EUR", "BTC"]})
    assert (made.status, made.body) == (
        201,
        {
            "player": "dora",
            "country": "MT",
            "locks": {"bet": False, "deposit": False, "withdraw": False},
            "excluded_until": None,
            "verification": "unverified",
            "wallets": ["EUR", "BTC"],
        },
    )
    assert shop.get("players/dora").body == made.body


def test_makes_a_player_without_anything(shop: rest_client.Caller) -> None:
    made = shop.post("players", {"player": "dora"})
    assert (made.status, made["country"], made["wallets"]) == (201, None, [])


def test_makes_no_player_twice(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora"})
    again = shop.post("players", {"player": "dora", "wallets": ["EUR"]})
    assert (again.status, again["code"], again["player"]) == (409, "already_exists", "dora")
    assert not Wallet.objects.exists()


def test_makes_all_of_a_player_or_nothing(shop: rest_client.Caller) -> None:
    refused = shop.post("players", {"player": "dora", "wallets": ["EUR", "XXX"]})
    assert (refused.status, refused["code"], refused["currency"]) == (404, "unknown_currency", "XXX")
    assert not Player.objects.exists()


def test_changes_only_what_is_named(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora", "country": "MT"})
    changed = shop.patch("players/dora", {"locks": {"bet": True}, "excluded_until": "2030-01-02T03:04:05Z"})
    assert changed.status == 200
    assert changed["locks"] == {"bet": True, "deposit": False, "withdraw": False}
    assert changed["excluded_until"] == "2030-01-02T03:04:05.000000Z"
    changed = shop.patch("players/dora", {"locks": {"withdraw": True, "bet": False}, "country": "SE"})
    assert changed["locks"] == {"bet": False, "deposit": False, "withdraw": True}
    assert (changed["country"], changed["excluded_until"]) == ("SE", "2030-01-02T03:04:05.000000Z")
    assert shop.patch("players/dora", {}).body == changed.body


def test_lifts_an_exclusion_with_null(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora"})
    shop.patch("players/dora", {"excluded_until": "2030-01-02T03:04:05Z"})
    assert shop.patch("players/dora", {"excluded_until": None})["excluded_until"] is None


def test_opens_a_wallet_once(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora"})
    opened = shop.post("players/dora/wallets", {"currency": "KWD"})
    assert (opened.status, opened.body) == (
        201,
        {
            "player": "dora",
            "currency": "KWD",
            "balance": "0.000",
            "cash": "0.000",
            "bonus": "0.000",
            "held": "0.000",
            "version": 0,
            "wagering": None,
        },
    )
    assert shop.get("players/dora/wallets/KWD").body == opened.body
    again = shop.post("players/dora/wallets", {"currency": "KWD"})
    assert (again.status, again["code"]) == (409, "already_exists")


def test_opens_a_wallet_in_a_disabled_currency(shop: rest_client.Caller) -> None:
    """Disabling a currency refuses bets and nothing else (rule 26)."""
    shop.post("players", {"player": "dora"})
    Currency.objects.filter(code="EUR").update(enabled=False)
    assert shop.post("players/dora/wallets", {"currency": "EUR"}).status == 201


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "players/nobody", None, "unknown_player"),
        ("PATCH", "players/nobody", {"country": "MT"}, "unknown_player"),
        ("POST", "players/nobody/wallets", {"currency": "EUR"}, "unknown_player"),
        ("POST", "players/nobody/tokens", None, "unknown_player"),
        ("GET", "players/nobody/wallets/EUR", None, "unknown_player"),
        ("GET", "players/nobody/wallets/EUR/transactions", None, "unknown_player"),
        ("GET", "players/nobody/wallets/EUR/transactions.csv", None, "unknown_player"),
        ("GET", "players/alice/wallets/JPY", None, "unknown_wallet"),
        ("GET", "players/alice/wallets/JPY?at=2026-01-01T00:00:00Z", None, "unknown_wallet"),
        ("GET", "players/alice/wallets/JPY/transactions", None, "unknown_wallet"),
        ("POST", "players/alice/wallets", {"currency": "XXX"}, "unknown_currency"),
    ],
)
def test_says_what_is_unknown(shop: rest_client.Caller, method: str, path: str, body: object, code: str) -> None:
    scenario.alice()
    answer = shop.call(method, path, body)
    assert (answer.status, answer["code"]) == (404, code)


def test_knows_names_that_need_quoting_in_a_path(shop: rest_client.Caller) -> None:
    for player in ("a/b", "50%", "a b?c#d", "%2F", "é".encode("unicode-escape").decode()):
        assert shop.post("players", {"player": player, "wallets": ["EUR"]}).status == 201
        assert shop.get(f"players/{rest_client.name(player)}/wallets/EUR")["player"] == player
        assert shop.post(f"players/{rest_client.name(player)}/tokens").status == 201


def test_every_name_in_every_path_is_one_segment_and_decoded_once() -> None:
    """Django's own converters take the path as it was sent for the name itself, or a name for two segments."""
    converters = [converter for each in urls.urlpatterns for converter in each.pattern.converters.values()]
    assert converters
    assert {type(converter) for converter in converters} == {urls.Name}


def test_hands_out_a_token_for_fifteen_minutes(shop: rest_client.Caller) -> None:
    scenario.alice("12.34")
    made = shop.post("players/alice/tokens")
    assert (made.status, sorted(made.body)) == (201, ["expires_at", "token"])
    mine = rest_client.Caller(f"Bearer {made['token']}")
    assert mine.get("me")["player"] == "alice"
    assert mine.get("me/wallets")["results"] == [shop.get("players/alice/wallets/EUR").body]


# --- verification ------------------------------------------------------------------------------


def test_sets_the_verification_and_leaves_a_trail(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "eve", "verification": "verified"})
    shop.post("players", {"player": "dora", "wallets": ["EUR"]})
    changed = shop.patch("players/dora", {"verification": "pending"})
    assert (changed.status, changed["verification"], shop.get("players/eve")["verification"]) == (
        200,
        "pending",
        "verified",
    )
    assert rest_client.player("dora").get("me")["verification"] == "pending"
    entry = AuditEntry.objects.get(act="change player")
    assert (entry.actor, entry.player, entry.before, entry.after) == (
        "key:shop",
        "dora",
        {"verification": "unverified"},
        {"verification": "pending"},
    )
    for wrong in ("Verified", "", None, 1, "maybe"):
        refused = shop.patch("players/dora", {"verification": wrong, "country": "MT"})
        assert (refused.status, refused["code"], refused["field"]) == (400, "invalid_field", "verification")
    assert shop.get("players/dora").body == changed.body


def test_settles_no_withdrawal_of_a_player_who_must_be_verified_first(shop: rest_client.Caller) -> None:
    """In Germany the law demands it; the same request goes through afterwards."""
    scenario.player("dora", "50.00", country="DE")
    asked = {"player": "dora", "currency": "EUR", "reference": "out-1", "amount": "50.00"}
    assert shop.post("withdrawals", asked).status == 200
    refused = shop.post("withdrawals/out-1/settle")
    assert (refused.status, refused["code"], refused["needed_for"], refused["verification"]) == (
        422,
        "player_not_verified",
        "withdrawal",
        "unverified",
    )
    assert shop.get("withdrawals/out-1")["status"] == "held"
    shop.patch("players/dora", {"verification": "verified"})
    assert (shop.post("withdrawals/out-1/settle").status, shop.get("withdrawals/out-1")["status"]) == (200, "settled")


def test_a_bonus_says_that_it_waits_for_the_verification(shop: rest_client.Caller, settings: Any) -> None:
    settings.VERIFIED_BEFORE = {"verified_conversion"}
    bonus_scenario.wagering("10.00", multiplier=0)
    path = f"bonuses/{bonus_scenario.the().id}"
    waiting = shop.get(path)
    assert (waiting["status"], waiting["percent"], waiting["waits_for"]) == ("active", 100, "verification")
    assert rest_client.player("bob").get("me/bonuses")["results"][0]["waits_for"] == "verification"
    shop.patch("players/bob", {"verification": "verified"})
    done = shop.get(path)
    assert (done["status"], done["waits_for"]) == ("completed", None)
    assert shop.get("players/bob/wallets/EUR")["cash"] == "10.00"


# --- the list ----------------------------------------------------------------------------------


MADE = datetime(2026, 1, 1, tzinfo=UTC)
CAST: dict[str, dict[str, Any]] = {
    "ann": {"country": "MT"},
    "ben": {"country": "SE", "verification": "verified"},
    "cyd": {"country": "MT", "bet_locked": True, "verification": "pending"},
    "dan": {"withdraw_locked": True, "excluded_until": datetime(2999, 1, 1, tzinfo=UTC)},
    "eve": {"country": "MT", "verification": "verified", "excluded_until": datetime(2020, 1, 1, tzinfo=UTC)},
}


@pytest.fixture
def cast(shop: rest_client.Caller) -> None:
    """Five players, made a day after each other but for the last two, who were made at the same moment."""
    for day, (code, fields) in enumerate(CAST.items()):
        player = Player.objects.create(code=code, **fields)
        Player.objects.filter(pk=player.pk).update(created_at=MADE + timedelta(days=min(day, 3)))
    for code in ("ann", "eve"):
        PlayerTag.objects.create(player=Player.objects.get(code=code), name="vip")


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ({}, "ann ben cyd dan eve"),
        ({"country": "MT"}, "ann cyd eve"),
        ({"status": "free"}, "ann ben eve"),
        ({"status": "locked"}, "cyd dan"),
        ({"status": "excluded"}, "dan"),
        ({"verification": "verified"}, "ben eve"),
        ({"tag": "vip"}, "ann eve"),
        ({"tag": "nobody has it"}, ""),
        ({"since": "2026-01-03T02:00:00+02:00"}, "cyd dan eve"),
        (
            {
                "country": "MT",
                "verification": "verified",
                "tag": "vip",
                "status": "free",
                "since": "2026-01-02T00:00:00Z",
            },
            "eve",
        ),
    ],
)
@pytest.mark.parametrize(("page", "reach"), [(100, 20_000), (2, 20_000), (1, 1), (2, 3)])
def test_lists_every_player_that_fits_once_in_the_order_in_which_they_were_made(
    shop: rest_client.Caller, cast: None, monkeypatch: pytest.MonkeyPatch, query: Any, codes: str, page: int, reach: int
) -> None:
    monkeypatch.setattr(accounts, "PAGE", page)
    monkeypatch.setattr(accounts, "REACH", reach)
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(10):
        answer = shop.get("players", **query, **cursor)
        assert answer.status == 200 and len(answer["results"]) <= page
        found += [each["player"] for each in answer["results"]]
        if answer["next"] is None:
            break
        cursor = {"cursor": answer["next"]}
    assert found == codes.split()


def test_a_listed_player_has_what_operators_say_and_the_player_is_not_told(
    shop: rest_client.Caller, cast: None
) -> None:
    first = shop.get("players")["results"][0]
    assert first == {
        **shop.get("players/ann").body,
        "tags": ["vip"],
        "created_at": "2026-01-01T00:00:00.000000Z",
    }
    assert "tags" not in rest_client.player("ann").get("me").body


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("country=mt", "country"),
        ("status=happy", "status"),
        ("verification=maybe", "verification"),
        ("tag=", "tag"),
        ("since=yesterday", "since"),
        ("cursor=1", "cursor"),
        ("cursor=99999999999999999.1", "cursor"),
        ("cursor=1.9999999999999999999", "cursor"),
        ("country=MT&country=SE", "country"),
    ],
)
def test_refuses_what_is_no_filter(shop: rest_client.Caller, query: str, field: str) -> None:
    refused = shop.call("GET", f"players?{query}")
    assert (refused.status, refused["code"], refused["field"]) == (400, "invalid_field", field)


def test_a_page_of_players_takes_as_many_queries_as_one_of_one(shop: rest_client.Caller, cast: None) -> None:
    def queries(**query: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            shop.get("players", **query)
        return len(captured)

    assert queries() == queries(status="excluded")


# --- countries and their rules -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "words"),
    [
        ("UK", '"UK" is "GB" (United Kingdom)'),
        ("EL", '"EL" is "GR" (Greece)'),
        ("GBR", '"GBR" is "GB" (United Kingdom)'),
        ("Germany", '"Germany" is "DE" (Germany)'),
        ("mt", '"mt" is "MT" (Malta)'),
        ("XX", '"XX" is not assigned'),
        ("XK", '"XK" is not assigned'),
        ("", "two capital letters"),
        (7, "two capital letters"),
        ("M\u0422", "two capital letters"),
        ("x" * 10_000, "two capital letters"),
    ],
)
def test_a_country_is_an_assigned_code_and_another_spelling_is_explained(
    shop: rest_client.Caller, country: object, words: str
) -> None:
    shop.post("players", {"player": "dora", "country": "MT"})
    made = shop.post("players", {"player": "eve", "country": country})
    changed = shop.patch("players/dora", {"country": country, "locks": {"bet": True}})
    for refused in (made, changed):
        assert (refused.status, refused["code"], refused["field"]) == (400, "invalid_field", "country")
        assert words in refused["detail"]
    assert list(Player.objects.values_list("code", "country", "bet_locked")) == [("dora", "MT", False)]


def one_currency(refused: rest_client.Reply, *wallets: str) -> bool:
    named = (refused.status, refused["code"], refused["player"], refused["country"], refused["wallets"])
    return named == (422, "one_currency", "dora", "GB", list(wallets))


def test_a_player_in_gb_is_not_made_with_two_wallets(shop: rest_client.Caller) -> None:
    body = {"player": "dora", "country": "GB", "wallets": ["EUR", "BTC"]}
    assert one_currency(shop.post("players", body), "EUR", "BTC")
    assert not Player.objects.exists()
    assert shop.post("players", {**body, "wallets": ["EUR"]}).status == 201
    assert shop.post("players", {**body, "player": "eve", "country": "SE"}).status == 201


def test_a_player_in_gb_opens_no_second_wallet(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora", "country": "GB"})
    assert shop.post("players/dora/wallets", {"currency": "EUR"}).status == 201
    assert shop.post("players/dora/wallets", {"currency": "EUR"})["code"] == "already_exists"
    assert one_currency(shop.post("players/dora/wallets", {"currency": "BTC"}), "EUR", "BTC")
    assert shop.post("players/dora/wallets", {"currency": "XXX"})["code"] == "unknown_currency"
    assert [each.currency_id for each in Wallet.objects.all()] == ["EUR"]


def test_a_player_of_two_wallets_is_not_moved_to_gb(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora", "country": "MT", "wallets": ["EUR", "BTC"]})
    assert one_currency(shop.patch("players/dora", {"country": "GB", "locks": {"bet": True}}), "EUR", "BTC")
    assert list(Player.objects.values_list("country", "bet_locked")) == [("MT", False)]
    shop.post("players", {"player": "eve", "country": "MT", "wallets": ["EUR"]})
    assert shop.patch("players/eve", {"country": "GB"})["country"] == "GB"


def test_two_wallets_at_the_same_moment_are_one_in_gb(shop: rest_client.Caller) -> None:
    shop.post("players", {"player": "dora", "country": "GB"})
    codes = ("EUR", "BTC", "JPY", "KWD")
    answers = threads.threads(
        [lambda code=code: shop.post("players/dora/wallets", {"currency": code}).status for code in codes]
    )
    assert sorted(answers) == [201, 422, 422, 422]
    assert Wallet.objects.count() == 1


def test_without_the_lock_on_the_player_two_wallets_would_be_opened(
    shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.post("players", {"player": "dora", "country": "GB"})
    monkeypatch.setattr(accounts, "_taken", accounts.find)
    other = meanwhile(
        monkeypatch, accounts, "_may_hold", lambda: shop.post("players/dora/wallets", {"currency": "BTC"}).status
    )
    assert shop.post("players/dora/wallets", {"currency": "EUR"}).status == 201
    assert (other, Wallet.objects.count()) == ([201], 2)


def test_a_second_wallet_that_looked_before_a_move_to_gb_is_refused(
    shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.post("players", {"player": "dora", "wallets": ["EUR"]})
    moved = meanwhile(monkeypatch, accounts, "find", lambda: shop.patch("players/dora", {"country": "GB"}).status)
    assert one_currency(shop.post("players/dora/wallets", {"currency": "BTC"}), "EUR", "BTC")
    assert (moved, Wallet.objects.count()) == ([200], 1)


def test_a_move_to_gb_and_a_second_wallet_at_the_same_moment_are_one_of_both(shop: rest_client.Caller) -> None:
    for n in range(8):
        shop.post("players", {"player": f"dora-{n}", "wallets": ["EUR"]})
        acts = [
            lambda n=n: shop.patch(f"players/dora-{n}", {"country": "GB"}).status,
            lambda n=n: shop.post(f"players/dora-{n}/wallets", {"currency": "BTC"}).status,
        ]
        assert threads.threads(acts) in ([200, 422], [422, 201])


# --- misspelt terms ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"lock": {"bet": True}}, "lock"),
        ({"locks": {"bets": True}}, "locks.bets"),
        ({"locks": {"bet": True, "deposits": True}}, "locks.deposits"),
        ({"exclude_until": "2030-01-01T00:00:00Z"}, "exclude_until"),
        ({"country": "MT", "Country": "SE"}, "Country"),
        ({"wallets": ["BTC"]}, "wallets"),
    ],
)
def test_misspelt_terms_of_a_player_are_refused(shop: rest_client.Caller, body: object, field: str) -> None:
    before = shop.post("players", {"player": "dora"}).body
    refused = shop.patch("players/dora", body)
    assert (refused.status, refused["code"], refused["field"]) == (400, "invalid_field", field)
    assert "is no term here" in refused["detail"]
    assert shop.get("players/dora").body == before


def test_misspelt_terms_of_a_new_player_are_refused(shop: rest_client.Caller) -> None:
    refused = shop.post("players", {"player": "dora", "countrry": "GB"})
    assert (refused.status, refused["field"]) == (400, "countrry")
    assert '"country" is' in refused["detail"]
    assert not Player.objects.exists()
