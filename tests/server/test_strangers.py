"""What somebody who has not logged in can cost us: no thread, little memory, and one line of the log."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from websockets.exceptions import ConnectionClosed

from casino_pam.guard import MAX_BODY, Allowance
from casino_pam.live.hub import MOST_MESSAGES
from casino_pam.server.http_protocol import LARGEST_REST
from casino_pam.server.ws_protocol import MOST_FRAMES
from tests import operators, scenario
from tests.server.test_web import Web, web
from tests.socket_client import closed_with, database_url, dial, next_frame, ticket
from wallet.models import AuditEntry

UPLOAD = "/admin/office/provider-files/"


@pytest.fixture(scope="module")
def served(
    django_db_setup: None, django_db_blocker: Any, static_root: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """One web worker on the database of the test, and its log."""
    with django_db_blocker.unblock():
        url = database_url()
    told = {"WEB_WORKERS": "1", "DATABASE_URL": url, "PLAIN_HTTP": "on", "STATIC_ROOT": static_root}
    with web(tmp_path_factory.mktemp("web"), **told) as opened:
        yield opened


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")


def lines_since(served: Web, mark: int) -> list[dict[str, Any]]:
    return [line for line in served.logged()[mark:] if line["level"] != "info"]


def sent(served: Web, data: bytes) -> bytes:
    """The whole answer to these bytes; the client has nothing more to say."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := _received(sock):
            answer += piece
        return answer


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionError:
        return b""


# --- the log --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [b"evil.example", b"x" * 9_000, b"localhost:x", b"[::1", b"\xff\xfe", b"a b", b"_.-"])
def test_a_host_that_is_not_ours_is_a_warning_of_one_line_and_one_of_many(served: Web, house: None, host: bytes):
    mark = len(served.logged())
    for _ in range(20):
        assert sent(served, b"GET /admin/ HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").startswith(b"HTTP/1.1 400")
    found = lines_since(served, mark)
    assert len(found) <= 2, "more than one in five seconds"
    for line in found:
        assert (line["level"], line["logger"]) == ("warning", "django.security.DisallowedHost")
        assert "exception" not in line
        assert len(json.dumps(line)) < 700


KEY = base64.b64encode(bytes(16))
UPGRADE = b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
SHAKE = UPGRADE + b"Sec-WebSocket-Key: " + KEY + b"\r\n"
MASK = bytes(4)


def frame(opcode: int, payload: bytes, *, fin: int = 0x80) -> bytes:
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([fin | opcode]) + size + MASK + payload


