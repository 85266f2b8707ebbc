"""Two cells in one database and on one Valkey: nothing of one is seen, heard, counted, throttled or reconciled in the
other.

What they call things is the same on purpose: players, providers, references, keys' names and operators. Each has an
account of Valkey that is refused every name of the other's, so a call that leaves its cell fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
import redis

from casino_pam.local.servers import Servers
from casino_pam.management.commands.migrate import MIGRATING
from tests import doors
from tests.cells.cell_house import NAMES, Cell, administrator, manage, running
from tests.doors import PASSWORD
from tests.prepared_servers import prepared_servers
from tests.running_system import eventually
from tests.socket_client import closed_with, dial, until

COMMANDS = (
    ("refresh_reports",),
    ("refresh_reports", "--check"),
    ("reconcile", "--full"),
    ("expire_bonuses",),
    ("post_approved",),
    ("remind_approvals",),
    ("tidy_events",),
    ("open_rounds",),
    ("provider", "list"),
    ("endpoint", "list"),
    ("migrate", "-v", "0"),
)
Both = tuple[Cell, Cell]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with prepared_servers() as started:
        yield started


@pytest.fixture(scope="module")
def cells(servers: Servers, static_root: str) -> Iterator[Both]:
    north, south = NAMES
    with running(servers, north, static_root) as one, running(servers, south, static_root) as other:
        yield one, other


def rows(cell: Cell) -> dict[str, int]:
    """How many rows stand in each table of the cell, straight from PostgreSQL; how the jobs stand is not asked."""
    with psycopg.connect(cell.environment["DATABASE_URL"]) as own:
        tables = own.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
        counts = (own.execute(f"SELECT count(*) FROM {table}").fetchone() for (table,) in tables)  # type: ignore[arg-type]
        return {
            table: count[0] for (table,), count in zip(tables, counts, strict=True) if count and table != "wallet_job"
        }


def of_key(cell: Cell) -> dict[str, str]:
    return {"Authorization": f"Api-Key {cell.house.key}"}


def state(cell: Cell) -> dict[str, int]:
    """What the live page says of the web workers."""
    cookie = f"sessionid_{cell.name}={cell.session}"
    found = cell.web.ask("GET", "/admin/office/live/state", Cookie=cookie).json
    return {name: found[name] for name in ("sockets", "workers")}


def test_every_door_is_open_and_what_comes_in_leaves_no_row_in_the_other(cells: Both) -> None:
    one, other = cells
    before = rows(other)
    doors.check_good(one.web, one.house.key, one.session, one.name)
    assert doors.bet(one.web, reference="the same").json["replayed"] is False
    assert rows(other) == before
    doors.check_good(other.web, other.house.key, other.session, other.name)


def test_a_reference_is_spent_in_one_cell_alone(cells: Both) -> None:
    found = [doors.bet(cell.web, reference="once each").json for cell in (*cells, *cells)]
    assert [answer["replayed"] for answer in found] == [False, False, True, True]
    assert found[0]["transaction"] == found[2]["transaction"] != found[1]["transaction"]


def test_what_opens_the_doors_of_one_opens_none_of_the_other_though_they_share_a_key(cells: Both) -> None:
    one, other = cells
    bearer = {"Authorization": f"Bearer {one.house.token('alice')}"}
    assert [cell.web.ask("GET", "/api/v1/me", **bearer).status for cell in cells] == [200, 401]
    mine = of_key(one)
    assert [cell.web.ask("GET", "/api/v1/players/alice", **mine).status for cell in cells] == [200, 401]
    for name in ("sessionid", f"sessionid_{one.name}", f"sessionid_{other.name}"):
        assert other.web.ask("GET", "/admin/", Cookie=f"{name}={one.session}").status == 302
    ticket = one.house.ticket("alice")
    with dial(other.house.port, ticket) as stranger:
        assert closed_with(stranger) == 4401
    # Nobody has spent it there.
    with dial(one.house.port, ticket) as opened:
        assert until(opened, lambda frame: frame["type"] == "snapshot")


def test_wrong_passwords_lock_nobody_out_of_the_other(cells: Both) -> None:
    one, other = cells
    wrong = [doors.log_in(one.web, "sue", "a wrong guess", one.name).status for _ in range(5)]
    assert wrong[4] in (403, 429)
    assert doors.log_in(one.web, "sue", PASSWORD, one.name).status == wrong[4]
    assert doors.log_in(other.web, "sue", PASSWORD, other.name).status == 302


def test_requests_to_one_do_not_throttle_a_key_of_the_other(cells: Both, servers: Servers) -> None:
    one, other = cells
    with redis.Redis.from_url(servers.running[1].url) as client:
        for cell in cells:
            cell.web.ask("GET", "/api/v1/players/alice", **of_key(cell))
        prefixes = {name.decode().rpartition(":")[0] for name in client.keys("*throttle:*")}
        mine, theirs = (min(each for each in prefixes if each.startswith(f"{cell.name}:")) for cell in cells)
        # The two keys have one number.
        assert mine.removeprefix(one.name) == theirs.removeprefix(other.name)
        while True:
            second = int(time.time())
            client.set(f"{mine}:{second}", 1000, ex=5)
            found = [cell.web.ask("GET", "/api/v1/players/alice", **of_key(cell)).status for cell in cells]
            client.delete(f"{mine}:{second}")
            if int(time.time()) == second:
                break
    assert found == [429, 200]


def test_sockets_hear_count_and_lose_nothing_of_the_other(cells: Both) -> None:
    one, other = cells
    with (
        dial(one.house.port, one.house.ticket("bob")) as mine,
        dial(other.house.port, other.house.ticket("bob")) as theirs,
    ):
        first, second = (
            until(each, lambda frame: frame["type"] == "snapshot")[-1]["version"] for each in (mine, theirs)
        )
        for _ in range(5):
            assert doors.bet(one.web, "bob").status == 200
        assert until(mine, lambda frame: frame["version"] == first + 5)
        eventually(lambda: [state(cell) for cell in cells] == [{"sockets": 1, "workers": 1}] * 2, "a socket in each")
        assert one.house.lock("bob", True) == 200
        assert closed_with(mine) == 4401
        assert doors.bet(other.web, "bob").status == 200
        heard = until(theirs, lambda frame: frame["version"] >= second + 1)
        assert {frame["version"] for frame in heard} <= {second, second + 1}
        eventually(lambda: [state(cell)["sockets"] for cell in cells] == [0, 1], "the socket that was left")
    assert one.house.lock("bob", False) == 200


def test_what_is_under_way_in_one_holds_up_no_feed_of_the_other(cells: Both) -> None:
    one, other = cells
    with psycopg.connect(other.environment["DATABASE_URL"]) as writing:
        writing.execute("UPDATE wallet_player SET country = country")
        made = doors.bet(one.web).json["transaction"]

        def newest() -> object:
            return one.web.ask("GET", "/api/v1/feed", **of_key(one)).json["next"]

        eventually(lambda: newest() == made, "the bet in the feed")
        writing.rollback()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_changes_no_row_of_the_other(cells: Both, command: tuple[str, ...]) -> None:
    one, other = cells
    before = rows(other)
    run = one.house.manage(*command)
    output, _ = run.communicate()
    assert run.returncode == 0, output
    assert rows(other) == before


def test_jobs_run_for_their_own_cell(cells: Both) -> None:
    def finished(cell: Cell) -> int:
        with psycopg.connect(cell.environment["DATABASE_URL"]) as own:
            ((count,),) = own.execute("SELECT count(*) FROM wallet_job WHERE finished_at IS NOT NULL").fetchall()
            return int(count)

    one, other = cells
    before = rows(other)
    often = dict.fromkeys(("EXPIRE_BONUSES_EVERY", "POST_APPROVED_EVERY", "REFRESH_REPORTS_EVERY"), "1")
    jobs = one.house.manage("run_jobs", **often)
    eventually(lambda: finished(one) > 2, "jobs of the one")
    jobs.terminate()
    assert jobs.wait() == 0
    assert finished(other) == 0 and rows(other) == before


def test_one_may_migrate_while_the_other_does(cells: Both) -> None:
    one, other = cells
    with psycopg.connect(other.environment["DATABASE_URL"]) as migrating:
        migrating.execute(f"SELECT pg_advisory_xact_lock({MIGRATING})")
        run = one.house.manage("migrate", "-v", "1")
        output, _ = run.communicate()
    assert run.returncode == 0 and "Another migrate" not in output


def test_reconciliation_finds_what_is_wrong_in_its_own_cell_alone(cells: Both, servers: Servers) -> None:
    one, _ = cells
    with psycopg.connect(administrator(servers)["DATABASE_URL"], autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        for change, found in (("+ 1", [1, 0]), ("- 1", [0, 0])):
            superuser.execute(f"UPDATE cell_{one.name}.wallet_wallet SET cash = cash {change}")
            runs = [cell.house.manage("reconcile", "--full") for cell in cells]
            assert [run.wait() for run in runs] == found


def test_a_role_reaches_nothing_of_the_other_nor_of_the_house_beside_them(cells: Both) -> None:
    one, other = cells
    with psycopg.connect(one.environment["DATABASE_URL"], autocommit=True) as own:
        for schema in (f"cell_{other.name}", "public"):
            for statement in (
                f"SELECT FROM {schema}.wallet_wallet",
                f"DELETE FROM {schema}.wallet_wallet",
                f"CREATE TABLE {schema}.mine (id int)",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    own.execute(statement)  # type: ignore[arg-type]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            own.execute(f"SET ROLE cell_{other.name}")


def test_the_report_adds_up_what_each_has_kept(cells: Both, servers: Servers) -> None:
    for cell in cells:
        eventually(lambda cell=cell: cell.house.manage("refresh_reports").wait() == 0, "the sums")
    report = manage(administrator(servers), "cell", "report", "--since", "2020-01-01")
    assert report.returncode == 0, report.stderr
    lines = [line.split() for line in report.stdout.splitlines() if " EUR " in line]
    sums = {cell: [int(Decimal(figure) * 100) for figure in figures] for cell, _, *figures in lines}
    assert list(sums) == [*NAMES, "all"]
    assert sums["all"] == [sum(pair) for pair in zip(*(sums[name] for name in NAMES), strict=True)]
    # Alice and Bob began with 500.00 each.
    assert [sums[name][2] for name in NAMES] == [100_000] * 2


def test_valkey_has_refused_no_name_and_knows_none_but_theirs(cells: Both, servers: Servers) -> None:
    """No process of a cell has asked for a key or a channel whose name does not begin with the cell's."""
    one, other = cells
    with (
        dial(one.house.port, one.house.ticket("bob")) as mine,
        dial(other.house.port, other.house.ticket("bob")) as theirs,
    ):
        for opened in (mine, theirs):
            assert until(opened, lambda frame: frame["type"] == "snapshot")
        with redis.Redis.from_url(servers.running[1].url) as client:
            assert client.execute_command("ACL", "LOG") == []
            for names in (client.keys("*"), client.pubsub_channels("*")):
                assert {name.decode().partition(":")[0] for name in names} == set(NAMES)
