"""The WebSocket of the operators' live page: one reading of the ledger for everybody who watches, in every process.

Each process with such a page open asks every two seconds whether it is its turn to read; Redis gives the turn to one.
What was read goes to a group of the channel layer. Without Redis nothing comes, and the pages ask for themselves.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import msgspec
import psycopg
import structlog
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DjangoDatabaseError
from django.db import connection
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from casino_pam import guard, metrics
from casino_pam.backoffice import dashboard
from wallet.pg import deadline

log = structlog.get_logger(__name__)

PATH: Final = "/ws/dashboard/"
GROUP: Final = "dashboard"
SESSION_ENDED: Final = 4401
EVERY_SECONDS: Final = 2.0
# Shorter than the pause, so that the turn is free again when it is asked for.
_TURN_MILLISECONDS: Final = 1_900
_TURN: Final = "dashboard-turn"
# So far back each tick reaches: a page may miss some, and asks for what is older.
TICK_SPAN: Final = 10
# A Redis that takes longer is not waited for.
SEND_SECONDS: Final = 1.0

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
            return await sync_to_async(guard.operator_may)(self.scope, dashboard.VIEW)


class Ticker:
    """Reads and sends while this process has somebody who watches; belongs to one event loop."""

    def __init__(self) -> None:
        self._sockets = 0
        self._task: asyncio.Task[None] | None = None

    def join(self) -> None:
        self._sockets += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self) -> None:
        self._sockets -= 1
        if self._sockets == 0 and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
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
        with deadline.until(time.monotonic() + dashboard.PATIENCE_SECONDS):
            return {"first": first, **dashboard.ledger(first)}
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
