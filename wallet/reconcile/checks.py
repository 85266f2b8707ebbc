"""Checks as a predicate and a sentence: every row against the row before it, every wallet against its newest row.

Rows of one wallet lie far apart, because the ledger is written in the order of time; fetching each row's
predecessor by itself would read a page for every row. So a full run takes a share of the wallets at a time, reads
their rows once, and lets them meet in a hash join, where only what the next row needs to know of a row is kept. An
incremental run looks up the few predecessors it needs. Each wallet is looked at whether it moved or not, by two
steps into the index, so that a balance changed by hand or a tail cut off is seen even where no row was added since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from psycopg import Cursor

from wallet.history import newest_before
from wallet.kinds import LIMIT_PERIODS
from wallet.ledger import ADDED, COLUMNS
from wallet.models import Transaction
from wallet.time import selected

Cursored = Cursor[Any]


class Discrepancy(NamedTuple):
    """One thing that is not as it should be; reconciliation names it and repairs nothing.

    ``invariant`` is its number in DESIGN.md §5. ``wallet`` and ``version`` name the row, as far
    as it is one wallet's and one row's matter.
    """

    invariant: int
    wallet: int | None
    version: int | None
    detail: str

    def __str__(self) -> str:
        place = "the house" if self.wallet is None else f"wallet {self.wallet}"
        if self.version is not None:
            place += f" version {self.version}"
        return f"{place}: {self.detail} (invariant {self.invariant})"


class Shard(NamedTuple):
    """Wallets by id, ``first`` to ``last``, and how far back their rows are read.

    ``full`` reads every row; otherwise only rows above the wallet's checkpoint, of wallets that
    moved since.
    """

    first: int
    last: int
    full: bool


STANDING: Final = """
SELECT w.id, w.version, w.digest,
       CASE WHEN c.wallet_id IS NULL OR c.suspect THEN 0
            WHEN c.version <> w.version OR c.digest IS DISTINCT FROM w.digest THEN c.version END AS proven
