"""Connections are lent to threads, within each thread's deadline, and never one that does not work."""

from __future__ import annotations

import contextvars
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from casino_pam.local.os_support import PROJECT, free_port
from tests.game_client import wait_until
from tests.silent_wire import Wire
from wallet.pg import deadline
from wallet.pg.connection import Lent, Silent
from wallet.pg.pool import Exhausted, Pool


def opened() -> Lent:
    return Lent.connect(**connection.get_connection_params(), autocommit=True)


@pytest.fixture
def pool(books: None) -> Iterator[Pool]:
    made = Pool(opened, 2)
    yield made
    made.close()


def process(lent: Lent) -> int:
    return lent.info.backend_pid


class TestPool:
    def test_the_connection_used_last_is_lent_first(self, pool: Pool) -> None:
        first, second = pool.getconn(), pool.getconn()
        pool.putconn(first)
        pool.putconn(second)
        assert pool.getconn() is second

    def test_no_more_are_lent_than_there_may_be(self, pool: Pool) -> None:
        held = [pool.getconn(), pool.getconn()]
        began = time.monotonic()
        with deadline.until(began + 0.1), pytest.raises(Exhausted):
            held.append(pool.getconn())
        assert time.monotonic() - began < 1
        assert len(held) == 2

    def test_who_waits_gets_what_another_gives_back(self, pool: Pool) -> None:
        held, other = pool.getconn(), pool.getconn()
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(pool.getconn)
            pool.putconn(held)
            assert waiting.result() is held
        pool.putconn(other)

    def test_thirty_two_threads_share_two_connections(self, pool: Pool) -> None:
        most, out, counting = 0, 0, threading.Lock()

        def use(_: int) -> int:
            nonlocal most, out
            lent = pool.getconn()
            with counting:
                out += 1
                most = max(most, out)
            found = process(lent)
            lent.execute("SELECT 1")
            with counting:
                out -= 1
            pool.putconn(lent)
            return found

        with ThreadPoolExecutor(32) as threads:
            assert len(set(threads.map(use, range(320)))) == most == 2

    def test_a_place_is_free_again_after_connecting_failed(self, books: None) -> None:
        fail = True

        def perhaps() -> Lent:
            if fail:
                raise psycopg.OperationalError
            return opened()

        pool = Pool(perhaps, 1)
        for _ in range(3):
            with pytest.raises(psycopg.OperationalError):
                pool.getconn()
        fail = False
        pool.putconn(pool.getconn())
        pool.close()

    def test_a_place_is_free_again_when_a_thread_ended_without_a_word(self, pool: Pool) -> None:
        for _ in range(3):
            pool.getconn().close()

    def test_one_that_ended_while_it_was_idle_is_not_lent(self, pool: Pool) -> None:
        lent = pool.getconn()
        pool.putconn(lent)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [process(lent)])
        again = pool.getconn()
        assert again is not lent
        assert again.execute("SELECT 1").fetchone() == (1,)

    def test_one_that_comes_back_in_a_transaction_is_closed(self, pool: Pool) -> None:
        lent = pool.getconn()
        lent.execute("BEGIN")
        pool.putconn(lent)
        assert lent.closed
        assert pool.getconn() is not lent

    def test_one_that_is_old_is_closed_when_it_comes_back(self, pool: Pool) -> None:
        lent = pool.getconn()
        lent.born -= 3601
        pool.putconn(lent)
        assert lent.closed

    def test_what_nobody_needed_for_long_is_closed(self, pool: Pool) -> None:
        first, second = pool.getconn(), pool.getconn()
        pool.putconn(first)
        first.used -= 601
        pool.putconn(second)
        assert first.closed
        assert not second.closed

    def test_a_closed_pool_keeps_nothing(self, pool: Pool) -> None:
        idle, out = pool.getconn(), pool.getconn()
        pool.putconn(idle)
        pool.close()
        pool.putconn(out)
        assert idle.closed
        assert out.closed


