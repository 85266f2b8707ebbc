"""A player's own limits: set and shown, and judged inside the posting (docs/limits.md).

Every ledger row carries its wallet's lifetime totals, so what was staked, lost or deposited in a period is the
difference of two rows: the newest one, and the newest one before the period began. Periods are those of the calendar
in UTC; a week begins on Monday (ISO 8601).

The judgement is pure: what it rests on is in the open wallet. Where a wallet's totals stood when a period began is
looked up at most once in a process. Such totals never change any more: once a wallet has a row of the period, no row
before the period can come (a row's time is never earlier than that of the row before it). So they may be kept.

A lower limit holds at once. A higher one, or none, is asked for, waits as long as the player's country wants
(``wallet.jurisdictions``), and holds only once it is asked for again after that: whoever raises a limit in the heat of
the game has slept on it. A wish that nobody confirms for a week is forgotten.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from django.db import connection, transaction
from django.db.models import F
from uuid_utils.compat import uuid7

from wallet.errors import Refused
from wallet.history import newest_before
from wallet.jurisdictions import Demand, rule
from wallet.kinds import LIMIT_NAMES, LIMIT_PERIODS, LIMIT_SUBJECTS
from wallet.ledger import array
from wallet.models import LimitChange, Player, Wallet, WalletLimits
from wallet.money import show
from wallet.pg.session import Answer, Session, session_of
from wallet.state import Book, OpenWallet, Totals, UndoneEarlier
from wallet.time import DAY, HOUR, Span, spans, timestamp, to_datetime, to_microseconds, to_text

# --- what moved in a period. Pure ------------------------------------------------------------------


def counted(now: Totals, undone: UndoneEarlier | None, period: str, start: int) -> Totals:
    """The lifetime totals, but for what rollbacks of this period have undone of earlier ones.

    A stake or a win belongs to the periods of its own row, and its rollback changes those and no other (PLAY.md rule
    27a). What is undone within the period is in the totals already.
    """
    if undone is None:
        return now
    staked, paid = undone.in_period(period, start)
    return now._replace(staked=now.staked + staked, paid=now.paid + paid)


def used(subject: str, now: Totals, before: Totals) -> int:
    """What of a limit is used up, in minor units.

    Stakes and deposits count from zero: a rollback that the release before this one has posted, and of which the
    wallet does not know, makes no room beyond the limit. A net loss below zero is a win, and may be played back.
    """
    if subject == "deposit":
        return max(0, now.deposited - before.deposited)
    staked = now.staked - before.staked
    if subject == "stake":
        return max(0, staked)
    return staked - (now.paid - before.paid)


# --- judged inside the posting. Pure ---------------------------------------------------------------

_NAMES: Final = {(subject, period): f"{subject}_{period}" for subject in LIMIT_SUBJECTS for period in LIMIT_PERIODS}
# What a command moves.
_DEPOSIT: Final = ("deposit",)
# A stake counts as lost until it is won back.
_BET: Final = ("stake", "loss")


class _Reached(NamedTuple):
    """A limit that the amount would pass. Sorted, the tightest comes first, and of equals the last to end."""

    left: int
    not_before: int
    name: str


def may_deposit(wallet: OpenWallet, at: int, amount: int) -> None:
    """Raises Refused: ``limit_reached``, with the tightest limit, what is left of it, and when it starts anew."""
    _check(wallet, at, amount, _DEPOSIT)


def may_stake(wallet: OpenWallet, at: int, amount: int) -> None:
    """As ``may_deposit``, for a bet; one of zero passes every limit."""
    _check(wallet, at, amount, _BET)


def _check(wallet: OpenWallet, at: int, amount: int, subjects: tuple[str, ...]) -> None:
    limits = wallet.limits
    if limits is None or amount == 0:
        return
    totals = wallet.totals
    reached = []
    # The row's own time will be no earlier than that of the row before it.
    for period, span in zip(LIMIT_PERIODS, spans(max(at, wallet.newest_at)), strict=True):
        now, before = totals, None
        for subject in subjects:
            name = _NAMES[subject, period]
            limit = limits.amounts.get(name)
            if limit is None:
                continue
            if before is None:
                before = totals_before(wallet, span.start)
                now = counted(totals, wallet.undone_earlier, period, span.start)
            left = limit - used(subject, now, before)
            if amount > left:
                reached.append(_Reached(max(0, left), -span.end, name))
    if reached:
        tightest = min(reached)
        facts = {"limit": tightest.name, "left": tightest.left, "resets_at": to_text(to_datetime(-tightest.not_before))}
        raise Refused("limit_reached", **facts)


def totals_before(wallet: OpenWallet, start: int) -> Totals:
    """The wallet's totals as they stood when the period began.

    That is the newest row before it: one of this posting, or the one that the wallet was read
    with, or else one that was looked up.
    """
    assert wallet.limits is not None
    rows = wallet.rows
    if rows and rows[0].created_at < start:
        row = rows[bisect_left(rows, start, key=lambda each: each.created_at) - 1]
        return Totals(row.staked_total, row.paid_total, row.deposited_total)
    if wallet.limits.newest_at < start:
        return wallet.limits.totals
    return wallet.limits.before[start]


# --- looked up, once in a process ------------------------------------------------------------------

# Some 40 MB: the day, the week and the month of the thirty thousand wallets that came last.
MOST_PERIOD_TOTALS: Final = 100_000


class PeriodStart(NamedTuple):
    """A wallet at ``version``, whose newest row is not older than ``start`` (microseconds)."""

    wallet: int
    version: int
    start: int

    @property
    def key(self) -> tuple[int, int]:
        return (self.wallet, self.start)


class PeriodTotals:
    """Totals by wallet and start of period; when full, the first that came go. Threads share it."""

    def __init__(self, most: int = MOST_PERIOD_TOTALS) -> None:
        self._most = most
        self._totals: dict[tuple[int, int], Totals] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int]) -> Totals | None:
        return self._totals.get(key)

    def put(self, key: tuple[int, int], totals: Totals) -> None:
        with self._lock:
            while len(self._totals) >= self._most:
                del self._totals[next(iter(self._totals))]
            self._totals[key] = totals


period_totals = PeriodTotals()

_FIND: Final = f"""
SELECT n.wallet_id, n.start, coalesce(t.staked_total, 0), coalesce(t.paid_total, 0), coalesce(t.deposited_total, 0)
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS n(wallet_id, version, start)
CROSS JOIN LATERAL (SELECT {newest_before("n.wallet_id", "n.version", timestamp("n.start"))} AS version OFFSET 0) found
LEFT JOIN LATERAL (
    SELECT * FROM wallet_transaction r WHERE r.wallet_id = n.wallet_id AND r.version = found.version OFFSET 0
) t ON true
"""


def find(session: Session, asked: Collection[PeriodStart]) -> dict[tuple[int, int], Totals]:
    """The totals before each start, by wallet and start; no statement where all of them are kept."""
    found = {each.key: totals for each in asked if (totals := period_totals.get(each.key)) is not None}
    missing = {each for each in asked if each.key not in found}
    return found | _found(_put(session, missing)) if missing else found


def ask(session: Session, gated: Iterable[tuple[OpenWallet, int]]) -> Answer | None:
    """Ask for what the limits of these wallets need to judge a request received at that instant.

    What is kept is known at once. Of a period that has no row yet nothing is asked: the wallet's
    own totals are what it begins with.
    """
    missing = set()
    for wallet, at in gated:
        for span in spans(wallet.newest_at) if wallet.limits is not None else ():
            if at < span.end and not _is_known(wallet, span.start):
                missing.add(PeriodStart(wallet.id, wallet.seen, span.start))
    return _put(session, missing) if missing else None


def know(book: Book, answer: Answer | None) -> None:
    """Take in what was asked for."""
    for (wallet, start), totals in _found(answer).items() if answer is not None else ():
        limits = book.wallets_by_id[wallet].limits
        assert limits is not None
        limits.before[start] = totals


def _is_known(wallet: OpenWallet, start: int) -> bool:
    assert wallet.limits is not None
    before = wallet.limits.before
    if start not in before and (totals := period_totals.get((wallet.id, start))) is not None:
        before[start] = totals
    return start in before


def _put(session: Session, asked: Collection[PeriodStart]) -> Answer:
    return session.put(_FIND, [array(map(str, column), quoted=False) for column in zip(*asked, strict=True)])


def _found(answer: Answer) -> dict[tuple[int, int], Totals]:
    found = {(wallet, start): Totals(*totals) for wallet, start, *totals in answer.rows()}
    for key, totals in found.items():
        period_totals.put(key, totals)
    return found


def keep(book: Book) -> None:
    """After the commit: keep what the periods that this posting began have begun with."""
    for wallet in book.wallets_by_id.values():
        limits = wallet.limits
        if limits is None or not wallet.rows:
            continue
        for span in spans(wallet.newest_at):
            if limits.newest_at < span.start:
                period_totals.put((wallet.id, span.start), totals_before(wallet, span.start))


# --- set and shown ---------------------------------------------------------------------------------

# How long a higher limit waits where the player's country says nothing else.
WAIT: Final = DAY
# How long a wish for a higher limit can be confirmed; then it lapses (PLAY.md rule 27a).
CONFIRMABLE: Final = 7 * DAY

# The limits to set, by column, in minor units; None lifts one. What is not named stays.
NewLimits = Mapping[str, int | None]


class Increase(NamedTuple):
    """A higher limit that was asked for; None is no limit. It may be confirmed from ``available_at`` on."""

    amount: int | None
    available_at: int

    @property
    def available(self) -> datetime:
        return to_datetime(self.available_at)

    @property
    def lapses_at(self) -> int:
        return self.available_at + CONFIRMABLE

    @property
    def lapses(self) -> datetime:
        return to_datetime(self.lapses_at)


class Changes(NamedTuple):
    """The limits that changed, by column, as the audit trail has them: what holds, and what was asked for."""

    before: dict[str, Any]
    after: dict[str, Any]


class Limit(NamedTuple):
    """One limit and what is used of it (minor units; a net loss below zero is a win)."""

    subject: str
    period: str
    amount: int | None
    used: int
    resets_at: int
    increase: Increase | None

    @property
    def resets(self) -> datetime:
        return to_datetime(self.resets_at)

    @property
    def left(self) -> int | None:
        return None if self.amount is None else max(0, self.amount - self.used)


def hold_for(player: Player) -> str:
    """Whether the limits of a wallet bound the player's ``account`` or, a wallet each, its ``currency`` only."""
    return "account" if rule(player.country, Demand.ONE_CURRENCY) else "currency"


