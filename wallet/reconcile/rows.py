"""Every row against the row before it, in one pass inside PostgreSQL.

The pass walks each wallet's rows in version order by the unique index on (wallet, version), so
nothing is sorted and memory stays flat however long the ledger is.
"""

from __future__ import annotations

from typing import Final

from wallet.ledger import COLUMNS
from wallet.models import Transaction
from wallet.reconcile.findings import MOVED_ON, Check, Cursored, Reading, Stretch, read, statement


def _text(name: str, sql_type: str) -> str:
    """A column as ``wallet.ledger.canonical`` writes it, null as the empty text."""
    if name == "created_at":
        return "(extract(epoch from created_at) * 1000000)::bigint"
    if sql_type == "boolean":
        return f"CASE WHEN {name} THEN 'true' ELSE 'false' END"
    if sql_type == "text":
        return f"coalesce({name}, '')"
    return f"coalesce({name}::text, '')" if Transaction._meta.get_field(name).null else name


_CANONICAL: Final = f"concat_ws(E'\\n', {', '.join(_text(name, sql_type) for name, sql_type, _ in COLUMNS)})"
DIGEST: Final = f"sha256(digest_before || convert_to({_CANONICAL}, 'UTF8'))"
"""The digest a row should have, given ``digest_before``: the same bytes as ``wallet.ledger.chain``."""

_FIRST_DIGEST: Final = "sha256(convert_to(t.wallet_id::text, 'UTF8'))"

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


CHECKS: Final = (
    Check(
        2,
        "version IS DISTINCT FROM version_before + 1",
        "CASE WHEN version > version_before"
        " THEN concat('versions ', version_before + 1, ' to ', version - 1, ' are missing')"
        " ELSE concat('version ', version, ' comes again after ', version_before) END",
        at="least(version, version_before + 1)",
    ),
    Check(
        2,
        f"digest IS DISTINCT FROM {DIGEST}",
        f"concat('digest is ', encode(digest, 'hex'), ', should be ', encode({DIGEST}, 'hex'),"
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
        "version_before = 0 AND (SELECT w.id FROM wallet_wallet w WHERE w.id = r.wallet_id) IS NULL",
        "'there is no such wallet'",
    ),
)

_BEFORE: Final = ", ".join(
    f"lag(t.{column}, 1, {first}) OVER chain AS {column}_before"
    for column, first in {
        "version": "0::bigint",
        "digest": _FIRST_DIGEST,
        "created_at": "t.created_at",
        **dict.fromkeys(_RUNNING, "0::bigint"),
    }.items()
)
_WINDOW: Final = "WINDOW chain AS (PARTITION BY t.wallet_id ORDER BY t.version)"

_EVERY_ROW: Final = f"""(
    SELECT t.*, {_BEFORE} FROM wallet_transaction t
    WHERE t.wallet_id BETWEEN %(first)s AND %(last)s {_WINDOW}
) r"""

# The row at the checkpoint is read as the one before; what stands in it was proven when it was set.
# OFFSET 0 keeps the planner from reading the whole ledger for a few wallets' newest rows.
_ROWS_SINCE: Final = f"""(
    SELECT t.*, s.proven, {_BEFORE}
    FROM ({MOVED_ON}) s CROSS JOIN LATERAL (
        SELECT * FROM wallet_transaction x WHERE x.wallet_id = s.id AND x.version >= s.proven OFFSET 0
    ) t
    WHERE s.id BETWEEN %(first)s AND %(last)s {_WINDOW}
) r WHERE proven = 0 OR version > proven"""

_FULL: Final = statement(CHECKS, _EVERY_ROW)
_SINCE: Final = statement(CHECKS, _ROWS_SINCE)


def look(cursor: Cursored, stretch: Stretch) -> Reading:
    """Read the rows of a stretch of wallets, each against the row before it."""
    sql = _FULL if stretch.full else _SINCE
    return read(cursor, sql, CHECKS, {"first": stretch.first, "last": stretch.last})
