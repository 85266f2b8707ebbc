"""A cluster of PostgreSQL breaks in every described way, and no acknowledged bet is lost, answered twice or late."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from casino_pam.local.cluster import SCOPE, wait_until
from casino_pam.local.os_support import PROJECT, free_port, processes_in
from tests.cluster.breaking import BACK_WITHIN, TROUBLES
from tests.cluster.clustered_house import ClusteredHouse, bash, clustered_house
from tests.faults.http_line import signature
from tests.faults.report import report
from tests.faults.run import Plan, run

SEED = 20261201
# The promise is 3.5 s; a machine that builds may keep both cores busy.
LONGEST_ANSWER = 5.0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusteredHouse]:
    with clustered_house(tmp_path_factory.mktemp("house")) as house:
        yield house


def test_nothing_that_breaks_in_a_cluster_costs_a_cent_or_holds_up_an_answer(house: ClusteredHouse) -> None:
    groups = [group.pid for group in house.groups]
    plan = Plan(SEED, seats=16, folder=house.folder, back_within=BACK_WITHIN)
    done = run(TROUBLES, plan, lambda folder, dice: nullcontext(house))
    assert done.verdict.violations == [], report(done)
    assert done.verdict.figures["operations acknowledged"] > 500
    assert {episode.name for episode in done.episodes if not episode.fired} == set(), report(done)
    assert done.late(LONGEST_ANSWER) == [], report(done)
    assert [group.pid for group in house.groups if group.poll() is None] == groups, "a group of workers was restarted"
    # Several hosts, the one that writes last; and every row proven.
    primary = house.primary()
    nodes = [*house.cluster.standbys(primary), primary]
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    url = house.ledger_url.replace(f"127.0.0.1:{house.cluster.balancer.port}", hosts)
    assert "the books balance" in house.manage("reconcile", "--full", DATABASE_URL=url)


def test_a_repeat_is_not_answered_by_rows_that_only_a_recovered_primary_has(house: ClusteredHouse) -> None:
    primary = house.primary()
    bash(house.breakage("Both standbys away").command)
    bet = {"player": "p0", "currency": "EUR", "reference": "alone", "round": "alone", "game": "g-1", "amount": "1.00"}
    assert sent(house, bet)[0] == 503
    # There is nobody to hand over to: it recovers in place.
    os.kill(primary.postmaster() or 0, signal.SIGKILL)
    wait_until(lambda: rows(primary, "alone") == 1, "the primary did not recover with the row")
    for _ in range(2):
        assert sent(house, bet)[0] == 503
    house.start_dead()
    wait_until(house.cluster.is_whole, "the cluster did not become whole", 120)
    status, answer = sent(house, bet)
    assert (status, answer["status"]) == (200, "posted")
    assert [rows(node, "alone") for node in house.cluster.nodes] == [1, 1, 1]


def rows(node: Any, reference: str) -> int:
    """How many rows of the ledger a node has under a reference; 0 where it does not answer."""
    try:
        with node.connect("casino") as connection:
            counted = connection.execute("SELECT count(*) FROM wallet_transaction WHERE reference = %s", [reference])
            return int(counted.fetchone()[0])
    except Exception:
        return 0


def sent(house: ClusteredHouse, bet: dict[str, str]) -> tuple[int, Any]:
    """Status and body of a signed bet, on a connection of its own."""
    raw, path = json.dumps(bet).encode(), "/api/game/v1/bet"
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=10)
    try:
        connection.request("POST", path, raw, {"Host": "localhost", **signature("acme", "acme-secret", path, raw)})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_make_cluster_says_what_to_break_lets_a_simulation_play_and_leaves_nothing() -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    argv = [sys.executable, "-m", "casino_pam.local.cluster_launch", str(port)]
    with subprocess.Popen(argv, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as launch:
        try:
            said = until(launch, "Ctrl-C stops everything")
            folder = Path(re.search(r"logs +(\S+)", said)[1])
            listed = re.search(r"members +(.*)", said)[1]
            assert SCOPE in subprocess.run(listed.split(), capture_output=True, text=True, check=True).stdout
            play = [sys.executable, "manage.py", "simulate", "--seconds", "3", "--players", "3"]
            played = subprocess.run(play, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
            assert "Journal and ledger agree" in played.stdout, played.stdout + played.stderr
        finally:
            launch.send_signal(signal.SIGINT)
        assert launch.wait(60) == 0
    assert not folder.exists()
    assert [pid for pid in processes_in(Path("/")) if str(folder) in command_line(pid)] == []


def until(process: subprocess.Popen[str], last: str) -> str:
    """What a process prints, up to a line that begins so."""
    said, began = "", time.monotonic()
    while time.monotonic() - began < 300:
        line = process.stdout.readline()
        said += line
        if line.startswith(last):
            return said
        assert line or process.poll() is None, said
    raise AssertionError(said)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
