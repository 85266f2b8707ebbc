"""Jobs by the clock: on one machine at a time, taken over from who died, written down once the database is back."""

from __future__ import annotations

import multiprocessing
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import structlog
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from casino_pam import scheduler, timetable
from casino_pam.local.os_support import PROJECT
from casino_pam.management.commands.grant_cashback import last_period
from casino_pam.scheduler import Scheduler
from casino_pam.timetable import Finding, ScheduledJob, Stint
from tests import operators, scenario
from tests.running_system import eventually
from tests.server.test_commands import environment, manage
from tests.server.test_health import away_from_the_database
from tests.threads import processes
from wallet.models import Approval, DaySum, Job


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """An empty house."""


def due(name: str, **fields: Any) -> None:
    """A job of that name that is due since a second."""
    Job.objects.create(name=name, every=60, offset=0, due_at=Now() - timedelta(seconds=1), **fields)


def of(run: Callable[[Stint], str], name: str = "work") -> Callable[[], list[ScheduledJob]]:
    return lambda: [ScheduledJob(name, run, 60)]


def ran(house: Scheduler) -> Job:
    """The job's row after its run has ended and was written down."""
    house.tick()
    eventually(lambda: all(stint.ended for stint in house._running.values()), "the end of the job")
    house.tick()
    return Job.objects.get(name="work")


# --- one of many ---------------------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_of_schedulers_that_see_the_same_due_job_at_once_one_runs_it(monkeypatch: pytest.MonkeyPatch, guarded: bool):
    """With the guard off each of them does."""
    due("work")
    together = multiprocessing.get_context("fork").Barrier(4)
    claimed = Scheduler._claimed

    def at_once(self: Scheduler, name: str) -> bool:
        together.wait(60)
        return claimed(self, name) if guarded else Job.objects.filter(name=name).update(holder=self.holder) == 1

    monkeypatch.setattr(Scheduler, "_claimed", at_once)
    assert sum(processes(2, [begins] * 4)) == (1 if guarded else 4)


def begins() -> bool:
    house = Scheduler(of(lambda stint: ""))
    house.tick()
    return house.busy


_KILLED = """
import django
django.setup()
import threading
from casino_pam.timetable import ScheduledJob
from casino_pam.scheduler import Scheduler
def run(stint):
    print("at work", flush=True)
    threading.Event().wait()
Scheduler(lambda: [ScheduledJob("work", run, 60)]).run()
"""


