"""What a dialect is, and what several of them read and write alike (docs/dialects.md).

A dialect knows how a family of providers proves a request, what it calls things, and what it wants to
hear. Nothing else: sizes, times, the queue, logs and metrics are the door's, and no rule of play is here.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from casino_pam.api import strict_json
from casino_pam.api.game.signing import LIVE_SECRETS, Unauthenticated
from casino_pam.api.game.visit import Visit
from casino_pam.api.strict_json import Malformed
from casino_pam.engine import commands
from casino_pam.engine.results import Receipt, Standing
from wallet import money
from wallet.errors import InvalidField, Refused

KIB: Final = 1024
T = TypeVar("T")

# Status, headers and body of an answer.
Reply = tuple[int, list[tuple[bytes, bytes]], bytes]

encode = msgspec.json.Encoder().encode


class Call(msgspec.Struct, frozen=True):
    """One call of a dialect; ``limit`` is the most bytes its body may have."""

    name: str
    run: Callable[[Visit], Awaitable[Reply]]
    method: str = "POST"
    limit: int = 64 * KIB


class Dialect(msgspec.Struct, frozen=True):
    """How a family of providers speaks.

    ``calls`` are named by what stands behind the provider in the path. ``verify`` raises Unauthenticated
    unless the bytes of the request prove its provider; ``refuse`` writes every answer that is not a success
    and never raises, whatever the request was. ``patience`` is how many seconds a command may wait.
    """

    name: str
    calls: Mapping[bytes, Call]
    verify: Callable[[Visit], None]
    refuse: Callable[[Refused, Visit], Reply]
    patience: float = commands.PATIENCE_SECONDS
    # Whether the provider is named by the path, as all but our own name it.
    in_path: bool = True


def paths(calls: Mapping[str, Callable[[Visit], Awaitable[Reply]]]) -> dict[bytes, Call]:
    """Calls by the path of their name."""
    return {name.encode(): Call(name, run) for name, run in calls.items()}


# --- who sent it -----------------------------------------------------------------------------

# Stands in for a secret that is not there; nobody has ever signed with it.
_nobodys_secret: Final = secrets.token_bytes(32)


def prove(visit: Visit, claimed: bytes, sign: Callable[[bytes], bytes]) -> None:
    """Raise Unauthenticated unless ``sign`` makes ``claimed`` of one of the provider's live secrets.

    As slow with one live secret, or none, as with two.
    """
    live = [secret for secret in visit.provider.secrets if secret]
    for secret in (*live, _nobodys_secret, _nobodys_secret)[:LIVE_SECRETS]:
        if hmac.compare_digest(sign(secret), claimed):
            return
    raise Unauthenticated("signature" if live else "provider without a live secret", visit.provider.code)


# --- reading ---------------------------------------------------------------------------------

MOST_FIELDS: Final = 2000


def form(data: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of a form or query in the order they came, decoded. Raises Malformed for very many."""
    parts = data.split(b"&", MOST_FIELDS)
    if len(parts) > MOST_FIELDS:
        raise Malformed(f"The form has more than {MOST_FIELDS} fields.")
    pairs = [(name, value) for name, _, value in [part.partition(b"=") for part in parts if part]]
    if b"%" in data or b"+" in data:
        return [(_decoded(name), _decoded(value)) for name, value in pairs]
    return pairs


def posted(visit: Visit) -> list[tuple[bytes, bytes]]:
    """The form in the body, read once. Raises Malformed."""
    if visit.form is None:
        visit.form = form(visit.body)
    return visit.form


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" ")) if b"%" in text or b"+" in text else text


def texts(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The fields of a form by name. Raises Malformed for a name given twice, and for what is not UTF-8."""
    try:
        found = {field.decode(): value.decode() for field, value in pairs}
    except UnicodeDecodeError:
        raise Malformed("The form is not valid UTF-8.") from None
    if len(found) < len(pairs):
        raise Malformed("A field stands twice in the form.")
    return found


def field(body: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises InvalidField."""
    value = body.get(name)
    if type(value) is not str or not value:
        raise InvalidField(name, "required, must be a non-empty string")
    return value


def flag(body: Mapping[str, Any], name: str) -> bool:
    """True or false; false where the field is absent or null. Raises InvalidField."""
    value = body.get(name)
    if value is None or value is False:
        return False
    if value is True:
        return True
    raise InvalidField(name, "must be true or false")


def loosely(body: bytes) -> dict[str, Any]:
    """The JSON object of a body that is refused anyway; empty where it is none."""
    try:
        return strict_json.parse(body)
    except Refused:
        return {}


def short(*names: str) -> str:
    """One name made of several, of at most 128 characters."""
    joined = "/".join(names)
    return joined if len(joined) <= money.MAX_REFERENCE else sha256(joined.encode()).hexdigest()


# --- money -----------------------------------------------------------------------------------

_unsigned = re.compile(r"[0-9]+(?:\.[0-9]+)?").fullmatch


def minor_units(text: str, digits: int) -> int:
    """The minor units of an unsigned decimal text, by value: zeros that say nothing are fine.

    Raises InvalidField (``amount``) for what is none, is finer than the currency, or above MAX_AMOUNT.
    """
    whole, _, fraction = text.partition(".")
    if len(fraction) > digits:
        fraction = fraction.rstrip("0")
    if whole[:1] == "0":
        whole = whole.lstrip("0") or "0"
    try:
        if _unsigned(text):
            return money.parse(f"{whole}.{fraction}" if fraction else whole, digits)
    except money.InvalidAmount:
        pass
    raise InvalidField("amount", "not a valid decimal amount")


def number_units(number: Any, digits: int) -> int:
    """As ``minor_units``, of a JSON number that was read exactly (``strict_json.parse_exactly``)."""
    if type(number) is int and abs(number) < 10**30:
        return minor_units(str(number), digits)
    if type(number) is Decimal and number.is_finite():
        return minor_units(format(number, "f"), digits)
    raise InvalidField("amount", "not a valid decimal amount")


def shown(outcome: Receipt | Standing) -> str:
    """The whole balance, in decimals."""
    return money.show(outcome.cash + outcome.bonus, outcome.digits)


def number(minor: int, digits: int) -> msgspec.Raw:
    """Money as a JSON number, written from the decimal."""
    return msgspec.Raw(money.show(minor, digits).encode())


# --- answering -------------------------------------------------------------------------------


def answer(body: Any, status: int = 200) -> Reply:
    """An answer in JSON."""
    return status, [(b"content-type", b"application/json")], encode(body)


def by_code(table: Mapping[T, str]) -> dict[str, T]:
    """A table of errors as it stands in a contract, theirs and the codes of ours, the other way round."""
    return {code: theirs for theirs, codes in table.items() for code in codes.split()}
