"""The lines of a provider's file, read one by one and strictly; a bad line is a finding, not the end."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import BinaryIO, Final, NamedTuple

from wallet import kinds, money
from wallet.kinds import Kind

HEADER: Final = "reference,kind,player,currency,round,game,amount,time"
FIELDS: Final = tuple(HEADER.split(","))
KINDS: Final = {"bet": Kind.BET, "win": Kind.WIN, "rollback": Kind.ROLLBACK}
# Longer than any line of sound fields can be: eight of them, quoted.
LONGEST: Final = 4_096

# As spreadsheets write them: most languages have the comma in their numbers, and another one between cells.
DELIMITERS: Final = (",", ";", "\t")
_BOM: Final = b"\xef\xbb\xbf"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_time_shape = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|\+00:00)").fullmatch


class NotAFile(Exception):
    """The file cannot be read at all; the message says why and what is expected."""


class Line(NamedTuple):
    """A line as PostgreSQL takes it. ``reference`` is as we store it; one that is ``wrong`` has a number only."""

    number: int
    reference: str | None = None
    kind: str | None = None
    player: str | None = None
    currency: str | None = None
    round: str | None = None
    game: str | None = None
    amount: int | None = None
    time: datetime | None = None
    wrong: str | None = None


class WrongLine(ValueError):
    """What is wrong with a line, in words."""


# Makes of a line its fields in the order of FIELDS; None is a line to pass over. Raises WrongLine.
Cut = Callable[[bytes], list[str] | None]


def read(
    file: BinaryIO, digits: Mapping[str, int], *, scoped: bool, opened: Callable[[bytes], Cut] | None = None
) -> Iterator[Line]:
    """Every line after the header, which may be quoted, and says what stands between the fields.

    Raises NotAFile where there is no such header. ``digits`` are those of each currency. ``scoped``: the provider's
    references are unique per player only. ``opened`` makes of the first line what cuts the others, where the file is
    the provider's own (``wallet.provider_file.mapping``). The first line is number 1; empty lines are passed over.
    """
    head = file.readline(LONGEST)
    cut = partial(_split, delimiter=_delimiter(head)) if opened is None else opened(head)
    number = 1
    while raw := file.readline(LONGEST + 1):
        number += 1
        if len(raw) > LONGEST:
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(LONGEST)
            yield Line(number, wrong=f"is longer than {LONGEST} bytes")
            continue
        text = raw.rstrip(b"\r\n")
        if text and (line := _line(number, text, cut, digits, scoped)) is not None:
            yield line


def _delimiter(line: bytes) -> str:
    """What stands between the fields of the header. Raises NotAFile where it is none."""
    head = bare(line)
    for delimiter in DELIMITERS:
        try:
            if tuple(_split(head, delimiter)) == FIELDS:
                return delimiter
        except WrongLine:
            continue
    found = "UTF-16: save the file as CSV in UTF-8" if line.startswith(_WIDE) else _quoted(head)
    raise NotAFile(f"The first line must be exactly {HEADER}, or with semicolons or tabs for commas; it is {found}.")


def bare(line: bytes) -> bytes:
    """A first line without what marks its encoding, and without its end."""
    return line.removeprefix(_BOM).rstrip(b"\r\n")


def _quoted(raw: bytes) -> str:
    """The beginning of what was found, safe to print."""
    return repr(raw[:80].decode("utf-8", "replace")) if raw else "empty"


def _line(number: int, raw: bytes, cut: Cut, digits: Mapping[str, int], scoped: bool) -> Line | None:
    try:
        fields = cut(raw)
        return None if fields is None else _checked(number, fields, digits, scoped)
    except WrongLine as wrong:
        return Line(number, wrong=str(wrong))


def _split(raw: bytes, delimiter: str) -> list[str]:
    fields = cells(raw, delimiter)
    if len(fields) != len(FIELDS):
        raise WrongLine(f"has {len(fields)} fields, not {len(FIELDS)}")
    return fields


def cells(raw: bytes, delimiter: str) -> list[str]:
    """What stands between the delimiters of a line. Raises WrongLine."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise WrongLine("is not UTF-8") from None
    if '"' not in text:
        return text.split(delimiter)
    try:
        (fields,) = csv.reader([text], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        raise WrongLine("is not CSV: a quotation mark is out of place") from None
    return fields


def _checked(number: int, fields: list[str], digits: Mapping[str, int], scoped: bool) -> Line:
    reference, kind, player, currency, round, game, amount, time = fields
    for name, text in (("reference", reference), ("player", player)):
        if not money.is_reference(text):
            raise WrongLine(f"{name} must be 1 to 128 printable ASCII characters")
    for name, text in (("round", round), ("game", game)):
        if text and not money.is_reference(text):
            raise WrongLine(f"{name} must be at most 128 printable ASCII characters")
    if kind not in KINDS:
        raise WrongLine(f"kind must be one of {', '.join(KINDS)}")
    if currency not in digits:
        raise WrongLine("currency is none of this house")
    try:
        minor = money.parse(amount, digits[currency])
    except money.InvalidAmount as error:
        raise WrongLine(f"amount {error}") from None
    stored = kinds.scoped(player, reference) if scoped else reference
    return Line(number, stored, KINDS[kind], player, currency, round or None, game or None, minor, _instant(time))


def _instant(text: str) -> datetime:
    if _time_shape(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise WrongLine("time must be UTC in ISO 8601, such as 2026-09-21T23:59:59.999999Z")
