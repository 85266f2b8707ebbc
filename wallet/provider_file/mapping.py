"""A provider's own report read as the file of docs/reports.md: which of its columns is which of ours, in what units, of
what time zone, with what words for kinds, and what stands between the cells.

The mapping is kept on the provider as JSON. What it makes of a line is judged as any other file's line is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from wallet import money
from wallet.provider_file.lines import DELIMITERS, FIELDS, KINDS, Cut, Line, NotAFile, WrongLine, bare, cells, read
from wallet.time import to_text

REQUIRED: Final = ("reference", "kind", "player", "currency", "amount", "time")
ISO: Final = "iso"
UNIX: Final = {"unix": 1, "unix_ms": 1000}
MOST_UNITS: Final = 10**9
# As much of a file as is shown before it is compared.
HEAD_BYTES: Final = 65_536
SHOWN: Final = 10

_sample: Final = datetime(2026, 11, 30, 23, 58, 59, tzinfo=UTC)


class WrongMapping(ValueError):
    """The mapping cannot be one; the message says why."""


class FileMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider writes what we compare.

    ``columns`` are its names of ours, ``constants`` what every line has though no column says so, ``kinds`` its words
    for bet, win and rollback (empty: lines to pass over; a word that is missing is wrong). ``unit`` is ``main``,
    ``minor``, or how many of its units make one of ours (100000). ``signed`` stakes carry a minus. ``time_format`` is
    ``iso``, ``unix``, ``unix_ms`` or a pattern of strptime; times that name no zone are of ``time_zone``.
    """

    columns: dict[str, str]
    constants: dict[str, str] = {}
    kinds: dict[str, str] = {}
    delimiter: str = ","
    unit: Literal["main", "minor"] | int = "main"
    decimal_comma: bool = False
    signed: bool = False
    time_format: str = ISO
    time_zone: str = "UTC"


def read_mapping(value: Any) -> FileMapping | None:
    """The mapping of a provider's column; None where there is none. Raises WrongMapping."""
    if value == {}:
        return None
    try:
        mapping = msgspec.convert(value, FileMapping)
    except msgspec.ValidationError as error:
        raise WrongMapping(f"{error}") from None
    for name in (*mapping.columns, *mapping.constants):
        if name not in FIELDS:
            raise WrongMapping(f"{name!r} is none of {', '.join(FIELDS)}")
    for name in REQUIRED:
        if name not in mapping.columns and name not in mapping.constants:
            raise WrongMapping(f"nothing says where {name} is")
    for word, kind in mapping.kinds.items():
        if kind and kind not in KINDS:
            raise WrongMapping(f"{word!r} is {kind!r}, which is none of {', '.join(KINDS)}, nor empty")
    if mapping.delimiter not in (*DELIMITERS, "|"):
        raise WrongMapping("the delimiter is a comma, a semicolon, a tab or |")
    if isinstance(mapping.unit, int) and not 1 <= mapping.unit <= MOST_UNITS:
        raise WrongMapping(f"the unit is main, minor or a number from 1 to {MOST_UNITS}")
    _check_times(mapping)
    return mapping


