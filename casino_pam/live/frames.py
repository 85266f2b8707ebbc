"""What a player is told of a wallet, and how it travels from process to process.

Every wallet that moves is announced, and few are looked at: what travels is a row of integers, and
whoever has somebody to show it to makes the frame of it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from casino_pam.desk import Desk
from casino_pam.game_door.answers import wagering
from wallet.book import OpenWallet
from wallet.money import show

# Redis divides neither by database nor by key: whoever listens to this name hears every wallet.
CHANNEL: Final = "casino_pam.wallets"


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
            "wagering": None if self.wagering is None else wagering(self.wagering, self.digits),
        }
        return encode(shown).decode()


class Announcement(msgspec.Struct, array_like=True):
    """One message: the newest states of some wallets. ``lost``: there were others that nobody was told."""

    lost: bool
    changes: list[Change]


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Announcement).decode


def change(desk: Desk, wallet: OpenWallet, *, moved: bool) -> Change:
    """Where the wallet stands on this desk, as ``balance`` would answer."""
    at = desk.standing(wallet)
    return Change(
        at.player, wallet.id, at.version, moved, at.currency, at.digits, at.cash, at.bonus, at.held, at.wagering
    )
