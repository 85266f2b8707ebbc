"""The reports that need nothing but the wallet: revenue, money in and out, the trial balance, balances.

**GGR**, gross gaming revenue, is what players staked less what they were paid, both net of
rollbacks: the "gross gambling yield" that regulators ask for. A rollback counts on its own day, by
what it undoes. Cash and bonus money are kept apart.

**NGR**, net gaming revenue, is what the house keeps of it: ``NGR = GGR in cash - converted``. No
law defines it; the usual reading is GGR less what bonuses cost. Bonus money is the house's own
until it becomes a player's cash, so a bonus costs nothing when it is granted, wins nothing while it
is played with, and costs what was converted (CONVERT, the cash part) when it was. Over the life of
a bonus that is the same as charging the grant and taking back what is forfeited or lost; until it
ends, the two readings differ by the liability that the bonus report shows (docs/reports.md).

All amounts are minor units. Nothing here rounds, and no two currencies are ever added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from wallet.history import newest_before
from wallet.reconcile.ledger_wide import ACCOUNTS
from wallet.reports.sums import ACTIVE, BEYOND, PLAYERS_MARKER, STANDING, Connected, every, span, stream
from wallet.time import first_id, midnight

# Before the first day of any house.
EVER: Final = date(1970, 1, 1)
# After the last.
LAST: Final = date(9998, 12, 31)

_STAKE: Final = "(s.kind = 'BET' OR s.kind = 'ROLLBACK' AND s.undoes = 'BET')"
_PAYOUT: Final = "(s.kind = 'WIN' OR s.kind = 'ROLLBACK' AND s.undoes = 'WIN')"

GROUPS: Final = ("day", "source", "game")


class Revenue(msgspec.Struct, frozen=True):
    """GGR and NGR of a group of rows; ``bets`` is how many stood, ``asked`` GGR as the providers count it.

    Providers know amounts, not what could be moved of them: a part of a win or refund whose bonus
    had ended, or a clamped rollback, makes the two differ.
    """

    day: date | None
    source: str | None
    game: str | None
    currency: str
    digits: int
    bets: int
    staked_cash: int
    staked_bonus: int
    paid_cash: int
    paid_bonus: int
    converted: int
    asked: int

    @property
    def ggr_cash(self) -> int:
        return self.staked_cash - self.paid_cash

    @property
    def ggr_bonus(self) -> int:
        return self.staked_bonus - self.paid_bonus

    @property
    def ggr(self) -> int:
        return self.ggr_cash + self.ggr_bonus

    @property
    def ngr(self) -> int:
        return self.ggr_cash - self.converted


def revenue(own: Connected, since: date, until: date, by: Sequence[str] = ()) -> Iterator[Revenue]:
    """GGR and NGR of the UTC days ``since`` to ``until`` by currency, and by any of GROUPS."""
    types = {"day": "date", "source": "text", "game": "text"}
    groups = [f"{f's.{name}' if name in by else f'NULL::{types[name]}'} AS {name}" for name in GROUPS]
    statement = f"""
SELECT {", ".join(groups)}, s.currency_id AS currency, c.digits,
       coalesce(sum(CASE s.kind WHEN 'BET' THEN s.rows ELSE -s.rows END) FILTER (WHERE {_STAKE}), 0) AS bets,
       coalesce(-sum(s.cash) FILTER (WHERE {_STAKE}), 0) AS staked_cash,
       coalesce(-sum(s.bonus) FILTER (WHERE {_STAKE}), 0) AS staked_bonus,
       coalesce(sum(s.cash) FILTER (WHERE {_PAYOUT}), 0) AS paid_cash,
       coalesce(sum(s.bonus) FILTER (WHERE {_PAYOUT}), 0) AS paid_bonus,
       coalesce(sum(s.cash) FILTER (WHERE s.kind = 'CONVERT'), 0) AS converted,
       coalesce(sum(CASE WHEN s.kind = 'BET' OR s.undoes = 'WIN' THEN s.amount ELSE -s.amount END)
                FILTER (WHERE s.kind <> 'CONVERT'), 0) AS asked
FROM ({STANDING}) s JOIN wallet_currency c ON c.code = s.currency_id
WHERE s.kind IN ('BET', 'WIN', 'ROLLBACK', 'CONVERT')
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4
"""
    yield from stream(own, statement, span(own, since, until), Revenue)


class Flow(msgspec.Struct, frozen=True):
    """Deposits and withdrawals of one source, each counted and in minor units."""

    day: date | None
    source: str | None
    currency: str
    digits: int
    deposits: int
    deposited: int
    asked: int
    held: int
    settled: int
    paid_out: int
    released: int
    returned: int

    @property
    def net(self) -> int:
        """What came in and stayed."""
        return self.deposited - self.paid_out


# What rows of a kind are counted as, and their amounts.
_FLOWING: Final = {
    "DEPOSIT": ("deposits", "deposited"),
    "HOLD": ("asked", "held"),
    "SETTLE": ("settled", "paid_out"),
    "RELEASE": ("released", "returned"),
}


def flows(own: Connected, since: date, until: date, *, daily: bool = True) -> Iterator[Flow]:
    """Deposits, and withdrawals asked, paid and returned, by day, source and currency, or by currency alone."""
    figures = ", ".join(
        f"coalesce(sum(s.{column}) FILTER (WHERE s.kind = '{kind}'), 0) AS {name}"
        for kind, names in _FLOWING.items()
        for column, name in zip(("rows", "amount"), names, strict=True)
    )
    statement = f"""
