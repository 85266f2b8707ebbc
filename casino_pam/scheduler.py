"""Runs the jobs of ``casino_pam.timetable``, each on one machine at a time (docs/decisions/0038).

Every machine may run a scheduler. A job is claimed by an update of its row that is due and free: one of all gets it,
and renews the claim for as long as the job runs. Whoever dies, freezes or loses PostgreSQL no longer renews, and
another takes the job over when the claim runs out. All instants are PostgreSQL's, so clocks need not agree.

The main thread alone speaks of claims; each job runs in a thread of its own with its own connection. While PostgreSQL
is away nothing begins, and what ended meanwhile is written down when it is back.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from django.core.management.base import CommandError
from django.db import Error, connection, connections
from django.db.models import DateTimeField, F, Func, Q, Value
from django.db.models.functions import Now

from casino_pam.timetable import Finding, ScheduledJob
from wallet.models import Job
from wallet.pg import deadline, faults
from wallet.time import SECOND, to_datetime

log = structlog.get_logger(__name__)

# How long a claim holds that nobody renews, and how often it is renewed.
LEASE_SECONDS: Final = 60.0
TICK_SECONDS: Final = 1.0
# How long PostgreSQL may take for a tick.
DATABASE_SECONDS: Final = 3.0
# How long a scheduler that was told to stop waits for its jobs.
STOP_SECONDS: Final = 15.0
LONGEST_RESULT: Final = 500

DONE: Final = "done"
FOUND: Final = "found"
FAILED: Final = "failed"


class Ended(NamedTuple):
    """How a run ended, in a word and a sentence, and how long it took."""

    outcome: str
    result: str
    seconds: float


class OwnStint:
    """A run of a job that this process has claimed; ``casino_pam.timetable.Stint`` is what the job sees of it."""

    def __init__(self, job: ScheduledJob, stopping: threading.Event, until: float) -> None:
        self.job = job
        self.began = time.monotonic()
        # On the monotonic clock: until then the claim holds, whatever PostgreSQL says meanwhile.
        self.until = until
        self.ended: Ended | None = None
        self._stopping = stopping

    def goes_on(self) -> bool:
        return not self._stopping.is_set() and time.monotonic() < self.until

    def pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def run(self) -> None:
        """Run the job, in a thread of its own."""
        try:
            outcome, result = _ran(self.job, self)
        finally:
            with suppress(Exception):
                connections.close_all()
        self.ended = Ended(outcome, result[:LONGEST_RESULT], time.monotonic() - self.began)


def _ran(job: ScheduledJob, stint: OwnStint) -> tuple[str, str]:
    try:
        return DONE, job.run(stint)
    except Finding as found:
        return FOUND, str(found)
    except CommandError as error:
        return FAILED, str(error)
    except Exception as error:
        if faults.fault(error) is None:
            log.exception("job_broke", job=job.name)
        return FAILED, f"{type(error).__name__}: {error}".splitlines()[0]


class Scheduler:
    """One process's share of the jobs."""

    def __init__(self, jobs: Callable[[], Iterable[ScheduledJob]], *, lease: float = LEASE_SECONDS) -> None:
        self.holder = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._jobs = jobs
        self._lease = timedelta(seconds=lease)
        self._known: dict[str, ScheduledJob] = {}
        self._running: dict[str, OwnStint] = {}
        self._stopping = threading.Event()
        self._away = False

    @property
    def busy(self) -> bool:
        """Whether a job is running here."""
        return bool(self._running)

    def stop(self) -> None:
        """Begin nothing more, and let ``run`` return; may be called from a signal's handler."""
        self._stopping.set()

    def run(self) -> None:
        """Run what is due, until stopped; a job that does not end in time is left to another scheduler."""
        while not self._stopping.is_set():
            self.tick()
            self._stopping.wait(TICK_SECONDS)
        until = time.monotonic() + STOP_SECONDS
        while self._running and time.monotonic() < until:
            self._in_time(self._look_after_running)
            time.sleep(0.05)
        self._in_time(self._give_back)

    def tick(self) -> None:
        """Write down what ended, renew the claims of what runs, begin what is due."""

        def tick() -> None:
            self._look_after_running()
            self._begin()

        self._in_time(tick)

    def _in_time(self, act: Callable[[], None]) -> None:
        """Do it if PostgreSQL answers in time; one line when it went away, and one when it is back."""
        try:
            with deadline.until(time.monotonic() + DATABASE_SECONDS):
                act()
        except (Error, psycopg.Error) as error:
            if faults.fault(error) is None:
                raise
            with suppress(Error, psycopg.Error):
                connection.close()
            if not self._away:
                log.warning("scheduler_lost_database", error=str(error).strip())
            self._away = True
            return
        if self._away:
            log.info("scheduler_found_database")
        self._away = False

    # --- what runs ------------------------------------------------------------------------------

    def _look_after_running(self) -> None:
        for name, stint in list(self._running.items()):
            if stint.ended is None:
                self._renew(name, stint)
            else:
                self._write_down(name, stint.job, stint.ended)
                del self._running[name]

    def _renew(self, name: str, stint: OwnStint) -> None:
        now = time.monotonic()
        if _own(name, self.holder).update(claimed_until=Now() + self._lease):
            stint.until = now + self._lease.total_seconds()
        elif stint.until > 0:
            # Once is enough to say so; the job looks at its claim by itself.
            stint.until = 0
            log.warning("job_lost_claim", job=name)

    def _write_down(self, name: str, job: ScheduledJob, ended: Ended) -> None:
        good = ended.outcome != FAILED
        values: dict[str, Any] = {
            "holder": "",
            "claimed_until": None,
            "due_at": _next(job),
            "finished_at": Now(),
            "seconds": ended.seconds,
            "outcome": ended.outcome,
            "result": ended.result,
            "failures": 0 if good else F("failures") + 1,
            **({"done_at": Now()} if good else {}),
        }
        if not _own(name, self.holder).update(**values):
            log.warning("job_lost_claim", job=name)
        if ended.outcome != DONE:
            log.warning("job_failed" if not good else "job_found", job=name, result=ended.result)

    def _give_back(self) -> None:
        """Let others have what did not end in time: this process is about to."""
        for name in self._running:
            log.warning("job_given_back", job=name)
            _own(name, self.holder).update(holder="", claimed_until=None)

    # --- what is due ----------------------------------------------------------------------------

    def _begin(self) -> None:
        wanted = {job.name: job for job in self._jobs()}
        if wanted != self._known:
            self._put_down(wanted.values())
            self._known = wanted
        idle = wanted.keys() - self._running.keys()
        for name, holder in Job.objects.filter(_free(), name__in=idle).values_list("name", "holder"):
            until = time.monotonic() + self._lease.total_seconds()
            if self._claimed(name):
                if holder:
                    log.warning("job_taken_over", job=name, holder=holder)
                stint = self._running[name] = OwnStint(wanted[name], self._stopping, until)
                threading.Thread(target=stint.run, name=name, daemon=True).start()

    def _claimed(self, name: str) -> bool:
        """Whether the job is ours now: one row where it is due and free, and nobody else gets it."""
        free = Job.objects.filter(_free(), name=name)
        return free.update(holder=self.holder, claimed_until=Now() + self._lease, started_at=Now()) == 1

    def _put_down(self, jobs: Iterable[ScheduledJob]) -> None:
        """Let every job have its row, due at its next time; another time counts from now on."""
        kept = {each.name: each for each in Job.objects.all()}
        for job in jobs:
            row = kept.get(job.name)
            if row is None:
                values = {"every": job.every, "offset": job.offset, "due_at": _next(job)}
                Job.objects.bulk_create([Job(name=job.name, **values)], ignore_conflicts=True)
            elif (row.every, row.offset) != (job.every, job.offset):
                Job.objects.filter(name=job.name).update(every=job.every, offset=job.offset, due_at=_next(job))


def _own(name: str, holder: str) -> Any:
    return Job.objects.filter(name=name, holder=holder)


def _free() -> Q:
    """Due, and claimed by nobody who still renews it."""
    return Q(due_at__lte=Now()) & (Q(claimed_until__isnull=True) | Q(claimed_until__lte=Now()))


def _next(job: ScheduledJob) -> Any:
    """The job's next time after now."""
    every, origin = timedelta(seconds=job.every), to_datetime(job.offset * SECOND)
    last = Func(Value(every), Now(), Value(origin), function="date_bin", output_field=DateTimeField())
    return last + every
