"""The life of a bonus, in memory beside the open book of one posting."""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg import Cursor

from wallet.book import Book, Columns, OpenWallet, Row, Turn
from wallet.errors import Refused


class BonusMark(msgspec.Struct):
    wallet: int


class Bonuses:
    """The bonuses that one posting has read, and what became of them."""

    @classmethod
    def read(cls, cursor: Cursor[Any], book: Book) -> Bonuses:
        """Read the live bonuses of the book's wallets, and those its rows name."""
        return cls()

    def write(self, cursor: Cursor[Any], stale: set[int]) -> None:
        """Write what became of the bonuses, those of stale wallets apart."""

    def expire_due(self, turn: Turn) -> None:
        """End the wallet's bonus if its time ran out before the command was received."""

    def settle(self, turn: Turn) -> None:
        """Draw the consequences of the command's rows: convert, deplete, start the next."""

    def stake(self, turn: Turn, provider: str, game: str, amount: int) -> Columns:
        """Split a stake between the balances and count it; raises ``Refused``."""
        if amount > turn.wallet.cash:
            raise Refused("insufficient_funds")
        return {"cash": -amount}

    def payout(
        self, turn: Turn, *, provider: str, game: str | None, amount: int, free_round: bool, stakes: list[Row]
    ) -> Columns:
        """Split a win as ``stakes`` (BET rows net of rollbacks) were."""
        return {"cash": amount}

    def refund(self, turn: Turn, bet: Row) -> Columns:
        """What a rollback of ``bet`` gives back, and to which balances."""
        return {"cash": -bet.cash_delta}

    def take_back(self, turn: Turn, win: Row, *, clamp: bool) -> Columns:
        """What a rollback of ``win`` takes; raises ``Refused`` unless ``clamp``."""
        taken = min(win.cash_delta, turn.wallet.cash)
        if taken < win.cash_delta and not clamp:
            raise Refused("insufficient_funds")
        return {"cash": -taken, "shortfall": win.cash_delta - taken}

    def wagering(self, wallet: OpenWallet, row: Row | None) -> dict[str, Any] | None:
        """The bonus ``row`` touched, as the row left it, else the ACTIVE one, else None."""
        return None

    def mark(self, wallet: OpenWallet) -> BonusMark:
        return BonusMark(wallet=wallet.id)

    def back_to(self, mark: BonusMark) -> None:
        """Forget what happened to the wallet's bonuses since ``mark``."""
