"""Two hundred clients that never read: they hold little, they are hung up on, and nobody else notices."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Collection, Iterator
from typing import Any

import pytest
import redis
import uvicorn
from django.conf import settings
from websockets.sync.client import ClientConnection

from casino_pam.live.coalescer import Coalescer
from casino_pam.live.consumer import PlayerConsumer
from casino_pam.live.hub import Hub
from casino_pam.live.snapshot import CHANNEL, Announcement, Change, Snapshot, encode
from casino_pam.local.os_support import free_port
from casino_pam.server import ws_protocol
from casino_pam.server.ws_protocol import BoundedWebSocket
from tests.running_system import eventually
from tests.socket_client import dial, next_frame, ticket, until

SLEEPERS = 200
# Far larger than ours, so that a hundred of them overflow what a hundred thousand real ones would.
FRAME = 16 * 1024


def state(version: int) -> Change:
    wagering = {"bonus": "x" * FRAME, "wagered": 0, "required": 0}
    return Change("alice", 1, version, version > 0, "EUR", 2, 0, 0, 0, wagering)


def read(players: Collection[str]) -> Snapshot:
    return Snapshot([state(0)] if "alice" in players else [], {})


class Patient(BoundedWebSocket):
    """Never hangs up, so that what it holds can be looked at."""

    slow_seconds = 3600.0


class Impatient(BoundedWebSocket):
    slow_seconds = 0.1


class Running:
    """The consumer behind a real uvicorn in a thread of this process."""

    def __init__(self, protocol: type[BoundedWebSocket]) -> None:
        self.hub = Hub(settings.REDIS_URL, read)
        # A window would merge most of what is announced here.
        self.hub._coalescer = Coalescer(window=0)
        consumer = type("Consumer", (PlayerConsumer,), {"hub": self.hub})
        self.port = free_port()
        options: dict[str, Any] = {"lifespan": "off", "log_config": None, "ws_per_message_deflate": False}
        self.server = uvicorn.Server(
            uvicorn.Config(consumer.as_asgi(), port=self.port, ws=protocol, timeout_graceful_shutdown=1, **options)
        )
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        await self.server.serve()
        await self.hub.stop()

    def sockets(self) -> list[Any]:
        return list(self.hub._watched["alice"].sockets) if "alice" in self.hub._watched else []

    def held(self) -> list[int]:
        """Bytes that wait in this process for each connection."""
        connections: Any = list(self.server.server_state.connections)
        return [each.transport.get_write_buffer_size() for each in connections if not each.transport.is_closing()]


@contextlib.contextmanager
def serving(protocol: type[BoundedWebSocket]) -> Iterator[Running]:
    running = Running(protocol)
    running.thread.start()
    eventually(lambda: running.server.started, "the server")
    try:
        yield running
    finally:
        running.server.should_exit = True
        running.thread.join()


def sleeper(port: int) -> socket.socket:
    """A client that shakes hands and then never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(
        f"GET /ws/player/?ticket={ticket('alice')} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "\r\n".encode()
    )
    return sock


def announce(first: int, last: int, reader: ClientConnection | None = None) -> None:
    """Announce these versions, with a ``reader`` each only when it has seen the one before."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for version in range(first, last + 1):
            client.publish(CHANNEL, encode(Announcement(False, [state(version)])))
            if reader is not None:
                assert next_frame(reader)["version"] == version


@contextlib.contextmanager
def crowd(running: Running) -> Iterator[ClientConnection]:
    """The sleepers, and among them one client that reads."""
    with contextlib.ExitStack() as stack:
        for _ in range(SLEEPERS):
            stack.enter_context(sleeper(running.port))
        reader = stack.enter_context(dial(running.port, ticket("alice"), max_size=None))
        assert next_frame(reader)["version"] == 0
        eventually(lambda: len(running.sockets()) == SLEEPERS + 1, "everybody")
        yield reader


def test_what_waits_for_a_client_that_never_reads_is_bounded(books: None) -> None:
    with serving(Patient) as running, crowd(running) as reader:
        announce(1, 50, reader)
        half_way = running.held()
        announce(51, 100, reader)
        held = running.held()
        assert max(half_way) > ws_protocol.MOST_UNSENT, "the sleepers took it all, and nothing was tested"
        assert max(held) <= ws_protocol.MOST_UNSENT + 2 * FRAME
        assert sum(held) <= sum(half_way)


def test_a_client_that_never_reads_is_hung_up_on(books: None) -> None:
    with serving(Impatient) as running, crowd(running) as reader:
        announce(1, 50, reader)
        eventually(lambda: len(running.sockets()) == 1, "the sleepers to be dropped")
        announce(101, 101)
        assert until(reader, lambda frame: frame["version"] == 101)


def test_pings_of_a_client_that_never_reads_fill_nothing(books: None) -> None:
    """A pong is written without asking whether there is room for it."""
    with serving(Patient) as running, sleeper(running.port) as sock:
        eventually(lambda: len(running.sockets()) == 1, "the sleeper")
        announce(1, 100)
        eventually(lambda: max(running.held()) > ws_protocol.MOST_UNSENT, "a full buffer")
        ping = b"\x89\xfd" + b"\x00" * 4 + b"x" * 125
        for _ in range(20_000):
            sock.sendall(ping)
        announce(101, 101)
        assert max(running.held()) <= ws_protocol.MOST_UNSENT + 2 * FRAME


@pytest.mark.parametrize("protocol", [Patient, Impatient])
def test_a_client_that_reads_slowly_but_reads_is_kept(books: None, protocol: type[BoundedWebSocket]) -> None:
    with serving(protocol) as running, dial(running.port, ticket("alice"), max_size=None, max_queue=1) as reader:
        assert next_frame(reader)["version"] == 0
        for version in range(1, 30):
            announce(version, version)
            if version % 3 == 0:
                assert next_frame(reader)["version"] <= version
        assert until(reader, lambda frame: frame["version"] == 29)
        assert len(running.sockets()) == 1
