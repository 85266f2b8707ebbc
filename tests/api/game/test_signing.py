"""The signature of the game door: only these bytes, on this path, at this time, from this provider."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casino_pam.api.game import signing
from casino_pam.api.game.signing import Unauthenticated, read_claim, sign, verify

NOW = 1_700_000_000
SECRET = "correct-horse-é"
OTHER = "battery-staple"
PATH = "/api/game/v1/bet"
BODY = b'{"amount":"10.00"}'
LIVE = (SECRET.encode(), OTHER.encode())

Headers = list[tuple[bytes, bytes]]


def signed(secret: str = SECRET, path: str = PATH, at: int = NOW, body: bytes = BODY) -> Headers:
    """The headers of a request as ASGI hands them over, among others."""
    headers = sign("acme", secret, path, at, body)
    own = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [(b"host", b"casino.example"), *own, (b"content-type", b"application/json")]


def changed(headers: Headers, name: bytes, value: bytes) -> Headers:
    return [(known, value if known == name else old) for known, old in headers]


def failed_check(headers: Headers, live: tuple[bytes, ...] = LIVE, path: str = PATH, body: bytes = BODY) -> str:
    """Which check the log would name."""
    with pytest.raises(Unauthenticated) as refused:
        verify(read_claim(headers, NOW), path.encode(), body, live)
    assert refused.value.code == "unauthenticated"
    assert refused.value.status == 401
    assert refused.value.facts == {}
    return refused.value.check


def test_signs_by_the_letter_of_the_contract() -> None:
    message = b"POST\n/api/game/v1/bet\n1700000000\n" + BODY
    expected = hmac.new(SECRET.encode("utf-8"), message, hashlib.sha256).hexdigest()
    assert sign("acme", SECRET, PATH, NOW, BODY) == {
        "X-Provider": "acme",
        "X-Timestamp": "1700000000",
        "X-Signature": expected,
    }


def test_matches_a_signature_computed_elsewhere() -> None:
    # printf 'POST\n/api/game/v1/balance\n1700000000\n{}' | openssl dgst -sha256 -hmac key
    assert (
        sign("acme", "key", "/api/game/v1/balance", NOW, b"{}")["X-Signature"]
        == "b9c20f10d30d72c989f8dbc19325314619cafd847e4fa181d95fee705b06e9ba"
    )


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_accepts_either_of_two_live_secrets(secret: str) -> None:
    claim = read_claim(signed(secret), NOW)
    assert claim.provider == "acme"
    verify(claim, PATH.encode(), BODY, LIVE)


def test_accepts_the_only_live_secret_and_not_the_revoked_one() -> None:
    verify(read_claim(signed(OTHER), NOW), PATH.encode(), BODY, (OTHER.encode(),))
    assert failed_check(signed(SECRET), live=(OTHER.encode(),)) == "signature"


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=64))
def test_accepts_any_bytes_as_a_body_and_no_others(body: bytes, more: bytes) -> None:
    claim = read_claim(signed(body=body), NOW)
    verify(claim, PATH.encode(), body, LIVE)
    with pytest.raises(Unauthenticated):
        verify(claim, PATH.encode(), body + more, LIVE)


@pytest.mark.parametrize("age", [-300, -1, 0, 1, 300])
def test_accepts_a_timestamp_within_the_window(age: int) -> None:
    verify(read_claim(signed(at=NOW - age), NOW), PATH.encode(), BODY, LIVE)


@pytest.mark.parametrize("age", [301, -301, NOW, -NOW])
def test_refuses_a_stale_or_future_timestamp(age: int) -> None:
    assert failed_check(signed(at=NOW - age)) == "x-timestamp outside the window"


def test_refuses_a_timestamp_a_fraction_outside_the_window() -> None:
    with pytest.raises(Unauthenticated):
        read_claim(signed(), NOW + 300.001)


def test_refuses_another_path_body_secret_or_time() -> None:
    assert failed_check(signed(), path="/api/game/v1/win") == "signature"
    assert failed_check(signed(), path=PATH + "/") == "signature"
    assert failed_check(signed(), body=BODY + b" ") == "signature"
    assert failed_check(signed("wrong")) == "signature"
    assert failed_check(changed(signed(), signing.TIMESTAMP, b"1700000001")) == "signature"
    assert failed_check(changed(signed(), signing.TIMESTAMP, b"01700000000")) == "signature"


@pytest.mark.parametrize("name", [signing.PROVIDER, signing.TIMESTAMP, signing.SIGNATURE])
def test_refuses_a_missing_header(name: bytes) -> None:
    headers = [(known, value) for known, value in signed() if known != name]
    assert failed_check(headers) == f"{name.decode()} missing"


@pytest.mark.parametrize("name", [signing.PROVIDER, signing.TIMESTAMP, signing.SIGNATURE])
def test_refuses_a_repeated_header_even_with_equal_values(name: bytes) -> None:
    headers = signed()
    assert failed_check([*headers, (name, dict(headers)[name])]) == f"{name.decode()} repeated"


@pytest.mark.parametrize(
    "timestamp",
    [b"", b"nan", b"inf", b"1e9", b"1_700_000_000", b" 1700000000", b"1700000000 ", b"+1700000000", b"-1700000000",
     b"1700000000.0", b"1700000000\n", "\u0661\u0667".encode(), b"\xff", b"0x10", b"1" * 5000],
)  # fmt: skip
def test_refuses_a_timestamp_that_is_not_ascii_digits(timestamp: bytes) -> None:
    assert failed_check(changed(signed(), signing.TIMESTAMP, timestamp)) == "x-timestamp of another shape"


@pytest.mark.parametrize(
    "signature",
    [b"", b"0" * 63, b"0" * 65, b"g" * 64, b"\xe9" * 64, b"\xc3\xa9" * 32, b"0" * 64 + b"\n", b"sha256=" + b"0" * 57],
)
def test_refuses_a_signature_of_another_shape(signature: bytes) -> None:
    assert failed_check(changed(signed(), signing.SIGNATURE, signature)) == "x-signature of another shape"


def test_refuses_a_good_signature_in_capitals() -> None:
    good = dict(signed())[signing.SIGNATURE]
    assert good != good.upper()
    assert failed_check(changed(signed(), signing.SIGNATURE, good.upper())) == "x-signature of another shape"


@pytest.mark.parametrize("provider", [b"", b"Acme", b"acme ", b"ac me", b"\xff", b"acme\x00", b"a" * 65, b"acme\n"])
def test_refuses_a_provider_of_another_shape(provider: bytes) -> None:
    assert failed_check(changed(signed(), signing.PROVIDER, provider)) == "x-provider of another shape"


def test_refuses_a_provider_without_a_live_secret() -> None:
    assert failed_check(signed(), live=()) == "provider without a live secret"


def test_never_takes_an_empty_secret_for_a_key() -> None:
    assert failed_check(signed(secret=""), live=(b"",)) == "provider without a live secret"
    assert failed_check(signed(secret=""), live=(b"", SECRET.encode())) == "signature"


@pytest.mark.parametrize("live", [(), LIVE[:1], LIVE], ids=["unknown", "one secret", "two secrets"])
def test_compares_as_often_whoever_is_turned_away(live: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def recorded(ours: bytes, theirs: bytes) -> bool:
        compared.append(ours)
        return hmac_compare(ours, theirs)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(signing.hmac, "compare_digest", recorded)
    with pytest.raises(Unauthenticated):
        verify(read_claim(signed("wrong"), NOW), PATH.encode(), BODY, live)
    assert len(compared) == signing.LIVE_SECRETS


def test_names_the_failed_check_without_any_secret_or_signature() -> None:
    headers = signed("wrong")
    said = failed_check(headers)
    assert SECRET not in said
    assert dict(headers)[signing.SIGNATURE].decode() not in said
