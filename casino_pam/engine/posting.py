"""The engine: posts commands in one transaction, each exactly once (DESIGN.md §6, §7).

Losing a race shows in many ways: a version that matched no row, a reference spent meanwhile, a
serialization failure, a deadlock, a COMMIT without an answer. All mean the same: look again in a
new transaction, with jitter, until the deadline. Nothing is answered before the commit.

A row that somebody else keeps locked is a race for one wallet only: its requests part from the
batch, and the others post without them.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections
from psycopg import errors

from bonus import store
from bonus.models import Bonus
from casino_pam.engine import bonuses, cashier, outbox, play
from casino_pam.engine.commands import (
    GRACE_SECONDS,
    PATIENCE_SECONDS,
    Adjust,
    AnyRequest,
    Approve,
    Balance,
    Batch,
    Browse,
    Claim,
    Complete,
    Deposit,
    Extend,
    Find,
    Forfeit,
    Grant,
    Hold,
    Reject,
    Release,
    Request,
    RunDue,
    Settle,
)
from casino_pam.engine.execution import Execution
from casino_pam.engine.loading import each, keys, names_offer, read
from casino_pam.engine.results import BonusResult, OfferList, Receipt, Standing
from wallet import ledger, limits
from wallet.errors import Busy, Refused
from wallet.models import Wallet
from wallet.pg import deadline, faults
from wallet.pg.connection import Silent
from wallet.pg.session import Session, session_of
from wallet.state import Book

log = structlog.get_logger(__name__)

Outcome = Receipt | list[Receipt] | Standing | BonusResult | OfferList | Refused
Listener = Callable[[Execution], None]
Alongside = Callable[[Any], object]

VERBS: dict[
    type[AnyRequest], Callable[[Execution, Any], Receipt | list[Receipt] | Standing | BonusResult | OfferList]
] = {
    **play.VERBS,
    Batch: play.batch,
    Balance: play.balance,
    Find: play.find,
    Deposit: cashier.deposit,
    Hold: cashier.hold,
    Settle: cashier.end_hold,
    Release: cashier.end_hold,
    Adjust: cashier.adjust,
    Grant: bonuses.grant,
    Claim: bonuses.claim,
    Browse: bonuses.browse,
    Approve: bonuses.approve,
    Reject: bonuses.reject,
    Extend: bonuses.extend,
    Forfeit: bonuses.forfeit,
    Complete: bonuses.complete,
    RunDue: bonuses.run_due,
}

# Told after every commit that moved a wallet; they must neither raise nor take long.
after_commit: list[Listener] = []


class HeldUp(Busy):
    """A row that this request needs is locked by somebody else; the rest of its batch need not wait for it."""


class _RestsOnUnwritten(Exception):
    """A request was decided by what was to be written on a stale wallet that is not its own."""


# Somebody was first: look again.
_RACES = (
    _RestsOnUnwritten,
    errors.UniqueViolation,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.QueryCanceled,
)
# A batch that lost so often is looked at by halves.
_WHOLE_ATTEMPTS = 4
# The connection is gone, or PostgreSQL is: what was sent may or may not stand. Look again.
# Django has names of its own for the same while it connects.
_LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    OperationalError,
    InterfaceError,
)

_ISOLATION = settings.DATABASE_ISOLATION.upper()
# A batch of many wallets waits no longer than this for one of them, which is far more than another
# process needs from its UPDATE to its COMMIT; a request that is alone may as well wait in line.
_BATCH_LOCK_MILLISECONDS = 50
_SINGLE_LOCK_MILLISECONDS = 900
# Where the way to PostgreSQL is lost in the middle of a posting, PostgreSQL shall keep its locks no longer than
# anybody waits for it. What a COMMIT waits for is not counted.
_TRANSACTION_SECONDS = math.ceil(PATIENCE_SECONDS + GRACE_SECONDS)


def _setting(name: str, value: object, *, for_one_transaction: bool) -> str:
    return f"set_config('{name}', '{value}', {for_one_transaction})"


def _settings(lock_milliseconds: int, *, for_one_transaction: bool = True) -> str:
    """A statement that makes a posting's settings; PostgreSQL knows the last of them from version 17 on."""
    all_know = (*ledger.PLANNING.items(), ("lock_timeout", lock_milliseconds))
    made = [_setting(*each, for_one_transaction=for_one_transaction) for each in all_know]
    limited = _setting("transaction_timeout", f"{_TRANSACTION_SECONDS}s", for_one_transaction=for_one_transaction)
    known = "current_setting('transaction_timeout', true) IS NOT NULL"
    return f"SELECT {', '.join(made)}, CASE WHEN {known} THEN {limited} END"


