"""A back end that is told of events: a real HTTP server on 127.0.0.1, and an endpoint that leads to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from django.db import connection

from tests.game_client import wait_until
from wallet.models import Endpoint

# What the server answers to an event: a status, and further headers.
Answer = Callable[[Any], tuple[int, dict[str, str]]]


class Receiver:
    """What came, in the order in which it came."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._lock = threading.Lock()
        self.port = 0

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        with self._lock:
            self.requests.append((path, headers, body))
        return self.answer(msgspec.json.decode(body))

    @property
    def events(self) -> list[Any]:
        return [msgspec.json.decode(body) for _, _, body in self.requests]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Player and kind of each event that came."""
        return [(event["player"], event["type"]) for event in self.events]


def takes_all(event: Any) -> tuple[int, dict[str, str]]:
    return 200, {}


@contextmanager
def receiver(answer: Answer = takes_all) -> Iterator[Receiver]:
    taken = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, more = taken.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **more}.items():
                self.send_header(name, value)
            self.end_headers()
            left = int(more.get("Content-Length", 0))
            try:
                while left > 0:
                    left -= self.wfile.write(b"x" * min(left, 65_536))
            except OSError:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield taken
        finally:
            server.shutdown()


def endpoint(port: int, code: str = "crm", **fields: Any) -> Endpoint:
    """An endpoint that leads there; PLAIN_HTTP must be on."""
    made = Endpoint(code=code, url=f"http://127.0.0.1:{port}/events?of={code}", **fields)
    made.renew()
    made.save()
    return made


_AT_WORK_ELSEWHERE = """
SELECT datname, pid, backend_xid::text FROM pg_stat_activity
WHERE datname <> current_database() AND backend_xid IS NOT NULL
"""


def at_work_elsewhere() -> set[tuple[Any, ...]]:
    """The transactions that write in other databases of the server: what is written meanwhile is sent after them."""
    with connection.cursor() as cursor:
        cursor.execute(_AT_WORK_ELSEWHERE)
        return set(cursor.fetchall())


class UntilIdle:
    """A claim that holds until the job has nothing more to do; begins when nobody else's work holds events up."""

    def __init__(self) -> None:
        self.idle = False
        before = at_work_elsewhere()
        wait_until(lambda: before.isdisjoint(at_work_elsewhere()))

    def goes_on(self) -> bool:
        return not self.idle

    def pause(self, seconds: float) -> None:
        self.idle = True
