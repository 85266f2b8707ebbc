"""What the game door asks of a request before it looks at the body, and in which order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import override_settings
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from casino_pam.api import strict_json
from casino_pam.api.game import app
from casino_pam.api.game.dialects.door import CALLS
from tests.game_client import Door, Reply, asgi_headers, path_of, raw, signed
from wallet.models import Transaction

BET = {"player": "alice", "currency": "EUR", "reference": "r-1", "round": "x", "game": "slot-1", "amount": "10.00"}
BODY = raw(BET)
KIB = 1024


def headers(call: str = "bet", body: bytes = BODY, **changes: str | None) -> dict[str, str]:
    """Signed headers, some of them changed or, with None, left out; `_` in a name stands for `-`."""
    found = signed(call, body)
    for name, value in changes.items():
        found.pop(name.replace("_", "-"), None)
        if value is not None:
            found[name.replace("_", "-")] = value
    return found


def send(door: Door, call: str = "bet", body: bytes = BODY, given: Mapping[str, str] | None = None) -> Reply:
    return door.request("POST", path_of(call), given or headers(call, body), body)


def padded(size: int) -> bytes:
    """A bet of exactly so many bytes."""
    return raw({**BET, "pad": "x" * (size - len(raw({**BET, "pad": ""})))})


def is_problem(reply: Reply, status: int, code: str) -> None:
    """Fail unless the reply is that problem in the one shape of all problems."""
    assert (reply.status, reply["status"], reply["code"]) == (status, status, code), reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply["request_id"] == reply.headers["x-request-id"]
    assert {"type", "title", "detail"} < set(reply.json)
    assert reply["retry"] is (status in (429, 500, 503))


@pytest.fixture
def nothing_posted(door: Door) -> Iterator[None]:
    yield
    assert Transaction.objects.exclude(kind="DEPOSIT").count() == 0


# --- path, method ----------------------------------------------------------------------------


UNKNOWN_PATHS = [
    "/api/game/v1/", "/api/game/v1/bets", "/api/game/v1/bet/", "/api/game/v1//bet", "/api/game/v1/BET",
    "/api/game/v1/end_round", "/api/game/v2/bet", "/api/game/bet", "/api/game/v1/../v1/bet", "/api/game/v1/b%65t",
    "/api/game/v1/bet%00", "/api/game/v1/bet;x=1",
]  # fmt: skip


@pytest.mark.usefixtures("nothing_posted")
def test_knows_no_other_path(door: Door) -> None:
    for path in UNKNOWN_PATHS:
        for method in ("POST", "GET"):
            is_problem(door.request(method, path, headers(), BODY), 404, "not_found")


@pytest.mark.usefixtures("nothing_posted")
def test_takes_nothing_but_post(door: Door) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "FOO"):
        for call in CALLS:
            reply = door.request(method, path_of(call.name), headers(), BODY)
            is_problem(reply, 405, "method_not_allowed")
            assert reply.headers["allow"] == "POST"


def test_ignores_the_query_which_nobody_has_signed(door: Door) -> None:
    assert door.request("POST", path_of("bet"), headers(), BODY, query=b"amount=1").status == 200


# --- host ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_posted")
def test_refuses_a_host_that_is_not_served(door: Door) -> None:
    for host in ("evil.example", "", "localhost.evil.example", "localhost@evil", "local host", "é", None):
        is_problem(send(door, given=headers(Host=host)), 400, "malformed")


@pytest.mark.usefixtures("nothing_posted")
def test_refuses_two_hosts(door: Door) -> None:
    twice = [*asgi_headers(headers()), (b"host", b"localhost")]
    is_problem(door.request("POST", path_of("bet"), twice, BODY), 400, "malformed")


def test_takes_a_host_that_is_served(door: Door) -> None:
    with override_settings(ALLOWED_HOSTS=["localhost", "127.0.0.1"]):
        app.is_served.cache_clear()
        for host in ("localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:80"):
            assert send(door, given=headers(Host=host)).status == 200


# --- size ------------------------------------------------------------------------------------


def test_takes_a_body_of_just_the_limit(door: Door) -> None:
    assert door.post("bet", padded(64 * KIB)).status == 200
    operations = raw({"operations": [{**BET, "op": "bet"}], "pad": "x" * (1024 * KIB - 200)})
    body = operations + b" " * (1024 * KIB - len(operations))
    assert door.post("bulk", body).status == 200


@pytest.mark.usefixtures("nothing_posted")
def test_refuses_a_larger_body(door: Door) -> None:
    for call in (call.name for call in CALLS):
        limit = 1024 * KIB if call == "bulk" else 64 * KIB
        reply = door.post(call, padded(limit + 1))
        is_problem(reply, 413, "too_large")
        assert reply["limit_bytes"] == limit


# --- content ---------------------------------------------------------------------------------


OTHER_TYPES = [
    None, "", "text/json", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application",
    "application/problem+json", "application/json, text/plain", "multipart/form-data; application/json", "é", "*/*",
]  # fmt: skip


@pytest.mark.usefixtures("nothing_posted")
def test_refuses_another_content_type(door: Door) -> None:
    for media_type in OTHER_TYPES:
        is_problem(send(door, given=headers(Content_Type=media_type)), 415, "unsupported_media_type")


def test_ignores_the_parameters_and_the_case_of_the_content_type(door: Door) -> None:
    json_type = "application/json"
    for media_type in (
        f"{json_type}; charset=utf-8",
        f"{json_type};charset=latin-1",
        json_type.upper(),
        f" {json_type} ",
    ):
        assert send(door, given=headers(Content_Type=media_type)).status == 200


@pytest.mark.usefixtures("nothing_posted")
def test_refuses_any_content_encoding(door: Door) -> None:
    for encoding in ("gzip", "identity", "deflate, br", ""):
        is_problem(send(door, given=headers(Content_Encoding=encoding)), 415, "unsupported_media_type")


@pytest.mark.usefixtures("nothing_posted")
def test_refuses_two_content_types(door: Door) -> None:
    twice = [*asgi_headers(headers()), (b"content-type", b"application/json")]
    is_problem(door.request("POST", path_of("bet"), twice, BODY), 415, "unsupported_media_type")


# --- the order -------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_posted")
def test_checks_path_method_size_signature_type_body_in_this_order(door: Door) -> None:
    """Everything is wrong with the first request; then one thing after the other is put right."""
    body = b"x" * (64 * KIB + 1)
    wrong: dict[str, Any] = {"Content-Type": "text/plain", "Host": "localhost", "X-Provider": "nobody"}
    is_problem(door.request("PUT", path_of("bets"), wrong, body), 404, "not_found")
    is_problem(door.request("PUT", path_of("bet"), wrong, body), 405, "method_not_allowed")
    is_problem(door.request("POST", path_of("bet"), wrong, body), 413, "too_large")
    is_problem(door.request("POST", path_of("bet"), wrong, b"x"), 401, "unauthenticated")
    is_problem(
        send(door, body=b"x", given=headers(body=b"x", Content_Type="text/plain")), 415, "unsupported_media_type"
    )
    is_problem(send(door, body=b"x"), 400, "malformed")
    nobody = raw({**BET, "player": "nobody", "amount": 5})
    is_problem(send(door, body=nobody), 400, "invalid_field")
    is_problem(send(door, body=raw({**BET, "player": "nobody"})), 404, "unknown_player")


# --- ids, counters, logs, faults -------------------------------------------------------------


def test_gives_every_answer_an_id_of_its_own(door: Door) -> None:
    ids = {door.post(call, body).headers["x-request-id"] for call in ("bet", "win") for body in (BET, {}, b"", BET)}
    assert len(ids) == 8


def count(call: str, status: int) -> float:
    name = {"call": call, "status": str(status)}
    return REGISTRY.get_sample_value("game_door_seconds_count", name) or 0


def test_counts_calls_by_status(door: Door) -> None:
    before = [count("bet", 200), count("bet", 400), count("unknown", 404)]
    door.post("bet", BET)
    door.post("bet", {})
    door.post("nothing", BET)
    assert [count("bet", 200), count("bet", 400), count("unknown", 404)] == [number + 1 for number in before]


def test_logs_no_line_for_an_ordinary_answer(door: Door) -> None:
    with capture_logs() as lines:
        for body in (BET, {}, b"x", {**BET, "reference": "r-2", "amount": "1000"}):
            door.post("bet", body)
    assert lines == []


def test_logs_which_check_failed_and_nothing_secret(door: Door) -> None:
    with capture_logs() as lines:
        reply = door.post("bet", BET, secret="wrong")
        door.post("bet", BET, at=int(time.time()) - 301)
    line, stale = lines
    assert (line["event"], line["log_level"]) == ("game_door_unauthenticated", "warning")
    assert (line["call"], line["provider"], line["check"]) == ("bet", "acme", "signature")
    assert line["request_id"] == reply.headers["x-request-id"]
    assert stale["check"] == "x-timestamp outside the window"
    for secret in ("acme-secret", "wrong", signed("bet", BODY, secret="wrong")["X-Signature"], BET["reference"]):
        assert secret not in json.dumps(lines)


def test_tells_nothing_of_a_fault_of_our_own(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("SELECT secret FROM wallet_provider")

    monkeypatch.setattr(strict_json, "decode", broken)
    with capture_logs() as lines:
        reply = door.post("bet", BET)
    is_problem(reply, 500, "internal")
    assert b"SELECT" not in reply.body
    assert [line["event"] for line in lines] == ["game_door_failed"]
    assert lines[0]["request_id"] == reply["request_id"]
