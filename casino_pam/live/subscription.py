"""The one Redis subscription of a web process. It mends itself, and says when it may have missed something."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from casino_pam.live.frames import CHANNEL, Announcement, decode

log = structlog.get_logger(__name__)

# A Redis that is silent for so long is asked; silent for as long again, it is given up.
SILENCE_SECONDS: Final = 1.0
SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0


class Subscription:
    """``heard`` gets every announcement; ``missed`` is called whenever there may have been others."""

    def __init__(self, url: str, heard: Callable[[Announcement], None], missed: Callable[[], None]) -> None:
        # The library's own reconnecting would hide that messages were missed.
        self._pool = ConnectionPool.from_url(
            url, protocol=2, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        self._heard = heard
        self._missed = missed
        self._pause = SHORTEST_PAUSE

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await self._listen(connection)
            except (RedisError, OSError) as error:
                log.warning("subscription_lost", error=str(error))
            finally:
                await connection.disconnect(nowait=True)
            await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    async def _listen(self, connection: AbstractConnection) -> None:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("SUBSCRIBE", CHANNEL)
        asked = False
        while True:
            message: list[Any] | None = await connection.read_response(timeout=SILENCE_SECONDS)
            if message is None:
                if asked:
                    raise TimeoutError("Redis does not answer")
                await connection.send_command("PING")
            elif message[0] == b"subscribe":
                self._pause = SHORTEST_PAUSE
                self._missed()
            elif message[0] == b"message":
                self._take(message[2])
            asked = message is None

    def _take(self, message: bytes) -> None:
        try:
            announcement = decode(message)
        except msgspec.DecodeError as error:
            # Of another version of this code, or nobody's: the database is asked instead.
            log.warning("announcement_unreadable", error=str(error))
            self._missed()
            return
        self._heard(announcement)