# On a connection that others use, too: the pool's, and any where PgBouncer hands the server's on after each COMMIT.
_BORROWED = _settings(_SINGLE_LOCK_MILLISECONDS)
_POOLED = _settings(_BATCH_LOCK_MILLISECONDS)
# On one that serves postings alone.
_DEDICATED = _settings(_BATCH_LOCK_MILLISECONDS, for_one_transaction=False)
# Citus hands on to the node with the tables what is set in so many words and for one transaction, where it is told to.
_IS_CITUS = "SELECT coalesce(current_setting('citus.propagate_set_commands', true) = 'local', false)"
# It finds no plan for a parameter that it may not look into.
_ON_CITUS = {"plan_cache_mode": "force_custom_plan"}
# How long a thread that has no request in hand yet may take to connect, however far PostgreSQL is.
_CONNECT_SECONDS = 5.0
# How long to wait before PostgreSQL is tried again that was not there; every worker of every process does so.
_AWAY_SECONDS = (0.1, 0.2)
_BEGIN = f"BEGIN ISOLATION LEVEL {_ISOLATION}"
# A COMMIT that wrote nothing waits for no standby. So before a repeat is answered by a row that a crash or an ended
# session may have left on this machine alone, a few bytes are written behind it: what has them has the row.
_WRITE_BEHIND = """
SELECT pg_logical_emit_message(true, 'casino', '') WHERE current_setting('synchronous_standby_names') <> ''
"""


class _Thread(threading.local):
    owns_its_connection = False


_thread = _Thread()


def own_connection() -> None:
    """Give this thread a connection that serves postings alone: set up once, and never waited for in a pool."""
    own = connection.copy(DEFAULT_DB_ALIAS)
    own.settings_dict["OPTIONS"]["pool"] = False
    connections[DEFAULT_DB_ALIAS] = own
    _thread.owns_its_connection = True
    # Nobody shall wait with a request in hand until it is there; should it fail, the first posting tries again.
    try:
        with deadline.until(time.monotonic() + _CONNECT_SECONDS):
            _session()
    except _LOST as lost:
        _lose(lost)


def ask(request: AnyRequest, alongside: Alongside | None = None) -> Outcome:
    """Post one request in the caller's own thread and return what became of it.

    ``alongside`` is called with an outcome that is no refusal, inside the transaction and after all its writes: what
    it writes on Django's connection stands if the request does, and it is called again where that is tried again. It
    must not open a transaction. A Refused that it raises undoes the request and is what became of it.
    """
    return post([request], alongside=alongside)[0]


def execute(request: AnyRequest, alongside: Alongside | None = None) -> Any:
    """As ``ask``, raising the refusal."""
    outcome = ask(request, alongside)
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def rehearse(request: AnyRequest) -> Outcome:
    """What would become of the request now; nothing is written, nothing remembered."""
    return rehearse_all([request])[0]


def rehearse_all(requests: Sequence[AnyRequest]) -> list[Outcome]:
    """As ``rehearse``, of requests one after the other, each as if those before it were carried out."""
    _check_no_transaction()
    try:
        with deadline.until(time.monotonic() + PATIENCE_SECONDS + GRACE_SECONDS), _transaction() as session:
            execution = read(session, requests)
            return [_decide(execution, request) for request in requests]
    except _LOST as lost:
        _lose(lost)
        return [Busy("unavailable")] * len(requests)


