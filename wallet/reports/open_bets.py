"""Open rounds, by their bets: live ones of rounds that nothing has ended.

Nearly every round ends within minutes, so the few bets that may be open are kept (``OpenBet``), up to a bound of their
own as the sums by day are (wallet/reports/sums.py). Of a part that is taken in the rounds are looked up that it does
not end, that it undid an end of, and that have bets in the list. Nothing is told from the list: whoever asks looks each
bet up in the ledger, those of the rows above the bound besides. So it must hold every open bet, may hold others, and an
answer is complete at any time.

A bet is left out for good when its round has ended by what its provider's profile says at that time. So a provider
that from now on always sends an end (``ends_rounds``) leaves no round open that a win had ended before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from wallet.reports.sums import BEYOND, Connected, KeptSums, Values, every, kept_up_to, stream
from wallet.time import first_id, midnight

MARKER: Final = "wallet_openbetssummedup"
_BEGINNING: Final = f"'{UUID(int=0)}'"
_NEVER: Final = f"'{BEYOND}'"

# What ends a bet's round. Providers that never send an end of round are done with a round when it paid.
_ENDS: Final = """
e.wallet_id = bet.wallet_id AND e.round = bet.round AND e.source = bet.source AND e.status = 'POSTED'
    AND (e.ends_round OR e.kind = 'WIN' AND NOT bet.ends_rounds)
"""

# Whether nothing ended a round, and nothing closed the bet itself, wherever in the ledger: an end may have come before
# its bet. By scalar sub-selects, because PostgreSQL may turn an EXISTS into a hash of the whole ledger.
_IS_OPEN: Final = f"""(
    SELECT x.id FROM wallet_transaction x
    WHERE x.closes = bet.id AND x.closes IS NOT NULL AND x.status = 'POSTED'
) IS NULL AND (
    SELECT e.id FROM wallet_transaction e
    WHERE {_ENDS} AND (SELECT x.id FROM wallet_transaction x WHERE x.closes = e.id AND x.status = 'POSTED') IS NULL
    LIMIT 1
) IS NULL"""

_ALWAYS_ENDS: Final = "coalesce((SELECT p.ends_rounds FROM wallet_provider p WHERE p.code = t.source), true)"


def _each(found: str, ends_rounds: str = _ALWAYS_ENDS) -> str:
    """The rows ``bet`` of the ids that ``found`` selects."""
    return f"""
({found}) found CROSS JOIN LATERAL (
    SELECT t.*, {ends_rounds} AS ends_rounds FROM wallet_transaction t WHERE t.id = found.id OFFSET 0
) bet
"""


def _unended(first: str, end: str) -> str:
    """Rounds with rows from ``first`` up to ``end`` and no end among these: hashed, for nearly all have one."""
    return f"""
SELECT t.wallet_id, t.source, t.round FROM wallet_transaction t
WHERE t.id >= {first} AND t.id < {end} AND t.status = 'POSTED' AND t.round IS NOT NULL
GROUP BY t.wallet_id, t.source, t.round
HAVING NOT bool_or(t.ends_round OR t.kind = 'WIN' AND t.source = ANY(
    ARRAY(SELECT p.code FROM wallet_provider p WHERE NOT p.ends_rounds)
))
"""


def _reopened(first: str, end: str) -> str:
    """Rounds of which an end was undone by a row from ``first`` up to ``end``, or is one of these rows and undone.

    One of the two is not enough: by clocks of two machines the id of what undoes a row may be the smaller.
    """
    undoes = "SELECT x.closes FROM wallet_transaction x WHERE x.closes IS NOT NULL AND x.status = 'POSTED'"
    return f"""
SELECT e.wallet_id, e.source, e.round FROM (
    {undoes} AND x.id >= {first} AND x.id < {end} UNION {undoes} AND x.closes >= {first} AND x.closes < {end}
) undone CROSS JOIN LATERAL (
    SELECT * FROM wallet_transaction e WHERE e.id = undone.closes AND (e.ends_round OR e.kind = 'WIN') OFFSET 0
) e
"""


def _bets(rounds: str, which: str) -> str:
    """The bets of these rounds; ``which`` says of ``bet`` whether it counts."""
    return f"""
SELECT bet.id FROM ({rounds}) r CROSS JOIN LATERAL (
    SELECT * FROM wallet_transaction t WHERE t.wallet_id = r.wallet_id AND t.round = r.round AND t.source = r.source
        AND t.kind = 'BET' AND t.status = 'POSTED' OFFSET 0
) bet WHERE {which}
"""


def _may_be_open(first: str, end: str, which: str) -> str:
    """Bets that the rows from ``first`` up to ``end`` may have left open or opened again."""
    return _bets(f"{_unended(first, end)} UNION {_reopened(first, end)}", which)


# --- kept ----------------------------------------------------------------------------------------

_COLUMNS: Final = "id, wallet_id, source, round"
_ADD: Final = f"INSERT INTO wallet_openbet ({_COLUMNS}) SELECT {_COLUMNS}"
_OF_THE_DAY: Final = "bet.created_at >= %(begin)s AND bet.created_at < %(end)s"

# Kept bets whose round has rows in the part.
_PLAYED_ON: Final = """
SELECT kept.id FROM wallet_openbet kept
JOIN wallet_transaction t ON t.wallet_id = kept.wallet_id AND t.round = kept.round AND t.source = kept.source
WHERE t.id >= %(first)s AND t.id < %(end)s
"""
_TOUCHED: Final = f"{_may_be_open('%(first)s', '%(end)s', 'bet.id < %(end)s')} UNION {_PLAYED_ON}"

KEPT: Final = KeptSums(
    marker=MARKER,
    take_in=f"""
