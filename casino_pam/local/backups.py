"""Base backups, an archive of the write-ahead log, and recovery to an instant, with PostgreSQL's own programs.

A folder holds both: ``base/`` a copy of the whole cluster for each backup, ``log/`` every segment since. A recovery is
always a new server beside the old one: what it finds is looked at before anybody is served from it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import psycopg

from casino_pam.local.os_support import CannotStart, Place, passing_place, postgresql_binaries, spawn
from casino_pam.local.servers import PostgreSQL, Servers

# PostgreSQL keeps for it what the archive has not taken yet, however long it was away.
SLOT: Final = "casino_pam_archive"
_NAMES: Final = "%Y%m%dT%H%M%SZ"
_first_segment = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)


def taken(folder: Path) -> dict[datetime, Path]:
    """The base backups of a folder, oldest first, by the instant at which each was complete."""
    found = {}
    for path in sorted((folder / "base").glob("*Z")):
        found[datetime.strptime(path.name, _NAMES).replace(tzinfo=UTC)] = path
    return found


def take(folder: Path, url: str) -> Path:
    """Copy the whole cluster, and prove the copy against its manifest. Raises CannotStart.

    The role of ``url`` needs REPLICATION. Play goes on meanwhile.
    """
    base = folder / "base"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = base / "unfinished"
    shutil.rmtree(fresh, ignore_errors=True)
    _run(["pg_basebackup", "-D", str(fresh), "-c", "fast", "--manifest-checksums=SHA256"], url)
    _run(["pg_verifybackup", "--quiet", str(fresh)], url)
    # Named by a second that is after its end: it is of no use for an instant before.
    done = base / (datetime.now(UTC) + timedelta(seconds=1)).strftime(_NAMES)
    fresh.rename(done)
    return done


def archive(folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Take the log as it is written, for as long as the process lives; begun anew, it goes on where it ended.

    The role of ``url`` needs REPLICATION.
    """
    log = folder / "log"
    log.mkdir(parents=True, exist_ok=True, mode=0o700)
    slot = ["--slot", SLOT]
    _run(["pg_receivewal", *slot, "--create-slot", "--if-not-exists"], url)
    program = [*_program("pg_receivewal"), "-D", str(log), *slot, "--synchronous"]
    return spawn(program, stop_signal=signal.SIGTERM, env=_environment(url))


class Recovered(PostgreSQL):
    """A server that begins as a base backup and carries the log out up to ``until``, or as far as there is any."""

    name = "recovered"

    def __init__(self, place: Place, folder: Path, url: str, until: datetime | None) -> None:
        super().__init__(place, 0)
        self._folder = folder
        self._until = until
        self._role = urlsplit(url)

    @property
    def url(self) -> str:
        """The address, with the role, the password and the database of the server that was lost."""
        role = self._role
        return role._replace(netloc=f"{role.username}:{role.password}@127.0.0.1:{self.port}").geturl()

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True, connect_timeout=5)

    def _initdb(self) -> None:
        usable = [
            path for instant, path in taken(self._folder).items() if self._until is None or instant <= self._until
        ]
        if not usable:
            raise CannotStart(f"There is no base backup in {self._folder} that was complete by then.")
        # With its own words in place of the machine's that was lost: files of that one may be elsewhere.
        shutil.copytree(usable[-1], self.cluster, symlinks=True, ignore=shutil.ignore_patterns("backup_manifest"))
        log = self.data / "log"
        log.mkdir()
        begins = _first_segment.findall((self.cluster / "backup_label").read_text())[0]
        for segment in (self._folder / "log").iterdir():
            if segment.name >= begins:
                shutil.copy2(segment, log)
        settings = [
            # The newest segment is still being written to when the server is lost.
            f'restore_command = \'cp "{log}/%f" "%p" || cp "{log}/%f.partial" "%p"\'',
            "recovery_target_timeline = 'current'",
            # Nobody looks in before it is through.
            "hot_standby = off",
        ]
        if self._until is not None:
            settings += [f"recovery_target_time = '{self._until.isoformat()}'", "recovery_target_action = 'promote'"]
        (self.cluster / "postgresql.conf").write_text("\n".join(settings) + "\n")
        (self.cluster / "postgresql.auto.conf").write_text("")
        (self.cluster / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        (self.cluster / "pg_ident.conf").write_text("")
        (self.cluster / "recovery.signal").touch()
        self.cluster.chmod(0o700)
        for path in (self.cluster, *self.cluster.rglob("*"), log, *log.rglob("*")):
            if not path.is_symlink():
                self.place.give(path)

    def _create_database(self) -> None:
        """It has the one that was lost."""


@contextmanager
def recovered(folder: Path, url: str, until: datetime | None) -> Iterator[Recovered]:
    """A throw-away server with what ``url`` led to at the instant. Raises CannotStart."""
    with Servers(passing_place()) as servers:
        server = Recovered(servers.place, folder, url, until)
        servers.start(server)
        yield server


def _program(name: str) -> list[str]:
    return [str(postgresql_binaries().executable.with_name(name))]


def _environment(url: str) -> dict[str, str]:
    """Libpq's variables: a command line, with the password in it, is for everyone to read."""
    parts = urlsplit(url)
    found = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port or 5432),
        "PGUSER": parts.username and unquote(parts.username),
        "PGPASSWORD": parts.password and unquote(parts.password),
    }
    return {"PATH": os.defpath, "LC_ALL": "C"} | {name: value for name, value in found.items() if value}


def _run(argv: list[str], url: str) -> None:
    name, *arguments = argv
    done = subprocess.run(
        [*_program(name), *arguments], env=_environment(url), capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise CannotStart(f"{name} failed: {done.stderr.strip()}")
