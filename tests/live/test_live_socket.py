"""The WebSocket of a player at real web workers: who gets in, and what is seen."""

import base64
import json
import os
import socket
import time

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from casino_pam import tokens
from tests import bonus_scenario, scenario
from tests.game_client import served
from tests.socket_client import PATIENCE, closed_with, dial, next_frame, ticket, until


@pytest.fixture
def port(workers: int, books: None) -> int:
    """The workers' port, and an empty house behind it."""
    scenario.catalogue()
    return workers


def test_a_player_sees_every_wallet_and_then_every_change(port: int) -> None:
    scenario.alice("100.00")
    scenario.player("alice", "0", currency="JPY")
    with dial(port, ticket("alice")) as client:
        euros, yen = sorted([next_frame(client), next_frame(client)], key=lambda frame: frame["currency"])
        assert euros == {
            "type": "snapshot",
            "version": 1,
            "currency": "EUR",
            "cash": "100.00",
            "bonus": "0.00",
            "held": "0.00",
            "balance": "100.00",
            "wagering": None,
        }
        assert (yen["type"], yen["version"], yen["balance"]) == ("snapshot", 0, "0")
        scenario.bet("alice", "12.50")
        assert next_frame(client) == {**euros, "type": "wallet", "version": 2, "cash": "87.50", "balance": "87.50"}
        scenario.hold("alice", "7.50")
        assert (frame := next_frame(client))["held"] == "7.50" and frame["version"] == 3


def test_a_bet_moves_the_wagering_and_its_end_converts(port: int) -> None:
    bonus = bonus_scenario.wagering("30.00", cash="100.00", multiplier=2)
    with dial(port, ticket("bob")) as client:
        expected = {"bonus": str(bonus.id), "wagered": "0.00", "required": "60.00", "percent": 0, "status": "active"}
        assert next_frame(client)["wagering"] == expected
        scenario.bet("bob", "15.00")
        frame = next_frame(client)
        assert frame["wagering"] == {**expected, "wagered": "15.00", "percent": 25}
        assert (frame["type"], frame["cash"], frame["bonus"]) == ("wallet", "85.00", "30.00")
        scenario.bet("bob", "45.00")
        frame = until(client, lambda frame: frame["wagering"] is None)[-1]
        assert (frame["cash"], frame["bonus"], frame["balance"]) == ("70.00", "0.00", "70.00")


def test_a_bonus_that_queues_moves_no_money_and_is_told_as_a_snapshot(port: int) -> None:
    bonus_scenario.wagering("30.00", per_player=2)
    with dial(port, ticket("bob")) as client:
        first = next_frame(client)
        bonus_scenario.grant()
        assert next_frame(client) == {**first, "type": "snapshot"}


def test_two_players_see_only_their_own_money(port: int) -> None:
    scenario.alice("100.00")
    scenario.bob("50.00")
    with dial(port, ticket("alice")) as alice, dial(port, ticket("bob")) as bob:
        assert next_frame(alice)["cash"] == "100.00"
        assert next_frame(bob)["cash"] == "50.00"
        for _ in range(5):
            scenario.bet("alice", "1.00")
        scenario.bet("bob", "20.00")
        assert {frame["cash"] for frame in until(bob, lambda frame: frame["version"] == 2)} == {"30.00"}
        assert until(alice, lambda frame: frame["version"] == 6)[-1]["cash"] == "95.00"


def test_two_tabs_of_one_player_see_the_same(port: int) -> None:
    scenario.alice("100.00")
    with dial(port, ticket("alice")) as one, dial(port, ticket("alice")) as other:
        for client in (one, other):
            assert next_frame(client)["type"] == "snapshot"
        scenario.bet("alice", "1.00")
        assert next_frame(one) == next_frame(other)


def test_versions_never_go_back_and_the_last_frame_is_the_truth(port: int) -> None:
    scenario.alice("100.00")
    with dial(port, ticket("alice")) as client:
        for _ in range(100):
            scenario.bet("alice", "0.10")
        frames = until(client, lambda frame: frame["version"] == 101)
        versions = [frame["version"] for frame in frames]
        assert versions == sorted(set(versions))
        assert frames[-1]["cash"] == "90.00"


def test_a_wallet_opened_meanwhile_shows_with_its_first_change(port: int) -> None:
    scenario.alice("100.00")
    with dial(port, ticket("alice")) as client:
        next_frame(client)
        scenario.player("alice", "500", currency="JPY")
        frames = until(client, lambda frame: frame["cash"] == "500")
        assert frames[0]["type"] == "snapshot"
        assert {frame["currency"] for frame in frames} == {"JPY"}


def test_a_ticket_opens_one_socket(port: int) -> None:
    scenario.alice("100.00")
    spent = ticket("alice")
    with dial(port, spent) as client:
        next_frame(client)
        with dial(port, spent) as second:
            assert closed_with(second) == 4401


