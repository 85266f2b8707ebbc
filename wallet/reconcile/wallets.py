"""Every wallet against its newest row, and against the checkpoint up to which it was proven.

This looks at each wallet whether it moved or not, by two steps into the index, so that a balance
changed by hand or a tail cut off is seen even where no row was added since.
"""

from __future__ import annotations

from typing import Final

from wallet.reconcile.findings import Check, Look


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

CHECKS: Final = (
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
LOOK: Final = Look(
    CHECKS,
    f"""(
    SELECT w.id AS wallet_id, w.version, w.digest, w.newest_at, {", ".join(f"w.{column}" for column in _PAIRS)},
           {_NEWEST}, c.version AS proven, c.digest AS proven_digest,
           CASE WHEN n.version = c.version THEN n.digest ELSE k.digest END AS kept_digest
    FROM wallet_wallet w
    LEFT JOIN wallet_checkpoint c ON c.wallet_id = w.id
    LEFT JOIN LATERAL (
        SELECT * FROM wallet_transaction t WHERE t.wallet_id = w.id ORDER BY t.version DESC LIMIT 1
    ) n ON true
    LEFT JOIN LATERAL (
        SELECT t.digest FROM wallet_transaction t
        WHERE t.wallet_id = w.id AND t.version = c.version AND c.version <> n.version LIMIT 1
    ) k ON true
    WHERE w.id BETWEEN %(first)s AND %(last)s
) r""",
)
