"""A ledger as a house of some age has it, by the million rows, so that what grows with it can be measured.

Rows are decided by the product's own wallets in memory, hang on each other by their digests and go in through COPY with
every index, constraint and trigger on: `reconcile --full` holds on what comes out. References and rounds are random, as
providers send them, and time runs from the newest row there is to the present. Nobody wagers: bonuses are not made up.

Nothing here needs Django but ``fill``: what works side by side is told where the database is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
from uuid_utils import uuid7

from wallet import ledger
from wallet.kinds import CASHIER, Kind, Status, Verification, WinSource
from wallet.state import OpenCurrency, OpenPlayer, OpenWallet, Row, UndoneEarlier
from wallet.time import DAY, Span, now, selected, to_microseconds

PROVIDER: Final = "filler"
PREFIX: Final = "filled-"
CURRENCY: Final = "EUR"
WALLETS: Final = 10_000
# How long a house without rows is made to have lived.
AGE: Final = 30 * DAY

# Rows of one transaction, and those between two reports of progress.
_BATCH: Final = 50_000
_STEP: Final = 500_000
# Where a deposit is made, where a withdrawal is, and how much of either; minor units.
_STAKES: Final = (20, 50, 100, 100, 200, 500)
_DEPOSIT: Final = 20_000
_RICH: Final = 100_000
_WITHDRAWAL: Final = 60_000
_GAMES: Final = tuple(f"slot-{number}" for number in range(1, 41))
# Of a thousand rounds: those that are rolled back, those that nothing ends, and those that pay.
_ROLLED_BACK, _LEFT_OPEN, _PAID = 10, 11, 330


class Part(NamedTuple):
    """One process's share of a step: so many ``rows`` within ``span``, on the wallets from ``first`` to ``last``."""

    conninfo: str
    first: int
    last: int
    rows: int
    span: Span


def fill(rows: int, progress: Callable[[int], None]) -> None:
    """Add about so many rows; ``progress`` hears how many there are. Must not be called inside a transaction.

    Reports wait meanwhile: ids are as old as the rows are made to be, and a refresh would pass them by.
    """
    from django.db import connection

    from wallet.reports import sums

    first, last = _players(WALLETS)
    # Django's parameters name objects of this process too: another one is given what libpq itself knows.
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    params = {name: value for name, value in connection.get_connection_params().items() if name in known}
    conninfo = psycopg.conninfo.make_conninfo(**params)
    processes = min(os.cpu_count() or 1, WALLETS)
    with sums.held() as reached, ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        begin = max(to_microseconds(reached), _newest(), now() - AGE)
        written = 0
        for step, span in _steps(rows, Span(begin, now())):
            for added in pool.map(_add, _parts(conninfo, first, last, step, span, processes)):
                written += added
            progress(written)


def _players(count: int) -> tuple[int, int]:
    """Make what is missing of the players, and say which are their first and last wallets."""
    from wallet.models import Currency, Player, Provider, Wallet

    Currency.objects.get_or_create(code=CURRENCY, defaults={"digits": 2})
    if not Provider.objects.filter(code=PROVIDER).exists():
        provider = Provider(code=PROVIDER, name="Filler", enabled=False)
        provider.set_secret(os.urandom(32).hex())
        provider.save()
    codes = [f"{PREFIX}{number:06}" for number in range(1, count + 1)]
    Player.objects.bulk_create([Player(code=code) for code in codes], ignore_conflicts=True)
    found = Player.objects.filter(code__in=codes)
    Wallet.objects.bulk_create([Wallet(player=player, currency_id=CURRENCY) for player in found], ignore_conflicts=True)
    ids = Wallet.objects.filter(player__code__in=codes, currency=CURRENCY).order_by("id").values_list("id", flat=True)
    return min(ids), max(ids)


def _newest() -> int:
    from django.db.models import Max

    from wallet.models import Wallet

    newest = Wallet.objects.aggregate(newest=Max("newest_at"))["newest"]
    return 0 if newest is None else to_microseconds(newest)


