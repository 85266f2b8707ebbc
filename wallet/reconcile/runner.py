"""One run of reconciliation: shards of wallets, read in one snapshot over several connections. It repairs nothing.

Memory stays flat: discrepancies are told as they are found, and what was proven of a shard is remembered at once.
So a run that is broken off has not been in vain, and two may run at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from itertools import chain
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.utils import timezone
from psycopg.errors import NumericValueOutOfRange

from wallet.models import ReconciliationRun
from wallet.pg import standby
from wallet.pg.connection import Connection
from wallet.reconcile import checks, ledger_wide
from wallet.reconcile.checks import MOVED_ON, STANDING, Cursored, Discrepancy, Shard

Tell = Callable[[Discrepancy], None]
FurtherCheck = Callable[[Cursored, Shard], Iterable[Discrepancy]]

further_checks: list[FurtherCheck] = []
"""Checks of apps that build on the wallet; each looks at one shard of wallets."""

# A shard of fewer rows and wallets is not worth a statement.
SMALLEST: Final = 10_000
# Rows of a shard lie all over the ledger, so that each shard reads most of its pages: few
# shards, to read them few times, but enough to be shared between connections and to show progress.
PARTS: Final = 8
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
EVERYTHING: Final = Shard(_LOWEST, _HIGHEST, full=True)


class ShardProof(NamedTuple):
    """Wallets that moved on since their checkpoint and are sound, as parallel lists."""

    ids: list[int]
    versions: list[int]
    digests: list[bytes | None]


class ShardResult(NamedTuple):
    """How much was looked at in one shard, which wallets are sound, and which are not."""

    wallets: int
    rows: int
    proven: ShardProof
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


def plan(cursor: Cursored, *, full: bool) -> list[tuple[Shard, int]]:
    """All wallets there are or may be, in order, cut into shards; with how many rows to read in each."""
    if not ledger_wide.in_force(cursor, ledger_wide.VERSION_KEY):
        # Without its index every shard would read and sort the whole ledger: once is enough.
        return [(Shard(_LOWEST, _HIGHEST, full), 0)]
    shards = []
    first, size = _LOWEST, 0
    for last, size in cursor.execute(_PLAN, {"full": full, "smallest": SMALLEST, "parts": PARTS}).fetchall():
        shards.append((Shard(first, last, full), size))
        first = last + 1
    # The last one goes on for ever: rows of wallets that are gone have ids, too.
    return [*shards[:-1], (Shard(shards[-1][0].first if shards else first, _HIGHEST, full), size)]


def examine(cursor: Cursored, shard: Shard, tell: Tell) -> ShardResult:
    """Run every check on a shard of wallets, and see which of them are proven now.

    ``tell`` hears of each discrepancy at once: a broken house may have more than fit in memory.
    """
    ledger = checks.FULL if shard.full else checks.SINCE
    try:
        with cursor.connection.transaction():
            row_count, wrong_rows = ledger.count(cursor, shard)
            wallet_count, wrong_wallets = checks.LOOK.count(cursor, shard)
    except NumericValueOutOfRange as error:
        return _examine_halves(cursor, shard, tell, error)
    found = chain(
        ledger.name(cursor, shard) if wrong_rows else (),
        checks.LOOK.name(cursor, shard) if wrong_wallets else (),
        *(check(cursor, shard) for check in further_checks),
    )
    bad = set()
    for discrepancy in found:
        tell(discrepancy)
        if discrepancy.wallet is not None:
            bad.add(discrepancy.wallet)
    return ShardResult(wallet_count, row_count, _proven(cursor, shard, bad), bad)


def _examine_halves(cursor: Cursored, shard: Shard, tell: Tell, error: NumericValueOutOfRange) -> ShardResult:
    """Some number is too large to count with: only its own wallet shall go unread."""
    if shard.first == shard.last:
        tell(Discrepancy(3, shard.first, None, f"its rows cannot be added up: {error.diag.message_primary}"))
        return ShardResult(1, 0, ShardProof([], [], []), {shard.first})
    middle = (shard.first + shard.last) // 2
    lower = examine(cursor, shard._replace(last=middle), tell)
    upper = examine(cursor, shard._replace(first=middle + 1), tell)
    return ShardResult(
        lower.wallets + upper.wallets,
        lower.rows + upper.rows,
        ShardProof(
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


def _proven(cursor: Cursored, shard: Shard, bad: set[int]) -> ShardProof:
    values = {"first": shard.first, "last": shard.last, "bad": list(bad)}
    record = cursor.execute(_PROVEN, values).fetchone()
    assert record is not None
    return ShardProof(*record)


Scope = ReconciliationRun.Scope

# Connections that share the snapshot: a run is bound by PostgreSQL's processors, one for each.
WORKERS: Final = 2
# Discrepancies kept with the run in full; a broken house would otherwise write millions.
KEPT: Final = 1_000

_SETTINGS: Final = (
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    # Compiling a statement takes longer than it saves.
    "SET jit = off",
    # The workers are what works side by side.
    "SET max_parallel_workers_per_gather = 0",
    # Pages come in order, most of them out of the kernel's cache: handing each to PostgreSQL's
    # own I/O processes took a third more of the processors.
    "SET effective_io_concurrency = 0",
    # For the hash of a shard's rows; what does not fit goes to disk.
    "SET work_mem = '128MB'",
    "SET enable_mergejoin = off",
    "SET enable_nestloop = off",
)


class Report:
    """What a run saw; ``discrepancies`` holds the first KEPT of ``count``."""

    def __init__(self, scope: str, started_at: datetime, tell: Tell) -> None:
        self.scope = scope
        self.started_at = started_at
        self.wallets = 0
        self.rows = 0
        self.count = 0
        self.discrepancies: list[Discrepancy] = []
        self.seal: str | None = None
        self._tell = tell
        self._one_at_a_time = Lock()

    def hear(self, discrepancy: Discrepancy) -> None:
        """Count a discrepancy and pass it on; every worker speaks to us."""
        with self._one_at_a_time:
            self.count += 1
            if self.count <= KEPT:
                self.discrepancies.append(discrepancy)
            self._tell(discrepancy)


def reconcile(
    scope: str,
    *,
    wallet: int | None = None,
    sealed: bool = False,
    tell: Tell,
    progress: Callable[[int, int], None],
) -> Report:
    """Check the books, or one wallet; remember what was proven, and keep the run.

    ``tell`` hears of every discrepancy when it is found, ``progress`` of rows read out of rows to
    read. Must not be called inside a transaction. Raises OnStandby where nothing could be remembered.
    """
    standby.refuse(
        "This is a standby of PostgreSQL: it can neither keep what was proven nor give its snapshot to a second"
        " connection. Reconcile on the primary."
    )
    report = Report(scope, timezone.now(), tell)
    with _snapshot() as first, ExitStack() as stack:
        shards = _shards(first, scope, wallet)
        workers = [first, *(stack.enter_context(_snapshot(first)) for _ in range(min(len(shards), WORKERS) - 1))]
        done, total = 0, sum(size for _, size in shards)
        examined_ones = _examined(workers, [shard for shard, _ in shards], report.hear)
        for examined, (_, size) in zip(examined_ones, shards, strict=True):
            report.wallets += examined.wallets
            report.rows += examined.rows
            _remember(examined.proven, examined.bad)
            done += size
            progress(done, total)
        _check_ledger_wide(first, report, wallet)
        if sealed:
            report.seal = ledger_wide.seal(first)
    _keep(report)
    return report


def _shards(cursor: Cursored, scope: str, wallet: int | None) -> list[tuple[Shard, int]]:
    if wallet is not None:
        return [(Shard(wallet, wallet, full=True), 1)]
    return plan(cursor, full=scope == Scope.FULL)


def _check_ledger_wide(cursor: Cursored, report: Report, wallet: int | None) -> None:
    """What no shard can see. Comes last, for it may find wallets wanting that are sound in themselves."""
    bad = set()
    for discrepancy in ledger_wide.spent_once(cursor):
        if discrepancy.wallet is not None and wallet in (None, discrepancy.wallet):
            report.hear(discrepancy)
            bad.add(discrepancy.wallet)
    _remember(ShardProof([], [], []), bad)
    if report.scope == Scope.FULL and not report.count:
        # Where a wallet was named, the accounts would only tell the same once more. The workers are
        # empty now, so PostgreSQL may share the work out itself.
        cursor.execute("SET max_parallel_workers_per_gather = DEFAULT")
        for discrepancy in ledger_wide.balanced(cursor):
            report.hear(discrepancy)


@contextmanager
def _snapshot(shared: Cursored | None = None) -> Iterator[Cursored]:
    """A cursor on a connection of its own, in a read-only transaction; all of a run see the same books."""
    with closing(Connection.connect(**connection.get_connection_params(), autocommit=True)) as own:
        cursor = own.cursor()
        for setting in _SETTINGS:
            cursor.execute(setting)
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if shared is not None:
            ((name,),) = shared.execute("SELECT quote_literal(pg_export_snapshot())").fetchall()
            cursor.execute(f"SET TRANSACTION SNAPSHOT {name}")
        yield cursor


def _examined(workers: list[Cursored], shards: list[Shard], tell: Tell) -> Iterator[ShardResult]:
    """Each shard examined, in order, by whichever worker is free."""
    free: SimpleQueue[Cursored] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def work(shard: Shard) -> ShardResult:
        worker = free.get()
        try:
            return examine(worker, shard, tell)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        yield from pool.map(work, shards)
    finally:
        pool.shutdown(cancel_futures=True)


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


def _remember(proven: ShardProof, bad: set[int]) -> None:
    """Move the checkpoints of sound wallets forward, never back; mark the others to be read anew.

    A mark leaves the checkpoint where it was, so that what it proves is not forgotten. In the
    order of the wallets' ids, so that two runs cannot deadlock.
    """
    if not (bad or proven.ids):
        return
    values: list[Any] = [
        [*proven.ids, *bad],
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
