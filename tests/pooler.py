"""What stands between many clients and few connections of PostgreSQL: PgBouncer in transaction mode.

A real one where this machine has one of 1.21 or newer (PGBOUNCER names it, or PATH has it); else ``Double``, which
keeps the same rules at the wire and is stricter where a real one may be lenient: each transaction of a client runs on
another server connection than the one before, and nothing of a session is put back.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import psycopg

from casino_pam.local.os_support import as_account, free_port, server_account

# What a client may ask for at its start; PgBouncer refuses everything else.
KNOWN: Final = frozenset(
    ("user", "database", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings", "application_name")
)
# What a server reports, for a client to read.
REPORTED: Final = (
    *("server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes"),
    *("standard_conforming_strings", "is_superuser", "session_authorization", "in_hot_standby", "IntervalStyle"),
)
SSL, GSS, CANCEL = 80877103, 80877104, 80877102
WAIT_SECONDS = 10.0


class Message(NamedTuple):
    kind: bytes
    body: bytes

    def raw(self) -> bytes:
        return self.kind + struct.pack("!i", len(self.body) + 4) + self.body


class Reader:
    """Whole messages from a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._data = b""

    def exactly(self, count: int) -> bytes:
        while len(self._data) < count:
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionError("the other side has left")
            self._data += piece
        found, self._data = self._data[:count], self._data[count:]
        return found

    def message(self) -> Message:
        kind = self.exactly(1)
        (length,) = struct.unpack("!i", self.exactly(4))
        return Message(kind, self.exactly(length - 4))


class ServerConnection:
    """One connection to PostgreSQL, opened by libpq and spoken to directly afterwards."""

    def __init__(self, url: str) -> None:
        self.libpq = psycopg.connect(url, autocommit=True, application_name="pooler")
        self.sock = socket.socket(fileno=os.dup(self.libpq.pgconn.socket))
        self.sock.setblocking(True)
        self.reader = Reader(self.sock)
        # The names that are known to be prepared here.
        self.prepared: set[bytes] = set()

    def close(self) -> None:
        self.sock.close()
        self.libpq.pgconn.finish()


class Exchange:
    """What a client sent up to a Sync or a Query, as it goes to a server, and which answers the client is told."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        # For each ParseComplete and CloseComplete to come, whether the client asked for it.
        self.expected: deque[bool] = deque()
        self.parsed: set[bytes] = set()


class Double:
    """Transaction pooling at the wire. ``keeps_statements`` is PgBouncer's max_prepared_statements above 0."""

    def __init__(
        self, url: str, size: int = 2, *, keeps_statements: bool = True, ignores: tuple[str, ...] = ()
    ) -> None:
        self.keeps_statements = keeps_statements
        self._ignores = KNOWN.union(ignores)
        self._url = url
        self._idle = deque(ServerConnection(url) for _ in range(size))
        self._free = threading.Condition()
        self._names: dict[bytes, bytes] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.switches = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        with self._free:
            for server in self._idle:
                server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ConnectionError, struct.error), sock:
            if self._welcome(sock):
                Client(self, sock).run()

    def _welcome(self, sock: socket.socket) -> bool:
        reader = Reader(sock)
        while True:
            length, code = struct.unpack("!ii", reader.exactly(8))
            body = reader.exactly(length - 8)
            if code == CANCEL:
                return False
            if code not in (SSL, GSS):
                break
            sock.sendall(b"N")
        words = body.rstrip(b"\0").split(b"\0")
        asked = {name.decode() for name in words[::2]}
        if unknown := asked - self._ignores:
            text = f"unsupported startup parameter: {min(unknown)}"
            sock.sendall(Message(b"E", b"SFATAL\0C08P01\0M" + text.encode() + b"\0\0").raw())
            return False
        with self._free:
            pgconn = self._idle[0].libpq.pgconn if self._idle else None
        told = [(name, pgconn.parameter_status(name.encode()) if pgconn else None) for name in REPORTED]
        sock.sendall(
            Message(b"R", struct.pack("!i", 0)).raw()
            + b"".join(Message(b"S", name.encode() + b"\0" + value + b"\0").raw() for name, value in told if value)
            + Message(b"K", struct.pack("!ii", random.getrandbits(31), 7)).raw()
            + Message(b"Z", b"I").raw()
        )
        return True

    def lend(self, before: ServerConnection | None) -> ServerConnection:
        """A server connection, another one than before wherever there is one."""
        with self._free:
            if not self._free.wait_for(lambda: self._idle, WAIT_SECONDS):
                raise ConnectionError("query_wait_timeout")
            server = next((each for each in self._idle if each is not before), self._idle[0])
            self._idle.remove(server)
            self.switches += server is not before
            return server

    def take_back(self, server: ServerConnection, *, broken: bool) -> None:
        if broken:
            server.close()
            server = ServerConnection(self._url)
        with self._free:
            self._idle.append(server)
            self._free.notify()

    def name_of(self, parse: bytes) -> bytes:
        """The pooler's own name of a statement; the same for the same text and types."""
        with self._free:
            return self._names.setdefault(parse, b"PGBOUNCER_%d" % len(self._names))


