"""A house with a standby: what the standby shows, what it refuses, and every door while nothing can be written.

The servers are shared by the whole module, so each test leaves them as it found them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from casino_pam.local.os_support import PROJECT
from tests import doors
from tests.doors import DOORS, OPERATOR
from tests.prepared_servers import prepared_servers
from tests.running_system import Answer, RunningSystem, WebGroup, eventually
from tests.standby_server import Standby


class House(RunningSystem):
    """Web workers on a primary, reports from its standby, and a superuser of PostgreSQL for the faults."""

    standby: Standby
    session: str

    def sql(self, statement: str) -> None:
        with self.postgresql.connect() as connection:
            connection.execute(statement)

    def written(self) -> str:
        with self.postgresql.connect() as connection:
            record = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert record is not None
        return str(record[0])

    def caught_up(self) -> None:
        place = self.written()
        eventually(lambda: self.standby.follows(place), "the standby")

    def send_everybody_away(self) -> None:
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'casino'")

    def doors(self, web: WebGroup) -> dict[str, Answer]:
        return doors.answers(web, self.key, self.session)

    def check_good(self, web: WebGroup) -> None:
        doors.check_good(web, self.key, self.session)


@pytest.fixture(scope="module")
def house(static_root: str) -> Iterator[House]:
    with prepared_servers() as servers:
        primary = servers.running[0]
        standby = Standby(servers.place, primary)  # type: ignore[arg-type]
        try:
            standby.start()
            environment = {"REPORTS_DATABASE_URL": standby.url, "STATIC_ROOT": static_root, "WEB_WORKERS": "1"}
            opened = House(servers, ("alice",), environment)
            try:
                opened.standby = standby
                opened.session = opened.python(OPERATOR)
                yield opened
            finally:
                opened.close()
        finally:
            standby.stop()


@pytest.fixture(scope="module")
def web(house: House) -> Iterator[WebGroup]:
    with house.group() as opened:
        house.check_good(opened)
        yield opened


@pytest.fixture(scope="module")
def reader(house: House) -> Iterator[WebGroup]:
    """Web workers that are connected to the standby, as after a failover; their key's last use is to be noted."""
    house.python("from wallet.models import ApiKey\nApiKey.objects.update(last_used_at=None)")
    house.caught_up()
    with house.group(DATABASE_URL=house.standby.url) as opened:
        yield opened


def check_unavailable(answers: dict[str, Answer], *asked: str) -> None:
    """Each of these says 503 and when to come again, in its own shape."""
    for door in asked:
        answer = answers[door]
        assert (answer.status, answer.headers.get("retry-after")) == (503, "1"), (door, answer)
        if door in ("bet", "read", "write"):
            assert answer.json["code"] == "unavailable", (door, answer)
        else:
            assert "The house is not available" in answer.text, (door, answer)


# --- while nothing can be written --------------------------------------------------------------


def test_on_a_standby_what_reads_is_served_and_what_writes_is_told_to_come_again(
    house: House, reader: WebGroup
) -> None:
    answers = house.doors(reader)
    check_unavailable(answers, "bet", "write", "log in")
    assert (answers["read"].status, answers["page"].status) == (200, 200)
    ready = reader.ask("GET", "/readyz")
    assert (ready.status, ready.json["database"], ready.json["migrations"]) == (503, "failed", "ok")
    assert reader.ask("GET", "/healthz").status == 200
    assert reader.alarms() == []


def test_the_feed_says_why_it_is_not_read_from_a_standby(house: House, reader: WebGroup) -> None:
    answer = reader.ask("GET", "/api/v1/feed", Authorization=f"Api-Key {house.key}")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert "skip rows for ever" in answer.json["detail"]
    assert reader.alarms() == []


def test_a_standby_that_takes_no_connections_is_unavailable_at_every_door(house: House, reader: WebGroup) -> None:
    """57P03; and with it the connections that were there before are ended: 57P01."""
    try:
        house.standby.stop()
        house.standby.further = ["hot_standby=off"]
        house.standby.start()
        check_unavailable(house.doors(reader), *DOORS)
        ready = reader.ask("GET", "/readyz")
        assert (ready.status, ready.json["database"]) == (503, "failed")
    finally:
        house.standby.stop()
        house.standby.further = []
        house.standby.start()
    eventually(lambda: house.doors(reader)["read"].status == 200, "the standby's return")
    assert reader.alarms() == []


@contextmanager
def changed(house: House, change: str, undo: str) -> Iterator[None]:
    """The primary is changed and everybody sent away; afterwards it is as before."""
    house.sql(change)
    house.send_everybody_away()
    try:
        yield
    finally:
        house.sql(undo)
        house.send_everybody_away()


def test_a_primary_that_became_read_only_is_as_a_standby(house: House, web: WebGroup) -> None:
    """25006, after 57P01 on the connections that were there."""
    on = "ALTER DATABASE casino SET default_transaction_read_only = on"
    with changed(house, on, "ALTER DATABASE casino RESET default_transaction_read_only"):
        answers = house.doors(web)
        check_unavailable(answers, "bet", "write", "log in")
        assert (answers["read"].status, answers["page"].status) == (200, 200)
        assert web.ask("GET", "/readyz").json["database"] == "failed"
    house.check_good(web)
    assert web.ask("GET", "/readyz").status == 200
    assert web.alarms() == []


