"""Where players' wallets stand, straight from the database: many players with one look."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

from django.db import connection

from bonus import store
from casino_pam.desk import Desk
from casino_pam.live.frames import Change, change
from wallet import ledger
from wallet.book import Book
from wallet.pg import deadline
from wallet.session import session_of

# One snapshot: balances and the progress beside them belong to the same version. And the connection
# is shared with the teller's: no plan may be made on it that suits a table which was empty a minute ago.
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_seqscan = off"


# Longer than any look takes; a socket would rather wait for the next one.
SECONDS: Final = 3.0


def read(players: Collection[str]) -> list[Change]:
    """The state of every wallet of these players. Borrows a connection and gives it back.

    Raises DatabaseError or psycopg.Error, at the latest after SECONDS.
    """
    with deadline.until(time.monotonic() + SECONDS):
        return _read(players)


def _read(players: Collection[str]) -> list[Change]:
    try:
        connection.ensure_connection()
        session = session_of(connection.connection)
        session.command(_BEGIN)
        try:
            book = Book()
            ledger.read_wallets(session, book, players)
            desk = Desk(book, store.read(session, book, store.ask(session, book)))
        finally:
            session.command("ROLLBACK")
        return [change(desk, wallet, moved=False) for wallet in book.wallets_by_id.values()]
    finally:
        connection.close()
