"""`manage.py fill`: a ledger of millions of rows, to see how the house does that has them (docs/scaling.md)."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from casino_pam.local import filling
from wallet.management.arguments import whole
from wallet.models import Player

MOST_ROWS: Final = 1_000_000_000


class Command(BaseCommand):
    help = (
        "Fill the ledger with made-up players' play, of which `reconcile --full` holds. For the demo, or a database"
        " without players; stop what else works there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=whole(1, MOST_ROWS), required=True, help="about how many rows to add")

    def handle(self, *, rows: int, **options: Any) -> None:
        if not settings.DEMO and Player.objects.exclude(code__startswith=filling.PREFIX).exists():
            raise CommandError(
                "There are players here, and this is no demo: made-up rows can never be taken out again."
            )
        began = time.monotonic()

        def progress(written: int) -> None:
            self.stdout.write(f"{written:,} rows, {written / (time.monotonic() - began):,.0f} a second")

        filling.fill(rows, progress)
        self.stdout.write("Now: VACUUM (ANALYZE), as autovacuum does in time; manage.py refresh_reports.")
