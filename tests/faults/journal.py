"""The journal of the clients: one JSON object a line, written before a request goes and after its answer came.

``sent``  t, id, try, seat, call, player, and with the first try ``body``, ``path``, and ``copies`` sent at once
``got``   t, id, try, seat, status, retry_after, and ``body`` unless it is a 503
``lost``  t, id, try, seat, why: ``silence`` (no answer in time), ``refused``, ``reset``
``given up``  t, id: the client will not send this request again

Times are seconds on the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Journal:
    """Written by one process; each entry is with the kernel before ``write`` returns."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, **facts: Any) -> float:
        """The moment that was written down."""
        now = time.monotonic()
        os.write(self._file, json.dumps({"e": event, "t": now, **facts}).encode() + b"\n")
        return now


class Follower:
    """Reads a journal while it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0

    def new(self) -> Iterator[Entry]:
        """Every whole entry since the last call."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                yield json.loads(line)
