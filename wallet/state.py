"""The open book: wallets and rows in memory while commands are decided.

Everything here is pure. ``wallet.ledger`` fills a book from the database, the rules post rows
into it, and ``wallet.ledger`` writes what was added. Amounts are minor units, times are
microseconds since 1970, ids are text.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypedDict, Unpack

import msgspec
from uuid_utils import uuid7

from wallet.errors import Refused
from wallet.jurisdictions import Demand, must_be_verified
from wallet.kinds import SHARING, Kind, Status, Verification
from wallet.money import MAX_BALANCE
from wallet.time import spans

DIGEST_VERSION: Final = 2


class Row(msgspec.Struct, array_like=True, gc=False):
    """One ledger row; the fields stand in the order in which they are digested and written.

    A later digest version adds fields behind those of the earlier ones (``wallet.ledger.ADDED``).
    """

    id: str
    command: str
    wallet: int
    version: int
    kind: str
    status: str
    source: str
    reference: str
    round: str | None = None
    game: str | None = None
    amount: int = 0
    cash_delta: int = 0
    bonus_delta: int = 0
    held_delta: int = 0
    cash_after: int = 0
    bonus_after: int = 0
    held_after: int = 0
    staked_total: int = 0
    paid_total: int = 0
    deposited_total: int = 0
    bonus: str | None = None
    contribution: int = 0
    wagered_after: int | None = None
    original: str | None = None
    original_kind: str | None = None
    closes: str | None = None
    win_source: str | None = None
    ends_round: bool = False
    late: bool = False
    captured: bool = False
    void_amount: int = 0
    shortfall: int = 0
    refusal: str | None = None
    actor: str | None = None
    reason: str | None = None
    digest_version: int = DIGEST_VERSION
    created_at: int = 0
    wagering: bool = True
    shares_reference: bool = False

    @property
    def posted(self) -> bool:
        return self.status == Status.POSTED

    @property
    def key(self) -> Key:
        return (self.source, self.kind, self.reference)


Key = tuple[str, str, str]
RoundKey = tuple[int, str, str]


class OpenPlayer(msgspec.Struct):
    """What the rules may ask about a player; ``excluded_until`` in microseconds."""

    id: int
    code: str
    country: str | None
    bet_locked: bool
    deposit_locked: bool
    withdraw_locked: bool
    excluded_until: int | None
    verification: str

    def excluded(self, at: int) -> bool:
        return self.excluded_until is not None and self.excluded_until > at


class OpenCurrency(msgspec.Struct):
    code: str
    digits: int
    enabled: bool


class OpenProvider(msgspec.Struct):
    """A provider's profile (PLAY.md §3) as the batch read it."""

    code: str
    enabled: bool
    secrets_version: int
    reference_scope: str
    replay_balance: str
    zero_amount: str
    win_requires_bet: bool
    late_win: str
    unknown_rollback: str
    late_bet: str
    rollback_after_win: str
    rollback_wins: bool
    win_rollback: str
    ends_rounds: bool
    share_references: bool


class OpenSession(msgspec.Struct):
    """A session that a command names (wallet.models.GameSession); times in microseconds."""

    id: str
    source: str
    player: str
    expires_at: int
    has_ended: bool
    # Whether the player has opened no later session with this provider.
    is_newest: bool = True

    def ended(self, at: int) -> bool:
        """Ended by somebody, whenever that was, or by its time."""
        return self.has_ended or self.expires_at <= at


class OpenGame(msgspec.Struct):
    provider: str
    code: str
    category: str
    enabled: bool


class Totals(NamedTuple):
    """A wallet's lifetime totals in minor units, net of rollbacks."""

    staked: int
    paid: int
    deposited: int


class ByPeriod(msgspec.Struct, frozen=True):
    """An amount for each period that limits know, in minor units."""

    day: int = 0
    week: int = 0
    month: int = 0


