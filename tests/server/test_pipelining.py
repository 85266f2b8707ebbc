"""Requests that are sent without waiting for answers have nothing of each other: no deadline, no thread, no name."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import uvicorn
from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async

from casino_pam.local.os_support import free_port
from casino_pam.server.admission import Admission
from casino_pam.server.web import configuration
from tests.game_client import until_closed, wait_until
from wallet.pg import deadline

REQUESTS = 40
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class View:
    """Notes what it finds in its context, and leaves something there, as Django and its middlewares do."""

    def __init__(self) -> None:
        self.left: list[float] = []
        self.inherited: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext():
            await sync_to_async(self.served)()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def served(self) -> None:
        self.left.append(deadline.remaining() or 0.0)
        self.inherited.append(structlog.contextvars.get_contextvars())
        structlog.contextvars.bind_contextvars(request_id=len(self.left))
        time.sleep(0.01)


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def port(view: View) -> Iterator[int]:
    """A server with the options of the web process, and this view behind its admission."""
    config = configuration()
    config.app, config.lifespan = Admission(view, 4), "off"
    server = uvicorn.Server(config)
    number = free_port()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", number))
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield number
        finally:
            server.should_exit = True
            thread.join(60)


def test_pipelined_requests_share_no_deadline_no_thread_and_no_name_in_the_log(view: View, port: int) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            sock.sendall(REQUEST * (REQUESTS - 1) + LAST)
            assert until_closed(sock).count(b"HTTP/1.1 200") == REQUESTS
    assert len(view.left) == 3 * REQUESTS
    # Each had what the first one had, but for the machine's own delays; inherited, the last would have 0.4 s less.
    assert sorted(view.left)[3 * REQUESTS // 2] > max(view.left) - 0.1
    assert view.inherited == [{}] * (3 * REQUESTS)
    assert len(SyncToAsync.context_to_thread_executor) == 0
