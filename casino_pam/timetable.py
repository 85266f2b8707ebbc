"""Every job that runs by the clock, and when (docs/operations.md). A job is a command of ``manage.py``.

Each may be run again at any time, and twice at once: what keeps money right are the guards of the engine, not the
clock. That a job runs on one machine at a time (``casino_pam.scheduler``) only saves the others the work.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple, Protocol

from django.conf import settings
from django.core.management import call_command

from casino_pam import delivery
from wallet.models import Endpoint

DAY_SECONDS: Final = 86_400
TIDY_SECONDS: Final = 600
LISTS_SECONDS: Final = 60
CLEAR_SESSIONS_AT: Final = 4 * 3_600 + 30 * 60
# Of what a command prints, so many of the last lines are its result.
LINES: Final = 2


class Stint(Protocol):
    """A run under way, as the job sees it."""

    def goes_on(self) -> bool:
        """Whether the job is still this process's to run: it ends soon where not."""

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until this process is told to stop."""


class ScheduledJob(NamedTuple):
    """A job that runs ``every`` so many seconds, ``offset`` seconds after midnight (UTC).

    ``run`` returns its result in a sentence. Raises Finding where it found something that somebody should look at,
    CommandError where it left something undone.
    """

    name: str
    run: Callable[[Stint], str]
    every: int
    offset: int = 0


class Finding(Exception):
    """The job did its work, and what it found wants somebody's eyes."""


class _LastLines(io.TextIOBase):
    """Takes whatever a command prints, and keeps the end of it."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=LINES)

    def write(self, text: str) -> int:
        self.lines.extend(text.strip().splitlines()[-LINES:])
        return len(text)

    def __str__(self) -> str:
        return " · ".join(self.lines)


def command(name: str, *argv: str) -> Callable[[Stint], str]:
    """A job that is a command of ``manage.py``: its last lines are the result, a code other than 0 means Finding."""

    def run(stint: Stint) -> str:
        printed = _LastLines()
        try:
            call_command(name, *argv, stdout=printed, stderr=printed, no_color=True)
        except SystemExit as left:
            if left.code:
                raise Finding(str(printed)) from None
        return str(printed)

    return run


def jobs() -> list[ScheduledJob]:
    """The jobs of this house; one that is switched off is not among them."""
    return [job for job in (*_every_job(), *_deliveries()) if job.every]


def _every_job() -> Iterator[ScheduledJob]:
    yield ScheduledJob("expire_bonuses", command("expire_bonuses"), settings.EXPIRE_BONUSES_EVERY)
    yield ScheduledJob("post_approved", command("post_approved"), settings.POST_APPROVED_EVERY)
    yield ScheduledJob("grant_bulk", command("grant_bulk", "--unfinished"), LISTS_SECONDS)
    yield ScheduledJob("remind_approvals", command("remind_approvals"), settings.REMIND_APPROVALS_EVERY)
    yield ScheduledJob("refresh_reports", command("refresh_reports"), settings.REFRESH_REPORTS_EVERY)
    yield ScheduledJob("reconcile", command("reconcile"), settings.RECONCILE_EVERY)
    yield _daily("reconcile_full", settings.RECONCILE_FULL_AT, "reconcile", "--full", "--seal")
    yield _daily("check_reports", settings.CHECK_REPORTS_AT, "refresh_reports", "--check")
    yield _daily("open_rounds", settings.OPEN_ROUNDS_AT, "open_rounds", "--older-than", "1440")
    yield _daily("clearsessions", CLEAR_SESSIONS_AT, "clearsessions")
    yield ScheduledJob("tidy_events", command("tidy_events"), TIDY_SECONDS)
    yield _daily("grant_cashback", settings.GRANT_CASHBACK_AT, "grant_cashback", "--last", settings.CASHBACK_PERIOD)


def _deliveries() -> Iterator[ScheduledJob]:
    """A job for each endpoint of events, which goes on for as long as it is enabled."""
    for code in Endpoint.objects.filter(enabled=True).values_list("code", flat=True):
        yield ScheduledJob(f"deliver:{code}", partial(delivery.deliver, code), 1)


def _daily(name: str, at: int | None, *line: str) -> ScheduledJob:
    return ScheduledJob(name, command(*line), 0 if at is None else DAY_SECONDS, at or 0)
