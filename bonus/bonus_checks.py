"""The bonuses against the ledger (DESIGN.md §5, the fifth invariant): checks of wallet.reconcile.

Every row that names a bonus is read against the row of that bonus before it, so progress and
bonus money follow by induction from the first row to what the bonus and the wallet say now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wallet.kinds import BONUS
from wallet.reconcile import MOVED_ON, Cursored, Discrepancy, Shard
from wallet.reconcile.checks import Check, Look

# --- rows --------------------------------------------------------------------------------------

_COUNTED: Final = """
CASE terms ->> 'counted' WHEN 'cash' THEN -cash_delta WHEN 'bonus' THEN -bonus_delta
    ELSE -cash_delta - bonus_delta END"""
_OTHERWISE: Final = "coalesce(weights -> 'provider' ->> source, weights ->> 'default')::bigint"
_WEIGHT: Final = f"""
coalesce((weights -> 'game' ->> game)::bigint, (weights -> 'category' ->> category)::bigint, {_OTHERWISE})"""
_RECOMPUTED: Final = f"""
CASE kind WHEN 'BET' THEN CASE WHEN wagering THEN ({_COUNTED}) * {_WEIGHT} ELSE 0 END
    WHEN 'ROLLBACK' THEN -coalesce((SELECT o.contribution FROM wallet_transaction o WHERE o.id = r.closes), 0)
    ELSE 0 END"""
# The row does not keep the category its game had; should that have changed since, any of the
# weights the terms give to categories may have been the one.
_OF_ANOTHER_CATEGORY: Final = f"""
kind = 'BET' AND wagering AND weights -> 'game' ->> game IS NULL AND EXISTS (
    SELECT FROM (SELECT value::bigint AS weight FROM jsonb_each_text(weights -> 'category')
                 UNION ALL SELECT {_OTHERWISE}) w
    WHERE ({_COUNTED}) * w.weight = contribution)"""

ROW_CHECKS: Final = (
    Check(5, "bonus IS NULL", "concat('moves bonus money ', bonus_delta, ' and names no bonus')"),
    Check(5, "bonus IS NOT NULL AND promised IS NULL", "concat('names bonus ', bonus, ', which this wallet has not')"),
    Check(
        5,
        f"promised IS NOT NULL AND contribution IS DISTINCT FROM ({_RECOMPUTED})"
        f" AND ({_OF_ANOTHER_CATEGORY}) IS NOT TRUE",
        f"concat('contributed ', contribution, ' to bonus ', bonus, ', its terms make it ', ({_RECOMPUTED}))",
    ),
    Check(
        5,
        "bonus IS NOT NULL AND wagered_after IS DISTINCT FROM wagered_before + contribution",
        "concat('wagered is ', coalesce(wagered_after::text, 'missing'),"
        " ', should be ', wagered_before + contribution)",
    ),
    Check(
        5,
        "bonus_delta <> 0 AND bonus_after - bonus_delta IS DISTINCT FROM bonus_before",
        "concat('found ', bonus_after - bonus_delta, ' of bonus money where its bonus had left ', bonus_before)",
    ),
    Check(
        5,
        "kind = 'GRANT' AND amount IS DISTINCT FROM granted",
        "concat('grants ', amount, ' where ', coalesce(granted::text, 'nothing'), ' was promised')",
    ),
)


def _before(column: str, chain: str, condition: str) -> str:
    """The column in the bonus's row before: of those read, or the last one of those read earlier."""
    return f"""
coalesce(lag(t.{column}) OVER {chain}, (
    SELECT p.{column} FROM wallet_transaction p
    WHERE p.bonus = t.bonus AND p.created_at <= t.created_at AND p.version < t.version AND {condition}
    ORDER BY p.created_at DESC, p.version DESC LIMIT 1
), 0) AS {column.replace("_after", "_before")}"""


# A deposit names the bonus it brought before that has money, an adjustment one that has ended.
_ASIDE: Final = "kind IN ('DEPOSIT', 'ADJUST')"


def _rows(rows: str, wallets: str) -> str:
    return f"""(
    WITH promised AS MATERIALIZED (
        SELECT b.id, b.wallet_id, b.amount, b.terms::jsonb AS terms FROM bonus_bonus b WHERE b.wallet_id {wallets}
    )
    SELECT t.*, b.id AS promised, b.amount AS granted, b.terms, b.terms -> 'weights' AS weights, g.category,
        {_before("wagered_after", "progress", "true")},
        {_before("bonus_after", "money", f"NOT p.{_ASIDE}")}
    FROM ({rows}) t
    LEFT JOIN promised b ON b.id = t.bonus AND b.wallet_id = t.wallet_id
    LEFT JOIN wallet_provider p ON p.code = t.source
    LEFT JOIN wallet_game g ON g.provider_id = p.id AND g.code = t.game
    WHERE t.bonus IS NOT NULL OR t.bonus_delta <> 0
    WINDOW progress AS (PARTITION BY t.wallet_id, t.bonus ORDER BY t.version),
        money AS (PARTITION BY t.wallet_id, t.bonus, t.{_ASIDE} ORDER BY t.version)
) r"""