SELECT {"s.day, s.source" if daily else "NULL::date AS day, NULL::text AS source"},
       s.currency_id AS currency, c.digits, {figures}
FROM ({STANDING}) s JOIN wallet_currency c ON c.code = s.currency_id
WHERE s.kind IN ({", ".join(f"'{kind}'" for kind in _FLOWING)})
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
"""
    yield from stream(own, statement, span(own, since, until), Flow)


class DayFigures(msgspec.Struct, frozen=True):
    """What a day came to in one currency, in minor units: what the front page draws."""

    day: date
    currency: str
    digits: int
    bets: int
    ggr: int
    deposited: int
    paid_out: int
    converted: int


_DAYS: Final = f"""
SELECT s.day, s.currency_id AS currency, c.digits,
       coalesce(sum(s.rows) FILTER (WHERE s.kind = 'BET'), 0)::bigint AS bets,
       coalesce(-sum(s.cash + s.bonus) FILTER (WHERE s.kind IN ('BET', 'WIN', 'ROLLBACK')), 0) AS ggr,
       coalesce(sum(s.amount) FILTER (WHERE s.kind = 'DEPOSIT'), 0) AS deposited,
       coalesce(sum(s.amount) FILTER (WHERE s.kind = 'SETTLE'), 0) AS paid_out,
       coalesce(sum(s.cash) FILTER (WHERE s.kind = 'CONVERT'), 0) AS converted
FROM ({STANDING}) s JOIN wallet_currency c ON c.code = s.currency_id
WHERE s.kind IN ('BET', 'WIN', 'ROLLBACK', 'DEPOSIT', 'SETTLE', 'CONVERT')
GROUP BY 1, 2, 3 ORDER BY 1, 2
"""


class Active(msgspec.Struct, frozen=True):
    """How many players bet on a day, in whatever currency."""

    day: date
    players: int


class Days(NamedTuple):
    """Those on which something happened, in their order; ``left_out``: newer rows are not in them."""

    by_currency: list[DayFigures]
    active: list[Active]
    left_out: bool


def days(own: Connected, since: date, until: date, most: int) -> Days:
    """The days ``since`` to ``until``; rows that are in no sums yet are left out where they are more than ``most``."""
    sums = span(own, since, until, most=most)
    players = span(own, since, until, marker=PLAYERS_MARKER, most=most)
    left_out = BEYOND in (sums["up_to"], players["up_to"])
    return Days(every(own, _DAYS, sums, DayFigures), every(own, ACTIVE, players, Active), left_out)


class Trial(msgspec.Struct, frozen=True):
    """Every account of a currency at the end of a day; together they come to nothing."""

    currency: str
    digits: int
    cash: int
    bonus: int
    held: int
    cashier: int
    house: int
    promo: int
    adjustments: int

    @property
    def total(self) -> int:
        return sum((self.cash, self.bonus, self.held, self.cashier, self.house, self.promo, self.adjustments))


_BALANCES: Final = """
SELECT w.currency_id, c.digits, sum(w.cash), sum(w.bonus), sum(w.held)
FROM wallet_wallet w JOIN wallet_currency c ON c.code = w.currency_id GROUP BY 1, 2 ORDER BY 1
"""
_MOVED: Final = f"""
SELECT s.currency_id, s.kind, s.day > %(at)s, sum(s.cash), sum(s.bonus), sum(s.held)
FROM ({STANDING}) s GROUP BY 1, 2, 3
"""


def trial_balance(own: Connected, day: date) -> list[Trial]:
    """The players' balances, from their wallets, against the operator's accounts, from the ledger.

    At the end of a past day: what moved later is taken back from the wallets. So a wallet that
    disagrees with its rows shows, whatever the day.
    """
    accounts: dict[str, dict[str, int]] = {}
    digits: dict[str, int] = {}
    for currency, places, *balances in own.execute(_BALANCES).fetchall():
        digits[currency] = places
        accounts[currency] = dict.fromkeys(ACCOUNTS.values(), 0) | dict(
            zip(("cash", "bonus", "held"), map(int, balances), strict=True)
        )
    for currency, kind, later, *moved in own.execute(_MOVED, {**span(own, EVER, LAST), "at": day}).fetchall():
        sums = accounts[currency]
        if later:
            for name, minor in zip(("cash", "bonus", "held"), moved, strict=True):
                sums[name] -= int(minor)
        elif kind in ACCOUNTS:
            sums[ACCOUNTS[kind]] -= sum(map(int, moved))
    return [Trial(currency=currency, digits=digits[currency], **sums) for currency, sums in accounts.items()]


class Balances(msgspec.Struct, frozen=True):
    """What a player had in one wallet at the end of a day."""

    player: str
    currency: str
    digits: int
    cash: int
    bonus: int
    held: int


# A wallet that has not moved since says it itself; of another, the last row of the day is found by
# halving its versions, which are in the order of time.
_AT: Final = f"""
SELECT w.id, w.player_id, w.currency_id, b.cash, b.bonus, b.held
FROM wallet_wallet w CROSS JOIN LATERAL (
    SELECT w.cash, w.bonus, w.held WHERE w.newest_at < %(end)s
    UNION ALL
    SELECT t.cash_after, t.bonus_after, t.held_after FROM (
        SELECT {newest_before("w.id", "w.version", "%(end)s")} AS version
    ) found JOIN wallet_transaction t ON t.wallet_id = w.id AND t.version = found.version
    WHERE w.newest_at >= %(end)s
) b
"""
HOLDINGS: Final = {
    "both": "b.cash > 0 AND b.bonus > 0",
    "bonus": "b.bonus > 0",
    "held": "b.held > 0",
    "any": "b.cash + b.bonus + b.held > 0",
}


def balances(own: Connected, day: date, holding: str) -> Iterator[Balances]:
    """Who held money at the end of the UTC day, ``holding`` being one of HOLDINGS; in the order of wallets."""
    statement = f"""