PLAYER = b"GET /ws/player/?ticket=x HTTP/1.1\r\n" + SHAKE + b"\r\n"
HOSTILE: list[bytes] = [
    b"\xff\xfe\xfd\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /%FF HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /admin/?%FF=%FF HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /admin/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b'GET /admin/ HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid="aaaaaaaa\\000"\r\n\r\n',
    b"GET /admin/ HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid=\xff\xfe\xffaaaaaaaa; csrftoken=\xff\r\n\r\n",
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n\xff\xff\xff\xff\xff",
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data\r\n"
    b"Content-Length: 1\r\n\r\nx",
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/html; charset=nonsense\r\n"
    b"Content-Length: 3\r\n\r\na=b",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"GET /static/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/../../manage.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/%FF.js HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /new-password/%FF/?token=%FF HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b'POST /admin/office/provider-files/ HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid="aaaaaaaa\\000"\r\n'
    b"Content-Length: 1\r\n\r\nx",
    b"GET /ws/player/\xff HTTP/1.1\r\n" + SHAKE + b"\r\n",
    b"GET /ws/player/%FF HTTP/1.1\r\n" + SHAKE + b"\r\n",
    b"GET /ws/player/?ticket=%FF HTTP/1.1\r\n" + SHAKE + b"\r\n",
    b"GET /ws/player/?ticket=\xff HTTP/1.1\r\n" + SHAKE + b"\r\n",
    b"GET /ws/player/ HTTP/1.1\r\n" + SHAKE + b"Origin: \xff\xfe\r\n\r\n",
    b"GET /ws/player/ HTTP/1.1\r\n" + SHAKE + b"X-Odd: \xff\xfe\r\n\r\n",
    b"GET /ws/player/ HTTP/1.1\r\n" + SHAKE + b"Sec-WebSocket-Protocol: \xff\r\n\r\n",
    b"GET /ws/player/ HTTP/1.1\r\n" + UPGRADE + b"\r\n",
    b"GET /ws/player/ HTTP/1.1\r\n" + UPGRADE + b"Sec-WebSocket-Key: x\r\n\r\n",
    b"POST /ws/player/ HTTP/1.1\r\n" + SHAKE + b"\r\n",
    b"GET /ws/dashboard/ HTTP/1.1\r\n" + SHAKE + b"Origin: http://localhost\r\n\r\n",
    b"GET /ws/dashboard/ HTTP/1.1\r\n"
    + SHAKE
    + b'Origin: http://localhost\r\nCookie: sessionid="aaaaaaaa\\000"\r\n\r\n',
    b"GET /ws/nowhere HTTP/1.1\r\n" + SHAKE + b"\r\n",
    PLAYER + frame(1, b"\xff\xfe"),
    PLAYER + frame(1, b"\xe2", fin=0) + frame(0, b"\x28\xa1"),
    PLAYER + frame(8, b"\x03\xe8\xff\xfe"),
    PLAYER + frame(8, b"\x03"),
    PLAYER + frame(3, b"x"),
    PLAYER + frame(0, b"x"),
    PLAYER + frame(9, b"x" * 126),
    PLAYER + frame(2, b"x" * 5_000),
    PLAYER + b"\x81\x01x",
    PLAYER + b"\xf1\x80" + MASK,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_whatever_a_stranger_sends_is_no_error_and_no_traceback(served: Web, house: None, number: int):
    mark = len(served.logged())
    answer = sent(served, HOSTILE[number])
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    # The next request is served after whatever was to be said of this one.
    assert served.ask("/healthz") == 200
    for line in lines_since(served, mark):
        assert line["level"] == "warning", line
        assert "exception" not in line
        assert "Traceback" not in json.dumps(line)


# --- sockets --------------------------------------------------------------------------------


def flood(send: Callable[[], object], most: int) -> None:
    """Write until the server ends it."""
    with contextlib.suppress(ConnectionClosed):
        for _ in range(most):
            send()


@pytest.mark.parametrize("message", ["a word", b"\x00\xff", "x" * 4_000])
def test_a_socket_that_writes_without_end_is_closed(served: Web, house: None, message: bytes | str):
    with dial(served.port, ticket("alice")) as quiet, dial(served.port, ticket("alice")) as loud:
        assert next_frame(quiet)["type"] == next_frame(loud)["type"] == "snapshot"
        flood(lambda: loud.send(message), 50_000)
        assert closed_with(loud) == 1008
        assert served.ask("/healthz") == 200
        quiet.ping().wait(30)


def test_pings_without_end_are_as_bad(served: Web, house: None):
    with dial(served.port, ticket("alice")) as loud:
        next_frame(loud)
        flood(loud.ping, 50_000)
        assert closed_with(loud) == 1008


def test_bad_utf_8_on_a_socket_is_said_to_it(served: Web, house: None):
    with dial(served.port, ticket("alice")) as client:
        next_frame(client)
        client.send(b"\xff\xfe", text=True)
        assert closed_with(client) == 1007


def test_a_word_now_and_then_is_nobody_s_business(served: Web, house: None):
    with dial(served.port, ticket("alice")) as client:
        next_frame(client)
        for _ in range(MOST_FRAMES // 2):
            client.send("a word")
        client.ping().wait(30)


def test_a_player_s_sockets_are_counted_together(served: Web, house: None):
    """None of them says more than a socket may."""
    each = MOST_FRAMES - 5
    clients = [dial(served.port, ticket("alice")) for _ in range(2 * MOST_MESSAGES // each + 2)]
    try:
        codes = set()
        for client in clients:
            next_frame(client)
        for client in clients:
            for _ in range(each):
                client.send("a word")
        for client in clients:
            try:
                client.ping().wait(30)
                client.recv(timeout=0.1)
            except TimeoutError:
                continue
            except ConnectionClosed as closed:
                codes.add(closed.rcvd and closed.rcvd.code)
        assert codes == {1008}
    finally:
        for client in clients:
            client.close()


def test_an_allowance_is_a_burst_and_then_a_rate(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    allowance = Allowance(3, 2.0)
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    now += 0.5
    assert [allowance.take() for _ in range(2)] == [True, False]
    now += 3600
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]


# --- bodies ---------------------------------------------------------------------------------


def head(path: str, length: int, cookie: str = "") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    lines += ["Content-Type: multipart/form-data; boundary=x", *([f"Cookie: {cookie}"] if cookie else [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("cookie", ["", "sessionid=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"])
@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_file_is_refused_before_any_of_it_is_sent(served: Web, house: None, cookie: str, expect: bytes):
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as sock:
        sock.sendall(head(UPLOAD, 278 * 2**20, cookie).replace(b"\r\n\r\n", b"\r\n" + expect + b"\r\n"))
        assert sock.recv(65536).startswith(b"HTTP/1.1 403")


def test_a_stranger_s_file_is_not_taken_to_its_end(served: Web, house: None):
    piece, taken = b"x" * 2**20, 0
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as sock:
        sock.sendall(head(UPLOAD, 278 * 2**20))
        with contextlib.suppress(ConnectionError):
            while taken < 278 * 2**20:
                taken += sock.send(piece)
    # What lies in the buffers of both kernels was taken by nobody.
    assert taken < LARGEST_REST + 16 * 2**20


def test_who_may_upload_nothing_is_refused_as_early(served: Web, house: None):
    cookie = f"sessionid={operators.nobody().cookies['sessionid'].value}"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as sock:
        sock.sendall(head(UPLOAD, 278 * 2**20, cookie))
        assert sock.recv(65536).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/wallet/player/", "/", "/nowhere", "/new-password/x/"])
def test_a_stranger_s_form_is_small_and_an_operator_s_is_not(served: Web, house: None, path: str):
    cookie = f"sessionid={operators.sue().cookies['sessionid'].value}"
    for size, who, status in (
        (MAX_BODY + 1, "", 413),
        (MAX_BODY + 1, "sessionid=" + "a" * 32, 413),
        (2**20, cookie, 0),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        headers = {"Host": "localhost", "Content-Type": "application/x-www-form-urlencoded", "Cookie": who}
        connection.request("POST", path, b"x" * size, headers)
        found = connection.getresponse().status
        connection.close()
        assert found == status or (not status and found in (403, 404, 405)), (path, size, found)


# --- the log-in -----------------------------------------------------------------------------

NAMES = {
    "a letter too many": "x" * 151,
    "more than any column": "x" * 256,
    "far more": "x" * 50_000,
    "a letter that becomes eighteen": "\ufdfa" * 150,
    "a NUL": "sue\0",
    "nothing but NULs": "\0" * 300,
    "an emoji": "\U0001f9ff" * 150,
    "a right-to-left mark": "\u202esue",
    "line breaks": "sue\r\nlevel: error",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["username", "password"])
def test_a_log_in_with_anything_is_refused_as_any_other(house: None, name: str, field: str):
    operators.sue()
    form = {"username": "sue", "password": "wrong", field: NAMES[name]}
    answer = Client().post("/admin/login/", form)
    assert answer.status_code == 200
    assert "sessionid" not in answer.cookies
    assert all(len(row.actor) <= 150 for row in AuditEntry.objects.all())


@pytest.mark.parametrize(
    "body", [b"username=%FF%FE&password=x", b"username=\xff\xfe&password=x", b"username=%ED%A0%80&password=x"]
)
def test_a_log_in_in_no_utf_8_is_refused_as_any_other(house: None, body: bytes):
    answer = Client().post("/admin/login/", body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["User-Agent", "Accept", "Referer", "Accept-Language"])
def test_a_failed_log_in_with_long_headers_is_refused_as_any_other(house: None, header: str):
    for value in ("x" * 20_000, "ü" * 400):
        form = {"username": "sue", "password": "wrong"}
        assert Client().post("/admin/login/", form, headers={header: value}).status_code == 200


def test_a_cookie_with_a_nul_is_a_bad_request(house: None):
    client = Client()
    client.cookies["sessionid"] = "aaaaaaaa\0"
    assert client.get("/admin/").status_code == 400


@pytest.mark.parametrize(
    "credential",
    [
        "Api-Key " + "x" * 10_000,
        "Api-Key \xff\xfe",
        "Api-Key",
        "Bearer " + "x" * 10_000,
        "Bearer \xff.\xfe",
        "Bearer",
        "x",
    ],
)
def test_a_credential_of_any_sort_that_is_none_is_401(house: None, credential: str):
    for path in ("/api/v1/me", "/api/v1/players/alice", "/api/v1/me/socket-ticket"):
        answer = Client().get(path, headers={"Authorization": credential})
        assert answer.status_code in (401, 405), path


def test_an_operator_s_name_and_password_open_the_door_still(house: None):
    operators.sue()
    form = {"username": "sue", "password": operators.PASSWORD}
    assert Client().post("/admin/login/", form).status_code == 302
    assert User.objects.get().is_superuser
