"""Where operators are logged in: listed, ended, and lapsed when nobody uses them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from casino_pam import guard, operator_sessions
from tests import operators
from tests.operators import PASSWORD
from wallet.models import AuditEntry, OperatorSession

ACCOUNT = "/admin/office/account/"


def logged_in(name: str, **about: str) -> Client:
    client = Client(**about)  # type: ignore[arg-type]
    assert client.post("/admin/login/", {"username": name, "password": PASSWORD}).status_code == 302
    return client


def scope(client: Client) -> dict[str, Any]:
    """A request of the client's, as the server layer hands it on."""
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    return {"type": "http", "path": "/", "query_string": b"", "headers": [(b"cookie", cookie), (b"host", b"localhost")]}


def ends(client: Client, name: str, reason: str = "his laptop was stolen") -> Any:
    address = reverse("backoffice:end-log-ins", args=[User.objects.get(username=name).pk])
    form = re.search(r'name="reference" value="([^"]+)"', client.get(address).content.decode())
    return client.post(address, {"reference": form[1] if form else "", "reason": reason})


def test_an_operator_sees_and_ends_the_own_log_ins(books: None):
    operators.of("support", "otto")
    here = logged_in("otto", REMOTE_ADDR="10.0.0.1", HTTP_USER_AGENT="Firefox")
    there = logged_in("otto", REMOTE_ADDR="10.0.0.2", HTTP_USER_AGENT="<b>Old</b> browser")
    third = logged_in("otto", REMOTE_ADDR="10.0.0.3")
    page = here.get(ACCOUNT).content.decode()
    assert "10.0.0.1" in page
    assert "&lt;b&gt;Old&lt;/b&gt; browser" in page
    # No page shows what would open a session.
    assert not any(key in page for key in OperatorSession.objects.values_list("session_key", flat=True))
    key = OperatorSession.objects.get(address="10.0.0.2").session_key
    here.post(ACCOUNT, {"end": operator_sessions.handle(key)})
    assert [each.get("/admin/").status_code for each in (here, there, third)] == [200, 302, 200]
    here.post(ACCOUNT, {"end": "others"})
    assert [each.get("/admin/").status_code for each in (here, third)] == [200, 302]
    entries = AuditEntry.objects.filter(act="end own log-in").order_by("id")
    assert [(entry.actor, (entry.before or {})["address"]) for entry in entries][:1] == [("otto", "10.0.0.2")]


def test_nobody_ends_another_s_log_in_from_the_own_account(books: None):
    operators.of("support", "otto")
    other = operators.of("finance", "fay")
    key = other.cookies["sessionid"].value
    logged_in("otto").post(ACCOUNT, {"end": operator_sessions.handle(key)})
    assert other.get("/admin/").status_code == 200


def test_an_administrator_ends_the_log_ins_of_others_for_a_reason_and_no_superuser_s(books: None):
    otto, adam = operators.of("support", "otto"), operators.of("administrator", "adam")
    sue = operators.sue()
    assert ends(adam, "otto", reason="").status_code == 400
    assert ends(adam, "otto").status_code == 302
    assert (otto.get("/admin/").status_code, guard.operator_may(scope(otto))) == (302, False)
    entry = AuditEntry.objects.get(act="end-log-ins")
    assert (entry.actor, entry.subject, entry.reason) == ("adam", "otto", "his laptop was stolen")
    assert "Ended 1 log-in of otto" in (entry.after or {})["said"]
    refused = ends(adam, "sue")
    assert (refused.status_code, "Only superusers end" in refused.content.decode()) == (403, True)
    assert sue.get("/admin/").status_code == 200


def test_a_log_in_that_nobody_uses_lapses_and_the_way_back_is_kept(books: None, settings: Any):
    settings.OPERATOR_IDLE_MINUTES = 30
    client = operators.of("finance", "fay")
    start = timezone.now()
    for minutes in (25, 50):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            assert (client.get("/admin/").status_code, guard.operator_may(scope(client))) == (200, True)
    with time_machine.travel(start + timedelta(minutes=70), tick=False):
        # What a page asks for by itself keeps nobody logged in.
        assert client.get("/admin/office/live/state?since=0").status_code == 200
    with time_machine.travel(start + timedelta(minutes=81), tick=False):
        assert not guard.operator_may(scope(client))
        answer = client.get("/admin/wallet/player/?q=alice")
        assert answer.headers["Location"] == "/admin/login/?next=/admin/wallet/player/%3Fq%3Dalice"
        assert "nobody used it for too long" in client.get(answer.headers["Location"]).content.decode()
    entry = AuditEntry.objects.get(act="log out")
    assert (entry.actor, entry.reason) == ("fay", "nobody used it for too long")


def test_a_log_in_s_last_use_is_written_once_a_minute_at_most(books: None):
    client = operators.of("finance", "fay")
    start = timezone.now()

    def writes(seconds: int) -> int:
        moment = time_machine.travel(start + timedelta(seconds=seconds), tick=False)
        with moment, CaptureQueriesContext(connection) as queries:
            client.get("/admin/office/account/")
        return sum("UPDATE" in query["sql"] and "operatorsession" in query["sql"] for query in queries)

    assert [writes(seconds) for seconds in (1, 59, 61, 62, 120, 122)] == [0, 0, 1, 0, 0, 1]


def test_a_password_of_one_s_own_making_leaves_this_log_in_alone(books: None):
    operators.of("finance", "fay")
    here, there = logged_in("fay"), logged_in("fay")
    fresh = "a longer and better one"
    form = {"old_password": PASSWORD, "new_password1": fresh, "new_password2": fresh}
    started = OperatorSession.objects.get(session_key=here.cookies["sessionid"].value).started_at
    assert here.post("/admin/password_change/", form).status_code == 302
    assert [each.get("/admin/").status_code for each in (here, there)] == [200, 302]
    assert OperatorSession.objects.get(session_key=here.cookies["sessionid"].value).started_at == started


def test_whoever_logs_in_from_a_browser_of_another_begins_anew(books: None):
    operators.of("finance", "fay")
    operators.of("support", "otto")
    client = logged_in("fay")
    OperatorSession.objects.update(started_at=timezone.now() - timedelta(hours=3))
    client.post("/admin/login/", {"username": "otto", "password": PASSWORD})
    row = OperatorSession.objects.get(session_key=client.cookies["sessionid"].value)
    assert (row.operator.username if row.operator else None, timezone.now() - row.started_at < timedelta(hours=1)) == (
        "otto",
        True,
    )


@pytest.mark.parametrize("page", ["/admin/", "/admin/wallet/player/", ACCOUNT])
def test_a_log_in_costs_a_page_two_look_ups_at_most(books: None, page: str):
    """The session with its last use, and whether there is a second factor."""
    client = operators.of("support")
    client.get(page)
    with CaptureQueriesContext(connection) as queries:
        client.get(page)
    about = [q["sql"] for q in queries if "operatorsession" in q["sql"] or "secondfactor" in q["sql"]]
    assert len(about) <= (4 if page == ACCOUNT else 2)
