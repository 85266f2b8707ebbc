"""`manage.py tidy_events`: events that were never delivered, and those that are long done with."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from casino_pam import delivery


class Command(BaseCommand):
    help = (
        "Give up events that have waited for EVENT_GIVE_UP_HOURS, and delete those that were delivered or given up"
        " EVENT_KEPT_DAYS ago. Run it as often as you like; what is too much for one run is left to the next."
    )

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"Gave up {delivery.give_up()} events, deleted {delivery.forget()}.")
