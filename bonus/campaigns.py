"""What became of an offer: its bonuses counted by day, what they cost, and how many of those granted completed.

Kept by day as the other reports' sums are (wallet/reports/sums.py). What the ledger says, ``cost`` and ``wagered``, is
taken in by ranges of its ids. The life of a bonus has not a row for every step, so a trigger notes each step in the
transaction that takes it (OfferStep); a refresh counts those it takes away, whenever they were committed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import msgspec
from django.db.models import Sum

from bonus.campaign_tables import OfferDay, OffersSummedUp
from bonus.models import Offer
from bonus.rules import BASIS_POINTS
from wallet.reports.sums import Connected, KeptSums, span, stream

STEPS: Final = ("granted", "activated", "completed", "depleted", "expired", "forfeited", "cancelled", "earned")
MEASURES: Final = (*STEPS, "cost", "wagered")
KEY: Final = ("offer_id", "day", "currency_id")

_MARKER: Final = OffersSummedUp._meta.db_table
_COLUMNS: Final = ", ".join((*KEY, *MEASURES))


def _counted(steps: str, sign: str = "") -> str:
    """Steps (rows of offer_id, day, currency_id and step) as rows of OfferDay."""
    counts = ", ".join(f"{sign}count(*) FILTER (WHERE step = '{step}') AS {step}" for step in STEPS)
    return f"SELECT {', '.join(KEY)}, {counts}, 0 AS cost, 0 AS wagered FROM ({steps}) AS taken GROUP BY 1, 2, 3"


def _waiting(which: str = "true") -> str:
    """The steps that no OfferDay counts yet."""
    return f"SELECT offer AS offer_id, day, currency AS currency_id, step FROM bonus_offerstep WHERE {which}"


# Every step that was ever taken, from the bonuses themselves.
TAKEN: Final = """
SELECT b.id AS bonus, s.step, b.offer_id, w.currency_id, (s.at AT TIME ZONE 'UTC')::date AS day
FROM bonus_bonus b JOIN wallet_wallet w ON w.id = b.wallet_id CROSS JOIN LATERAL (VALUES
    ('granted', b.created_at), ('activated', b.activated_at), (b.status, b.ended_at),
    ('earned', CASE WHEN b.status = 'completed' THEN b.created_at END)
) AS s(step, at)
WHERE s.at IS NOT NULL
"""


def _moved(which: str) -> str:
    """What the ledger's rows say of offers; ``which`` says of row ``t`` whether it counts."""
    return f"""
SELECT b.offer_id, (t.created_at AT TIME ZONE 'UTC')::date AS day, w.currency_id,
       {", ".join(f"0 AS {step}" for step in STEPS)},
       coalesce(sum(t.cash_delta) FILTER (WHERE t.kind = 'CONVERT'), 0) AS cost, sum(t.contribution) AS wagered
FROM wallet_transaction t JOIN bonus_bonus b ON b.id = t.bonus JOIN wallet_wallet w ON w.id = t.wallet_id
WHERE t.bonus IS NOT NULL AND t.status = 'POSTED' AND (t.contribution <> 0 OR t.kind = 'CONVERT') AND {which}
GROUP BY 1, 2, 3
"""


def _together(*parts: str) -> str:
    """Rows of OfferDay added up by their key."""
    added = ", ".join(f"sum({measure}) AS {measure}" for measure in MEASURES)
    return f"SELECT {', '.join(KEY)}, {added} FROM ({' UNION ALL '.join(parts)}) AS part GROUP BY 1, 2, 3"


_NONE: Final = " AND ".join(f"{measure} = 0" for measure in MEASURES)

