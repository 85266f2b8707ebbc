"""Two groups of web workers, as on two machines, on one PostgreSQL and one Valkey: to whoever asks it is one house.

One set-up for the whole module; calls go to the two in turn, as a balancer without stickiness sends them.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from tests import doors
from tests.doors import OPERATOR, PASSWORD
from tests.prepared_servers import prepared_servers
from tests.running_system import RunningSystem, WebGroup, eventually
from tests.socket_client import closed_with, dial, until


class TwoGroups(NamedTuple):
    house: RunningSystem
    one: WebGroup
    other: WebGroup
    session: str

    def turns(self, count: int) -> Iterator[WebGroup]:
        return itertools.islice(itertools.cycle((self.one, self.other)), count)


@pytest.fixture(scope="module")
def groups(static_root: str) -> Iterator[TwoGroups]:
    with prepared_servers() as servers:
        house = RunningSystem(servers, ("alice", "bob"), {"STATIC_ROOT": static_root})
        try:
            with house.group(WEB_WORKERS="1") as other:
                yield TwoGroups(house, WebGroup(house.port, Path(os.devnull)), other, house.python(OPERATOR))
        finally:
            house.close()


def test_every_door_is_open_in_both_whoever_let_the_operator_in(groups: TwoGroups) -> None:
    for web in groups.turns(4):
        doors.check_good(web, groups.house.key, groups.session)
    reference = doors.bet(groups.one, reference="same")
    assert doors.bet(groups.other, reference="same").json["transaction"] == reference.json["transaction"]
    entered = doors.log_in(groups.one, "sue", PASSWORD)
    (session,) = re.findall(r"sessionid=[^;]+", entered.headers["set-cookie"])
    assert groups.other.ask("GET", "/admin/", Cookie=session).status == 200


def test_wrong_passwords_are_counted_together(groups: TwoGroups) -> None:
    groups.house.python(
        f"from django.contrib.auth.models import User; User.objects.create_superuser('max', password='{PASSWORD}')"
    )
    wrong = [doors.log_in(web, "max", "a wrong guess").status for web in groups.turns(5)]
    assert wrong[:4] == [200] * 4
    locked = [doors.log_in(web, "max", PASSWORD) for web in groups.turns(2)]
    assert [answer.status for answer in locked] == [wrong[4]] * 2 and wrong[4] in (403, 429)
    # By name and address together: nobody else is locked out.
    assert doors.log_in(groups.other, "sue", PASSWORD).status == 302


def test_a_key_has_its_thousand_requests_a_second_in_the_whole_house(groups: TwoGroups) -> None:
    own = {"Authorization": f"Api-Key {groups.house.key}"}
    with redis.Redis.from_url(groups.house.valkey.url) as client:
        groups.one.ask("GET", "/api/v1/players/alice", **own)
        (counted, *_) = client.keys("throttle:*")
        prefix = counted.decode().rpartition(":")[0]
        while True:
            second = int(time.time())
            client.set(f"{prefix}:{second}", 999, ex=5)
            found = [web.ask("GET", "/api/v1/players/alice", **own).status for web in groups.turns(2)]
            client.delete(f"{prefix}:{second}")
            if int(time.time()) == second:
                break
    assert found == [200, 429]


def test_a_ticket_opens_one_socket_wherever_it_was_bought(groups: TwoGroups) -> None:
    house = groups.house
    ticket = house.ticket("bob")
    with dial(groups.other.port, ticket) as opened:
        assert until(opened, lambda frame: frame["type"] == "snapshot")
        with dial(groups.one.port, ticket) as late:
            assert closed_with(late) == 4401


def test_sockets_of_both_are_told_counted_and_closed_whoever_posts(groups: TwoGroups) -> None:
    house = groups.house
    with dial(groups.one.port, house.ticket("bob")) as one, dial(groups.other.port, house.ticket("bob")) as other:
        before = [until(each, lambda frame: frame["type"] == "snapshot")[-1]["version"] for each in (one, other)]
        for web in groups.turns(2):
            assert doors.bet(web, "bob").status == 200
        for each, version in zip((one, other), before, strict=True):
            assert until(each, lambda frame, version=version: frame["version"] == version + 2)

        def shown() -> list[dict[str, int]]:
            cookie = f"sessionid={groups.session}"
            states = [web.ask("GET", "/admin/office/live/state", Cookie=cookie).json for web in groups.turns(2)]
            return [{name: state[name] for name in ("sockets", "queue", "workers")} for state in states]

        eventually(lambda: shown() == [{"sockets": 2, "queue": 0, "workers": 3}] * 2, "the figures of both groups")
        assert house.lock("bob", True) == 200
        assert [closed_with(each) for each in (one, other)] == [4401, 4401]
    assert house.lock("bob", False) == 200
    eventually(lambda: [found["sockets"] for found in shown()] == [0, 0], "the figures without sockets")


def test_jobs_may_run_on_both_machines_at_once(groups: TwoGroups) -> None:
    jobs = ("refresh_reports", "expire_bonuses")
    running = [groups.house.manage(job) for job in jobs for _ in range(2)]
    for run in running:
        output, _ = run.communicate()
        assert run.returncode == 0, output


def test_a_group_that_left_is_not_counted(groups: TwoGroups) -> None:
    with groups.house.group(WEB_WORKERS="1"), redis.Redis.from_url(groups.house.valkey.url) as client:
        eventually(lambda: client.hlen("web-workers") == 4, "the third group")
        gone = json.dumps({"at": time.time() - 60, "queue": 5, "sockets": 5})
        client.hset("web-workers", "killed", gone)
    state = groups.one.ask("GET", "/admin/office/live/state", Cookie=f"sessionid={groups.session}").json
    assert (state["workers"], state["sockets"]) == (3, 0)
