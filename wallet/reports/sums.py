"""The ledger added up by day, read in one snapshot: kept for what is settled, added up on the spot for the rest.

Rows are taken into ``DaySum`` in the order of their ids, up to the bound below which no row can come to light any
more (wallet/history.py). A row's day is that of ``created_at`` in UTC, whenever it was taken in: so a day may still
grow after its midnight, and no row is left out or counted twice. Every report adds the rows above the bound to what
is kept: it is complete at any time, and only slower where nobody has refreshed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from threading import Event
from typing import Any, Final, NamedTuple, TypeVar, cast
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection, connections, transaction

from wallet import history
from wallet.pg import standby
from wallet.pg.connection import Connection
from wallet.pg.rows import by_name
from wallet.pg.standby import COMPLETE, Freshness
from wallet.time import first_id, made_at, midnight

Connected = psycopg.Connection[Any]
Values = Mapping[str, Any]

# Rows fetched at a time: memory stays flat however long the report is.
FETCHED: Final = 2_000

T = TypeVar("T")

_cursors = itertools.count()


@contextmanager
def snapshot(seconds: int = 0) -> Iterator[Connected]:
    """A connection in a read-only transaction; ``seconds`` bounds each statement, 0 does not.

    It is none of the pool's: a slow reader of a long file must not keep one from the doors. Raises
    psycopg.errors.QueryCanceled from a statement that takes longer.
    """
    with _connected(settings.SESSION_DATABASE) as own:
        _begin_reading(own, seconds)
        yield own


@contextmanager
def reports_snapshot(seconds: int = 0) -> Iterator[tuple[Connected, Freshness]]:
    """As ``snapshot``, where REPORTS_DATABASE_URL says that reports are read, with how fresh it is there."""
    if not _elsewhere():
        with snapshot(seconds) as own:
            yield own, COMPLETE
        return
    place = standby.written()
    with _connected(settings.REPORTS_DATABASE) as own:
        fresh = standby.freshness(own, place)
        _begin_reading(own, seconds)
        yield own, fresh


def reports_freshness() -> Freshness:
    """How fresh a ``reports_snapshot`` that is taken from now on will be at least."""
    if not _elsewhere():
        return COMPLETE
    with reports_snapshot() as (_, fresh):
        return fresh


def _elsewhere() -> bool:
    return bool(settings.REPORTS_DATABASE != settings.SESSION_DATABASE)


def _connected(alias: str) -> closing[Connected]:
    return closing(Connection.connect(**connections[alias].get_connection_params(), autocommit=True))


def _begin_reading(own: Connected, seconds: int) -> None:
    own.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    # Of the transaction alone: behind a pooler the connection is somebody else's afterwards.
    own.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
    # A reader who takes the file slowly leaves the transaction idle; the server layer ends one who stops.
    own.execute("SET LOCAL idle_in_transaction_session_timeout = '120s'")


def stream(own: Connected, statement: str, values: Values, made: Callable[..., T]) -> Iterator[T]:
    """The rows of a statement, a few thousand at a time, each as what ``made`` makes of its columns by name."""
    with own.cursor(name=f"report_{next(_cursors)}", row_factory=by_name(made)) as cursor:
        cursor.itersize = FETCHED
        cursor.execute(statement, values)
        yield from cursor


def every(own: Connected, statement: str, values: Values, made: Callable[..., T]) -> list[T]:
    """All rows of a statement at once."""
    with own.cursor(row_factory=by_name(made)) as cursor:
        return cursor.execute(statement, values).fetchall()


def one(own: Connected, statement: str, values: Values) -> tuple[Any, ...]:
    """The only row of a statement."""
    record = own.execute(statement, values).fetchone()
    assert record is not None
    return tuple(record)


KEY: Final = ("day", "currency_id", "source", "game", "kind", "undoes")
MEASURES: Final = ("rows", "amount", "cash", "bonus", "held")

# Rows taken in by one transaction. One that is broken off loses no more than that.
STRIDE: Final = 500_000


def grouped(which: str) -> str:
    """The ledger's rows added up by KEY; ``which`` says of row ``t`` whether it counts."""
    return f"""
SELECT (t.created_at AT TIME ZONE 'UTC')::date AS day, w.currency_id, t.source, coalesce(t.game, '') AS game, t.kind,
       CASE WHEN t.kind = 'ROLLBACK' THEN t.original_kind ELSE '' END AS undoes, count(*) AS rows,
       sum(t.amount) AS amount, sum(t.cash_delta) AS cash, sum(t.bonus_delta) AS bonus, sum(t.held_delta) AS held
FROM wallet_transaction t JOIN wallet_wallet w ON w.id = t.wallet_id
WHERE t.status = 'POSTED' AND {which}
GROUP BY 1, 2, 3, 4, 5, 6
"""


