"""Sessions of games (DIALECTS.md §1): one that has ended stops bets, and never anything else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from casino_pam.engine import accounts, commands, sessions
from tests import scenario
from tests.scenario import word
from wallet.errors import Refused
from wallet.models import AuditEntry, GameSession, Transaction
from wallet.time import to_microseconds

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")


def a_session(player: str = "alice", provider: str = "acme", currency: str = "EUR") -> GameSession:
    return sessions.open_session(player, provider=provider, currency=currency, game="slot-1")


def balance(session: str) -> Any:
    at = scenario.NOON
    return scenario.do(commands.Balance(source="acme", player="alice", currency="EUR", session=session, at=at))


def test_a_session_has_a_name_for_urls_and_lives_for_a_day():
    session = a_session()
    assert len(session.id) == 32
    assert session.id.replace("-", "").replace("_", "").isalnum()
    assert session.expires_at - session.created_at == DAY
    assert word(scenario.bet(session=session.id)) == "posted"
    assert balance(session.id).cash == 9000


def test_its_life_is_a_setting(settings: Any):
    settings.SESSION_HOURS = 2
    session = a_session()
    assert session.expires_at - session.created_at == timedelta(hours=2)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"player": "nobody"}, "unknown_player"),
        ({"provider": "nobody"}, "unknown_provider"),
        ({"currency": "XXX"}, "unknown_currency"),
        ({"currency": "JPY"}, "unknown_wallet"),
    ],
)
def test_a_session_is_of_a_wallet_with_a_provider(asked: dict[str, str], code: str):
    with pytest.raises(Refused) as refused:
        a_session(**asked)
    assert refused.value.code == code


def test_an_ended_session_stops_bets_and_balances():
    session = a_session()
    assert sessions.end(session)
    refused = scenario.bet(reference="b", session=session.id)
    assert (word(refused), refused.facts["balance"]) == ("session_ended", 10000)
    assert word(balance(session.id)) == "session_ended"


def test_a_session_ends_by_its_time_as_the_command_was_received():
    session = a_session()
    last = to_microseconds(session.expires_at)
    assert word(scenario.bet(session=session.id, at=last - 1)) == "posted"
    assert word(scenario.bet(session=session.id, at=last)) == "session_ended"


def test_whoever_ends_it_ends_it_for_what_was_received_before():
    session = a_session()
    sessions.end(session)
    assert word(scenario.bet(session=session.id, at=scenario.NOON - scenario.DAY)) == "session_ended"


def test_the_refusal_is_remembered_for_a_copy_may_have_come_before_the_end():
    session = a_session()
    last = to_microseconds(session.expires_at)
    assert word(scenario.bet(reference="b", session=session.id, at=last)) == "session_ended"
    again = scenario.bet(reference="b", session=session.id, at=last - 1)
    assert (word(again), again.facts["replayed"]) == ("session_ended", True)
    assert Transaction.objects.get(kind="BET", reference="b").refusal == "session_ended"
    # What undoes a failed bet meets the row.
    assert word(scenario.rollback("b")) == "void"


def test_a_bet_that_was_posted_is_answered_again_after_the_session_ended():
    session = a_session()
    scenario.bet(reference="b", session=session.id)
    sessions.end(session)
    again = scenario.bet(reference="b", session=session.id)
    assert (word(again), again.replayed) == ("posted", True)


def test_wins_rollbacks_and_ends_of_rounds_know_no_session():
    session = a_session()
    scenario.bet(reference="b", session=session.id)
    scenario.bet(reference="b-2", round="round-2", session=session.id)
    sessions.end(session)
    assert word(scenario.win(bet="b")) == "posted"
    assert word(scenario.rollback("b-2")) == "posted"
    assert word(scenario.end_round()) == "posted"


@pytest.mark.parametrize("foreign", [("bob", "acme"), ("alice", "zenith")])
def test_a_session_of_another_player_or_provider_is_unknown(foreign: tuple[str, str]):
    session = a_session(*foreign)
    assert word(scenario.bet(session=session.id)) == "unknown_session"
    assert word(scenario.bet(session="never made")) == "unknown_session"
    assert not Transaction.objects.filter(kind="BET").exists()


def test_a_lock_or_an_exclusion_is_told_before_the_end_that_came_of_it():
    session = a_session()
    accounts.change("alice", bet_locked=True)
    assert word(scenario.bet(session=session.id)) == "wallet_locked"
    accounts.change("alice", bet_locked=False)
    assert word(scenario.bet(session=session.id)) == "session_ended"


def test_a_batch_with_a_bet_of_an_ended_session_is_refused_as_a_whole():
    session = a_session()
    sessions.end(session)
    common: dict[str, Any] = {"source": "acme", "player": "alice", "at": scenario.NOON, "currency": "EUR"}
    play = {**common, "round": "r", "game": "g", "amount": 100}
    operations = (commands.Win(reference="w", **play), commands.Bet(reference="b", session=session.id, **play))
    refused = scenario.do(commands.Batch(operations=operations))
    assert (word(refused), refused.facts["index"]) == ("session_ended", 1)
    assert list(Transaction.objects.filter(source="acme").values_list("kind", "status")) == [("BET", "REFUSED")]


# --- who ends them -------------------------------------------------------------------------------


def living(player: str = "alice") -> set[str]:
    return {session.id for session in sessions.of_player(player)}


@pytest.mark.parametrize(
    "ending",
    [
        lambda: accounts.change("alice", bet_locked=True),
        lambda: accounts.change("alice", excluded_until=timezone.now() + DAY),
        lambda: accounts.exclude("alice", timezone.now() + DAY),
        lambda: accounts.exclude_myself("alice", timezone.now() + DAY, lambda *args, **fields: None),
    ],
    ids=["a lock of bets", "an exclusion by the back end", "one by an operator", "one by the player"],
)
def test_a_players_sessions_are_ended_by(ending: Any):
    mine, hers = {a_session().id, a_session().id}, a_session("bob").id
    assert living() == mine
    ending()
    assert living() == set()
    assert living("bob") == {hers}
    assert GameSession.objects.filter(player__code="alice").count() == 2
    entry = AuditEntry.objects.get(act="end sessions")
    assert (entry.player, set(entry.after["ended"])) == ("alice", mine)


@pytest.mark.parametrize("fields", [{"deposit_locked": True}, {"country": "MT"}, {"excluded_until": None}])
def test_what_stops_no_bets_ends_no_sessions(fields: dict[str, Any]):
    session = a_session()
    accounts.change("alice", **fields)
    assert living() == {session.id}
    assert not AuditEntry.objects.exists()


def test_a_restriction_that_is_taken_back_ends_nothing():
    session = a_session()
    with transaction.atomic():
        accounts.change("alice", bet_locked=True)
        transaction.set_rollback(True)
    assert living() == {session.id}
    assert not AuditEntry.objects.exists()


def test_a_session_ends_once_and_is_never_forgotten():
    session = a_session()
    assert sessions.end(session)
    ended = sessions.find(session.id).ended_at
    assert not sessions.end(session)
    assert sessions.find(session.id).ended_at == ended


def test_the_newest_session_with_a_provider_is_found_ended_or_not():
    assert sessions.newest("acme", "alice") is None
    a_session()
    newest = a_session()
    a_session(provider="zenith")
    sessions.end(newest)
    found = sessions.newest("acme", "alice")
    assert found is not None
    assert found.id == newest.id


def test_a_session_is_sought_with_its_player_or_provider():
    session = a_session()
    assert sessions.find(session.id, provider="acme", player="alice").pk == session.pk
    for other in ({"provider": "zenith"}, {"player": "bob"}):
        with pytest.raises(Refused, match="unknown_session"):
            sessions.find(session.id, **other)
