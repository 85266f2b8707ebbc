"""One run of reconciliation: reads one snapshot over several connections, and repairs nothing.

Memory stays flat: discrepancies are told as they are found, and what was proven of a stretch is
remembered at once. So a run that is broken off has not been in vain, and two may run at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

import psycopg
from django.db import connection, transaction
from django.utils import timezone

from wallet.models import ReconciliationRun
from wallet.reconcile import house
from wallet.reconcile.findings import Cursored, Discrepancy, Stretch
from wallet.reconcile.stretches import Examined, Proven, examine, plan

Scope = ReconciliationRun.Scope
Task = Callable[[Cursored], Examined]

# Connections that share the snapshot: a run is bound by PostgreSQL's processors, one for each.
LANES: Final = 2
# Discrepancies kept with the run in full; a broken house would otherwise write millions.
KEPT: Final = 1_000

_SETTINGS: Final = (
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    # Compiling takes longer than what it saves on a stretch.
    "SET jit = off",
)


@dataclass
class Report:
    """What a run saw; ``discrepancies`` holds the first KEPT of ``count``."""

    scope: str
    started_at: datetime
    wallets: int = 0
    rows: int = 0
    count: int = 0
    discrepancies: list[Discrepancy] = field(default_factory=list)
    seal: str | None = None


def reconcile(
    scope: str,
    *,
    wallet: int | None = None,
    sealed: bool = False,
    tell: Callable[[Discrepancy], None],
    progress: Callable[[int, int], None],
) -> Report:
    """Check the books, or one wallet; remember what was proven, and keep the run.

    ``tell`` hears of every discrepancy when it is found, ``progress`` of rows read out of rows to
    read. Must not be called inside a transaction.
    """
    report = Report(scope, timezone.now())
    with _snapshot() as first, ExitStack() as stack:
        tasks, sizes = zip(*_tasks(first, scope, wallet), strict=True)
        lanes = [first, *(stack.enter_context(_snapshot(first)) for _ in range(min(len(tasks), LANES) - 1))]
        done, total = 0, sum(sizes)
        for examined, size in zip(_carried_out(lanes, tasks), sizes, strict=True):
            _add(report, examined, tell)
            done += size
            progress(done, total)
        if scope == Scope.FULL and not report.count:
            # Where a wallet was named, the accounts would only tell the same once more.
            _add(report, _of_the_house(house.balanced(first)), tell)
        if sealed:
            report.seal = house.seal(first)
    _keep(report)
    return report


def _tasks(cursor: Cursored, scope: str, wallet: int | None) -> list[tuple[Task, int]]:
    """What there is to do, in order, and how many rows each part has to read."""
    if wallet is not None:
        stretches = [(Stretch(wallet, wallet, full=True), 1)]
    else:
        stretches = plan(cursor, full=scope == Scope.FULL)
    tasks: list[tuple[Task, int]] = [(partial(examine, stretch=stretch), size) for stretch, size in stretches]
    # Last, because it may mark wallets that are sound in themselves.
    tasks.append((partial(_spent_once, wallet=wallet), 0))
    return tasks


def _spent_once(cursor: Cursored, *, wallet: int | None) -> Examined:
    return _of_the_house(each for each in house.spent_once(cursor) if wallet in (None, each.wallet))


def _of_the_house(found: Iterable[Discrepancy]) -> Examined:
    return Examined(0, 0, list(found), Proven([], [], []))


@contextmanager
def _snapshot(shared: Cursored | None = None) -> Iterator[Cursored]:
    """A cursor on a connection of its own, in a read-only transaction; all of a run see the same books."""
    with closing(psycopg.connect(**connection.get_connection_params(), autocommit=True)) as own:
        cursor = own.cursor()
        for setting in _SETTINGS:
            cursor.execute(setting)
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if shared is not None:
            record = shared.execute("SELECT quote_literal(pg_export_snapshot())").fetchone()
            assert record is not None
            cursor.execute(f"SET TRANSACTION SNAPSHOT {record[0]}")
        yield cursor


def _carried_out(lanes: list[Cursored], tasks: Iterable[Task]) -> Iterator[Examined]:
    """The results of the tasks in their order, each worked on by whichever lane was free."""
    free: SimpleQueue[Cursored] = SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def work(task: Task) -> Examined:
        lane = free.get()
        try:
            return task(lane)
        finally:
            free.put(lane)

    pool = ThreadPoolExecutor(len(lanes))
    try:
        yield from pool.map(work, tasks)
    finally:
        pool.shutdown(cancel_futures=True)


def _add(report: Report, examined: Examined, tell: Callable[[Discrepancy], None]) -> None:
    report.wallets += examined.wallets
    report.rows += examined.rows
    report.count += len(examined.discrepancies)
    report.discrepancies += examined.discrepancies[: KEPT - len(report.discrepancies)]
    for discrepancy in examined.discrepancies:
        tell(discrepancy)
    _remember(examined)


_REMEMBER: Final = """
INSERT INTO wallet_checkpoint AS c (wallet_id, version, digest, suspect)
SELECT n.id, n.version, n.digest, n.suspect
FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::boolean[]) AS n(id, version, digest, suspect)
JOIN wallet_wallet w ON w.id = n.id
ORDER BY n.id
ON CONFLICT (wallet_id) DO UPDATE
SET version = greatest(c.version, excluded.version), suspect = excluded.suspect,
    digest = CASE WHEN excluded.version < c.version THEN c.digest ELSE excluded.digest END
WHERE excluded.suspect OR excluded.version >= c.version
"""


def _remember(examined: Examined) -> None:
    """Move the checkpoints of sound wallets forward, never back; mark the others to be read anew.

    A mark leaves the checkpoint where it was, so that what it proves is not forgotten. In the
    order of the wallets' ids, so that two runs cannot deadlock.
    """
    proven = examined.proven
    bad = sorted({each.wallet for each in examined.discrepancies if each.wallet is not None})
    if not (bad or proven.ids):
        return
    values: list[Any] = [
        proven.ids + bad,
        proven.versions + [0] * len(bad),
        proven.digests + [None] * len(bad),
        [False] * len(proven.ids) + [True] * len(bad),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        # Whatever level the house posts at: of two runs at a time, the second waits for the first.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute(_REMEMBER, values)


def _keep(report: Report) -> None:
    ReconciliationRun.objects.create(
        scope=report.scope,
        started_at=report.started_at,
        finished_at=timezone.now(),
        wallets=report.wallets,
        rows=report.rows,
        discrepancy_count=report.count,
        discrepancies=[each._asdict() for each in report.discrepancies],
        seal=report.seal,
    )
