"""The provider's side of the doors signs as the contract's worked examples do (DIALECTS.md §2 to §7)."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from casino_pam.provider_side import ABSENT, WRONG, Call, Intent, Sender, written

BEEXAR = Sender("beexar", "x", "s3cret-beexar")
SWIPE = Sender("swipegames", "x", "s3cret-swipe")
SLOT = Sender("slotegrator", "x", "s3cret-slot", "m-77")
PRAGMATIC = Sender("pragmatic", "x", "s3cret-pp")
EVOLUTION = Sender("evolution", "x", "tok en")


def test_beexar_signs_the_body() -> None:
    call = written(BEEXAR, Intent("/balance", {"account_id": "anna", "currency": "EUR", "game_id": "dice"}))
    assert call.headers["X-REQUEST-SIGN"] == "1581a9475075c0260be9c14bd6d11bbb15d815c899c24d89ba2d1cf73c787396"
    assert (call.method, call.path) == ("POST", "/api/game/beexar/x/balance")


def test_swipegames_signs_the_query_as_canonical_json_and_else_the_body() -> None:
    call = written(SWIPE, Intent("/balance", query={"sessionID": "sess-1", "lang": "dé"}))
    assert call.headers["X-REQUEST-SIGN"] == "561ec872121b2db4704256d7d012c2045b9a5371bb7c397ff78660cae80cccdd"
    assert (call.method, call.path) == ("GET", "/api/game/swipegames/x/balance?sessionID=sess-1&lang=d%C3%A9")
    bet = {"type": "regular", "sessionID": "sess-1", "amount": "1.50"}
    ids = {"txID": "0d9f2c9e-6a55-4c0e-9d7b-3f4f8f1f2a10", "roundID": "7b0e6f0a-93c0-4d5e-8a45-0f2f6f3c9a11"}
    call = written(SWIPE, Intent("/bet", {**bet, **ids}))
    assert call.headers["X-REQUEST-SIGN"] == "f464f6b26ead96598a43d59faee85a21bafd06ed4e0745fe0e9b7d60b55cd19c"


def test_slotegrator_signs_form_and_headers_as_php_writes_them() -> None:
    undone = [{"type": "bet", "action": "bet", "transaction_id": "t 1~"}]
    named = {"action": "rollback", "player_id": "anna", "currency": "EUR", "transaction_id": "r-1"}
    call = written(SLOT, Intent("", {**named, "rollback_transactions": undone}, at=1_700_000_000, nonce="abc123"))
    assert call.headers["X-Sign"] == "74f61fb396f9b74bbc8e7ea77b6c9f42629538b9"
    assert call.path == "/api/game/slotegrator/x/"
    assert b"rollback_transactions%5B0%5D%5Btransaction_id%5D=t+1%7E" in call.body


def test_pragmatic_hashes_decoded_values() -> None:
    named = {"amount": "1.50", "gameId": "vs20x", "reference": "b-1", "roundDetails": "spin & win", "roundId": "77"}
    call = written(PRAGMATIC, Intent("/bet.html", {**named, "timestamp": "1700000000000", "userId": "anna"}))
    assert b"hash=e1503ce5e740ca3c1e37f09c1689ee36" in call.body


def test_hub88_signs_with_a_private_key() -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    sender = Sender("hub88", "x", "", private_key=key)
    public = key.public_key()
    for sign, held in (("good", True), (WRONG, False)):
        call = written(sender, Intent("/user/info", {"user": "anna"}, sign=sign))
        signature = b64decode(call.headers["X-Hub88-Signature"])
        try:
            public.verify(signature, call.body, PKCS1v15(), SHA256())
            assert held
        except InvalidSignature:
            assert not held
    with pytest.raises(ValueError, match="private key"):
        written(Sender("hub88", "x", ""), Intent("/user/info"))


def test_evolution_names_its_token_in_the_address() -> None:
    assert written(EVOLUTION, Intent("/sid")).path == "/api/game/evolution/x/sid?authToken=tok+en"


def proof(call: Call) -> str:
    """Whatever of a call could prove it."""
    body = call.body.decode().partition("hash=")[2]
    return "".join(each for name, each in call.headers.items() if "Sign" in name or "SIGN" in name) + body + call.path


@pytest.mark.parametrize("sender", [BEEXAR, SWIPE, SLOT, PRAGMATIC, EVOLUTION, Sender("door", "x", "secret")])
def test_a_wrong_proof_is_another_and_an_absent_one_is_none(sender: Sender) -> None:
    good, wrong, absent = (
        proof(written(sender, Intent("/balance", {"a": "b"}, sign=sign))) for sign in ("good", WRONG, ABSENT)
    )
    assert good != wrong
    assert len(absent) < len(good)
