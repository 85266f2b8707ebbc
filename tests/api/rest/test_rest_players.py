"""Players, wallets and tokens through the REST door."""

import pytest

from casino_pam.api.rest import urls
from casino_pam.engine import accounts
from tests import rest_client, scenario, threads
from tests.interleaving import meanwhile
from wallet.models import Currency, Player, Wallet


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