FROM wallet_wallet w LEFT JOIN wallet_checkpoint c ON c.wallet_id = w.id
"""
"""Every wallet, and ``proven``: the version after which its rows are to be read, null for none."""

MOVED_ON: Final = f"SELECT * FROM ({STANDING}) standing WHERE proven IS NOT NULL"
"""The wallets that moved since their checkpoint, or were found wanting then."""


class Check(NamedTuple):
    """``broken`` is the SQL that is true of a record that is wrong, and never null.

    ``detail`` says it in words, ``at`` is the version it concerns: SQL too, and looked at only
    when ``broken`` holds.
    """

    invariant: int
    broken: str
    detail: str
    at: str = "version"


class Look:
    """A list of checks on the same records, made into SQL.

    ``records`` is what stands after FROM; it has columns wallet_id and version, and a shard's
    ``first`` and ``last`` as parameters.
    """

    def __init__(self, checks: Sequence[Check], records: str) -> None:
        self.checks = checks
        wrong = " OR ".join(f"({check.broken})" for check in checks)
        results = ", ".join(
            f"CASE WHEN {check.broken} THEN json_build_array({check.at}, {check.detail}) END" for check in checks
        )
        self.counting = f"SELECT count(*), count(*) FILTER (WHERE {wrong}) FROM {records}"
        self.naming = f"SELECT wallet_id, {results} FROM {records} WHERE {wrong}"

    def count(self, cursor: Cursored, shard: Shard) -> tuple[int, int]:
        """How many records there are, and how many of them are wrong: one pass."""
        ((there, wrong),) = cursor.execute(self.counting, {"first": shard.first, "last": shard.last}).fetchall()
        return there, wrong

    def name(self, cursor: Cursored, shard: Shard) -> Iterator[Discrepancy]:
        """What is wrong with each of them: a second pass, row by row, however many there may be."""
        for wallet, *results in cursor.stream(self.naming, {"first": shard.first, "last": shard.last}):
            for check, result in zip(self.checks, results, strict=True):
                if result is not None:
                    yield Discrepancy(check.invariant, wallet, *result)


# --- the digest ------------------------------------------------------------------------------

# What most rows have in these columns, as text: runs of them are then written in one piece, which
# spares a twentieth of the whole work.
_USUAL: Final = {
    "bonus": "",
    "contribution": "0",
    "wagered_after": "",
    "original": "",
    "original_kind": "",
    "closes": "",
    "ends_round": "false",
    "late": "false",
    "captured": "false",
    "void_amount": "0",
    "shortfall": "0",
    "refusal": "",
    "actor": "",
    "reason": "",
    "wagering": "true",
    "shares_reference": "false",
}


def _text(name: str, sql_type: str) -> str:
    """A column as ``wallet.ledger.canonical`` writes it, null as the empty text."""
    if name == "created_at":
        return selected("created_at")
    if sql_type == "boolean":
        return f"CASE WHEN {name} THEN 'true' ELSE 'false' END"
    if sql_type == "text":
        return f"coalesce({name}, '')"
    return f"coalesce({name}::text, '')" if Transaction._meta.get_field(name).null else name


def _lines(columns: Iterable[tuple[str, str]]) -> str:
    return f"concat_ws(E'\\n', {', '.join(_text(*column) for column in columns)})"


def _canonical() -> str:
    """SQL of the text that ``wallet.ledger.chain`` digests; older rows have nothing of what was added since."""
    first = _parts(column for column in COLUMNS if column.name not in ADDED)
    added = _parts(column for column in COLUMNS if column.name in ADDED)
    return f"concat_ws(E'\\n', {', '.join(first)}, CASE WHEN digest_version > 1 THEN {', '.join(added)} END)"


def _parts(columns_in_order: Iterable[tuple[str, str]]) -> list[str]:
    parts = []
    for usual, group in groupby(columns_in_order, lambda column: column[0] in _USUAL):
        columns = list(group)
        if not usual:
            parts += [_text(*column) for column in columns]
            continue
        nothing = " AND ".join(
            f"{name} IS NULL" if not _USUAL[name] else f"{name} = {_USUAL[name]}" for name, _ in columns
        )
        text = "\\n".join(_USUAL[name] for name, _ in columns)
        parts.append(f"CASE WHEN {nothing} THEN E'{text}' ELSE {_lines(columns)} END")
    return parts


CANONICAL: Final = _canonical()
_DIGEST: Final = f"sha256(digest_before || convert_to({CANONICAL}, 'UTF8'))"

# --- the checks ------------------------------------------------------------------------------

# What each kind may do to the balances (DESIGN.md §5). Said a second time, beside the table's own
# constraint, on purpose: a constraint that was dropped or mistaken cannot vouch for itself.
_MOVES: Final = """
CASE WHEN status <> 'POSTED' THEN cash_delta = 0 AND bonus_delta = 0 AND held_delta = 0
WHEN amount < 0 AND kind <> 'ADJUST' THEN false
ELSE CASE kind
    WHEN 'BET' THEN cash_delta <= 0 AND bonus_delta <= 0 AND held_delta = 0 AND amount = -cash_delta - bonus_delta
    WHEN 'WIN' THEN cash_delta >= 0 AND bonus_delta >= 0 AND held_delta = 0
        AND amount = cash_delta + bonus_delta + void_amount
    WHEN 'ROLLBACK' THEN held_delta = 0 AND amount = abs(cash_delta + bonus_delta) + void_amount + shortfall
        AND (cash_delta >= 0 AND bonus_delta >= 0 AND shortfall = 0 OR cash_delta <= 0 AND bonus_delta <= 0)
    WHEN 'DEPOSIT' THEN cash_delta = amount AND bonus_delta = 0 AND held_delta = 0
    WHEN 'HOLD' THEN cash_delta = -amount AND bonus_delta = 0 AND held_delta = amount
    WHEN 'SETTLE' THEN cash_delta = 0 AND bonus_delta = 0 AND held_delta = -amount
    WHEN 'RELEASE' THEN cash_delta = amount AND bonus_delta = 0 AND held_delta = -amount
    WHEN 'END_ROUND' THEN cash_delta = 0 AND bonus_delta = 0 AND held_delta = 0 AND amount = 0
    WHEN 'GRANT' THEN cash_delta = 0 AND bonus_delta = amount AND held_delta = 0
    WHEN 'CONVERT' THEN cash_delta BETWEEN 0 AND amount AND bonus_delta = -amount AND held_delta = 0
    WHEN 'FORFEIT' THEN cash_delta = 0 AND bonus_delta = -amount AND held_delta = 0
    WHEN 'EXPIRE' THEN cash_delta = 0 AND bonus_delta = -amount AND held_delta = 0
    WHEN 'ADJUST' THEN cash_delta = amount AND bonus_delta = 0 AND held_delta = 0
