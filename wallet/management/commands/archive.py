"""``manage.py archive``: the whole ledger in a file that proves itself (docs/scaling.md, "Closing a cell")."""

from __future__ import annotations

import gzip
import zlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wallet import archive
from wallet.archive import Broken, Summary
from wallet.reconcile import ledger_wide
from wallet.reports.sums import snapshot


class Command(BaseCommand):
    help = (
        "Write the whole ledger into a gzip file that proves itself without a database, and read it back. --verify"
        " reads one; --compare says besides whether the ledger is still what the file holds. Removes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--write", type=Path, metavar="FILE", help="write it; the file must not be there")
        what.add_argument("--verify", type=Path, metavar="FILE", help="prove a file by itself")
        what.add_argument("--compare", type=Path, metavar="FILE", help="prove a file, and hold it against the ledger")

    def handle(self, *, write: Path | None, verify: Path | None, compare: Path | None, **options: Any) -> None:
        if write is not None:
            _write(write)
        file = write or verify or compare
        assert file is not None
        summary = _verified(file)
        self.stdout.write(f"{file}: {summary.wallets} wallets and {summary.rows} rows, every digest holds.")
        self.stdout.write(f"Seal: {summary.seal}")
        if compare is not None:
            with snapshot() as own, own.cursor() as cursor:
                seal = ledger_wide.seal(cursor)
            if seal != summary.seal:
                raise CommandError(f"The ledger has moved on, or is another: its seal is {seal}.")
            self.stdout.write("The ledger holds nothing that is not in it.")


def _write(file: Path) -> None:
    """Raises CommandError where the file is there, or cannot be."""
    try:
        # A terabyte of books is written once: hex and digits give little more at higher levels.
        with gzip.open(file, "xb", compresslevel=1) as out, snapshot() as own:
            for line in archive.lines(own):
                out.write(line + b"\n")
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}.", returncode=2) from None


def _verified(file: Path) -> Summary:
    try:
        with gzip.open(file, "rb") as lines:
            return archive.verified(lines)
    except Broken as broken:
        raise CommandError(f"{file} does not hold: {broken}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise CommandError(f"{file} cannot be read: {error}.", returncode=2) from None