def test_a_job_whose_holder_was_killed_is_taken_over_when_its_claim_has_run_out():
    due("work")
    argv, env = [sys.executable, "-c", _KILLED], environment(DJANGO_SETTINGS_MODULE="casino_pam.settings")
    with subprocess.Popen(argv, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.kill()
    other = Scheduler(of(lambda stint: "taken over"))
    other.tick()
    assert not other.busy
    held = Job.objects.get()
    assert held.holder and held.claimed_until is not None and held.claimed_until > timezone.now()
    Job.objects.update(claimed_until=Now() - timedelta(seconds=1))
    job = ran(other)
    assert (job.holder, job.outcome, job.result, job.failures) == ("", "done", "taken over", 0)
    assert job.due_at > timezone.now()


def test_who_was_frozen_for_longer_than_its_claim_stops_and_writes_nothing_down():
    due("work")
    going, go = threading.Event(), threading.Event()

    def run(stint: Stint) -> str:
        going.set()
        assert go.wait(60)
        return "still mine" if stint.goes_on() else "no longer mine"

    frozen, other = Scheduler(of(run)), Scheduler(of(lambda stint: "the other's"))
    frozen.tick()
    assert going.wait(60)
    Job.objects.update(claimed_until=Now() - timedelta(seconds=1))
    assert ran(other).result == "the other's"
    Job.objects.update(due_at=Now())
    frozen.tick()
    go.set()
    stint = frozen._running["work"]
    eventually(lambda: stint.ended, "the end of the job")
    assert stint.ended is not None and stint.ended.result == "no longer mine"
    frozen._look_after_running()
    assert not frozen.busy
    assert Job.objects.get().result == "the other's"


def test_a_claim_is_renewed_for_as_long_as_the_job_runs():
    due("work")
    end = threading.Event()
    house = Scheduler(of(lambda stint: str(end.wait(60))), lease=5)
    house.tick()
    Job.objects.update(claimed_until=Now())
    house.tick()
    end.set()
    first = Job.objects.get()
    assert first.claimed_until is not None and first.claimed_until > timezone.now()
    assert ran(house).outcome == "done"


# --- how it ended --------------------------------------------------------------------------------


def _raises(error: Exception) -> Callable[[Stint], str]:
    def run(stint: Stint) -> str:
        raise error

    return run


def _no_code(stint: Stint) -> str:
    return timetable.command("reconcile")(stint)


@pytest.mark.parametrize(
    ("run", "outcome", "result"),
    [
        (lambda stint: "Looked after 3 wallets.", "done", "Looked after 3 wallets."),
        (_raises(Finding("2 found")), "found", "2 found"),
        (_raises(CommandError("Left for the next run: 1 busy.")), "failed", "Left for the next run: 1 busy."),
        (_raises(ValueError("no\nsecond line")), "failed", "ValueError: no"),
        (_raises(OperationalError("x" * 900)), "failed", ("OperationalError: " + "x" * 900)[:500]),
        (_no_code, "done", "Checked 0 wallets and 0 rows in "),
        (timetable.command("grant_cashback", "--offer", "x"), "failed", "Name --from and --to, or --last."),
    ],
)
def test_the_end_of_a_run_is_a_word_and_a_sentence(run: Callable[[Stint], str], outcome: str, result: str):
    due("work", failures=3)
    job = ran(Scheduler(of(run)))
    assert (job.outcome, job.failures) == (outcome, 4 if outcome == "failed" else 0)
    assert job.result == result or (outcome == "done" and job.result.startswith(result))
    assert job.seconds is not None and job.finished_at is not None
    assert (job.done_at is None) == (outcome == "failed")


def test_a_job_that_finds_something_says_so_by_its_last_lines():
    scenario.catalogue()
    call_command("refresh_reports")
    nothing = {"amount": 0, "cash": 0, "bonus": 0, "held": 0}
    key = {"day": date(2026, 9, 1), "currency_id": "EUR", "source": "acme", "game": "", "kind": "BET", "undoes": ""}
    DaySum.objects.create(**key, **nothing, rows=1)
    due("work")
    job = ran(Scheduler(of(timetable.command("refresh_reports", "--check"))))
    assert job.outcome == "found"
    assert "1 sums differ from the ledger" in job.result


def test_every_job_of_the_house_ends_well_in_an_empty_one(settings: Any):
    settings.GRANT_CASHBACK_AT = 0
    jobs = timetable.jobs()
    for job in jobs:
        Job.objects.create(name=job.name, every=job.every, offset=job.offset, due_at=Now())
    house = Scheduler(lambda: jobs)
    house.tick()
    eventually(lambda: all(stint.ended for stint in house._running.values()), "the end of every job")
    house.tick()
    assert dict.fromkeys((job.name for job in jobs), "done") == dict(Job.objects.values_list("name", "outcome"))


# --- when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("every", "offset"), [(60, 0), (3_600, 0), (86_400, 10_800), (86_400, 86_340)])
def test_a_new_job_is_due_at_its_next_time(every: int, offset: int):
    house = Scheduler(lambda: [ScheduledJob("work", lambda stint: "", every, offset)])
    now = datetime.now(UTC)
    house.tick()
    assert not house.busy
    due_at = Job.objects.get().due_at
    assert (due_at.timestamp() - offset) % every == 0
    assert now < due_at <= now + timedelta(seconds=every + 60)


def test_a_job_that_gets_another_time_is_due_at_that_one():
    times = [(86_400, 0), (60, 0)]
    house = Scheduler(lambda: [ScheduledJob("work", lambda stint: "", *times[0])])
    house.tick()
    times.pop(0)
    house.tick()
    job = Job.objects.get()
    assert (job.every, job.due_at <= timezone.now() + timedelta(seconds=61)) == (60, True)


@pytest.mark.parametrize(
    ("period", "today", "days"),
    [
        ("day", date(2026, 3, 1), (date(2026, 2, 28), date(2026, 2, 28))),
        ("week", date(2026, 9, 21), (date(2026, 9, 14), date(2026, 9, 20))),
        ("week", date(2026, 9, 27), (date(2026, 9, 14), date(2026, 9, 20))),
        ("month", date(2026, 1, 1), (date(2025, 12, 1), date(2025, 12, 31))),
        ("month", date(2024, 3, 31), (date(2024, 2, 1), date(2024, 2, 29))),
    ],
)
def test_the_last_period_is_the_newest_that_is_over(period: str, today: date, days: tuple[date, date]):
    assert last_period(period, today) == days


@pytest.mark.parametrize("line", [["--last", "week", "--from", "2026-09-01"], ["--from", "2026-09-01"], []])
def test_cashback_is_told_one_period(line: list[str]):
    with pytest.raises(CommandError, match="--last"):
        call_command("grant_cashback", *line)


# --- the database away, and the end --------------------------------------------------------------


def test_while_the_database_is_away_one_line_says_so_and_what_ended_is_written_down_afterwards():
    due("work")
    end = threading.Event()
    house = Scheduler(of(lambda stint: str(end.wait(60))))
    house.tick()
    with structlog.testing.capture_logs() as logs:
        with away_from_the_database():
            end.set()
            for _ in range(3):
                house.tick()
            assert house.busy
        connection.close()
        job = ran(house)
    assert (job.outcome, job.result) == ("done", "True")
    told = [each["event"] for each in logs]
    assert told == ["scheduler_lost_database", "scheduler_found_database"]


@pytest.fixture
def at_work() -> Iterator[subprocess.Popen[str]]:
    """`manage.py run_jobs`, with a job that has ended once."""
    with manage("run_jobs", env=environment(REFRESH_REPORTS_EVERY="1", EXPIRE_BONUSES_EVERY="off")) as process:
        ended = Job.objects.filter(name="refresh_reports", done_at__isnull=False)
        eventually(lambda: ended.exists() or process.poll() is not None, "the job")
        yield process


def test_sigterm_ends_it_cleanly_and_leaves_no_claim(at_work: subprocess.Popen[str]):
    at_work.send_signal(signal.SIGTERM)
    _, said = at_work.communicate(timeout=60)
    assert at_work.returncode == 0, said
    assert "scheduler_stopped" in said
    assert "Traceback" not in said
    assert not Job.objects.exclude(holder="").exists()
    assert not Job.objects.filter(name="expire_bonuses").exists()


def test_a_job_that_does_not_end_in_time_is_given_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scheduler, "STOP_SECONDS", 0.0)
    due("work")
    end = threading.Event()
    house = Scheduler(of(lambda stint: str(end.wait(60))))
    house.tick()
    house.stop()
    house.run()
    job = Job.objects.get()
    assert (house.busy, job.holder, job.claimed_until, job.due_at < timezone.now()) == (True, "", None, True)
    end.set()
    eventually(lambda: house._running["work"].ended, "the end of the job")


