"""`make cluster`: the product on a cluster of three PostgreSQL, and what to break of it (docs/cluster.md)."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from casino_pam.local.cluster import NAMES, Cluster, Node, running_cluster
from casino_pam.local.launch import (
    PORT,
    Stopped,
    Web,
    claimed,
    prepare,
    settings_for_manage_py,
    stop_on_signals,
    valid_port,
)
from casino_pam.local.os_support import CannotStart, listening
from casino_pam.local.servers import Server

# What was killed is started again after so long, as a machine would be.
AWAY_SECONDS = 30.0


def run(port: int) -> None:
    """Everything, until a signal. Raises Stopped or CannotStart."""
    claimed(port).close()
    print("Three PostgreSQL, Patroni, etcd and HAProxy are being started: half a minute or so.", flush=True)
    with running_cluster(port) as cluster:
        # Whatever this shell has of another house, commands and workers shall find this one.
        os.environ |= cluster.environment | {"DEMO": "on"}
        with settings_for_manage_py(cluster), ExitStack() as groups:
            prepare()
            for worker_port in cluster.balancer.worker_ports:
                group = groups.enter_context(Web(listening(worker_port), dict(os.environ)))
                group.wait_until_it_answers()
            call_command("demo")
            watch(cluster)


def watch(cluster: Cluster) -> None:
    """Say what can be broken whenever that changes, and start again what died."""
    died: dict[Server, float] = {}
    said = ""
    while True:
        primary = cluster.primary()
        text = what_to_break(cluster, primary) if primary is not None and cluster.is_whole() else ""
        if text and text != said:
            print(text, flush=True)
            said = text
        now = time.monotonic()
        died = {server: died.get(server, now) for server in cluster.dead()}
        for server, since in died.items():
            if now - since > AWAY_SECONDS:
                print(f"{server.name} is started again.", flush=True)
                server.start()
        time.sleep(1)


def what_to_break(cluster: Cluster, primary: Node) -> str:
    balancer = cluster.balancer
    lines = [
        "",
        f"The cluster is whole: {primary.node} of {', '.join(NAMES)} is the primary.",
        f"  the casino  {cluster.environment['BASE_URL']}, by two groups of web workers",
        "  play        .venv/bin/python manage.py simulate",
        f"  writer      127.0.0.1:{balancer.port}   reader  127.0.0.1:{balancer.reader_port}",
        f"  members     {cluster.patronictl('list')}",
        f"  logs        {cluster.place.folder}",
        f"Break it. What was killed is started again after {AWAY_SECONDS:.0f} s:",
    ]
    for breakage in cluster.breakages(primary):
        lines.append(f"  {breakage.name:<22} {breakage.command}")
        if breakage.mend:
            lines.append(f"  {'  and mend it':<22} {breakage.mend}")
    return "\n".join([*lines, "Ctrl-C stops everything and leaves nothing.", ""])


def main(argv: list[str]) -> int:
    """Serve on :8080, or on the port given, until stopped; 1 and one line when that cannot be."""
    try:
        port = valid_port(argv[0]) if argv else PORT
        stop_on_signals()
        run(port)
    except Stopped:
        print("The cluster has stopped.")
    except (CannotStart, CommandError, ImproperlyConfigured, OSError) as error:
        print(f"The cluster cannot run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
