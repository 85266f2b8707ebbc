"""`manage.py run_jobs`: everything that runs by the clock, for as long as it is left running."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand

from casino_pam.scheduler import Scheduler
from casino_pam.timetable import jobs

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = (
        "Run every job at its time (docs/operations.md), until SIGTERM or Ctrl-C. Run it on as many machines as you"
        " like: a job runs on one of them at a time, and another takes over where one dies."
    )

    def handle(self, **options: Any) -> None:
        scheduler = Scheduler(jobs)

        def stop(number: int, frame: FrameType | None) -> None:
            scheduler.stop()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, stop)
        log.info("scheduler_started", holder=scheduler.holder)
        scheduler.run()
        log.info("scheduler_stopped")
        if scheduler.busy:
            # A job that would not end in time has threads of its own, which the interpreter would wait for.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
