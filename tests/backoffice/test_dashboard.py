"""The live page: the ledger's last minute, today's revenue, what waits, what was found; and who may see it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from psycopg.errors import QueryCanceled

from casino_pam import metrics
from casino_pam.backoffice import dashboard as live
from tests import bonus_scenario, operators, scenario
from wallet.models import ReconciliationRun, Transaction
from wallet.reports import figures
from wallet.reports.sums import snapshot

SECOND = 1_000_000


@pytest.fixture
def finance(books: None) -> Client:
    scenario.catalogue()
    scenario.alice("100.00")
    return operators.of("finance")


def told(client: Client, **asked: Any) -> Any:
    answer = client.get(reverse("backoffice:dashboard_state"), asked)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def found(first: int, end: int) -> list[tuple[Any, ...]]:
    with snapshot() as own:
        return [
            (each.at, each.currency, each.bets, each.staked, each.paid) for each in figures.seconds(own, first, end)
        ]


def test_adds_each_second_up_by_currency_and_net_of_rollbacks(finance: Client) -> None:
    now = int(time.time())
    at = now * SECOND
    scenario.player("yuki", "1000", currency="JPY")
    scenario.bet(reference="b1", at=at)
    scenario.bet(reference="b2", amount="5.00", round="other", at=at + SECOND - 1)
    scenario.win(amount="2.50", at=at + SECOND)
    scenario.rollback("b2", at=at + 2 * SECOND)
    scenario.bet("yuki", "3.00", currency="JPY", at=at + SECOND)
    assert found(now, now + 3) == [
        (now, "EUR", 2, 1500, 0),
        (now + 1, "EUR", 0, 0, 250),
        (now + 1, "JPY", 1, 300, 0),
        (now + 2, "EUR", 0, -500, 0),
    ]
    assert found(now, now + 1) == [(now, "EUR", 2, 1500, 0)]


def test_reads_a_range_of_the_primary_key_and_never_the_whole_ledger(finance: Client) -> None:
    scenario.many_bets(500)
    newest = Transaction.objects.order_by("-id").values_list("id", flat=True)[0]
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        values = {"from_id": newest, "since": timezone.now(), "until": timezone.now()}
        cursor.execute("EXPLAIN " + figures._SECONDS, values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "wallet_transaction_pkey" in plan
    assert "Seq Scan on wallet_transaction" not in plan


def test_tells_the_seconds_since_the_last_time_and_no_more_than_a_minute(finance: Client) -> None:
    scenario.bet(at=(int(time.time()) - 10) * SECOND)
    whole = told(finance)
    assert [(each["bets"], each["staked"], each["paid"]) for each in whole["seconds"]] == [(1, "10.00", "0.00")]
    assert told(finance, since=whole["end"])["seconds"] == []
    scenario.bet(at=(int(time.time()) - 5) * SECOND)
    for garbage in ("0", "", "-1", "9" * 12, "9" * 40, "\u0661", "nan"):
        assert len(told(finance, since=garbage)["seconds"]) in (0, 2)


def test_tells_what_today_brought_what_waits_and_what_was_found(finance: Client) -> None:
    bonus_scenario.wagering("10.00", cash="0.00")
    scenario.bet(amount="4.00", at=time.time_ns() // 1000)
    discrepancy = {"invariant": "balance", "wallet": 7, "version": 3, "detail": "cash is 5, its rows make 4"}
    at = timezone.now()
    run = {"scope": "full", "started_at": at, "finished_at": at, "wallets": 1, "rows": 2}
    ReconciliationRun.objects.create(**run, discrepancy_count=1, discrepancies=[discrepancy])
    state = told(finance)
    assert state["today"][0]["currency"] == "EUR"
    assert state["bonuses"] == {"pending": 0, "queued": 0, "active": 1}
    assert state["verdict"] == "1 discrepancy"
    assert "cash is 5" in state["findings"][0]["text"]
    assert finance.get(state["findings"][0]["link"]).status_code in (200, 403)
    assert (state["queue"], state["sockets"]) == (0, 0)


def test_looks_slow_things_up_once_for_everybody(finance: Client) -> None:
    with CaptureQueriesContext(connection) as first:
        told(finance)
    with CaptureQueriesContext(connection) as second:
        told(finance)
    assert len(second) < len(first)


def test_says_what_to_do_when_the_ledger_is_too_slow(finance: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> Any:
        raise QueryCanceled

    monkeypatch.setattr(live.figures, "seconds", slow)
    answer = finance.get(reverse("backoffice:dashboard_state"))
    assert answer.status_code == 503
    assert "refresh_reports" in json.loads(answer.content)["problem"]


def test_adds_up_what_live_workers_say_and_forgets_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    dead, alive = 2**22 + 1, 1
    for pid, sockets in ((dead, 5), (alive, 2)):
        file = MmapedDict(str(tmp_path / f"gauge_livesum_{pid}.db"))
        file.write_value(mmap_key("casino_pam_sockets", "casino_pam_sockets", [], [], "help"), float(sockets), 0.0)
        file.close()
    assert metrics.total(metrics.SOCKETS) == 7
    metrics.forget_the_dead()
    assert metrics.total(metrics.SOCKETS) == 2