SELECT p.code AS player, b.currency_id AS currency, c.digits, b.cash, b.bonus, b.held
FROM ({_AT}) b JOIN wallet_player p ON p.id = b.player_id JOIN wallet_currency c ON c.code = b.currency_id
WHERE {HOLDINGS[holding]} ORDER BY b.id
"""
    yield from stream(own, statement, {"end": midnight(day + timedelta(days=1))}, Balances)


class BalanceTotal(msgspec.Struct, frozen=True):
    """What all players with money of a currency had together."""

    currency: str
    digits: int
    players: int
    cash: int
    bonus: int
    held: int


def balance_totals(own: Connected, day: date, holding: str) -> list[BalanceTotal]:
    """The sums of ``balances``, one of each currency."""
    statement = f"""
SELECT b.currency_id AS currency, c.digits, count(*) AS players,
       sum(b.cash) AS cash, sum(b.bonus) AS bonus, sum(b.held) AS held
FROM ({_AT}) b JOIN wallet_currency c ON c.code = b.currency_id WHERE {HOLDINGS[holding]} GROUP BY 1, 2 ORDER BY 1
"""
    return every(own, statement, {"end": midnight(day + timedelta(days=1))}, BalanceTotal)


# A row is made after its command was received, and by the clock of another machine maybe.
SLACK: Final = timedelta(seconds=5)

_SECONDS: Final = """
SELECT extract(epoch FROM date_trunc('second', t.created_at))::bigint AS at, w.currency_id AS currency, c.digits,
       count(*) FILTER (WHERE t.kind = 'BET') AS bets,
       coalesce(-sum(t.cash_delta + t.bonus_delta)
                FILTER (WHERE t.kind = 'BET' OR t.original_kind = 'BET'), 0) AS staked,
       coalesce(sum(t.cash_delta + t.bonus_delta)
                FILTER (WHERE t.kind = 'WIN' OR t.original_kind = 'WIN'), 0) AS paid
FROM wallet_transaction t
JOIN wallet_wallet w ON w.id = t.wallet_id
JOIN wallet_currency c ON c.code = w.currency_id
WHERE t.id >= %(from_id)s AND t.created_at >= %(since)s AND t.created_at < %(until)s
  AND t.status = 'POSTED' AND t.kind IN ('BET', 'WIN', 'ROLLBACK')
GROUP BY 1, 2, 3 ORDER BY 1, 2
"""


class Second(msgspec.Struct, frozen=True):
    """One second of one currency: bets posted, and minor units staked and paid, net of rollbacks."""

    at: int
    currency: str
    digits: int
    bets: int
    staked: int
    paid: int


def seconds(own: Connected, first: int, end: int) -> Iterator[Second]:
    """The unix seconds from ``first`` up to ``end``; those in which nothing happened do not come.

    A range of the primary key: ids begin with the time at which they were made (UUIDv7).
    """
    since, until = (datetime.fromtimestamp(second, UTC) for second in (first, end))
    values = {"from_id": first_id(since - SLACK), "since": since, "until": until}
    yield from stream(own, _SECONDS, values, Second)