class UndoneEarlier(msgspec.Struct, frozen=True):
    """What rollbacks have undone of rows that were counted in earlier periods.

    The lifetime totals are net of it, and so it would be room in a period that it never was part of (PLAY.md rule
    27a). ``at`` is the time of the newest such rollback; the amounts are those of its own day, week and month.
    """

    at: int
    staked: ByPeriod = ByPeriod()
    paid: ByPeriod = ByPeriod()

    def in_period(self, period: str, start: int) -> tuple[int, int]:
        """Of stakes and of payouts, in the ``day``, ``week`` or ``month`` that began at ``start``."""
        return (getattr(self.staked, period), getattr(self.paid, period)) if self.at >= start else (0, 0)

    @staticmethod
    def after(before: UndoneEarlier | None, at: int, original_at: int, moved: int) -> UndoneEarlier | None:
        """What it is after a rollback at ``at`` that moved so much money of a row of ``original_at``."""
        if original_at >= spans(at).day.start:
            # It lies in every period that its rollback lies in.
            return before
        staked, paid = {}, {}
        for period, span in spans(at)._asdict().items():
            was_staked, was_paid = (0, 0) if before is None else before.in_period(period, span.start)
            counts = original_at < span.start
            staked[period] = was_staked + counts * max(0, moved)
            paid[period] = was_paid + counts * max(0, -moved)
        return UndoneEarlier(at, ByPeriod(**staked), ByPeriod(**paid))


class OpenLimits(msgspec.Struct):
    """A wallet's limits in a posting: ``amounts`` are those that are set, by name (``wallet.kinds.LIMIT_NAMES``).

    ``totals`` and ``newest_at`` are the wallet's as they were read; ``before`` holds the totals
    that were looked up, by the start of the period before which they stood.
    """

    amounts: dict[str, int]
    totals: Totals
    newest_at: int
    before: dict[int, Totals] = {}


class OpenWallet(msgspec.Struct):
    """A wallet while its commands are decided; ``seen`` is the version that was read.

    ``balances_shown``: an answer shows its balances of now, whether or not a row is written.
    ``relied_on``: what is written on another wallet of the player rests on this one's rows, so it must not have moved.
    """

    id: int
    cash: int
    bonus: int
    held: int
    version: int
    digest: bytes | None
    staked_total: int
    paid_total: int
    deposited_total: int
    newest_at: int
    undone_earlier: UndoneEarlier | None
    # The fields above are columns, read in this order; those below are not.
    player: OpenPlayer
    currency: OpenCurrency
    seen: int
    rows: list[Row]
    balances_shown: bool = False
    relied_on: bool = False
    limits: OpenLimits | None = None

    @property
    def totals(self) -> Totals:
        return Totals(self.staked_total, self.paid_total, self.deposited_total)

    def balances(self) -> dict[str, Any]:
        """The facts an answer tells about where the wallet stands (minor units)."""
        self.balances_shown = True
        return {
            "balance": self.cash + self.bonus,
            "cash": self.cash,
            "bonus": self.bonus,
            "currency": self.currency.code,
            "digits": self.currency.digits,
        }

    def append(self, row: Row) -> None:
        """Take the row's deltas and give the row its version and balances."""
        cash = self.cash + row.cash_delta
        bonus = self.bonus + row.bonus_delta
        held = self.held + row.held_delta
        if cash < 0 or bonus < 0 or held < 0:
            # The rules must have asked first; the database would refuse the row all the same.
            raise AssertionError(f"{row.kind} {row.reference} would make wallet {self.id} negative")
        if cash > MAX_BALANCE or bonus > MAX_BALANCE or held > MAX_BALANCE:
            raise Refused("limit_reached", limit="balance", **self.balances())
        self.cash, self.bonus, self.held = cash, bonus, held
        self._count(row)
        self.version = row.version = self.version + 1
        self.newest_at = row.created_at = max(self.newest_at, row.created_at)
        row.cash_after, row.bonus_after, row.held_after = cash, bonus, held
        row.staked_total, row.paid_total, row.deposited_total = self.staked_total, self.paid_total, self.deposited_total
        self.rows.append(row)

    def _count(self, row: Row) -> None:
        """Lifetime totals follow the money that moved; a rollback takes back what it undid."""
        moved = row.cash_delta + row.bonus_delta
        if row.kind == Kind.BET:
            self.staked_total -= moved
        elif row.kind == Kind.WIN:
            self.paid_total += moved
        elif row.kind == Kind.ROLLBACK:
            if moved > 0:
                self.staked_total -= moved
            else:
                self.paid_total += moved
        elif row.kind == Kind.DEPOSIT:
            self.deposited_total += row.cash_delta


# What posting a row changes in a wallet.
_POSTED: Final = (
    *("cash", "bonus", "held", "version", "newest_at"),
    *("staked_total", "paid_total", "deposited_total", "undone_earlier"),
)
_standing_of: Final = attrgetter(*_POSTED)


