"""What bonuses cost, and what the house still owes for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import msgspec

from wallet.reports.figures import EVER
from wallet.reports.snapshot import Connected, stream
from wallet.reports.sums import STANDING, midnight, span

PLAYED: Final = "('BET', 'WIN', 'ROLLBACK')"


class Cost(msgspec.Struct, frozen=True):
    """What bonus money did on a day, in minor units; ``liability`` is what players had of it at its end.

    What was granted either became cash (``converted``), was cut off above the cap of a conversion,
    was lost in play (less what was won), was forfeited, or ran out of time; the rest is owed.
    """

    day: date
    currency: str
    digits: int
    granted: int
    won: int
    converted: int
    cut: int
    forfeited: int
    expired: int
    liability: int


def _of(kind: str, sums: str = "-sum(s.bonus)") -> str:
    return f"coalesce({sums} FILTER (WHERE s.kind = '{kind}'), 0)"


_DAYS: Final = f"""
SELECT s.day, s.currency_id, c.digits, {_of("GRANT", "sum(s.bonus)")},
       coalesce(sum(s.bonus) FILTER (WHERE s.kind IN {PLAYED}), 0),
       {_of("CONVERT", "sum(s.cash)")}, {_of("CONVERT", "-sum(s.bonus + s.cash)")}, {_of("FORFEIT")}, {_of("EXPIRE")},
       sum(s.bonus)
FROM ({STANDING}) s JOIN wallet_currency c ON c.code = s.currency_id
GROUP BY 1, 2, 3 HAVING bool_or(s.bonus <> 0) OR bool_or(s.kind = 'CONVERT') ORDER BY 2, 1
"""


def costs(own: Connected, since: date, until: date) -> Iterator[Cost]:
    """Bonus cost and liability of the UTC days ``since`` to ``until``, one currency after the other."""
    owed = opening(own, since)
    for day, currency, digits, *sums in stream(own, _DAYS, span(own, since, until)):
        *spent, moved = map(int, sums)
        owed[currency] = owed.get(currency, 0) + moved
        yield _summed(day, currency, digits, spent, owed[currency])


_OWED: Final = f"SELECT s.currency_id, sum(s.bonus) FROM ({STANDING}) s GROUP BY 1"


def opening(own: Connected, day: date) -> dict[str, int]:
    """The bonus money players had when the day began, by currency."""
    found = own.execute(_OWED, span(own, EVER, day - timedelta(days=1))).fetchall()
    return {currency: int(owed) for currency, owed in found}


class Promised(msgspec.Struct, frozen=True):
    """Bonuses that waited for a deposit, an approval or the slot: nobody's money yet, in minor units."""

    currency: str
    digits: int
    bonuses: int
    amount: int


_WAITING: Final = """
SELECT w.currency_id, c.digits, count(*), sum(b.amount)
FROM bonus_bonus b JOIN wallet_wallet w ON w.id = b.wallet_id JOIN wallet_currency c ON c.code = w.currency_id
WHERE b.created_at < %(end)s AND coalesce(b.activated_at, b.ended_at, 'infinity') >= %(end)s
GROUP BY 1, 2 ORDER BY 1
"""


def waiting(own: Connected, day: date) -> list[Promised]:
    """What was promised and not begun at the end of the UTC day, by the amounts as they are now."""
    found = own.execute(_WAITING, {"end": midnight(day + timedelta(days=1))}).fetchall()
    return [Promised(currency, digits, bonuses, int(amount)) for currency, digits, bonuses, amount in found]


def in_all(own: Connected, since: date, until: date) -> list[tuple[Cost, Promised | None]]:
    """Each currency's days added up, with the liability and the waiting promises at the end of the last one."""
    promised = {each.currency: each for each in waiting(own, until)}
    owed = opening(own, until + timedelta(days=1))
    sums: dict[str, list[int]] = {}
    for each in costs(own, since, until):
        moved = (each.granted, each.won, each.converted, each.cut, each.forfeited, each.expired)
        sums[each.currency] = [sum(pair) for pair in zip(sums.get(each.currency, [0] * 6), moved, strict=True)]
    digits = dict(own.execute("SELECT code, digits FROM wallet_currency ORDER BY code").fetchall())
    wanted = [code for code in digits if code in sums or code in promised or owed.get(code)]
    return [
        (_summed(until, code, digits[code], sums.get(code, [0] * 6), owed.get(code, 0)), promised.get(code))
        for code in wanted
    ]


def _summed(day: date, currency: str, digits: int, sums: list[int], owed: int) -> Cost:
    granted, won, converted, cut, forfeited, expired = sums
    return Cost(day, currency, digits, granted, won, converted, cut, forfeited, expired, owed)