def of(wallet: Wallet, at: int) -> list[Limit]:
    """The nine limits of a wallet as they stand at ``at`` (microseconds since 1970)."""
    return of_each([wallet], at)[wallet.id]


def of_each(wallets: Sequence[Wallet], at: int) -> dict[int, list[Limit]]:
    """As ``of``, of several wallets with as few statements, by their ids."""
    if all("limits" in wallet._state.fields_cache for wallet in wallets):
        # They were read with their wallets.
        kept = {wallet.id: getattr(wallet, "limits", None) for wallet in wallets}
    else:
        kept = {each.wallet_id: each for each in WalletLimits.objects.filter(wallet__in=wallets)}
    begun = _begun(wallets, at)
    return {wallet.id: _limits(wallet, kept.get(wallet.id) or WalletLimits(), at, begun) for wallet in wallets}


def _limits(wallet: Wallet, kept: WalletLimits, at: int, begun: Mapping[tuple[int, int], Totals]) -> list[Limit]:
    increases = _increases(kept, at)
    now = Totals(wallet.staked_total, wallet.paid_total, wallet.deposited_total)
    undone = wallet.undone_earlier and msgspec.convert(wallet.undone_earlier, UndoneEarlier)
    return [
        Limit(
            subject,
            period,
            getattr(kept, f"{subject}_{period}"),
            # A period without a row begins with what there is now.
            used(subject, counted(now, undone, period, span.start), begun.get((wallet.id, span.start), now)),
            span.end,
            increases.get(f"{subject}_{period}"),
        )
        for subject in LIMIT_SUBJECTS
        for period, span in zip(LIMIT_PERIODS, spans(max(at, _newest(wallet))), strict=True)
    ]


