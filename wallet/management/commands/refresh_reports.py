"""``manage.py refresh_reports``: the sums that reports are made of (docs/reports.md)."""

from __future__ import annotations

import sys
from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from wallet.management.arguments import day
from wallet.reports import sums


class Command(BaseCommand):
    help = (
        "Take settled rows of the ledger into the sums by day. --check compares every sum with the ledger, exits with"
        " 1 where they differ, and repairs nothing; --rebuild adds one day up anew."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--check", action="store_true", help="compare every sum with the ledger's rows")
        which.add_argument("--rebuild", type=day, metavar="DAY", help="add one UTC day up anew from the ledger")

    def handle(self, *, check: bool, rebuild: date | None, **options: Any) -> None:
        if check:
            self.check_sums()
        elif rebuild is not None:
            sums.rebuild(rebuild)
            self.stdout.write(f"{rebuild} was added up anew.")
        else:
            sums.refresh(progress=self.reached)
            self.stdout.write("The sums hold every settled row.")

    def check_sums(self) -> None:
        found = 0
        for each in sums.drifted():
            found += 1
            self.stdout.write(str(each))
        if found:
            self.stdout.write(f"{found} sums differ from the ledger: find out why, then --rebuild each of the days.")
            sys.exit(1)
        self.stdout.write("Every sum is what the ledger makes it.")

    def reached(self, instant: datetime) -> None:
        self.stdout.write(f"up to {instant:%Y-%m-%d %H:%M:%S} UTC")