def _check_times(mapping: FileMapping) -> None:
    try:
        ZoneInfo(mapping.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongMapping(f"{mapping.time_zone!r} is no time zone, such as Europe/Malta") from None
    if mapping.time_format == ISO or mapping.time_format in UNIX:
        return
    try:
        whole = datetime.strptime(_sample.strftime(mapping.time_format), mapping.time_format)  # noqa: DTZ007
    except ValueError:
        whole = None
    if whole is None or whole.replace(tzinfo=UTC) != _sample:
        raise WrongMapping("the time format must hold date and time to the second, such as %d.%m.%Y %H:%M:%S")


class Opened:
    """A mapping with what it needs to know of the house; called with the first line it makes what cuts the others."""

    def __init__(self, mapping: FileMapping, currencies: Mapping[str, str], digits: Mapping[str, int]) -> None:
        self.mapping = mapping
        self.currencies = currencies
        self.digits = digits
        self._zone = ZoneInfo(mapping.time_zone)

    def __call__(self, head: bytes) -> Cut:
        """Raises NotAFile where a column of the mapping is not there, or stands twice."""
        try:
            names = [name.strip() for name in cells(bare(head), self.mapping.delimiter)]
        except WrongLine as wrong:
            raise NotAFile(f"The first line {wrong}.") from None
        for ours, theirs in self.mapping.columns.items():
            if names.count(theirs) != 1:
                times = "is not there" if theirs not in names else "stands twice"
                raise NotAFile(f"The column {theirs!r}, which is our {ours}, {times}: the first line is {names}.")
        places = {ours: names.index(theirs) for ours, theirs in self.mapping.columns.items()}

        def cut(raw: bytes) -> list[str] | None:
            found = cells(raw, self.mapping.delimiter)
            if len(found) != len(names):
                raise WrongLine(f"has {len(found)} fields, not {len(names)}")
            return self._fields({ours: found[place].strip() for ours, place in places.items()})

        return cut

    def _fields(self, found: dict[str, str]) -> list[str] | None:
        """The line's fields as ours are; None for a kind to pass over. Raises WrongLine."""
        told = {**dict.fromkeys(FIELDS, ""), **self.mapping.constants, **found}
        kind = self._kind(told["kind"])
        if kind == "":
            return None
        currency = self.currencies.get(told["currency"], told["currency"])
        if currency not in self.digits:
            raise WrongLine("currency is none of this house")
        amount = self._amount(told["amount"], kind, self.digits[currency])
        return list(
            {**told, "kind": kind, "currency": currency, "amount": amount, "time": self._time(told["time"])}.values()
        )

    def _kind(self, word: str) -> str:
        if not self.mapping.kinds:
            return word
        if word not in self.mapping.kinds:
            raise WrongLine(f"kind {word!r} is none of {', '.join(self.mapping.kinds)}")
        return self.mapping.kinds[word]

    def _amount(self, text: str, kind: str, digits: int) -> str:
        """The amount as a decimal string of the main unit. Raises WrongLine for one that is finer than ours."""
        plain = text.replace(",", ".") if self.mapping.decimal_comma else text
        if self.mapping.signed and kind == "bet":
            plain = plain.removeprefix("-")
        try:
            value = Decimal(plain)
        except InvalidOperation:
            raise WrongLine(f"amount {text!r} is no number") from None
        if not value.is_finite() or value < 0 or abs(value.adjusted()) > 30:
            raise WrongLine(f"amount {text!r} is no amount")
        unit = self.mapping.unit
        units = 1 if unit == "main" else 10**digits if unit == "minor" else unit
        numerator, denominator = value.as_integer_ratio()
        minor, rest = divmod(numerator * 10**digits, denominator * units)
        if rest:
            raise WrongLine(f"amount {text!r} is finer than the currency")
        return money.show(minor, digits)

    def _time(self, text: str) -> str:
        """As ISO 8601 in UTC. Raises WrongLine."""
        try:
            return to_text(self._instant(text))
        except (ValueError, OverflowError, OSError):
            raise WrongLine(f"time {text!r} is not of the form {self.mapping.time_format}") from None

    def _instant(self, text: str) -> datetime:
        form = self.mapping.time_format
        if form in UNIX:
            if not (text.isascii() and text.isdigit()):
                raise ValueError
            seconds, fraction = divmod(int(text), UNIX[form])
            return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction * 1_000)
        instant = datetime.fromisoformat(text) if form == ISO else datetime.strptime(text, form)  # noqa: DTZ007
        return instant if instant.tzinfo is not None else instant.replace(tzinfo=self._zone)


def first_lines(
    file: BinaryIO, digits: Mapping[str, int], *, scoped: bool, opened: Opened | None
) -> tuple[list[Line], str]:
    """The first lines as they will be read, and a name for these very lines read in this very way. Raises NotAFile."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    found = []
    for line in read(file, digits, scoped=scoped, opened=opened):
        found.append(line)
        if len(found) == SHOWN:
            break
    file.seek(0)
    way = b"" if opened is None else msgspec.json.encode(opened.mapping)
    return found, hashlib.sha256(way + b"\n" + head).hexdigest()
