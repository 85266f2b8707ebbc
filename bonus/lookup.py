"""Bonuses as a reader wants them, straight from the database."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from bonus.book import OpenBonus
from bonus.store import SELECT, opened


class Found(NamedTuple):
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


def one(id: UUID) -> Found | None:
    found = _read(_ONE, [id])
    return found[0] if found else None


def of_player(player: str, *, before: UUID | None, most: int) -> list[Found]:
    """The player's bonuses in all wallets, newest first, from the one after ``before`` on."""
    return _read(_OF_PLAYER, [player, before, before, most])


def _read(sql: str, values: list[Any]) -> list[Found]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [Found(opened(record[:-2]), *record[-2:]) for record in cursor.fetchall()]
