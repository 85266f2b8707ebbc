"""Whatever happens to a request, its dialect writes the answer: its statuses, its shape, JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from structlog.testing import capture_logs

from casino_pam.api.game.dialects import DIALECTS, evolution
from casino_pam.engine import posting
from casino_pam.engine.commands import GRACE_SECONDS
from casino_pam.engine.queue import LOOK_SECONDS, PostingQueue
from casino_pam.provider_side import Call, php_query
from tests import scenario
from tests.api.game.dialects.dialect_scenario import (
    MALFORMED,
    SECRET,
    SIX,
    TRY_AGAIN,
    Partner,
    is_in_shape,
    private_key,
    told,
    word,
)
from tests.game_client import Door, Reply, listening, signed
from tests.server.test_http_protocol import Impatient, receive
from wallet import providers
from wallet.errors import Busy
from wallet.models import Provider, Transaction

KIB = 1024


def plays() -> int:
    return Transaction.objects.exclude(kind="DEPOSIT").count()


# What a path that is none is called, where that is not what a malformed request is.
NOT_FOUND = {**MALFORMED, "hub88": "UNKNOWN", "swipegames": 404}
NOT_FOUND_STATUS = {"beexar": 404, "swipegames": 404}


@pytest.mark.parametrize("dialect", SIX)
def test_leads_nowhere_by_another_path_provider_or_dialect(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    other = next(each for each in SIX if each != dialect)
    Partner(door, other, code="others")
    partner.player()
    call = partner.asked("bet", "b-1")
    base = f"/api/game/{dialect}"
    tail = call.path.removeprefix(f"{base}/{dialect}")
    paths = [f"{base}/nobody{tail}", f"{base}/others{tail}", f"{base}/acme{tail}", f"{base}{tail}", f"{base}/{tail}"]
    paths += [f"{base}/{dialect}/nothing", f"{base}/{dialect}/bet/x", f"{base}/%62{dialect}{tail}"]
    for path in paths:
        reply = partner.send(call, path=path)
        assert word(dialect, reply) == NOT_FOUND[dialect], (path, reply)
        assert reply.status == NOT_FOUND_STATUS.get(dialect, 200)
    assert plays() == 0
    assert word(dialect, partner.send(call)) == "ok"


def test_knows_the_dialects_by_exactly_their_names(door: Door) -> None:
    """What belongs to no dialect is answered by our own."""
    partner = Partner(door, "hub88")
    call = partner.asked("balance")
    for path in (
        "/api/game/door/hub88/user/balance",
        "/api/game/HUB88/hub88/user/balance",
        "/api/game/hub8",
        "/api/game/",
    ):
        headers = {"Host": "localhost", **call.headers}
        reply: Reply = door.request("POST", f"/api/game{path}", headers, call.body)
        assert (reply.status, reply["code"]) == (404, "not_found"), path
        assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("dialect", SIX)
def test_keeps_our_own_door_and_the_dialects_apart(door: Door, dialect: str) -> None:
    """The same secret, and a good signature of the other kind: it is no provider there."""
    partner = Partner(door, dialect)
    partner.player()
    fields = {"player": "anna", "currency": "EUR"}
    body = json.dumps(fields).encode()
    reply: Reply = door.request("POST", "/api/game/v1/balance", signed("balance", body, dialect, SECRET), body)
    assert (reply.status, reply["code"]) == (401, "unauthenticated")
    providers.change(dialect, {"dialect": "door"})
    reply = door.request("POST", "/api/game/v1/balance", signed("balance", body, dialect, SECRET), body)
    assert reply.status == 200
    assert word(dialect, partner.ask("bet", "b-1")) == NOT_FOUND[dialect]
    assert plays() == 0


@pytest.mark.parametrize("dialect", SIX)
def test_refuses_every_other_method_host_and_size(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    call = partner.asked("bet", "b-1")
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD", "FOO"):
        assert word(dialect, partner.send(call, method=method)) == MALFORMED[dialect], method
    assert word(dialect, partner.send(call, headers={**call.headers, "Host": "evil.example"})) == MALFORMED[dialect]
    reply = partner.send(call, body=b"x" * (64 * KIB + 1))
    assert word(dialect, reply) == MALFORMED[dialect]
    if dialect == "beexar":
        assert reply["msg"] == "request body too large"
    assert plays() == 0
    # Content-Type is not looked at.
    assert word(dialect, partner.send(call, headers={**call.headers, "Content-Type": "text/plain"})) == "ok"


BAD_JSON = [
    b"", b"x", b"[]", b"null", b'"text"', b"{", b'{"a":1,}', b"\xff", b'\xef\xbb\xbf{"a":1}', b'{"a":NaN}',
    b'{"a":"\\u0000"}', b'{"a":' * 40 + b"1" + b"}" * 40, b'{"a":"\\ud800"}',
]  # fmt: skip


@pytest.mark.parametrize("dialect", ["beexar", "hub88", "swipegames", "evolution"])
def test_refuses_json_that_is_not_strict(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    good = partner.asked("bet", "b-1")
    doubled = [good.body[:-1] + b"," + good.body[1:], good.body.replace(b'"EUR"', b'"EUR","currency":"EUR"')]
    deep = good.body[:-1] + b',"deep":' + b"[" * 40 + b"]" * 40 + b"}"
    for body in (*BAD_JSON, *doubled[: 1 if dialect == "swipegames" else 2], deep):
        reply = partner.send(resigned(partner, body, good))
        assert word(dialect, reply) == MALFORMED[dialect], body
    assert plays() == 0
    unknown = good.body[:-1] + b',"more":{"a":[1.5e300,null,"\xc3\xa9"]}}'
    assert word(dialect, partner.send(resigned(partner, unknown, good))) == "ok"


def resigned(partner: Partner, body: bytes, like: Any) -> Any:
    """The body, whatever it is, signed by the provider."""
    sign = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    headers = {**like.headers}
    if "X-REQUEST-SIGN" in headers:
        headers["X-REQUEST-SIGN"] = sign
    if "X-Hub88-Signature" in headers:
        headers["X-Hub88-Signature"] = b64encode(private_key(0).sign(body, PKCS1v15(), SHA256())).decode()
    return like._replace(body=body, headers=headers)


def form_call(partner: Partner, pairs: list[tuple[str, str]]) -> Any:
    """These fields, doubled ones too, signed by the provider."""
    path = f"/api/game/{partner.dialect}/{partner.code}"
    if partner.dialect == "pragmatic":
        text = "&".join(f"{name}={value}" for name, value in sorted(pairs))
        digest = hashlib.md5(text.encode() + SECRET.encode()).hexdigest()  # noqa: S324
        return Call("POST", f"{path}/bet.html", {}, php_query([*pairs, ("hash", digest)]).encode())
    named = {"X-Merchant-Id": "m-77", "X-Timestamp": str(int(time.time())), "X-Nonce": "n"}
    every = sorted([*named.items(), *pairs], key=lambda pair: pair[0].partition("[")[0].encode())
    named["X-Sign"] = hmac.new(SECRET.encode(), php_query(every).encode(), "sha1").hexdigest()
    return Call("POST", f"{path}/", named, php_query(pairs).encode())


@pytest.mark.parametrize("dialect", ["slotegrator", "pragmatic"])
def test_refuses_a_form_with_a_field_twice_missing_or_without_end(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    if dialect == "pragmatic":
        needed = ["userId", "gameId", "roundId", "amount", "reference"]
        fields = dict(zip(needed, ("anna", "dice", "round-1", "1.00", "b-1"), strict=True))
    else:
        needed = ["action", "player_id", "currency", "game_uuid", "transaction_id", "amount", "type"]
        fields = dict(zip(needed, ("bet", "anna", "EUR", "dice", "b-1", "1.00", "bet"), strict=True))
    pairs = list(fields.items())
    for name in needed:
        for bad in ([*pairs, (name, fields[name])], [pair for pair in pairs if pair[0] != name]):
            assert word(dialect, partner.send(form_call(partner, bad))) == MALFORMED[dialect], bad
    many = [*pairs, *((f"x{n}", "1") for n in range(3000))]
    assert word(dialect, partner.send(form_call(partner, many))) == MALFORMED[dialect]
    assert plays() == 0
    good = form_call(partner, [*pairs, ("more", "é ~&="), ("list[0][a]", "1"), ("list[1][a]", "2")])
    assert word(dialect, partner.send(good)) == "ok"


def test_refuses_form_fields_that_are_no_text(door: Door) -> None:
    """Signed over the bytes, so proven; and no UTF-8."""
    partner = Partner(door, "pragmatic")
    partner.player()
    fields = b"userId=anna&x=%FF"
    digest = hashlib.md5(b"userId=anna&x=\xff" + SECRET.encode()).hexdigest().encode()  # noqa: S324
    call = partner.asked("balance")
    assert word("pragmatic", partner.send(call, body=fields + b"&hash=" + digest)) == 7


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", SIX)
@pytest.mark.parametrize("name", ["x" * 129, "é", " x", "a\tb", "\x7f"], ids=ascii)
def test_refuses_names_nobody_can_have_where_the_verb_needs_them(door: Door, dialect: str, name: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    wanted = MALFORMED[dialect]
    assert word(dialect, partner.ask("bet", name)) == wanted
    assert word(dialect, partner.ask("undo", name, original=name)) == wanted
    # A round of theirs may be made of several names, and is then as long as it must be.
    made_of_several = dialect == "swipegames" and (len(name) > 128 or name == " x")
    assert word(dialect, partner.ask("bet", "b-1", round=name)) == ("ok" if made_of_several else wanted)


@pytest.mark.parametrize("dialect", ["beexar", "hub88", "slotegrator", "evolution"])
def test_answers_a_balance_whatever_the_game_is_called(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    session = partner.player()
    odd = "игра" * 60
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "beexar": ("/balance", {"account_id": "anna", "currency": "EUR", "game_id": odd, "session_id": odd}),
        "hub88": ("/user/balance", {"token": session, "request_uuid": "q", "game_code": odd}),
        "slotegrator": ("", {"action": "balance", "player_id": "anna", "currency": "EUR", "game_uuid": odd}),
        "evolution": (
            "/balance",
            {"sid": session, "userId": "anna", "uuid": "u", "currency": "EUR", "game": {"id": odd, "type": odd}},
        ),
    }
    assert told(dialect, partner.call(*calls[dialect])) == 10000


# --- busy, broken, disabled -------------------------------------------------------------------


@pytest.mark.parametrize("dialect", SIX)
def test_says_try_again_when_busy_or_broken_and_does_it_once_when_asked_again(books: None, dialect: str) -> None:
    scenario.catalogue()
    troubles: list[Any] = []

    def post(requests: Any) -> Any:
        if troubles:
            trouble = troubles.pop(0)
            if isinstance(trouble, RuntimeError):
                raise trouble
            return [trouble] * len(requests)
        return posting.post(requests)

    with Door(PostingQueue(post)) as door:
        partner = Partner(door, dialect)
        partner.player()
        call = partner.asked("bet", "b-1")
        for trouble in (Busy(), Busy("unavailable"), RuntimeError("a fault of ours")):
            troubles.append(trouble)
            reply = partner.send(call)
            wanted = TRY_AGAIN[dialect]
            if dialect == "beexar" and isinstance(trouble, RuntimeError):
                wanted = "500"
            assert word(dialect, reply) == wanted
            assert reply.status == (500 if dialect in ("beexar", "hub88", "swipegames") else 200)
            assert b"fault" not in reply.body
        # Evolution hears of a repeat that it is one.
        repeated = "BET_ALREADY_EXIST" if dialect == "evolution" else "ok"
        assert [word(dialect, partner.send(call)) for _ in range(2)] == ["ok", repeated]
        assert plays() == 1


@pytest.mark.parametrize("dialect", SIX)
def test_says_try_again_when_its_own_code_breaks(door: Door, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    partner = Partner(door, dialect)
    partner.player()
    call = partner.asked("bet", "b-1")

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("casino_pam.api.game.visit.Visit.bet", broken)
    with capture_logs() as lines:
        reply = partner.send(call)
    assert word(dialect, reply) == {**TRY_AGAIN, "beexar": "500"}[dialect]
    assert SECRET.encode() not in reply.body
    (line,) = lines
    assert (line["event"], line["dialect"], line["provider"]) == ("game_door_failed", dialect, dialect)
    assert line["request_id"] == reply.headers["x-request-id"]


FORBIDDEN = {
    "beexar": "405", "hub88": "INVALID_GAME", "swipegames": "game_not_found", "slotegrator": "INTERNAL_ERROR",
    "pragmatic": 8, "evolution": "FINAL_ERROR_ACTION_FAILED",
}  # fmt: skip


@pytest.mark.parametrize("dialect", SIX)
def test_takes_no_bets_of_a_disabled_provider_and_pays_and_undoes_all_the_same(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    assert word(dialect, partner.ask("bet", "b-1")) == "ok"
    assert word(dialect, partner.ask("bet", "b-2")) == "ok"
    Provider.objects.filter(code=dialect).update(enabled=False)
    with capture_logs() as lines:
        assert word(dialect, partner.ask("bet", "b-3")) == FORBIDDEN[dialect]
    (line,) = lines
    assert (line["event"], line["code"], line["dialect"], line["provider"]) == (
        "game_door_refused",
        "forbidden",
        dialect,
        dialect,
    )
    assert word(dialect, partner.ask("undo", "u-2", original="b-2")) == "ok"
    assert word(dialect, partner.ask("win", "w-1", bet="b-1", amount="5.00")) == "ok"
    assert scenario.balances("anna") == (9500, 0, 0)


# --- given up by the server layer -------------------------------------------------------------


@pytest.mark.parametrize("dialect", SIX)
def test_gives_up_in_its_dialect_what_does_not_come_to_its_end(books: None, dialect: str) -> None:
    scenario.catalogue()
    with listening(Impatient) as client:
        partner = Partner(None, dialect)  # type: ignore[arg-type]
        partner.player()
        call = partner.asked("bet", "b-1")
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **call.headers}.items())
        head = f"POST {call.path} HTTP/1.1\r\n{lines}".encode()
        complete = head + b"Content-Length: 9999\r\n\r\n"
        for data in (complete, complete + call.body, head, head + b"broken\r\n\r\n", head + b"X: " + b"v" * 40_000):
            with client.dial() as sock:
                sock.sendall(data)
                (reply,) = receive(sock)
            is_in_shape(dialect, reply)
            assert word(dialect, reply) == MALFORMED[dialect], data[-20:]
    assert plays() == 0


def test_every_provider_may_speak_each_dialect_of_the_table() -> None:
    assert set(DIALECTS) == set(Provider.Dialect.values) == {"door", *SIX}


def test_evolution_is_answered_within_its_700_ms(books: None) -> None:
    """The longest a command waits, what PostgreSQL may take of it after that, and how often the queue looks."""
    assert round(evolution.DIALECT.patience + GRACE_SECONDS + LOOK_SECONDS, 3) <= 0.7
    scenario.catalogue()
    gate = threading.Event()

    def post(requests: Any) -> Any:
        gate.wait()
        return posting.post(requests)

    with Door(PostingQueue(post)) as door:
        partner = Partner(door, "evolution")
        partner.player()
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(DIALECTS, "evolution", evolution.DIALECT)
            assert partner.ask("bet", "b-1")["status"] == "TEMPORARY_ERROR"
        gate.set()
        # What became of it is told when it is asked again.
        assert partner.ask("bet", "b-1")["status"] in ("OK", "BET_ALREADY_EXIST")
    assert plays() == 1
