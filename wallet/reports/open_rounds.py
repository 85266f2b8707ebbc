"""Rounds that have stakes and no end, by the UTC days of their first live bet of the range."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from wallet.reports.snapshot import Connected, stream
from wallet.reports.sums import midnight
from wallet.rounds import OPEN, OpenRound, first_id

# A row is made after its command was received, and no clock of ours is a day slow.
_AFTER: Final = timedelta(days=1)
_LAST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_ROUNDS: Final = OPEN.format(which="bet.created_at >= %(begin)s AND bet.created_at < %(end)s")
_IN_ALL: Final = f"""
SELECT currency_id, digits, count(*), sum(bets), sum(staked) FROM ({_ROUNDS}) o GROUP BY 1, 2 ORDER BY 1
"""


def _values(since: date, until: date) -> dict[str, Any]:
    begin, end = midnight(since), midnight(until + timedelta(days=1))
    return {"since": first_id(begin - _AFTER), "until": _LAST_ID, "begin": begin, "end": end, "source": None}


def open_rounds(own: Connected, since: date, until: date) -> Iterator[OpenRound]:
    """Open rounds with a live bet of the days ``since`` to ``until``, oldest first."""
    for record in stream(own, _ROUNDS, _values(since, until)):
        yield OpenRound(*record)


def open_in_all(own: Connected, since: date, until: date) -> list[tuple[str, int, int, int, int]]:
    """Currency, digits, rounds, bets and minor units staked of all of them together."""
    found = own.execute(_IN_ALL, _values(since, until)).fetchall()
    return [(currency, digits, rounds, int(bets), int(staked)) for currency, digits, rounds, bets, staked in found]
