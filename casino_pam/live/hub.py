"""The open sockets of this process, what each has been told, and the one Redis subscription that feeds them.

A socket is never sent a queue: when it can take a frame it gets what is newest then. So a slow one sees fewer frames,
holds nothing but its last one, and costs the others nothing. The subscription mends itself, and says when it may have
missed something.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any, Final

import msgspec
import psycopg
import structlog
from django.conf import settings
from django.db import Error as DjangoDatabaseError
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from casino_pam.guard import Allowance
from casino_pam.live import restrictions, snapshot
from casino_pam.live.coalescer import Coalescer
from casino_pam.live.snapshot import CHANNEL, Announcement, Change, Snapshot, decode
from casino_pam.metrics import SOCKETS
from wallet.pg import faults
from wallet.state import OpenPlayer

log = structlog.get_logger(__name__)

# A Redis that is silent for so long is asked; silent for as long again, it is given up.
SILENCE_SECONDS: Final = 1.0
SHORTEST_RECONNECT_PAUSE: Final = 0.1
LONGEST_RECONNECT_PAUSE: Final = 2.0


class Subscription:
    """``heard`` gets every announcement; ``missed`` is called whenever there may have been others."""

    def __init__(self, url: str, heard: Callable[[Announcement], None], missed: Callable[[], None]) -> None:
        # The library's own reconnecting would hide that messages were missed.
        self._pool = ConnectionPool.from_url(
            url, protocol=2, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        self._heard = heard
        self._missed = missed
        self._pause = SHORTEST_RECONNECT_PAUSE

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await self._listen(connection)
            except (RedisError, OSError) as error:
                log.warning("live_subscription_lost", error=str(error))
            finally:
                await connection.disconnect(nowait=True)
            await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311
            self._pause = min(2 * self._pause, LONGEST_RECONNECT_PAUSE)

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
                self._pause = SHORTEST_RECONNECT_PAUSE
                self._missed()
            elif message[0] == b"message":
                self._take(message[2])
            asked = message is None

    def _take(self, message: bytes) -> None:
        try:
            announcement = decode(message)
        except msgspec.DecodeError as error:
            # Of another version of this code, or nobody's: the database is asked instead.
            log.warning("live_message_unreadable", error=str(error))
            self._missed()
            return
        self._heard(announcement)


# The database is read again so often for every player, whatever was announced.
SHORTEST_REREAD: Final = 15.0
LONGEST_REREAD: Final = 30.0
# Players per look at the database: more would make the first of them wait.
MOST_PLAYERS: Final = 500
TICK_SECONDS: Final = 1.0
# The longest pause between two readings of a database that does not answer: so soon after it is back sockets are right.
LONGEST_PAUSE: Final = 0.5

SESSION_ENDED: Final = 4401

# How much the sockets of a player may send us together: so many messages at once, and so many a second.
MOST_MESSAGES: Final = 100
MESSAGES_A_SECOND: Final = 20.0

Read = Callable[[Collection[str]], Snapshot]


class Socket:
    """One player's open WebSocket; ``ends_at`` is when the session behind it ends (unix seconds)."""

    def __init__(
        self,
        player: str,
        ends_at: float,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int], Awaitable[None]],
    ) -> None:
        self.player = player
        self.ends_at = ends_at
        self.send = send
        self.close = close
        self.told: dict[int, Change] = {}
        self.sending: asyncio.Task[None] | None = None
        self.closing: asyncio.Task[None] | None = None
        self.left = False


class _WatchedPlayer:
    """A player somebody looks at. Nothing is shown before the database was read once."""

    def __init__(self) -> None:
        self.sockets: set[Socket] = set()
        self.wallets: set[int] = set()
        self.was_read = False
        self.reread_at = 0.0
        # The player as last read, locks included.
        self.player: OpenPlayer | None = None
        self.allowance = Allowance(MOST_MESSAGES, MESSAGES_A_SECOND)


