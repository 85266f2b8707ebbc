"""Files as a provider would write them, made from our own rows and then changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from tests import scenario
from tests.wallet import report_history
from wallet import formatting, money
from wallet.models import Provider, Transaction
from wallet.provider_file import HEADER, Outcome, compare
from wallet.provider_file.comparison import Difference

DAY = report_history.DAYS[1]


def stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def line_of(row: Transaction) -> dict[str, str]:
    """What an honest provider writes of a row."""
    return {
        "reference": formatting.reference(row.reference),
        "kind": row.kind.lower(),
        "player": row.wallet.player.code,
        "currency": row.wallet.currency_id,
        "round": row.round or "",
        "game": row.game or "",
        "amount": money.show(row.amount, row.wallet.currency.digits),
        "time": stamp(row.created_at),
    }


def honest(day: date = DAY, source: str = "acme") -> list[dict[str, str]]:
    """Every posted play of the day, as the provider has it."""
    rows = [
        row for row in report_history.posted([day]) if row.source == source and row.kind in ("BET", "WIN", "ROLLBACK")
    ]
    return [line_of(row) for row in sorted(rows, key=lambda row: (row.created_at, row.version))]


def written(lines: Iterable[dict[str, str]], header: str = HEADER) -> bytes:
    out = io.StringIO()
    out.write(header + "\n")
    writer = csv.DictWriter(out, HEADER.split(","), lineterminator="\n")
    writer.writerows(lines)
    return out.getvalue().encode()


def compared(file: bytes, day: date = DAY, provider: str = "acme") -> tuple[Outcome, list[Difference]]:
    found: list[Difference] = []
    outcome = compare(
        Provider.objects.get(code=provider),
        day,
        io.BytesIO(file),
        name="day.csv",
        tell=found.append,
        progress=lambda lines: None,
    )
    return outcome, found


def differing(lines: Iterable[dict[str, str]], **named: Any) -> list[Difference]:
    return compared(written(lines), **named)[1]


def line(reference: str, **fields: str) -> dict[str, str]:
    """A line that stands nowhere else."""
    return {
        "reference": reference, "kind": "bet", "player": "anna", "currency": "EUR", "round": "x", "game": "slot-1",
        "amount": "1.00", "time": stamp(scenario.moment(report_history.at(DAY))), **fields,
    }  # fmt: skip


def filler(size: int) -> bytes:
    """So many bytes of lines that we have no row for, at least."""
    (one,) = written([line("filler-0000000")]).splitlines()[1:]
    count = size // len(one) + 1
    return b"".join(one.replace(b"0000000", b"%07d" % number) + b"\n" for number in range(count))