def _begun(wallets: Sequence[Wallet], at: int) -> dict[tuple[int, int], Totals]:
    """What the periods that have rows began with, by wallet and start."""
    asked = {
        PeriodStart(wallet.id, wallet.version, span.start)
        for wallet in wallets
        for span in spans(max(at, _newest(wallet)))
        if span.start <= _newest(wallet)
    }
    if not asked:
        return {}
    connection.ensure_connection()
    return find(session_of(connection.connection), asked)


def _newest(wallet: Wallet) -> int:
    return 0 if wallet.newest_at is None else to_microseconds(wallet.newest_at)


def change(wallet: Wallet, wanted: NewLimits, at: int, actor: str) -> Changes | None:
    """Set the named limits, or ask for them, by the rules of the player's country; None if that changes nothing.

    ``actor`` is who did it, as the audit trail names people and back ends; the player's log of changes keeps it.
    """
    with transaction.atomic():
        kept = _taken(wallet)
        before = _amounts(kept), _increases(kept, at)
        after = decided(*before, wanted, at, wallet.player.country)
        if after == before:
            return None
        stored = {name: increase._asdict() for name, increase in after[1].items()}
        WalletLimits.objects.filter(wallet=wallet).update(**after[0], increases=stored)
        LimitChange.objects.bulk_create(_changes(wallet, before, after, at, actor))
    # What was read with the wallet is no longer so.
    wallet._state.fields_cache.pop("limits", None)
    old, new = _recorded(*before, wallet.currency.digits), _recorded(*after, wallet.currency.digits)
    changed = [name for name in LIMIT_NAMES if old[name] != new[name]]
    return Changes({name: old[name] for name in changed}, {name: new[name] for name in changed})


