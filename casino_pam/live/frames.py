"""What a player is told of a wallet, and how it travels from process to process.

The frame is encoded once, where the change happened. On its way it stays raw JSON inside the
announcement, so a process that listens takes it out without reading it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from casino_pam.game_door.answers import wagering
from casino_pam.receipts import Standing
from wallet.money import show

# Redis divides neither by database nor by key: whoever listens to this name hears every wallet.
CHANNEL: Final = "casino_pam.wallets"


class Change(msgspec.Struct, array_like=True):
    """The state of a wallet after a commit. ``body`` is the frame without its type.

    ``moved`` says that the version is new; otherwise only what surrounds the balances changed.
    """

    player: str
    wallet: int
    version: int
    moved: bool
    body: msgspec.Raw

    def frame(self, *, first: bool) -> str:
        """The text to send; the first frame a socket sees of a wallet is a snapshot."""
        kind = "wallet" if self.moved and not first else "snapshot"
        return f'{{"type":"{kind}",' + bytes(self.body)[1:].decode()


class Announcement(msgspec.Struct, array_like=True):
    """One message: the newest states of some wallets. ``lost``: there were others that nobody was told."""

    lost: bool
    changes: list[Change]


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Announcement).decode


def change(wallet: int, standing: Standing, *, moved: bool) -> Change:
    """The change that tells where the wallet stands; money leaves as decimal strings."""
    digits = standing.digits
    body = {
        "version": standing.version,
        "currency": standing.currency,
        "cash": show(standing.cash, digits),
        "bonus": show(standing.bonus, digits),
        "held": show(standing.held, digits),
        "balance": show(standing.cash + standing.bonus, digits),
        "wagering": None if standing.wagering is None else wagering(standing.wagering, digits),
    }
    return Change(standing.player, wallet, standing.version, moved, msgspec.Raw(encode(body)))
