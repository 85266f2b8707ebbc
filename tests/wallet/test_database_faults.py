"""What says something of PostgreSQL's state is a 503 and one warning; every other error is ours, and an alarm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest
from django.db import DataError, InterfaceError, InternalError, OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test import Client
from psycopg import errors

from casino_pam.engine import posting
from casino_pam.local.os_support import free_port
from tests import operators, rest_client
from tests.game_client import Door
from wallet.errors import Busy
from wallet.models import Player
from wallet.pg import faults
from wallet.pg.connection import Silent
from wallet.pg.pool import Exhausted

BUSY = ("55P03", "57014", "40001", "40P01")
UNAVAILABLE = (
    *("08000", "08003", "08006", "25006", "25P03", "25P04", "53000", "53100", "53200", "53300", "53400"),
    *("57P01", "57P02", "57P03", "57P05", "58000", "58030"),
)
OURS = ("22001", "22003", "23505", "23514", "25001", "25P02", "42601", "42P01", "42501", "0A000", "XX000")


@pytest.mark.parametrize(
    ("state", "code"),
    [*((state, "busy") for state in BUSY), *((state, "unavailable") for state in UNAVAILABLE)]
    + [(state, None) for state in OURS],
)
def test_every_state_has_its_answer(state: str, code: str | None) -> None:
    error = errors.lookup(state)("said so")
    assert faults.fault(error) == code
    # As Django wraps it, whatever it is called there.
    wrapped = InternalError("said so")
    wrapped.__cause__ = error
    assert faults.fault(wrapped) == code


def test_a_lost_connection_has_no_state_and_is_unavailable() -> None:
    for error in (psycopg.OperationalError("the connection is lost"), psycopg.InterfaceError("closed"), Silent("late")):
        assert faults.fault(error) == "unavailable"
    for own in (OperationalError("lost"), InterfaceError("connection already closed"), Busy("unavailable")):
        assert faults.fault(own) == "unavailable"


def test_a_process_without_a_free_connection_is_busy() -> None:
    assert faults.fault(Exhausted("all in use")) == faults.fault(Busy()) == "busy"


def test_what_is_no_fault_of_postgresql_is_none() -> None:
    for error in (
        psycopg.DataError("a NUL"),
        psycopg.ProgrammingError("placeholders"),
        DataError("long"),
        ValueError(),
    ):
        assert faults.fault(error) is None
    assert faults.fault(None) is None


def test_a_transaction_that_was_used_after_the_fault_is_no_other_fault(books: None) -> None:
    with pytest.raises(TransactionManagementError) as caught, transaction.atomic():
        _go_on_after_a_time_out()
    assert faults.fault(caught.value) == "busy"


def _go_on_after_a_time_out() -> None:
    """As code does that swallows an error of ``save``."""
    with suppress(OperationalError), transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1")
        cursor.execute("SELECT pg_sleep(5)")
    Player.objects.count()


@pytest.fixture
def away(books: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody listens where PostgreSQL should be."""
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", free_port())
        yield
    connection.close()


def test_a_page_without_postgresql_is_a_503_and_many_are_one_warning(
    books: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = operators.sue()
    client.raise_request_exception = False
    caller = rest_client.key("players")
    connection.close()
    monkeypatch.setattr(faults, "note", faults._Log().note)
    caplog.set_level(logging.INFO)
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", free_port())
        pages = [client.get("/admin/wallet/player/") for _ in range(3)]
        replies = [caller.get("players/alice") for _ in range(3)]
    connection.close()
    for page in pages:
        assert (page.status_code, page["Retry-After"], page["Cache-Control"]) == (503, "1", "no-store")
        assert b"The house is not available" in page.content
        assert b"127.0.0.1" not in page.content
    assert [(reply.status, reply["code"]) for reply in replies] == [(503, "unavailable")] * 3
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == ["WARNING"]


def test_an_error_of_ours_is_a_500_and_an_alarm(
    books: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = operators.sue()
    client.raise_request_exception = False

    def wrong(*_: object) -> None:
        connection.cursor().execute("SELECT nothing")

    monkeypatch.setattr("casino_pam.backoffice.report_pages._page", wrong)
    assert client.get("/admin/office/reports/").status_code == 500
    assert "ERROR" in {record.levelname for record in caplog.records}


def test_each_kind_is_logged_once_in_a_while_with_the_count_of_those_between(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = 0.0
    monkeypatch.setattr("wallet.pg.faults.time.monotonic", lambda: clock)
    log = faults._Log()
    for _ in range(3):
        log.note(errors.LockNotAvailable("a lock"))
    log.note(errors.ReadOnlySqlTransaction("read only"))
    clock = faults.QUIET_SECONDS
    log.note(errors.LockNotAvailable("a lock"))
    told = [record.msg for record in caplog.records if record.levelname == "WARNING"]
    assert [(line["kind"], line["more_before"]) for line in told] == [("55P03", 0), ("25006", 0), ("55P03", 2)]  # type: ignore[call-overload, index]


def test_a_stranger_at_the_log_in_learns_nothing_of_the_network(away: None) -> None:
    client = Client(raise_request_exception=False)
    answer = client.post("/admin/login/", {"username": "sue", "password": "guess"})
    assert answer.status_code == 503
    assert b"127.0.0.1" not in answer.content


_RAISING = """
CREATE OR REPLACE FUNCTION raise_on_purpose() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'; END $$
"""
# What each door writes first.
WRITTEN = ("wallet_transaction", "wallet_player", "django_session", "wallet_auditentry")


@pytest.fixture
def raising(door: Door) -> Iterator[Callable[[str], None]]:
    """PostgreSQL itself raises a state at every write of a door, whichever is asked for."""

    def become(state: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_RAISING.format(state=state))

    become("57P01")
    operators.sue()
    with connection.cursor() as cursor:
        for table in WRITTEN:
            trigger = f"CREATE TRIGGER on_purpose BEFORE INSERT ON {table}"
            cursor.execute(f"{trigger} FOR EACH STATEMENT EXECUTE FUNCTION raise_on_purpose()")
    yield become
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION raise_on_purpose CASCADE")


def test_every_state_of_the_server_is_a_503_at_every_door_and_no_alarm(
    door: Door, raising: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(posting, "PATIENCE_SECONDS", 0.05)
    terms = {"player": "alice", "currency": "EUR", "round": "r", "game": "g-1", "amount": "1.00"}
    caller = rest_client.key("players")
    # Of a class that each door answers alike, one state is enough for the slower doors.
    slower = {"40001", "55P03", "25006", "53300", "57P01", "08006", "58030"}
    caplog.set_level(logging.WARNING)
    for state in (*BUSY, *UNAVAILABLE):
        raising(state)
        code = "busy" if state in BUSY else "unavailable"
        bet = door.post("bet", {**terms, "reference": f"bet-{state}"})
        assert (bet.status, bet.json["retry"]) == (503, True), state
        # What could be posted by a second try is tried again, so the last word may be either.
        assert bet["code"] in (code, "busy"), state
        made = caller.post("players", {"player": f"new-{state}"})
        assert (made.status, made["code"]) == (503, code), (state, made.body)
        if state in slower:
            client = Client(raise_request_exception=False)
            entry = client.post("/admin/login/", {"username": "sue", "password": operators.PASSWORD})
            assert (entry.status_code, entry["Retry-After"]) == (503, "1"), state
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert Player.objects.filter(code__startswith="new-").count() == 0