SUMS: Final = KeptSums(
    marker=_MARKER,
    take_in=f"""
WITH gone AS (DELETE FROM bonus_offerstep RETURNING offer AS offer_id, day, currency AS currency_id, step)
INSERT INTO bonus_offerday AS kept ({_COLUMNS})
{_together(_counted("SELECT * FROM gone"), _moved("t.id >= %(first)s AND t.id < %(end)s"))}
ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {", ".join(f"{name} = kept.{name} + excluded.{name}" for name in MEASURES)}
""",
    drifted=f"""
SELECT day, concat_ws(' ', o.code, currency_id) AS key, measure, kept, ledger
FROM bonus_offerday k FULL JOIN ({
        _together(_counted(TAKEN), _counted(_waiting(), "-"), _moved("t.id < %(up_to)s"))
    }) l USING ({", ".join(KEY)})
JOIN bonus_offer o ON o.id = offer_id
CROSS JOIN LATERAL (VALUES
    {", ".join(f"('{name}', coalesce(k.{name}, 0), coalesce(l.{name}, 0))" for name in MEASURES)}
) AS measured(measure, kept, ledger)
WHERE kept <> ledger ORDER BY day, key
""",
    clear="DELETE FROM bonus_offerday WHERE day = %(day)s",
    rebuild=f"""
WITH gone AS (DELETE FROM bonus_offerstep WHERE day = %(day)s)
INSERT INTO bonus_offerday ({_COLUMNS})
{
        _together(
            _counted(f"SELECT * FROM ({TAKEN}) AS every WHERE day = %(day)s"),
            _moved("t.id < %(up_to)s AND t.created_at >= %(begin)s AND t.created_at < %(end)s"),
        )
    }
""",
)
"""Added to ``wallet.reports.sums`` by bonus/apps.py."""


class Campaign(msgspec.Struct, frozen=True):
    """An offer in one currency, on one UTC day or over several: bonuses counted, ``cost`` in minor units.

    ``wagered`` is in minor units x basis points. ``earned`` of the ``granted`` have completed by now, on whatever day;
    ``completed`` are the completions of these days, whenever they were granted.
    """

    day: date | None
    offer: str
    currency: str
    digits: int
    granted: int
    activated: int
    completed: int
    depleted: int
    expired: int
    forfeited: int
    cancelled: int
    earned: int
    cost: int
    wagered: int

    @property
    def counted(self) -> int:
        """What counted towards the requirements, in minor units, rounded down."""
        return self.wagered // BASIS_POINTS


_STANDING: Final = f"""
SELECT {_COLUMNS} FROM bonus_offerday WHERE day BETWEEN %(since)s AND %(until)s
UNION ALL
{_counted(_waiting("day BETWEEN %(since)s AND %(until)s"))}
UNION ALL
{_moved("t.id >= %(up_to)s AND t.created_at >= %(begin)s AND t.created_at < %(end)s")}
"""


def campaigns(own: Connected, since: date, until: date, *, daily: bool = True) -> Iterator[Campaign]:
    """Every offer's figures of the UTC days ``since`` to ``until``: by day, or all of them together."""
    statement = f"""
SELECT {"s.day" if daily else "NULL::date AS day"}, o.code AS offer, s.currency_id AS currency, c.digits,
       {", ".join(f"sum(s.{measure}) AS {measure}" for measure in MEASURES)}
FROM ({_STANDING}) s JOIN bonus_offer o ON o.id = s.offer_id JOIN wallet_currency c ON c.code = s.currency_id
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
"""
    yield from stream(own, statement, span(own, since, until, marker=_MARKER), Campaign)


def of_offer(offer: Offer, rows: int) -> tuple[list[Campaign], list[Campaign]]:
    """What is kept of one offer: all days together by currency, and its newest ``rows``.

    Read by the offer's key, and no further than the last refresh: the page of an offer never adds the ledger up.
    """
    kept = OfferDay.objects.filter(offer=offer)

    def made(row: Mapping[str, Any], day: date | None) -> Campaign:
        figures = {measure: int(row[measure]) for measure in MEASURES}
        return Campaign(
            day=day,
            offer=offer.code,
            currency=row["currency"],
            digits=row["currency__digits"],
            **figures,
        )

    whole = kept.values("currency", "currency__digits").annotate(**{name: Sum(name) for name in MEASURES})
    newest = kept.order_by("-day", "currency").values("day", "currency", "currency__digits", *MEASURES)
    return [made(row, None) for row in whole.order_by("currency")], [made(row, row["day"]) for row in newest[:rows]]