@pytest.mark.parametrize("text", ["", "x", "A" * 43, "%00", "A" * 3000, "%F0%9F%8E%B0", "*", "a&ticket=b"])
def test_a_text_that_is_no_ticket_is_told_so_after_the_handshake(port: int, text: str) -> None:
    with dial(port, text) as client:
        assert closed_with(client) == 4401


def test_a_socket_ends_with_the_session_it_was_opened_for(port: int) -> None:
    scenario.alice("100.00")
    ends_at = int(time.time()) + 2
    short, _ = tokens.issue_ticket(tokens.PlayerToken("alice", ends_at), time.time())
    with dial(port, short) as client:
        assert next_frame(client)["cash"] == "100.00"
        assert closed_with(client) == 4401
        assert time.time() >= ends_at


def test_a_ticket_ends_with_its_token(books: None) -> None:
    now = int(time.time())
    assert tokens.issue_ticket(tokens.PlayerToken("alice", now + 900), now)[1] == now + 30
    assert tokens.issue_ticket(tokens.PlayerToken("alice", now + 5), now)[1] == now + 5


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example:{port}",
        "http://evil.example:{port}",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "ftp://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "http://user@127.0.0.1:{port}",
        "null",
        "",
    ],
)
def test_a_foreign_page_is_refused_before_the_handshake_and_spends_nothing(port: int, origin: str) -> None:
    scenario.alice("100.00")
    good = ticket("alice")
    with pytest.raises(InvalidStatus) as refused:
        dial(port, good, additional_headers={"Origin": origin.format(port=port)})
    assert refused.value.response.status_code == 403
    with dial(port, good, additional_headers={"Origin": f"http://127.0.0.1:{port}"}) as client:
        assert next_frame(client)["cash"] == "100.00"


def test_our_own_page_under_another_of_our_names_is_let_in(port: int) -> None:
    scenario.alice("100.00")
    with dial(port, ticket("alice"), additional_headers={"Origin": f"http://localhost:{port}"}) as client:
        assert next_frame(client)["cash"] == "100.00"


def test_another_path_is_refused(port: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{port}/ws/admin/?ticket={ticket('alice')}")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "text",
    [
        "websocket.disconnect",
        "websocket_connect",
        "wallet.changed",
        "hub",
        "_open",
        "snapshot",
    ],
)
def test_whatever_type_a_client_sends_it_reaches_nothing(port: int, text: str) -> None:
    scenario.alice("100.00")
    scenario.bob("50.00")
    with dial(port, ticket("alice")) as client:
        next_frame(client)
        client.send(json.dumps({"type": text, "player": "bob", "wallet": 2, "code": 1000}))
        client.send(text.encode())
        scenario.bet("alice", "1.00")
        assert next_frame(client)["cash"] == "99.00"


def test_a_frame_over_4_kib_closes_with_1009(port: int) -> None:
    scenario.alice("100.00")
    with dial(port, ticket("alice")) as client:
        next_frame(client)
        client.send("x" * 4096)
        scenario.bet("alice", "1.00")
        assert next_frame(client)["cash"] == "99.00"
        client.send("x" * 4097)
        assert closed_with(client) == 1009


def test_a_frame_over_4_kib_in_pieces_closes_with_1009(port: int) -> None:
    scenario.alice("100.00")
    with dial(port, ticket("alice")) as client:
        next_frame(client)
        client.send(["x" * 1000] * 5)
        assert closed_with(client) == 1009


def test_bytes_that_are_no_frame_end_only_their_own_socket(port: int) -> None:
    scenario.alice("100.00")
    with dial(port, ticket("alice")) as good, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as bad:
        key = base64.b64encode(os.urandom(16)).decode()
        bad.sendall(
            f"GET /ws/player/?ticket={ticket('alice')} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert bad.recv(65536).startswith(b"HTTP/1.1 101 ")
        # A client's frame without a mask.
        bad.sendall(Frame(Opcode.TEXT, b"hello").serialize(mask=False))
        while bad.recv(65536):
            pass
        next_frame(good)
        scenario.bet("alice", "1.00")
        assert next_frame(good)["cash"] == "99.00"


def test_tickets_stay_out_of_the_log(books: None, capfd: pytest.CaptureFixture[str]) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    spent, refused = ticket("alice"), ticket("alice")
    with served(workers=1, LOG_LEVEL="DEBUG") as client:
        with dial(client.port, spent) as sock:
            next_frame(sock)
        with pytest.raises(InvalidStatus):
            dial(client.port, refused, additional_headers={"Origin": "https://evil.example"})
    said = capfd.readouterr()
    assert spent not in said.err + said.out
    assert refused not in said.err + said.out
