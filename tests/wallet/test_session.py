"""Statements that travel together: in order, all of them or none after a fault, and every fault by its name."""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
import weakref
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import errors, generators, waiting

from casino_pam.local.servers import PostgreSQL, passing_servers
from tests.interleaving import elsewhere
from wallet.pg import deadline
from wallet.pg.connection import Silent
from wallet.pg.session import Session, numbered, session_of

ECHO = "SELECT %s::text"
DIVIDE = "SELECT 1 / %s::integer"


@pytest.fixture
def session(books):
    connection.ensure_connection()
    yield session_of(connection.connection)
    connection.close()


def test_a_connection_keeps_its_session_and_what_was_prepared_on_it(session):
    for text in "xy":
        assert session.rows(f"{ECHO} AS kept", [text]) == [(text,)]
    assert session_of(connection.connection) is session
    (prepared,) = session.rows("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%% AS kept'", [])
    assert prepared == (1,)


def test_a_session_keeps_no_connection_alive_that_everybody_else_has_forgotten(session):
    forgotten = weakref.ref(own := psycopg.connect(**connection.get_connection_params()))
    assert session_of(own).rows(ECHO, ["x"]) == [("x",)]
    own.close()
    del own
    gc.collect()
    assert forgotten() is None


def test_places_are_numbered_in_order():
    assert numbered("SELECT %s, %s") == "SELECT $1, $2"


def test_rows_come_as_pythons_own_types(session):
    asked = "SELECT %s::bigint, %s::boolean, NULL::text, %s::bytea, %s::text"
    assert session.rows(asked, ["12", "true", "\\x00ff", "é\n'\""]) == [(12, True, None, b"\x00\xff", "é\n'\"")]


def test_what_waits_travels_together_and_each_answer_is_its_own(session):
    first, second, third = (session.put(ECHO, [text]) for text in "abc")
    assert third.rows() == [("c",)]
    assert (first.result is not None, first.rows(), second.rows()) == (True, [("a",)], [("b",)])


def test_nothing_after_a_fault_is_carried_out(session):
    session.command("CREATE TEMPORARY TABLE kept (n integer)")
    insert = "INSERT INTO kept VALUES (%s::integer)"
    session.command("BEGIN")
    # Each is prepared before, which is a journey of its own.
    session.rows(DIVIDE, ["1"])
    session.put(insert, ["0"])
    session.command("ROLLBACK; BEGIN; COMMIT; BEGIN")
    session.put(insert, ["1"])
    session.put(DIVIDE, ["0"])
    session.put(insert, ["2"])
    with pytest.raises(errors.DivisionByZero):
        session.put("COMMIT").written()
    session.command("ROLLBACK")
    assert session.rows("SELECT count(*) FROM kept", []) == [(0,)]


def test_counts_what_each_statement_wrote(session):
    session.command("CREATE TEMPORARY TABLE counted (n integer)")
    session.put("INSERT INTO counted SELECT generate_series(1, %s::integer)", ["5"])
    assert session.put("DELETE FROM counted WHERE n > %s::integer", ["3"]).written() == 2


@pytest.mark.parametrize("together", [1, 3])
def test_a_connection_that_was_cut_is_an_operational_error_and_no_hang(session, together):
    session.rows(ECHO, ["x"])
    pid = connection.connection.info.backend_pid
    elsewhere(lambda: connection.cursor().execute("SELECT pg_terminate_backend(%s)", [pid]) or True)
    for _ in range(2):
        for n in range(together):
            session.put(ECHO, [str(n)])
        with pytest.raises(psycopg.OperationalError):
            session.send()
    with pytest.raises(psycopg.OperationalError):
        session.command("BEGIN")


def test_what_was_forgotten_is_never_sent(session):
    session.put(DIVIDE, ["0"])
    session.forget()
    assert session.rows(ECHO, ["x"]) == [("x",)]


def test_a_statement_that_cannot_be_prepared_says_why(session):
    with pytest.raises(errors.UndefinedTable):
        session.rows("SELECT * FROM nowhere", [])
    assert isinstance(session, Session)
    assert session.rows(ECHO, ["x"]) == [("x",)]


# --- never waits for ever ------------------------------------------------------------------------


