"""One kept HTTP connection of a client, and how it signs: from the door's contract, not with the product's code."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from contextlib import suppress
from typing import Any, NamedTuple


class Silence(Exception):
    """No answer within the client's patience."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Line:
    """Opens a connection when there is none. Raises OSError when it breaks, Silence when nothing comes."""

    def __init__(self, port: int, patience: float) -> None:
        self.port = port
        self.patience = patience
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        try:
            async with asyncio.timeout(self.patience):
                return await self._exchange(method, path, headers, body)
        except TimeoutError:
            self.hang_up()
            raise Silence from None
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.hang_up()
            raise error if isinstance(error, OSError) else ConnectionResetError(str(error)) from error

    def hang_up(self) -> None:
        if self._writer is not None:
            with suppress(OSError, RuntimeError):
                self._writer.transport.abort()
        self._reader = self._writer = None

    async def _exchange(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**22)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        self._writer.write(head.encode() + body)
        await self._writer.drain()
        return await self._answer(self._reader)

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        raw = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            self.hang_up()
        return Answer(int(status_line.split(" ", 2)[1]), headers, json.loads(raw) if raw else None)


def signature(provider: str, secret: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of a signed call: HMAC-SHA256 over POST, path, seconds and body, joined by LF."""
    seconds = str(int(time.time()))
    message = b"\n".join((b"POST", path.encode(), seconds.encode(), body))
    digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Provider": provider,
        "X-Timestamp": seconds,
        "X-Signature": digest,
    }
