"""`manage.py remind_approvals`: requests that have waited for a second person for too long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from casino_pam.engine import approvals

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = (
        "Write a warning to the log (approvals_wait) where requests have waited for a second person for longer than"
        " APPROVAL_REMINDER_HOURS."
    )

    def handle(self, **options: Any) -> None:
        now = timezone.now()
        before = now - timedelta(hours=settings.APPROVAL_REMINDER_HOURS)
        times = [
            *approvals.waiting().filter(created_at__lt=before).values_list("created_at", flat=True),
            *approvals.waiting_grants().filter(created_at__lt=before).values_list("created_at", flat=True),
        ]
        if not times:
            self.stdout.write(f"Nothing has waited for {settings.APPROVAL_REMINDER_HOURS} hours.")
            return
        hours = int((now - min(times)).total_seconds() // 3_600)
        log.warning("approvals_wait", count=len(times), hours=hours)
        self.stdout.write(f"{len(times)} wait for a second person, the oldest for {hours} hours.")