def sized(session: Session, *, send_buffer: int) -> None:
    """Let the kernel take no more than so many bytes that PostgreSQL has not read yet."""
    with socket.socket(fileno=os.dup(session._pgconn.socket)) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)


@pytest.mark.parametrize(("send_buffer", "length"), [(1024, 100_000), (1024, 2_000_000), (10**6, 12_000_000)])
def test_sends_all_of_a_pipeline_that_the_socket_takes_bit_by_bit(session, send_buffer, length):
    """What the first flush leaves unsent was never sent, and both sides waited for ever."""
    sized(session, send_buffer=send_buffer)
    texts = [letter * (length // 4) for letter in "abcd"]
    with deadline.until(time.monotonic() + 60):
        asked = [session.put(ECHO, [text]) for text in texts]
        assert [answer.rows() for answer in asked] == [[(text,)] for text in texts]


def test_sends_one_large_statement_that_the_socket_takes_bit_by_bit(session):
    sized(session, send_buffer=1024)
    with deadline.until(time.monotonic() + 60):
        assert session.rows(ECHO, ["x" * 3_000_000]) == [("x" * 3_000_000,)]
        session.command(f"SELECT '{'x' * 3_000_000}'")


@pytest.mark.parametrize("together", [1, 3])
def test_an_answer_that_does_not_come_in_time_closes_the_connection(session, together):
    session.rows("SELECT pg_sleep(%s::float)", ["0"])
    began = time.monotonic()
    with deadline.until(began + 0.2):
        for _ in range(together):
            session.put("SELECT pg_sleep(%s::float)", ["30"])
        with pytest.raises(Silent):
            session.send()
    assert time.monotonic() - began < 2
    with pytest.raises(psycopg.OperationalError):
        session.rows(ECHO, ["x"])


def test_a_command_that_does_not_end_in_time_closes_the_connection(session):
    with deadline.until(time.monotonic() + 0.2), pytest.raises(Silent):
        session.command("SELECT pg_sleep(30)")
    assert connection.connection.closed


def test_a_frozen_postgresql_is_waited_for_no_longer_than_the_deadline(session):
    with passing_servers(PostgreSQL) as servers:
        [server] = servers.running
        with psycopg.connect(server.url, autocommit=True) as own:
            frozen = session_of(own)
            frozen.rows(ECHO, ["x"])
            pid = own.info.backend_pid
            os.kill(pid, signal.SIGSTOP)
            try:
                with deadline.until(time.monotonic() + 0.2), pytest.raises(Silent):
                    frozen.rows(ECHO, ["x"])
            finally:
                os.kill(pid, signal.SIGCONT)


def test_a_statement_after_a_fault_is_prepared_when_it_is_next_asked(session):
    """It travels behind the fault, so PostgreSQL has passed it over; its name must not be taken for known."""
    session.put(DIVIDE, ["0"])
    session.put(ECHO, ["never seen"])
    with pytest.raises(errors.DivisionByZero):
        session.send()
    assert session.rows(ECHO, ["x"]) == [("x",)]


def test_statements_that_were_forgotten_unprepared_can_be_asked_again(session):
    session.put(ECHO, ["x"])
    session.forget()
    assert session.rows(ECHO, ["y"]) == [("y",)]


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("results", [0, 2, 5])
def test_a_server_that_ends_in_the_middle_may_answer_more_or_less_than_it_was_asked(
    session, together, results, monkeypatch
):
    """Its last words and libpq's are a result each; once in some hundred endings both came, and that was a 500."""
    session.rows(ECHO, ["x"])
    (last_words,) = generators_execute(session, b"SELECT 1 / 0")

    def cut_short(exchange: Any) -> list[Any]:
        exchange.close()
        return [last_words] * results

    monkeypatch.setattr(session, "_finished", cut_short)
    for n in range(together):
        session.put(ECHO, [str(n)])
    with pytest.raises((psycopg.OperationalError, errors.DivisionByZero)):
        session.send()
    assert connection.connection.closed


def generators_execute(session: Session, query: bytes) -> list[Any]:
    session._pgconn.send_query(query)
    return waiting.wait(generators.execute(session._pgconn), session._pgconn.socket, interval=0.1)
