"""A TCP proxy with faults that can be switched while it runs. Every fault counts how often it really hit traffic.

One event loop in a thread of its own carries all connections. A fault is in force while it is the
proxy's ``fault``; it counts each connection that it hit once, but for faults of a single reply or
COMMIT, which count every one.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

CHUNK: Final = 256 * 1024
# A connection that is cut this way hears RST, not the end of a stream.
RESET: Final = struct.pack("ii", 1, 0)
# What a narrow link takes in at once, and what a dribbling one carries.
NARROW_WINDOW: Final = 4096
NARROW_PIECE: Final = 1400
DRIBBLE_PIECE: Final = 64
DRIBBLE_SECONDS: Final = 0.002


@dataclass
class Fault:
    """One fault in force. ``chance`` is that of being hit, ``seconds`` how long something is held up."""

    kind: str
    chance: float = 1.0
    seconds: float = 0.0
    # How many commits it hits at most; None is all of them.
    times: int | None = None
    fired: int = 0
    hit: set[int] = field(default_factory=set)

    def strikes(self, connection: int) -> None:
        """Count a connection, once."""
        if connection not in self.hit:
            self.hit.add(connection)
            self.fired += 1


class Cut(Exception):
    """The connection ends here; ``first`` still goes through."""

    def __init__(self, first: bytes = b"") -> None:
        super().__init__()
        self.first = first


class Connection:
    """One client and its server. Subclasses look at what passes and may cut or mute the connection."""

    def __init__(self, proxy: Proxy, number: int, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.number = number
        self.client = client
        self.server = server
        # A muted connection stays open and carries nothing any more.
        self.muted = False
        self._narrowed: set[socket.socket] = set()

    def forth(self, data: bytes) -> bytes:
        """What goes on to the server. Raises Cut."""
        return data

    def back(self, data: bytes) -> bytes:
        """What goes on to the client. Raises Cut."""
        return data

    async def carry(self) -> None:
        """Until either side is gone."""
        forth = asyncio.create_task(self._pump(self.client, self.server, self.forth))
        back = asyncio.create_task(self._pump(self.server, self.client, self.back))
        try:
            ended, _ = await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
            if all(task.exception() is None for task in ended):
                # One side has left in good order: what it was sent shall still arrive.
                await asyncio.wait({forth, back}, timeout=0.2)
        finally:
            for task in (forth, back):
                task.cancel()
            await asyncio.gather(forth, back, return_exceptions=True)
            self.close()

    def reset_on_close(self) -> None:
        """Let both sides hear a reset, not the end of a stream."""
        for sock in (self.client, self.server):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def close(self) -> None:
        for sock in (self.client, self.server):
            sock.close()

    async def _pump(self, source: socket.socket, sink: socket.socket, look: Callable[[bytes], bytes]) -> None:
        loop = asyncio.get_running_loop()
        outward = source is self.client
        while data := await loop.sock_recv(source, self._largest(source)):
            if outward:
                self.proxy.spoke[self.number] = time.monotonic()
            try:
                data = look(data)
                await self._hold_up()
            except Cut as cut:
                await loop.sock_sendall(sink, cut.first)
                self.reset_on_close()
                raise
            if data and not self.muted:
                await self._deliver(sink, data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _largest(self, source: socket.socket) -> int:
        """How much to take in at once; the kernel is told how much it may take in before."""
        fault = self.proxy.fault
        if fault is None or fault.kind not in ("narrow", "dribble"):
            if source in self._narrowed:
                source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
                self._narrowed.remove(source)
            return CHUNK
        if source not in self._narrowed:
            source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_WINDOW)
            self._narrowed.add(source)
        return NARROW_PIECE

    async def _hold_up(self) -> None:
        """What the fault in force does to the piece that has come. Raises Cut."""
        fault = self.proxy.fault
        if fault is None:
            return
        if fault.kind == "latency":
            fault.strikes(self.number)
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "black_hole":
            fault.strikes(self.number)
            while self.proxy.fault is fault:
                await asyncio.sleep(0.005)
        elif fault.kind == "reset" and self.proxy.dice() < fault.chance:
            fault.strikes(self.number)
            raise Cut
        elif fault.kind == "narrow":
            fault.strikes(self.number)
            await asyncio.sleep(0)

    async def _deliver(self, sink: socket.socket, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        fault = self.proxy.fault
        if fault is None or fault.kind != "dribble":
            await loop.sock_sendall(sink, data)
            return
        fault.strikes(self.number)
        for start in range(0, len(data), DRIBBLE_PIECE):
            await loop.sock_sendall(sink, data[start : start + DRIBBLE_PIECE])
            if self.proxy.fault is fault:
                await asyncio.sleep(DRIBBLE_SECONDS)


class Proxy:
    """Listens on ``port`` of loopback and carries everything to ``target``, but for the fault in force."""

    connection: type[Connection] = Connection

    def __init__(self, target: tuple[str, int], dice: Callable[[], float]) -> None:
        self.target = target
        self.dice = dice
        self.fault: Fault | None = None
        self.open: dict[int, Connection] = {}
        # When each connection, gone or not, sent something last.
        self.spoke: dict[int, float] = {}
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.fault = None
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._listener.close()

    def begin(self, fault: Fault) -> Fault:
        """Put a fault in force; ``refuse`` also cuts what is open."""
        self.fault = fault
        if fault.kind == "refuse":
            self._call(self._refuse)
        return fault

    def end(self) -> None:
        """All is well again."""
        fault, self.fault = self.fault, None
        if fault is not None and fault.kind == "refuse":
            self._call(self._accept)

    def cut_all(self) -> None:
        """Reset every connection that is open."""
        self._call(self._cut_all)

    def spoke_since(self, moment: float) -> int:
        """How many connections have sent something since then."""
        return sum(at >= moment for at in list(self.spoke.values()))

    def _call(self, act: Callable[[], None]) -> None:
        done = threading.Event()

        def acting() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(acting)
        assert done.wait(10), "the proxy's loop stands still"

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
        listener.setblocking(False)
        return listener

    def _accept(self) -> None:
        if self._listener.fileno() < 0:
            self._listener = self._listen(self.port)
        self._accepting = self._loop.create_task(self._serve())

    def _refuse(self) -> None:
        assert self._accepting is not None and self.fault is not None
        self._accepting.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for number in self.open:
            self.fault.strikes(number)
        self._cut_all()

    def _cut_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        for connection in self.open.values():
            connection.reset_on_close()

    async def _serve(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            task = self._loop.create_task(self._lead(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _lead(self, client: socket.socket) -> None:
        """Dial the server for a client and carry; a black hole lets nobody through to it."""
        number = next(self._numbers)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket()
        server.setblocking(False)
        connection = self.connection(self, number, client, server)
        try:
            while (fault := self.fault) is not None and fault.kind == "black_hole":
                fault.strikes(number)
                await asyncio.sleep(0.005)
            await self._loop.sock_connect(server, self.target)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open[number] = connection
            await connection.carry()
        except OSError:
            pass
        finally:
            self.open.pop(number, None)
            connection.close()

    async def _end(self) -> None:
        tasks = [*self._tasks, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
