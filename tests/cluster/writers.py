"""When the cluster takes writes: one small write after the other to each node, past HAProxy."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import psycopg

from casino_pam.local.cluster import Node

PAUSE_SECONDS: Final = 0.05
# A write that every synchronous standby must have, and that no table needs.
_WRITE: Final = "SELECT pg_logical_emit_message(true, 'writers', '')"


class Write(NamedTuple):
    """A write that a node acknowledged."""

    moment: float
    node: str


class Writers:
    """A thread a node; a standby refuses, and a primary without its standby answers when that is back."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._ended = threading.Event()
        self._writes: list[Write] = []
        for node in nodes:
            threading.Thread(target=self._run, args=(node,), daemon=True).start()

    def first(self, after: float, *, but: str | None = None, seconds: float = 90.0) -> Write:
        """The first write acknowledged after a moment, by another node than ``but``."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for write in list(self._writes):
                if write.moment > after and write.node != but:
                    return write
            time.sleep(0.02)
        raise AssertionError(f"the cluster had no writer for {seconds} s")

    def on(self, since: float, pause: float) -> float:
        """The moment, ``since`` or later, from which the cluster has taken one write after the other.

        A cluster that has a writer again may lose it again: etcd is late, a standby is rewound.
        """
        last = since
        for moment in sorted(write.moment for write in list(self._writes) if write.moment > since):
            if moment - last > pause:
                since = moment
            last = moment
        return since

    def silence(self, until: float) -> float:
        """For how many seconds no write had been acknowledged before that moment."""
        return until - max(write.moment for write in list(self._writes) if write.moment < until)

    def end(self) -> None:
        self._ended.set()

    def _run(self, node: Node) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            with suppress(psycopg.Error), node.connect() as connection:
                while not self._ended.wait(PAUSE_SECONDS):
                    connection.execute(_WRITE)
                    self._writes.append(Write(time.monotonic(), node.node))
