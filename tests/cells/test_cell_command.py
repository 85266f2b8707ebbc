"""`manage.py cell create` and `check`: what is made, by whom, and what is found where it was changed afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from casino_pam.local.servers import Servers
from tests.cells.cell_house import administrator, create, manage, printed
from tests.prepared_servers import prepared_servers

NORTH = "http://north.example"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with prepared_servers() as started:
        yield started


@pytest.fixture(scope="module")
def north(servers: Servers) -> dict[str, str]:
    """The environment of a cell's processes."""
    return create(servers, "north")


@pytest.fixture
def superuser(servers: Servers) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(administrator(servers)["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def wrong(environment: dict[str, str]) -> list[str]:
    """What `cell check` finds, by its exit code and its lines."""
    done = manage(environment, "cell", "check")
    lines = [line.removeprefix("WRONG  ") for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert done.returncode == (1 if lines else 0), done.stdout + done.stderr
    assert "version of the tables" in done.stdout
    return lines


def test_made_again_it_is_as_it_was_and_no_secret_is_shown(servers: Servers, north: dict[str, str]) -> None:
    again = manage(administrator(servers), "cell", "create", "north", "--base-url", NORTH)
    assert again.returncode == 0 and "No migrations to apply" in again.stdout
    assert "PASSWORD" in printed(again.stdout)["DATABASE_URL"] and "SECRET_KEY" not in printed(again.stdout)
    assert wrong(north) == []


def test_a_new_password_replaces_the_one_there_was(servers: Servers, north: dict[str, str]) -> None:
    asked = ("cell", "-v", "0", "create", "north", "--base-url", NORTH, "--new-password")
    url = printed(manage(administrator(servers), *asked).stdout)["DATABASE_URL"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(north["DATABASE_URL"]).close()
    psycopg.connect(url).close()
    north["DATABASE_URL"] = url


def test_an_address_is_one_cells_alone(servers: Servers, north: dict[str, str]) -> None:
    refused = manage(administrator(servers), "cell", "create", "south", "--base-url", NORTH)
    assert refused.returncode == 1
    assert f"{NORTH} is another cell's" in refused.stderr


def test_each_part_that_was_changed_is_found(
    north: dict[str, str], superuser: psycopg.Connection[tuple[object, ...]]
) -> None:
    for change in (
        "ALTER ROLE cell_north IN DATABASE casino SET search_path = public",
        "GRANT SELECT ON public.wallet_player TO cell_north",
        "GRANT pg_monitor TO cell_north",
        "ALTER ROLE cell_north CREATEROLE",
        "DELETE FROM cell_north.django_migrations WHERE app = 'wallet' AND name = ("
        "SELECT max(name) FROM cell_north.django_migrations WHERE app = 'wallet')",
    ):
        superuser.execute(change)  # type: ignore[arg-type]
    found = wrong({**north, "BASE_URL": "http://elsewhere.example"})
    assert [line.partition("  ")[0] for line in found] == [
        "search_path of the role",
        "powers of the role",
        "tables of others",
        "version of the tables",
        "base URL",
    ]
    assert "may create roles, acts as pg_monitor" in found[1]
    assert "public.wallet_player" in found[2]


def test_who_may_create_roles_need_be_no_superuser_and_keeps_no_way_in(
    servers: Servers, superuser: psycopg.Connection[tuple[object, ...]]
) -> None:
    superuser.execute("ALTER ROLE casino CREATEROLE")
    house = administrator(servers) | servers.environment
    made = manage(house, "cell", "-v", "0", "create", "west", "--base-url", "http://west.example")
    assert made.returncode == 0, made.stderr
    with psycopg.connect(house["DATABASE_URL"]) as own, pytest.raises(psycopg.errors.InsufficientPrivilege):
        own.execute("SELECT FROM cell_west.wallet_player")
    assert superuser.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'cell_west'").fetchall() == [
        ("cell_west",)
    ]


def test_what_is_asked_of_a_cell_is_not_asked_of_the_database_nor_the_other_way_round(
    servers: Servers, north: dict[str, str]
) -> None:
    for environment, what in ((administrator(servers), "check"), (north, "report")):
        refused = manage(environment, "cell", what)
        assert refused.returncode == 1 and f"`cell {what}` is" in refused.stderr
