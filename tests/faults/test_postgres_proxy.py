"""The proxy does to a real session what each fault says, counts it when it hit, and knows a COMMIT by any name."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import make_conninfo

from tests.concurrency import our_database
from tests.faults.link import Fault
from tests.faults.postgres_proxy import Frames, PostgresProxy, is_commit

INSERT = (
    "INSERT INTO wallet_player (code, bet_locked, deposit_locked, withdraw_locked, created_at)"
    " VALUES ('x', 'f', 'f', 'f', now())"
)


@pytest.fixture
def proxy(books: None) -> Iterator[PostgresProxy]:
    place = urlsplit(our_database())
    assert place.hostname is not None and place.port is not None
    with PostgresProxy((place.hostname, place.port), random.Random(1).random) as between:
        yield between


@pytest.fixture
def session(proxy: PostgresProxy) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with dial(proxy) as connection:
        yield connection


def dial(proxy: PostgresProxy) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(make_conninfo(our_database(), port=proxy.port, connect_timeout=2), autocommit=True)


def by_name(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Write a row and commit by the name of a prepared statement."""
    pgconn = connection.pgconn
    pgconn.prepare(b"casino_7", b"COMMIT")
    for statement in ("BEGIN", INSERT):
        assert pgconn.exec_(statement.encode()).status == pq.ExecStatus.COMMAND_OK
    result = pgconn.exec_prepared(b"casino_7", [])
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(result.error_message)


def by_word(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with connection.transaction():
        connection.execute(INSERT)


def stands() -> bool:
    with psycopg.connect(our_database()) as connection:
        return connection.execute("SELECT 1 FROM wallet_player WHERE code = 'x'").fetchone() is not None


@pytest.mark.parametrize("commit", [by_name, by_word])
@pytest.mark.parametrize(("kind", "carried_out"), [("commit_reply_lost", True), ("commit_cut_before", False)])
def test_a_commit_is_lost_before_or_after_it_was_carried_out(proxy, session, commit, kind, carried_out):
    fault = proxy.begin(Fault(kind, times=1))
    with pytest.raises(psycopg.OperationalError):
        commit(session)
    assert (fault.fired, stands()) == (1, carried_out)
    with dial(proxy) as again, again.transaction():
        again.execute("SELECT 1")
    assert fault.fired == 1


def test_silence_after_a_commit_lasts_until_the_client_leaves(proxy, session):
    fault = proxy.begin(Fault("commit_reply_silence", times=1))

    def committing() -> None:
        with suppress(psycopg.OperationalError):
            by_word(session)

    waiting = threading.Thread(target=committing, daemon=True)
    waiting.start()
    while not (fault.fired and stands()):
        time.sleep(0.01)
    waiting.join(0.3)
    assert waiting.is_alive()
    session.pgconn.finish()
    waiting.join(10)


def test_a_fault_counts_only_what_it_hit(proxy, session):
    fault = proxy.begin(Fault("reset"))
    assert fault.fired == 0
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    assert fault.fired == 1
    proxy.end()
    with dial(proxy) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_a_black_hole_holds_everything_and_lets_it_go_when_it_ends(proxy, session):
    fault = proxy.begin(Fault("black_hole"))
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(session.execute("SELECT 1").fetchone()), daemon=True)
    waiting.start()
    with pytest.raises(psycopg.OperationalError):
        dial(proxy)
    assert (answers, fault.fired) == ([], 2)
    proxy.end()
    waiting.join(10)
    assert answers == [(1,)]


@pytest.mark.parametrize("kind", ["dribble", "narrow", "latency"])
def test_a_slow_link_loses_nothing(proxy, session, kind):
    fault = proxy.begin(Fault(kind, seconds=0.01))
    text = "x" * 30_000
    assert session.execute("SELECT %s", [text]).fetchone() == (text,)
    assert fault.fired == 1


def test_a_refused_connection_is_refused_until_the_end(proxy, session):
    fault = proxy.begin(Fault("refuse"))
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        dial(proxy)
    proxy.end()
    dial(proxy).close()
    assert fault.fired == 1


def test_errors_that_pass_are_counted_by_their_code(proxy, session):
    with pytest.raises(psycopg.errors.UndefinedTable):
        session.execute("SELECT FROM nothing")
    assert proxy.errors["42P01"] == 1


def test_messages_are_whole_however_they_arrive():
    frames = Frames(client=False)
    stream = b"C\0\0\0\x0bCOMMIT\0" + b"Z\0\0\0\x05I"
    assert [message for place in range(len(stream)) for message in frames.whole(stream[place : place + 1])] == [
        stream[:12],
        stream[12:],
    ]
    assert [is_commit(text) for text in (b"COMMIT", b"commit ;", b"COMMIT AND CHAIN", b"BEGIN")] == [
        True,
        True,
        False,
        False,
    ]
