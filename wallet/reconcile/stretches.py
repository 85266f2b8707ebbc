"""The books cut into stretches of wallets, and every check on one stretch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from psycopg.errors import NumericValueOutOfRange

from wallet.reconcile import house, rows, wallets
from wallet.reconcile.findings import MOVED_ON, STANDING, Cursored, Discrepancy, Stretch

FurtherCheck = Callable[[Cursored, Stretch], Iterable[Discrepancy]]

further_checks: list[FurtherCheck] = []
"""Checks of apps that build on the wallet; each looks at one stretch of wallets."""

# Rows and wallets in one stretch: half a second of work, and a step of the progress bar.
STRETCH: Final = 50_000
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
EVERYTHING: Final = Stretch(_LOWEST, _HIGHEST, full=True)


class Proven(NamedTuple):
    """Wallets that moved on since their checkpoint and are sound, as parallel lists."""

    ids: list[int]
    versions: list[int]
    digests: list[bytes | None]


class Examined(NamedTuple):
    """What looking at one stretch brought."""

    wallets: int
    rows: int
    discrepancies: list[Discrepancy]
    proven: Proven

    def __add__(self, other: Examined) -> Examined:  # type: ignore[override]
        return Examined(
            self.wallets + other.wallets,
            self.rows + other.rows,
            self.discrepancies + other.discrepancies,
            Proven(
                self.proven.ids + other.proven.ids,
                self.proven.versions + other.proven.versions,
                self.proven.digests + other.proven.digests,
            ),
        )


_PLAN: Final = f"""
SELECT max(id), sum(todo)::bigint FROM (
    SELECT id, todo, div(sum(todo + 1) OVER (ORDER BY id), %(size)s) AS part
    FROM (SELECT id, greatest(0, version - CASE WHEN %(full)s THEN 0 ELSE coalesce(proven, version) END) AS todo
          FROM ({STANDING}) s) w
) p GROUP BY part ORDER BY part
"""


def plan(cursor: Cursored, *, full: bool) -> list[tuple[Stretch, int]]:
    """All wallets there are or may be, in order, in stretches of about STRETCH rows; with how many rows."""
    if not house.in_force(cursor, house.VERSION_KEY):
        # Without its index every stretch would read the whole ledger: read it once.
        return [(Stretch(_LOWEST, _HIGHEST, full), 0)]
    stretches = []
    first = _LOWEST
    for last, todo in cursor.execute(_PLAN, {"full": full, "size": STRETCH}).fetchall():
        stretches.append((Stretch(first, last, full), todo))
        first = last + 1
    # Rows of wallets that are gone have ids, too.
    stretches.append((Stretch(first, _HIGHEST, full), 0))
    return stretches


def examine(cursor: Cursored, stretch: Stretch) -> Examined:
    """Run every check on a stretch of wallets, and see which of them are proven now."""
    try:
        with cursor.connection.transaction():
            ledger = rows.look(cursor, stretch)
            balances = wallets.look(cursor, stretch)
            found = [*ledger.discrepancies, *balances.discrepancies]
            for check in further_checks:
                found += check(cursor, stretch)
    except NumericValueOutOfRange as error:
        return _examine_halves(cursor, stretch, error)
    return Examined(balances.records, ledger.records, found, _proven(cursor, stretch, found))


def _examine_halves(cursor: Cursored, stretch: Stretch, error: NumericValueOutOfRange) -> Examined:
    """Some number is too large to count with: only its own wallet shall go unread."""
    if stretch.first == stretch.last:
        detail = f"its rows cannot be added up: {error.diag.message_primary}"
        return Examined(1, 0, [Discrepancy(3, stretch.first, None, detail)], Proven([], [], []))
    middle = (stretch.first + stretch.last) // 2
    lower = examine(cursor, stretch._replace(last=middle))
    return lower + examine(cursor, stretch._replace(first=middle + 1))


_PROVEN: Final = f"""
SELECT coalesce(array_agg(id), '{{}}'), coalesce(array_agg(version), '{{}}'), coalesce(array_agg(digest), '{{}}')
FROM ({MOVED_ON}) s WHERE id BETWEEN %(first)s AND %(last)s
  AND id NOT IN (SELECT unnest(%(bad)s::bigint[]))
"""


def _proven(cursor: Cursored, stretch: Stretch, found: Iterable[Discrepancy]) -> Proven:
    bad = [each.wallet for each in found if each.wallet is not None]
    record = cursor.execute(_PROVEN, {"first": stretch.first, "last": stretch.last, "bad": bad}).fetchone()
    assert record is not None
    return Proven(*record)
