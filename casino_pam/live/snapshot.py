"""What a player is told of a wallet, and how it is read from the database: many players with one look.

Every wallet that moves is announced, and few are looked at: what travels from process to process is a row of integers,
and whoever has somebody to show it to makes the frame of it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, Final, NamedTuple

import msgspec
from django.db import connection

from bonus import store
from casino_pam.cell import in_redis
from casino_pam.engine.execution import Execution
from casino_pam.engine.results import wagering_in_money
from wallet import ledger
from wallet.money import show
from wallet.pg import deadline
from wallet.pg.session import session_of
from wallet.state import Book, OpenPlayer, OpenWallet

# Whoever listens to this name hears every wallet of the house.
CHANNEL: Final = in_redis("casino_pam.wallets")


class Change(msgspec.Struct, array_like=True):
    """The state of a wallet after a commit, money in minor units.

    ``moved`` says that the version is new; otherwise only what surrounds the balances changed.
    """

    player: str
    wallet: int
    version: int
    moved: bool
    currency: str
    digits: int
    cash: int
    bonus: int
    held: int
    wagering: dict[str, Any] | None

    def says_the_same(self, other: Change) -> bool:
        """Whether a player who has been told the other need not be told this one."""
        return msgspec.structs.replace(self, moved=other.moved) == other

    def frame(self, *, first: bool) -> str:
        """The text to send; the first frame a socket sees of a wallet is a snapshot."""
        shown = {
            "type": "wallet" if self.moved and not first else "snapshot",
            "version": self.version,
            "currency": self.currency,
            "cash": show(self.cash, self.digits),
            "bonus": show(self.bonus, self.digits),
            "held": show(self.held, self.digits),
            "balance": show(self.cash + self.bonus, self.digits),
            "wagering": None if self.wagering is None else wagering_in_money(self.wagering, self.digits),
        }
        return encode(shown).decode()


class Snapshot(NamedTuple):
    """What the database says of some players: every wallet, and the locks of each who exists."""

    changes: list[Change]
    players: dict[str, OpenPlayer]


def stricter(player: OpenPlayer, before: OpenPlayer) -> bool:
    """Whether the player is locked or excluded in a way, or for a time, that was not so before."""
    return (
        player.bet_locked > before.bet_locked
        or player.deposit_locked > before.deposit_locked
        or player.withdraw_locked > before.withdraw_locked
        or (player.excluded_until or 0) > (before.excluded_until or 0)
    )


class Announcement(msgspec.Struct, array_like=True):
    """One message: the newest states of some wallets. ``lost``: there were others that nobody was told."""

    lost: bool
    changes: list[Change]


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Announcement).decode


def change(execution: Execution, wallet: OpenWallet, *, moved: bool) -> Change:
    """Where the wallet stands after this execution, as ``balance`` would answer."""
    at = execution.standing(wallet)
    return Change(
        at.player, wallet.id, at.version, moved, at.currency, at.digits, at.cash, at.bonus, at.held, at.wagering
    )


# One snapshot: balances and the progress beside them belong to the same version. And the connection
# is shared with the engine's: no plan may be made on it that suits a table which was empty a minute ago.
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_seqscan = off"

# Longer than any look takes; a socket would rather wait for the next one.
SECONDS: Final = 3.0


def read(players: Collection[str]) -> Snapshot:
    """The state of every wallet of these players, and their locks. Borrows a connection and gives it back.

    Raises DatabaseError or psycopg.Error, at the latest after SECONDS.
    """
    with deadline.until(time.monotonic() + SECONDS):
        return _read(players)


def _read(players: Collection[str]) -> Snapshot:
    try:
        connection.ensure_connection()
        session = session_of(connection.connection)
        session.command(_BEGIN)
        try:
            book = Book()
            ledger.read_wallets(session, book, players)
            execution = Execution(book, store.read(session, book, store.ask(session, book)))
        finally:
            session.command("ROLLBACK")
        changes = [change(execution, wallet, moved=False) for wallet in book.wallets_by_id.values()]
        return Snapshot(changes, book.players)
    finally:
        connection.close()
