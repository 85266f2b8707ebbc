"""What players stake and are paid, second by second: the last minute of the ledger, for a page that moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from wallet.reports.snapshot import Connected, stream
from wallet.rounds import first_id

# A row is made after its command was received, and by the clock of another machine maybe.
SLACK: Final = timedelta(seconds=5)

_SECONDS: Final = """
SELECT extract(epoch FROM date_trunc('second', t.created_at))::bigint, w.currency_id, c.digits,
       count(*) FILTER (WHERE t.kind = 'BET'),
       coalesce(-sum(t.cash_delta + t.bonus_delta) FILTER (WHERE t.kind = 'BET' OR t.original_kind = 'BET'), 0),
       coalesce(sum(t.cash_delta + t.bonus_delta) FILTER (WHERE t.kind = 'WIN' OR t.original_kind = 'WIN'), 0)
FROM wallet_transaction t
JOIN wallet_wallet w ON w.id = t.wallet_id
JOIN wallet_currency c ON c.code = w.currency_id
WHERE t.id >= %(from_id)s AND t.created_at >= %(since)s AND t.created_at < %(until)s
  AND t.status = 'POSTED' AND t.kind IN ('BET', 'WIN', 'ROLLBACK')
GROUP BY 1, 2, 3 ORDER BY 1, 2
"""


class Second(msgspec.Struct, frozen=True):
    """One second of one currency: bets posted, and minor units staked and paid, net of rollbacks."""

    at: int
    currency: str
    digits: int
    bets: int
    staked: int
    paid: int


def seconds(own: Connected, first: int, end: int) -> Iterator[Second]:
    """The unix seconds from ``first`` up to ``end``; those in which nothing happened do not come.

    A range of the primary key: ids begin with the time at which they were made (UUIDv7).
    """
    since, until = (datetime.fromtimestamp(second, UTC) for second in (first, end))
    values = {"from_id": first_id(since - SLACK), "since": since, "until": until}
    for record in stream(own, _SECONDS, values):
        yield Second(*record[:4], *map(int, record[4:]))
