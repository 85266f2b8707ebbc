"""``manage.py reconcile_provider``: a provider's file of a day against our ledger (docs/reports.md)."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallet.management.arguments import day, name
from wallet.models import Provider
from wallet.provider_file import HEADER, NotAFile, Outcome, compare
from wallet.provider_file.comparison import TO_DO, Difference


class Command(BaseCommand):
    help = (
        f"Compare a provider's file of one UTC day with the ledger, line by line. CSV with the header {HEADER}."
        " Exits with 1 when anything differs, and repairs nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--provider", required=True, type=name(64), metavar="CODE", help="whose file it is")
        parser.add_argument("--date", required=True, type=day, metavar="DAY", help="the UTC day, as 2026-09-21")
        parser.add_argument("--file", required=True, type=Path, metavar="FILE.csv", help="the provider's file")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *, provider: str, date: date, file: Path, as_json: bool, **options: Any) -> None:
        whose = Provider.objects.filter(code=provider).first()
        if whose is None:
            raise CommandError(f"There is no provider {provider!r}.", returncode=2)
        printed = _Json(self) if as_json else _Lines(self)
        progress = _count if sys.stderr.isatty() else _nothing
        try:
            with file.open("rb") as opened:
                outcome = compare(whose, date, opened, name=file.name, tell=printed.tell, progress=progress)
        except OSError as error:
            raise CommandError(f"{file} cannot be compared: {error.strerror}.", returncode=2) from None
        except NotAFile as error:
            raise CommandError(f"{file} cannot be compared: {error}", returncode=2) from None
        printed.finish(outcome)
        if outcome.count:
            sys.exit(1)


class _Lines:
    """For people: a line for each difference, the totals that differ, and what to do."""

    def __init__(self, command: BaseCommand) -> None:
        self.stdout = command.stdout

    def tell(self, difference: Difference) -> None:
        self.stdout.write(str(difference))

    def finish(self, outcome: Outcome) -> None:
        for total in outcome.totals:
            theirs, ours, currency = total["theirs"], total["ours"], total["currency"]
            verdict = "" if theirs == ours else f"  DIFFERS by {total['ggr_difference']}"
            self.stdout.write(
                f"{outcome.day} {total['game'] or '(no game)'}:"
                f" GGR theirs {theirs['ggr']}, ours {ours['ggr']} {currency}"
                f" (bets {theirs['bets']['count']}, {ours['bets']['count']}){verdict}"
            )
        for what in dict.fromkeys(each["what"] for each in outcome.summary):
            self.stdout.write(f"{what}: {TO_DO[what]}")
        verdict = "they agree" if not outcome.count else f"{outcome.count} differences"
        self.stdout.write(f"Compared {outcome.lines} lines with {outcome.rows} rows of the day: {verdict}.")


class _Json:
    """For programs: one JSON object, written as it comes, so that a long list needs no memory."""

    def __init__(self, command: BaseCommand) -> None:
        self.stdout = command.stdout
        self.separator = '{"differences": ['

    def tell(self, difference: Difference) -> None:
        shown = {side: difference.shown(side) for side in ("theirs", "ours")}
        record = {name: value for name, value in difference._asdict().items() if name != "digits"}
        self.stdout.write(self.separator + json.dumps(record | shown), ending="")
        self.separator = ",\n"

    def finish(self, outcome: Outcome) -> None:
        if not outcome.count:
            self.stdout.write(self.separator, ending="")
        checked = {"lines": outcome.lines, "rows": outcome.rows}
        tail = {"checked": checked, "totals": outcome.totals, "summary": outcome.summary}
        self.stdout.write("], " + json.dumps(tail)[1:])


def _nothing(lines: int) -> None:
    """Where nobody watches, nothing is drawn."""


def _count(lines: int) -> None:
    """How far the file has been read."""
    sys.stderr.write(f"{lines:,} lines read\n")