WITH touched AS MATERIALIZED (
    SELECT bet.id, bet.wallet_id, bet.source, bet.round, {_IS_OPEN} AS is_open FROM {_each(_TOUCHED)}
), ended AS (
    DELETE FROM wallet_openbet kept USING touched WHERE kept.id = touched.id AND NOT touched.is_open
)
{_ADD} FROM touched WHERE is_open ON CONFLICT DO NOTHING
""",
    # Those that are missing; whatever its provider's profile says now, a win may have ended a round when it was taken
    # in. What was opened again above the bound is yet to be added.
    drifted=f"""
SELECT (bet.created_at AT TIME ZONE 'UTC')::date AS day, concat_ws(' ', bet.source, bet.round) AS key,
       'open bets' AS measure, 0 AS kept, count(*) AS ledger
FROM {
        _each(
            f"({_may_be_open(_BEGINNING, '%(up_to)s', 'bet.id < %(up_to)s')}) EXCEPT SELECT id FROM wallet_openbet"
            f" EXCEPT ({_bets(_reopened('%(up_to)s', _NEVER), 'true')})",
            ends_rounds="false",
        )
    }
WHERE {_IS_OPEN} GROUP BY 1, 2 ORDER BY 1, 2
""",
    clear=f"DELETE FROM wallet_openbet kept USING wallet_transaction bet WHERE bet.id = kept.id AND {_OF_THE_DAY}",
    rebuild=f"""
WITH found AS MATERIALIZED (
    SELECT bet.id, bet.wallet_id, bet.source, bet.round
    FROM {_each(_may_be_open(_BEGINNING, "%(up_to)s", f"bet.id < %(up_to)s AND {_OF_THE_DAY}"))} WHERE {_IS_OPEN}
)
{_ADD} FROM found
""",
)
"""Added to ``wallet.reports.sums`` by wallet/apps.py."""


# --- asked for -----------------------------------------------------------------------------------


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


def _rounds(which: str) -> str:
    """Open rounds from the kept bets and the rows from ``newer`` on; ``which`` says of ``bet`` whether it counts.

    A row's id begins with the milliseconds at which it was made (UUIDv7): a time span is a range of the primary key.
    """
    spanned = f"bet.id >= %(since)s AND bet.id < %(until)s AND {which}"
    newer = _may_be_open("%(newer)s", _NEVER, spanned)
    kept = "SELECT kept.id FROM wallet_openbet kept WHERE kept.id >= %(since)s AND kept.id < %(until)s"
    return f"""
SELECT bet.source, p.code AS player, w.currency_id AS currency, bet.round, max(bet.game) AS game,
       min(bet.created_at) AS since, count(*) AS bets, sum(bet.amount) AS staked, c.digits
FROM {_each(f"{kept} UNION {newer}")}
CROSS JOIN LATERAL (SELECT * FROM wallet_wallet WHERE id = bet.wallet_id OFFSET 0) w
CROSS JOIN LATERAL (SELECT * FROM wallet_player WHERE id = w.player_id OFFSET 0) p
CROSS JOIN LATERAL (SELECT * FROM wallet_currency WHERE code = w.currency_id OFFSET 0) c
WHERE {which} AND {_IS_OPEN}
GROUP BY bet.source, p.code, w.currency_id, bet.round, c.digits
ORDER BY min(bet.created_at)
"""


def _span(own: Connected, since: UUID, until: UUID) -> Values:
    return {"since": since, "until": until, "newer": max(since, kept_up_to(own, MARKER))}


_OF_A_SOURCE: Final = _rounds("(%(source)s::text IS NULL OR bet.source = %(source)s)")


def open_rounds(own: Connected, *, since: datetime, until: datetime, source: str | None = None) -> Iterator[OpenRound]:
    """Rounds whose first live bet fell between the two instants and which nothing has ended, oldest first."""
    yield from stream(own, _OF_A_SOURCE, {**_span(own, first_id(since), first_id(until)), "source": source}, OpenRound)


_OF_DAYS: Final = _rounds(_OF_THE_DAY)
_IN_ALL: Final = f"""
SELECT currency, digits, count(*) AS rounds, sum(bets) AS bets, sum(staked) AS staked
FROM ({_OF_DAYS}) o GROUP BY 1, 2 ORDER BY 1
"""
# A row is made after its command was received, and no clock of ours is a day slow.
_AFTER: Final = timedelta(days=1)


def _days(own: Connected, since: date, until: date) -> Values:
    begin, end = midnight(since), midnight(until + timedelta(days=1))
    return {**_span(own, first_id(begin - _AFTER), BEYOND), "begin": begin, "end": end}


def open_rounds_of_days(own: Connected, since: date, until: date) -> Iterator[OpenRound]:
    """Open rounds with a live bet of the days ``since`` to ``until``, oldest first."""
    yield from stream(own, _OF_DAYS, _days(own, since, until), OpenRound)


class OpenRoundTotal(msgspec.Struct, frozen=True):
    """All open rounds of a currency together; ``staked`` in minor units."""

    currency: str
    digits: int
    rounds: int
    bets: int
    staked: int


def open_round_totals(own: Connected, since: date, until: date) -> list[OpenRoundTotal]:
    """The sums of ``open_rounds_of_days``, one of each currency."""
    return every(own, _IN_ALL, _days(own, since, until), OpenRoundTotal)
