"""A small client of the game door: signs, sends, and gives back status and JSON.

``Door`` is the door inside this process, on an event loop in a thread of its own, so that tests
may use the database as they like. ``served`` starts real web workers and gives their ``Client``.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec
import uvicorn
from django.db import connection

from casino_pam.api.game import signing
from casino_pam.api.game.app import PREFIX, GameDoor
from casino_pam.api.game.directory import Directory
from casino_pam.engine.queue import PostingQueue
from casino_pam.local.os_support import PROJECT, free_port
from casino_pam.server.http_protocol import GAME_DOOR, BoundedHttp

Headers = list[tuple[bytes, bytes]]

METRICS_TOKEN = "0123456789-abcdefghijklmnopqrstuvwxyz"


def path_of(call: str) -> str:
    return f"{PREFIX}v1/{call}"


class Reply(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __getitem__(self, name: str) -> Any:
        return self.json[name]


def raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def signed(
    call: str, body: bytes, provider: str = "acme", secret: str | None = None, at: int | None = None
) -> dict[str, str]:
    """The headers with which ``provider`` of tests/scenario.py sends the body."""
    at = int(time.time()) if at is None else at
    own = signing.sign(provider, secret or f"{provider}-secret", path_of(call), at, body)
    return {"Host": "localhost", "Content-Type": "application/json", **own}


def asgi_headers(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


class Door:
    """The game door in this process. ``with Door() as door: door.post("bet", {...})``."""

    def __init__(self, posting_queue: PostingQueue | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.posting_queue = posting_queue or PostingQueue()

    def __enter__(self) -> Door:
        self.thread.start()
        self._run(self._open()).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self.posting_queue.stop()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def _run(self, coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    async def _open(self) -> None:
        self.posting_queue.start()
        self.game_door = GameDoor(self.posting_queue, Directory(pause=0))

    def post(self, call: str, body: Any, **signing_options: Any) -> Reply:
        """Sign and send one call. ``body`` is a dict, or bytes as they are."""
        return self.send(call, body, **signing_options).result()

    def send(self, call: str, body: Any, **signing_options: Any) -> Future[Reply]:
        """As ``post``, without waiting for the answer."""
        data = raw(body)
        return self.send_request("POST", path_of(call), signed(call, data, **signing_options), data)

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | Headers, body: bytes = b"", *, query: bytes = b""
    ) -> Reply:
        """Any request, as the server layer hands it over."""
        return self.send_request(method, path, headers, body, query=query).result()

    def send_request(
        self, method: str, path: str, headers: Mapping[str, str] | Headers, body: bytes, *, query: bytes = b""
    ) -> Future[Reply]:
        """As ``request``, without waiting for the answer."""
        named = asgi_headers(headers) if isinstance(headers, Mapping) else headers
        return self._run(self._answer(method, path.encode(), query, named, body))

    async def _answer(self, method: str, path: bytes, query: bytes, headers: Headers, body: bytes) -> Reply:
        where = self.game_door.route(path)
        whole = body if len(body) <= where.limit else None
        status, named, answer = await self.game_door.answer(where, method, path, query, headers, whole)
        return Reply(status, {name.decode(): value.decode() for name, value in named}, answer)


class Client:
    """A provider at a real server: one kept connection.

    ``server`` is there if it runs in this process.
    """

    def __init__(self, port: int, server: uvicorn.Server | None = None) -> None:
        self.port = port
        self.server = server
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(self, call: str, body: Any, **signing_options: Any) -> Reply:
        data = raw(body)
        self.connection.request("POST", path_of(call), data, signed(call, data, **signing_options))
        answer = self.connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, headers, answer.read())

    def dial(self) -> socket.socket:
        """A bare connection to the same server."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def as_bytes(call: str, body: Any, extra: str = "", **signing_options: Any) -> bytes:
    """A whole signed request as it goes over the wire; ``extra`` are further header lines."""
    data = raw(body)
    headers = {**signed(call, data, **signing_options), "Content-Length": str(len(data))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path_of(call)} HTTP/1.1\r\n{lines}{extra}\r\n".encode() + data


def until_closed(sock: socket.socket) -> bytes:
    """Everything the server sends until it closes the connection."""
    chunks = []
    try:
        while chunk := sock.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(chunks)


@contextmanager
def listening(http: type[BoundedHttp] = BoundedHttp, **options: Any) -> Iterator[Client]:
    """The door alone behind a real uvicorn, in a thread of this process."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", free_port()))
        config: dict[str, Any] = {"lifespan": "on", "log_config": None, "access_log": False, **options}
        posting_queue = PostingQueue()
        door = GameDoor(posting_queue, Directory(pause=0))

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "lifespan":
                # Nothing else is served here: a path that is no call's, or a socket.
                gone = [(b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 404, "headers": gone})
                await send({"type": "http.response.body", "body": b""})
                return
            scope["state"][GAME_DOOR] = door
            for message in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{message}.complete"})

        server = uvicorn.Server(uvicorn.Config(application, http=http, **config))

        async def serve() -> None:
            posting_queue.start()
            await server.serve(sockets=[sock])
            await posting_queue.stop()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive())
        try:
            yield Client(sock.getsockname()[1], server)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def served(workers: int = 2, **environment: str) -> Iterator[Client]:
    """Real web workers on the database of the test."""
    port = free_port()
    own = connection.settings_dict
    url = f"postgres://{own['USER']}:{quote(own['PASSWORD'])}@{own['HOST']}:{own['PORT']}/{own['NAME']}"
    variables = {"DATABASE_URL": url, "WEB_WORKERS": str(workers), "PLAIN_HTTP": "on", "DATABASE_POOL_SIZE": "4"}
    variables["METRICS_TOKEN"] = METRICS_TOKEN
    process = subprocess.Popen(
        [sys.executable, "-m", "casino_pam.server.web", f"127.0.0.1:{port}"],
        cwd=PROJECT,
        env={**os.environ, **variables, **environment},
    )
    try:
        wait_until(lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, "the web workers ended"
        yield Client(port)
    finally:
        process.terminate()
        process.wait(30)


def wait_until(happened: Callable[[], bool]) -> None:
    """Look until it has happened, for a minute at most."""
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until, "waited a minute in vain"
        time.sleep(0.02)


def _answers(port: int) -> bool:
    probe = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        probe.request("GET", "/healthz", headers={"Host": "localhost"})
        return probe.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        probe.close()
