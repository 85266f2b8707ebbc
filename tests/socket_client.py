"""What the tests of live progress share: tickets, clients of the WebSocket, a Redis that never answers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from casino_pam import tokens

# How long a test waits for what must happen; never for what must not.
PATIENCE = 30

Frame = dict[str, Any]


def database_url() -> str:
    """The database of this test, for other processes."""
    own = connection.settings_dict
    return f"postgres://{own['USER']}:{quote(own['PASSWORD'])}@{own['HOST']}:{own['PORT']}/{own['NAME']}"


def ticket(player: str) -> str:
    """A ticket as `POST me/socket-ticket` gives out."""
    now = time.time()
    _, token = tokens.issue(player, now)
    return tokens.issue_ticket(token, now)[0]


def dial(port: int, ticket: str, **options: Any) -> ClientConnection:
    """A client of the WebSocket, as an app that sends no Origin."""
    return connect(f"ws://127.0.0.1:{port}/ws/player/?ticket={ticket}", open_timeout=PATIENCE, **options)


def next_frame(client: ClientConnection) -> Frame:
    frame: Frame = json.loads(client.recv(timeout=PATIENCE))
    return frame


def until(client: ClientConnection, fits: Callable[[Frame], bool]) -> list[Frame]:
    """Every frame up to the first that fits."""
    seen = [next_frame(client)]
    while not fits(seen[-1]):
        seen.append(next_frame(client))
    return seen


def closed_with(client: ClientConnection) -> int:
    """The code with which the server closes, after whatever frames it still sends."""
    with pytest.raises(ConnectionClosed) as closed:
        until(client, lambda frame: False)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


@contextmanager
def deaf_server() -> Iterator[str]:
    """The URL of a Redis that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield f"redis://127.0.0.1:{sock.getsockname()[1]}/0"
