"""The WebSocket of a player: ``/ws/player/?ticket=…`` (PLAY.md §4, docs/live.md).

What a client says is never looked at, and nothing here goes through a channel layer: no word of a client's choosing
can name a method, and a socket costs no connection to Redis. Whose pages may open a socket is decided here too:
browsers guard it by no rule of their own.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Collection, Iterable
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings
from django.http.request import split_domain_port
from redis.exceptions import RedisError

from casino_pam import tokens
from casino_pam.live.hub import SESSION_ENDED, Socket, hub
from casino_pam.tokens import PlayerToken

_shape = re.compile(r"(https?)://([^/?#@\s]+)").fullmatch
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def allowed(headers: Iterable[tuple[bytes, bytes]], *, hosts: Collection[str], plain_http: bool) -> bool:
    """Whether a handshake may go on: an Origin must name one of our hosts, exactly, and the port we are asked at.

    A missing Origin is an app, not a browser: there the ticket is the only secret, as it always is.
    """
    headers = list(headers)
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    asked = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if not origins:
        return True
    match = _shape(origins[0]) if len(origins) == 1 and len(asked) == 1 else None
    if match is None or (match[1] == "http" and not plain_http):
        return False
    host, port = split_domain_port(match[2])
    _, own_port = split_domain_port(asked[0])
    default = _DEFAULT_PORTS[match[1]]
    return bool(host) and host in hosts and (port or default) == (own_port or default)


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
        if not allowed(self.scope["headers"], hosts=settings.ALLOWED_HOSTS, plain_http=settings.PLAIN_HTTP):
            # Before acceptance this is a 403.
            await self._close(1008)
            return
        try:
            token = await asyncio.to_thread(tokens.spend_ticket, self.ticket)
        except RedisError as error:
            log.warning("ticket_check_failed", error=str(error))
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
