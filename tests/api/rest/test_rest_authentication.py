"""Who may call what: every endpoint with every kind of caller, and whose things they see."""

import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bonus.campaign_tables import GrantList
from bonus.models import Bonus, Offer
from casino_pam import tokens
from casino_pam.api.rest.rest_view import NotFoundView
from casino_pam.api.rest.urls import urlpatterns
from tests import bonus_scenario, rest_client, scenario
from tests.sample_offers import FIXED
from wallet.models import ApiKey, GameSession, Player, Provider, Transaction, Wallet, WalletLimits
from wallet.models.provider import SCOPES

MONEY = {"player": "alice", "currency": "EUR", "reference": "r-1", "amount": "1.00"}
PLAY = {**MONEY, "round": "round-1", "game": "slot-1"}

# A bonus of Alice's that waits for her deposit.
PROMISED = "01a20000-0000-7000-8000-000000000001"
# A session of hers.
OPENED = "opened-session-of-32-characters-"

# Method, path, body, scope; every view is here (see the test below).
BACK_END: list[tuple[str, str, Any, str]] = [
    ("POST", "players", {"player": "dora"}, "players"),
    ("GET", "players", None, "players"),
    ("GET", "players/alice", None, "players"),
    ("PATCH", "players/alice", {"country": "MT"}, "players"),
    ("POST", "players/alice/wallets", {"currency": "JPY"}, "players"),
    ("GET", "players/alice/wallets/EUR", None, "players"),
    ("GET", "players/alice/wallets/EUR/transactions", None, "players"),
    ("GET", "players/alice/wallets/EUR/transactions.csv", None, "players"),
    ("GET", "players/alice/limits", None, "players"),
    ("PUT", "players/alice/limits", {"currency": "EUR", "stake": {"day": "50.00"}}, "players"),
    ("POST", "players/alice/sessions", {"provider": "acme", "currency": "EUR"}, "players"),
    ("DELETE", f"sessions/{OPENED}", None, "players"),
    ("POST", "players/alice/tokens", None, "players"),
    ("POST", "deposits", MONEY, "cashier"),
    ("POST", "deposits/check", MONEY, "cashier"),
    ("POST", "withdrawals", MONEY, "cashier"),
    ("GET", "withdrawals", None, "cashier"),
    ("GET", "withdrawals/held", None, "cashier"),
    ("POST", "withdrawals/held/settle", None, "cashier"),
    ("POST", "withdrawals/held/release", {"reason": "other"}, "cashier"),
    ("POST", "adjustments", {**MONEY, "reason": "a correction"}, "adjust"),
    ("POST", "bets", PLAY, "play"),
    ("POST", "wins", PLAY, "play"),
    ("POST", "rollbacks", {"player": "alice", "reference": "r-1", "original": "b-1"}, "play"),
    ("POST", "offers", {**FIXED, "code": "another"}, "offers"),
    ("GET", "offers", None, "offers"),
    ("GET", "offers/gift", None, "offers"),
    ("PATCH", "offers/gift", {"enabled": False}, "offers"),
    ("POST", "bonuses", {"player": "alice", "currency": "EUR", "reference": "r-1", "offer": "gift"}, "bonuses"),
    ("GET", f"bonuses/{PROMISED}", None, "bonuses"),
    ("POST", f"bonuses/{PROMISED}/forfeit", {"reference": "r-1"}, "bonuses"),
    ("GET", "players/alice/bonuses", None, "bonuses"),
    ("POST", "grant-lists", {"currency": "EUR", "reference": "r-1", "offer": "gift", "players": ["alice"]}, "bonuses"),
    ("GET", "grant-lists/list-1", None, "bonuses"),
    ("GET", "grant-lists/list-1/answers.csv", None, "bonuses"),
    ("GET", "feed", None, "feed"),
    ("GET", "providers", None, "providers"),
    ("POST", "providers", {"code": "nova", "name": "Nova"}, "providers"),
    ("GET", "providers/acme", None, "providers"),
    ("PATCH", "providers/acme", {"enabled": False}, "providers"),
    ("POST", "providers/acme/secrets", {}, "providers"),
    ("DELETE", "providers/acme/secrets", None, "providers"),
    ("DELETE", "providers/acme/secrets/older", None, "providers"),
]
PLAYERS_OWN = [
    ("GET", "me", None),
    ("GET", "me/wallets", None),
    ("GET", "me/transactions", None),
    ("GET", "me/limits", None),
    ("PUT", "me/limits", {"currency": "EUR", "stake": {"day": "50.00"}}),
    ("GET", "me/limits/changes", None),
    ("GET", "me/reality-check", None),
    ("PUT", "me/reality-check", {"minutes": 30}),
    ("PUT", "me/exclusion", {"excluded_until": "2199-01-01T00:00:00Z"}),
    ("GET", "me/sessions", None),
    ("DELETE", f"me/sessions/{OPENED}", None),
    ("POST", "me/socket-ticket", None),
    ("GET", "me/offers", None),
    ("GET", "me/bonuses", None),
    ("POST", "me/promo-codes", {"code": "HELLO", "currency": "EUR"}),
    ("POST", "me/bonuses", {"offer": "gift", "currency": "EUR"}),
    ("POST", f"me/bonuses/{PROMISED}/forfeit", None),
]
EVERY = [(method, path, body) for method, path, body, _ in BACK_END] + PLAYERS_OWN


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.hold(reference="held")
    bonus_scenario.gift()
    bonus_scenario.promised(PROMISED, "alice")
    scenario.opened(OPENED, "alice")
    bonus_scenario.gift(code="hello", promo_code="HELLO")
    GrantList.objects.create(
        id=PROMISED,
        offer=Offer.objects.get(code="gift"),
        source="cashier",
        reference="list-1",
        digest="",
        worth={},
        actor="key:shop",
        state="done",
        created_at=scenario.moment(scenario.NOON),
    )


