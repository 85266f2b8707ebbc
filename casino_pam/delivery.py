"""Sends events to the casino's back ends: each at least once, in order per player (docs/events.md, decision 0032).

One process at a time sends to an endpoint: ``casino_pam.scheduler`` runs ``deliver`` as a job of the endpoint's, and an
endpoint that is down or slow keeps no other from its events. What is sent and not yet written down as delivered when a
process dies is sent again, under the same id.

A player's next event is sent once the one before it was taken. An event that is refused is tried again and again with
longer and longer pauses, while other players' events go on; an endpoint that cannot be reached is left alone whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from wallet.ledger import array
from wallet.models import Delivery, Endpoint
from wallet.models.endpoint import validate_url
from wallet.pg import deadline

if TYPE_CHECKING:
    import aiohttp

    from casino_pam.timetable import Stint

# Events that are read at a time, and players whose events are on their way at once.
BATCH: Final = 100
AT_ONCE: Final = 8
# How long one attempt may take, and how long a batch is sent for.
ATTEMPT_SECONDS: Final = 10.0
BATCH_SECONDS: Final = 20.0
# How often an endpoint without events is looked at.
IDLE_SECONDS: Final = 1.0
# The longest pause between two attempts; they double up to it.
LONGEST_PAUSE: Final = 300
# Of an answer's body nothing is kept; so much is read, that the connection may serve again.
READ_BYTES: Final = 16_384
# How long PostgreSQL may take for a step.
DATABASE_SECONDS: Final = 10.0


class Due(NamedTuple):
    """An event whose turn it is."""

    id: int
    event: UUID
    player: str
    body: bytes
    attempts: int


class Attempt(NamedTuple):
    """What came of sending an event: the answer in a few words, and whether it was taken, and reached anybody."""

    due: Due
    answer: str
    taken: bool
    reached: bool = True


# --- the job ---------------------------------------------------------------------------------------


def deliver(code: str, stint: Stint) -> str:
    """Send an endpoint's events as they come, for as long as the claim on it holds and it is enabled."""
    taken = 0
    with asyncio.Runner() as runner:
        with deadline.until(time.monotonic() + DATABASE_SECONDS):
            _settle_restored(code)
        session = runner.run(_session())
        try:
            while stint.goes_on():
                with deadline.until(time.monotonic() + DATABASE_SECONDS):
                    endpoint = Endpoint.objects.filter(code=code, enabled=True).first()
                    batch = _due(endpoint) if endpoint is not None else []
                if endpoint is None:
                    break
                if batch:
                    attempts = runner.run(_sent(session, endpoint, batch, stint))
                    with deadline.until(time.monotonic() + DATABASE_SECONDS):
                        _write_down(endpoint, attempts)
                    taken += sum(attempt.taken for attempt in attempts)
                if len(batch) < BATCH:
                    stint.pause(IDLE_SECONDS)
        finally:
            runner.run(session.close())
    return f"Delivered {taken} events."


async def _session() -> aiohttp.ClientSession:
    """Without proxies of the environment, cookies, or decompression of what is not read anyway."""
    # Every command and web worker imports this module, and only the job that sends needs what takes so long to import.
    import aiohttp

    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": "casino-pam"},
    )


# --- what is due -----------------------------------------------------------------------------------

# A transaction may commit after one with a larger id, so nothing is sent that is younger than the oldest still under
# way: what comes to light later comes later in the order, too.
_SETTLED: Final = "position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_DUE: Final = f"""
SELECT id, event, player, body, attempts FROM wallet_delivery
WHERE endpoint_id = %(endpoint)s AND state = 'pending' AND {_SETTLED} AND player NOT IN (
    SELECT player FROM wallet_delivery
    WHERE endpoint_id = %(endpoint)s AND state = 'pending' AND retry_at > clock_timestamp()
)
ORDER BY position, id LIMIT %(most)s
"""

# In a database that was restored into another cluster the ids of transactions begin anew, below those that are
# written down. No row of this cluster's can be seen with an id that is not taken yet.
_RESTORED: Final = """
UPDATE wallet_delivery d SET position = 0 FROM wallet_endpoint e
WHERE e.id = d.endpoint_id AND e.code = %s AND d.state = 'pending'
    AND d.position >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""


