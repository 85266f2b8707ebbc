"""One comparison of a provider's file with the ledger; it is kept for the admin, and repairs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import Any, BinaryIO, Final

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from wallet import money
from wallet.models import Currency, Provider, ProviderDifference, ProviderRun
from wallet.pg.connection import Connection
from wallet.provider_file import pairs
from wallet.provider_file.findings import Difference, Found, difference
from wallet.provider_file.lines import Line, read

# Differences kept with the run. They are all told; a file of another house would write millions.
KEPT: Final = 10_000
# Lines between two words of progress.
STRIDE: Final = 50_000

_SETTINGS: Final = (
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET jit = off",
    # For the joins of a million lines; what does not fit goes to disk.
    "SET work_mem = '64MB'",
    "SET temp_buffers = '64MB'",
)

Tell = Callable[[Difference], None]


class Outcome(msgspec.Struct):
    """What was compared and found. ``totals`` and ``summary`` are as ``ProviderRun`` keeps them."""

    provider: str
    day: date
    digits: dict[str, int]
    lines: int = 0
    rows: int = 0
    count: int = 0
    first: list[Difference] = []
    totals: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    run: int = 0


def compare(
    provider: Provider,
    day: date,
    file: BinaryIO,
    *,
    name: str,
    actor: str | None = None,
    tell: Tell,
    progress: Callable[[int], None],
) -> Outcome:
    """Hold the file against our rows of that UTC day, and keep the run.

    ``tell`` hears of every difference, ``progress`` of the lines read. Raises NotAFile. Must not be
    called inside a transaction.
    """
    began = timezone.now()
    outcome = Outcome(provider.code, day, dict(Currency.objects.values_list("code", "digits")))
    with closing(Connection.connect(**connection.get_connection_params(), autocommit=True)) as own:
        cursor = own.cursor()
        for setting in _SETTINGS:
            cursor.execute(setting)
        lines = read(file, outcome.digits, scoped=provider.reference_scope == "player")
        outcome.lines = pairs.take_in(cursor, _counted(lines, progress))
        # Temporary tables may be written to all the same.
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        outcome.rows = pairs.match(cursor, provider.code, day)
        _find(cursor, outcome, tell)
    _keep(outcome, began, name, actor)
    return outcome


def _counted(lines: Iterator[Line], progress: Callable[[int], None]) -> Iterator[Line]:
    for count, line in enumerate(lines, start=1):
        yield line
        if count % STRIDE == 0:
            progress(count)


def _find(cursor: pairs.Cursored, outcome: Outcome, tell: Tell) -> None:
    digits = outcome.digits
    outcome.totals = [_total(record, digits) for record in cursor.execute(pairs.TOTALS, {"day": outcome.day})]
    for what, currency, count, theirs, ours in cursor.execute(pairs.SUMMARY).fetchall():
        sums = {"theirs": _shown(theirs, currency, digits), "ours": _shown(ours, currency, digits)}
        outcome.summary.append({"what": what, "currency": currency, "count": count, **sums})
    for record in cursor.stream(pairs.DIFFERENCES):
        found = difference(Found(*record), digits)
        outcome.count += 1
        if outcome.count <= KEPT:
            outcome.first.append(found)
        tell(found)


def _total(record: tuple[Any, ...], digits: dict[str, int]) -> dict[str, Any]:
    """Counts and sums of one game and currency, theirs beside ours; GGR is bets less wins, net of rollbacks."""
    game, currency, *figures = record
    told: dict[str, Any] = {"game": game, "currency": currency}
    ggr = {}
    for place, side in enumerate(("theirs", "ours")):
        numbers = [int(figure) for figure in figures[place * 8 : place * 8 + 8]]
        counts, sums = numbers[::2], numbers[1::2]
        ggr[side] = sums[0] - sums[1] - sums[2] + sums[3]
        told[side] = {
            move: {"count": count, "amount": _shown(minor, currency, digits)}
            for move, count, minor in zip(pairs.MOVES, counts, sums, strict=True)
        }
        told[side]["ggr"] = _shown(ggr[side], currency, digits)
    return told | {"ggr_difference": _shown(ggr["theirs"] - ggr["ours"], currency, digits)}


def _shown(minor: Any, currency: str, digits: dict[str, int]) -> str:
    return money.show(int(minor), digits.get(currency, 0))


def _columns(each: Difference) -> dict[str, Any]:
    return {name: value for name, value in each._asdict().items() if name != "digits"}


def _keep(outcome: Outcome, began: Any, name: str, actor: str | None) -> None:
    with transaction.atomic():
        run = ProviderRun.objects.create(
            provider=outcome.provider,
            day=outcome.day,
            file=name.replace("\0", "")[-255:],
            actor=actor,
            started_at=began,
            finished_at=timezone.now(),
            lines=outcome.lines,
            rows=outcome.rows,
            difference_count=outcome.count,
            totals=outcome.totals,
            summary=outcome.summary,
        )
        kept = [ProviderDifference(run=run, **_columns(each)) for each in outcome.first]
        ProviderDifference.objects.bulk_create(kept, batch_size=1_000)
    outcome.run = run.pk
