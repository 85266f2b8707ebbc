"""Servers whose database is migrated already: each a copy of one cluster that all tests share.

Making a cluster and migrating it takes five seconds of a core, copying one a tenth of a second.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casino_pam.local.os_support import PROJECT, Place, passing_place
from casino_pam.local.servers import PostgreSQL, Servers, Valkey, passing_servers

# Where the cluster is, or will be once somebody needs it; pytest-xdist's workers inherit the name.
VARIABLE = "CASINO_PAM_TEST_CLUSTER"
_SECRETS = ("postgresql-superuser.secret", "postgresql-casino.secret")


@contextmanager
def shared_cluster() -> Iterator[None]:
    """For the time of the block there is a place for the cluster that is copied."""
    folder = tempfile.mkdtemp(prefix="casino-pam-cluster-")
    os.environ[VARIABLE] = folder
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        shutil.rmtree(folder)


class CopiedPostgreSQL(PostgreSQL):
    """A cluster that was made and migrated elsewhere, with the passwords it was made with."""

    def __init__(self, place: Place, port: int, original: Path) -> None:
        for name in _SECRETS:
            shutil.copy2(original / name, place.folder / name)
        super().__init__(place, port)
        self._original = original

    def _initdb(self) -> None:
        _copy(self._original / "cluster", self.cluster)


@contextmanager
def prepared_servers(*, redis: bool = True) -> Iterator[Servers]:
    """As ``passing_servers()``, with the product's tables in the database."""
    original = _made_once(Path(os.environ[VARIABLE]))
    with Servers(passing_place()) as servers:
        servers.start(CopiedPostgreSQL(servers.place, 0, original))
        if redis:
            servers.start(Valkey(servers.place, port=0))
        yield servers


def _made_once(folder: Path) -> Path:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "cluster").exists():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    # Settings want a Redis as well, though migrations ask none.
    with passing_servers() as servers:
        server, _ = servers.running
        settings = servers.environment | {"DATABASE_POOL_SIZE": "0", "DJANGO_SETTINGS_MODULE": "casino_pam.settings"}
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=PROJECT, env=os.environ | settings, check=True)
        server.stop()
        for name in _SECRETS:
            shutil.copy2(servers.place.folder / name, folder / name)
        _copy(server.data / "cluster", folder / "cluster.new")
        (folder / "cluster.new").rename(folder / "cluster")


def _copy(source: Path, target: Path) -> None:
    """With owners and modes: shutil's copies belong to whoever copies."""
    subprocess.run(["cp", "-a", source, target], check=True)