class Client:
    """One client's side, in a thread of its own."""

    def __init__(self, pooler: Double, sock: socket.socket) -> None:
        self._pooler = pooler
        self._sock = sock
        self._reader = Reader(sock)
        self._statements: dict[bytes, bytes] = {}
        self._server: ServerConnection | None = None
        self._last: ServerConnection | None = None

    def run(self) -> None:
        try:
            while True:
                self._one_exchange(self._reader.message())
        finally:
            # Whoever leaves in the middle of a transaction takes the server's connection along.
            if self._server is not None:
                self._pooler.take_back(self._server, broken=True)

    def _one_exchange(self, message: Message) -> None:
        if message.kind == b"X":
            raise ConnectionError("terminated")
        server = self._server = self._server or self._pooler.lend(self._last)
        exchange = Exchange()
        while True:
            self._put(exchange, server, message)
            if message.kind in (b"S", b"Q"):
                break
            message = self._reader.message()
        server.sock.sendall(b"".join(exchange.out))
        status = self._pass_on(exchange, server)
        if status == b"I":
            self._last, self._server = server, None
            self._pooler.take_back(server, broken=False)

    def _put(self, exchange: Exchange, server: ServerConnection, message: Message) -> None:
        """Rename what names a prepared statement, and prepare it where this server has not seen it."""
        kind, body = message
        if not self._pooler.keeps_statements:
            exchange.expected.extend([True] * (kind in b"PC"))
        elif kind == b"P":
            name, rest = body.split(b"\0", 1)
            if name:
                self._statements[name] = rest
                self._prepare(exchange, server, rest, told=True)
                return
            exchange.expected.append(True)
        elif kind == b"B":
            portal, name, rest = body.split(b"\0", 2)
            if name:
                body = portal + b"\0" + self._known(exchange, server, name) + b"\0" + rest
        elif kind in (b"D", b"C") and body[:1] == b"S" and len(body) > 2:
            if kind == b"C":
                exchange.expected.append(True)
                self._statements.pop(body[1:-1], None)
                body = b"Snever prepared\0"
            else:
                body = b"S" + self._known(exchange, server, body[1:-1]) + b"\0"
        elif kind == b"C":
            exchange.expected.append(True)
        exchange.out.append(Message(kind, body).raw())

    def _known(self, exchange: Exchange, server: ServerConnection, name: bytes) -> bytes:
        statement = self._statements.get(name)
        if statement is None:
            return name
        own = self._pooler.name_of(statement)
        if own not in server.prepared | exchange.parsed:
            self._prepare(exchange, server, statement, told=False)
        return own

    def _prepare(self, exchange: Exchange, server: ServerConnection, statement: bytes, *, told: bool) -> None:
        own = self._pooler.name_of(statement)
        exchange.out.append(Message(b"C", b"S" + own + b"\0").raw())
        exchange.out.append(Message(b"P", own + b"\0" + statement).raw())
        exchange.expected.extend((False, told))
        server.prepared.discard(own)
        exchange.parsed.add(own)

    def _pass_on(self, exchange: Exchange, server: ServerConnection) -> bytes:
        """Give the client its answers; the state of the transaction after them."""
        told: list[bytes] = []
        failed = False
        while True:
            message = server.reader.message()
            failed = failed or message.kind == b"E"
            wanted = message.kind not in (b"1", b"3") or exchange.expected.popleft()
            if wanted:
                told.append(message.raw())
            if message.kind == b"Z":
                break
        if not failed:
            server.prepared |= exchange.parsed
        self._sock.sendall(b"".join(told))
        return message.body


# --- a real one ------------------------------------------------------------------------------


def real_pgbouncer() -> str | None:
    """A PgBouncer of 1.21 or newer, if this machine has one."""
    found = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer")
    if not found:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"PgBouncer (\d+)\.(\d+)", told)
    return found if version and tuple(map(int, version.groups())) >= (1, 21) else None


_INI: Final = """
[databases]
* = host=127.0.0.1 port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
server_round_robin = 1
max_prepared_statements = {statements}
ignore_startup_parameters = {ignores}
max_client_conn = 200
"""


class RealPgBouncer:
    """As ``Double``, the real thing; its folder is the caller's."""

    def __init__(
        self, binary: str, folder: Path, url: str, size: int, *, keeps_statements: bool, ignores: tuple[str, ...]
    ) -> None:
        self.port = free_port()
        parts = urlsplit(url)
        text = _INI.format(
            port=parts.port,
            user=parts.username,
            password=parts.password,
            own=self.port,
            size=size,
            statements=200 if keeps_statements else 0,
            ignores=", ".join(("extra_float_digits", *ignores)),
        )
        file = folder / f"pgbouncer-{self.port}.ini"
        file.write_text(text)
        file.chmod(0o644)
        self._process = subprocess.Popen(
            [binary, "-q", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **as_account(server_account()),
        )
        until = time.monotonic() + WAIT_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None and time.monotonic() < until, "PgBouncer did not start"
            time.sleep(0.02)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def pooler(
    url: str, folder: Path, size: int = 2, *, keeps_statements: bool = True, ignores: tuple[str, ...] = ()
) -> Iterator[Any]:
    """PgBouncer, or what keeps its rules, before the PostgreSQL at ``url``; ``port`` is where it listens."""
    binary = real_pgbouncer()
    opened: Double | RealPgBouncer
    if binary:
        opened = RealPgBouncer(binary, folder, url, size, keeps_statements=keeps_statements, ignores=ignores)
    else:
        opened = Double(url, size, keeps_statements=keeps_statements, ignores=ignores)
    try:
        yield opened
    finally:
        opened.close()


def through(url: str, port: int) -> str:
    """The address with another port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