def _settle_restored(code: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_RESTORED, [code])


def _due(endpoint: Endpoint) -> list[Due]:
    """The next events, oldest first; of an endpoint that could not be reached one, and that not before its pause."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz > clock_timestamp()", [endpoint.retry_at])
        if cursor.fetchone() == (True,):
            return []
        most = 1 if endpoint.failures else BATCH
        cursor.execute(_DUE, {"endpoint": endpoint.pk, "most": most})
        return [Due(id, event, player, body.encode(), n) for id, event, player, body, n in cursor.fetchall()]


# --- sending ---------------------------------------------------------------------------------------


async def _sent(
    session: aiohttp.ClientSession, endpoint: Endpoint, batch: Iterable[Due], stint: Stint
) -> list[Attempt]:
    """What came of it: players side by side, the events of each one after the other."""
    by_player: dict[str, list[Due]] = {}
    for due in batch:
        by_player.setdefault(due.player, []).append(due)
    attempts: list[Attempt] = []
    places = asyncio.Semaphore(AT_ONCE)
    until = time.monotonic() + BATCH_SECONDS

    async def send_in_order(events: Sequence[Due]) -> None:
        async with places:
            for due in events:
                lost = any(not attempt.reached for attempt in attempts)
                if lost or not stint.goes_on() or time.monotonic() > until:
                    return
                attempt = await _try(session, endpoint, due)
                attempts.append(attempt)
                if not attempt.taken:
                    return

    await asyncio.gather(*map(send_in_order, by_player.values()))
    return attempts


async def _try(session: aiohttp.ClientSession, endpoint: Endpoint, due: Due) -> Attempt:
    """Send one event; a status of 2xx takes it, and nothing else does. Redirects are not followed."""
    import aiohttp
    from yarl import URL

    secret = endpoint.signing_secret()
    if secret is None:
        return Attempt(due, "no key reads the secret", taken=False, reached=False)
    try:
        validate_url(endpoint.url)
    except ValidationError as error:
        return Attempt(due, error.messages[0][:200], taken=False, reached=False)
    url = URL(endpoint.url, encoded=True)
    headers = {"Content-Type": "application/json", **signed(endpoint.code, secret, url.raw_path, due.body)}
    try:
        async with session.post(url, data=due.body, headers=headers, allow_redirects=False) as answer:
            await answer.content.read(READ_BYTES)
            return Attempt(due, f"{answer.status} {answer.reason or ''}".strip()[:200], 200 <= answer.status < 300)
    except aiohttp.ClientConnectorError as error:
        return Attempt(due, _few_words(error), taken=False, reached=False)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Attempt(due, _few_words(error), taken=False)


def signed(code: str, secret: bytes, path: str, body: bytes) -> dict[str, str]:
    """The headers that prove who sent a body to that path, as at the game door (docs/api-signing.md)."""
    timestamp = str(int(time.time()))
    message = b"POST\n%b\n%b\n%b" % (path.encode(), timestamp.encode(), body)
    return {
        "X-Provider": code,
        "X-Timestamp": timestamp,
        "X-Signature": hmac.new(secret, message, hashlib.sha256).hexdigest(),
    }


def _few_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {ATTEMPT_SECONDS:g} s"
    return f"{type(error).__name__}: {error}"[:200]


# --- what came of it -------------------------------------------------------------------------------

_WRITE: Final = """
UPDATE wallet_delivery d
SET state = CASE WHEN n.taken THEN 'delivered' ELSE d.state END,
    ended_at = CASE WHEN n.taken THEN clock_timestamp() END,
    attempts = d.attempts + (n.taken OR n.pause IS NOT NULL)::integer,
    answer = n.answer,
    retry_at = clock_timestamp() + make_interval(secs => n.pause)
