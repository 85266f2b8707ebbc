"""One comparison of a provider's file with the ledger; it is kept for the admin, and repairs nothing.

Lines and rows lie side by side in temporary tables of one connection and are compared set by set, whatever their
number. The lines come by COPY, before the snapshot; our rows of the day are read in it, then those of other days
that a line names. So a file of a million lines costs a few joins and flat memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone
from psycopg import Cursor

from wallet import money
from wallet.kinds import unscoped
from wallet.models import Currency, Provider, ProviderDifference, ProviderRun
from wallet.pg.connection import Connection
from wallet.provider_file.lines import Line, NotAFile, read
from wallet.provider_file.mapping import Opened, WrongMapping, first_lines, read_mapping
from wallet.time import first_id, midnight

# What it means, and who does what: the page and docs/reports.md say the same.
TO_DO: Final = {
    "malformed": "The line cannot be read and was left out. Ask the provider for a corrected file.",
    "duplicate": "The file has this kind and reference twice. Ask the provider which line stands: one of them may be"
    " another transaction under a wrong reference.",
    "missing_here": "The provider has it and we do not. Ask it to send the very same call again: a bet or rollback is"
    " then posted or refused for good, a win is paid. Adjust nothing by hand before that.",
    "missing_there": "We posted it and the file does not have it. Send the provider our row's id and time; if it never"
    " happened on its side, it sends the rollback. Near midnight, look into the file of the day beside first.",
    "refused_here": "We refused it and said so; the provider booked it all the same. It must undo it on its side, or"
    " send the rollback, which is answered void.",
    "void_here": "It was rolled back before it came, so it never moved money here, and the file does not have that"
    " rollback. The provider must undo it on its side.",
    "amount": "Both sides have it with different amounts. Ours is what was sent and signed: show the provider our row."
    " If ours is wrong, finance adjusts with a reason and a second person's approval.",
    "differs": "The amounts agree and a name does not: the provider's books say another player, currency, round or"
    " game. Ask the provider to correct its books.",
    "other_day": "Both sides have it, on days that differ or on a day that is not this file's: clocks around midnight."
    " Nothing to correct; the totals of the two days differ by it.",
}

_NEAR: Final = timedelta(minutes=10)


class Difference(NamedTuple):
    """One difference; amounts in minor units of ``currency``, None where a side has none."""

    what: str
    line: int | None
    kind: str
    reference: str
    player: str
    currency: str
    theirs: int | None
    ours: int | None
    detail: str
    digits: int

    def shown(self, side: str) -> str | None:
        """``theirs`` or ``ours`` as a decimal string."""
        minor = getattr(self, side)
        return None if minor is None else money.show(minor, self.digits)

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        name = " ".join(filter(None, (self.kind.lower(), self.reference, self.player)))
        sums = [f"{side} {shown} {self.currency}" for side in ("theirs", "ours") if (shown := self.shown(side))]
        return f"{place}{self.what}: {', '.join(filter(None, [name, *sums, self.detail]))}"


class DifferenceRow(NamedTuple):
    """A record of ``DIFFERENCES``: its columns by name."""

    what: str
    line: int | None
    kind: str | None
    reference: str | None
    player: str | None
    currency: str | None
    theirs: int | None
    ours: int | None
    our_currency: str | None
    their_day: date | None
    our_day: date | None
    at: datetime | None
    refusal: str | None
    wrong: str | None
    first_line: int | None
    differing: list[str]


def difference(found: DifferenceRow, digits: dict[str, int]) -> Difference:
    kind, player, currency = found.kind or "", found.player or "", found.currency or ""
    reference = unscoped(found.reference or "")
    ours, detail = found.ours, _detail(found)
    if ours is not None and found.our_currency is not None and found.our_currency != currency:
        # Two currencies are never set side by side: ours is told in words.
        detail = f"ours is {money.show(ours, digits[found.our_currency])} {found.our_currency}, {detail}"
        ours = None
    name = (found.what, found.line, kind, reference, player, currency)
    return Difference(*name, found.theirs, ours, detail[:500], digits.get(currency, 0))


def _detail(found: DifferenceRow) -> str:
    """What else there is to know of it."""
    if found.what == "malformed":
        return found.wrong or ""
    if found.what == "duplicate":
        return f"stands in line {found.first_line} already"
    if found.what == "refused_here":
        return f"refused: {found.refusal}"
    if found.what == "other_day":
        return f"theirs {found.their_day}, ours {found.our_day}"
    if found.what == "missing_there" and found.at is not None:
        return _near_midnight(found.at.astimezone(UTC))
    return ", ".join(found.differing)


def _near_midnight(at: datetime) -> str:
    """Where else to look for a row that the provider may have booked on the day beside."""
    for beside in (at - _NEAR, at + _NEAR):
        if beside.date() != at.date():
            return f"ours at {at:%H:%M:%S.%f}: look into the file of {beside.date()}"
    return f"ours at {at:%H:%M:%S.%f}"


Cursored = Cursor[Any]

_TABLES: Final = """
CREATE TEMPORARY TABLE provider_line (
    line bigint, reference text, kind text, player text, currency text, round text, game text, amount bigint,
    at timestamptz, wrong text
);
CREATE TEMPORARY TABLE provider_row (
    id uuid, command uuid, closes uuid, reference text, kind text, player text, currency text, round text, game text,
    amount bigint, at timestamptz, day date, status text, refusal text, undoes text
);
CREATE TEMPORARY TABLE provider_pair (
    what text, line bigint, reference text, kind text, undoes text, player text, theirs bigint, ours bigint,
    their_currency text, our_currency text, their_game text, our_game text, their_day date, our_day date,
    at timestamptz, refusal text, wrong text, first_line bigint, differing text[], counts boolean
)
"""

_OURS: Final = """
INSERT INTO provider_row
SELECT t.id, t.command, t.closes, t.reference, t.kind, p.code, w.currency_id, t.round, t.game, t.amount, t.created_at,
       (t.created_at AT TIME ZONE 'UTC')::date, t.status, t.refusal, t.original_kind
