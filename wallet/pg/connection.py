"""A connection to PostgreSQL on which no wait outlasts the deadline of the work at hand."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen, PQGenConn
from psycopg.rows import Row

from wallet.pg import deadline

Result = TypeVar("Result")

# A connection that was used just now is believed; any other is asked first, and has this long to answer.
FRESH_SECONDS = 1.0
PING_SECONDS = 0.5
# How long psycopg lets its thread sleep at most, so that Ctrl-C is heard.
_INTERVAL = 0.1
# Within a deadline, how long one attempt to connect may take: what was sent into a hole is not answered when
# the hole is closed, and another host may be there. Six journeys of 200 ms fit into it.
ATTEMPT_SECONDS: Final = 1.5


class Silent(errors.OperationalError):
    """PostgreSQL had not answered by the deadline. What was sent may still be carried out."""


# Of each list of hosts which one is tried first.
_first: Final[dict[tuple[str, str], int]] = {}


class Connection(psycopg.Connection[Row]):
    """psycopg's, with the deadline of ``wallet.pg.deadline`` in every wait, connecting included.

    A connection that was waited for in vain is closed: what became of its statement is unknown, and its
    answer would be taken for that of the next one. Closing waits for nobody.
    """

    def wait(self, gen: PQGen[Result], interval: float = _INTERVAL, timeout: float | None = None) -> Result:
        """As psycopg's. Raises Silent when the deadline comes first."""
        left = deadline.remaining()
        if left is None or (timeout is not None and timeout < left):
            return super().wait(gen, interval, timeout)
        try:
            if left:
                return super().wait(gen, interval, left)
        except errors._WaitTimeout:
            pass
        # Nothing is sent any more when the time is over before it.
        self.pgconn.finish()
        raise Silent("PostgreSQL did not answer in time")

    @classmethod
    def _connect_gen(cls, conninfo: str = "", **options: Any) -> PQGenConn[Any]:
        """psycopg's, which is asked ten times a second whether it is still wanted, for each host it tries."""
        left = deadline.remaining()
        end = math.inf if left is None else time.monotonic() + min(left, ATTEMPT_SECONDS)
        steps = super()._connect_gen(conninfo, **options)
        ready: Any = None
        try:
            while time.monotonic() < end:
                ready = yield steps.send(ready)
        except StopIteration as done:
            return done.value
        finally:
            steps.close()
        raise Silent("PostgreSQL could not be reached in time")


def _share(those: int) -> AbstractContextManager[None]:
    """A part of what is left of the deadline, for one of so many."""
    left = deadline.remaining()
    return nullcontext() if left is None else deadline.until(time.monotonic() + left / those)


class Lent(Connection[Any]):
    """A connection that is kept between uses, and what its keeper must know of it."""

    # psycopg knows its own pools only.
    _pool: Any
    leave_place: Callable[[], object]

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """psycopg's; of several hosts (``host``, ``port``, with commas) the one that answered last comes first.

        What time there is they share, and where none answered the next one is the first another time: so hosts that
        swallow everything cannot keep us from the one that works. Raises psycopg.Error, that of the last.
        """
        hosts, ports = (str(options.get(name, "")).split(",") for name in ("host", "port"))
        if len(hosts) == 1:
            return super().connect(conninfo, **options)
        places = list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=True))
        known = options["host"], str(options.get("port", ""))
        first = _first.get(known, 0)
        for tried in range(len(places)):
            which = (first + tried) % len(places)
            options["host"], options["port"] = places[which]
            try:
                with _share(len(places) - tried):
                    connection = super().connect(conninfo, **options)
            except psycopg.OperationalError as error:
                failure = error
            else:
                _first[known] = which
                return connection
        _first[known] = (first + 1) % len(places)
        raise failure

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.born = self.used = time.monotonic()

    def works(self) -> bool:
        """Whether PostgreSQL is still at the other end. Raises Silent where it was asked and did not answer."""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        if poll.poll(0):
            # Nobody asked it anything: what it has to say is that it ends.
            return False
        now = time.monotonic()
        if now - self.used < FRESH_SECONDS:
            return True
        try:
            with deadline.until(now + PING_SECONDS):
                self.execute("")
        except Silent:
            raise
        except psycopg.Error:
            return False
        return True