def _steps(rows: int, span: Span) -> Iterator[tuple[int, Span]]:
    """The rows in steps, each with its share of the time."""
    for done in range(0, rows, _STEP):
        step = min(_STEP, rows - done)
        ends = (span.start + (span.end - span.start) * part // rows for part in (done, done + step))
        yield step, Span(*ends)


def _parts(conninfo: str, first: int, last: int, rows: int, span: Span, processes: int) -> Iterator[Part]:
    """Each process's own wallets, rows and time: ids then go into their index in order, as those of now do."""

    def share(low: int, high: int, number: int) -> Span:
        return Span(low + (high - low) * number // processes, low + (high - low) * (number + 1) // processes)

    for number in range(processes):
        wallets, numbers = share(first, last + 1, number), share(0, rows, number)
        its_time = share(span.start, span.end, number)
        yield Part(conninfo, wallets.start, wallets.end - 1, numbers.end - numbers.start, its_time)


# --- in a process of its own ---------------------------------------------------------------------

_READ: Final = f"""
SELECT w.id, w.cash, w.bonus, w.held, w.version, w.digest, w.staked_total, w.paid_total, w.deposited_total,
    coalesce({selected("w.newest_at")}, 0), w.undone_earlier
FROM wallet_wallet w JOIN wallet_player p ON p.id = w.player_id
WHERE w.id BETWEEN %s AND %s AND w.currency_id = '{CURRENCY}' AND p.code LIKE '{PREFIX}%%' ORDER BY w.id
"""
# A wallet in memory needs a player and a currency, but nothing here is decided by them.
_SOMEBODY: Final = OpenPlayer(0, "", None, False, False, False, None, Verification.UNVERIFIED)
_EURO: Final = OpenCurrency(CURRENCY, 2, True)


def _add(part: Part) -> int:
    """Write a part; how many rows it came to."""
    written = 0
    with psycopg.connect(part.conninfo, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        wallets = [_opened(*record) for record in connection.execute(_READ, [part.first, part.last])]
        while written < part.rows:
            written += _play(part, wallets, written, min(part.rows, written + _BATCH))
            with connection.transaction():
                ledger.copy(connection, wallets)
            for wallet in wallets:
                wallet.seen = wallet.version
                wallet.rows.clear()
    return written


def _opened(*columns: Any) -> OpenWallet:
    fields: tuple[Any, ...] = (*columns, _SOMEBODY, _EURO, 0, [])
    wallet = OpenWallet(*fields)
    wallet.seen = wallet.version
    wallet.undone_earlier = msgspec.convert(wallet.undone_earlier, UndoneEarlier | None)
    return wallet


def _play(part: Part, wallets: list[OpenWallet], written: int, until: int) -> int:
    """Rounds of whoever comes, some much more often than others, until there are so many rows; how many it were."""
    random = Random()  # noqa: S311
    start, length, before = part.span.start, part.span.end - part.span.start, written
    while written < until:
        at = start + length * written // part.rows
        wallet = wallets[int(len(wallets) * random.random() ** 2)]
        rows = len(wallet.rows)
        _round(Hand(wallet, at, random))
        written += len(wallet.rows) - rows
    return written - before


class Hand(NamedTuple):
    """A wallet at an instant, and the dice."""

    wallet: OpenWallet
    at: int
    random: Random

    def post(self, kind: str, source: str, amount: int, **columns: Any) -> Row:
        """Append a row, under a fresh reference where none is named."""
        id = str(uuid7(nanoseconds=self.at * 1_000))
        row = Row(id, id, self.wallet.id, 0, kind, Status.POSTED, source, columns.pop("reference", self.name()))
        row.amount, row.created_at = amount, self.at
        for name, value in columns.items():
            setattr(row, name, value)
        self.wallet.append(row)
        return row

    def name(self) -> str:
        return f"{self.random.getrandbits(128):032x}"


def _round(hand: Hand) -> None:
    """Money in or out where it is time, a stake, and what became of it."""
    wallet, random = hand.wallet, hand.random
    stake = random.choice(_STAKES)
    if wallet.cash < stake:
        hand.post(Kind.DEPOSIT, CASHIER, _DEPOSIT, cash_delta=_DEPOSIT)
    elif wallet.cash > _RICH:
        hold = hand.post(Kind.HOLD, CASHIER, _WITHDRAWAL, cash_delta=-_WITHDRAWAL, held_delta=_WITHDRAWAL)
        paid = {"reference": hold.reference, "closes": hold.id, "original": hold.reference, "original_kind": Kind.HOLD}
        hand.post(Kind.SETTLE, CASHIER, _WITHDRAWAL, held_delta=-_WITHDRAWAL, **paid)
    game = {"round": hand.name(), "game": random.choice(_GAMES)}
    bet = hand.post(Kind.BET, PROVIDER, stake, cash_delta=-stake, **game)
    luck = random.randrange(1_000)
    if luck < _ROLLED_BACK:
        undone = {"closes": bet.id, "original": bet.reference, "original_kind": Kind.BET}
        row = hand.post(Kind.ROLLBACK, PROVIDER, stake, cash_delta=stake, **undone, **game)
        wallet.undone_earlier = UndoneEarlier.after(wallet.undone_earlier, row.created_at, bet.created_at, stake)
    elif luck >= _LEFT_OPEN:
        won = stake * random.choice((1, 2, 2, 3, 6)) if luck < _PAID else 0
        hand.post(Kind.WIN, PROVIDER, won, cash_delta=won, win_source=WinSource.GAME, ends_round=True, **game)
