"""``manage.py import_games``: the names and categories of games, from a CSV file (docs/operations.md)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallet.games import COLUMNS, GameFileFaults, import_games


class Command(BaseCommand):
    help = (
        f"Make and change games from a CSV file with the columns {', '.join(COLUMNS)}; provider and code are needed."
        " A file with a fault changes nothing, and every fault is named. Games that it leaves out stay as they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise CommandError(f"The file cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError as error:
            raise CommandError(f"The file is not UTF-8: byte {error.start} begins no character.") from None
        try:
            outcome = import_games(io.StringIO(text, newline=""), file.name, self.reached)
        except GameFileFaults as wrong:
            for fault in wrong.faults:
                self.stderr.write(fault)
            raise CommandError(f"{len(wrong.faults)} faults; no game was changed.") from None
        self.stdout.write(f"Made {outcome.made}, changed {outcome.changed}, found as they were {outcome.unchanged}.")

    def reached(self, written: int, total: int) -> None:
        self.stdout.write(f"{written} of {total}")