# What holds, and what was asked for, by column.
_Standing = tuple[dict[str, int | None], dict[str, Increase]]


def _changes(wallet: Wallet, before: _Standing, after: _Standing, at: int, actor: str) -> Iterator[LimitChange]:
    """A row of the player's log for each limit that is another one now, or waits for another one."""
    for name in LIMIT_NAMES:
        increase = after[1].get(name)
        if (before[0][name], before[1].get(name)) != (after[0][name], increase):
            yield LimitChange(
                id=uuid7(),
                wallet=wallet,
                actor=actor,
                limit=name,
                before=before[0][name],
                after=after[0][name],
                increase=increase and increase.amount,
                available_at=increase and increase.available,
                at=to_datetime(at),
            )


def decided(
    amounts: NewLimits, increases: Mapping[str, Increase], wanted: NewLimits, at: int, country: str | None = None
) -> tuple[dict[str, int | None], dict[str, Increase]]:
    """What limits and increases become when ``wanted`` is asked for at ``at`` by a player of the country. Pure."""
    amounts, waiting = dict(amounts), _not_lapsed(increases, at)
    for name, amount in wanted.items():
        asked = waiting.pop(name, None)
        if not _raises(amounts[name], amount):
            amounts[name] = amount
        elif asked is None or asked.amount != amount:
            waiting[name] = Increase(amount, at + wait(country, name.partition("_")[2], at))
        elif at < asked.available_at:
            waiting[name] = asked
        else:
            amounts[name] = amount
    return amounts, waiting


def wait(country: str | None, period: str, at: int) -> int:
    """How long a higher limit for a period waits that is asked for at ``at`` (microseconds)."""
    hours = rule(country, Demand.RAISE_HOURS)
    least = WAIT if hours is None else hours.figure * HOUR
    if rule(country, Demand.RAISE_AFTER_PERIOD) is None:
        return least
    running: Span = getattr(spans(at), period)
    return max(least, running.end - at)


def _raises(present: int | None, amount: int | None) -> bool:
    return present is not None and (amount is None or amount > present)


def _taken(wallet: Wallet) -> WalletLimits:
    """The wallet's row, locked until this transaction ends: another change waits for it."""
    WalletLimits.objects.get_or_create(wallet=wallet)
    WalletLimits.objects.filter(wallet=wallet).update(increases=F("increases"))
    return WalletLimits.objects.get(wallet=wallet)


def _recorded(amounts: NewLimits, increases: Mapping[str, Increase], digits: int) -> dict[str, Any]:
    """Each limit as the audit trail has it: what holds, and what was asked for."""

    def text(amount: int | None) -> str | None:
        return None if amount is None else show(amount, digits)

    texts: dict[str, Any] = {name: {"limit": text(amounts[name])} for name in LIMIT_NAMES}
    for name, increase in increases.items():
        texts[name]["asked"] = {"limit": text(increase.amount), "available_at": to_text(increase.available)}
    return texts


def _amounts(kept: WalletLimits) -> dict[str, int | None]:
    return {name: getattr(kept, name) for name in LIMIT_NAMES}


def _increases(kept: WalletLimits, at: int) -> dict[str, Increase]:
    """The wishes that wait at ``at``; what has lapsed by then may still be stored, and counts for nothing."""
    return _not_lapsed({name: Increase(**fields) for name, fields in kept.increases.items()}, at)


def _not_lapsed(increases: Mapping[str, Increase], at: int) -> dict[str, Increase]:
    return {name: increase for name, increase in increases.items() if at < increase.lapses_at}