# --- what people see -----------------------------------------------------------------------------


def test_the_page_and_the_metrics_show_each_job_s_last_run(client: Client, settings: Any):
    settings.METRICS_TOKEN = ""
    settings.DEBUG = True
    due("expire_bonuses")
    Job.objects.create(name="gone", every=86_400, offset=12_600, due_at=Now(), outcome="failed", failures=2)
    job = ran_as("expire_bonuses", "Looked after 3 wallets.")
    Job.objects.update(due_at=Now() + timedelta(hours=1))
    page = operators.of("finance").get("/admin/office/jobs/")
    text = page.content.decode()
    assert page.status_code == 200
    for part in ("Looked after 3 wallets.", "every minute", "daily at 03:30 UTC", "off", "done", "2 times in a row"):
        assert part in text, part
    assert "nobody runs it" not in text
    metrics = client.get("/metrics").content.decode()
    assert 'job="gone"' not in metrics
    (last_run,) = re.findall(r'casino_pam_job_last_run_timestamp_seconds\{job="expire_bonuses"\} (\S+)', metrics)
    assert float(last_run) == job.finished_at.timestamp()
    assert 'casino_pam_job_failures{job="expire_bonuses"} 0.0' in metrics
    assert 'casino_pam_job_overdue_seconds{job="expire_bonuses"} 0.0' in metrics
    Job.objects.update(due_at=Now() - timedelta(hours=1))
    assert "nobody runs it" in operators.of("auditor").get("/admin/office/jobs/").content.decode()


def ran_as(name: str, result: str) -> Any:
    house = Scheduler(of(lambda stint: result, name))
    house.tick()
    eventually(lambda: house._running[name].ended, "the end of the job")
    house.tick()
    return Job.objects.get(name=name)


def test_metrics_are_told_while_the_database_is_away(client: Client, settings: Any):
    settings.DEBUG = True
    with away_from_the_database():
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert b"casino_pam_queue" in answer.content
    assert b"casino_pam_job" not in answer.content


def test_requests_that_wait_too_long_for_a_second_person_are_a_line_of_the_log():
    scenario.catalogue()
    wallet = scenario.alice("1.00")
    made = {"wallet": wallet, "source": "operator", "amount": 500_000, "reason": "x", "author": "olga"}
    for number, hours in enumerate((1, 30)):
        Approval.objects.create(
            id=f"00000000-0000-7000-8000-00000000000{number}",
            reference=f"r-{number}",
            created_at=timezone.now() - timedelta(hours=hours),
            **made,
        )
    with structlog.testing.capture_logs() as logs:
        result = timetable.command("remind_approvals")(Scheduler(list))  # type: ignore[arg-type]
    assert result == "1 wait for a second person, the oldest for 30 hours."
    assert [(each["event"], each["count"], each["hours"]) for each in logs] == [("approvals_wait", 1, 30)]