class TestDeadline:
    def test_a_statement_is_not_waited_for_past_it_and_its_connection_is_closed(self, books: None) -> None:
        with opened() as own:
            began = time.monotonic()
            with deadline.until(began + 0.2), pytest.raises(Silent):
                own.execute("SELECT pg_sleep(60)")
            assert 0.2 <= time.monotonic() - began < 2
            assert own.closed

    def test_nothing_is_sent_after_it(self, books: None) -> None:
        with opened() as own:
            with deadline.until(time.monotonic()), pytest.raises(Silent):
                own.execute("SET application_name = 'too late'")
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'too late'")
                assert cursor.fetchone() == (0,)

    def test_a_thread_whose_connection_was_closed_for_it_connects_again(self, books: None) -> None:
        for closed_by in (lambda: connection.connection.close(), self.wait_in_vain):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            closed_by()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchone() == (1,)

    def test_what_was_begun_on_a_connection_that_was_closed_does_not_go_on_on_another(self, books: None) -> None:
        def go_on() -> None:
            with transaction.atomic():
                connection.connection.close()
                connection.cursor().execute("SELECT 1")

        with pytest.raises(OperationalError):
            go_on()

    @staticmethod
    def wait_in_vain() -> None:
        with deadline.until(time.monotonic() + 0.1), pytest.raises(OperationalError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    def test_a_server_that_says_nothing_is_not_connected_to_past_it(self, books: None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            parameters = connection.get_connection_params() | {"host": "127.0.0.1", "port": silent.getsockname()[1]}
            began = time.monotonic()
            with deadline.until(began + 0.2), pytest.raises(Silent):
                Lent.connect(**parameters)
            assert time.monotonic() - began < 1

    def test_what_was_sent_into_a_hole_is_sent_again(self, books: None) -> None:
        own = connection.get_connection_params()
        with Wire((own["host"], int(own["port"]))) as wire:
            pool = Pool(lambda: Lent.connect(**own | {"host": "127.0.0.1", "port": wire.port}, autocommit=True), 1)
            with ThreadPoolExecutor(1) as threads, deadline.until(time.monotonic() + 60):
                with wire.cut(lost=True):
                    context = contextvars.copy_context()
                    asking = threads.submit(context.run, pool.getconn)
                    wait_until(lambda: wire.taken > 0)
                lent = asking.result()
                assert lent.execute("SELECT 1").fetchone() == (1,)
                pool.putconn(lent)
            pool.close()

    def test_several_silent_hosts_share_it(self, books: None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            ports = ",".join(str(each.getsockname()[1]) for each in (one, other))
            parameters = connection.get_connection_params() | {"host": "127.0.0.1,127.0.0.1", "port": ports}
            began = time.monotonic()
            with deadline.until(began + 0.2), pytest.raises(Silent):
                Lent.connect(**parameters)
            assert time.monotonic() - began < 1

    def test_the_second_host_is_reached_when_the_first_is_gone(self, books: None) -> None:
        own = connection.get_connection_params()
        parameters = own | {"host": f"127.0.0.1,{own['host']}", "port": f"{free_port()},{own['port']}"}
        with deadline.until(time.monotonic() + 3), Lent.connect(**parameters) as lent:
            assert lent.execute("SELECT 1").fetchone() == (1,)

    def test_there_is_none_for_a_command_and_ctrl_c_ends_its_statement(self, books: None) -> None:
        code = "from django.db import connection; connection.cursor().execute('SELECT pg_sleep(600)')"
        own = connection.settings_dict
        url = f"postgres://{own['USER']}:{own['PASSWORD']}@{own['HOST']}:{own['PORT']}/{own['NAME']}"
        argv = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        command = subprocess.Popen(
            argv, cwd=PROJECT, env={**os.environ, "DATABASE_URL": url}, stderr=subprocess.PIPE, text=True
        )
        try:
            until = time.monotonic() + 60
            while not _sleepers():
                assert time.monotonic() < until
                time.sleep(0.05)
            command.send_signal(signal.SIGINT)
            _, said = command.communicate(timeout=10)
        finally:
            command.kill()
        assert (said, command.returncode) == ("Interrupted.\n", 130)
        assert command.returncode != 0
        assert not _sleepers()


def _sleepers() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'"
        )
        found: int = cursor.fetchone()[0]
        return found


class TestSeveralHosts:
    """PostgreSQL behind hosts that refuse and hosts that swallow everything."""

    @pytest.fixture
    def hole(self) -> Iterator[socket.socket]:
        """Takes connections and says nothing; ``accept`` tells of them."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            yield silent

    @staticmethod
    def connect(*ports: int) -> Lent:
        options = connection.get_connection_params()
        options |= {"host": ",".join(["127.0.0.1"] * len(ports)), "port": ",".join(map(str, ports))}
        with deadline.until(time.monotonic() + 1.5):
            return Lent.connect(**options, autocommit=True)

    def test_the_one_that_works_is_found_in_time_and_is_the_first_from_then_on(
        self, books: None, hole: socket.socket
    ) -> None:
        works = int(connection.settings_dict["PORT"])
        ports = free_port(), hole.getsockname()[1], works
        for _ in range(3):
            with self.connect(*ports) as found:
                assert found.info.port == works
        hole.accept()[0].close()
        with pytest.raises(BlockingIOError):
            hole.accept()
