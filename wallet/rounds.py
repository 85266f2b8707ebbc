"""Rounds have no row of their own; which are still open is asked of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec
from django.db import connection

# A row's id begins with the milliseconds at which it was made (UUIDv7), so a time span is a range
# of the primary key; ``which`` may narrow it. Providers that never send an end of round are done
# with a round when it paid.
OPEN: Final = """
SELECT bet.source, p.code, w.currency_id, bet.round, max(bet.game), min(bet.created_at) AS since, count(*) AS bets,
       sum(bet.amount) AS staked, c.digits
FROM wallet_transaction bet
JOIN wallet_wallet w ON w.id = bet.wallet_id
JOIN wallet_player p ON p.id = w.player_id
JOIN wallet_currency c ON c.code = w.currency_id
LEFT JOIN wallet_provider provider ON provider.code = bet.source
WHERE bet.id >= %(since)s AND bet.id < %(until)s AND {which}
  AND bet.kind = 'BET' AND bet.status = 'POSTED' AND (%(source)s::text IS NULL OR bet.source = %(source)s)
  AND NOT EXISTS (SELECT 1 FROM wallet_transaction x WHERE x.closes = bet.id AND x.status = 'POSTED')
  AND NOT EXISTS (
      SELECT 1 FROM wallet_transaction e
      WHERE e.wallet_id = bet.wallet_id AND e.round = bet.round AND e.source = bet.source AND e.status = 'POSTED'
        AND (e.ends_round OR e.kind = 'WIN' AND NOT coalesce(provider.ends_rounds, true))
        AND NOT EXISTS (SELECT 1 FROM wallet_transaction x WHERE x.closes = e.id AND x.status = 'POSTED')
  )
GROUP BY bet.source, p.code, w.currency_id, bet.round, c.digits
ORDER BY min(bet.created_at)
"""


class OpenRound(msgspec.Struct, frozen=True):
    """A round with a live bet and nothing that ended it; ``staked`` in minor units."""

    source: str
    player: str
    currency: str
    round: str
    game: str
    since: datetime
    bets: int
    staked: int
    digits: int


def first_id(instant: datetime) -> str:
    """The smallest id that a row made at this instant can have."""
    milliseconds = int(instant.timestamp() * 1000)
    return f"{milliseconds:012x}{0:020x}"


def open_rounds(*, since: datetime, until: datetime, source: str | None = None) -> Iterator[OpenRound]:
    """Rounds whose first live bet fell between the two instants and which nothing has ended, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            OPEN.format(which="true"), {"since": first_id(since), "until": first_id(until), "source": source}
        )
        for record in cursor.fetchall():
            yield OpenRound(*record)
