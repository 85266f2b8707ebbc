"""What reconciliation finds, and how a list of small checks becomes one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from psycopg import Cursor

Cursored = Cursor[Any]


class Discrepancy(NamedTuple):
    """One thing that is not as it should be; reconciliation names it and repairs nothing.

    ``invariant`` is its number in DESIGN.md §5. ``wallet`` and ``version`` name the row, as far
    as it is one wallet's and one row's matter.
    """

    invariant: int
    wallet: int | None
    version: int | None
    detail: str

    def __str__(self) -> str:
        place = "the house" if self.wallet is None else f"wallet {self.wallet}"
        if self.version is not None:
            place += f" version {self.version}"
        return f"{place}: {self.detail} (invariant {self.invariant})"


class Stretch(NamedTuple):
    """Wallets by id, ``first`` to ``last``, and how far back their rows are read.

    ``full`` reads every row; otherwise only rows above the wallet's checkpoint, of wallets that
    moved since.
    """

    first: int
    last: int
    full: bool


STANDING: Final = """
SELECT w.id, w.version, w.digest,
       CASE WHEN c.wallet_id IS NULL OR c.suspect THEN 0
            WHEN c.version <> w.version OR c.digest IS DISTINCT FROM w.digest THEN c.version END AS proven
FROM wallet_wallet w LEFT JOIN wallet_checkpoint c ON c.wallet_id = w.id
"""
"""Every wallet, and ``proven``: the version after which its rows are to be read, null for none."""

MOVED_ON: Final = f"SELECT * FROM ({STANDING}) standing WHERE proven IS NOT NULL"
"""The wallets that moved since their checkpoint, or were found wanting then."""


class Check(NamedTuple):
    """``broken`` is the SQL that is true of a record that is wrong, and never null.

    ``detail`` says it in words, ``at`` is the version it concerns: SQL too, and looked at only
    when ``broken`` holds.
    """

    invariant: int
    broken: str
    detail: str
    at: str = "version"


class Look:
    """A list of checks on the same records, made into SQL.

    ``records`` is what stands after FROM; it has columns wallet_id and version, and a stretch's
    ``first`` and ``last`` as parameters.
    """

    def __init__(self, checks: Sequence[Check], records: str) -> None:
        self.checks = checks
        wrong = " OR ".join(f"({check.broken})" for check in checks)
        results = ", ".join(
            f"CASE WHEN {check.broken} THEN json_build_array({check.at}, {check.detail}) END" for check in checks
        )
        self.counting = f"SELECT count(*), count(*) FILTER (WHERE {wrong}) FROM {records}"
        self.naming = f"SELECT wallet_id, {results} FROM {records} WHERE {wrong}"

    def count(self, cursor: Cursored, stretch: Stretch) -> tuple[int, int]:
        """How many records there are, and how many of them are wrong: one pass."""
        record = cursor.execute(self.counting, {"first": stretch.first, "last": stretch.last}).fetchone()
        assert record is not None
        return record[0], record[1]

    def name(self, cursor: Cursored, stretch: Stretch) -> Iterator[Discrepancy]:
        """What is wrong with each of them: a second pass, row by row, however many there may be."""
        for wallet, *results in cursor.stream(self.naming, {"first": stretch.first, "last": stretch.last}):
            for check, result in zip(self.checks, results, strict=True):
                if result is not None:
                    yield Discrepancy(check.invariant, wallet, *result)