_COLUMNS: Final = ", ".join((*KEY, *MEASURES))

STANDING: Final = f"""
SELECT {_COLUMNS} FROM wallet_daysum WHERE day BETWEEN %(since)s AND %(until)s
UNION ALL
{grouped("t.id >= %(up_to)s AND t.created_at >= %(begin)s AND t.created_at < %(end)s")}
"""
"""The sums of the days ``since`` to ``until``, those not kept yet included; a key may stand there twice."""


def _who_played(which: str) -> str:
    """The players who bet, by day; ``which`` says of row ``t`` whether it counts."""
    return f"""
SELECT DISTINCT (t.created_at AT TIME ZONE 'UTC')::date AS day, w.player_id
FROM wallet_transaction t JOIN wallet_wallet w ON w.id = t.wallet_id
WHERE t.status = 'POSTED' AND t.kind = 'BET' AND {which}
"""


ACTIVE: Final = f"""
SELECT day, sum(players)::bigint AS players FROM (
    SELECT day, count(*) AS players FROM wallet_dayplayer WHERE day BETWEEN %(since)s AND %(until)s GROUP BY day
    UNION ALL
    SELECT day, count(*) FROM (
        {_who_played("t.id >= %(up_to)s AND t.created_at >= %(begin)s AND t.created_at < %(end)s")}
    ) newer WHERE NOT EXISTS (
        SELECT FROM wallet_dayplayer kept WHERE kept.day = newer.day AND kept.player_id = newer.player_id
    ) GROUP BY day
) each_part GROUP BY day
"""
"""How many players bet on each of the days ``since`` to ``until``, what is not kept yet included."""

MARKER: Final = "wallet_summedup"
PLAYERS_MARKER: Final = "wallet_playerssummedup"
# Above every id there is.
BEYOND: Final = UUID(int=2**128 - 1)


def _up_to(marker: str) -> str:
    """The statement that reads how far the ledger is in the sums whose bound stands in that table."""
    return f"SELECT coalesce((SELECT up_to FROM {marker}), '{UUID(int=0)}')"


_FURTHER: Final = """
SELECT EXISTS (SELECT FROM wallet_transaction WHERE id >= %(up_to)s ORDER BY id OFFSET %(most)s LIMIT 1)
"""


def kept_up_to(own: Connected, marker: str) -> UUID:
    """The bound below which the ledger is in the sums of that marker, in the snapshot of ``own``."""
    (up_to,) = one(own, _up_to(marker), {})
    return cast(UUID, up_to)


def span(own: Connected, since: date, until: date, *, marker: str = MARKER, most: int | None = None) -> Values:
    """What STANDING asks for, in the snapshot of ``own``; of other sums than these, ``marker`` holds the bound.

    Where more than ``most`` rows are not kept yet they are left out, all of them (the bound is BEYOND): a page must not
    read a ledger that nobody adds up.
    """
    up_to = kept_up_to(own, marker)
    if most is not None:
        (further,) = one(own, _FURTHER, {"up_to": up_to, "most": most})
        up_to = BEYOND if further else up_to
    days = {"since": since, "until": until, "begin": midnight(since), "end": midnight(until + timedelta(days=1))}
    return {**days, "up_to": up_to}


def refreshed_at(own: Connected) -> datetime | None:
    """When rows were last taken in, as far as the snapshot shows."""
    (instant,) = one(own, "SELECT max(refreshed_at) FROM wallet_summedup", {})
    return cast("datetime | None", instant)


# --- refresh -----------------------------------------------------------------------------------


