"""`make run`: PostgreSQL and Valkey where none was told, migrations, demo data, and the web on :8080."""

import http.client
import io
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from casino_pam import demo
from casino_pam.local.os_support import PROJECT, CannotStart, adopt_orphans, end_group, lasting_place, listening, spawn
from casino_pam.local.servers import PostgreSQL, Server, Servers, Valkey

PORT = 8080
WEB_START_SECONDS = 120
# Longer than the workers' own patience with open sockets.
WEB_STOP_SECONDS = 20
# Jobs that cannot start are tried again so often.
JOBS_PAUSE_SECONDS = 10


class Stopped(Exception):
    """Somebody asked us to stop: Ctrl-C, SIGTERM, or the terminal was closed."""


def stop_on_signals() -> None:
    """Also where a shell had SIGINT ignored for us, as it does for what it starts with `&`."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Stopping is under way and bounded; a second Ctrl-C must not leave processes behind.
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)


def claimed(port: int) -> socket.socket:
    """The port, ours from now until we end. Raises CannotStart."""
    try:
        return listening(port)
    except OSError:
        raise CannotStart(f"Port {port} on 127.0.0.1 is taken: stop what listens there, then run this again.") from None


def start_servers(servers: Servers) -> None:
    """Start what the environment does not name, and put everything settings need into the environment."""
    wanted: list[Server] = []
    if "DATABASE_URL" not in os.environ:
        wanted.append(PostgreSQL(servers.place))
        # Known passwords belong into a database of our own making only.
        os.environ.setdefault("DEMO", "on")
    if "REDIS_URL" not in os.environ:
        wanted.append(Valkey(servers.place))
    servers.start(*wanted)
    for name, value in servers.environment.items():
        os.environ.setdefault(name, value)


@contextmanager
def settings_for_manage_py(servers: Servers) -> Iterator[None]:
    """While we run the settings lie where manage.py in another terminal finds them, for our account only."""
    path = PROJECT / ".data" / "env"
    names = sorted({*servers.environment, "DATABASE_URL", "REDIS_URL", "BASE_URL", "DEMO"} & set(os.environ))
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={shlex.quote(os.environ[name])}\n" for name in names))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def prepare() -> None:
    """Migrations and static files."""
    os.environ |= {"DATABASE_STATEMENT_SECONDS": "0", "DATABASE_POOL_SIZE": "0"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def demo_logins() -> str:
    """Load what is missing of the demo's data, on a machine of our own; returns its logins, to be printed."""
    printed = io.StringIO()
    if settings.DEMO:
        call_command("demo", stdout=printed)
    return printed.getvalue()


class Part:
    """A program of ours that runs beside this one, until the block is left."""

    process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Let it finish what it accepted, then end whatever is left of it."""
        with suppress(subprocess.TimeoutExpired):
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(WEB_STOP_SECONDS)
        end_group(self.process.pid)


class Web(Part):
    """The web workers on a socket of ours."""

    def __init__(self, sock: socket.socket, environment: dict[str, str]) -> None:
        self.sock = sock
        fd = sock.fileno()
        self.process = spawn(
            [sys.executable, "-m", "casino_pam.server.web", f"fd:{fd}"],
            stop_signal=signal.SIGTERM,
            env=environment | {"PYTHONPATH": str(PROJECT)},
            pass_fds=(fd,),
        )

    def wait_until_it_answers(self) -> None:
        """Raises CannotStart when it ends instead."""
        until = time.monotonic() + WEB_START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise CannotStart("The web workers did not start; what is above says why.")
            time.sleep(0.1)

    def answers(self) -> bool:
        host, port = self.sock.getsockname()
        connection = http.client.HTTPConnection(host, port, timeout=2)
        try:
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Jobs(Part):
    """What runs by the clock: `manage.py run_jobs`, started again where it ended."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment | {"PYTHONPATH": str(PROJECT)}
        self._started = 0.0
        self.start()

    def start(self) -> None:
        self._started = time.monotonic()
        argv = [sys.executable, str(PROJECT / "manage.py"), "run_jobs"]
        self.process = spawn(argv, stop_signal=signal.SIGTERM, env=self._environment)

    def look_after(self) -> None:
        """Start it again, but not over and over without a pause."""
        if self.process.poll() is not None and time.monotonic() > self._started + JOBS_PAUSE_SECONDS:
            print("The jobs ended and are started again.", flush=True)
            self.start()


def where_to_look(servers: Servers) -> str:
    base = settings.BASE_URL
    lines = [
        "",
        f"Casino PAM runs on {base}",
        f"  admin      {base}/admin/",
        f"  API        {base}/api/docs/",
        f"  health     {base}/healthz  {base}/readyz",
    ]
    if settings.DEMO:
        lines += ["Providers of each dialect, and the cases that they must pass:"]
        lines += [
            f"  {dialect:<12} {demo.address(code)}  .venv/bin/python manage.py certify {code}"
            for code, dialect in demo.PROVIDERS.items()
        ]
    lines += [f"  {server.name:<10} 127.0.0.1:{server.port}, data in {server.data}" for server in servers.running]
    lines += ["Another terminal: .venv/bin/python manage.py help. Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def watch(web: Web, jobs: Jobs, servers: Servers) -> None:
    """Start a server again that died; raise CannotStart when that, or the web, cannot be mended."""
    while True:
        if web.process.poll() is not None:
            raise CannotStart("The web workers ended; what is above says why.")
        jobs.look_after()
        for server in servers.running:
            if not server.alive():
                print(f"{server.name} died and is started again.", flush=True)
                before = server.url
                server.start()
                if server.url != before:
                    raise CannotStart(f"{server.name} lost its port to another program: run this again.")
        time.sleep(0.3)


def run(port: int) -> None:
    """Everything, until a signal. Raises Stopped or CannotStart."""
    with claimed(port) as sock, Servers(lasting_place()) as servers:
        start_servers(servers)
        os.environ.setdefault("BASE_URL", f"http://127.0.0.1:{port}")
        environment = dict(os.environ)
        with settings_for_manage_py(servers):
            prepare()
            with Web(sock, environment) as web:
                # Meanwhile the workers start; the jobs can wait until they are there.
                logins = demo_logins()
                web.wait_until_it_answers()
                with Jobs(environment) as jobs:
                    print(logins + where_to_look(servers), flush=True)
                    watch(web, jobs, servers)


def valid_port(text: str) -> int:
    """Raises CannotStart."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65_536):
        raise CannotStart(f"{text!r} is no port from 1 to 65535.")
    return int(text)


def main(argv: list[str]) -> int:
    """Serve on :8080, or on the port given, until stopped; 1 and one line when that cannot be."""
    try:
        port = valid_port(argv[0]) if argv else PORT
        stop_on_signals()
        adopt_orphans()
        run(port)
    except Stopped:
        print("Casino PAM has stopped.")
    except (CannotStart, CommandError, ImproperlyConfigured, OSError) as error:
        print(f"Casino PAM cannot run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