FROM {rows} JOIN wallet_wallet w ON w.id = t.wallet_id JOIN wallet_player p ON p.id = w.player_id
WHERE {which}
"""
# A row is made after its command was received, and no clock of ours is a day slow: so the day's rows
# are a range of the primary key, and nothing needs an index on their time.
_OF_THE_DAY: Final = _OURS.format(
    rows="wallet_transaction t",
    which="t.id >= %(first_id)s AND t.source = %(source)s AND t.kind IN ('BET', 'WIN', 'ROLLBACK')"
    " AND t.created_at >= %(begin)s AND t.created_at < %(end)s",
)
_NAMED: Final = _OURS.format(
    rows="""(
    SELECT DISTINCT l.kind, l.reference FROM provider_line l
    WHERE l.wrong IS NULL
      AND NOT EXISTS (SELECT FROM provider_row r WHERE r.kind = l.kind AND r.reference = l.reference)
) n CROSS JOIN LATERAL (
    SELECT * FROM wallet_transaction x
    WHERE x.source = %(source)s AND x.reference = n.reference AND x.kind = n.kind OFFSET 0
) t""",
    which="true",
)

# What never moved money here, and was undone by a rollback that the file has, too: they agree.
_UNDONE: Final = """
SELECT coalesce(x.closes, v.id) AS id
FROM provider_row x JOIN provider_line l ON l.kind = x.kind AND l.reference = x.reference
LEFT JOIN provider_row v ON v.command = x.id AND v.id <> x.id
WHERE x.kind = 'ROLLBACK' AND x.status = 'VOID' AND coalesce(x.closes, v.id) IS NOT NULL
"""
# Whether a line says that money moved where our row says, and the file agrees, that none did.
_MOOT: Final = """
(r.status = 'VOID' AND r.kind = 'ROLLBACK' OR r.status <> 'POSTED' AND r.id IN (SELECT id FROM undone))
"""
_AGAIN: Final = "l.line > l.first_line"
_WHAT: Final = f"""
CASE WHEN l.wrong IS NOT NULL THEN 'malformed'
     WHEN {_AGAIN} THEN 'duplicate'
     WHEN r.id IS NULL THEN 'missing_here'
     WHEN l.line IS NULL THEN CASE WHEN r.status = 'POSTED' THEN 'missing_there' END
     WHEN {_MOOT} THEN NULL
     WHEN r.status = 'REFUSED' THEN 'refused_here'
     WHEN r.status = 'VOID' THEN 'void_here'
     WHEN l.amount <> r.amount THEN 'amount'
     WHEN l.player <> r.player OR l.currency <> r.currency OR l.round <> r.round OR l.game <> r.game THEN 'differs'
     WHEN l.day <> %(day)s OR r.day <> %(day)s THEN 'other_day' END
