"""The one front parser for every JSON body, stricter than either library beneath it.

msgspec already refuses what is not UTF-8 or not JSON: a byte order mark, NaN, numbers out of
range, raw control characters, half a surrogate pair. Two things it lets pass: a repeated key (the
last wins, so two readers of one request may see two different stakes) and a NUL, which PostgreSQL
cannot store. It also nests as deep as the interpreter's stack. All three are refused here.

The caller bounds the size of the body before it comes here.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from wallet.errors import Refused

MAX_DEPTH: Final = 32
MOST_EXPONENT: Final = 20
T = TypeVar("T")

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
# In JSON that has been accepted, an odd run of backslashes before u0000 is an escaped NUL.
_escaped_nul = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000").search


class Malformed(Refused):
    """The body is not one JSON object as this house reads JSON; ``detail`` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__("malformed", detail=detail)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; raises Malformed for anything else."""
    return _object(body, _decode)


def parse_exactly(body: bytes) -> dict[str, Any]:
    """As ``parse``; a number with a fraction or an exponent is the Decimal that its text is.

    It is NaN where the exponent is further than MOST_EXPONENT from zero: such a number is no amount.
    """
    return _object(body, _decode_exactly)


def _exact(text: str) -> Decimal:
    exponent = text.lower().partition("e")[2]
    if exponent and (len(exponent) > 20 or abs(int(exponent)) > MOST_EXPONENT):
        return Decimal("NaN")
    return Decimal(text)


_decode_exactly = msgspec.json.Decoder(float_hook=_exact).decode


def _object(body: bytes, decode: Callable[[bytes], Any]) -> dict[str, Any]:
    value = _well_formed(body, decode)
    if type(value) is not dict:
        raise Malformed("The body must be a JSON object.")
    # A flat object with as many colons as it has members repeats no key and nests no deeper:
    # nearly every bet is settled here. The rest is looked at member by member.
    if body.count(b":") != len(value) or b"[" in body:
        _check_members(value, body)
    if b"\\" in body and _escaped_nul(body):
        raise Malformed("No text in the body may contain the character NUL.")
    return value


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """The body as a struct whose texts are plain, at a fraction of what ``parse`` and a look at each field cost.

    None where there is more to say about the body, if only an escape: ``parse`` and ``convert`` say
    what. Raises Malformed.
    """
    if b"\\" in body:
        return None
    try:
        value = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    written = _encode(value)
    if not _plain(written):
        return None
    # What was dropped (a field we do not know, or the first value of a key that comes twice) took
    # its colon along. Without escapes no text has fewer colons in the body than written out.
    if body.count(b":") != written.count(b":"):
        parse(body)
    return value


def convert(value: Any, shape: type[T]) -> T | None:
    """The parsed value as a struct whose texts are plain; None where it is none."""
    try:
        converted = msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return None
    return converted if _plain(_encode(converted)) else None


def _plain(written: bytes) -> bool:
    """Whether every text is printable ASCII without a space at either end, and none has a quote or backslash."""
    # There is no space between the texts, so one beside a quote is in a text.
    return (
        written.isascii()
        and b"\\" not in written
        and b"\x7f" not in written
        and b'" ' not in written
        and b' "' not in written
    )


def _well_formed(body: bytes, decode: Callable[[bytes], Any]) -> Any:
    try:
        return decode(body)
    except UnicodeDecodeError:
        raise Malformed("The body is not valid UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.DecodeError as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from None


def _check_members(value: dict[str, Any], body: bytes) -> None:
    """Refuse too much depth and repeated keys.

    Written out again, what was read has fewer colons than the body if a member was lost to
    another of its name, and as many if none was. Only an escaped colon could hide the loss.
    """
    _check_depth(value, 1)
    if body.count(b":") != _encode(value).count(b":") or b"\\u003" in body:
        _refuse_repeated_keys(body)


def _check_depth(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep()
    for inner in value.values() if type(value) is dict else value:
        if type(inner) is dict or type(inner) is list:
            _check_depth(inner, depth + 1)


def _refuse_repeated_keys(body: bytes) -> None:
    try:
        # Numbers stay text: only the names are of interest.
        json.loads(body, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except RecursionError:
        # What a repeated key hid may be nested deeper than what msgspec kept of the body.
        raise _too_deep() from None


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise Malformed(f"The key {json.dumps(key[:100])} appears twice in one object.")


def _too_deep() -> Malformed:
    return Malformed(f"The body is nested deeper than {MAX_DEPTH} levels.")
