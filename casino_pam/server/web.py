"""`python -m casino_pam.server.web ADDRESS`: the web workers under uvicorn, in every set-up.

ADDRESS is `HOST:PORT`, or `fd:N` for a bound socket that the parent hands over.
"""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

import structlog
import uvicorn
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.log import configure_logging
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from casino_pam.server.http_protocol import BoundedHttp
from casino_pam.server.ws_protocol import BoundedWebSocket

# By name: as the process's first module this one is called __main__.
log = structlog.get_logger("casino_pam.server.web")

# A worker that was told to leave waits so long for open sockets and slow clients.
GRACE_SECONDS: Final = 10
# Then it posts what it accepted; whoever is still there after so much longer does not hear us.
LEAVING_SECONDS: Final = 10
# A worker that owes its supervisor an answer for so long is killed and replaced.
SILENCE_SECONDS: Final = 5
# Until its first answer it loads its code, which on a busy machine takes longer than any answer may.
LOADING_SECONDS: Final = 60


class Supervisor(Multiprocess):
    """Uvicorn's, which replaces workers that died or fell silent; this one says so, and has it counted."""

    def __init__(self, config: uvicorn.Config, sock: socket.socket, count: Callable[[str], None]) -> None:
        super().__init__(config, sockets=[sock])
        self._count = count
        self._awake: WeakSet[Process] = WeakSet()
        self._asked: WeakKeyDictionary[Process, float] = WeakKeyDictionary()

    def keep_subprocess_alive(self) -> None:
        """Look after every worker once."""
        for index, worker in enumerate(self.processes):
            silent = self._silent(worker)
            if not silent and worker.process.is_alive():
                continue
            worker.kill()
            worker.process.join()
            self._report(worker, silent=silent)
            if worker.exitcode == STARTUP_FAILURE:
                # Every other would fail like this one.
                self.should_exit.set()
                return
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()

    def join_all(self) -> None:
        """Wait for workers that were told to leave, and kill whom it does not reach: a frozen one would keep us."""
        until = time.monotonic() + GRACE_SECONDS + LEAVING_SECONDS
        for worker in self.processes:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.join()
                self._report(worker, silent=True)

    def _silent(self, worker: Process) -> bool:
        """Whether a worker has owed us an answer for too long. Nobody waits here: the others are to be looked after."""
        now = time.monotonic()
        if worker not in self._asked:
            worker.parent_conn.send(b"ping")
        asked = self._asked.setdefault(worker, now)
        if worker.parent_conn.poll():
            worker.parent_conn.recv()
            del self._asked[worker]
            self._awake.add(worker)
            return False
        patience = SILENCE_SECONDS if worker in self._awake else LOADING_SECONDS
        return now - asked > patience and worker.process.is_alive()

    def _report(self, worker: Process, *, silent: bool) -> None:
        code = worker.exitcode or 0
        # multiprocessing writes the signal that ended a process as a negative code.
        ending = {"exit_code": code} if code >= 0 else {"signal": signal.Signals(-code).name}
        cause = "silence" if silent else "exit" if code >= 0 else "signal"
        log.error("worker_died", pid=worker.pid, cause=cause, **ending)
        self._count(cause)


def bound(address: str) -> socket.socket:
    """The socket to listen on. Raises OSError when the port is taken, ValueError on another shape of address."""
    host, _, number = address.rpartition(":")
    if host == "fd":
        return socket.socket(fileno=int(number))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, int(number)))
    return sock


def configuration() -> uvicorn.Config:
    """Uvicorn's options; what differs between machines comes from the settings. Raises ImproperlyConfigured."""
    if settings.UNTOLD:
        raise ImproperlyConfigured("DATABASE_URL is not set. Set it, or start everything with `make run`.")
    return uvicorn.Config(
        "casino_pam.asgi:application",
        workers=settings.WEB_WORKERS,
        loop="casino_pam.server.accept:Loop",
        http=BoundedHttp,
        lifespan="on",
        # Django's LOGGING formats uvicorn's lines too; each request is logged once, by django_structlog.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        ws=BoundedWebSocket,
        # A pipelined request is begun by the end of the one before: else it had that one's deadline, and a thread of
        # its own that nobody ends.
        reset_contextvars=True,
        # Nothing a player's client says is needed; more than this is not even received.
        ws_max_size=4096,
        # Frames are a few hundred bytes: packing each of them for each socket would cost more than it saves.
        ws_per_message_deflate=False,
        # Longer than a provider's pool of connections usually leaves one idle: whoever closes first loses no call.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        # Uvicorn waits so long for a new worker that is to take the place of an old one.
        timeout_worker_healthcheck=LOADING_SECONDS,
    )


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
    if len(argv) != 1:
        print("usage: python -m casino_pam.server.web HOST:PORT", file=sys.stderr)
        return 2
    try:
        # The workers do this for themselves; the supervisor never loads Django as a whole.
        configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
        config = configuration()
        sock = bound(argv[0])
    except (ImproperlyConfigured, OSError, ValueError, OverflowError) as error:
        print(f"Casino PAM cannot serve on {argv[0]}: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="casino-pam-metrics-") as folder, sock:
        # The workers add up their counters in files here.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        # Not before: prometheus_client asks for the folder when it is loaded.
        from casino_pam import metrics

        Supervisor(config, sock, metrics.worker_deaths()).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
