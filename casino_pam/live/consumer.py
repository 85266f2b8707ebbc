"""The WebSocket of a player: ``/ws/player/?ticket=…`` (PLAY.md §4, docs/live.md)."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from channels.consumer import get_handler_name
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from redis.exceptions import RedisError

from casino_pam import tokens
from casino_pam.guard import from_our_pages
from casino_pam.live.hub import SESSION_ENDED, Socket, hub

log = structlog.get_logger(__name__)

PATH: Final = "/ws/player/"
# Whether the ticket is good cannot be found out now.
TRY_AGAIN: Final = 1013
# The player's sockets together say more than anybody listens to.
TOO_MUCH: Final = 1008


class PlayerConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Lets the holder of a ticket in and hands the socket to the hub, which sends on it from then on."""

    # A name nobody configured, so that Channels opens no channel for each socket: the hub hears for all of them.
    channel_layer_alias = "none"
    hub = hub
    socket: Socket | None = None

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As in the base class, but for its way through a thread to close database connections: there are none."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        ticket = parse_qs(self.scope["query_string"].decode("latin-1")).get("ticket", [""])[0]
        # The server layer logs what it finds here, and a ticket may still be worth something.
        self.scope["query_string"] = b""
        if not from_our_pages(self.scope["headers"], hosts=settings.ALLOWED_HOSTS, plain_http=settings.PLAIN_HTTP):
            raise DenyConnection
        # Browsers cannot read a refused handshake, so a bad ticket is told after it.
        await self.accept()
        try:
            token = await asyncio.to_thread(tokens.spend_ticket, ticket)
        except RedisError as error:
            log.warning("ticket_check_failed", error=str(error))
            await self.close(TRY_AGAIN)
            return
        if token is None or token.expires_at <= time.time():
            await self.close(SESSION_ENDED)
            return
        self.socket = Socket(token.player, token.expires_at, self.send, self.close)
        self.hub.join(self.socket)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What a client says is never looked at: no word of its choosing can name a method.

        Each connection is bounded by the server layer (casino_pam/server/ws_protocol.py), all of a player's by the hub.
        """
        if self.socket is not None and not self.hub.may_speak(self.socket):
            await self.close(TOO_MUCH)

    async def disconnect(self, code: int) -> None:
        if self.socket is not None:
            self.hub.leave(self.socket)


player_socket = PlayerConsumer.as_asgi()
