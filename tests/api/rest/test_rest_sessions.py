"""Sessions of games at the REST door: opened by a back end, ended by it or by the player, each end in the trail."""

from __future__ import annotations

import pytest

from tests import rest_client, scenario
from wallet.models import AuditEntry, GameSession

ASKED = {"provider": "acme", "currency": "EUR", "game": "slot-1"}


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob()
    return rest_client.key("players")


def trail() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.filter(act="end session").order_by("id").values_list("actor", "player", "subject"))


def test_opens_a_session_and_says_until_when_it_lives(shop: rest_client.Caller) -> None:
    answer = shop.post("players/alice/sessions", ASKED)
    assert (answer.status, set(answer.body)) == (201, {"session", "expires_at"})
    session = GameSession.objects.get(pk=answer["session"])
    assert len(session.pk) == 32
    assert (session.player.code, session.provider.code, session.currency_id, session.game) == (
        "alice",
        "acme",
        "EUR",
        "slot-1",
    )
    without = shop.post("players/alice/sessions", {"provider": "acme", "currency": "EUR"})
    assert GameSession.objects.get(pk=without["session"]).game is None


@pytest.mark.parametrize(
    ("player", "changes", "status", "code"),
    [
        ("nobody", {}, 404, "unknown_player"),
        ("alice", {"provider": "nobody"}, 404, "unknown_provider"),
        ("alice", {"currency": "XXX"}, 404, "unknown_currency"),
        ("alice", {"currency": "JPY"}, 404, "unknown_wallet"),
        ("alice", {"currency": "eur"}, 400, "invalid_field"),
        ("alice", {"provider": None}, 400, "invalid_field"),
        ("alice", {"game": ""}, 400, "invalid_field"),
        ("alice", {"game": None}, 400, "invalid_field"),
        ("alice", {"game": "x" * 129}, 400, "invalid_field"),
    ],
)
def test_opens_none_without_a_wallet_and_a_provider(
    shop: rest_client.Caller, player: str, changes: dict[str, object], status: int, code: str
) -> None:
    answer = shop.post(f"players/{player}/sessions", {**ASKED, **changes})
    assert (answer.status, answer["code"]) == (status, code)
    assert not GameSession.objects.exists()


def test_ends_a_session_once_and_says_the_same_again(shop: rest_client.Caller) -> None:
    session = shop.post("players/alice/sessions", ASKED)["session"]
    for _ in range(2):
        answer = shop.call("DELETE", f"sessions/{session}")
        assert (answer.status, answer.body) == (204, "")
    assert trail() == [("key:shop", "alice", session)]
    assert scenario.word(scenario.bet(session=session)) == "session_ended"
    assert scenario.word(scenario.win()) == "posted"


def test_knows_no_session_that_was_never_opened(shop: rest_client.Caller) -> None:
    for name in ("never-opened", "%00", "x" * 200):
        answer = shop.call("DELETE", f"sessions/{name}")
        assert (answer.status, answer["code"]) == (404, "unknown_session")


def test_shows_a_player_the_sessions_that_live_and_lets_them_be_ended(shop: rest_client.Caller) -> None:
    first, second = (shop.post("players/alice/sessions", ASKED)["session"] for _ in range(2))
    alice, bob = rest_client.player("alice"), rest_client.player("bob")
    shown = alice.get("me/sessions")["results"]
    assert [each["session"] for each in shown] == [second, first]
    assert set(shown[0]) == {"session", "provider", "currency", "game", "created_at", "expires_at"}
    assert (bob.get("me/sessions")["results"], bob.call("DELETE", f"me/sessions/{first}").status) == ([], 404)
    assert alice.call("DELETE", f"me/sessions/{first}").status == 204
    assert [each["session"] for each in alice.get("me/sessions")["results"]] == [second]
    assert trail() == [("player:alice", "alice", first)]


def test_a_lock_of_bets_and_an_exclusion_end_them(shop: rest_client.Caller) -> None:
    for changes in ({"locks": {"bet": True}}, {"excluded_until": "2199-01-01T00:00:00Z"}):
        session = shop.post("players/alice/sessions", ASKED)["session"]
        assert shop.patch("players/alice", changes).status == 200
        assert GameSession.objects.get(pk=session).ended_at is not None
