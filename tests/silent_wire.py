"""A wire to PostgreSQL that can be long, or fall silent: what is sent then arrives nowhere, and nobody is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self


class Wire:
    """Listens on ``port`` and carries everything to and fro, but while it is ``cut``.

    What is said on it arrives after ``delay`` seconds, either way.
    """

    def __init__(self, far_end: tuple[str, int], *, delay: float = 0.0) -> None:
        self._far_end = far_end
        self._delay = delay
        self._near_end = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._whole = threading.Event()
        self._whole.set()
        self.taken = 0
        self.port: int = self._near_end.getsockname()[1]

    @contextmanager
    def cut(self, *, lost: bool = False) -> Iterator[None]:
        """Carry nothing. Afterwards what was held up goes on, or is ``lost`` with the connections it was sent on."""
        self._whole.clear()
        try:
            yield
        finally:
            if lost:
                # Whoever was connected talks to nobody for ever; who comes now is served.
                self._whole = threading.Event()
            self._whole.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._near_end.close()
        self._whole.set()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._near_end.accept()
                self.taken += 1
                threading.Thread(target=self._serve, args=(client, self._whole), daemon=True).start()

    def _serve(self, client: socket.socket, whole: threading.Event) -> None:
        whole.wait()
        try:
            server = socket.create_connection(self._far_end)
        except OSError:
            client.close()
            return
        threading.Thread(target=_carry, args=(server, client, whole, self._delay), daemon=True).start()
        _carry(client, server, whole, self._delay)


def _carry(here: socket.socket, there: socket.socket, whole: threading.Event, delay: float) -> None:
    with suppress(OSError):
        while heard := here.recv(65536):
            whole.wait()
            # What follows a message within the delay is said in answer to nothing, so it may travel with it.
            time.sleep(delay)
            there.sendall(heard)
    # Whichever side ended, the other one is told.
    for end in (here, there):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