class KeptSums(NamedTuple):
    """Sums by day in a table of their own: how settled rows are taken in, how they are checked and added up anew.

    ``marker`` is the table whose one row says how far the ledger is in them. ``take_in`` adds the rows from ``first``
    up to ``end``; ``drifted`` compares with the rows below ``up_to``, its columns those of Drift; ``clear`` takes away
    what is kept of one ``day``, and ``rebuild`` adds that up: rows below ``up_to``, from ``begin`` up to ``end``.
    """

    marker: str
    take_in: str
    drifted: str
    clear: str
    rebuild: str


further_sums: list[KeptSums] = []
"""What builds on the wallet keeps its sums with it: refreshed, checked and rebuilt by the same functions."""

_NEXT: Final = """
SELECT id FROM wallet_transaction WHERE id >= %(first)s AND id < %(end)s ORDER BY id OFFSET %(stride)s LIMIT 1
"""


def _move(marker: str) -> str:
    """Guarded by the bound that was read: of two refreshes at a time one takes the rows in."""
    return f"""
INSERT INTO {marker} (id, up_to, refreshed_at) VALUES (1, %(end)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET up_to = excluded.up_to, refreshed_at = excluded.refreshed_at
WHERE {marker}.up_to = %(first)s
RETURNING id
"""


def refresh(until: datetime | None = None, *, progress: Callable[[datetime], None]) -> None:
    """Take in what is settled by now, or older than ``until``; ``progress`` hears how far it has come.

    Another refresh may run meanwhile: whoever comes second to a part leaves it be.
    """
    end = first_id(until or history.settled_before())
    stopped = Event()
    # Two cores where there are two: each of these reads the whole ledger, the first time.
    with ThreadPoolExecutor(2) as threads:
        try:
            for part in [threads.submit(_take_in, sums, end, stopped, progress) for sums in (_OURS, further_sums)]:
                part.result()
        finally:
            # Whoever is interrupted waits for the parts under way, and for no others.
            stopped.set()


def _take_in(sums: Iterable[KeptSums], end: UUID, stopped: Event, progress: Callable[[datetime], None]) -> None:
    """Take in all that is older than ``end``, in a thread and by a connection of its own."""
    try:
        for kept in sums:
            while not stopped.is_set() and (reached := _step(kept, end)) is not None:
                progress(reached)
    finally:
        connection.close()


def _step(kept: KeptSums, end: UUID) -> datetime | None:
    """Take in one part; the instant it reached, or None when there is nothing left to do."""
    with transaction.atomic(), connection.cursor() as cursor:
        _begin(cursor)
        cursor.execute(_up_to(kept.marker))
        ((first,),) = cursor.fetchall()
        if end <= first:
            return None
        cursor.execute(_NEXT, {"first": first, "end": end, "stride": STRIDE})
        for (further,) in cursor.fetchall():
            end = further
        values = {"first": first, "end": end}
        cursor.execute(_move(kept.marker), values)
        if cursor.fetchone() is not None:
            cursor.execute(kept.take_in, values)
        return made_at(values["end"])


@contextmanager
def held() -> Iterator[datetime]:
    """No refresh takes anything in meanwhile; yields the instant up to which one may have."""
    markers = [kept.marker for kept in (*_OURS, *further_sums)]
    with transaction.atomic(), connection.cursor() as cursor:
        _begin(cursor)
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute(f"LOCK TABLE {', '.join(markers)} IN SHARE ROW EXCLUSIVE MODE")
        reached = []
        for marker in markers:
            cursor.execute(_up_to(marker))
            reached += [made_at(up_to) for (up_to,) in cursor.fetchall()]
        yield max(reached)


def _begin(cursor: Any) -> None:
    """Whatever level the house posts at; and the second of two waits for the first, however long that takes."""
    cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cursor.execute("SET LOCAL lock_timeout = 0")
    cursor.execute("SET LOCAL statement_timeout = 0")
    # Groups are hashed: PostgreSQL would sort the rows of a part by several texts, which takes twice the CPU.
    cursor.execute("SET LOCAL work_mem = '64MB'")
    cursor.execute("SET LOCAL enable_sort = off")


# --- check and rebuild -------------------------------------------------------------------------


