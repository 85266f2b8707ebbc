"""The moment by which the work at hand must have its answer from PostgreSQL.

A time limit on the server is none on the client: a stopped PostgreSQL or a black hole answers
nothing at all. So every wait for a socket looks here. Where nobody set a deadline (a migration, a
report run by hand) a wait may take what it takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# On the monotonic clock, in seconds.
_deadline: ContextVar[float | None] = ContextVar("database_deadline", default=None)


@contextmanager
def until(moment: float) -> Iterator[None]:
    """Let no wait in this block last past ``moment`` (monotonic clock), nor past a deadline set around it."""
    outer = _deadline.get()
    token = _deadline.set(moment if outer is None else min(outer, moment))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining() -> float | None:
    """Seconds left, never below zero; None where there is no deadline."""
    moment = _deadline.get()
    return None if moment is None else max(0.0, moment - time.monotonic())


@contextmanager
def afresh(moment: float) -> Iterator[None]:
    """As ``until``, whatever deadline was set around it: for what may take longer than an answer, such as
    the rest of a file whose beginning was sent."""
    token = _deadline.set(moment)
    try:
        yield
    finally:
        _deadline.reset(token)
