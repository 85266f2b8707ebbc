"""A proxy that reads PostgreSQL's protocol, so that it can lose a COMMIT, or the reply to one.

A session may prepare COMMIT once and then execute the statement by its name: the word crosses the
wire once. So the names of prepared statements and portals are kept for every connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from tests.faults.link import Connection, Cut, Proxy

SSL_REQUEST: Final = 80877103
GSS_REQUEST: Final = 80877104
STARTUP_CODES: Final = (SSL_REQUEST, GSS_REQUEST)
COMMITS: Final = (b"COMMIT", b"END")
REPLY_LOST: Final = ("commit_reply_lost", "commit_reply_silence")


class Frames:
    """Cuts a stream into whole messages; what is not whole yet waits."""

    def __init__(self, *, client: bool) -> None:
        self._client = client
        self._waiting = b""
        # The first message of a client has no type; a server answers a request for encryption by one byte.
        self.starting = client
        self.bare_bytes = 0

    def whole(self, data: bytes) -> Iterator[bytes]:
        """Every message that is complete now, with its head."""
        self._waiting += data
        at = 0
        try:
            while (size := self._next(at)) is not None and len(self._waiting) - at >= size:
                message = self._waiting[at : at + size]
                at += size
                yield message
        finally:
            self._waiting = self._waiting[at:]

    def _next(self, at: int) -> int | None:
        left = len(self._waiting) - at
        if self.bare_bytes and left:
            self.bare_bytes -= 1
            return 1
        if self.starting:
            return int.from_bytes(self._waiting[at : at + 4], "big") if left >= 4 else None
        return 1 + int.from_bytes(self._waiting[at + 1 : at + 5], "big") if left >= 5 else None


class PostgresConnection(Connection):
    """Knows which Execute is a COMMIT, and which answer says that one was carried out."""

    proxy: PostgresProxy

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._sent = Frames(client=True)
        self._answered = Frames(client=False)
        self._statements: dict[bytes, bool] = {}
        self._portals: dict[bytes, bool] = {}

    def forth(self, data: bytes) -> bytes:
        passed = b""
        for message in self._sent.whole(data):
            if self._sent.starting:
                self._start(message)
            elif self._commits(message) and self._cuts():
                raise Cut(passed)
            passed += message
        return passed

    def back(self, data: bytes) -> bytes:
        if self.muted:
            return b""
        passed = b""
        for message in self._answered.whole(data):
            if message[:1] == b"E" and len(message) > 5:
                self.proxy.errors[sqlstate(message)] += 1
            if message[:1] == b"C" and message[5:] == b"COMMIT\0":
                self.proxy.commits += 1
                if self._loses():
                    if self.proxy.fault is not None and self.proxy.fault.kind == "commit_reply_silence":
                        self.muted = True
                        return passed
                    raise Cut(passed)
            passed += message
        return passed

    def _start(self, message: bytes) -> None:
        code = int.from_bytes(message[4:8], "big")
        if code in STARTUP_CODES:
            self._answered.bare_bytes += 1
        else:
            self._sent.starting = False

    def _commits(self, message: bytes) -> bool:
        """Whether this message carries out a COMMIT; keeps the names that say so."""
        kind, body = message[:1], message[5:]
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._statements[name] = is_commit(text)
        elif kind == b"B":
            portal, name, _ = body.split(b"\0", 2)
            self._portals[portal] = self._statements.get(name, False)
        elif kind == b"E":
            return self._portals.get(body.split(b"\0", 1)[0], False)
        elif kind == b"Q":
            return is_commit(body.rstrip(b"\0"))
        return False

    def _cuts(self) -> bool:
        return self._struck(lambda kind: kind == "commit_cut_before")

    def _loses(self) -> bool:
        return self._struck(lambda kind: kind in REPLY_LOST)

    def _struck(self, fits: Callable[[str], bool]) -> bool:
        fault = self.proxy.fault
        if fault is None or not fits(fault.kind) or fault.times == 0 or self.proxy.dice() >= fault.chance:
            return False
        fault.fired += 1
        if fault.times is not None:
            fault.times -= 1
        return True


class PostgresProxy(Proxy):
    """Between the product and PostgreSQL. Counts the commits and the errors that passed."""

    connection: type[Connection] = PostgresConnection

    def __init__(self, target: tuple[str, int], dice: Callable[[], float]) -> None:
        super().__init__(target, dice)
        self.commits = 0
        self.errors: Counter[str] = Counter()


def is_commit(text: bytes) -> bool:
    return text.strip().rstrip(b";").strip().upper() in COMMITS


def sqlstate(message: bytes) -> str:
    """The code of an ErrorResponse."""
    for item in message[5:].split(b"\0"):
        if item[:1] == b"C":
            return item[1:].decode("ascii", "replace")
    return ""