def state() -> tuple[Any, ...]:
    """All that a call could change."""
    return (
        list(Player.objects.order_by("id").values_list()),
        list(Wallet.objects.order_by("id").values_list()),
        list(WalletLimits.objects.order_by("wallet").values_list()),
        Transaction.objects.count(),
        list(Offer.objects.order_by("id").values_list()),
        list(Bonus.objects.order_by("id").values_list()),
        list(GrantList.objects.order_by("id").values_list()),
        list(Provider.objects.order_by("id").values_list()),
        list(GameSession.objects.order_by("id").values_list()),
    )


def refused(caller: rest_client.Caller, method: str, path: str, body: Any) -> tuple[int, str]:
    before = state()
    answer = caller.call(method, path, body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer["request_id"] == answer.headers["X-Request-ID"] != ""
    assert state() == before
    return answer.status, answer["code"]


def test_knows_every_view_that_there_is() -> None:
    views = {pattern.callback.view_class for pattern in urlpatterns} - {NotFoundView}
    asked = {
        pattern.callback.view_class
        for _, path, _ in EVERY
        for pattern in urlpatterns[::-1]
        if pattern.resolve(path) and pattern.callback.view_class is not NotFoundView
    }
    assert asked == views


@pytest.mark.parametrize(("method", "path", "body"), EVERY)
def test_lets_nobody_in_without_credentials(house: None, method: str, path: str, body: Any) -> None:
    assert refused(rest_client.Caller(), method, path, body) == (401, "unauthenticated")


@pytest.mark.parametrize(("method", "path", "body", "scope"), BACK_END)
def test_lets_in_a_key_with_the_scope_alone(house: None, method: str, path: str, body: Any, scope: str) -> None:
    others = rest_client.key(*(set(SCOPES) - {scope}), name="others", provider="acme")
    assert refused(others, method, path, body) == (403, "forbidden")
    allowed = rest_client.key(scope, name="allowed", provider="acme").call(method, path, body)
    assert allowed.status in (200, 201, 204), allowed


@pytest.mark.parametrize(("method", "path", "body", "scope"), BACK_END)
def test_lets_no_player_in_where_back_ends_call(house: None, method: str, path: str, body: Any, scope: str) -> None:
    assert refused(rest_client.player("alice"), method, path, body) == (403, "forbidden")


@pytest.mark.parametrize(("method", "path", "body"), PLAYERS_OWN)
def test_lets_no_back_end_in_where_players_look(house: None, method: str, path: str, body: Any) -> None:
    assert refused(rest_client.key(), method, path, body) == (403, "forbidden")
    assert rest_client.player("alice").call(method, path, body).status in (200, 201, 204)


def test_shows_a_player_nothing_of_another(house: None) -> None:
    scenario.player("bert", "7.00")
    bert = rest_client.player("bert")
    assert bert.get("me")["player"] == "bert"
    assert [wallet["player"] for wallet in bert.get("me/wallets")["results"]] == ["bert"]
    assert [entry["cash"] for entry in bert.get("me/transactions")["results"]] == ["7.00"]
    mine = rest_client.player("alice").get("me/transactions")["results"]
    assert bert.get("me/transactions", reference=mine[0]["reference"])["results"] == []


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Api-Key",
        "Api-Key ",
        "Api-Key wrong",
        "Api-Key \xff\xfe",
        "Api-Key " + "x" * 10_000,
        "Bearer",
        "Bearer wrong",
        "Bearer a.b",
        "Bearer \xff.\xff",
        "Basic YWxpY2U6YWxpY2U=",
        "Token abc",
        "apikey abc",
    ],
)
def test_takes_no_bad_credentials(house: None, authorization: str) -> None:
    caller = rest_client.Caller(authorization)
    assert refused(caller, "GET", "players/alice", None) == (401, "unauthenticated")
    answer = caller.get("me")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Api-Key, Bearer")


