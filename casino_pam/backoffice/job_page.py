"""The jobs that run by the clock: when each is due, how its last run ended, and where it runs now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString

from casino_pam import timetable
from casino_pam.backoffice import permissions
from casino_pam.timetable import DAY_SECONDS
from wallet import formatting
from wallet.models import Job

VIEW: Final = "wallet.view_reconciliationrun"
# A job that is later than this has nobody who runs it.
LATE_SECONDS: Final = 120

_COLOURS: Final = {"done": "green", "found": "orange", "failed": "red"}


@dataclass(frozen=True)
class JobLine:
    job: Job
    when: str
    state: SafeString
    took: str
    due: datetime | None


@permissions.page(VIEW)
def page(request: HttpRequest) -> HttpResponse:
    """Every job that this house has run or will."""
    now = timezone.now()
    wanted = {job.name for job in timetable.jobs()}
    rows = list(Job.objects.all())
    lines = [
        JobLine(
            row,
            _when(row),
            _state(row, now, off=row.name not in wanted),
            _took(row),
            None if row.running(now) or row.name not in wanted else row.due_at,
        )
        for row in rows
    ]
    context = admin.site.each_context(request) | {
        "title": "Jobs",
        "lines": lines,
        "late": any(_late(row, now) for row in rows if row.name in wanted),
    }
    return render(request, "backoffice/jobs.html", context)


def _when(row: Job) -> str:
    if row.every == DAY_SECONDS:
        return f"daily at {row.offset // 3_600:02}:{row.offset // 60 % 60:02} UTC"
    if row.every == 1:
        return "always"
    hours, minutes, seconds = row.every // 3_600, row.every // 60, row.every % 60
    if row.every % 3_600 == 0:
        return "every hour" if hours == 1 else f"every {hours} h"
    return f"every {row.every} s" if seconds else "every minute" if minutes == 1 else f"every {minutes} min"


def _took(row: Job) -> str:
    return "" if row.seconds is None else f"{row.seconds:,.1f} s"


def _state(row: Job, now: datetime, *, off: bool) -> SafeString:
    if off:
        return formatting.badge("off", "grey")
    if row.running(now):
        return formatting.badge("running", "blue")
    if _late(row, now):
        return formatting.badge("late", "red")
    if not row.outcome:
        return formatting.badge("not run yet", "grey")
    return formatting.badge(row.outcome, _COLOURS[row.outcome])


def _late(row: Job, now: datetime) -> bool:
    """Due for long, and nobody runs it."""
    return row.overdue(now).total_seconds() > LATE_SECONDS
