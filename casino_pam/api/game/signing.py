"""Who sent these bytes: the signature of the game door, made and checked.

A provider signs the method, the path, a timestamp and the raw body with a secret only it and we
know: HMAC-SHA256, in lower-case hex. The check looks at bytes only, before any JSON is parsed. It
takes as long to turn away a provider that does not exist as one that does, with one live secret or
with two.
"""

import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from wallet.errors import Refused

WINDOW_SECONDS: Final = 300
LIVE_SECRETS: Final = 2

PROVIDER: Final = b"x-provider"
TIMESTAMP: Final = b"x-timestamp"
SIGNATURE: Final = b"x-signature"

# float("nan") would pass every comparison with the clock and open the window for ever; so digits first.
_shapes: Final = {
    PROVIDER: re.compile(rb"[a-z0-9][a-z0-9_-]{0,63}").fullmatch,
    TIMESTAMP: re.compile(rb"[0-9]{1,12}").fullmatch,
    SIGNATURE: re.compile(rb"[0-9a-f]{64}").fullmatch,
}
# Stands in for a secret that is not there; nobody has ever signed with it.
_nobodys_secret: Final = secrets.token_bytes(32)


class Unauthenticated(Refused):
    """The call is not proven to come from a provider; the caller learns no more than that.

    ``check`` says for our log which check failed, and holds nothing of a secret or a signature;
    ``provider`` is who the caller said to be, if that could be read.
    """

    def __init__(self, check: str, provider: str | None = None) -> None:
        super().__init__("unauthenticated")
        self.check = check
        self.provider = provider


class Claim(msgspec.Struct, frozen=True):
    """What the headers say, not yet proven."""

    provider: str
    timestamp: bytes
    signature: bytes


def read_claim(headers: Iterable[tuple[bytes, bytes]], now: float) -> Claim:
    """The claim in headers (names in lower case), fresh at ``now`` (unix seconds).

    Raises Unauthenticated when a header is missing, repeated or of another shape, or when the
    timestamp is more than 300 seconds from ``now`` on either side.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _shapes:
            if name in found:
                raise Unauthenticated(f"{name.decode()} repeated")
            found[name] = value
    for name, fits in _shapes.items():
        if name not in found:
            raise Unauthenticated(f"{name.decode()} missing")
        if fits(found[name]) is None:
            raise Unauthenticated(f"{name.decode()} of another shape")
    if abs(now - int(found[TIMESTAMP])) > WINDOW_SECONDS:
        raise Unauthenticated("x-timestamp outside the window")
    return Claim(found[PROVIDER].decode(), found[TIMESTAMP], found[SIGNATURE])


def verify(claim: Claim, path: bytes, body: bytes, live_secrets: Sequence[bytes]) -> None:
    """Prove the claim for these bytes, or raise Unauthenticated.

    ``path`` is the path as sent, without a query; ``live_secrets`` are the at most two of the
    provider, none when there is no such provider.
    """
    message = _message(path, claim.timestamp, body)
    known = [secret for secret in live_secrets if secret]
    for secret in (*known, _nobodys_secret, _nobodys_secret)[:LIVE_SECRETS]:
        if hmac.compare_digest(hex_hmac(secret, message), claim.signature):
            return
    raise Unauthenticated("signature" if known else "provider without a live secret", claim.provider)


def sign(provider: str, secret: str, path: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers with which a provider sends ``body`` to ``path``, for clients and tests."""
    message = _message(path.encode(), str(timestamp).encode(), body)
    return {
        "X-Provider": provider,
        "X-Timestamp": str(timestamp),
        "X-Signature": hex_hmac(secret.encode(), message).decode(),
    }


def _message(path: bytes, timestamp: bytes, body: bytes) -> bytes:
    return b"POST\n%b\n%b\n%b" % (path, timestamp, body)


def hex_hmac(secret: bytes, message: bytes, digest: str = "sha256") -> bytes:
    """The HMAC of a message in lower-case hex."""
    code = _keyed(secret, digest).copy()
    code.update(message)
    return code.hexdigest().encode()


@lru_cache(maxsize=64)
def _keyed(secret: bytes, digest: str) -> hmac.HMAC:
    """Prepared once: hmac.digest() would do that each time, and give up the interpreter for each few bytes."""
    return hmac.new(secret, digestmod=digest)
