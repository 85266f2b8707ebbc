"""Connections are shared out among those who listen, and come again after a time without room."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from casino_pam.server import accept
from casino_pam.server.accept import Listener, Loop


class Full:
    """A socket whose next accept finds no room for another open file."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.times = 1

    def accept(self) -> Any:
        if self.times:
            self.times -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.real.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def run(scene: Callable[[Loop, socket.socket], Any]) -> None:
    loop = Loop()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        try:
            loop.run_until_complete(asyncio.wait_for(scene(loop, sock), 30))
        finally:
            loop.close()


async def arrived(taken: list[Any], count: int) -> None:
    while len(taken) < count:
        await asyncio.sleep(0.001)


def test_two_who_listen_on_one_socket_share_what_comes() -> None:
    async def scene(loop: Loop, sock: socket.socket) -> None:
        taken: list[str] = []

        def factory(name: str) -> Callable[[], asyncio.Protocol]:
            def made() -> asyncio.Protocol:
                taken.append(name)
                return asyncio.Protocol()

            return made

        listeners = [Listener(loop, factory(name), sock.dup(), 100) for name in ("one", "other")]
        clients = [socket.create_connection(sock.getsockname()) for _ in range(20)]
        await arrived(taken, 20)
        assert min(taken.count("one"), taken.count("other")) >= 5
        for closing in [*listeners, *(listener.sockets[0] for listener in listeners), *clients]:
            closing.close()

    run(scene)


@pytest.mark.parametrize("full", [False, True])
def test_takes_what_waits_and_looks_again_when_there_was_no_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, full: bool
) -> None:
    monkeypatch.setattr(accept, "FULL_SECONDS", 0.01)

    async def scene(loop: Loop, sock: socket.socket) -> None:
        taken: list[asyncio.Protocol] = []

        def made() -> asyncio.Protocol:
            taken.append(asyncio.Protocol())
            return taken[-1]

        listener = Listener(loop, made, Full(sock) if full else sock, 100)  # type: ignore[arg-type]
        with socket.create_connection(sock.getsockname()):
            await arrived(taken, 1)
        listener.close()
        await listener.wait_closed()

    run(scene)
    assert [record.levelname for record in caplog.records] == ["CRITICAL"] * full


def test_takes_nobody_once_it_is_closed() -> None:
    async def scene(loop: Loop, sock: socket.socket) -> None:
        taken: list[int] = []
        listener = await loop.create_server(lambda: taken.append(1) or asyncio.Protocol(), sock=sock, backlog=5)  # type: ignore[func-returns-value]
        with socket.create_connection(sock.getsockname()):
            await arrived(taken, 1)
            # The pause after a connection ends after the listener was closed.
            listener.close()
            with suppress(TimeoutError), socket.create_connection(sock.getsockname()):
                await asyncio.sleep(0.02)
        assert taken == [1]

    run(scene)
