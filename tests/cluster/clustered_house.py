"""The product on a cluster: two groups of web workers behind HAProxy, players, and who watches for a writer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casino_pam.local.cluster import Breakage, Cluster, Node, running_cluster, status, wait_until
from casino_pam.local.os_support import PROJECT
from tests.cluster.writers import Writers
from tests.faults.house import furnished

START_SECONDS = 60


class ClusteredHouse:
    """What tests.faults.run asks of a house, on a cluster."""

    # No disk of a cluster is made full.
    volume = None

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.port = cluster.balancer.web_port
        self.environment = {
            **os.environ,
            **cluster.environment,
            "WEB_WORKERS": "1",
            "DATABASE_POOL_SIZE": "4",
            "DJANGO_SETTINGS_MODULE": "casino_pam.settings",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(folder),
        }
        # Of each fault, for how many seconds the cluster took no write.
        self.silences: list[float] = []
        self.groups: list[subprocess.Popen[bytes]] = []
        self.writers = Writers(cluster.nodes)
        self.manage("migrate", "--verbosity", "0")
        self.api_key = furnished(self.environment)

    @property
    def ledger_url(self) -> str:
        return self.cluster.balancer.url

    def open(self) -> None:
        for port in self.cluster.balancer.worker_ports:
            argv = [sys.executable, "-m", "casino_pam.server.web", f"127.0.0.1:{port}"]
            with (self.folder / "web.log").open("ab") as log:
                group = subprocess.Popen(argv, cwd=PROJECT, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
            self.groups.append(group)
        for port in self.cluster.balancer.worker_ports:
            wait_until(lambda port=port: status(port, "/healthz") == 200, "a group of web workers did not start")
        wait_until(lambda: status(self.port, "/healthz") == 200, "HAProxy does not find the web workers")

    def close(self) -> None:
        self.writers.end()
        for group in self.groups:
            group.terminate()
        for group in self.groups:
            group.wait(START_SECONDS)
        self.groups.clear()

    def follow_ports(self) -> None:
        """Whatever is started again has the port that it had."""

    def restart_web(self) -> None:
        """Nobody does: who is not served again has broken the promise."""

    def manage(self, *argv: str, **environment: str) -> str:
        """What `manage.py` prints. Raises where it fails."""
        own = self.environment | {"DATABASE_POOL_SIZE": "0", "DATABASE_STATEMENT_SECONDS": "0"} | environment
        done = subprocess.run(
            [sys.executable, "manage.py", *argv],
            cwd=PROJECT,
            env=own,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def primary(self) -> Node:
        """The primary of a cluster that is whole."""
        wait_until(self.cluster.is_whole, "the cluster did not become whole", 120)
        primary = self.cluster.primary()
        assert primary is not None
        return primary

    def breakage(self, name: str) -> Breakage:
        return next(each for each in self.cluster.breakages(self.primary()) if each.name == name)

    def start_dead(self) -> None:
        for server in self.cluster.dead():
            server.start()


def bash(command: str) -> None:
    """A command as it is printed for people."""
    subprocess.run(["/bin/bash", "-c", command], cwd=PROJECT, check=True, capture_output=True)


@contextmanager
def clustered_house(folder: Path) -> Iterator[ClusteredHouse]:
    """A house that answers, until the end of the block."""
    with running_cluster() as cluster:
        house = ClusteredHouse(cluster, folder)
        try:
            house.open()
            yield house
        finally:
            house.close()