"""
_DIFFERING: Final = ", ".join(
    f"CASE WHEN l.{name} <> r.{name} THEN '{name} (theirs ' || l.{name} || ', ours ' || r.{name} || ')' END"
    for name in ("player", "currency", "round", "game")
)
_PAIRS: Final = f"""
WITH undone AS MATERIALIZED ({_UNDONE})
INSERT INTO provider_pair
SELECT {_WHAT}, l.line, coalesce(l.reference, r.reference), coalesce(l.kind, r.kind), coalesce(r.undoes, 'BET'),
       coalesce(l.player, r.player), l.amount, CASE WHEN r.status = 'POSTED' AND {_AGAIN} IS NOT TRUE THEN r.amount END,
       l.currency, r.currency, coalesce(l.game, r.game, ''), coalesce(r.game, ''), l.day, r.day,
       r.at, r.refusal, l.wrong, l.first_line, array_remove(ARRAY[{_DIFFERING}], NULL),
       l.wrong IS NULL AND l.line IS NOT NULL AND {_MOOT} IS NOT TRUE
FROM (
    SELECT *, (at AT TIME ZONE 'UTC')::date AS day,
           CASE WHEN wrong IS NULL THEN min(line) OVER (PARTITION BY kind, reference) END AS first_line
    FROM provider_line
) l FULL JOIN provider_row r ON r.kind = l.kind AND r.reference = l.reference
"""


def take_in(cursor: Cursored, lines: Iterable[Line]) -> int:
    """Make the tables and copy the lines into the first of them; how many there were."""
    cursor.execute(_TABLES)
    count = 0
    with cursor.copy("COPY provider_line FROM STDIN") as copy:
        for line in lines:
            copy.write_row(line)
            count += 1
    cursor.execute("ANALYZE provider_line")
    return count


def match(cursor: Cursored, source: str, day: date) -> int:
    """Lay lines and rows side by side, in the snapshot the cursor is in; how many rows of ours the day has."""
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    first = first_id(begin - timedelta(days=1))
    cursor.execute(_OF_THE_DAY, {"source": source, "first_id": first, "begin": begin, "end": end})
    rows = cursor.rowcount
    cursor.execute("ANALYZE provider_row")
    cursor.execute(_NAMED, {"source": source})
    cursor.execute("ANALYZE provider_row")
    cursor.execute(_PAIRS, {"day": day})
    return rows


DIFFERENCES: Final = """
SELECT what, line, kind, reference, player, coalesce(their_currency, our_currency) AS currency, theirs, ours,
       our_currency, their_day, our_day, at, refusal, wrong, first_line, differing
FROM provider_pair WHERE what IS NOT NULL ORDER BY line, at, reference
"""

SUMMARY: Final = """
SELECT what, coalesce(their_currency, our_currency, ''), count(*), coalesce(sum(theirs), 0), coalesce(sum(ours), 0)
FROM provider_pair WHERE what IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""