END END"""

# A scalar sub-select, because PostgreSQL may turn an EXISTS into a hash of the whole ledger.
_CLOSES_ITS_LIKE: Final = """
(SELECT o.wallet_id = r.wallet_id AND o.version < r.version AND o.status = 'POSTED' AND o.source = r.source
    AND o.amount = r.amount
    AND CASE r.kind WHEN 'ROLLBACK' THEN o.kind IN ('BET', 'WIN') ELSE o.kind = 'HOLD' END
 FROM wallet_transaction o WHERE o.id = r.closes)"""

_UNDOES_EARLIER: Final = """
(SELECT o.created_at < date_trunc('day', r.created_at, 'UTC') FROM wallet_transaction o WHERE o.id = r.closes)"""

_UNDONE_AT: Final = """
coalesce((SELECT (w.undone_earlier ->> 'at')::bigint FROM wallet_wallet w WHERE w.id = r.wallet_id), 0)"""

# The version before this one, however far before; asked only where the very one before is not there.
_LAST_BEFORE: Final = """
coalesce((SELECT max(x.version) FROM wallet_transaction x
          WHERE x.wallet_id = r.wallet_id AND x.version BETWEEN 1 AND r.version - 1), 0)"""

_MOVED: Final = "(cash_delta + bonus_delta)"
_STAKED: Final = f"CASE WHEN kind = 'BET' OR kind = 'ROLLBACK' AND {_MOVED} > 0 THEN -{_MOVED} ELSE 0 END"
_PAID: Final = f"CASE WHEN kind = 'WIN' OR kind = 'ROLLBACK' AND {_MOVED} < 0 THEN {_MOVED} ELSE 0 END"
_DEPOSITED: Final = "CASE WHEN kind = 'DEPOSIT' THEN cash_delta ELSE 0 END"

# Each running column, and what a row adds to it (minor units).
_RUNNING: Final = {
    "cash_after": "cash_delta",
    "bonus_after": "bonus_delta",
    "held_after": "held_delta",
    "staked_total": _STAKED,
    "paid_total": _PAID,
    "deposited_total": _DEPOSITED,
}


def _follows(column: str, added: str) -> Check:
    expected = f"{column}_before + {added}"
    return Check(
        1,
        f"{column} IS DISTINCT FROM {expected}",
        f"concat('{column} is ', {column}, ', should be ', {expected})",
    )


ROW_CHECKS: Final = (
    Check(
        2,
        "version_before IS NULL AND version IS DISTINCT FROM 1",
        f"CASE WHEN version > {_LAST_BEFORE} + 1 THEN concat('versions ', {_LAST_BEFORE} + 1, ' to ', version - 1,"
        " ' are missing') ELSE 'versions begin with 1' END",
        at=f"least(version, {_LAST_BEFORE} + 1)",
    ),
    Check(
        2,
        f"digest IS DISTINCT FROM {_DIGEST}",
        f"concat('digest is ', encode(digest, 'hex'), ', should be ', encode({_DIGEST}, 'hex'),"
        " ': this row or the one before it was changed')",
    ),
    Check(2, "created_at < created_at_before", "concat('is older than the row before it: ', created_at)"),
    *(_follows(column, added) for column, added in _RUNNING.items()),
    Check(
        3,
        f"least({', '.join(_RUNNING)}) < 0",
        "concat('is negative: ', " + ", ' ', ".join(f"'{column} ', {column}" for column in _RUNNING) + ")",
    ),
    Check(1, f"({_MOVES}) IS NOT TRUE", "concat('a ', status, ' ', kind, ' of ', amount, ' does not move that')"),
    Check(
        4,
        "kind IN ('ROLLBACK', 'SETTLE', 'RELEASE') AND status = 'POSTED'"
        f" AND (closes IS NULL OR {_CLOSES_ITS_LIKE} IS NOT TRUE)",
        "concat(kind, ' ', id, ' closes ', coalesce(closes::text, 'nothing'), ', which it may not')",
    ),
    Check(
        1,
        "kind = 'ROLLBACK' AND status = 'POSTED' AND created_at >= date_trunc('month', now(), 'UTC')"
        f" AND {_UNDOES_EARLIER} IS TRUE AND {_UNDONE_AT} < {selected('created_at')}",
        "'it undid a row of an earlier day, and the wallet does not know of it'",
    ),
    Check(
        1,
        "version_before IS NULL AND (SELECT w.id FROM wallet_wallet w WHERE w.id = r.wallet_id) IS NULL",
        "'there is no such wallet'",
    ),
)

# --- the records -----------------------------------------------------------------------------

_BEFORE: Final = ", ".join(
    (
        "b.version AS version_before",
        "coalesce(b.digest, sha256(convert_to(t.wallet_id::text, 'UTF8'))) AS digest_before",
        "b.created_at AS created_at_before",
        *(f"coalesce(b.{column}, 0) AS {column}_before" for column in _RUNNING),
    )
)

FULL: Final = Look(
    ROW_CHECKS,
    f"""(
    WITH ledger AS MATERIALIZED (
        SELECT * FROM wallet_transaction WHERE wallet_id BETWEEN %(first)s AND %(last)s
    )
    SELECT t.*, {_BEFORE}
    FROM ledger t LEFT JOIN ledger b ON b.wallet_id = t.wallet_id AND b.version = t.version - 1
) r""",
)
"""Every row of a shard."""

# OFFSET 0 and LIMIT keep the planner from reading the whole ledger for a few wallets' newest rows.
SINCE: Final = Look(
    ROW_CHECKS,
    f"""(
    SELECT t.*, {_BEFORE}
    FROM ({MOVED_ON}) s
    CROSS JOIN LATERAL (
        SELECT * FROM wallet_transaction x WHERE x.wallet_id = s.id AND x.version > s.proven OFFSET 0
    ) t
    LEFT JOIN LATERAL (
        SELECT * FROM wallet_transaction x WHERE x.wallet_id = t.wallet_id AND x.version = t.version - 1 LIMIT 1
    ) b ON true
    WHERE s.id BETWEEN %(first)s AND %(last)s
) r""",
)
"""The rows after the checkpoints of those wallets of a shard that moved since."""


def _agrees(column: str, row_column: str) -> Check:
    newest = f"coalesce(newest_{row_column}, 0)"
    return Check(
        1,
        f"{column} IS DISTINCT FROM {newest}",
        f"concat('the wallet has {column} ', {column}, ', its rows make ', {newest})",
    )


_PAIRS: Final = {
    "cash": "cash_after",
    "bonus": "bonus_after",
    "held": "held_after",
    "staked_total": "staked_total",
    "paid_total": "paid_total",
    "deposited_total": "deposited_total",
}

WALLET_CHECKS: Final = (
    *(_agrees(column, row_column) for column, row_column in _PAIRS.items()),
    Check(
        2,
        "version IS DISTINCT FROM coalesce(newest_version, 0)",
        "concat('the wallet is at version ', version, ', its newest row at ', coalesce(newest_version, 0))",
        at="least(version, coalesce(newest_version, 0)) + 1",
    ),
    Check(
        2,
        "digest IS DISTINCT FROM newest_digest",
        "concat('the wallet has digest ', encode(digest, 'hex'), ', its newest row ', encode(newest_digest, 'hex'))",
    ),
    Check(
        2,
        "newest_at IS DISTINCT FROM newest_created_at",
        "concat('the wallet says its newest row is of ', newest_at, ', it is of ', newest_created_at)",
    ),
    Check(
        1,
        "undone_earlier IS DISTINCT FROM undone_by_rows",
        "concat('the wallet has undone of earlier periods ', undone_earlier, ', its rows make ', undone_by_rows)",
    ),
    Check(
        3,
        "least(cash, bonus, held) < 0",
        "concat('is negative: cash ', cash, ' bonus ', bonus, ' held ', held)",
    ),
    Check(
        2,
        "proven > coalesce(newest_version, 0)",
        "concat('rows were proven up to version ', proven, ', but the newest is ', coalesce(newest_version, 0),"
        " ': the tail was cut off')",
        at="coalesce(newest_version, 0) + 1",
    ),
    Check(
        2,
        "proven BETWEEN 1 AND newest_version AND proven_digest IS DISTINCT FROM kept_digest",
        "concat('the row had digest ', encode(proven_digest, 'hex'), ' when it was proven, now ',"
        " coalesce(encode(kept_digest, 'hex'), 'it is gone'))",
        at="proven",
    ),
)

_NEWEST: Final = ", ".join(
    f"n.{column} AS newest_{column}" for column in ("version", "digest", "created_at", *_PAIRS.values())
)


def _undone(column: str, sign: str) -> str:
    """The sums of what rollbacks moved this way, of rows from before the day, week and month of the newest of them."""
    sums = (
        f"'{period}', coalesce(sum(greatest({sign}moved, 0)) FILTER (WHERE at >= date_trunc('{period}', newest)"
        f" AND original_at < date_trunc('{period}', newest)), 0)"
        for period in LIMIT_PERIODS
    )
    return f"'{column}', jsonb_build_object({', '.join(sums)})"


# The rule of wallet.state.UndoneEarlier a second time, in SQL, so that the one checks the other. What is older than the
# month of the wallet's newest row counts for nothing any more, and is not asked about; only the rows since then are
# read.
_MONTH: Final = "date_trunc('month', w.newest_at, 'UTC')"
_STILL_COUNTS: Final = f"(w.undone_earlier ->> 'at')::bigint >= {selected(_MONTH)}"
_UNDONE_BY_ROWS: Final = f"""
    SELECT jsonb_build_object('at', {selected("max(newest) AT TIME ZONE 'UTC'")}, {_undone("staked", "")},
                              {_undone("paid", "-")}) AS undone
    FROM (
        SELECT t.cash_delta + t.bonus_delta AS moved, t.created_at AT TIME ZONE 'UTC' AS at,
               o.created_at AT TIME ZONE 'UTC' AS original_at, max(t.created_at) OVER () AT TIME ZONE 'UTC' AS newest
        FROM wallet_transaction t JOIN wallet_transaction o ON o.id = t.closes
        WHERE t.wallet_id = w.id AND t.kind = 'ROLLBACK' AND t.status = 'POSTED'
            AND t.version > {newest_before("w.id", "w.version", f"({_MONTH} - interval '7 days')")}
            AND o.created_at < date_trunc('day', t.created_at, 'UTC')
            AND {_STILL_COUNTS}
    ) u
    HAVING {_STILL_COUNTS}
"""

LOOK: Final = Look(
    WALLET_CHECKS,
    f"""(
    SELECT w.id AS wallet_id, w.version, w.digest, w.newest_at, {", ".join(f"w.{column}" for column in _PAIRS)},
           w.undone_earlier, coalesce(u.undone, w.undone_earlier) AS undone_by_rows,
           {_NEWEST}, c.version AS proven, c.digest AS proven_digest,
           CASE WHEN n.version = c.version THEN n.digest ELSE k.digest END AS kept_digest
    FROM wallet_wallet w
    LEFT JOIN wallet_checkpoint c ON c.wallet_id = w.id
    LEFT JOIN LATERAL (
        SELECT * FROM wallet_transaction t WHERE t.wallet_id = w.id ORDER BY t.version DESC LIMIT 1
    ) n ON true
    LEFT JOIN LATERAL ({_UNDONE_BY_ROWS}) u ON true
    LEFT JOIN LATERAL (
        SELECT t.digest FROM wallet_transaction t
        WHERE t.wallet_id = w.id AND t.version = c.version AND c.version <> n.version LIMIT 1
    ) k ON true
    WHERE w.id BETWEEN %(first)s AND %(last)s
) r""",
)
