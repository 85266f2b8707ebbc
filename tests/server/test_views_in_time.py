"""Whatever PostgreSQL does, every door of Django answers in time, says so as a 503, and serves again when it can."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import msgspec
import psycopg
import pytest

from casino_pam.local.os_support import processes_in
from tests.prepared_servers import prepared_servers
from tests.running_system import RunningSystem, eventually
from tests.silent_wire import Wire
from tests.socket_client import dial, next_frame, until

# PLAY.md §1, and what a client and two busy cores may add.
IN_TIME = 3.5
SOON = 1.0

OPERATOR = """
from django.contrib.auth.models import User
from django.test import Client
sue = User.objects.create_superuser("sue", password="correct horse battery")
client = Client()
client.force_login(sue)
print(client.cookies["sessionid"].value)
"""


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Doors:
    """Every kind of request that needs PostgreSQL, as a name and a call."""

    def __init__(self, house: RunningSystem, wire: Wire) -> None:
        self.house = house
        self.wire = wire
        self.cookie = house.python(OPERATOR)
        self.calls: dict[str, Callable[[], Answer]] = {
            "rest read": lambda: self.rest("GET", "players/alice"),
            "rest statement": lambda: self.rest("GET", "players/alice/wallets/EUR/transactions"),
            "admin page": lambda: self.ask("GET", "/admin/wallet/player/", cookie=f"sessionid={self.cookie}"),
            "admin report": lambda: self.ask(
                "GET", "/admin/office/reports/trial-balance/", cookie=f"sessionid={self.cookie}"
            ),
            "log-in": self.log_in,
        }

    def rest(self, method: str, path: str, body: Any = None) -> Answer:
        return self.ask(method, f"/api/v1/{path}", body and json.dumps(body), authorization=f"Api-Key {self.house.key}")

    def log_in(self) -> Answer:
        """The form with a good name and password; its page needs no PostgreSQL."""
        page = self.ask("GET", "/admin/login/")
        assert page.status == 200
        cookie = page.headers["set-cookie"].partition(";")[0]
        (token,) = re.findall(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
        form = {"username": "sue", "password": "correct horse battery", "csrfmiddlewaretoken": token.decode()}
        named = {"cookie": cookie, "content-type": "application/x-www-form-urlencoded"}
        return self.ask("POST", "/admin/login/?next=/admin/", urlencode(form), **named)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=30)
        try:
            if body and "content-type" not in headers:
                headers["content-type"] = "application/json"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, read, time.monotonic() - began)

    def all(self) -> dict[str, Answer]:
        """What every door answers when all are asked at once."""
        with ThreadPoolExecutor(len(self.calls)) as threads:
            return dict(zip(self.calls, threads.map(lambda call: call(), self.calls.values()), strict=True))

    def sql(self, statement: str) -> None:
        with self.house.postgresql.connect() as own:
            own.execute(statement)


@pytest.fixture(scope="module")
def doors(static_root: str) -> Iterator[Doors]:
    with prepared_servers() as servers, Wire(("127.0.0.1", servers.running[0].port)) as wire:
        url = servers.running[0].url.replace(f":{servers.running[0].port}/", f":{wire.port}/")
        house = RunningSystem(servers, ("alice",), {"DATABASE_URL": url, "STATIC_ROOT": static_root})
        try:
            yield Doors(house, wire)
        finally:
            house.close()


@pytest.fixture(autouse=True)
def served_before(doors: Doors) -> None:
    good = {"rest read": 200, "rest statement": 200, "admin page": 200, "admin report": 200, "log-in": 302}
    eventually(lambda: statuses(doors) == good, "answers of every door")


def statuses(doors: Doors) -> dict[str, int]:
    return {name: answer.status for name, answer in doors.all().items()}


def check_refused(answers: dict[str, Answer]) -> None:
    """Each in time, each a 503 that says when to come again, in the shape of its door."""
    for name, answer in answers.items():
        assert answer.status == 503, (name, answer)
        assert answer.seconds < IN_TIME, (name, answer)
        assert answer.headers["retry-after"] == "1", name
        if name.startswith("rest"):
            assert answer.headers["content-type"] == "application/problem+json"
            problem = json.loads(answer.body)
            assert problem["code"] in ("busy", "unavailable")
            assert problem["retry"] is True
            assert problem["request_id"] == answer.headers["x-request-id"]
        else:
            assert answer.headers["content-type"] == "text/html; charset=utf-8", name
            assert b"othing is known to have happened" in answer.body


def check_served_again(doors: Doors) -> None:
    """A moment after PostgreSQL is back, whatever was asked meanwhile."""
    end = time.monotonic() + SOON
    while (answer := doors.calls["rest read"]()).status != 200:
        assert time.monotonic() < end, answer
        time.sleep(0.02)
    assert doors.calls["admin page"]().status == 200


@contextmanager
def frozen(doors: Doors) -> Iterator[None]:
    """PostgreSQL and all its processes stand still; connections are still accepted by the kernel."""
    cluster = doors.house.postgresql.cluster
    stopped: set[int] = set()
    # The first is the one that makes others.
    assert doors.house.postgresql.process is not None
    os.kill(doors.house.postgresql.process.pid, signal.SIGSTOP)
    while more := set(processes_in(cluster)) - stopped:
        for pid in more:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= more
    try:
        yield
    finally:
        thaw(doors)


def thaw(doors: Doors) -> None:
    for pid in processes_in(doors.house.postgresql.cluster):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stopped(doors: Doors) -> Iterator[None]:
    doors.house.postgresql.stop()
    try:
        yield
    finally:
        doors.house.postgresql.start()


@contextmanager
def cut(doors: Doors) -> Iterator[None]:
    with doors.wire.cut():
        yield


@contextmanager
def cut_for_good(doors: Doors) -> Iterator[None]:
    """The connections there are lead nowhere any more, as after a failover."""
    with doors.wire.cut(lost=True):
        yield


@pytest.mark.parametrize("fault", [frozen, cut, cut_for_good, stopped], ids=lambda fault: fault.__name__)
def test_every_door_answers_503_in_time_and_serves_again_at_once(doors: Doors, fault: Any) -> None:
    with fault(doors):
        check_refused(doors.all())
        # A second time, when every connection there was is known to be of no use.
        check_refused(doors.all())
        alive = doors.ask("GET", "/healthz")
        ready = doors.ask("GET", "/readyz")
    assert (alive.status, alive.seconds < SOON) == (200, True)
    assert (ready.status, ready.seconds < SOON + 0.2) == (503, True)
    assert json.loads(ready.body)["database"] == "failed"
    check_served_again(doors)


def test_a_failover_without_requests_meanwhile_costs_none_of_the_next(doors: Doors) -> None:
    with doors.wire.cut(lost=True):
        # Older than what is believed without asking.
        time.sleep(1.1)
    answer = doors.calls["rest read"]()
    assert (answer.status, answer.seconds < SOON) == (200, True)


def test_a_primary_that_takes_no_writes_refuses_what_must_write_and_is_not_ready(doors: Doors) -> None:
    doors.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    doors.sql("SELECT pg_reload_conf()")
    try:
        eventually(lambda: doors.ask("GET", "/readyz").status == 503, "readiness to end")
        deposit = {"player": "alice", "currency": "EUR", "reference": "d-1", "amount": "1.00"}
        made = doors.rest("POST", "players", {"player": "bob"})
        answers = {
            "log-in": doors.log_in(),
            "rest player": made,
            "rest deposit": doors.rest("POST", "deposits", deposit),
        }
        check_refused(answers)
        assert doors.calls["rest read"]().status == 200
        assert doors.calls["admin page"]().status == 200
    finally:
        doors.sql("ALTER SYSTEM RESET default_transaction_read_only")
        doors.sql("SELECT pg_reload_conf()")
    eventually(lambda: doors.ask("GET", "/readyz").status == 200, "readiness")
    assert doors.log_in().status == 302
    assert doors.rest("POST", "players", {"player": "bob"}).status == 201


def test_backends_that_are_ended_cost_no_request(doors: Doors) -> None:
    doors.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'casino'")
    assert set(statuses(doors).values()) == {200, 302}


def test_without_a_free_slot_of_postgresql_every_door_answers_503(doors: Doors) -> None:
    with ExitStack() as held:
        doors.sql("ALTER ROLE casino CONNECTION LIMIT 0")
        held.callback(doors.sql, "ALTER ROLE casino CONNECTION LIMIT -1")
        doors.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'casino'")
        check_refused(doors.all())
    check_served_again(doors)


def test_a_lock_that_is_not_given_back_is_answered_in_time(doors: Doors) -> None:
    with psycopg.connect(doors.house.postgresql.url) as holder:
        holder.execute("LOCK TABLE wallet_player, django_session IN ACCESS EXCLUSIVE MODE")
        answers = doors.all()
    check_refused({name: answers[name] for name in ("rest read", "admin page")})
    check_served_again(doors)


def test_ninety_six_at_once_are_all_served(doors: Doors) -> None:
    with ThreadPoolExecutor(96) as threads:
        answers = list(threads.map(lambda _: doors.calls["rest read"](), range(96)))
    assert {answer.status for answer in answers} == {200}
    assert max(answer.seconds for answer in answers) < IN_TIME


def test_ninety_six_at_once_before_a_frozen_postgresql_are_all_refused_in_time(doors: Doors) -> None:
    with frozen(doors), ThreadPoolExecutor(96) as threads:
        answers = list(threads.map(lambda _: doors.calls["rest read"](), range(96)))
    check_refused({f"rest {place}": answer for place, answer in enumerate(answers)})
    check_served_again(doors)


def test_a_process_is_alive_however_many_ask_whether_it_is_ready(doors: Doors) -> None:
    with frozen(doors), ThreadPoolExecutor(48) as threads:
        ready = [threads.submit(doors.ask, "GET", "/readyz") for _ in range(48)]
        # Some have their answer: the others fill every place by now.
        wait(ready, return_when=FIRST_COMPLETED)
        alive = [doors.ask("GET", "/healthz") for _ in range(4)]
    assert {answer.status for answer in alive} == {200}
    assert {each.result().status for each in ready} == {503}


def test_sockets_outlive_a_frozen_postgresql_and_show_the_truth_when_it_thaws(doors: Doors) -> None:
    ticket = doors.house.ticket("alice")
    with doors.house.dial("alice") as there:
        before = next_frame(there)
        with frozen(doors), dial(doors.house.port, ticket) as newcomer:
            # Both are still listened to, though one of them could be told nothing yet.
            for client in (there, newcomer):
                assert client.ping().wait(SOON)
            check_refused({"rest read": doors.calls["rest read"]()})
            assert there.ping().wait(SOON)
            thaw(doors)
            assert next_frame(newcomer)["type"] == "snapshot"
        eventually(lambda: doors.house.bet("alice") == 200, "a bet")
        until(there, lambda frame: frame["version"] > before["version"])
