"""`POST me/socket-ticket`: how a page that has a token gets a WebSocket."""

import time
from datetime import datetime

import pytest
from django.conf import settings
from django.test import override_settings

from casino_pam import tokens
from tests import rest_client, scenario
from tests.socket_client import deaf_server


def test_a_ticket_stands_for_the_player_who_asked_and_for_thirty_seconds(books: None) -> None:
    scenario.catalogue()
    scenario.alice()
    before = int(time.time())
    reply = rest_client.player("alice").post("me/socket-ticket")
    assert reply.status == 201
    token = tokens.spend_ticket(reply["ticket"])
    assert token is not None
    assert token.player == "alice"
    good_for = datetime.fromisoformat(reply["expires_at"]).timestamp() - before
    assert 30 <= good_for <= 60


def test_a_ticket_is_spent_once(books: None) -> None:
    token = tokens.PlayerToken("alice", int(time.time()) + 60)
    ticket, _ = tokens.issue_ticket(token, time.time())
    assert tokens.spend_ticket(ticket) == token
    assert tokens.spend_ticket(ticket) is None


def test_a_ticket_that_was_not_spent_in_time_is_worth_nothing(books: None) -> None:
    long_ago = time.time() - 31
    ticket, _ = tokens.issue_ticket(tokens.PlayerToken("alice", int(time.time()) + 60), long_ago)
    assert tokens.spend_ticket(ticket) is None


@pytest.mark.parametrize("caller", [rest_client.Caller(), rest_client.Caller("Bearer x")])
def test_nobody_gets_a_ticket_without_a_token(books: None, caller: rest_client.Caller) -> None:
    assert caller.post("me/socket-ticket").status == 401


def test_a_back_end_gets_no_ticket(books: None) -> None:
    assert rest_client.key().post("me/socket-ticket").status == 403


def test_there_are_no_tickets_while_redis_is_away(books: None) -> None:
    scenario.catalogue()
    scenario.alice()
    with deaf_server() as url:
        away = {"default": {**settings.CACHES["default"], "LOCATION": url}}
        with override_settings(CACHES=away):
            reply = rest_client.player("alice").post("me/socket-ticket")
    assert (reply.status, reply["code"], reply["retry"]) == (503, "unavailable", True)
    assert reply.headers["Retry-After"] == "1"