class Hub:
    """Belongs to one event loop; starts itself with the first socket."""

    def __init__(self, url: str = settings.REDIS_URL, read: Read = snapshot.read) -> None:
        self._watched: dict[str, _WatchedPlayer] = {}
        self._wanted: dict[str, None] = {}
        self._coalescer = Coalescer()
        self._read = read
        self._subscription = Subscription(url, self.hear, self.read_everybody)
        self._tasks: list[asyncio.Task[None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- coming and going --------------------------------------------------------------------

    def join(self, socket: Socket) -> None:
        """Show the player's wallets on this socket from now on."""
        if not self._tasks:
            jobs = (self._subscription.run(), restrictions.listen(self.restricted), self._tick())
            self._tasks = [asyncio.create_task(job) for job in jobs]
        self._watched.setdefault(socket.player, _WatchedPlayer()).sockets.add(socket)
        SOCKETS.inc()
        self._want([socket.player])

    def leave(self, socket: Socket) -> None:
        """The socket is closed, or will be; may be called twice."""
        watched = self._watched.get(socket.player)
        if watched is None or socket not in watched.sockets:
            return
        SOCKETS.dec()
        socket.left = True
        watched.sockets.remove(socket)
        if not watched.sockets:
            self._coalescer.forget(watched.wallets)
            del self._watched[socket.player]

    def may_speak(self, socket: Socket) -> bool:
        """Whether the player's sockets have not said too much; what they say is not looked at."""
        watched = self._watched.get(socket.player)
        return watched is not None and watched.allowance.take()

    async def stop(self) -> None:
        """End the hub's own tasks; the server layer closes the sockets."""
        tasks = [*self._tasks, *([self._reading] if self._reading else [])]
        self._tasks = []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what is new -------------------------------------------------------------------------

    def hear(self, announcement: Announcement) -> None:
        """Something was committed somewhere."""
        now = time.monotonic()
        for change in announcement.changes:
            watched = self._watched.get(change.player)
            if watched is not None:
                watched.wallets.add(change.wallet)
                self._show(self._coalescer.hear(change, now))
        self._set_timer()
        if announcement.lost:
            self.read_everybody()

    def read_everybody(self) -> None:
        """Announcements may have been missed: only the database knows."""
        self._want(self._watched)

    def _show(self, change: Change | None) -> None:
        if change is not None:
            for socket in self._watched[change.player].sockets:
                self._tell(socket)

    def _set_timer(self) -> None:
        due = self._coalescer.next_due()
        if due is not None and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, due - time.monotonic()), self._windows_ended)

    def _windows_ended(self) -> None:
        self._timer = None
        for change in self._coalescer.due(time.monotonic()):
            self._show(change)
        self._set_timer()

    # --- telling -----------------------------------------------------------------------------

    def _tell(self, socket: Socket) -> None:
        """See to it that the socket gets what is newest, as soon as it takes it."""
        if socket.sending is None:
            socket.sending = asyncio.create_task(self._send(socket))

    async def _send(self, socket: Socket) -> None:
        try:
            while (change := self._untold(socket)) is not None:
                first = change.wallet not in socket.told
                socket.told[change.wallet] = change
                await socket.send(change.frame(first=first))
        except (OSError, RuntimeError):
            # The client is gone, or we closed meanwhile; the server layer tells the consumer.
            self.leave(socket)
        finally:
            socket.sending = None

    def _untold(self, socket: Socket) -> Change | None:
        watched = self._watched.get(socket.player)
        if socket.left or watched is None or not watched.was_read:
            return None
        for wallet in watched.wallets:
            change = self._coalescer.shown(wallet)
            if change is not None and socket.told.get(wallet) is not change:
                return change
        return None

    # --- the database ------------------------------------------------------------------------

    def _want(self, players: Iterable[str]) -> None:
        self._wanted.update(dict.fromkeys(players))
        if self._wanted and self._reading is None:
            self._reading = asyncio.create_task(self._read_wanted())

    async def _read_wanted(self) -> None:
        pause = 0.1
        try:
            while self._wanted:
                names = list(itertools.islice(self._wanted, MOST_PLAYERS))
                for name in names:
                    del self._wanted[name]
                asked = {name: self._watched[name] for name in names if name in self._watched}
                if not asked:
                    continue
                try:
                    found = await asyncio.to_thread(self._read, asked)
                except (psycopg.Error, DjangoDatabaseError) as error:
                    faults.note(error)
                    self._wanted.update(dict.fromkeys(asked))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                else:
                    self._repair(asked, found)
        finally:
            self._reading = None

    def _repair(self, asked: dict[str, _WatchedPlayer], found: Snapshot) -> None:
        """Show what the database says, to those who were there when it was asked."""
        now = time.monotonic()
        for name, watched in asked.items():
            self._check_restrictions(watched, found.players.get(name))
        present = {name: watched for name, watched in asked.items() if self._watched.get(name) is watched}
        for watched in present.values():
            watched.was_read = True
            watched.reread_at = now + random.uniform(SHORTEST_REREAD, LONGEST_REREAD)  # noqa: S311
        for change in found.changes:
            if change.player in present:
                present[change.player].wallets.add(change.wallet)
                self._coalescer.repair(change, now)
        for watched in present.values():
            for socket in watched.sockets:
                if self._untold(socket) is not None:
                    self._tell(socket)
        self._set_timer()

    def _check_restrictions(self, watched: _WatchedPlayer, player: OpenPlayer | None) -> None:
        """Find what nobody told us: a lock or an exclusion since the last look."""
        before, watched.player = watched.player, player
        if player is not None and before is not None and snapshot.stricter(player, before):
            self._end(list(watched.sockets))

    # --- once a second -----------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._want_overdue(time.monotonic())
            self._close_ended(time.time())

    def _want_overdue(self, now: float) -> None:
        self._want([name for name, watched in self._watched.items() if watched.was_read and watched.reread_at <= now])

    def _close_ended(self, clock: float) -> None:
        everybody = itertools.chain.from_iterable(watched.sockets for watched in self._watched.values())
        self._end([socket for socket in everybody if socket.ends_at <= clock])

    # --- the end of a session ----------------------------------------------------------------

    def restricted(self, player: str) -> None:
        """The player was locked or excluded: what the sockets were opened for has ended."""
        if player in self._watched:
            self._end(list(self._watched[player].sockets))

    def _end(self, sockets: Iterable[Socket]) -> None:
        for socket in sockets:
            self.leave(socket)
            socket.closing = asyncio.create_task(self._close(socket))

    async def _close(self, socket: Socket) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            await socket.close(SESSION_ENDED)


hub = Hub()
