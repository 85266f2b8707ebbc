"""The teller: posts commands in one transaction, each exactly once (DESIGN.md §6, §7).

Losing a race shows in many ways: a version that matched no row, a reference spent meanwhile, a
serialization failure, a deadlock, a COMMIT without an answer. All mean the same: look again in a
new transaction, with jitter, until the deadline. Nothing is answered before the commit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import connection
from psycopg import errors

from bonus.lifecycle import Bonuses
from casino_pam import cashier, play
from casino_pam.batch import batch
from casino_pam.commands import (
    PATIENCE_SECONDS,
    Adjust,
    Asked,
    Balance,
    Batch,
    Bet,
    Deposit,
    EndRound,
    Find,
    Hold,
    Release,
    Request,
    Rollback,
    Settle,
    Win,
)
from casino_pam.desk import Desk
from casino_pam.needs import each, read
from casino_pam.receipts import Receipt, Standing
from wallet import ledger
from wallet.errors import Busy, Refused

log = structlog.get_logger(__name__)

Outcome = Receipt | list[Receipt] | Standing | Refused
Listener = Callable[[Desk], None]

VERBS: dict[type[Asked], Callable[[Desk, Any], Receipt | list[Receipt] | Standing]] = {
    Bet: play.bet,
    Win: play.win,
    Rollback: play.rollback,
    EndRound: play.end_round,
    Balance: play.balance,
    Find: play.find,
    Batch: batch,
    Deposit: cashier.deposit,
    Hold: cashier.hold,
    Settle: cashier.settle,
    Release: cashier.release,
    Adjust: cashier.adjust,
}

# Told after every commit that moved a wallet; they must neither raise nor take long.
after_commit: list[Listener] = []

# Somebody was first, or the lock queue was too long: look again.
_RACES = (
    errors.UniqueViolation,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.QueryCanceled,
)
# The connection is gone, or PostgreSQL is: what was sent may or may not stand. Look again.
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)

_ISOLATION = settings.DATABASE_ISOLATION.upper()
# Joins by index in the order given keep the wallets' locks in ascending order (wallet/ledger.py).
# Every look-up of the teller is by index, whatever the planner thinks of a table that was empty a
# minute ago; and planning each statement anew would cost more than running it.
_PLANNING = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
}
_BEGIN = f"BEGIN ISOLATION LEVEL {_ISOLATION};" + "".join(
    f"SET LOCAL {name} = {value};" for name, value in _PLANNING.items()
)


def ask(request: Asked) -> Outcome:
    """Post one request in the caller's own thread and return what became of it."""
    return post([request])[0]


def carry_out(request: Asked) -> Any:
    """As ``ask``, raising the refusal."""
    outcome = ask(request)
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def post(asked: Sequence[Asked]) -> list[Outcome]:
    """Post requests in order, in as few transactions as it takes; one outcome for each.

    Blocks until every one has its outcome or its deadline passed (``busy``, ``unavailable``).
    Must not be called inside a transaction.
    """
    if connection.in_atomic_block:
        raise RuntimeError("the teller commits by itself and cannot work inside a transaction")
    outcomes: list[Outcome] = [Busy()] * len(asked)
    patience = time.monotonic() + PATIENCE_SECONDS
    waiting = list(range(len(asked)))
    attempts = 0
    while waiting := _in_time(asked, waiting, patience):
        try:
            found, stale = _attempt([asked[place] for place in waiting])
        except _RACES:
            found, stale = [Busy()] * len(waiting), None
        except _LOST:
            log.warning("teller_lost_database", exc_info=True)
            connection.close()
            found, stale = [Busy("unavailable")] * len(waiting), None
        except Exception:
            found, stale = _isolate([asked[place] for place in waiting]), set()
        for place, outcome in zip(waiting, found, strict=True):
            outcomes[place] = outcome
        if stale is not None:
            waiting = [place for place in waiting if asked[place].player in stale]
        if waiting:
            attempts += 1
            time.sleep(random.uniform(0, min(0.002 * 2**attempts, 0.05)))  # noqa: S311
    return outcomes


def _in_time(asked: Sequence[Asked], places: list[int], patience: float) -> list[int]:
    """Those whose deadline has not passed; the others keep their last answer, a 503."""
    now = time.monotonic()
    return [place for place in places if now < min(asked[place].deadline, patience)]


def _isolate(asked: Sequence[Asked]) -> list[Outcome]:
    """A rule was missed or a value cannot be stored: split, so that only the offender suffers."""
    if len(asked) > 1:
        middle = len(asked) // 2
        return [*post(asked[:middle]), *post(asked[middle:])]
    log.critical("teller_poisoned_command", command=type(asked[0]).__name__, exc_info=True)
    return [Refused("internal")]


def _attempt(asked: Sequence[Asked]) -> tuple[list[Outcome], set[str]]:
    """One transaction; returns the outcomes and the players whose wallets turned out stale.

    The outcomes of those players count for nothing, whether they wrote rows or not: they may
    rest on rows of the same batch that were not written.
    """
    with _transaction() as cursor:
        book = read(cursor, asked)
        bonuses = Bonuses.read(cursor, book)
        desk = Desk(book, bonuses)
        outcomes = [_decide(desk, request) for request in asked]
        stale = ledger.write(cursor, book)
        bonuses.write(cursor, stale)
    for wallet in stale:
        book.wallets_by_id[wallet].rows.clear()
    _announce(desk)
    return outcomes, {book.wallets_by_id[wallet].player.code for wallet in stale}


def _decide(desk: Desk, request: Asked) -> Outcome:
    try:
        for single in each([request]):
            _still_trusted(desk, single)
        return VERBS[type(request)](desk, request)
    except Refused as refusal:
        return refusal


def _still_trusted(desk: Desk, request: Request) -> None:
    """A signature checked against secrets that have changed since proves nothing."""
    if request.secrets_version is None:
        return
    provider = desk.book.providers.get(request.source)
    if provider is None or provider.secrets_version != request.secrets_version:
        raise Refused("unauthenticated", why="secrets_changed")


def _announce(desk: Desk) -> None:
    for listener in after_commit:
        try:
            listener(desk)
        except Exception:
            log.exception("teller_listener_failed")


@contextmanager
def _transaction() -> Iterator[psycopg.Cursor[Any]]:
    """One transaction on this thread's connection, with statements bound and prepared."""
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = 0
    with psycopg.Cursor(raw) as cursor:
        cursor.execute(_BEGIN, prepare=False)
        try:
            yield cursor
            cursor.execute("COMMIT")
        except BaseException:
            if not raw.closed:
                cursor.execute("ROLLBACK")
            raise
