"""Where a wallet's totals stood when a period began, looked up at most once in a process.

Such totals never change any more: once a wallet has a row of the period, no row before the period
can come (a row's time is never earlier than that of the row before it). So they may be kept.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from wallet.book import Book, OpenWallet
from wallet.ledger import array
from wallet.limits import totals_before
from wallet.periods import Totals, spans
from wallet.session import Answer, Session

# Some 40 MB: the day, the week and the month of the thirty thousand wallets that came last.
MOST_KEPT: Final = 100_000


class Asked(NamedTuple):
    """A wallet at ``version``, whose newest row is not older than ``start`` (microseconds)."""

    wallet: int
    version: int
    start: int

    @property
    def key(self) -> tuple[int, int]:
        return (self.wallet, self.start)


class Kept:
    """Totals by wallet and start of period; when full, the first that came go. Threads share it."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._totals: dict[tuple[int, int], Totals] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int]) -> Totals | None:
        return self._totals.get(key)

    def put(self, key: tuple[int, int], totals: Totals) -> None:
        with self._lock:
            while len(self._totals) >= self._most:
                del self._totals[next(iter(self._totals))]
            self._totals[key] = totals


kept = Kept()

# A wallet's versions run 1..n in the order of time, so an instant is found among them by halving
# (as in wallet/statement.py, here for many wallets at once): no index but (wallet, version).
_FIND: Final = """
WITH RECURSIVE search(wallet_id, start, low, high) AS (
    SELECT n.wallet_id, n.start, 0::bigint, n.version
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS n(wallet_id, version, start)
    UNION ALL
    SELECT s.wallet_id, s.start, CASE WHEN t.is_before THEN t.version ELSE s.low END,
           CASE WHEN t.is_before THEN s.high ELSE t.version - 1 END
    FROM search s
    CROSS JOIN LATERAL (
        SELECT x.version, x.created_at < timestamptz 'epoch' + s.start * interval '1 microsecond' AS is_before
        FROM wallet_transaction x
        WHERE x.wallet_id = s.wallet_id AND x.version = (s.low + s.high + 1) / 2 OFFSET 0
    ) t
    WHERE s.low < s.high
)
SELECT s.wallet_id, s.start, coalesce(t.staked_total, 0), coalesce(t.paid_total, 0), coalesce(t.deposited_total, 0)
FROM search s
LEFT JOIN LATERAL (
    SELECT * FROM wallet_transaction x WHERE x.wallet_id = s.wallet_id AND x.version = s.low OFFSET 0
) t ON true
WHERE s.low = s.high
"""


def find(session: Session, asked: Collection[Asked]) -> dict[tuple[int, int], Totals]:
    """The totals before each start, by wallet and start; no statement where all of them are kept."""
    found = {each.key: totals for each in asked if (totals := kept.get(each.key)) is not None}
    missing = {each for each in asked if each.key not in found}
    return found | _found(_put(session, missing)) if missing else found


def ask(session: Session, gated: Iterable[tuple[OpenWallet, int]]) -> Answer | None:
    """Ask for what the limits of these wallets need to judge a request received at that instant.

    What is kept is known at once. Of a period that has no row yet nothing is asked: the wallet's
    own totals are what it begins with.
    """
    missing = set()
    for wallet, at in gated:
        for span in spans(wallet.newest_at) if wallet.limits is not None else ():
            if at < span.end and not _is_known(wallet, span.start):
                missing.add(Asked(wallet.id, wallet.seen, span.start))
    return _put(session, missing) if missing else None


def know(book: Book, answer: Answer | None) -> None:
    """Take in what was asked for."""
    for (wallet, start), totals in _found(answer).items() if answer is not None else ():
        limits = book.wallets_by_id[wallet].limits
        assert limits is not None
        limits.before[start] = totals


def _is_known(wallet: OpenWallet, start: int) -> bool:
    assert wallet.limits is not None
    before = wallet.limits.before
    if start not in before and (totals := kept.get((wallet.id, start))) is not None:
        before[start] = totals
    return start in before


def _put(session: Session, asked: Collection[Asked]) -> Answer:
    return session.put(_FIND, [array(map(str, column), quoted=False) for column in zip(*asked, strict=True)])


def _found(answer: Answer) -> dict[tuple[int, int], Totals]:
    found = {(wallet, start): Totals(*totals) for wallet, start, *totals in answer.rows()}
    for key, totals in found.items():
        kept.put(key, totals)
    return found


def keep(book: Book) -> None:
    """After the commit: keep what the periods that this posting began have begun with."""
    for wallet in book.wallets_by_id.values():
        limits = wallet.limits
        if limits is None or not wallet.rows:
            continue
        for span in spans(wallet.newest_at):
            if limits.newest_at < span.start:
                kept.put((wallet.id, span.start), totals_before(wallet, span.start))
