"""What a wallet's rows say: statements page by page, balances of the past, and the feed of all rows.

A wallet's versions run 1..n without a gap and in the order of time. So a page is a range of versions, and an instant
is found among them by halving: no index but (wallet, version) is needed.

Rows of the feed come in the order of their ids, which begin with the time at which they were made. A row may be
committed after a younger one, so nothing younger than the oldest posting still under way is shown yet: ids are made
inside the transaction that writes them, never before its BEGIN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Q, QuerySet

from wallet.kinds import Kind, Status, scoped
from wallet.models import Transaction, Wallet
from wallet.pg.rows import by_name
from wallet.pg.standby import OnStandby
from wallet.time import first_id

PAGE: Final = 100
START: Final = UUID(int=0)

# Clocks of our processes and of PostgreSQL may differ by so much.
_MARGIN: Final = "2 seconds"
# A posting that has not written yet has no transaction id of its own. It is bounded in its reading,
# so one that has read for longer than this will never write: it is a report, and holds nobody up.
_READING: Final = "30 seconds"

_SETTLED_BEFORE: Final = f"""
SELECT pg_is_in_recovery(), least(
    clock_timestamp(),
    min(xact_start) FILTER (
        WHERE pid <> pg_backend_pid()
        AND (backend_xid IS NOT NULL OR xact_start > clock_timestamp() - interval '{_READING}')
    )
) - interval '{_MARGIN}'
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
"""


def feed_page(after: UUID, size: int = PAGE) -> list[Transaction]:
    """The rows that follow ``after``, oldest first; those made a moment ago come a moment later."""
    # The bound is asked for before the rows, in a statement of its own: what is committed between
    # the two is then seen, and what is committed later lies beyond the bound.
    bound = first_id(settled_before())
    rows = Transaction.objects.select_related("wallet__player", "wallet__currency").defer("digest")
    return list(rows.filter(id__gt=after, id__lt=bound).order_by("id")[:size])


def settled_before() -> datetime:
    """The instant before which every row that will ever be written can be seen.

    Raises OnStandby on a standby: it does not know which postings are under way on its primary.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED_BEFORE)
        is_standby, instant = cursor.fetchone()
    if is_standby:
        raise OnStandby(
            "This process is connected to a standby of PostgreSQL, which cannot know what its primary has yet to"
            " commit: a feed read here would skip rows for ever. Connect it to the primary."
        )
    assert isinstance(instant, datetime)
    return instant


# Rows that a page may look through for the few it wants. A page that found fewer than it has room
# for says where to go on, so that no question about a huge wallet runs into the statement timeout.
REACH: Final = 100_000


class StatementFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of a statement; ``since`` is within it, ``until`` is not."""

    kind: str | None = None
    status: str | None = None
    round: str | None = None
    reference: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Page(msgspec.Struct):
    """Rows, newest first, and for each wallet the version below which the next page begins."""

    rows: list[Transaction]
    below: list[int] | None


class _Range(msgspec.Struct):
    """Versions of one wallet, ``low`` and ``top`` outside, and how far down of them a page looks."""

    wallet: Wallet
    low: int
    top: int
    reached: int

    @property
    def cut(self) -> bool:
        return self.reached > self.low


def page(
    wallets: Sequence[Wallet], wanted: StatementFilter, below: Sequence[int] | None = None, size: int = PAGE
) -> Page:
    """One page of the merged statements of one player's wallets.

    ``below`` comes from the page before. A wallet opened since then has only newer rows, and no
    place in it.
    """
    tops = [wallet.version + 1 for wallet in wallets] if below is None else below
    ranges = [_range(wallet, wanted, top) for wallet, top in zip(wallets, tops, strict=False)]
    found = _newest(ranges, wanted, size + 1)
    # Rows of one wallet that are older than what was not looked at of another wait for their turn.
    oldest = max((_time_of(each) for each in ranges if each.cut), default=None)
    shown = [row for row in found[:size] if oldest is None or row.created_at >= oldest]
    next_tops = [_next_top(each, found, shown, complete=len(found) <= size) for each in ranges]
    return Page(shown, next_tops if any(next_tops) else None)


def walk(wallets: Sequence[Wallet], wanted: StatementFilter, size: int) -> Iterator[list[Transaction]]:
    """The whole of it, in pages. Each is a query of its own: a slow reader keeps nothing open."""
    below: list[int] | None = None
    while True:
        found = page(wallets, wanted, below, size)
        yield found.rows
        if found.below is None:
            return
        below = found.below


def newest_before(wallet: str, version: str, instant: str) -> str:
    """A sub-select: the version of a wallet's newest row older than an instant, of those up to ``version``; 0 for none.

    Versions are halved: some twenty rows are looked up by (wallet, version) in a wallet of a million.
    """
    return f"""(
    WITH RECURSIVE search(low, high) AS (
        SELECT 0::bigint, {version}
        UNION ALL
        SELECT CASE WHEN halfway.is_older THEN halfway.version ELSE search.low END,
               CASE WHEN halfway.is_older THEN search.high ELSE halfway.version - 1 END
        FROM search
        CROSS JOIN LATERAL (
            SELECT x.version, x.created_at < {instant} AS is_older FROM wallet_transaction x
            WHERE x.wallet_id = {wallet} AND x.version = (search.low + search.high + 1) / 2 OFFSET 0
        ) halfway
        WHERE search.low < search.high
    )
    SELECT max(low) FROM search
)"""


def version_at(wallet: Wallet, instant: datetime) -> int:
    """The version that the wallet had at the instant; 0 before its first row."""
    return _version(wallet, instant, _NOT_AFTER)


def version_before(wallet: Wallet, instant: datetime) -> int:
    """The version of the newest row that is older than the instant; 0 for none."""
    return _version(wallet, instant, _BEFORE)


def _version(wallet: Wallet, instant: datetime, query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query, {"wallet": wallet.id, "version": wallet.version, "instant": instant})
        (version,) = cursor.fetchone()
    return int(version)


def _of_wallet(instant: str) -> str:
    return f"SELECT {newest_before('%(wallet)s::bigint', '%(version)s::bigint', instant)}"


_BEFORE: Final = _of_wallet("%(instant)s::timestamptz")
_NOT_AFTER: Final = _of_wallet("(%(instant)s::timestamptz + interval '1 microsecond')")


def row_at(wallet: Wallet, instant: datetime) -> Transaction | None:
    """The row whose balances after it the wallet had at the instant; None if it had no row yet."""
    return Transaction.objects.filter(wallet=wallet, version=version_at(wallet, instant)).first()


class Withdrawal(NamedTuple):
    """A hold and the row that settled or released it."""

    hold: Transaction
    end: Transaction | None

    @property
    def status(self) -> str:
        """One of WITHDRAWAL_STATUSES."""
        if self.hold.status == Status.REFUSED:
            return "refused"
        return "held" if self.end is None else {Kind.SETTLE: "settled", Kind.RELEASE: "released"}[self.end.kind]


WITHDRAWAL_STATUSES: Final = ("held", "settled", "released", "refused")
# So many holds are looked at for a page; then it ends, full or not.
_HOLDS_READ: Final = 1_000


def withdrawal(source: str, reference: str) -> Withdrawal | None:
    """The withdrawal of this reference."""
    found = _with_ends(_holds(source).filter(reference=reference))
    return found[0] if found else None


def withdrawals(
    source: str, *, status: str | None, since: datetime | None, before: UUID | None, most: int
) -> tuple[list[Withdrawal], UUID | None]:
    """Withdrawals of a money source, the newest first, and where the next page begins (``before``), if there is one.

    Of many that do not have the ``status`` a page may hold fewer than ``most``, or none.
    """
    holds = _holds(source).order_by("-id")
    if since is not None:
        # A row's id is made after its command came, so the ids lead there, and the times decide.
        holds = holds.filter(id__gte=first_id(since), created_at__gte=since)
    found: list[Withdrawal] = []
    read = 0
    while read < _HOLDS_READ:
        rows = holds if before is None else holds.filter(id__lt=before)
        together = _with_ends(rows[: most + 1])
        for each in together[:most]:
            before = each.hold.id
            if status in (None, each.status):
                found.append(each)
            if len(found) == most:
                return found, before
        if len(together) <= most:
            return found, None
        read += most
    return found, before


def _holds(source: str) -> QuerySet[Transaction]:
    named = Transaction.objects.select_related("wallet__player", "wallet__currency")
    return named.filter(source=source, kind=Kind.HOLD)


def _with_ends(holds: QuerySet[Transaction]) -> list[Withdrawal]:
    rows = list(holds)
    closing = Transaction.objects.filter(closes__in=[row.id for row in rows], status=Status.POSTED)
    ends = {end.closes: end for end in closing}
    return [Withdrawal(row, ends.get(row.id)) for row in rows]


# --- a player's lifetime -------------------------------------------------------------------------------------------

# Deposits and withdrawals have indexes of their own. Bets have none: the first and the last one are looked for among so
# many rows at either end, and it takes a wallet without play to have none there.
_LOOKED_AT: Final = 1_000
# More withdrawals than that nobody has made; what is older would be left out of the sum.
_MOST_HOLDS: Final = 10_000
_POSTED_OF_WALLET: Final = f"FROM wallet_transaction t WHERE t.wallet_id = w.id AND t.status = '{Status.POSTED}'"


def _when(kind: str, order: str, which: str = "true") -> str:
    return f"(SELECT t.created_at {_POSTED_OF_WALLET} AND t.kind = '{kind}' AND {which} ORDER BY {order} LIMIT 1)"


_LIFETIMES: Final = f"""
SELECT w.id AS wallet, {_when("DEPOSIT", "t.created_at")} AS first_deposit,
    {_when("DEPOSIT", "t.created_at DESC")} AS last_deposit,
    {_when("BET", "t.version", f"t.version <= {_LOOKED_AT}")} AS first_bet,
    {_when("BET", "t.version DESC", f"t.version > w.version - {_LOOKED_AT}")} AS last_bet,
    coalesce((
        SELECT sum(settled.amount)::bigint
        FROM (
            SELECT t.id {_POSTED_OF_WALLET} AND t.kind = 'HOLD' ORDER BY t.created_at DESC LIMIT {_MOST_HOLDS}
        ) hold
        CROSS JOIN LATERAL (
            SELECT s.amount FROM wallet_transaction s
            WHERE s.closes = hold.id AND s.closes IS NOT NULL AND s.status = 'POSTED' AND s.kind = 'SETTLE' OFFSET 0
        ) settled
    ), 0) AS withdrawn
