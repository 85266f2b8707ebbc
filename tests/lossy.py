"""A wire to PostgreSQL that can lose a COMMIT, or the reply to one."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Self

# A session prepares COMMIT once, under a name of its own, and then binds that name.
PREPARED = re.compile(rb"(casino_[0-9]+)\0COMMIT\0")


class LossyWire:
    """Listens on ``port`` and carries everything to and fro, but for the commits it is told to lose."""

    def __init__(self, host: str, port: int) -> None:
        self.far_end = (host, port)
        self.near_end = socket.create_server(("127.0.0.1", 0))
        self.port = self.near_end.getsockname()[1]
        self.lost = 0
        self.to_lose = 0
        self.what = ""
        self.counting = threading.Lock()

    def lose(self, what: str, *, times: int) -> None:
        """From now on lose the next commits: the ``request``, or the ``reply`` when it was carried out."""
        self.what, self.to_lose = what, times

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.near_end.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.near_end.accept()
                server = socket.create_connection(self.far_end)
                threading.Thread(target=self._forth, args=(client, server), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        """What the client says; what the server answers is carried by another thread until a commit is lost."""
        silenced = threading.Event()
        back = threading.Thread(target=self._back, args=(server, client, silenced), daemon=True)
        back.start()
        commit = b"never"
        with suppress(OSError), client, server:
            while said := client.recv(65536):
                if found := PREPARED.search(said):
                    commit = b"\0%b\0" % found[1]
                # The statement may be carried out in the very packet that prepares it.
                if commit in said and self._loses():
                    if self.what == "reply":
                        silenced.set()
                        server.sendall(said)
                        back.join()
                    break
                server.sendall(said)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, client: socket.socket, silenced: threading.Event) -> None:
        with suppress(OSError):
            while answered := server.recv(65536):
                if silenced.is_set():
                    # The commit was carried out; nobody shall hear of it.
                    break
                client.sendall(answered)

    def _loses(self) -> bool:
        with self.counting:
            if self.lost == self.to_lose:
                return False
            self.lost += 1
            return True