def test_takes_no_disabled_key(house: None) -> None:
    shop = rest_client.key()
    assert shop.get("players/alice").status == 200
    ApiKey.objects.update(enabled=False)
    assert refused(shop, "GET", "players/alice", None) == (401, "unauthenticated")


def test_takes_no_key_where_a_token_belongs(house: None) -> None:
    kept = ApiKey(name="shop", scopes=list(SCOPES))
    secret = kept.renew()
    kept.save()
    assert refused(rest_client.Caller(f"Bearer {secret}"), "GET", "players/alice", None) == (401, "unauthenticated")


def test_takes_no_token_that_ended(house: None) -> None:
    text, token = tokens.issue("alice", time.time() - tokens.LIFETIME_SECONDS)
    assert token.expires_at <= time.time()
    assert refused(rest_client.Caller(f"Bearer {text}"), "GET", "me", None) == (401, "unauthenticated")


def test_takes_no_token_that_was_changed(house: None) -> None:
    text, _ = tokens.issue("alice", time.time())
    for place in (0, len(text) // 2, -1):
        other = "A" if text[place] != "A" else "B"
        changed = text[:place] + other + (text[place + 1 :] if place != -1 else "")
        assert refused(rest_client.Caller(f"Bearer {changed}"), "GET", "me", None) == (401, "unauthenticated")


def test_keeps_no_key_and_logs_none(house: None, caplog: pytest.LogCaptureFixture) -> None:
    shop = rest_client.key()
    secret = shop._headers["Authorization"].partition(" ")[2]
    token = shop.post("players/alice/tokens")["token"]
    rest_client.Caller(f"Bearer {token}").get("me")
    assert secret.encode() not in bytes(ApiKey.objects.get().digest)
    logged = caplog.text
    assert "players/alice/tokens" in logged
    assert secret not in logged
    assert token not in logged


def test_takes_no_expired_key_and_says_so(house: None) -> None:
    shop = rest_client.key()
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    assert shop.get("players/alice").status == 200
    ended = timezone.now() - timedelta(seconds=1)
    ApiKey.objects.update(expires_at=ended)
    assert refused(shop, "GET", "players/alice", None) == (401, "key_expired")
    assert shop.get("players/alice")["expired_at"] == ended.isoformat()
    ApiKey.objects.update(enabled=False)
    assert refused(shop, "GET", "players/alice", None) == (401, "unauthenticated")


def test_notes_a_key_s_last_use_once_a_minute_at_most(house: None) -> None:
    shop = rest_client.key()
    ApiKey.objects.update(last_used_at=None)
    start = timezone.now()

    def writes(seconds: int) -> int:
        moment = time_machine.travel(start + timedelta(seconds=seconds), tick=False)
        with moment, CaptureQueriesContext(connection) as queries:
            assert shop.get("players/alice").status == 200
        return sum("UPDATE" in query["sql"] for query in queries)

    assert [writes(seconds) for seconds in (0, 1, 59, 60, 61, 130)] == [1, 0, 0, 1, 0, 1]
    assert ApiKey.objects.get().last_used_at == start + timedelta(seconds=130)
