"""The house behind PgBouncer in transaction mode, and what keeps a wrong one from posting (docs/operations.md)."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import ConnectionHandler, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import DjangoDbBlocker

from casino_pam.engine import posting
from casino_pam.engine.results import Receipt
from casino_pam.local.os_support import PROJECT
from casino_pam.local.servers import PostgreSQL, Servers
from tests import doors, scenario
from tests.doors import OPERATOR
from tests.pooler import Double, pooler, through
from tests.prepared_servers import prepared_servers
from tests.running_system import RunningSystem
from wallet import ledger
from wallet.errors import Busy
from wallet.models import Transaction
from wallet.pg import faults
from wallet.pg.session import session_of

# Fewer than the house's own connections, so that each goes from hand to hand.
SIZE = 3


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with prepared_servers() as started:
        yield started


@pytest.fixture(scope="module")
def server(servers: Servers) -> PostgreSQL:
    found = servers.running[0]
    assert isinstance(found, PostgreSQL)
    return found


@pytest.fixture(scope="module")
def folder(servers: Servers) -> Path:
    return servers.place.make("pooler")


def connected(port: int, server: PostgreSQL, **options: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(through(server.url, port), autocommit=True, **options)


def told(client: psycopg.Connection[Any], query: str) -> Any:
    record = client.execute(query).fetchone()
    assert record is not None
    return record[0]


def told_by_two(client: psycopg.Connection[Any], query: str) -> set[Any]:
    """What the two servers say. One may be handed back some time after its last client was answered."""
    answers: set[Any] = set()
    for _ in range(5_000):
        answers.add(told(client, query))
        if len(answers) == 2:
            break
    return answers


# --- what stands in for a pooler is strict -----------------------------------------------------


def test_what_a_connection_asks_for_at_its_start_is_refused(server: PostgreSQL, folder: Path) -> None:
    with (
        pooler(server.url, folder) as between,
        pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"),
    ):
        connected(between.port, server, options="-c statement_timeout=3s")


def test_a_server_is_handed_on_at_the_end_of_each_transaction_with_all_that_was_set(
    server: PostgreSQL, folder: Path
) -> None:
    with pooler(server.url, folder) as between, connected(between.port, server) as one:
        # A pooler opens its connections as they are asked for.
        with connected(between.port, server) as other, one.transaction(), other.transaction():
            assert told(one, "SELECT pg_backend_pid()") != told(other, "SELECT pg_backend_pid()")
            with one.transaction():
                assert told(one, "SELECT pg_backend_pid()") == told(one, "SELECT pg_backend_pid()")
        assert len(told_by_two(one, "SELECT pg_backend_pid()")) == 2
        one.execute("SET SESSION lock_timeout = '7s'")
        one.execute("SELECT pg_advisory_lock(7)")
        with connected(between.port, server) as other:
            assert told_by_two(other, "SHOW lock_timeout") == {"0", "7s"}
            locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            assert told_by_two(other, locks) == {0, 1}
        # Nobody else's: what a transaction sets for itself.
        with one.transaction():
            one.execute("SET LOCAL statement_timeout = '9s'")
        assert {told(one, "SHOW statement_timeout") for _ in range(4)} == {"0"}


def test_prepared_statements_follow_their_client_where_they_are_kept_and_are_lost_where_not(
    server: PostgreSQL, folder: Path
) -> None:
    with pooler(server.url, folder) as between, connected(between.port, server) as one:
        session = session_of(one)
        assert [session.rows("SELECT %s::int + 1", ["1"]) for _ in range(6)] == [[(2,)]] * 6
        # A statement that fails in the middle of a pipeline leaves nothing that is wrong behind it.
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.rows("SELECT 1 / %s::int", ["0"])
        assert [session.rows("SELECT 6 / %s::int", ["3"]) for _ in range(6)] == [[(2,)]] * 6
    with pooler(server.url, folder, keeps_statements=False) as between, connected(between.port, server) as one:
        with connected(between.port, server) as other, one.transaction(), other.transaction():
            told(one, "SELECT 1"), told(other, "SELECT 1")
        session = session_of(one)
        session.rows("SELECT %s::int + 1", ["1"])
        # On the other server, once it is handed back.
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            [session.rows("SELECT %s::int + 1", ["1"]) for _ in range(5_000)]


# --- a pooler that will not do -----------------------------------------------------------------


@pytest.fixture
def behind(server: PostgreSQL, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker) -> Iterator[Any]:
    """Makes the database wrapper that a web process has behind a pooler at a port."""
    opened: list[BaseDatabaseWrapper] = []

    def make(port: int) -> BaseDatabaseWrapper:
        usual = settings.DATABASES["default"]
        options = {name: value for name, value in usual["OPTIONS"].items() if name != "options"}
        there = {"NAME": "casino", "USER": "casino", "PASSWORD": server.password, "HOST": "127.0.0.1", "PORT": port}
        wrapper = ConnectionHandler({"default": usual | there | {"OPTIONS": options}})["default"]
        opened.append(wrapper)
        return wrapper

    monkeypatch.setattr(settings, "DATABASE_PGBOUNCER", True)
    with django_db_blocker.unblock():
        yield make
        for wrapper in opened:
            wrapper.close()


def test_a_pooler_that_keeps_no_prepared_statements_is_refused(server: PostgreSQL, folder: Path, behind: Any) -> None:
    with pooler(server.url, folder, keeps_statements=False) as between:
        for _ in range(3):
            with pytest.raises(
                OperationalError, match=r"1\.21 or newer in transaction mode with max_prepared_statements"
            ):
                behind(between.port).ensure_connection()


def test_a_role_without_limits_is_refused_until_the_command_was_run(
    servers: Servers, server: PostgreSQL, folder: Path, behind: Any
) -> None:
    with server.connect() as superuser:
        superuser.execute("ALTER ROLE casino IN DATABASE casino RESET ALL")
    with (
        pooler(server.url, folder) as between,
        pytest.raises(OperationalError, match=r"The role has no .*statement_timeout: run `manage\.py limit_role`"),
    ):
        behind(between.port).ensure_connection()
    for _ in range(2):
        subprocess.run(
            [sys.executable, "manage.py", "limit_role"],
            cwd=PROJECT,
            env=os.environ | servers.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    with pooler(server.url, folder) as between:
        wrapper = behind(between.port)
        with wrapper.cursor() as cursor:
            limits = {}
            for name in settings.DATABASE_LIMITS:
                cursor.execute(f"SHOW {name}")
                limits[name] = cursor.fetchone()[0]
    assert limits == {"statement_timeout": "3s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"}


def test_a_role_whose_tables_are_those_of_another_schema_is_refused(
    server: PostgreSQL, folder: Path, behind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "DATABASE_SCHEMA", "cell_north")
    with (
        pooler(server.url, folder) as between,
        pytest.raises(OperationalError, match=r"those of public, not of cell_north: run `manage\.py cell create`"),
    ):
        behind(between.port).ensure_connection()


# --- the guard ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ledger.PLANNING)
def test_nothing_is_posted_where_one_of_the_planners_settings_is_not_in_force(
    books: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    there = Transaction.objects.count()
    monkeypatch.setattr(posting, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(faults, "note", faults._Log().note)
    rest = {name: value for name, value in ledger.PLANNING.items() if name != missing}
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "PLANNING", rest)
        patch.setattr(posting, "_BORROWED", posting._settings(900))
        outcome = scenario.bet(amount="1.00", reference="b-1")
    assert isinstance(outcome, Busy) and outcome.code == "unavailable"
    assert Transaction.objects.count() == there
    (line,) = [record.msg for record in caplog.records if record.levelno >= logging.WARNING]
    assert isinstance(line, dict) and line["kind"] == "Unplanned"
    assert isinstance(scenario.bet(amount="1.00", reference="b-1"), Receipt)


def test_a_connection_that_lost_its_settings_is_left_and_the_bet_is_posted(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    found: list[Any] = []

    def worker() -> None:
        posting.own_connection()
        connection.connection.execute("RESET ALL")
        found.append(scenario.bet(amount="1.00"))
        found.append(connection.connection.execute("SHOW enable_hashjoin").fetchone())
        posting.part_with_connection()

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    assert isinstance(found[0], Receipt) and found[1] == ("off",)


# --- the house behind a right one --------------------------------------------------------------


@pytest.fixture(scope="module")
def house(servers: Servers, server: PostgreSQL, folder: Path, static_root: str) -> Iterator[tuple[RunningSystem, Any]]:
    limit = [sys.executable, "manage.py", "limit_role"]
    subprocess.run(limit, cwd=PROJECT, env=os.environ | servers.environment, check=True, stdout=subprocess.DEVNULL)
    with pooler(server.url, folder, SIZE) as between:
        environment = {
            "DATABASE_URL": through(server.url, between.port),
            "DATABASE_DIRECT_URL": server.url,
            "DATABASE_PGBOUNCER": "on",
            "STATIC_ROOT": static_root,
        }
        opened = RunningSystem(servers, ("alice", "bob", "carol", "dan"), environment)
        try:
            yield opened, between
        finally:
            opened.close()


def test_every_door_works_behind_it_and_leaves_nothing_behind(
    house: tuple[RunningSystem, Any], server: PostgreSQL
) -> None:
    system, between = house
    session = system.python(OPERATOR)
    with system.group() as web:
        calls = [(player, number) for number in range(10) for player in ("alice", "bob", "carol", "dan")]
        with ThreadPoolExecutor(8) as many:
            bets = list(many.map(lambda call: doors.bet(web, call[0], round=f"r-{call[1]}").status, calls))
        assert bets == [200] * len(calls)
        for _ in range(3):
            doors.check_good(web, system.key, session)
        cookie = f"sessionid={session}"
        for address in ("/admin/office/reports/revenue/", "/admin/office/live/state", "/readyz"):
            assert web.ask("GET", address, Cookie=cookie).status == 200, address
        feed = web.ask("GET", "/api/v1/feed", Authorization=f"Api-Key {system.key}")
        assert feed.status == 200
        assert web.alarms() == []
    run = system.manage("reconcile", "--full")
    output, _ = run.communicate()
    assert (run.returncode, "the books balance" in output) == (0, True), output
    names = ("enable_hashjoin", "enable_seqscan", "plan_cache_mode", "lock_timeout", "statement_timeout")
    left = set()
    with connected(between.port, server) as client:
        for _ in range(4 * SIZE):
            left.add(told(client, f"SELECT concat_ws(' ', {', '.join(f'current_setting({n!r})' for n in names)})"))
    assert left == {"on on auto 2s 3s"}
    if isinstance(between, Double):
        assert between.switches > 100
