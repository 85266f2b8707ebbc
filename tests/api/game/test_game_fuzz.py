"""Whatever comes in at the game door, a definite answer goes out: never a 5xx, never a broken shape."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casino_pam.api.game.dialects.door import CALLS
from casino_pam.server.http_protocol import BoundedHttp
from tests import scenario
from tests.game_client import Client, Door, Reply, as_bytes, listening, until_closed
from wallet.errors import STATUS

# The database goes on from one example to the next, as the door's would.
for_every_example = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

PLAY = {
    "player": "alice",
    "currency": "EUR",
    "reference": "r-1",
    "round": "round-1",
    "game": "slot-1",
    "amount": "1.00",
    "original": "r-1",
    "kind": "bet",
}
FIELDS = (*PLAY, "op", "bet", "source", "original_kind", "end_round", "operations")
WORDS = [
    "alice",
    "EUR",
    "JPY",
    "XXX",
    "r-1",
    "r-2",
    "bet",
    "win",
    "rollback",
    "end-round",
    "end_round",
    "jackpot",
    "0",
    "1e9",
]

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=200),
    st.sampled_from(WORDS),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=0, max_value=50).map(str),
)
objects = st.dictionaries(st.sampled_from(FIELDS), values, max_size=4).map(lambda changes: {**PLAY, **changes})
operations = st.lists(
    st.one_of(values, st.builds(lambda op, body: {**body, "op": op}, st.sampled_from(WORDS), objects)), max_size=6
)
bodies = st.builds(lambda body, several: {**body, "operations": several}, objects, operations)


def is_definite(reply: Reply) -> None:
    """Fail unless the reply is an answer of the contract."""
    if reply.status == 200:
        assert reply.headers["content-type"] == "application/json"
        assert isinstance(reply.json, dict)
        return
    assert reply.headers["content-type"] == "application/problem+json"
    assert STATUS[reply["code"]] == reply["status"] == reply.status < 500, reply.body


@pytest.mark.parametrize("call", [call.name for call in CALLS])
def test_answers_any_json_object_definitely(door: Door, call: str) -> None:
    @for_every_example
    @given(bodies)
    def answers(body: dict[str, Any]) -> None:
        reply = door.post(call, body)
        is_definite(reply)
        for result in reply.json.get("results", []):
            assert result["status"] in ("posted", "void") or STATUS[result["code"]] == result["status"] < 500, result

    answers()


def test_answers_any_signed_bytes_definitely(door: Door) -> None:
    good = json.dumps(PLAY).encode()
    spoilt = st.builds(
        lambda at, junk: good[:at] + junk + good[at + len(junk) :], st.integers(0, len(good)), st.binary()
    )

    @for_every_example
    @given(st.sampled_from([call.name for call in CALLS]), st.one_of(st.binary(max_size=300), spoilt))
    def answers(call: str, body: bytes) -> None:
        is_definite(door.post(call, body))

    answers()


class Impatient(BoundedHttp):
    message_seconds = 0.3


@pytest.fixture
def client(books: None) -> Iterator[Client]:
    scenario.catalogue()
    scenario.alice("100.00")
    with listening(Impatient) as opened:
        yield opened


def test_answers_or_closes_on_any_bytes_at_all(client: Client) -> None:
    good = as_bytes("bet", PLAY)
    junk = st.one_of(
        st.binary(max_size=40), st.sampled_from([b"\r\n", b"\0", b" ", b":", b"\r\n\r\n", b"Upgrade: h2c\r\n"])
    )
    spoilt = st.builds(lambda at, bad: good[:at] + bad + good[at + len(bad) // 2 :], st.integers(0, len(good)), junk)

    @for_every_example
    @given(st.one_of(st.binary(max_size=200), spoilt))
    def answers(data: bytes) -> None:
        with client.dial() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            received = until_closed(sock)
        assert received == b"" or received.startswith(b"HTTP/1.1 "), data
        assert not received.startswith(b"HTTP/1.1 5"), (data, received)

    answers()
    assert client.post("balance", PLAY).status == 200