_SHARD: Final = "BETWEEN %(first)s AND %(last)s"
_MOVED: Final = f"IN (SELECT s.id FROM ({MOVED_ON}) s WHERE s.id {_SHARD})"

_EVERY_ROW: Final = Look(ROW_CHECKS, _rows(f"SELECT * FROM wallet_transaction x WHERE x.wallet_id {_SHARD}", _SHARD))
_ROWS_SINCE: Final = Look(
    ROW_CHECKS,
    _rows(
        f"""
        SELECT x.* FROM ({MOVED_ON}) s CROSS JOIN LATERAL (
            SELECT * FROM wallet_transaction x WHERE x.wallet_id = s.id AND x.version > s.proven OFFSET 0
        ) x WHERE s.id {_SHARD}""",
        _MOVED,
    ),
)

# --- bonuses -----------------------------------------------------------------------------------

_END_ROW: Final = """
CASE WHEN r.status = 'completed' THEN 'CONVERT' WHEN r.status = 'forfeited' THEN 'FORFEIT'
    WHEN r.status = 'expired' AND r.activated_at IS NOT NULL THEN 'EXPIRE' END"""
_REQUIRED: Final = "base * (terms::jsonb ->> 'multiplier')::bigint"


def _of_a_bonus(broken: str, detail: str) -> Check:
    return Check(5, broken, f"concat('bonus ', id, {detail})", at="null::bigint")


BONUS_CHECKS: Final = (
    _of_a_bonus(
        "wagered IS DISTINCT FROM coalesce(newest_wagered, 0)",
        "' has wagered ', wagered, ', its rows make ', coalesce(newest_wagered, 0)",
    ),
    _of_a_bonus(
        f"required IS DISTINCT FROM {_REQUIRED}",
        f"' requires ', required, ', its terms make it ', {_REQUIRED}",
    ),
    _of_a_bonus(
        "status = 'active' AND wallet_bonus IS DISTINCT FROM coalesce(newest_money, 0)",
        "' is active with ', coalesce(newest_money, 0), ' of bonus money, its wallet has ', wallet_bonus",
    ),
    _of_a_bonus(
        f"({_END_ROW}) IS NOT NULL AND NOT EXISTS (SELECT FROM wallet_transaction e"
        f" WHERE e.source = '{BONUS}' AND e.reference = r.id::text AND e.kind = ({_END_ROW}))",
        f"' is ', status, ' without its row ', ({_END_ROW})",
    ),
)


def _newest(column: str, condition: str) -> str:
    return f"""(
    SELECT t.{column} FROM wallet_transaction t WHERE t.bonus = b.id AND {condition}
    ORDER BY t.created_at DESC, t.version DESC LIMIT 1)"""


def _bonuses(which: str) -> str:
    return f"""(
    SELECT b.*, w.bonus AS wallet_bonus,
        {_newest("wagered_after", "true")} AS newest_wagered,
        {_newest("bonus_after", f"NOT t.{_ASIDE}")} AS newest_money
    FROM bonus_bonus b JOIN wallet_wallet w ON w.id = b.wallet_id
    WHERE b.wallet_id {_SHARD} AND ({which})
) r"""


_EVERY_BONUS: Final = Look(BONUS_CHECKS, _bonuses("true"))
_BONUSES_SINCE: Final = Look(
    BONUS_CHECKS, _bonuses(f"b.status IN ('pending', 'queued', 'active') OR b.wallet_id {_MOVED}")
)

# --- wallets -----------------------------------------------------------------------------------

WALLET_CHECKS: Final = (
    Check(5, "bonus > 0 AND active = 0", "concat('has bonus money ', bonus, ' and no active bonus')"),
    Check(5, "active > 1", "concat('has ', active, ' active bonuses')"),
)

_WALLETS: Final = Look(
    WALLET_CHECKS,
    f"""(
    SELECT w.id AS wallet_id, w.version, w.bonus, coalesce(a.active, 0) AS active
    FROM wallet_wallet w LEFT JOIN (
        SELECT b.wallet_id, count(*) AS active FROM bonus_bonus b
        WHERE b.status = 'active' AND b.wallet_id {_SHARD} GROUP BY b.wallet_id
    ) a ON a.wallet_id = w.id
    WHERE w.id {_SHARD} AND (w.bonus > 0 OR a.active > 0)
) r""",
)


def look(cursor: Cursored, shard: Shard) -> Iterable[Discrepancy]:
    """Check the bonuses of a shard of wallets, and the rows that name them."""
    rows, bonuses = (_EVERY_ROW, _EVERY_BONUS) if shard.full else (_ROWS_SINCE, _BONUSES_SINCE)
    for each in (rows, bonuses, _WALLETS):
        yield from each.name(cursor, shard)
