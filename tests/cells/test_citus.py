"""A cell on Citus, whose schema is one shard: made, played in, reconciled, added up, and moved under load.

Runs where CITUS_DATABASE_URL is set to a superuser's at the coordinator of two workers or more (docs/cells.md says how
to have one).
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests import doors
from tests.cells.cell_house import Cell, manage, running
from tests.prepared_servers import prepared_servers
from tests.socket_client import dial, until

pytestmark = pytest.mark.citus
Coordinator = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def coordinator() -> Iterator[Coordinator]:
    with psycopg.connect(os.environ["CITUS_DATABASE_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def cell(coordinator: Coordinator, static_root: str) -> Iterator[Cell]:
    name = f"citus_{secrets.token_hex(4)}"
    with prepared_servers() as servers:
        try:
            with running(servers, name, static_root, os.environ["CITUS_DATABASE_URL"]) as opened:
                yield opened
        finally:
            for statement in ("DROP SCHEMA IF EXISTS {} CASCADE", "DROP OWNED BY {}", "DROP ROLE {}"):
                coordinator.execute(sql.SQL(statement).format(sql.Identifier(f"cell_{name}")))


def node(coordinator: Coordinator, cell: Cell) -> int:
    """The port of the worker that holds the cell: all of its tables on one."""
    ports = coordinator.execute(
        "SELECT DISTINCT nodeport FROM citus_shards WHERE starts_with(table_name::text, %s)", [f"cell_{cell.name}."]
    ).fetchall()
    ((port,),) = ports
    return int(port)


def test_migrations_make_a_schema_that_is_one_shard(coordinator: Coordinator, cell: Cell) -> None:
    kept = coordinator.execute(
        "SELECT count(*) FROM citus_tables WHERE starts_with(table_name::text, %s)", [f"cell_{cell.name}."]
    ).fetchone()
    own = coordinator.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", [f"cell_{cell.name}"]).fetchone()
    assert kept == own
    assert node(coordinator, cell)
    again = manage(cell.environment, "migrate", "--check")
    assert again.returncode == 0, again.stdout


def test_every_door_is_open_and_sockets_hear(cell: Cell) -> None:
    doors.check_good(cell.web, cell.house.key, cell.session, cell.name)
    with dial(cell.house.port, cell.house.ticket("bob")) as opened:
        version = until(opened, lambda frame: frame["type"] == "snapshot")[-1]["version"]
        assert doors.bet(cell.web, "bob").status == 200
        assert until(opened, lambda frame: frame["version"] == version + 1)


# A grant that is wagered, a limit that holds, a reference that two wallets race for.
PLAY = """
import itertools
from tests import bonus_scenario, limit_scenario, scenario
from tests.scenario import word
scenario._names = itertools.count(1_000)  # beyond the references of those who furnished the house
bonus_scenario.wagering("30.00", who="dora", cash="50.00", multiplier=1)
print(word(scenario.bet("dora", "40.00")), bonus_scenario.the(who="dora").status)
limit_scenario.limit("dora", stake_day="45.00")
print(word(scenario.bet("dora", "10.00")))
scenario.player("emil", "50.00")
print(word(scenario.bet("emil", "1.00", reference="raced")), word(scenario.bet("dora", "1.00", reference="raced")))
print(word(scenario.rollback("raced", "emil")))
"""


def test_grants_limits_and_references_are_what_they_are_elsewhere(cell: Cell) -> None:
    done = cell.house.python(PLAY).split()
    assert done == ["posted", "completed", "limit_reached", "posted", "reference_reused", "posted"]


def test_a_reference_raced_for_by_two_wallets_is_spent_once(cell: Cell) -> None:
    players = ("alice", "bob") * 4
    with ThreadPoolExecutor(len(players)) as pool:
        for reference in ("race-1", "race-2", "race-3"):
            found = list(pool.map(lambda who, of=reference: doors.bet(cell.web, who, reference=of), players))
            posted = {answer.json["transaction"] for answer in found if answer.status == 200}
            assert len(posted) == 1
            assert {answer.status for answer in found} == {200, 409}


@pytest.mark.parametrize(
    "command",
    [
        ("reconcile", "--full"),
        ("refresh_reports",),
        ("refresh_reports", "--check"),
        ("open_rounds",),
        ("expire_bonuses",),
        ("cell", "check"),
    ],
    ids=" ".join,
)
def test_commands_end_well(cell: Cell, command: tuple[str, ...]) -> None:
    done = manage(cell.environment, *command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_coordinator_adds_cells_up(cell: Cell) -> None:
    environment = cell.environment | {"CELL": "", "DATABASE_URL": os.environ["CITUS_DATABASE_URL"]}
    report = manage(environment, "cell", "report", "--since", "2020-01-01")
    assert report.returncode == 0, report.stderr
    assert {cell.name, "all"} <= {line.split()[0] for line in report.stdout.splitlines()}


def test_it_moves_to_another_node_while_it_is_played_in(coordinator: Coordinator, cell: Cell) -> None:
    before = node(coordinator, cell)
    (target,) = coordinator.execute(
        "SELECT nodename, nodeport FROM pg_dist_node WHERE noderole = 'primary' AND shouldhaveshards AND nodeport <> %s"
        " ORDER BY nodeport LIMIT 1",
        [before],
    ).fetchall()
    moved = threading.Event()
    posted: list[str] = []

    def play(who: str) -> None:
        """Each bet is sent until it is answered, and what was posted is told."""
        while not moved.is_set():
            reference = f"moving-{secrets.token_hex(8)}"
            while (answer := doors.bet(cell.web, who, reference=reference, amount="0.01")).status == 503:
                pass
            assert answer.status == 200, answer
            posted.append(answer.json["transaction"])

    with ThreadPoolExecutor(2) as pool:
        playing = [pool.submit(play, who) for who in ("alice", "bob")]
        try:
            coordinator.execute(
                "SELECT citus_schema_move(%s::regnamespace, %s, %s, shard_transfer_mode => 'force_logical')",
                [f"cell_{cell.name}", *target],
            )
        finally:
            moved.set()
    for each in playing:
        each.result()
    assert node(coordinator, cell) == target[1]
    kept = coordinator.execute(
        f"SELECT count(*) FROM cell_{cell.name}.wallet_transaction WHERE starts_with(reference, 'moving-')"  # type: ignore[arg-type]
    ).fetchone()
    assert kept == (len(posted),) and len(set(posted)) == len(posted) > 0
    done = manage(cell.environment, "reconcile", "--full")
    assert done.returncode == 0, done.stdout