class Rehearsal(NamedTuple):
    """What would become of a request, and where a wallet stands before and after it; None of a wallet there is not."""

    outcome: Outcome
    before: Standing | None = None
    after: Standing | None = None


def foresee(request: AnyRequest, currency: str) -> Rehearsal:
    """As ``rehearse``, with the wallet of the request's player in ``currency``."""
    _check_no_transaction()
    try:
        with deadline.until(time.monotonic() + PATIENCE_SECONDS + GRACE_SECONDS), _transaction() as session:
            execution = read(session, [request])
            wallet = execution.book.wallets.get(request.player, {}).get(currency)
            before = None if wallet is None else execution.standing(wallet)
            outcome = _decide(execution, request)
            return Rehearsal(outcome, before, None if wallet is None else execution.standing(wallet))
    except _LOST as lost:
        _lose(lost)
        return Rehearsal(Busy("unavailable"))


def post(requests: Sequence[AnyRequest], *, part: bool = False, alongside: Alongside | None = None) -> list[Outcome]:
    """Post requests in order, in as few transactions as it takes; one outcome for each.

    Blocks until every one has its outcome or its deadline passed (``busy``, ``unavailable``), and
    never much longer, whatever PostgreSQL does. With ``part`` the requests of a player whose row
    somebody else keeps locked are left to the caller at once, with ``HeldUp`` for an outcome.
    ``alongside`` is for one request alone (``ask``). Must not be called inside a transaction.
    """
    _check_no_transaction()
    outcomes: list[Outcome] = [Busy()] * len(requests)
    patience = time.monotonic() + PATIENCE_SECONDS
    waiting = list(range(len(requests)))
    attempts = 0
    while waiting := _in_time(requests, waiting, patience):
        with deadline.until(_last_moment(requests, waiting, patience)):
            found = _try([requests[place] for place in waiting], attempts, alongside)
        for place, outcome in zip(waiting, found, strict=True):
            outcomes[place] = outcome
        waiting = [place for place in waiting if isinstance(outcomes[place], Busy)]
        if part:
            waiting = [place for place in waiting if not isinstance(outcomes[place], HeldUp)]
        if waiting:
            attempts += 1
            _pause(outcomes[waiting[0]], attempts)
    return outcomes


def _pause(outcome: Outcome, attempts: int) -> None:
    away = isinstance(outcome, Busy) and outcome.code == "unavailable"
    shortest, longest = _AWAY_SECONDS if away else (0, min(0.0005 * 2**attempts, 0.02))
    time.sleep(random.uniform(shortest, longest))  # noqa: S311


def _last_moment(requests: Sequence[AnyRequest], places: list[int], patience: float) -> float:
    """The moment by which the last of these callers has been answered, with 503 if with nothing else."""
    return max(min(requests[place].deadline, patience) for place in places) + GRACE_SECONDS


def _check_no_transaction() -> None:
    if connection.in_atomic_block:
        raise RuntimeError("the engine commits by itself and cannot work inside a transaction")


def _in_time(requests: Sequence[AnyRequest], places: list[int], patience: float) -> list[int]:
    """Those whose deadline has not passed; the others keep their last answer, a 503."""
    now = time.monotonic()
    return [place for place in places if now < min(requests[place].deadline, patience)]


def _try(requests: Sequence[AnyRequest], attempts: int, alongside: Alongside | None = None) -> list[Outcome]:
    """Try the requests once; ``Busy`` for those that must be tried again."""
    if deadline.remaining() == 0:
        return [Busy()] * len(requests)
    try:
        return _attempt(requests, alongside)
    except errors.LockNotAvailable as locked:
        return _around(requests, locked, attempts)
    except _RACES:
        if attempts < _WHOLE_ATTEMPTS or len(requests) == 1:
            return [Busy()] * len(requests)
        # What loses that often may be one request alone: its neighbours shall not wait for it.
        return _halves(requests, attempts)
    except _LOST as lost:
        _lose(lost)
        return [Busy("unavailable")] * len(requests)
    except Refused as refusal:
        # What was called alongside would not have it; it is called for one request alone.
        return [refusal]
    except Exception as error:
        if faults.fault(error) is not None:
            _lose(error)
            return [Busy("unavailable")] * len(requests)
        # A rule was missed or a value cannot be stored: only the offender shall suffer.
        if len(requests) > 1:
            return _halves(requests, attempts)
        log.critical("posting_failed_for_command", command=type(requests[0]).__name__, exc_info=True)
        return [Refused("internal")]


