"""Bonuses straight from the database: one, a player's, and those on which something has fallen due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from bonus.models import Offer
from bonus.open_bonuses import OpenBonus
from bonus.store import SELECT, opened
from wallet.kinds import Kind
from wallet.time import midnight


class BonusRecord(NamedTuple):
    """A bonus, whose it is, and the digits of its currency."""

    bonus: OpenBonus
    player: str
    digits: int


_FROM = f"""
{SELECT}, p.code, c.digits FROM bonus_bonus b JOIN wallet_player p ON p.id = b.player_id
JOIN wallet_wallet w ON w.id = b.wallet_id JOIN wallet_currency c ON c.code = w.currency_id
"""
_ONE = f"{_FROM} WHERE b.id = %s"
_OF_PLAYER = f"""
{_FROM} WHERE p.code = %s AND (%s::uuid IS NULL OR b.id < %s::uuid) ORDER BY b.id DESC LIMIT %s
"""


def one(id: UUID) -> BonusRecord | None:
    found = _read(_ONE, [id])
    return found[0] if found else None


def of_player(player: str, *, before: UUID | None, most: int) -> list[BonusRecord]:
    """The player's bonuses in all wallets, newest first, from the one after ``before`` on."""
    return _read(_OF_PLAYER, [player, before, before, most])


def _read(sql: str, values: list[Any]) -> list[BonusRecord]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [BonusRecord(opened(record[:-2]), *record[-2:]) for record in cursor.fetchall()]


# Each part is found by an index of its own; what is found may turn out not to be due after all
# (a stake that is still open), and is then left as it is.
_DUE: Final = """
WITH due AS (
    SELECT wallet_id FROM bonus_bonus WHERE status = 'active' AND expires_at <= %(at)s
    UNION
    SELECT wallet_id FROM bonus_bonus WHERE status IN ('pending', 'queued') AND claim_by <= %(at)s
    UNION
    SELECT b.wallet_id FROM wallet_player p JOIN bonus_bonus b ON b.player_id = p.id
    WHERE p.excluded_until > %(at)s AND b.status IN ('pending', 'queued')
    UNION
    SELECT b.wallet_id FROM bonus_bonus b JOIN wallet_wallet w ON w.id = b.wallet_id
    WHERE b.status = 'active' AND b.required > 0
        AND w.bonus < greatest(1, (b.terms::jsonb ->> 'depleted_below')::bigint)
)
SELECT p.code, w.currency_id
FROM due JOIN wallet_wallet w ON w.id = due.wallet_id JOIN wallet_player p ON p.id = w.player_id
ORDER BY w.id
"""


def due(at: datetime) -> list[tuple[str, str]]:
    """Player and currency of every wallet on which something may be due."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"at": at})
        return [(player, currency) for player, currency in cursor.fetchall()]


class Loss(NamedTuple):
    """What a player lost in a wallet's cash over a period, in minor units."""

    player: str
    currency: str
    amount: int


# Bets less their rollbacks less wins and theirs, on cash: every one of these rows moves cash by its
# own sign, so the loss is what their deltas add up to, turned round.
_LOSSES: Final = f"""
SELECT p.code, w.currency_id, -l.moved
FROM (
    SELECT t.wallet_id, sum(t.cash_delta)::bigint AS moved FROM wallet_transaction t
    WHERE t.created_at >= %(first)s AND t.created_at < %(end)s AND t.status = 'POSTED'
        AND t.kind IN ('{Kind.BET}', '{Kind.WIN}', '{Kind.ROLLBACK}')
    GROUP BY t.wallet_id HAVING sum(t.cash_delta) < 0
) l JOIN wallet_wallet w ON w.id = l.wallet_id JOIN wallet_player p ON p.id = w.player_id
ORDER BY w.id
"""


def losses(offer: Offer, first: date, last: date) -> Iterator[Loss]:
    """Net losses of the UTC days ``first`` to ``last`` that are large enough for the offer."""
    amounts = offer.spec().amounts
    with connection.cursor() as cursor:
        cursor.execute(_LOSSES, {"first": midnight(first), "end": midnight(last + timedelta(days=1))})
        for record in cursor.fetchall():
            loss = Loss(*record)
            if loss.currency in amounts and loss.amount >= amounts[loss.currency].min_deposit:
                yield loss
