"""The WebSocket of a player: ``/ws/player/?ticket=…`` (PLAY.md §4, docs/live.md).

What a client says is never looked at, and nothing here goes through a channel layer: no word of a
client's choosing can name a method, and a socket costs no connection to Redis.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings
from redis.exceptions import RedisError

from casino_pam.live import origin, tickets
from casino_pam.live.hub import SESSION_ENDED, Socket, hub
from casino_pam.tokens import PlayerToken

log = structlog.get_logger(__name__)

PATH: Final = "/ws/player/"
# Browsers cannot read a refused handshake, so a bad ticket is told after it.
BAD_TICKET: Final = SESSION_ENDED
# Whether the ticket is good cannot be found out now.
TRY_AGAIN: Final = 1013


class PlayerConsumer(AsyncConsumer):  # type: ignore[misc]
    """Hands its socket to the hub, and takes it back at the end."""

    # A name nobody configured: Channels then opens no channel for this socket.
    channel_layer_alias = "none"
    hub = hub
    socket: Socket | None = None
    ticket = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.ticket = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[0]
        # The server layer logs what it finds here, and a ticket may still be worth something.
        scope["query_string"] = b""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.socket is not None:
                self.hub.leave(self.socket)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """The base class would go to another thread to close database connections: there are none."""
        if message["type"] == "websocket.connect":
            await self.websocket_connect()
        elif message["type"] == "websocket.disconnect":
            raise StopConsumer

    async def websocket_connect(self) -> None:
        if not origin.allowed(self.scope["headers"], hosts=settings.ALLOWED_HOSTS, plain_http=settings.PLAIN_HTTP):
            # Before acceptance this is a 403.
            await self._close(1008)
            return
        try:
            token = await asyncio.to_thread(tickets.spend, self.ticket)
        except RedisError as error:
            log.warning("ticket_not_checked", error=str(error))
            await self._refuse(TRY_AGAIN)
            return
        if token is None or token.expires_at <= time.time():
            await self._refuse(BAD_TICKET)
            return
        await self._open(token)

    async def _open(self, token: PlayerToken) -> None:
        await self.send({"type": "websocket.accept"})
        self.socket = Socket(token.player, token.expires_at, self._text, self._close)
        self.hub.join(self.socket)

    async def _refuse(self, code: int) -> None:
        await self.send({"type": "websocket.accept"})
        await self._close(code)

    async def _text(self, frame: str) -> None:
        await self.send({"type": "websocket.send", "text": frame})

    async def _close(self, code: int) -> None:
        await self.send({"type": "websocket.close", "code": code})


player_socket = PlayerConsumer.as_asgi()