def test_without_a_connection_to_be_had_every_door_is_unavailable(house: House, web: WebGroup) -> None:
    """53300."""
    with changed(house, "ALTER ROLE casino CONNECTION LIMIT 0", "ALTER ROLE casino CONNECTION LIMIT -1"):
        check_unavailable(house.doors(web), *DOORS)
        assert web.ask("GET", "/readyz").json["database"] == "failed"
    house.check_good(web)
    assert web.alarms() == []


def test_connections_that_are_ended_between_two_calls_are_opened_again(house: House, web: WebGroup) -> None:
    for _ in range(3):
        house.send_everybody_away()
        house.check_good(web)
    assert web.alarms() == []


# --- reports from the standby ------------------------------------------------------------------


def report(house: House, web: WebGroup) -> Answer:
    return web.ask("GET", "/admin/office/reports/revenue/", Cookie=f"sessionid={house.session}")


def file_name(house: House, web: WebGroup) -> str:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    address = f"/admin/office/reports/revenue.csv?since={today}&until={today}&per=day"
    answer = web.ask("GET", address, Cookie=f"sessionid={house.session}")
    assert answer.status == 200, answer
    return answer.headers["content-disposition"]


@contextmanager
def cut_off(house: House) -> Iterator[None]:
    """The standby hears nothing of its primary; afterwards it follows again."""
    primary = house.standby.value("SHOW primary_conninfo")
    follow_from(house, "")
    try:
        eventually(lambda: house.standby.value("SELECT count(*) FROM pg_stat_wal_receiver") == 0, "the cut")
        yield
    finally:
        follow_from(house, primary)


def follow_from(house: House, primary: str) -> None:
    with house.standby.connect() as standby:
        standby.execute(psycopg.sql.SQL("ALTER SYSTEM SET primary_conninfo = {}").format(primary))
        standby.execute("SELECT pg_reload_conf()")


def test_reports_are_read_from_the_standby_and_say_how_old_they_are(house: House, web: WebGroup) -> None:
    # An idle house: the last commit is long ago, or could be, and yet nothing is missing.
    house.caught_up()
    before = report(house, web)
    assert "so this is complete" in before.text and "standby" not in before.text
    assert "as-of" not in file_name(house, web)
    # Cut off: what it has received it has carried out, so its own word would be that nothing is missing.
    with cut_off(house):
        assert doors.bet(web).status == 200
        behind = report(house, web)
        assert "This was read from a standby." in behind.text and "may be missing" in behind.text
        assert "so this is complete" not in behind.text
        assert re.search(r"as-of-\d{4}-\d\d-\d\dT\d{6}Z\.csv", file_name(house, web))
        assert bets(behind) == bets(before)
    house.caught_up()
    after = report(house, web)
    assert "so this is complete" in after.text
    assert bets(after) == bets(before) + 1


def bets(page: Answer) -> int:
    """The bets of today, in the report's sums."""
    foot = page.text[page.text.index("<tfoot>") :]
    cells = [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", foot, re.DOTALL)]
    return int(cells[2])


# --- commands ----------------------------------------------------------------------------------

PAGE = (PROJECT / "docs" / "operations.md").read_text()


def listed(heading: str) -> list[str]:
    """The commands of a row of the table that says what may run on a standby."""
    (row,) = re.findall(rf"^\| {heading} \| (.*?) \|$", PAGE, re.MULTILINE)
    # The page names the demo's provider, and this house has another.
    return re.findall(r"`manage\.py ([^`]+)`", row.replace("demo-studio", "acme"))


_RUN = """
import json
from django.core.management import call_command
from django.db import Error
from wallet.errors import Busy
import io, shlex
found = {}
for line in %r:
    try:
        call_command(*shlex.split(line), stdout=io.StringIO())
        found[line] = 'ran'
    except SystemExit as left:
        found[line] = f'left with {left.code}'
    except Busy as busy:
        found[line] = 'on a standby'
    except Error as error:
        found[line] = error.__cause__.sqlstate
print(json.dumps(found))
"""


def test_what_the_operations_page_lists_runs_on_a_standby_and_the_rest_does_not(house: House) -> None:
    house.caught_up()
    may, may_not, fail = (
        listed(heading) for heading in ("runs there", "refuses, and says why", "fails at its first write")
    )
    assert may and may_not and fail
    code = _RUN % [*may, *may_not, *fail]
    found: dict[str, Any] = json.loads(house.python(code, DATABASE_URL=house.standby.url, DATABASE_POOL_SIZE="0"))
    assert found == {
        **dict.fromkeys(may, "ran"),
        **dict.fromkeys(may_not, "on a standby"),
        **dict.fromkeys(fail, "25006"),
    }


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("reconcile", "Reconcile on the primary."),
        ("refresh_reports --rebuild 2026-01-01", "PostgreSQL takes no writes here"),
    ],
)
def test_a_command_says_in_a_sentence_that_it_is_on_a_standby(house: House, command: str, sentence: str) -> None:
    run = house.manage(*command.split(), DATABASE_URL=house.standby.url)
    output, _ = run.communicate()
    assert run.returncode == 2, output
    assert sentence in output and "Traceback" not in output
