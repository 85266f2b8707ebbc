"""The operators' live page: bets and money by the second, today's revenue, what waits, what was found wrong.

The page asks once for what it shows and hears the rest over a WebSocket. The ledger is read once for everybody who
watches, in every process: whoever commits says so over the channel layer, at most once a second. A process with such a
page open then reads the ledger, unless Redis gives the turn to another one, and sends what it read to the group of all
pages: the same on every machine, since it comes from the database. Seconds are shown once they are settled, so it goes
on reading for a moment after the last change; while nothing changes it looks now and then. Without Redis the pages ask
for themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import psycopg
import structlog
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.db import Error as DjangoDatabaseError
from django.db import connection
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import strip_tags
from django_redis import get_redis_connection
from psycopg.errors import QueryCanceled
from redis.exceptions import RedisError

from bonus.models import LIVE, Bonus
from casino_pam import guard, metrics
from casino_pam.backoffice import permissions
from casino_pam.backoffice.dashboard_changes import CHANGES, EVERY_SECONDS, SEND_SECONDS
from casino_pam.cell import in_redis
from casino_pam.engine import approvals
from wallet import formatting, money
from wallet.admin import operator_admin
from wallet.models import ReconciliationRun
from wallet.pg import deadline
from wallet.reconcile.checks import Discrepancy
from wallet.reports import figures
from wallet.reports.sums import snapshot

log = structlog.get_logger(__name__)

VIEW: Final = "wallet.view_reports"

# The present second is not over, and the one before may still be written to.
SETTLED_SECONDS: Final = 2
# As far back as the page is told at once.
MINUTE: Final = 60
# What changes slowly is looked up once in so long for everybody who watches.
KEPT_SECONDS: Final = 5
# How long an answer may read.
PATIENCE_SECONDS: Final = 3
# Findings shown; each run's page has more.
FINDINGS: Final = 8


@permissions.page(VIEW)
def page(request: HttpRequest) -> HttpResponse:
    """The page; what it shows comes from ``state``."""
    context = admin.site.each_context(request) | {"title": "Live", "state": reverse("backoffice:dashboard_state")}
    return render(request, "backoffice/dashboard.html", context)


@permissions.page(VIEW)
def state(request: HttpRequest) -> JsonResponse:
    """Everything the page shows, the seconds from ``?since=`` (unix) on.

    Asked when the page opens, and whenever nothing comes over its WebSocket.
    """
    since = request.GET.get("since", "")
    try:
        body = ledger(int(since) if since.isascii() and since.isdigit() and len(since) <= 12 else 0)
    except QueryCanceled:
        problem = "The ledger took too long to answer. Is manage.py refresh_reports run every few minutes?"
        return JsonResponse({"problem": problem}, status=503)
    return JsonResponse(body | metrics.of_house(time.time()), headers={"Cache-Control": "no-store"})


def ledger(first: int) -> dict[str, Any]:
    """The seconds from ``first`` (unix) on, of the last minute, and what changes slowly. Raises QueryCanceled."""
    end = int(time.time()) - SETTLED_SECONDS
    with snapshot(PATIENCE_SECONDS) as own:
        found = [_second(each) for each in figures.seconds(own, max(min(first, end), end - MINUTE), end)]
    return {"end": end, "seconds": found, **_cached("today", _today), **_cached("house", _watch)}


def patterns() -> list[URLPattern]:
    return [path("live/", page, name="dashboard"), path("live/state", state, name="dashboard_state")]


def _second(second: figures.Second) -> dict[str, Any]:
    return {
        "at": second.at,
        "currency": second.currency,
        "bets": second.bets,
        "staked": money.show(second.staked, second.digits),
        "paid": money.show(second.paid, second.digits),
    }


def _cached(name: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was found a moment ago, for everybody; without Redis each looks for himself."""
    key = f"dashboard:{name}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = look()
        cache.set(key, found, KEPT_SECONDS)
    return found


def _today() -> dict[str, Any]:
    today = datetime.now(UTC).date()
    with snapshot(PATIENCE_SECONDS) as own:
        rows = list(figures.revenue(own, today, today))
    shown = [
        {
            "currency": row.currency,
            "bets": row.bets,
            "staked": formatting.number(row.staked_cash + row.staked_bonus, row.digits),
            "paid": formatting.number(row.paid_cash + row.paid_bonus, row.digits),
            "ggr": formatting.number(row.ggr, row.digits),
        }
        for row in rows
    ]
    return {"today": shown}


def _watch() -> dict[str, Any]:
    counts = dict(Bonus.objects.filter(status__in=LIVE).order_by().values_list("status").annotate(Count("id")))
    run = ReconciliationRun.objects.first()
    worrying = ReconciliationRun.objects.filter(discrepancy_count__gt=0)[:FINDINGS]
    findings = [
        {
            "text": str(Discrepancy(**found)),
            "found": each.finished_at.isoformat(),
            "link": reverse("admin:wallet_reconciliationrun_change", args=[each.pk]),
        }
        for each in worrying
        for found in each.discrepancies[:FINDINGS]
    ]
    return {
        "bonuses": {status: counts.get(status, 0) for status in LIVE},
        "verdict": strip_tags(operator_admin.verdict(run)) if run else "not proven yet",
        "proven": run.finished_at.isoformat() if run else None,
        "findings": [*_unposted(), *findings][:FINDINGS],
    }