FROM unnest(%s::bigint[], %s::boolean[], %s::text[], %s::integer[]) AS n(id, taken, answer, pause)
WHERE d.id = n.id AND d.state = 'pending'
"""


def pause(attempts: int) -> int:
    """How long to wait after so many attempts in vain, in seconds: 1, 2, 4, … up to LONGEST_PAUSE."""
    return min(1 << min(attempts - 1, 30), LONGEST_PAUSE)


def _write_down(endpoint: Endpoint, attempts: Sequence[Attempt]) -> None:
    if not attempts:
        return
    columns = [
        array([str(each.due.id) for each in attempts], quoted=False),
        array([str(each.taken).lower() for each in attempts], quoted=False),
        array([each.answer for each in attempts]),
        # Who could not be reached waits with all its events.
        array(
            ["" if each.taken or not each.reached else str(pause(each.due.attempts + 1)) for each in attempts],
            quoted=False,
        ),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, columns)
    changes: dict[str, Any] = {"answer": attempts[-1].answer, "asked_at": Now(), "failures": 0, "retry_at": None}
    if any(each.taken for each in attempts):
        changes["delivered_at"] = Now()
    elif not attempts[-1].reached:
        failures = endpoint.failures + 1
        changes |= {"failures": failures, "retry_at": Now() + timedelta(seconds=pause(failures))}
    Endpoint.objects.filter(pk=endpoint.pk).update(**changes)


# --- how it stands ---------------------------------------------------------------------------------

# Events that wait are counted so far, for each endpoint; and so many endpoints are looked at.
COUNTED: Final = 1_000
ENDPOINTS: Final = 100

_STANDINGS: Final = f"""
SELECT e.id, waiting.count, oldest.since FROM wallet_endpoint e
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM wallet_delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending' LIMIT {COUNTED + 1}
    ) counted
) waiting
LEFT JOIN LATERAL (
    SELECT d.since FROM wallet_delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending'
    ORDER BY d.position, d.id LIMIT 1
) oldest ON true
WHERE e.id = ANY (%s)
"""


class Standing(NamedTuple):
    """How many events wait for an endpoint, COUNTED + 1 standing for more, and since when the first of them does."""

    waiting: int
    since: datetime | None


def standings() -> list[tuple[Endpoint, Standing]]:
    """How each endpoint stands."""
    endpoints = list(Endpoint.objects.all()[:ENDPOINTS])
    with connection.cursor() as cursor:
        cursor.execute(_STANDINGS, [[endpoint.pk for endpoint in endpoints]])
        found = {pk: Standing(waiting, since) for pk, waiting, since in cursor.fetchall()}
    return [(endpoint, found.get(endpoint.pk, Standing(0, None))) for endpoint in endpoints]


# --- again, and at the end -------------------------------------------------------------------------


def replay(endpoint: Endpoint, since: datetime, until: datetime, player: str | None = None) -> int:
    """Let every event that was written in the span be sent again, in its order, under its id; how many those are."""
    ended = Delivery.objects.filter(endpoint=endpoint, created_at__gte=since, created_at__lt=until)
    ended = ended.exclude(state=Delivery.State.PENDING)
    if player is not None:
        ended = ended.filter(player=player)
    again = {"state": Delivery.State.PENDING, "attempts": 0, "retry_at": None, "ended_at": None, "since": Now()}
    return ended.update(**again)


# Rows that are changed or deleted in one statement, and how many statements a run makes.
ROWS: Final = 1_000
STATEMENTS: Final = 100


def give_up() -> int:
    """Let events fail that have waited for EVENT_GIVE_UP_HOURS; how many."""
    before = Now() - timedelta(hours=settings.EVENT_GIVE_UP_HOURS)
    return _in_batches(
        Delivery.objects.filter(state=Delivery.State.PENDING, since__lt=before),
        lambda rows: rows.update(state=Delivery.State.FAILED, retry_at=None, ended_at=Now()),
    )


def forget() -> int:
    """Delete events that were delivered or given up EVENT_KEPT_DAYS ago; how many."""
    before = Now() - timedelta(days=settings.EVENT_KEPT_DAYS)
    return _in_batches(Delivery.objects.filter(ended_at__lt=before), lambda rows: rows.delete()[0])


def _in_batches(rows: QuerySet[Delivery], act: Callable[[QuerySet[Delivery]], int]) -> int:
    done = 0
    for _ in range(STATEMENTS):
        ids = list(rows.values_list("pk", flat=True)[:ROWS])
        done += act(Delivery.objects.filter(pk__in=ids)) if ids else 0
        if len(ids) < ROWS:
            break
    return done
