"""What reconciliation finds, and how a list of small checks becomes one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


class Reading(NamedTuple):
    """What one look saw: how many records, and what is wrong with them."""

    records: int
    discrepancies: list[Discrepancy]


class Check(NamedTuple):
    """``broken`` is the SQL that is true of a record that is wrong, and never null.

    ``detail`` says it in words, ``at`` is the version it concerns: SQL too, and looked at only
    when ``broken`` holds.
    """

    invariant: int
    broken: str
    detail: str
    at: str = "version"


def statement(checks: Sequence[Check], records: str) -> str:
    """One pass over ``records`` that counts them and gathers what the checks find.

    ``records`` is a FROM clause, and maybe a WHERE; it has columns wallet_id and version.
    """
    wrong = " OR ".join(f"({check.broken})" for check in checks)
    found = ", ".join(
        f"CASE WHEN {check.broken} THEN json_build_array({check.at}, {check.detail}) END" for check in checks
    )
    return f"""
SELECT count(*), json_agg(json_build_array(wallet_id, json_build_array({found}))) FILTER (WHERE {wrong})
FROM {records}
"""


def read(cursor: Cursored, sql: str, checks: Sequence[Check], values: dict[str, Any]) -> Reading:
    """Run a ``statement`` of these checks."""
    record = cursor.execute(sql, values).fetchone()
    assert record is not None
    return Reading(record[0], list(_named(checks, record[1] or ())))


def _named(checks: Sequence[Check], records: Iterable[tuple[int, list[Any]]]) -> Iterable[Discrepancy]:
    for wallet, results in records:
        for check, result in zip(checks, results, strict=True):
            if result is not None:
                yield Discrepancy(check.invariant, wallet, *result)
