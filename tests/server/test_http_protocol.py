"""What a peer can do to the server with bare bytes: nothing is held open, nothing is left unanswered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from casino_pam.api.game.dialects import door as own_door
from casino_pam.api.game.dialects.dialect import Call, answer
from casino_pam.server.http_protocol import LARGEST_HEAD, BoundedHttp
from tests import scenario
from tests.game_client import Client, Reply, as_bytes, listening, raw, signed, until_closed, wait_until
from wallet.models import Transaction

BET = {"player": "alice", "currency": "EUR", "reference": "r-1", "round": "x", "game": "slot-1", "amount": "10.00"}
HOST = b"Host: localhost\r\n"


class Impatient(BoundedHttp):
    message_seconds = 0.3
    unread_seconds = 0.3


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")


@pytest.fixture
def client(house: None) -> Iterator[Client]:
    """The door behind a uvicorn that waits only 0.3 s for the rest of a request."""
    with listening(Impatient) as opened:
        yield opened


def plays() -> int:
    return Transaction.objects.exclude(kind="DEPOSIT").count()


def split(data: bytes) -> tuple[list[Reply], bytes]:
    """The whole answers in what came over the wire, and the rest."""
    replies = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        if len(rest) < length:
            break
        replies.append(Reply(int(status.split()[1]), headers, rest[:length]))
        data = rest[length:]
    return replies, data


def parsed(data: bytes) -> list[Reply]:
    replies, rest = split(data)
    assert rest == b""
    return replies


def receive(sock: socket.socket, count: int = 1) -> list[Reply]:
    """So many answers on a connection that stays open."""
    data = b""
    while len(split(data)[0]) < count:
        data += sock.recv(65536)
    return parsed(data)


def answers(client: Client, data: bytes, *, half_close: bool = False) -> list[Reply]:
    """Send the bytes as they are and read until the server closes."""
    with client.dial() as sock:
        sock.sendall(data)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        return parsed(until_closed(sock))


def only(replies: list[Reply]) -> Reply:
    (reply,) = replies
    return reply


def is_problem(reply: Reply, status: int, code: str) -> None:
    assert (reply.status, reply["status"], reply["code"]) == (status, status, code), reply
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply["retry"] is False


# --- slow and endless ------------------------------------------------------------------------


def test_ends_a_body_that_does_not_come_to_its_end(client: Client) -> None:
    whole = as_bytes("bet", BET)
    for received in (whole[:-1], whole[: whole.index(b"\r\n\r\n") + 4]):
        reply = only(answers(client, received))
        is_problem(reply, 408, "timeout")
        assert reply.headers["connection"] == "close"
    assert plays() == 0


def test_ends_a_head_that_does_not_come_to_its_end(client: Client) -> None:
    for received in (b"P", b"POST /api/game/v1/bet HTTP/1.1\r\n", b"POST /api/game/v1/bet HTTP/1.1\r\nHost: local"):
        is_problem(only(answers(client, received)), 408, "timeout")


def test_ends_a_body_that_trickles_for_ever(client: Client) -> None:
    """Each byte is in time; the whole is not."""
    with client.dial() as sock:
        sock.sendall(as_bytes("bet", BET)[:-30])
        sock.settimeout(0.02)
        received = b""
        for _ in range(1000):
            try:
                sock.sendall(b" ")
                received += sock.recv(65536)
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break
            if not received or received.endswith(b"}"):
                break
        else:
            pytest.fail("the server listens for ever")
    assert b"408" in received.split(b"\r\n")[0]
    assert plays() == 0


def test_ends_a_chunked_body_without_end(client: Client) -> None:
    head = as_bytes("bet", BET).partition(b"\r\n\r\n")[0].replace(b"Content-Length", b"X-Length")
    start = head + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    is_problem(only(answers(client, start + b'5\r\n{"a":\r\n')), 408, "timeout")
    with client.dial() as sock:
        sock.sendall(start + b"100000\r\n" + b" " * 70_000)
        is_problem(only(receive(sock)), 413, "too_large")
        # Nothing more is said; the connection goes when the rest of the body does not come.
        assert until_closed(sock) == b""


def test_refuses_a_body_that_says_to_be_too_large_before_it_is_sent(client: Client) -> None:
    body = b"x" * (64 * 1024 + 1)
    head = as_bytes("bet", body)[: -len(body)]
    with client.dial() as sock:
        sock.sendall(head)
        is_problem(only(receive(sock)), 413, "too_large")
        assert until_closed(sock) == b""


def test_reads_a_body_in_whatever_pieces_it_comes(client: Client) -> None:
    body = raw(BET)
    chunked = as_bytes("bet", BET, "Transfer-Encoding: chunked\r\n")[: -len(body)]
    chunked = chunked.replace(b"Content-Length: %d\r\n" % len(body), b"")
    chunked += b"".join(b"1\r\n%c\r\n" % each for each in body) + b"0\r\n\r\n"
    for data in (as_bytes("bet", BET), chunked):
        with client.dial() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for place in range(0, len(data), 7):
                sock.sendall(data[place : place + 7])
            assert only(receive(sock)).status == 200
    assert plays() == 1


def test_goes_on_behind_a_pipelined_body_that_is_too_large(client: Client) -> None:
    large = as_bytes("bet", b"x" * 70_000)
    with client.dial() as sock:
        sock.sendall(as_bytes("bet", BET) + large + as_bytes("win", {**BET, "reference": "w-1"}))
        assert [each.status for each in receive(sock, 3)] == [200, 413, 200]


def test_writes_no_body_in_answer_to_head(client: Client) -> None:
    with client.dial() as sock:
        sock.sendall(b"HEAD /api/game/v1/bet HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        head, _, rest = until_closed(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ") and b"content-length: " in head
    assert rest == b""


def test_closes_a_connection_that_never_says_anything(house: None) -> None:
    with listening(timeout_keep_alive=0.2) as client:
        assert answers(client, b"") == []
        with client.dial() as sock:
            sock.sendall(as_bytes("bet", BET))
            assert [each.status for each in parsed(until_closed(sock))] == [200]


class Gate:
    """A bet that is answered when the gate is opened, and not before."""

    def __init__(self) -> None:
        self._held: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run(self, visit: Any) -> Any:
        gate = asyncio.Event()
        self._held.append((asyncio.get_running_loop(), gate))
        await gate.wait()
        return answer({"results": []})

    def open(self) -> None:
        loop, gate = self._held[0]
        loop.call_soon_threadsafe(gate.set)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *error: object) -> None:
        """A server does not end before it has answered."""
        self.open()


@pytest.fixture
def gate(house: None, monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setitem(own_door.DIALECT.calls, b"bet", Call("bet", gate.run))
    return gate


def is_silent(sock: socket.socket) -> bool:
    """Whether nothing comes for a second."""
    sock.settimeout(1)
    try:
        return not sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(30)


def test_never_counts_the_time_an_earlier_request_takes(gate: Gate) -> None:
    """The second request is half there while the first is served; only its own slowness counts."""
    first, second = as_bytes("bet", BET), as_bytes("win", {**BET, "reference": "w-1"})
    with listening(Impatient) as client, client.dial() as sock, gate:
        sock.sendall(first + second[:40])
        assert is_silent(sock)
        sock.sendall(second[40:])
        gate.open()
        first_reply, second_reply = receive(sock, 2)
    assert first_reply.json == {"results": []}
    assert second_reply["reference"] == "w-1"


def test_answers_no_call_before_the_one_that_was_sent_before_it(gate: Gate) -> None:
    with listening(Impatient) as client, client.dial() as sock, gate:
        sock.sendall(as_bytes("bet", BET) + as_bytes("win", {**BET, "reference": "w-1"}))
        assert is_silent(sock)
        gate.open()
        first_reply, second_reply = receive(sock, 2)
    assert first_reply.json == {"results": []}
    assert second_reply["reference"] == "w-1"


def test_gives_up_a_client_that_does_not_read_its_answers(client: Client) -> None:
    assert client.server is not None
    open_connections = client.server.server_state.connections
    asked = as_bytes("bulk", {"operations": [{"op": "bet"}] * 1000})
    with client.dial() as sock:
        sock.sendall(asked)
        assert only(receive(sock)).status == 200
        # More answers than all buffers on the way can hold.
        for _ in range(60):
            with suppress(ConnectionResetError, BrokenPipeError):
                sock.sendall(asked)
        wait_until(lambda: not open_connections)


# --- half-closed and gone --------------------------------------------------------------------


def test_answers_a_client_that_has_closed_its_sending_side(client: Client) -> None:
    reply = only(answers(client, as_bytes("bet", BET), half_close=True))
    assert (reply.status, reply["balance"]) == (200, "90.00")
    assert reply.headers["connection"] == "close"


def test_closes_at_once_on_a_client_that_closed_in_the_middle(client: Client) -> None:
    whole = as_bytes("bet", BET)
    for received in (b"", whole[:20], whole[:-1]):
        assert answers(client, received, half_close=True) == []
    assert plays() == 0


def test_carries_out_what_a_client_sent_that_hung_up(client: Client) -> None:
    with client.dial() as sock:
        sock.sendall(as_bytes("bet", BET))
    again = client.post("bet", BET)
    assert (again.status, again["replayed"], again["balance"]) == (200, True, "90.00")


# --- heads -----------------------------------------------------------------------------------


def test_takes_a_head_of_many_headers_and_refuses_a_larger_one(client: Client) -> None:
    many = "".join(f"X-Extra-{number}: {'v' * 100}\r\n" for number in range(200))
    assert len(many) < LARGEST_HEAD
    assert only(answers(client, as_bytes("bet", BET, f"Connection: close\r\n{many}"))).status == 200
    for extra in (many * 2, f"X-Large: {'v' * LARGEST_HEAD}\r\n"):
        is_problem(only(answers(client, as_bytes("win", BET, extra))), 413, "too_large")
    target = b"POST /api/game/v1/bet?" + b"q" * LARGEST_HEAD + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    is_problem(only(answers(client, target)), 413, "too_large")
    assert plays() == 1


def test_refuses_a_head_without_end_long_before_memory_is_full(client: Client) -> None:
    with client.dial() as sock:
        sock.sendall(b"POST /api/game/v1/bet HTTP/1.1\r\n" + HOST + b"X-Large: ")
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                sock.sendall(b"v" * 65536)
                sent += 65536
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert sent < 64 * 1024 * 1024


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"POST bet HTTP/1.1\r\n\r\n",
     b"GET / HTTP/9.9\r\n\r\n",
     b"POST /api/game/v1/bet HTTP/1.1\r\nHost localhost\r\n\r\n", b"POST /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
     b"POST /api/game/v1/bet HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
     b"POST /api/game/v1/bet HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
     b"POST /api/game/v1/bet HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     b"POST /api/game/v1/bet HTTP/1.1\r\n" + HOST + b"X-Nul: \x00\r\n\r\n"],
    ids=lambda data: repr(data[:40]),
)  # fmt: skip
def test_answers_what_is_not_http_in_the_one_shape_of_problems(client: Client, data: bytes) -> None:
    is_problem(only(answers(client, data)), 400, "malformed")


def test_wants_a_host_even_of_old_http(client: Client) -> None:
    is_problem(only(answers(client, b"POST /api/game/v1/bet HTTP/1.0\r\n\r\n")), 400, "malformed")


# --- connections that are kept ---------------------------------------------------------------


def test_answers_pipelined_requests_in_order(client: Client) -> None:
    bodies = [{**BET, "reference": f"r-{number}", "amount": "1.00"} for number in range(20)]
    data = b"".join(as_bytes("bet", body) for body in bodies[:-1]) + as_bytes(
        "bet", bodies[-1], "Connection: close\r\n"
    )
    replies = answers(client, data)
    assert [each["reference"] for each in replies] == [body["reference"] for body in bodies]
    assert [each["balance"] for each in replies] == [f"{99 - number}.00" for number in range(20)]


def test_keeps_a_connection_after_a_refusal(client: Client) -> None:
    for call, body, status in (("bets", BET, 404), ("bet", {}, 400), ("bet", b"x" * 70_000, 413), ("bet", BET, 200)):
        assert client.post(call, body).status == status


def test_waits_for_a_body_that_asks_first_whether_it_may_come(client: Client) -> None:
    data = raw(BET)
    head = as_bytes("bet", BET, "Expect: 100-continue\r\nConnection: close\r\n")[: -len(data)]
    with client.dial() as sock:
        sock.sendall(head)
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(data)
        assert only(parsed(until_closed(sock))).status == 200


def test_signs_the_path_as_it_was_sent(client: Client) -> None:
    """An absolute address and a query are not part of it; an escape is."""
    data = raw(BET)
    headers = {**signed("bet", data), "Content-Length": str(len(data)), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    for target, status in (
        (b"/api/game/v1/bet?x=1", 200),
        (b"http://localhost/api/game/v1/bet", 200),
        (b"/api/game/v1/%62et", 404),
        (b"/api/game/v1/bet#f", 200),
    ):
        reply = only(answers(client, b"POST %b HTTP/1.1\r\n%b\r\n%b" % (target, lines, data)))
        assert reply.status == status, target
