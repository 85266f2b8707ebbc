"""What bonuses cost, and what the house still owes for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Final

import msgspec
from msgspec.structs import asdict

from wallet.reports.figures import EVER
from wallet.reports.sums import STANDING, Connected, span, stream
from wallet.time import midnight

PLAYED: Final = "('BET', 'WIN', 'ROLLBACK')"


class Spent(msgspec.Struct, frozen=True):
    """What bonus money did on a day, in minor units; ``change`` is by how much players had more of it at its end."""

    day: date
    currency: str
    digits: int
    granted: int = 0
    won: int = 0
    converted: int = 0
    cut: int = 0
    forfeited: int = 0
    expired: int = 0
    change: int = 0


class Cost(Spent, frozen=True, kw_only=True):
    """The same with ``liability``: what players had of bonus money at the end of the day.

    What was granted either became cash (``converted``), was cut off above the cap of a conversion,
    was lost in play (less what was won), was forfeited, or ran out of time; the rest is owed.
    """

    liability: int


def _of(kind: str, sums: str = "-sum(s.bonus)") -> str:
    return f"coalesce({sums} FILTER (WHERE s.kind = '{kind}'), 0)"


_DAYS: Final = f"""
SELECT s.day, s.currency_id AS currency, c.digits, {_of("GRANT", "sum(s.bonus)")} AS granted,
       coalesce(sum(s.bonus) FILTER (WHERE s.kind IN {PLAYED}), 0) AS won,
       {_of("CONVERT", "sum(s.cash)")} AS converted, {_of("CONVERT", "-sum(s.bonus + s.cash)")} AS cut,
       {_of("FORFEIT")} AS forfeited, {_of("EXPIRE")} AS expired, sum(s.bonus) AS change
FROM ({STANDING}) s JOIN wallet_currency c ON c.code = s.currency_id
GROUP BY 1, 2, 3 HAVING bool_or(s.bonus <> 0) OR bool_or(s.kind = 'CONVERT') ORDER BY 2, 1
"""


def costs(own: Connected, since: date, until: date, *, promised: Collection[str] = ()) -> Iterator[Cost]:
    """Bonus cost and liability of the UTC days on which bonus money moved, one currency after the other.

    A currency in which money is owed, or that is ``promised``, comes with the last day in any case.
    """
    owed = opening(own, since)
    digits = dict(own.execute("SELECT code, digits FROM wallet_currency ORDER BY code").fetchall())
    moved = groupby(stream(own, _DAYS, span(own, since, until), Spent), key=lambda spent: spent.currency)
    days = {currency: list(each) for currency, each in moved}
    for currency in digits:
        left, last = owed.get(currency, 0), None
        for spent in days.get(currency, []):
            left, last = left + spent.change, spent.day
            yield Cost(**asdict(spent), liability=left)
        if last != until and (left or currency in promised):
            yield Cost(day=until, currency=currency, digits=digits[currency], liability=left)


SUMMED: Final = ("granted", "won", "converted", "cut", "forfeited", "expired", "change")
_OWED: Final = f"SELECT s.currency_id, sum(s.bonus) FROM ({STANDING}) s GROUP BY 1"


def opening(own: Connected, day: date) -> dict[str, int]:
    """The bonus money players had when the day began, by currency."""
    found = own.execute(_OWED, span(own, EVER, day - timedelta(days=1))).fetchall()
    return {currency: int(owed) for currency, owed in found}


def in_all(own: Connected, since: date, until: date, *, promised: Collection[str] = ()) -> Iterator[Cost]:
    """Each currency's days added up, with the liability at the end of the last one."""
    found = costs(own, since, until, promised=promised)
    for currency, days in groupby(found, key=lambda each: each.currency):
        every = list(days)
        sums = {name: sum(getattr(each, name) for each in every) for name in SUMMED}
        yield Cost(day=until, currency=currency, digits=every[-1].digits, **sums, liability=every[-1].liability)


_WAITED: Final = """
SELECT w.currency_id, (b.created_at AT TIME ZONE 'UTC')::date,
       (coalesce(b.activated_at, b.ended_at) AT TIME ZONE 'UTC')::date, count(*), sum(b.amount)
FROM bonus_bonus b JOIN wallet_wallet w ON w.id = b.wallet_id
WHERE b.created_at < %(end)s AND coalesce(b.activated_at, b.ended_at, 'infinity') >= %(begin)s
GROUP BY 1, 2, 3
"""


class WaitingBonuses:
    """Bonuses that wait for a deposit, an approval or the slot: nobody's money yet.

    By the amounts as they are now: what a deposit will be matched with is not known before it comes.
    """

    def __init__(self, own: Connected, since: date, until: date) -> None:
        values = {"begin": midnight(since + timedelta(days=1)), "end": midnight(until + timedelta(days=1))}
        self._waited = own.execute(_WAITED, values).fetchall()

    @property
    def currencies(self) -> set[str]:
        return {currency for currency, *_ in self._waited}

    def waiting(self, currency: str, day: date) -> tuple[int, int]:
        """How many waited at the end of the UTC day, and their minor units."""
        waited = [
            (count, int(amount))
            for code, made, left, count, amount in self._waited
            if code == currency and made <= day and (left is None or left > day)
        ]
        return sum(count for count, _ in waited), sum(amount for _, amount in waited)
