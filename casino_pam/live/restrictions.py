"""Who was locked or excluded: told to every process over the channel layer, so that it closes the player's sockets.

The lock stands whether this arrives or not: whoever restricts a player hands over a name and goes on, and what Redis
does not take is dropped, because each process reads the locks again with the wallets (casino_pam/live/hub.py).

A process has one channel, not one for each socket: a channel costs its socket a subscription before it can be
accepted, and the layer's queue of a slow one has no bound.
"""

from __future__ import annotations

import asyncio
import atexit
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# One group for all players: its name is ours alone, and no name of a player has to fit into it.
GROUP: Final = "restrictions"
TYPE: Final = "player.restricted"
# A Redis that takes longer is not waited for.
TIMEOUT_SECONDS: Final = 1.0
# As many names may wait; beyond that they are dropped.
MOST_WAITING: Final = 1_000
# A command that ends right after its commit still tells of it, if Redis answers in this time.
FLUSH_SECONDS: Final = 0.3
RETRY_SECONDS: Final = 1.0


class RestrictionPublisher:
    """Sends names in a thread of its own, which has an event loop of its own: the layer keeps a connection for each."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[str] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def note(self, player: str) -> None:
        """The player was locked or excluded; never blocks, never fails."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="restrictions", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(player)
        except queue.Full:
            log.warning("restriction_dropped", player=player)

    def flush(self) -> None:
        """Give what was handed over the chance to leave before the process ends."""
        until = time.monotonic() + FLUSH_SECONDS
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while True:
                player = self._waiting.get()
                try:
                    runner.run(_publish(player))
                except Exception as error:
                    # Nothing may end this thread.
                    log.warning("restriction_not_published", player=player, error=repr(error))
                self._waiting.task_done()


async def _publish(player: str) -> None:
    """Raises as ``_send``."""
    try:
        await _send(player)
    except RedisError:
        # Between two restrictions a connection lies idle for days, and whoever closed it tells its next user.
        await _send(player)


async def _send(player: str) -> None:
    """Raises RedisError, or OSError (TimeoutError is one) after TIMEOUT_SECONDS."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await get_channel_layer().group_send(GROUP, {"type": TYPE, "player": player})


async def listen(restricted: Callable[[str], None]) -> None:
    """Call ``restricted`` with every name that is sent, until cancelled.

    Once it listens, the layer finds back to a lost Redis by itself.
    """
    layer = get_channel_layer()
    while True:
        try:
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
        except (RedisError, OSError) as error:
            log.warning("restrictions_not_heard", error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
            continue
        while True:
            message: dict[str, Any] = await layer.receive(channel)
            restricted(message["player"])


restriction_publisher = RestrictionPublisher()
atexit.register(restriction_publisher.flush)