MOVES: Final = ("bets", "bet_rollbacks", "wins", "win_rollbacks")
_MOVE: Final = """
CASE kind WHEN 'BET' THEN 'bets' WHEN 'WIN' THEN 'wins' ELSE lower(undoes) || '_rollbacks' END
"""
TOTALS: Final = f"""
SELECT game, currency, {
    ", ".join(
        f"count(amount) FILTER (WHERE side = '{side}' AND move = '{move}'),"
        f" coalesce(sum(amount) FILTER (WHERE side = '{side}' AND move = '{move}'), 0)"
        for side in ("theirs", "ours")
        for move in MOVES
    )
}
FROM (
    SELECT 'theirs' AS side, their_game AS game, their_currency AS currency, {_MOVE} AS move, theirs AS amount
    FROM provider_pair WHERE counts AND their_day = %(day)s
    UNION ALL
    SELECT 'ours', our_game, our_currency, {_MOVE}, ours FROM provider_pair WHERE ours IS NOT NULL AND our_day = %(day)s
) sides GROUP BY 1, 2 ORDER BY 1, 2
"""

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


def opened_of(provider: Provider, digits: Mapping[str, int]) -> Opened | None:
    """What reads the provider's own report; None where it sends the file of docs/reports.md. Raises NotAFile."""
    try:
        mapping = read_mapping(provider.file_mapping)
    except WrongMapping as wrong:
        raise NotAFile(f"The provider's mapping cannot be used: {wrong}.") from None
    return None if mapping is None else Opened(mapping, provider.currencies, digits)


def preview(provider: Provider, file: BinaryIO, digits: Mapping[str, int]) -> tuple[list[Line], str]:
    """The file's first lines as ``compare`` will read them, and a name for these very lines read in this very way.

    Raises NotAFile.
    """
    scoped = provider.reference_scope == Provider.ReferenceScope.PLAYER
    return first_lines(file, digits, scoped=scoped, opened=opened_of(provider, digits))


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
    parameters = connections[settings.SESSION_DATABASE].get_connection_params()
    with closing(Connection.connect(**parameters, autocommit=True)) as own:
        cursor = own.cursor()
        for setting in _SETTINGS:
            cursor.execute(setting)
        lines = read(
            file,
            outcome.digits,
            scoped=provider.reference_scope == Provider.ReferenceScope.PLAYER,
            opened=opened_of(provider, outcome.digits),
        )
        outcome.lines = take_in(cursor, _counted(lines, progress))
        # Temporary tables may be written to all the same.
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        outcome.rows = match(cursor, provider.code, day)
        _find(cursor, outcome, tell)
    _keep(outcome, began, name, actor)
    return outcome


def _counted(lines: Iterator[Line], progress: Callable[[int], None]) -> Iterator[Line]:
    for count, line in enumerate(lines, start=1):
        yield line
        if count % STRIDE == 0:
            progress(count)


def _find(cursor: Cursored, outcome: Outcome, tell: Tell) -> None:
    digits = outcome.digits
    outcome.totals = [_total(record, digits) for record in cursor.execute(TOTALS, {"day": outcome.day})]
    for what, currency, count, theirs, ours in cursor.execute(SUMMARY).fetchall():
        sums = {"theirs": _shown(theirs, currency, digits), "ours": _shown(ours, currency, digits)}
        outcome.summary.append({"what": what, "currency": currency, "count": count, **sums})
    for record in cursor.stream(DIFFERENCES):
        found = difference(DifferenceRow(*record), digits)
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
            for move, count, minor in zip(MOVES, counts, sums, strict=True)
        }
        told[side]["ggr"] = _shown(ggr[side], currency, digits)
    return told | {"ggr_difference": _shown(ggr["theirs"] - ggr["ours"], currency, digits)}


def _shown(minor: Any, currency: str, digits: dict[str, int]) -> str:
    return money.show(int(minor), digits.get(currency, 0))


def _columns(each: Difference) -> dict[str, Any]:
    return {name: value for name, value in each._asdict().items() if name != "digits"}


def _storable(name: str) -> str:
    """The end of a file's name as PostgreSQL takes it: neither a NUL, nor bytes that are no UTF-8."""
    return name.encode("utf-8", "replace").decode().replace("\0", "")[-255:]


def _keep(outcome: Outcome, began: Any, name: str, actor: str | None) -> None:
    with transaction.atomic():
        run = ProviderRun.objects.create(
            provider=outcome.provider,
            day=outcome.day,
            file=_storable(name),
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
