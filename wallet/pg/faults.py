"""Which errors of PostgreSQL say something of its state, and nothing of what was asked.

They are answered 503 at every door, and they are no alarm: whoever asks again later is served. Every
other error means that a statement of ours was wrong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

import psycopg
import structlog
from django.db import InterfaceError, OperationalError

from wallet.errors import Busy
from wallet.pg.pool import Exhausted

log = structlog.get_logger(__name__)

# A lock or a statement took too long, or another transaction was in the way.
_BUSY: Final = frozenset(("55P03", "57014", "40001", "40P01"))
# The connection or its transaction was ended, or nothing can be written: a standby, a primary that became one.
_UNAVAILABLE: Final = frozenset(("25006", "25P03", "25P04"))
# The connection failed, resources ran out, an administrator stepped in, the machine beneath it failed.
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57", "58")
# How often one kind of fault is logged, however many requests meet it.
QUIET_SECONDS: Final = 5.0


def fault(error: BaseException | None) -> str | None:
    """``busy`` or ``unavailable``, as ``Busy`` calls them; None where PostgreSQL's state is not to blame."""
    for cause in _causes(error):
        if isinstance(cause, Busy):
            return cause.code
        if isinstance(cause, psycopg.Error):
            return _of_driver(cause)
        if isinstance(cause, (OperationalError, InterfaceError)) and cause.__cause__ is None:
            # Django's own: the connection was closed under it.
            return "unavailable"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _of_driver(error: psycopg.Error) -> str | None:
    if isinstance(error, Exhausted):
        return "busy"
    state = error.sqlstate
    if state is None:
        # Nobody answered. Other errors without a state are psycopg's, about values it cannot send.
        return "unavailable" if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) else None
    if state in _BUSY:
        return "busy"
    return "unavailable" if state in _UNAVAILABLE or state.startswith(_UNAVAILABLE_CLASSES) else None


class Seldom:
    """One line for each kind of event every few seconds, however many there are. Kinds are few, and named by us."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def due(self, kind: str) -> int | None:
        """How many were not told since the last line, where it is time for one; None where it is not."""
        now = time.monotonic()
        with self._lock:
            if now < self._silent_until.get(kind, 0.0):
                self._untold[kind] = self._untold.get(kind, 0) + 1
                return None
            self._silent_until[kind] = now + QUIET_SECONDS
            return self._untold.pop(kind, 0)


class _Log:
    """One line for each kind of fault every few seconds."""

    def __init__(self) -> None:
        self._seldom = Seldom()

    def note(self, error: BaseException) -> None:
        cause = next((each for each in _causes(error) if isinstance(each, psycopg.Error)), error)
        kind = getattr(cause, "sqlstate", None) or type(cause).__name__
        untold = self._seldom.due(kind)
        if untold is not None:
            log.warning("database_fault", kind=kind, error=str(cause).strip(), more_before=untold)


note = _Log().note
