"""The connections that a process keeps for its threads (docs/decisions/0020).

Whoever needs one takes one that is idle or opens one himself, in his own thread and within his own
deadline. So there is no background work that could be late, stuck or asleep when PostgreSQL is back.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from psycopg import OperationalError
from psycopg.pq import TransactionStatus

from wallet.pg import deadline
from wallet.pg.connection import Lent, Silent

# How long somebody without a deadline waits for a connection that another gives back.
PATIENCE_SECONDS: Final = 2.0
# PostgreSQL's processes grow with what they have seen, and idle ones are missed elsewhere.
LONGEST_LIFE_SECONDS: Final = 3600.0
LONGEST_IDLE_SECONDS: Final = 600.0


class Exhausted(OperationalError):
    """Every connection this process may have is in use."""


class Pool:
    """At most ``most`` connections at a time; safe for all threads."""

    def __init__(self, connect: Callable[[], Lent], most: int) -> None:
        self._connect = connect
        self._places = threading.BoundedSemaphore(most)
        # The one that was used last is lent first, so that what is not needed grows old.
        self._idle: deque[Lent] = deque()
        self._closed = False

    def getconn(self) -> Lent:
        """A connection that answered a moment ago; give it back with ``putconn``.

        Raises Exhausted when none is given back in time, psycopg.Error when none can be opened.
        """
        left = deadline.remaining()
        if not self._places.acquire(timeout=PATIENCE_SECONDS if left is None else min(left, PATIENCE_SECONDS)):
            raise Exhausted("every connection is in use")
        try:
            connection = self._kept() or self._opened()
        except BaseException:
            self._places.release()
            raise
        # Django looks here for where to give it back. Whoever only drops it leaves his place all the same.
        connection._pool = self
        connection.leave_place = weakref.finalize(connection, self._places.release)
        return connection

    def putconn(self, connection: Lent) -> None:
        """Take a connection back, to be lent again if it is fit for it."""
        connection._pool = None
        now = connection.used = time.monotonic()
        idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if idle and not self._closed and now - connection.born < LONGEST_LIFE_SECONDS:
            self._idle.append(connection)
        else:
            connection.close()
        connection.leave_place()
        self._part_with_oldest(now)

    def open(self) -> None:
        """Django calls this before each loan; there is nothing to open."""

    def close(self) -> None:
        """Lend none of these again; those that are out are closed when they come back."""
        self._closed = True
        self.forget()

    def forget(self) -> None:
        """Close what is idle: the server at its other end may be gone without a word."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _kept(self) -> Lent | None:
        """An idle connection that works, if there is one."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                try:
                    if connection.works():
                        return connection
                except Silent:
                    # So will the others be, and there is no time to ask each of them.
                    self.forget()
                connection.close()
        return None

    def _opened(self) -> Lent:
        """A new connection; tried again where there was no answer and there still is time."""
        while True:
            try:
                return self._connect()
            except Silent:
                if not deadline.remaining():
                    raise

    def _part_with_oldest(self, now: float) -> None:
        with suppress(IndexError):
            if now - self._idle[0].used > LONGEST_IDLE_SECONDS:
                self._idle.popleft().close()
