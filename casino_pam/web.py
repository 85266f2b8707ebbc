"""`python -m casino_pam.web ADDRESS`: the web workers under uvicorn, in every set-up.

ADDRESS is `HOST:PORT`, or `fd:N` for a bound socket that the parent hands over.
"""

import os
import socket
import sys
import tempfile

import uvicorn
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from uvicorn.supervisors import Multiprocess

from casino_pam.connection import BoundedHttp
from casino_pam.live.wire import BoundedWebSocket


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
        loop="casino_pam.listening:Loop",
        http=BoundedHttp,
        lifespan="on",
        # Django's LOGGING formats uvicorn's lines too; each request is logged once, by django_structlog.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        ws=BoundedWebSocket,
        # Nothing a player's client says is needed; more than this is not even received.
        ws_max_size=4096,
        # Frames are a few hundred bytes: packing each of them for each socket would cost more than it saves.
        ws_per_message_deflate=False,
        # Longer than a provider's pool of connections usually leaves one idle: whoever closes first loses no call.
        timeout_keep_alive=75,
        # A worker that was told to leave waits this long for open sockets and slow clients.
        timeout_graceful_shutdown=10,
    )


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
    if len(argv) != 1:
        print("usage: python -m casino_pam.web HOST:PORT", file=sys.stderr)
        return 2
    try:
        config = configuration()
        sock = bound(argv[0])
    except (ImproperlyConfigured, OSError, ValueError) as error:
        print(f"Casino PAM cannot serve on {argv[0]}: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="casino-pam-metrics-") as folder, sock:
        # The workers add up their counters in files here.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        Multiprocess(config, sockets=[sock]).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