def _around(requests: Sequence[AnyRequest], locked: errors.LockNotAvailable, attempts: int) -> list[Outcome]:
    """Try those whose rows are not locked; the others are held up."""
    if len(requests) == 1:
        return [HeldUp()]
    try:
        players = _players_waiting(locked)
    except _LOST as lost:
        _lose(lost)
        return [Busy("unavailable")] * len(requests)
    free = [request for request in requests if request.player not in players]
    if len(free) == len(requests):
        # Whoever kept it has let go, or it is a lock that no row tells of.
        return [Busy()] * len(requests)
    found = iter(_try(free, attempts) if free else ())
    return [HeldUp() if request.player in players else next(found) for request in requests]


def _players_waiting(locked: errors.LockNotAvailable) -> set[str]:
    """The players with a wallet or a bonus that others keep locked, as far as PostgreSQL names the rows."""
    session = session_of(connection.connection)
    tables = (Wallet._meta.db_table, Bonus._meta.db_table)
    return set().union(*(ledger.locked_players(session, locked, table) for table in tables))


def _halves(requests: Sequence[AnyRequest], attempts: int) -> list[Outcome]:
    """Try each half by itself; a player's request in the second must not overtake one in the first."""
    middle = len(requests) // 2
    first = _try(requests[:middle], attempts)
    held_up = {request.player for request, outcome in zip(requests, first, strict=False) if isinstance(outcome, Busy)}
    free = [request for request in requests[middle:] if request.player not in held_up]
    found = iter(_try(free, attempts) if free else ())
    return [*first, *(Busy() if request.player in held_up else next(found) for request in requests[middle:])]


def _attempt(requests: Sequence[AnyRequest], alongside: Alongside | None = None) -> list[Outcome]:
    """One transaction; ``Busy`` is the outcome of every request that decided on a stale wallet.

    A request stands or falls whole: its rows on other wallets are not written either.
    """
    with _transaction() as session:
        execution = read(session, requests)
        book = execution.book
        outcomes: list[Outcome] = []
        footprints = []
        for request in requests:
            book.footprint = set()
            outcomes.append(_decide(execution, request))
            footprints.append(book.footprint)
        stale = ledger.write(session, book)
        again = [_looks_again(*each, book, stale) for each in zip(requests, footprints, strict=True)] if stale else []
        _check_others(execution, stale, [request for request, looks in zip(requests, again, strict=False) if not looks])
        store.write(session, execution.bonuses, stale)
        outbox.write(session, execution, stale)
        if _rests_on_rows(requests) and all(row.wallet in stale for row in book.added):
            session.put(_WRITE_BEHIND)
        if alongside is not None and not any(again) and not isinstance(outcomes[0], Refused):
            session.send()
            alongside(outcomes[0])
    for wallet in stale:
        book.wallets_by_id[wallet].rows.clear()
    limits.keep(book)
    _announce(execution)
    if not stale:
        return outcomes
    return [Busy() if looks else outcome for outcome, looks in zip(outcomes, again, strict=True)]


def _rests_on_rows(requests: Iterable[AnyRequest]) -> bool:
    """Whether an answer may say what became of a reference; questions only say how things stand."""
    return any(not isinstance(request, (Balance, Browse)) for request in each(requests))


def _looks_again(request: AnyRequest, footprint: set[int], book: Book, stale: set[int]) -> bool:
    """Whether a request must be decided anew, for a wallet that it decided on is stale.

    One that decided nothing (a question, a repeat) may have been answered by the rows of any wallet of its player.
    Raises _RestsOnUnwritten where a request relied on a stale wallet and wrote on another.
    """
    if not footprint:
        return any(wallet.id in stale for wallet in book.wallets.get(request.player, {}).values())
    if stale.isdisjoint(footprint):
        return False
    if not footprint <= stale:
        raise _RestsOnUnwritten
    return True