class Mark(msgspec.Struct):
    """Where a book stood, to come back to when what was decided is refused after all."""

    rows: int
    wallet: OpenWallet
    # What posting a row changes, as it was.
    before: tuple[Any, ...]


class Book:
    """All that one posting has read, and the rows it adds."""

    def __init__(self) -> None:
        self.players: dict[str, OpenPlayer] = {}
        self.wallets: dict[str, dict[str, OpenWallet]] = {}
        self.wallets_by_id: dict[int, OpenWallet] = {}
        self.providers: dict[str, OpenProvider] = {}
        self.games: dict[tuple[str, str], OpenGame] = {}
        self.sessions: dict[str, OpenSession] = {}
        self.rows: dict[Key, Row] = {}
        self.rounds: dict[RoundKey, list[Row]] = {}
        self.closers: dict[str, Row] = {}
        self.companions: dict[str, list[Row]] = {}
        self.answers: dict[RoundKey, list[Row]] = {}
        self.added: list[Row] = []
        # The players on whose country and verification something was decided, by id: neither may have changed.
        self.players_relied_on: dict[int, OpenPlayer] = {}
        # The wallets that the request at hand decides on, by id: it stands or falls with all of them.
        self.footprint: set[int] = set()
        # Whether PostgreSQL's planner was told what a posting needs (``ledger.PLANNING``).
        self.is_planned = False

    def rely_on(self, wallet: OpenWallet) -> None:
        """Let the request at hand stand only if this wallet, which is not its own, has not moved since it was read."""
        wallet.relied_on = True
        self.footprint.add(wallet.id)

    def is_unverified(self, player: OpenPlayer, demand: Demand) -> bool:
        """Whether the player must be verified for what ``demand`` is about, and is not.

        What is decided by it stands only if neither country nor verification has changed when it is written.
        """
        if not must_be_verified(player.country, demand):
            return False
        self.players_relied_on[player.id] = player
        return player.verification != Verification.VERIFIED

    def wallets_of(self, player: str) -> dict[str, OpenWallet]:
        if player not in self.players:
            raise Refused("unknown_player", player=player)
        return self.wallets.get(player, {})

    def wallet(self, player: str, currency: str) -> OpenWallet:
        wallet = self.wallets_of(player).get(currency)
        if wallet is None:
            raise Refused("unknown_wallet", player=player, currency=currency)
        return wallet

    def first_wallet(self, player: str) -> OpenWallet:
        """The player's first-opened wallet."""
        wallets = self.wallets_of(player)
        if not wallets:
            raise Refused("unknown_wallet", player=player)
        return min(wallets.values(), key=lambda wallet: wallet.id)

    def row(self, source: str, kind: str, reference: str) -> Row | None:
        return self.rows.get((source, kind, reference))

    def shares_references(self, source: str) -> bool:
        """Whether no bet and no win of this source may have one reference."""
        provider = self.providers.get(source)
        return provider is not None and provider.share_references

    def round_rows(self, wallet: int, source: str, round: str | None) -> list[Row]:
        """The round's rows in version order; a round is (source, wallet, round)."""
        return [] if round is None else self.rounds.get((wallet, source, round), [])

    def others(self, wallet: OpenWallet) -> list[OpenWallet]:
        """The player's further wallets."""
        return [other for other in self.wallets[wallet.player.code].values() if other is not wallet]

    def answers_to(self, bet: Row) -> list[Row]:
        """Wins of the player that name this bet, whatever their round and wallet."""
        own = self.wallets[self.wallets_by_id[bet.wallet].player.code].values()
        return [win for wallet in own for win in self.answers.get((wallet.id, bet.source, bet.reference), [])]

    def rolled_back(self, row: Row) -> bool:
        return row.id in self.closers

    def last_of(self, row: Row) -> Row:
        """The last row of the command that ``row`` names."""
        others = self.companions.get(row.id)
        return row if not others else max(row, *others, key=lambda each: each.version)

    def know(self, rows: Iterable[Row]) -> None:
        """Take in rows read from the database; a row may come more than once."""
        fresh = {row.id: row for row in rows if row.key not in self.rows}
        for row in sorted(fresh.values(), key=lambda row: row.version):
            self._index(row)

    def add(self, wallet: OpenWallet, row: Row) -> None:
        wallet.append(row)
        if row.kind == Kind.ROLLBACK and row.posted:
            self._undo(wallet, row)
        self.added.append(row)
        self._index(row)

    def _undo(self, wallet: OpenWallet, row: Row) -> None:
        """Note what a rollback has undone of an earlier period."""
        assert row.original_kind is not None and row.original is not None
        original = self.rows[row.source, row.original_kind, row.original]
        moved = row.cash_delta + row.bonus_delta
        wallet.undone_earlier = UndoneEarlier.after(wallet.undone_earlier, row.created_at, original.created_at, moved)

    def _index(self, row: Row) -> None:
        self.rows[row.key] = row
        if row.round is not None:
            self.rounds.setdefault((row.wallet, row.source, row.round), []).append(row)
        if row.closes is not None and row.status == Status.POSTED:
            self.closers[row.closes] = row
        if row.kind == Kind.WIN and row.original is not None:
            self.answers.setdefault((row.wallet, row.source, row.original), []).append(row)
        if row.command != row.id:
            self.companions.setdefault(row.command, []).append(row)

    def mark(self, wallet: OpenWallet) -> Mark:
        return Mark(len(self.added), wallet, _standing_of(wallet))

    def back_to(self, mark: Mark) -> None:
        """Forget every row added since ``mark``; all of them belong to the marked wallet."""
        while len(self.added) > mark.rows:
            row = self.added.pop()
            taken = mark.wallet.rows.pop()
            assert taken is row, "a row of another wallet"
            del self.rows[row.key]
            if row.round is not None:
                self.rounds[(row.wallet, row.source, row.round)].pop()
            if row.closes is not None and row.status == Status.POSTED:
                del self.closers[row.closes]
            if row.kind == Kind.WIN and row.original is not None:
                self.answers[(row.wallet, row.source, row.original)].pop()
            if row.command != row.id:
                self.companions[row.command].pop()
        for name, value in zip(_POSTED, mark.before, strict=True):
            setattr(mark.wallet, name, value)


