"""``manage.py reconcile``: the books against themselves (docs/operations.md)."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallet.models import Wallet
from wallet.reconcile import Discrepancy, Report, Scope, reconcile

BAR = 30


class Command(BaseCommand):
    help = (
        "Check the books against themselves and name what does not balance. Reads what was added since the last run;"
        " --full reads every row. Exits with 1 when anything is found, and repairs nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--full", action="store_true", help="read every row, not only those since the last run")
        which.add_argument("--wallet", metavar="WALLET", help="one wallet, every row: its id, or player/currency")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
        parser.add_argument("--seal", action="store_true", help="print one hash over all newest digests, to keep")

    def handle(self, *, full: bool, wallet: str | None, as_json: bool, seal: bool, **options: Any) -> None:
        scope = Scope.WALLET if wallet is not None else Scope.FULL if full else Scope.INCREMENTAL
        printed = _Json(self) if as_json else _Lines(self)
        report = reconcile(
            scope,
            wallet=None if wallet is None else _wallet(wallet),
            sealed=seal,
            tell=printed.tell,
            progress=_bar if self.stderr.isatty() else _nothing,
        )
        printed.finish(report)
        if report.count:
            sys.exit(1)


def _wallet(named: str) -> int:
    """The id of the wallet named by its id or as player/currency. Raises CommandError."""
    player, slash, currency = named.rpartition("/")
    found = None
    if not named.isprintable():
        # PostgreSQL could not even compare it with a name.
        pass
    elif slash:
        found = Wallet.objects.filter(player__code=player, currency=currency).first()
    elif named.isascii() and named.isdigit() and len(named) < 19:
        found = Wallet.objects.filter(id=int(named)).first()
    if found is None:
        raise CommandError(f"There is no wallet {named!r}: name its id, or player/currency.", returncode=2)
    return found.id


class _Lines:
    """For people: a line for each discrepancy, and the sum of it."""

    def __init__(self, command: BaseCommand) -> None:
        self.stdout = command.stdout
        self.began = time.monotonic()

    def tell(self, discrepancy: Discrepancy) -> None:
        self.stdout.write(str(discrepancy))

    def finish(self, report: Report) -> None:
        took = time.monotonic() - self.began
        verdict = "the books balance" if not report.count else f"{report.count} found"
        self.stdout.write(f"Checked {report.wallets} wallets and {report.rows} rows in {took:.1f} s: {verdict}.")
        if report.seal:
            self.stdout.write(f"Seal: {report.seal}")


class _Json:
    """For programs: one JSON object, written as it comes, so that a long list needs no memory."""

    def __init__(self, command: BaseCommand) -> None:
        self.stdout = command.stdout
        self.separator = '{"discrepancies": ['

    def tell(self, discrepancy: Discrepancy) -> None:
        self.stdout.write(self.separator + json.dumps(discrepancy._asdict()), ending="")
        self.separator = ",\n"

    def finish(self, report: Report) -> None:
        if not report.count:
            self.stdout.write(self.separator, ending="")
        tail: dict[str, Any] = {"checked": {"wallets": report.wallets, "rows": report.rows}}
        if report.seal:
            tail["seal"] = report.seal
        self.stdout.write("], " + json.dumps(tail)[1:])


def _nothing(done: int, total: int) -> None:
    """Where nobody watches, no bar is drawn."""


def _bar(done: int, total: int) -> None:
    """Draw the bar over the last one; the last of all wipes it away."""
    share = done / total if total else 1.0
    full = round(share * BAR)
    drawn = f"[{'#' * full}{'.' * (BAR - full)}] {share:4.0%} of {total} rows" if done < total else ""
    sys.stderr.write(f"\r\x1b[K{drawn}")
    sys.stderr.flush()