class Drift(NamedTuple):
    """A sum that is not what the ledger's rows make: minor units, or rows; ``key`` names it beside its day."""

    day: date
    key: str
    measure: str
    kept: int
    ledger: int

    def __str__(self) -> str:
        return f"{self.day} {self.key}: {self.measure} is kept as {self.kept}, the ledger makes it {self.ledger}"


_NAMED: Final = "concat_ws(' ', currency_id, nullif(source, ''), nullif(game, ''), kind, nullif(undoes, ''))"

_DAY_SUMS: Final = KeptSums(
    marker=MARKER,
    take_in=f"""
WITH found AS MATERIALIZED ({grouped("t.id >= %(first)s AND t.id < %(end)s")})
INSERT INTO wallet_daysum AS kept ({_COLUMNS}) SELECT {_COLUMNS} FROM found
ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {", ".join(f"{name} = kept.{name} + excluded.{name}" for name in MEASURES)}
""",
    drifted=f"""
SELECT day, {_NAMED} AS key, measure, kept, ledger
FROM wallet_daysum k FULL JOIN ({grouped("t.id < %(up_to)s")}) l USING ({", ".join(KEY)})
CROSS JOIN LATERAL (VALUES
    {", ".join(f"('{name}', coalesce(k.{name}, 0), coalesce(l.{name}, 0))" for name in MEASURES)}
) AS measured(measure, kept, ledger)
WHERE kept <> ledger ORDER BY {", ".join(KEY)}
""",
    clear="DELETE FROM wallet_daysum WHERE day = %(day)s",
    rebuild=f"""
WITH found AS MATERIALIZED (
    {grouped("t.id < %(up_to)s AND t.created_at >= %(begin)s AND t.created_at < %(end)s")}
)
INSERT INTO wallet_daysum ({_COLUMNS}) SELECT {_COLUMNS} FROM found
""",
)


_PLAYERS: Final = KeptSums(
    marker=PLAYERS_MARKER,
    take_in=f"""
WITH found AS MATERIALIZED ({_who_played("t.id >= %(first)s AND t.id < %(end)s")})
INSERT INTO wallet_dayplayer (day, player_id) SELECT day, player_id FROM found
ON CONFLICT DO NOTHING
""",
    # Of a day on which not the same players are kept: how many are, and how many bet.
    drifted=f"""
SELECT day, 'all games' AS key, 'players' AS measure, count(k.player_id) AS kept, count(l.player_id) AS ledger
FROM (SELECT day, player_id FROM wallet_dayplayer) k
FULL JOIN ({_who_played("t.id < %(up_to)s")}) l USING (day, player_id)
GROUP BY day HAVING bool_or(k.player_id IS NULL OR l.player_id IS NULL) ORDER BY day
""",
    clear="DELETE FROM wallet_dayplayer WHERE day = %(day)s",
    rebuild=f"""
WITH found AS MATERIALIZED (
    {_who_played("t.id < %(up_to)s AND t.created_at >= %(begin)s AND t.created_at < %(end)s")}
)
INSERT INTO wallet_dayplayer (day, player_id) SELECT day, player_id FROM found
""",
)
_OURS: Final = (_DAY_SUMS, _PLAYERS)


def drifted() -> Iterator[Drift]:
    """Every kept sum that differs from the ledger, read anew; nothing where they agree."""
    for kept in (*_OURS, *further_sums):
        with snapshot() as own:
            yield from stream(own, kept.drifted, {"up_to": kept_up_to(own, kept.marker)}, Drift)


def rebuild(day: date) -> None:
    """Add one day up anew from the ledger, whatever was kept. Only when somebody asks for it."""
    values = {"day": day, "begin": midnight(day), "end": midnight(day + timedelta(days=1))}
    for kept in (*_OURS, *further_sums):
        with transaction.atomic(), connection.cursor() as cursor:
            _begin(cursor)
            # Held until the end, so that no refresh adds to the day meanwhile.
            cursor.execute(f"UPDATE {kept.marker} SET refreshed_at = refreshed_at RETURNING up_to")
            bounds = cursor.fetchall()
            cursor.execute(kept.clear, values)
            for (up_to,) in bounds:
                cursor.execute(kept.rebuild, {**values, "up_to": up_to})
