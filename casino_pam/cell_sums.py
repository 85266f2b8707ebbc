"""What all cells came to together: each cell's own sums by day, read and added up; nothing is written or kept.

A cell's refresh (`manage.py refresh_reports`, a job) has added its ledger up already, so that hundreds of cells cost a
statement each. No two currencies are ever added.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from casino_pam import cell
from wallet.pg.connection import Connection
from wallet.reports import figures
from wallet.reports.figures import DayFigures

_CELLS: Final = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) ORDER BY nspname"


class CellFigures(NamedTuple):
    """One currency of one cell (of all, where ``cell`` is empty), in minor units."""

    cell: str
    currency: str
    digits: int
    bets: int
    ggr: int
    deposited: int
    paid_out: int
    converted: int

    def plus(self, other: CellFigures | DayFigures) -> CellFigures:
        return self._replace(
            bets=self.bets + other.bets,
            ggr=self.ggr + other.ggr,
            deposited=self.deposited + other.deposited,
            paid_out=self.paid_out + other.paid_out,
            converted=self.converted + other.converted,
        )


class CellSums(NamedTuple):
    """What one cell came to; ``left_out``: its newest rows are in no sum yet."""

    cell: str
    figures: list[CellFigures]
    left_out: bool


def of_server(connection: dict[str, Any], since: date, until: date) -> Iterator[CellSums]:
    """Each cell of the database, its UTC days ``since`` to ``until`` added up. Raises psycopg.Error."""
    with closing(Connection.connect(**connection, autocommit=True)) as own:
        for (schema,) in own.execute(_CELLS, [cell.OURS]).fetchall():
            yield _of_cell(own, schema, since, until)


def _of_cell(own: psycopg.Connection[Any], schema: str, since: date, until: date) -> CellSums:
    name = schema.removeprefix(cell.OURS)
    own.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    own.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
    days = figures.days(own, since, until, most=0)
    own.execute("ROLLBACK")
    return CellSums(name, added((_of_day(name, day) for day in days.by_currency), name), days.left_out)


def _of_day(name: str, day: DayFigures) -> CellFigures:
    return CellFigures(name, day.currency, day.digits, day.bets, day.ggr, day.deposited, day.paid_out, day.converted)


def added(found: Iterator[CellFigures], name: str = "") -> list[CellFigures]:
    """One for each currency, of whatever cells."""
    sums: dict[tuple[str, int], CellFigures] = {}
    for each in found:
        key = each.currency, each.digits
        sums[key] = sums[key].plus(each) if key in sums else each._replace(cell=name)
    return [sums[key] for key in sorted(sums)]
