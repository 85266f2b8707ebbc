"""The provider's side of the signed doors: how each dialect's provider writes and signs a call (DIALECTS.md §2 to §7).

The other half of what ``casino_pam.api.game`` verifies, written by itself: the simulator, the acceptance run and the
example on a provider's page send what it makes, so neither half can be wrong alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

GOOD: Final = "good"
WRONG: Final = "wrong"
ABSENT: Final = "absent"

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"


class Sender(msgspec.Struct, frozen=True):
    """A provider that calls us. ``private_key`` is for a dialect whose signatures we check with its public key."""

    dialect: str
    code: str
    secret: str
    merchant: str = ""
    private_key: RSAPrivateKey | None = None


class Call(NamedTuple):
    """A request as it goes over the wire; ``path`` holds the query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Intent(NamedTuple):
    """What is to be sent. ``name`` stands below the provider's address, ``at`` is unix seconds.

    ``sign`` is GOOD, WRONG (by a secret that is not theirs) or ABSENT. ``query`` makes it a GET. ``nonce`` must be new.
    """

    name: str
    fields: Mapping[str, Any] = {}
    query: Mapping[str, str] | None = None
    at: float = 0
    nonce: str = ""
    sign: str = GOOD


def written(sender: Sender, intent: Intent) -> Call:
    """The intent as the sender's dialect writes and signs it. Raises ValueError where there is no key to sign with."""
    return _WRITERS[sender.dialect](sender, intent)


def form(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values in their order, nested ones as PHP names them: ``list[0][name]``."""
    return [pair for name, value in fields.items() for pair in _flat(name, value)]


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _flat(f"{name}[{inner}]", each)
    elif isinstance(value, list):
        yield from _flat(name, dict(enumerate(value)))
    else:
        yield name, str(int(value)) if isinstance(value, bool) else str(value)


def php_query(pairs: list[tuple[str, str]]) -> str:
    """As PHP's http_build_query writes it: a space is +, and nothing but letters, digits and -_. stays as it is."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _quoted(text: str) -> str:
    return quote_plus(text).replace("~", "%7E")


def _path(sender: Sender, intent: Intent) -> str:
    return f"/api/game/{sender.dialect}/{sender.code}{intent.name or '/'}"


def _key(sender: Sender, intent: Intent) -> bytes:
    return b"nobody's" if intent.sign == WRONG else sender.secret.encode()


def _unless_absent(intent: Intent, name: str, value: str) -> dict[str, str]:
    return {} if intent.sign == ABSENT else {name: value}


def _hmac(sender: Sender, intent: Intent, message: bytes, digest: str = "sha256") -> str:
    return hmac.new(_key(sender, intent), message, digest).hexdigest()


# --- dialects --------------------------------------------------------------------------------


def _door(sender: Sender, intent: Intent) -> Call:
    path, body, at = f"/api/game/v1{intent.name}", msgspec.json.encode(intent.fields), str(int(intent.at))
    signature = _hmac(sender, intent, b"POST\n%b\n%b\n%b" % (path.encode(), at.encode(), body))
    named = {"Content-Type": _JSON, "X-Provider": sender.code, "X-Timestamp": at}
    return Call("POST", path, named | _unless_absent(intent, "X-Signature", signature), body)


def _beexar(sender: Sender, intent: Intent) -> Call:
    body = msgspec.json.encode(intent.fields)
    signed = _unless_absent(intent, "X-REQUEST-SIGN", _hmac(sender, intent, body))
    return Call("POST", _path(sender, intent), {"Content-Type": _JSON, **signed}, body)


def _hub88(sender: Sender, intent: Intent) -> Call:
    body = msgspec.json.encode(intent.fields)
    headers = {"Content-Type": _JSON}
    if intent.sign != ABSENT:
        if sender.private_key is None:
            raise ValueError("hub88 signs with a private key: without it nothing can be sent")
        signed = b"something else" if intent.sign == WRONG else body
        signature = sender.private_key.sign(signed, PKCS1v15(), SHA256())
        headers["X-Hub88-Signature"] = b64encode(signature).decode()
    return Call("POST", _path(sender, intent), headers, body)


def _swipegames(sender: Sender, intent: Intent) -> Call:
    path, headers = _path(sender, intent), {"Content-Type": _JSON}
    if intent.query is None:
        # They send it canonical; the signature is over whatever was sent.
        body = signed = msgspec.json.encode(intent.fields, order="deterministic")
    else:
        canonical = json.dumps(dict(intent.query), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        body, signed, headers = b"", canonical.encode(), {}
        path += "?" + php_query(list(intent.query.items()))
    headers |= _unless_absent(intent, "X-REQUEST-SIGN", _hmac(sender, intent, signed))
    return Call("POST" if intent.query is None else "GET", path, headers, body)


def _slotegrator(sender: Sender, intent: Intent) -> Call:
    pairs = form(intent.fields)
    named = {"X-Merchant-Id": sender.merchant, "X-Timestamp": str(int(intent.at)), "X-Nonce": intent.nonce}
    # Sorted by what stands before the bracket; what is nested keeps its order, for the sort is stable.
    every = sorted([*named.items(), *pairs], key=lambda pair: pair[0].partition("[")[0].encode())
    named |= _unless_absent(intent, "X-Sign", _hmac(sender, intent, php_query(every).encode(), "sha1"))
    return Call("POST", _path(sender, intent), {"Content-Type": _FORM, **named}, php_query(pairs).encode())


def _pragmatic(sender: Sender, intent: Intent) -> Call:
    pairs = form({**intent.fields, "providerId": "PragmaticPlay"})
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    digest = hashlib.md5(text.encode() + _key(sender, intent)).hexdigest()  # noqa: S324 (theirs, not ours)
    pairs += _unless_absent(intent, "hash", digest).items()
    return Call("POST", _path(sender, intent), {"Content-Type": _FORM}, php_query(pairs).encode())


def _evolution(sender: Sender, intent: Intent) -> Call:
    token = _unless_absent(intent, "authToken", _key(sender, intent).decode())
    path = _path(sender, intent) + ("?" + php_query(list(token.items())) if token else "")
    return Call("POST", path, {"Content-Type": _JSON}, msgspec.json.encode(intent.fields))


_WRITERS: Final[dict[str, Callable[[Sender, Intent], Call]]] = {
    "door": _door,
    "beexar": _beexar,
    "hub88": _hub88,
    "swipegames": _swipegames,
    "slotegrator": _slotegrator,
    "pragmatic": _pragmatic,
    "evolution": _evolution,
}
