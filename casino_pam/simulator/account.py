"""The simulator's own account of what it played: the file that a real provider sends every morning."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from casino_pam.simulator.journal import Entry, Journal
from wallet.provider_file import HEADER

PLAYS = ("bet", "win", "rollback")


def write(journal: Journal, path: Path) -> int:
    """Write a line for every play that was answered as posted; how many there were.

    In the format of docs/reports.md. Raises OSError.
    """
    lines = list(_lines(journal))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER.split(","))
        writer.writerows(lines)
    return len(lines)


def _lines(journal: Journal) -> Iterator[tuple[str, ...]]:
    for entry in journal.entries.values():
        if entry.call in PLAYS and entry.outcome == "posted":
            name = (entry.reference, entry.call, entry.player, entry.answer["currency"], entry.round, entry.game)
            yield (*name, _amount(journal, entry), _moment(entry.at))


def _amount(journal: Journal, entry: Entry) -> str:
    """A rollback is of what its bet was: its answer says what could be moved of it."""
    if entry.call != "rollback":
        return entry.amount
    return journal.entries["bet", entry.original].amount


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