def _unposted() -> list[dict[str, Any]]:
    """A line where something was approved and never posted."""
    count, since = approvals.unposted().order_by().aggregate(count=Count("id"), since=Min("decided_at")).values()
    if not count:
        return []
    text = f"Approved and never posted: {count}"
    return [{"text": text, "found": since.isoformat(), "link": reverse("backoffice:approvals")}]


# --- its WebSocket -----------------------------------------------------------------------------

SOCKET_PATH: Final = "/ws/dashboard/"
GROUP: Final = "dashboard"
SESSION_ENDED: Final = 4401
# After a change, until what is looked up once in a while has been looked up again.
LINGER_SECONDS: Final = SETTLED_SECONDS + KEPT_SECONDS + EVERY_SECONDS
# Jobs and what waits change without a posting here.
IDLE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 1.0
# Shorter than the pause, so that the turn is free again when it is asked for.
_TURN_MILLISECONDS: Final = 900
_TURN: Final = in_redis("dashboard-turn")
# So far back each tick reaches: a page may miss some, and asks for what is older.
TICK_SPAN: Final = 10

_DATABASE_FAULTS: Final = (psycopg.Error, DjangoDatabaseError)


class DashboardConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Lets operators in who may see the page, and passes on what the group is sent."""

    watching = False

    async def connect(self) -> None:
        headers = self.scope["headers"]
        # A session's cookie travels by itself, so here the Origin must be told.
        ours = guard.from_our_pages(headers, hosts=settings.ALLOWED_HOSTS, plain_http=settings.PLAIN_HTTP)
        if not ours or all(name != b"origin" for name, _ in headers) or not await self._may_watch():
            raise DenyConnection
        await self.accept()
        await self.channel_layer.group_add(GROUP, self.channel_name)
        self.watching = True
        ticker.join()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What a client says is never looked at."""

    async def disconnect(self, code: int) -> None:
        if self.watching:
            ticker.leave()
            await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def dashboard_tick(self, event: dict[str, Any]) -> None:
        """What the group was sent, with the figures of the web workers; the session may have ended since the last."""
        try:
            permitted = await self._may_watch()
        except _DATABASE_FAULTS:
            return
        if not permitted:
            await self.close(SESSION_ENDED)
            return
        workers = await asyncio.to_thread(metrics.of_house, time.time())
        await self.send(msgspec.json.encode({**event["state"], **workers}).decode())

    async def _may_watch(self) -> bool:
        async with ThreadSensitiveContext():
            return await sync_to_async(guard.operator_may)(self.scope, VIEW)


class Ticker:
    """Reads and sends while this process has somebody who watches; belongs to one event loop."""

    def __init__(self) -> None:
        self._sockets = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._changed_at = 0.0

    def join(self) -> None:
        self._sockets += 1
        if not self._tasks:
            self._changed_at = time.monotonic()
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._run())]

    def leave(self) -> None:
        self._sockets -= 1
        if self._sockets == 0:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _listen(self) -> None:
        """Once it listens, the layer finds back to a lost Redis by itself."""
        layer = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(CHANGES, channel)
            except (RedisError, OSError) as error:
                log.warning("dashboard_changes_not_heard", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            while True:
                await layer.receive(channel)
                self._changed_at = time.monotonic()
                self._changed.set()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if time.monotonic() > self._changed_at + LINGER_SECONDS:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), IDLE_SECONDS)
            self._changed.clear()
            try:
                state = await asyncio.to_thread(_read_in_turn)
                if state is not None:
                    async with asyncio.timeout(SEND_SECONDS):
                        await get_channel_layer().group_send(GROUP, {"type": "dashboard.tick", "state": state})
            except (*_DATABASE_FAULTS, RedisError, OSError) as error:
                log.warning("dashboard_tick_failed", error=repr(error))


def _read_in_turn() -> dict[str, Any] | None:
    """What the page shows; None if another process has the turn. Raises RedisError, DatabaseError or psycopg.Error."""
    if not get_redis_connection("default").set(_TURN, 1, nx=True, px=_TURN_MILLISECONDS):
        return None
    first = int(time.time()) - TICK_SPAN
    try:
        with deadline.until(time.monotonic() + PATIENCE_SECONDS):
            return {"first": first, **ledger(first)}
    finally:
        connection.close()


ticker = Ticker()
_consumer = DashboardConsumer.as_asgi()


async def dashboard_socket(scope: guard.Scope, receive: guard.Receive, send: guard.Send) -> None:
    """The ASGI application. Where Redis is away there is no channel, and the handshake is refused."""
    try:
        await _consumer(scope, receive, send)
    except (RedisError, *_DATABASE_FAULTS) as error:
        log.warning("dashboard_socket_failed", error=repr(error))
        await send({"type": "websocket.close", "code": 1013})