class Columns(TypedDict, total=False):
    """What a row may say beyond its name and amount, as ``Row`` names it."""

    status: str
    cash_delta: int
    bonus_delta: int
    held_delta: int
    round: str | None
    game: str | None
    bonus: str | None
    contribution: int
    wagered_after: int | None
    original: str | None
    original_kind: str | None
    closes: str | None
    win_source: str | None
    ends_round: bool
    late: bool
    captured: bool
    wagering: bool
    void_amount: int
    shortfall: int
    refusal: str | None
    reason: str | None


class Entry:
    """One command at work on one wallet: its rows share the command's id.

    The row that spends the caller's reference is posted with ``named``; further rows (a bonus
    that expired first, the next one activated after) with ``post``.
    """

    __slots__ = ("actor", "at", "book", "first", "id", "named_row", "wallet")

    def __init__(self, book: Book, wallet: OpenWallet, *, at: int, actor: str | None) -> None:
        self.book = book
        self.wallet = wallet
        self.at = at
        self.actor = actor
        self.id = str(uuid7())
        self.first = len(book.added)
        self.named_row: Row | None = None
        book.footprint.add(wallet.id)

    def named(self, kind: str, source: str, reference: str, amount: int, **columns: Unpack[Columns]) -> Row:
        self.named_row = self._add(self.id, kind, source, reference, amount, columns)
        return self.named_row

    def post(self, kind: str, source: str, reference: str, amount: int, **columns: Unpack[Columns]) -> Row:
        return self._add(str(uuid7()), kind, source, reference, amount, columns)

    def rows(self) -> list[Row]:
        return self.book.added[self.first :]

    def close(self) -> None:
        """A command that left rows but no named one is known by its first row."""
        if self.named_row is not None or not (rows := self.rows()):
            return
        self.book.companions.pop(self.id, None)
        for row in rows:
            row.command = rows[0].id
        if rows[1:]:
            self.book.companions[rows[0].id] = rows[1:]

    def _add(self, id: str, kind: str, source: str, reference: str, amount: int, columns: Columns) -> Row:
        columns.setdefault("status", Status.POSTED)
        row = Row(
            id=id,
            command=self.id,
            wallet=self.wallet.id,
            version=0,
            kind=kind,
            source=source,
            reference=reference,
            amount=amount,
            actor=self.actor,
            created_at=self.at,
            shares_reference=kind in SHARING and self.book.shares_references(source),
            **columns,
        )
        self.book.add(self.wallet, row)
        return row
