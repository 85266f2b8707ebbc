"""What a command may be told: types for argparse that name what is wrong, and what would be right."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from typing import Final

# Before the first house and after the last: neither ids nor midnights are made of days beyond.
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)

_day_shape = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch


def day(text: str) -> date:
    """A UTC day as 2026-09-21."""
    try:
        found = date.fromisoformat(text) if _day_shape(text) else None
    except ValueError:
        found = None
    if found is None or not FIRST_DAY <= found <= LAST_DAY:
        raise ArgumentTypeError(f"{text!r} is no day such as 2026-09-21, from {FIRST_DAY} to {LAST_DAY}")
    return found


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def read(text: str) -> int:
        sound = text.isascii() and text.isdigit() and len(text) < 16
        if not (sound and lowest <= int(text) <= highest):
            raise ArgumentTypeError(f"{text!r} is no whole number from {lowest} to {highest}")
        return int(text)

    return read


def number(lowest: float, highest: float) -> Callable[[str], float]:
    """A decimal number within bounds."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        # NaN is within no bounds.
        if not lowest <= value <= highest:
            raise ArgumentTypeError(f"{text!r} is no number from {lowest:g} to {highest:g}")
        return value

    return read


def name(longest: int) -> Callable[[str], str]:
    """A name of so many characters at most, none of which is a control character or half of one."""

    def read(text: str) -> str:
        if not 1 <= len(text) <= longest or not text.isprintable():
            raise ArgumentTypeError(f"{text[:80]!r} is no name of 1 to {longest} printable characters")
        return text

    return read