def _check_others(execution: Execution, stale: set[int], requests: Iterable[AnyRequest]) -> None:
    """Raise if a request that stands may rest on a row or a bonus of this batch that was not written.

    Requests that collide on a reference see each other's rows, and those that name an offer what was granted of it;
    then all look again together.
    """
    unwritten = {row.key for wallet in stale for row in execution.book.wallets_by_id[wallet].rows}
    unmade = any(bonus.seen is None and bonus.wallet in stale for bonus in execution.bonuses.changed())
    for request in each(requests) if unwritten or unmade else ():
        if not unwritten.isdisjoint(keys(request, execution.book)) or (unmade and names_offer(request)):
            raise _RestsOnUnwritten


def _decide(execution: Execution, request: AnyRequest) -> Outcome:
    try:
        for single in request.operations if isinstance(request, Batch) else (request,):
            _still_trusted(execution, single)
        return VERBS[type(request)](execution, request)
    except Refused as refusal:
        if refusal.facts.get("limit") == "balance" and not refusal.facts.get("replayed"):
            log.critical("posting_balance_at_its_bound", player=request.player)
        return refusal


def _still_trusted(execution: Execution, request: Request) -> None:
    """What was read by what has changed since proves nothing: a signature, or which session is the newest."""
    if request.newest is not None:
        session = execution.book.sessions.get(request.newest)
        if session is None or not session.is_newest:
            raise Refused("unauthenticated", why="session_changed")
    if request.secrets_version is None:
        return
    provider = execution.book.providers.get(request.source)
    if provider is None or provider.secrets_version != request.secrets_version:
        raise Refused("unauthenticated", why="secrets_changed")


def _announce(execution: Execution) -> None:
    for listener in after_commit:
        try:
            listener(execution)
        except Exception:
            log.exception("posting_listener_failed")


def _lose(lost: Exception) -> None:
    faults.note(lost)
    part_with_connection()


def part_with_connection() -> None:
    """Close it for good: a pool would lend it to somebody else, broken or with the engine's settings."""
    if connection.connection is not None:
        connection.connection.close()
    connection.close()


def _still_there() -> bool:
    """Whether the server is: after a failover it may have gone without a word, and a request is in hand."""
    try:
        return bool(connection.connection.works())
    except Silent:
        return False


def _session() -> Session:
    """The session of this thread's connection, set up if postings alone use it. Connects where it must."""
    if _thread.owns_its_connection and connection.connection is not None and not _still_there():
        part_with_connection()
    connection.ensure_connection()
    session = session_of(connection.connection)
    if session.is_citus is None:
        ((session.is_citus,),) = session.rows(_IS_CITUS, [])
    lasting = _thread.owns_its_connection and not settings.DATABASE_PGBOUNCER and not session.is_citus
    if lasting and not session.dedicated:
        session.command(_DEDICATED)
        session.dedicated = True
    return session


@contextmanager
def _transaction() -> Iterator[Session]:
    """One transaction on this thread's connection."""
    session = _session()
    session.put(_BEGIN)
    if not session.dedicated:
        session.put(_POOLED if _thread.owns_its_connection else _BORROWED)
    if session.is_citus:
        lock = _BATCH_LOCK_MILLISECONDS if _thread.owns_its_connection else _SINGLE_LOCK_MILLISECONDS
        for name, value in {**ledger.PLANNING, **_ON_CITUS, "lock_timeout": lock}.items():
            session.put(f"SET LOCAL {name} = {value}")
    try:
        yield session
        # Nothing is written once it has failed, so what is left to write may travel with it.
        session.put("COMMIT")
        session.send()
        connection.connection.used = time.monotonic()
    except BaseException:
        session.forget()
        if not connection.connection.closed:
            session.command("ROLLBACK")
        raise
