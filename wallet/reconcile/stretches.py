"""The books cut into stretches of wallets, and every check on one stretch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, NamedTuple

from psycopg.errors import NumericValueOutOfRange

from wallet.reconcile import house, rows, wallets
from wallet.reconcile.findings import MOVED_ON, STANDING, Cursored, Discrepancy, Stretch

Tell = Callable[[Discrepancy], None]
FurtherCheck = Callable[[Cursored, Stretch], Iterable[Discrepancy]]

further_checks: list[FurtherCheck] = []
"""Checks of apps that build on the wallet; each looks at one stretch of wallets."""

# A stretch of fewer rows and wallets is not worth a statement.
SMALLEST: Final = 10_000
# Rows of a stretch lie all over the ledger, so that each stretch reads most of its pages: few
# stretches, to read them few times, but enough to be shared between connections and to show progress.
PARTS: Final = 8
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
EVERYTHING: Final = Stretch(_LOWEST, _HIGHEST, full=True)


class Proven(NamedTuple):
    """Wallets that moved on since their checkpoint and are sound, as parallel lists."""

    ids: list[int]
    versions: list[int]
    digests: list[bytes | None]


class Examined(NamedTuple):
    """How much was looked at in one stretch, which wallets are sound, and which are not."""

    wallets: int
    rows: int
    proven: Proven
    bad: set[int]


_PLAN: Final = f"""
WITH work AS (
    SELECT id, greatest(0, version - CASE WHEN %(full)s THEN 0 ELSE coalesce(proven, version) END) AS todo
    FROM ({STANDING}) standing
), size AS (
    SELECT greatest(%(smallest)s, sum(todo + 1) / %(parts)s) AS size FROM work
), parts AS (
    SELECT id, todo, div(sum(todo + 1) OVER (ORDER BY id), size) AS part FROM work CROSS JOIN size
)
SELECT max(id), sum(todo)::bigint FROM parts GROUP BY part ORDER BY part
"""


def plan(cursor: Cursored, *, full: bool) -> list[tuple[Stretch, int]]:
    """All wallets there are or may be, in order, cut into stretches; with how many rows to read in each."""
    if not house.in_force(cursor, house.VERSION_KEY):
        # Without its index every stretch would read and sort the whole ledger: once is enough.
        return [(Stretch(_LOWEST, _HIGHEST, full), 0)]
    stretches = []
    first, size = _LOWEST, 0
    for last, size in cursor.execute(_PLAN, {"full": full, "smallest": SMALLEST, "parts": PARTS}).fetchall():
        stretches.append((Stretch(first, last, full), size))
        first = last + 1
    # The last one goes on for ever: rows of wallets that are gone have ids, too.
    return [*stretches[:-1], (Stretch(stretches[-1][0].first if stretches else first, _HIGHEST, full), size)]


def examine(cursor: Cursored, stretch: Stretch, tell: Tell) -> Examined:
    """Run every check on a stretch of wallets, and see which of them are proven now.

    ``tell`` hears of each discrepancy at once: a broken house may have more than fit in memory.
    """
    ledger = rows.FULL if stretch.full else rows.SINCE
    try:
        with cursor.connection.transaction():
            row_count, wrong_rows = ledger.count(cursor, stretch)
            wallet_count, wrong_wallets = wallets.LOOK.count(cursor, stretch)
    except NumericValueOutOfRange as error:
        return _examine_halves(cursor, stretch, tell, error)
    found = chain(
        ledger.name(cursor, stretch) if wrong_rows else (),
        wallets.LOOK.name(cursor, stretch) if wrong_wallets else (),
        *(check(cursor, stretch) for check in further_checks),
    )
    bad = set()
    for discrepancy in found:
        tell(discrepancy)
        if discrepancy.wallet is not None:
            bad.add(discrepancy.wallet)
    return Examined(wallet_count, row_count, _proven(cursor, stretch, bad), bad)


def _examine_halves(cursor: Cursored, stretch: Stretch, tell: Tell, error: NumericValueOutOfRange) -> Examined:
    """Some number is too large to count with: only its own wallet shall go unread."""
    if stretch.first == stretch.last:
        tell(Discrepancy(3, stretch.first, None, f"its rows cannot be added up: {error.diag.message_primary}"))
        return Examined(1, 0, Proven([], [], []), {stretch.first})
    middle = (stretch.first + stretch.last) // 2
    lower = examine(cursor, stretch._replace(last=middle), tell)
    upper = examine(cursor, stretch._replace(first=middle + 1), tell)
    return Examined(
        lower.wallets + upper.wallets,
        lower.rows + upper.rows,
        Proven(
            lower.proven.ids + upper.proven.ids,
            lower.proven.versions + upper.proven.versions,
            lower.proven.digests + upper.proven.digests,
        ),
        lower.bad | upper.bad,
    )


_PROVEN: Final = f"""
SELECT coalesce(array_agg(id), '{{}}'), coalesce(array_agg(version), '{{}}'), coalesce(array_agg(digest), '{{}}')
FROM ({MOVED_ON}) s WHERE id BETWEEN %(first)s AND %(last)s AND id NOT IN (SELECT unnest(%(bad)s::bigint[]))
"""


def _proven(cursor: Cursored, stretch: Stretch, bad: set[int]) -> Proven:
    values = {"first": stretch.first, "last": stretch.last, "bad": list(bad)}
    record = cursor.execute(_PROVEN, values).fetchone()
    assert record is not None
    return Proven(*record)
