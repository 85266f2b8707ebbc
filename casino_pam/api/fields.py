"""The shapes of request fields, the same at both doors.

Each function takes the parsed body (or the query, as a mapping) and the name of a field, and
returns its value or raises InvalidField with a sentence that says what would have been right.
A field is required unless it is read through ``optional``, by ``flag``, or by ``choice`` with a
default; a field that may be left out may still not be ``null``.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from wallet import money
from wallet.errors import InvalidField

Body = Mapping[str, Any]
T = TypeVar("T")

_MISSING: Final = object()

_currency_shape = re.compile(r"[A-Z][A-Z0-9_]{2,31}").fullmatch
_integer_shape = re.compile(r"0|[1-9][0-9]{0,17}").fullmatch
_instant_shape = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}(:?[0-5][0-9])?)"
).fullmatch


def optional(read: Callable[..., T], body: Body, field: str, *args: Any) -> T | None:
    """What ``read(body, field, *args)`` makes of the field, or None where the field is absent."""
    value = body.get(field, _MISSING)
    if value is _MISSING:
        return None
    if value is None:
        raise InvalidField(field, "may be left out, but not null")
    return read(body, field, *args)


def text_id(body: Body, field: str) -> str:
    """A name given by somebody else: reference, round, game, player."""
    text = _text(body, field, "a string")
    if not money.is_reference(text):
        raise InvalidField(
            field,
            f"must be 1 to {money.MAX_REFERENCE} printable ASCII characters without a space at either end",
        )
    return text


def currency(body: Body, field: str = "currency") -> str:
    text = _text(body, field, 'a string such as "EUR"')
    if _currency_shape(text) is None:
        raise InvalidField(
            field,
            'must be 3 to 32 capital letters, digits or underscores, a letter first, such as "EUR"',
        )
    return text


def amount(body: Body, field: str, digits: int) -> int:
    """Minor units of a currency with so many digits; zero is an amount."""
    return _amount(body, field, lambda text: money.parse(text, digits))


def signed_amount(body: Body, field: str, digits: int) -> int:
    """As ``amount``, with a leading ``-`` where an adjustment takes money away."""
    return _amount(body, field, lambda text: money.parse_signed(text, digits))


def amount_text(body: Body, field: str) -> str:
    """An amount whose currency is not yet known, as the decimal string it is."""
    return _amount(body, field, money.check_shape)


def flag(body: Body, field: str) -> bool:
    """True or false; false where the field is absent."""
    value = body.get(field, False)
    if value is True or value is False:
        return value
    raise _wrong(field, "true or false", value)


def choice(body: Body, field: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    """One of the allowed words, exactly as written; the default where the field is absent."""
    value = body.get(field, _MISSING if default is None else default)
    if type(value) is str and value in allowed:
        return value
    words = ", ".join(f'"{word}"' for word in allowed)
    if type(value) is str:
        raise InvalidField(field, f"must be one of {words}")
    raise _wrong(field, f"one of {words}", value)


def integer(body: Body, field: str, least: int, most: int) -> int:
    """A whole number written in ASCII digits, as query strings have it."""
    text = _text(body, field, 'a string such as "10"')
    if _integer_shape(text) is None or not least <= (number := int(text)) <= most:
        raise InvalidField(field, f"must be a whole number from {least} to {most}")
    return number


def instant(body: Body, field: str) -> datetime:
    """A moment by ISO 8601 to the second or finer, with any offset; in UTC."""
    text = _text(body, field, "a string")
    # The shape admits days and hours that do not exist, and moments of UTC before year 1 or after year 9999.
    with suppress(ValueError, OverflowError):
        if _instant_shape(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    raise InvalidField(
        field,
        "must be a moment by ISO 8601 with its offset from UTC, such as "
        '"2026-11-22T10:30:00Z" or "2026-11-22T12:30:00+02:00"',
    )


def parts(body: Body, field: str, most: int) -> list[Any]:
    """The list of a batch or bulk; each of its members is still to be read by ``part``."""
    value = body.get(field, _MISSING)
    if type(value) is not list:
        raise _wrong(field, "an array of objects", value)
    if not 1 <= len(value) <= most:
        raise InvalidField(field, f"must hold 1 to {most} objects")
    return value


def part(value: Any, where: str) -> dict[str, Any]:
    """A member of a list, read in its place, say ``operations[1]``."""
    if type(value) is not dict:
        raise _wrong(where, "an object", value)
    return value


def _text(body: Body, field: str, wanted: str) -> str:
    value = body.get(field, _MISSING)
    if type(value) is not str:
        raise _wrong(field, wanted, value)
    return value


def _amount(body: Body, field: str, read: Callable[[str], T]) -> T:
    try:
        return read(_text(body, field, 'a string such as "10.00"'))
    except money.InvalidAmount as error:
        raise InvalidField(field, str(error)) from None


def _wrong(field: str, wanted: str, value: Any) -> InvalidField:
    if value is _MISSING:
        return InvalidField(field, f"is missing: it must be {wanted}")
    return InvalidField(field, f"must be {wanted}, not {_called_in_json(value)}")


def _called_in_json(value: Any) -> str:
    if value is None:
        return "null"
    names = {str: "a string", bool: "a boolean", list: "an array", dict: "an object"}
    return names.get(type(value), "a number")
