"""Where players' wallets stand, straight from the database: many players with one look."""

from __future__ import annotations

from collections.abc import Collection

import psycopg
from django.db import connection

from bonus import store
from casino_pam.desk import Desk
from casino_pam.live.frames import Change, change
from wallet import ledger
from wallet.book import Book

# One snapshot: balances and the progress beside them belong to the same version. And the connection
# is shared with the teller's: no plan may be made on it that suits a table which was empty a minute ago.
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_seqscan = off"


def read(players: Collection[str]) -> list[Change]:
    """The state of every wallet of these players. Raises DatabaseError; borrows a connection and gives it back."""
    try:
        connection.ensure_connection()
        with psycopg.Cursor(connection.connection) as cursor:
            # Two statements in one cannot be prepared.
            cursor.execute(_BEGIN, prepare=False)
            try:
                book = Book()
                ledger.read_wallets(cursor, book, players)
                desk = Desk(book, store.read(cursor, book))
            finally:
                cursor.execute("ROLLBACK")
        return [change(desk, wallet, moved=False) for wallet in book.wallets_by_id.values()]
    finally:
        connection.close()
