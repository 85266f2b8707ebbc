"""The REST door as it is served: bodies, headers and outages on the way to Django, through real web workers."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import rest_client, scenario
from tests.game_client import Client, served, until_closed
from wallet.models import Transaction

MONEY = {"player": "alice", "currency": "EUR", "reference": "d-1", "amount": "1.00"}


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Client]:
    with django_db_blocker.unblock(), served(workers=1) as client:
        yield client


@pytest.fixture
def key(books: None) -> str:
    scenario.catalogue()
    scenario.alice("100.00")
    return rest_client.key()._headers["Authorization"]


class Answer:
    def __init__(self, raw: bytes) -> None:
        head, _, self.content = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def sent(server: Client, line: str, *headers: str, body: bytes = b"") -> Answer:
    """What the server makes of bare bytes."""
    lines = [f"{line} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    with server.dial() as sock:
        sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return Answer(until_closed(sock))


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def test_takes_a_deposit(server: Client, key: str) -> None:
    body = json.dumps(MONEY).encode()
    headers = (f"Authorization: {key}", "Content-Type: application/json", f"Content-Length: {len(body)}")
    answer = sent(server, "POST /api/v1/deposits", *headers, body=body)
    assert (answer.status, answer.json["cash"]) == (200, "101.00")


def test_takes_a_body_that_comes_in_pieces(server: Client, key: str) -> None:
    body = json.dumps(MONEY).encode()
    headers = (f"Authorization: {key}", "Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = sent(server, "POST /api/v1/deposits", *headers, body=chunked(body[:7], body[7:]))
    assert (answer.status, answer.json["cash"]) == (200, "101.00")


def test_refuses_a_body_above_its_limit_before_it_has_come(server: Client, key: str) -> None:
    answer = sent(server, "POST /api/v1/deposits", f"Authorization: {key}", "Content-Length: 65537")
    assert (answer.status, answer.json["code"], answer.json["limit_bytes"]) == (413, "too_large", 65_536)
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_refuses_a_body_in_pieces_above_its_limit(server: Client, key: str) -> None:
    headers = (f"Authorization: {key}", "Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = sent(server, "POST /api/v1/deposits", *headers, body=chunked(*[b" " * 16_384] * 5))
    assert (answer.status, answer.json["code"]) == (413, "too_large")


@pytest.mark.parametrize("query", ["kind=%FF", "kind=\xff", "%FF=%00&%ED%A0%80", "kind=bet&kind=\xe9", "kind=%00"])
def test_refuses_a_query_that_is_no_text(server: Client, key: str, query: str) -> None:
    answer = sent(server, f"GET /api/v1/players/alice/wallets/EUR/transactions?{query}", f"Authorization: {key}")
    if query.startswith("%FF"):
        assert answer.status == 200
    else:
        assert (answer.status, answer.json["status"]) == (400, 400)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset*=bogus'x'y",
        "application/json; charset=" + "x" * 20_000,
        'application/json; a="',
        "application/json;;;=",
        "application/json; \xff",
    ],
)
def test_ignores_whatever_parameters_a_type_has(server: Client, key: str, kind: str) -> None:
    body = json.dumps(MONEY).encode()
    headers = (f"Authorization: {key}", f"Content-Type: {kind}", f"Content-Length: {len(body)}")
    assert sent(server, "POST /api/v1/deposits", *headers, body=body).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: \xff",),
        ("Content-Type: application/json", "Content-Type: text/plain"),
        ("Content-Type: application/json", "Content-Encoding: gzip"),
        (),
    ],
)
def test_refuses_other_types(server: Client, key: str, headers: tuple[str, ...]) -> None:
    answer = sent(server, "POST /api/v1/deposits", f"Authorization: {key}", "Content-Length: 2", *headers, body=b"{}")
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")


def test_takes_no_credentials_sent_twice(server: Client, key: str) -> None:
    answer = sent(server, "GET /api/v1/players/alice", f"Authorization: {key}", f"Authorization: {key}")
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("given", ["abc", "x" * 9_000, "\xe9", ""])
def test_answers_under_a_request_id_of_its_own(server: Client, key: str, given: str) -> None:
    answer = sent(server, "GET /api/v1/unheard-of", f"X-Request-ID: {given}")
    assert answer.json["request_id"] == answer.headers["x-request-id"] != given


def test_streams_a_file(server: Client, key: str) -> None:
    for number in range(5):
        scenario.bet(amount="0.01", reference=f"b-{number}")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    path = "/api/v1/players/alice/wallets/EUR/transactions.csv"
    connection.request("GET", path, headers={"Host": "localhost", "Authorization": key})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, "chunked")
    assert len(answer.read().splitlines()) == Transaction.objects.count() + 1
    connection.close()


# --- paths as they were sent ---------------------------------------------------------------------


def got(server: Client, key: str, path: str, method: str = "GET") -> Answer:
    return sent(server, f"{method} {path}", f"Authorization: {key}", "Content-Length: 0")


@pytest.mark.parametrize("name", ["x/limits", "x/wallets/EUR", "%2F", "..", "50%", "a b?c#d", "x/", "/x", "a//b"])
def test_a_name_with_a_slash_is_one_name_in_every_path(server: Client, key: str, name: str) -> None:
    scenario.player(name, "5.00")
    scenario.player("x", "1.00")
    scenario.hold(name, "2.00", reference=name)
    quoted = rest_client.name(name)
    assert got(server, key, f"/api/v1/players/{quoted}").json["player"] == name
    assert got(server, key, f"/api/v1/players/{quoted}/limits").json["player"] == name
    assert got(server, key, f"/api/v1/players/{quoted}/wallets/EUR").json["player"] == name
    assert got(server, key, f"/api/v1/withdrawals/{quoted}").json["reference"] == name
    assert got(server, key, f"/api/v1/withdrawals/{quoted}/settle", "POST").json["reference"] == name


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/players/x%2Flimits", "unknown_player"),
        ("GET", "/api/v1/players/x%2flimits", "unknown_player"),
        ("GET", "/api/v1/players/x%252Flimits", "unknown_player"),
        ("GET", "/api/v1/players/x%2Fwallets%2FEUR", "unknown_player"),
        ("GET", "/api/v1/players/x/wallets%2FEUR", "not_found"),
        ("GET", "/api/v1/players%2Fx", "not_found"),
        ("GET", "/api/v1/players/x/wallets/EUR%2Ftransactions", "unknown_wallet"),
        ("POST", "/api/v1/withdrawals/w%2Fsettle", "method_not_allowed"),
        ("POST", "/api/v1/withdrawals/w%2Frelease", "method_not_allowed"),
        ("GET", "/api/v1/offers/a%2Fb", "unknown_offer"),
        ("GET", "/api/v1/%70layers/x", "not_found"),
        ("GET", "/api/v1/players/%2e%2e/x", "not_found"),
        ("GET", "/api/v1/players/../players/x", "not_found"),
        ("GET", "/api/v1/players/%2e%2e", "unknown_player"),
        ("GET", "/api/v1/players//limits", "not_found"),
        ("GET", "/api/v1/players/%FF", "unknown_player"),
        ("GET", "/api/v1/players/%C0%AF", "unknown_player"),
        ("GET", "/api/v1/players/%00", "unknown_player"),
        ("GET", "/api/v1/players/%zz", "not_found"),
        ("GET", "/api/v1/players/%2", "not_found"),
        ("GET", "/api/v1/players/x%2F", "unknown_player"),
        ("GET", "/api/v1/players/x/", "not_found"),
    ],
)
def test_no_escape_makes_two_segments_of_one(server: Client, key: str, method: str, path: str, code: str) -> None:
    scenario.player("x", "5.00")
    scenario.hold("x", "2.00", reference="w")
    answer = got(server, key, path, method)
    assert (answer.json["code"], answer.status) == (code, 405 if code == "method_not_allowed" else 404)
    assert not Transaction.objects.filter(kind__in=("SETTLE", "RELEASE")).exists()


@pytest.mark.parametrize(
    "path",
    [
        "/%61dmin/login/",
        "/admin%2Flogin/",
        "/admin/office%2Fprovider-files/",
        "/admin/office/provider%2Dfiles/",
        "/health%7A",
        "/api%2Fv1/players/x",
        "/api%2Fgame/v1/bet",
        "/static%2Fadmin/css/base.css",
    ],
)
def test_no_door_is_reached_by_another_spelling(server: Client, key: str, path: str) -> None:
    answer = got(server, key, path, "POST")
    assert answer.status in (302, 403, 404)
    assert b"provider" not in answer.content.lower()


@pytest.mark.parametrize("path", ["/ws/player%2F?ticket=x", "/ws%2Fplayer/", "/%77s/player/"])
def test_no_socket_is_reached_by_another_spelling(server: Client, key: str, path: str) -> None:
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    assert sent(server, f"GET {path}", *upgrade, f"Sec-WebSocket-Key: {'A' * 22}==").status == 403


def test_bytes_beyond_ascii_in_a_path_are_no_request(server: Client, key: str) -> None:
    answer = sent(server, "GET /api/v1/players/\xe9")
    assert (answer.status, answer.json["code"]) == (400, "malformed")
