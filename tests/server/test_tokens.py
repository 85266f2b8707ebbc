"""Players' tokens: whom they stand for, and for how long."""

import pytest
from django.core.signing import Signer

from casino_pam import tokens
from wallet.errors import Refused

NOW = 1_790_000_000.5


def test_stands_for_its_player_until_it_ends() -> None:
    text, token = tokens.issue("a b/ü?", NOW)
    assert token.expires_at == 1_790_000_900
    assert tokens.read(text, NOW) == tokens.read(text, token.expires_at - 0.001) == token


def test_ends_after_fifteen_minutes() -> None:
    text, token = tokens.issue("alice", NOW)
    with pytest.raises(Refused, match="unauthenticated"):
        tokens.read(text, token.expires_at)


def test_travels_in_a_query_as_it_is() -> None:
    text, _ = tokens.issue("alice", NOW)
    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()


@pytest.mark.parametrize("text", ["", ".", "a", "a.b", "a.b.c", "\udc80.\udc80", "é.é", "x" * 100_000])
def test_takes_nothing_that_it_did_not_sign(text: str) -> None:
    with pytest.raises(Refused, match="unauthenticated"):
        tokens.read(text, NOW)


def test_takes_nothing_signed_for_another_purpose() -> None:
    other = Signer(sep=".", salt="another purpose").sign_object({"player": "alice", "expires_at": int(NOW) + 60})
    with pytest.raises(Refused, match="unauthenticated"):
        tokens.read(other, NOW)
