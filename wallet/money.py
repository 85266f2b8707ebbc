"""Minor units in, decimal strings out, and the bounds of both.

An amount is an integer in its currency's minor unit; ``digits`` is how many of those units'
decimal places the currency has (JPY 0, EUR 2, KWD 3, BTC 8). A string's shape is checked before
anything is converted: ``int()`` alone would take ``"1_0"``, ``" 7 "`` and Arabic digits.
"""

import re
from typing import Final

MAX_AMOUNT: Final = 10**14
MAX_BALANCE: Final = 10**17
MAX_REFERENCE: Final = 128

_amount_shape = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?").fullmatch
_reference_shape = re.compile(rf"[!-~](?:[ -~]{{0,{MAX_REFERENCE - 2}}}[!-~])?").fullmatch


class InvalidAmount(ValueError):
    """The text is not an amount of this currency; the message says what is allowed."""


def check_shape(text: str) -> str:
    """The text itself, if it is the decimal string of some currency's amount."""
    if _amount_shape(text) is None:
        raise InvalidAmount(
            'must be a plain decimal number such as "10" or "10.50", without sign, spaces, exponent or leading zeros'
        )
    return text


def parse(text: str, digits: int) -> int:
    """The minor units of a decimal string such as ``"10.00"``, never rounded.

    Raises InvalidAmount for another shape, a value finer than the currency, or one above
    MAX_AMOUNT minor units.
    """
    whole, _, fraction = check_shape(text).partition(".")
    missing = digits - len(fraction)
    if missing < 0:
        raise InvalidAmount(_too_fine(digits))
    # A length is compared first, so that no conversion is ever long.
    if len(whole) > 15 or (minor := int(whole + fraction + "0" * missing)) > MAX_AMOUNT:
        raise InvalidAmount(f"must be at most {show(MAX_AMOUNT, digits)}")
    return minor


def parse_signed(text: str, digits: int) -> int:
    """As ``parse``, for adjustments: one leading ``-`` makes the amount negative."""
    if text.startswith("-"):
        return -parse(text[1:], digits)
    return parse(text, digits)


def show(minor: int, digits: int) -> str:
    """The decimal string of minor units, with exactly the currency's digits."""
    if minor < 0:
        return "-" + show(-minor, digits)
    if digits == 0:
        return str(minor)
    text = str(minor).zfill(digits + 1)
    return f"{text[:-digits]}.{text[-digits:]}"


def grouped(number: int | str | None) -> str:
    """A whole number or a decimal string as people read it: 12,345.67; nothing for none."""
    sign, text = ("-", str(number)[1:]) if str(number).startswith("-") else ("", str(number))
    whole, point, fraction = text.partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}" if number not in (None, "") else ""


def is_reference(text: str) -> bool:
    """Whether a source, provider or player may be asked to live with this text as a name.

    1 to 128 printable ASCII characters, no space at either end. PostgreSQL could not store a NUL
    or a lone surrogate; and since 0x1F is outside the range, a reference scoped to its player
    (player, 0x1F, reference) can never be mistaken for another one.
    """
    return _reference_shape(text) is not None


def _too_fine(digits: int) -> str:
    if digits == 0:
        return "must be a whole number: this currency has no decimal places"
    places = "decimal place" if digits == 1 else "decimal places"
    return f"must have at most {digits} {places} in this currency"
