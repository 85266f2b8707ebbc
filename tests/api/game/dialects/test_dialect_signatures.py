"""Who is let in by each dialect: the contract's worked examples, and everything that is not quite one of them."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from casino_pam import refused_signatures
from casino_pam.api.game.dialects import dialect, slotegrator
from casino_pam.api.game.signing import hex_hmac
from tests import scenario
from tests.api.game.dialects.dialect_scenario import SECRET, SIX, UNPROVEN, Partner, pem, private_key, word
from tests.game_client import Door, wait_until
from wallet import providers
from wallet.models import GameSession, Provider, Transaction

# --- the contract's own examples --------------------------------------------------------------

THEIR_KEY = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAoKdOnsBgD26hOIdgWRJF
Gu4zFiIPRUX+9o55j3Qr41RXVoHM4JeSnTZq+DsUyA4CvZ0skAqL55mApD1eUlrL
iNcarab22/x+e1VCCMoyi/oEPrjIVg+qi6QsPoz4aBy9RL/yZQ7Z1zTnJ8KpnMKL
UC7Zq8JrTHydScBodb+2/7HgMZXGtI7R1Xbm/qT4C7NcBtqYRAFPokbFJFqLvjW+
h/zAzEGPE0magDWVcrys44UIBN8khOjN/m4G7BHRuwxiJa+v5xGbmy1eX39Z/9yc
BvNoT30RoHK+ETTpHbWGTBbLL7siCZnI9mOZX3SAgYe3MYs122w6NbLgXlH6q9az
MQIDAQAB
-----END PUBLIC KEY-----
"""
THEIR_SIGNATURE = (
    "W1Bu0UCSPCXzLwFaWSw+u5OH+/XXF3mWvtVciNcxjFuiwyA68EoXyNvXufBiJ+VPhfz1NYKoAfK9otTI"
    "w2fYWdb94j4WbVlVZ7OoUsd3eiSMelvmsQYx73IqO0xYnE1fKH+J6mPfR637Q0j/LkHxsF+eod8qQmAr"
    "9FMdC6IaDDazMmcfpwbXAlvAxhxBrYrZfTVOvdWxUOKpAZmkJJfMIjUfdf1UzGOmmkWVddbs9qOPtwuX"
    "/W8cmC7N5wv+OrERJdRGkj1pJuDR69hPVewDcgFnvCxs/hxKJgx6p/ollZJvw/hHMH+qqLtfkHpRdRv7"
    "P29XfCEyri2byE0DcXpEtQ=="
)
ROLLBACK = (
    b"action=rollback&player_id=anna&currency=EUR&transaction_id=r-1"
    b"&rollback_transactions%5B0%5D%5Btype%5D=bet&rollback_transactions%5B0%5D%5Baction%5D=bet"
    b"&rollback_transactions%5B0%5D%5Btransaction_id%5D=t+1%7E"
)
SPIN = (
    b"providerId=PragmaticPlay&userId=anna&gameId=vs20x&roundId=77&amount=1.50&reference=b-1"
    b"&timestamp=1700000000000&roundDetails=spin+%26+win"
)
EXAMPLES: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
    "beexar": (
        "s3cret-beexar",
        "/balance",
        b'{"account_id":"anna","currency":"EUR","game_id":"dice"}',
        {"X-REQUEST-SIGN": "1581a9475075c0260be9c14bd6d11bbb15d815c899c24d89ba2d1cf73c787396"},
    ),
    "hub88": (
        "unused",
        "/user/balance",
        b'{"user":"anna","token":"tok-1","request_uuid":"5c9f2c9e-6a55-4c0e-9d7b-3f4f8f1f2a10","game_code":"gm_one"}',
        {"X-Hub88-Signature": THEIR_SIGNATURE},
    ),
    "swipegames": (
        "s3cret-swipe",
        "/bet",
        b'{"amount":"1.50","roundID":"7b0e6f0a-93c0-4d5e-8a45-0f2f6f3c9a11","sessionID":"sess-1",'
        b'"txID":"0d9f2c9e-6a55-4c0e-9d7b-3f4f8f1f2a10","type":"regular"}',
        {"X-REQUEST-SIGN": "f464f6b26ead96598a43d59faee85a21bafd06ed4e0745fe0e9b7d60b55cd19c"},
    ),
    "swipegames query": (
        "s3cret-swipe",
        "/balance?sessionID=sess-1&lang=d%C3%A9",
        b"",
        {"X-REQUEST-SIGN": "561ec872121b2db4704256d7d012c2045b9a5371bb7c397ff78660cae80cccdd"},
    ),
    "slotegrator": (
        "s3cret-slot",
        "/",
        ROLLBACK,
        {
            "X-Merchant-Id": "m-77",
            "X-Timestamp": "1700000000",
            "X-Nonce": "abc123",
            "X-Sign": "74f61fb396f9b74bbc8e7ea77b6c9f42629538b9",
        },
    ),
    "pragmatic": ("s3cret-pp", "/bet.html", SPIN + b"&hash=e1503ce5e740ca3c1e37f09c1689ee36", {}),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_lets_the_worked_example_in(books: None, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are those of the contract; whoever they name is of this test."""
    secret, path, body, headers = EXAMPLES[example]
    dialect = example.partition(" ")[0]
    scenario.catalogue()
    scenario.player("anna", "100.00")
    # The example's time is long ago.
    monkeypatch.setattr(slotegrator, "WINDOW_SECONDS", 10**10)
    with Door() as door:
        partner = Partner(door, dialect, **({"public_key_one": THEIR_KEY} if dialect == "hub88" else {}))
        providers.new_secret(dialect, secret)
        opened = GameSession.objects.get(pk=partner.session("anna"))
        for named in ("sess-1", "tok-1"):
            opened.pk = named
            opened.save(force_insert=True)
        call = partner.written(path)._replace(path=f"/api/game/{dialect}/{dialect}{path}", body=body, headers=headers)
        call = call._replace(method="POST" if body else "GET")
        good = partner.send(call)
        assert good.status == 200 and b"RROR" not in good.body and good.json.get("error", 0) == 0, good
        # A byte more, and it is another's.
        spoilt = body + b" " if body else b""
        other = partner.send(call, body=spoilt, path=call.path + ("" if body else "x"))
        assert word(dialect, other) == UNPROVEN[dialect], other


# --- what is not proven -----------------------------------------------------------------------

HEADER = {
    "beexar": "X-REQUEST-SIGN",
    "hub88": "X-Hub88-Signature",
    "swipegames": "X-REQUEST-SIGN",
    "slotegrator": "X-Sign",
}


@pytest.mark.parametrize("dialect", SIX)
def test_turns_away_what_nothing_proves_and_tells_no_secret(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    assert partner.ask("balance").status == 200
    with capture_logs() as lines:
        wrong = {"key": 1} if dialect == "hub88" else {"secret": "not-theirs"}
        refused = [partner.ask("bet", "b-1", **more) for more in (wrong, {"sign": "absent"})]
        refused += [partner.ask("balance", **more) for more in (wrong, {"sign": "absent"})]
    assert [word(dialect, each) for each in refused] == [UNPROVEN[dialect]] * 4
    assert Transaction.objects.filter(kind="BET").count() == 0
    assert {(line["event"], line["dialect"], line["provider"]) for line in lines} == {
        ("game_door_unauthenticated", dialect, dialect)
    }
    assert all(line["check"] and line["request_id"] and line["call"].startswith(f"{dialect}/") for line in lines)
    for secret in (SECRET, "not-theirs"):
        assert secret not in json.dumps(lines)
    wait_until(lambda: len(refused_signatures.newest(dialect)) >= 4)
    assert SECRET not in str(refused_signatures.newest(dialect))


@pytest.mark.parametrize("dialect", HEADER)
def test_takes_a_signature_header_once_and_exactly_as_it_is_written(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    call = partner.asked("bet", "b-1")
    name, sign = HEADER[dialect], call.headers[HEADER[dialect]]
    for bad in (sign.swapcase(), sign[:-1], sign + "0", "", f" {sign}", "é"):
        assert word(dialect, partner.send(call, headers={**call.headers, name: bad})) == UNPROVEN[dialect], bad
    twice = [(each.lower().encode(), value.encode()) for each, value in {"Host": "localhost", **call.headers}.items()]
    twice.append((name.lower().encode(), sign.encode()))
    reply = door.request("POST", call.path, twice, call.body)
    partner.is_in_shape(reply)
    assert word(dialect, reply) == UNPROVEN[dialect]
    assert word(dialect, partner.send(call)) == "ok"


@pytest.mark.parametrize("dialect", SIX)
def test_knows_two_live_secrets_and_a_revoked_one_as_dead_at_once(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    old: dict[str, Any] = {} if dialect != "hub88" else {"key": 0}
    new: dict[str, Any] = {"secret": "their-newer-secret"} if dialect != "hub88" else {"key": 1}
    assert word(dialect, partner.ask("balance", **new)) == UNPROVEN[dialect]
    if dialect == "hub88":
        providers.change(dialect, {"public_key_two": pem(private_key(1))})
    else:
        providers.new_secret(dialect, new["secret"])
    assert [word(dialect, partner.ask("balance", **each)) for each in (old, new)] == ["ok", "ok"]
    if dialect == "hub88":
        providers.change(dialect, {"public_key_one": ""})
    else:
        providers.revoke(dialect, older_only=True)
    assert [word(dialect, partner.ask("bet", "b-1", **each)) for each in (old, new)] == [UNPROVEN[dialect], "ok"]
    if dialect == "hub88":
        providers.change(dialect, {"public_key_two": ""})
    else:
        providers.revoke(dialect, older_only=False)
    assert word(dialect, partner.ask("bet", "b-2", **new)) == UNPROVEN[dialect]
    assert Transaction.objects.filter(kind="BET").count() == 1


@pytest.mark.parametrize(("dialect", "name"), [("hub88", "/user/info"), ("evolution", "/sid")])
def test_asks_no_database_for_whom_a_revoked_secret_proves(door: Door, dialect: str, name: str) -> None:
    """These calls go past the engine, which would know."""
    partner = Partner(door, dialect)
    partner.player()
    fields = {"user": "anna", "userId": "anna", "request_uuid": "q", "uuid": "u", "sid": ""}
    assert word(dialect, partner.call(name, fields)) == "ok"
    if dialect == "hub88":
        providers.change(dialect, {"public_key_one": ""})
    else:
        providers.revoke(dialect, older_only=False)
    opened = GameSession.objects.count()
    assert word(dialect, partner.call(name, fields)) == UNPROVEN[dialect]
    assert GameSession.objects.count() == opened


def test_hub88_believes_no_short_key(door: Door) -> None:
    short_key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    partner = Partner(door, "hub88")
    partner.player()
    Provider.objects.update(public_key_one=pem(short_key), secrets_version=7)
    call = partner.asked("balance")
    signature = b64encode(short_key.sign(call.body, PKCS1v15(), SHA256())).decode()
    reply = partner.send(call, headers={**call.headers, "X-Hub88-Signature": signature})
    assert word("hub88", reply) == "INVALID_SIGNATURE"


def test_swipegames_takes_a_parameter_given_twice_for_a_bad_signature(door: Door) -> None:
    partner = Partner(door, "swipegames")
    call = partner.written("/balance", query={"sessionID": partner.player()})
    assert partner.send(call).status == 200
    assert partner.send(call, path=f"{call.path}&{call.path.partition('?')[2]}").status == 401
    # Names in the order of RFC 8785, which is that of UTF-16, and every text decoded.
    odd = {"\U0001f600": "x", "\ufb33": 'é " \\ \n', "sessionID": call.path.rpartition("=")[2], "b": "+&="}
    ordered = sorted(odd.items(), key=lambda pair: pair[0].encode("utf-16-be"))
    canonical = json.dumps(dict(ordered), ensure_ascii=False, separators=(",", ":")).encode()
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in odd.items())
    sign = hex_hmac(SECRET.encode(), canonical).decode()
    path = f"/api/game/swipegames/swipegames/balance?{query}"
    assert partner.send(call, path=path, headers={"X-REQUEST-SIGN": sign}).status == 200


def test_slotegrator_wants_its_merchant_and_a_clock_within_half_a_minute(door: Door) -> None:
    partner = Partner(door, "slotegrator")
    partner.player()
    now = time.time()
    for skew, wanted in ((-32, "INTERNAL_ERROR"), (-27, "ok"), (27, "ok"), (33, "INTERNAL_ERROR")):
        assert word("slotegrator", partner.ask("balance", at=now + skew)) == wanted, skew
    call = partner.asked("balance")
    for name, value in (
        ("X-Timestamp", f"{now:.1f}"),
        ("X-Timestamp", "nan"),
        ("X-Merchant-Id", "m-78"),
        ("X-Nonce", ""),
    ):
        assert word("slotegrator", partner.send(call, headers={**call.headers, name: value})) == "INTERNAL_ERROR"
    providers.change("slotegrator", {"merchant": "another"})
    assert word("slotegrator", partner.ask("balance")) == "INTERNAL_ERROR"


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"X", b"Z-y", b"list[0][a]", b"list[1][b]", b"~", "é".encode(), b"", b"A b", b"n%"]),
        st.one_of(st.binary(max_size=8), st.sampled_from([b"10.00", b"t 1~", b"%41", b"a=b", b"+", b"\xc3\xa9"])),
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(FIELDS)
def test_slotegrator_signs_what_php_wrote_as_what_it_would_write(pairs: list[tuple[bytes, bytes]]) -> None:
    """A body as PHP writes it is signed as it came; any other way of writing the same fields signs the same text."""
    stamped = [(name, b"1") for name in slotegrator.SIGNED]
    php = b"&".join(slotegrator._written(*pair) for pair in pairs)
    escaped = b"&".join(b"=".join(b"".join(b"%%%02x" % byte for byte in text) for text in pair) for pair in pairs)
    named = [pair for pair in pairs if pair != (b"", b"")]
    assert dialect.form(escaped) == dialect.form(php)
    text = slotegrator.signed_text(stamped, escaped, dialect.form(escaped))
    assert slotegrator.signed_text(stamped, php, dialect.form(php)) == text or len(named) < len(pairs)
    assert len(dialect.form(php)) == len(pairs)


def test_pragmatic_takes_a_hash_in_either_case_and_over_decoded_values(door: Door) -> None:
    partner = Partner(door, "pragmatic")
    partner.player()
    call = partner.asked("bet", "b-1")
    fields, _, digest = call.body.rpartition(b"hash=")
    assert word("pragmatic", partner.send(call, body=fields + b"hash=" + digest.upper())) == "ok"
    assert word("pragmatic", partner.send(call, body=call.body + b"&hash=" + digest)) == 5
    assert (
        word(
            "pragmatic", partner.send(call, body=fields.replace(b"roundDetails", b"roundDetail%73") + b"hash=" + digest)
        )
        == "ok"
    )
    assert word("pragmatic", partner.send(call, body=fields.replace(b"10.00", b"11.00") + b"hash=" + digest)) == 5


def test_evolution_takes_its_token_once_and_logs_it_nowhere(door: Door) -> None:
    partner = Partner(door, "evolution")
    partner.player()
    call = partner.asked("balance")
    bare, token = call.path.split("?")
    for query in (f"{token}&{token}", "authToken=", token.swapcase(), f"{token}x", "x=1"):
        with capture_logs() as lines:
            reply = partner.send(call, path=f"{bare}?{query}")
        assert reply["status"] == "INVALID_TOKEN_ID", query
        assert reply["uuid"] == "u-1"
        assert SECRET not in json.dumps(lines) and len(lines) == 1
    assert partner.send(call, path=f"{bare}?x=1&{token}")["status"] == "OK"
    assert partner.send(call, path=f"{bare}?x=1&x=1&{token}")["status"] == "INVALID_PARAMETER"


# --- one body on two paths --------------------------------------------------------------------

# The other calls of the dialect, whose signature would be the same.
SHARED = {
    "beexar": ("/balance", "/rollback"),
    "hub88": ("/transaction/win", "/transaction/rollback", "/user/info", "/user/balance"),
    "swipegames": ("/win", "/refund"),
    "pragmatic": ("/result.html", "/bonusWin.html", "/jackpotWin.html", "/promoWin.html", "/adjustment.html"),
}


@pytest.mark.parametrize("dialect", SHARED)
def test_pays_nothing_for_a_captured_bet_on_another_path(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    call = partner.asked("bet", "b-1")
    assert word(dialect, partner.send(call)) == "ok"
    for name in SHARED[dialect]:
        partner.send(call, path=f"/api/game/{dialect}/{dialect}{name}")
        assert scenario.balances("anna") == (9000, 0, 0), name


@pytest.mark.parametrize("dialect", ["hub88", "swipegames"])
def test_takes_and_gives_nothing_for_a_captured_win_on_another_path(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    partner.ask("bet", "b-1")
    call = partner.asked("win", "w-1", bet="b-1", amount="5.00")
    assert word(dialect, partner.send(call)) == "ok"
    for name in ("/transaction/bet", "/transaction/rollback", "/bet", "/refund"):
        partner.send(call, path=f"/api/game/{dialect}/{dialect}{name}")
        assert scenario.balances("anna") == (9500, 0, 0), name