FROM unnest(%s::bigint[]) AS named(id)
CROSS JOIN LATERAL (SELECT * FROM wallet_wallet WHERE id = named.id OFFSET 0) w
"""


class Lifetime(msgspec.Struct, frozen=True):
    """What a wallet's totals do not say: what was paid out (minor units), and when deposits and bets began and ended.

    ``first_bet`` and ``last_bet`` are None too where there is none among a thousand rows at that end.
    """

    wallet: int
    first_deposit: datetime | None
    last_deposit: datetime | None
    first_bet: datetime | None
    last_bet: datetime | None
    withdrawn: int


_PLAYED: Final = f"""
SELECT w.currency_id AS currency, c.digits, w.staked_total - coalesce(t.staked_total, 0) AS staked,
    w.paid_total - coalesce(t.paid_total, 0) AS won
FROM unnest(%(wallets)s::bigint[]) AS named(id)
CROSS JOIN LATERAL (SELECT * FROM wallet_wallet WHERE id = named.id OFFSET 0) w
CROSS JOIN LATERAL (SELECT {newest_before("w.id", "w.version", "%(since)s::timestamptz")} AS version OFFSET 0) found
LEFT JOIN LATERAL (
    SELECT * FROM wallet_transaction r WHERE r.wallet_id = w.id AND r.version = found.version OFFSET 0
) t ON true
JOIN wallet_currency c ON c.code = w.currency_id
ORDER BY w.id
"""


class Played(msgspec.Struct, frozen=True):
    """What was staked and won in a wallet since an instant, in minor units, net of rollbacks."""

    currency: str
    digits: int
    staked: int
    won: int

    @property
    def result(self) -> int:
        return self.won - self.staked


def played_since(wallets: Sequence[Wallet], since: datetime) -> list[Played]:
    """What was staked and won in each wallet since ``since``: the difference of totals that rows carry."""
    connection.ensure_connection()
    with connection.connection.cursor(row_factory=by_name(Played)) as cursor:
        values = {"wallets": [wallet.pk for wallet in wallets], "since": since}
        found: list[Played] = cursor.execute(_PLAYED, values).fetchall()
    return found


def lifetimes(wallets: Sequence[Wallet]) -> dict[int, Lifetime]:
    """The lifetimes of the wallets, by their ids, in one statement that no number of bets makes longer."""
    connection.ensure_connection()
    with connection.connection.cursor(row_factory=by_name(Lifetime)) as cursor:
        found = cursor.execute(_LIFETIMES, [[wallet.pk for wallet in wallets]]).fetchall()
    return {each.wallet: each for each in found}


def sources() -> list[str]:
    """Everybody who has ever named a reference."""
    with connection.cursor() as cursor:
        cursor.execute(_SOURCES)
        return [code for (code,) in cursor.fetchall()]


# Few sources, each found by one step down the index on (source, reference, kind).
_SOURCES: Final = """
WITH RECURSIVE known(source) AS (
    SELECT min(source) FROM wallet_transaction
    UNION ALL
    SELECT (SELECT min(t.source) FROM wallet_transaction t WHERE t.source > known.source)
    FROM known WHERE known.source IS NOT NULL
)
SELECT source FROM known WHERE source IS NOT NULL
"""


def _range(wallet: Wallet, wanted: StatementFilter, top: int) -> _Range:
    low, top = 0, min(top, wallet.version + 1)
    if wanted.since is not None:
        low = version_before(wallet, wanted.since)
    if wanted.until is not None:
        top = min(top, version_before(wallet, wanted.until) + 1)
    # Rounds and references have an index that leads to their few rows, however far down.
    indexed = wanted.round is not None or wanted.reference is not None
    return _Range(wallet, low, top, low if indexed else max(low, top - 1 - REACH))


def _newest(ranges: Sequence[_Range], wanted: StatementFilter, most: int) -> list[Transaction]:
    """The newest rows of all ranges together."""
    matching = _matching([each.wallet for each in ranges], wanted)
    parts = [
        Transaction.objects.filter(matching, wallet=each.wallet, version__gt=each.reached, version__lt=each.top)
        .defer("digest")
        .order_by("-version")[:most]
        for each in ranges
        if each.top - each.reached > 1
    ]
    if not parts:
        return []
    if len(parts) == 1:
        return list(parts[0])
    merged: QuerySet[Transaction, Any] = parts[0].union(*parts[1:], all=True)
    return list(merged.order_by("-created_at", "-wallet_id", "-version")[:most])


def _time_of(range_: _Range) -> datetime:
    """The time of the oldest row that was looked at."""
    rows = Transaction.objects.filter(wallet=range_.wallet, version=range_.reached + 1)
    return rows.values_list("created_at", flat=True).get()


def _next_top(range_: _Range, found: list[Transaction], shown: list[Transaction], *, complete: bool) -> int:
    """Where the next page goes on in this wallet; 0 where nothing is left of it."""
    versions = [row.version for row in found if row.wallet_id == range_.wallet.id]
    taken = [row.version for row in shown if row.wallet_id == range_.wallet.id]
    if not complete or len(taken) < len(versions):
        return min(taken, default=range_.top)
    return range_.reached + 1 if range_.cut else 0


def _matching(wallets: Sequence[Wallet], wanted: StatementFilter) -> Q:
    matching = Q()
    for name in ("kind", "status", "round"):
        value = getattr(wanted, name)
        if value is not None:
            matching &= Q(**{name: value})
    if wanted.reference is not None:
        own = [scoped(wallet.player.code, wanted.reference) for wallet in wallets[:1]]
        matching &= Q(source__in=sources(), reference__in=[wanted.reference, *own])
    return matching
