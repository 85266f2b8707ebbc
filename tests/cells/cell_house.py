"""Two cells in one database and on one Valkey, each served as a house of its own; what they call things is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import redis

from casino_pam.local.os_support import PROJECT
from casino_pam.local.servers import PostgreSQL, Servers
from tests.doors import OPERATOR
from tests.running_system import RunningSystem, WebGroup

NAMES: Final = ("north", "south")


class Cell(NamedTuple):
    """A running cell, and the cookie of its operator's session."""

    name: str
    house: RunningSystem
    environment: dict[str, str]
    session: str

    @property
    def web(self) -> WebGroup:
        return WebGroup(self.house.port, Path(os.devnull))


def administrator(servers: Servers, url: str = "") -> dict[str, str]:
    """The environment of who may make cells: the superuser's, of another database where its ``url`` is given."""
    server = servers.running[0]
    assert isinstance(server, PostgreSQL)
    url = url or f"postgres://postgres:{server.superuser_password}@127.0.0.1:{server.port}/casino"
    return {**os.environ, **servers.environment, "DATABASE_URL": url, "DATABASE_POOL_SIZE": "0"}


def manage(environment: dict[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    """`manage.py`, to its end."""
    command = [sys.executable, "manage.py", *argv]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def printed(output: str) -> dict[str, str]:
    """The environment that `cell create` prints, as a shell would read it."""
    lines = [line for line in output.splitlines() if line.partition("=")[0].isupper()]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def create(servers: Servers, name: str, url: str = "") -> dict[str, str]:
    """Make a cell; the environment of its processes."""
    # No host has an underscore in its name.
    address = f"http://{name.replace('_', '-')}.example"
    made = manage(administrator(servers, url), "cell", "-v", "0", "create", name, "--base-url", address)
    assert made.returncode == 0, made.stderr
    # Called by number here, and with one key for all: what the settings add to it must do.
    keys = dict.fromkeys(("ALLOWED_HOSTS", "SECRET_KEY", "SECRETS_KEY"))
    told = {key: value for key, value in printed(made.stdout).items() if key not in keys}
    return {**servers.environment, **told, "REDIS_URL": valkey_account(servers, name)}


def valkey_account(servers: Servers, name: str) -> str:
    """The URL of an account that Valkey lets have nothing but the cell's keys and channels (docs/cells.md)."""
    valkey = servers.running[1]
    with redis.Redis.from_url(valkey.url) as client:
        rules = ("reset", "on", f">{name}-password", f"~{name}:*", f"&{name}:*", "+@all", "-@admin", "-@dangerous")
        client.execute_command("ACL", "SETUSER", f"cell_{name}", *rules)
    return f"redis://cell_{name}:{name}-password@127.0.0.1:{valkey.port}/0"


@contextmanager
def running(servers: Servers, name: str, static_root: str, url: str = "") -> Iterator[Cell]:
    environment = create(servers, name, url) | {"STATIC_ROOT": static_root, "WEB_WORKERS": "1"}
    house = RunningSystem(servers, ("alice", "bob"), environment)
    try:
        yield Cell(name, house, environment, house.python(OPERATOR))
    finally:
        house.close()
