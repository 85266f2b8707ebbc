"""Lines and rows side by side, in temporary tables of one connection; set by set, whatever their number.

The lines come by COPY, before the snapshot; our rows of the day are read in it, then those of
other days that a line names. So a file of a million lines costs a few joins and flat memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

from psycopg import Cursor

from wallet.provider_file.lines import Line
from wallet.reports.sums import midnight
from wallet.rounds import first_id

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
