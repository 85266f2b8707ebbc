"""Which changes a player sees, and when. Pure: time is passed in.

The first change of a wallet is shown at once and opens a window; whatever follows within it is
merged into one at its end, which opens the next. Versions never go back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from casino_pam.live.snapshot import Change

WINDOW_SECONDS: Final = 0.05


class _Window(msgspec.Struct):
    ends_at: float
    waiting: Change | None = None


class Coalescer:
    """Everything this process shows; a wallet counts from its first change until ``forget``."""

    def __init__(self, window: float = WINDOW_SECONDS) -> None:
        self._seconds = window
        self._shown: dict[int, Change] = {}
        # All windows are equally long, so they end in the order in which they stand here.
        self._windows: dict[int, _Window] = {}

    def shown(self, wallet: int) -> Change | None:
        """What is to be seen of the wallet at present."""
        return self._shown.get(wallet)

    def hear(self, change: Change, now: float) -> Change | None:
        """Take in an announced change; returned if it is to be shown at once."""
        newest = self._newest(change.wallet)
        if newest is not None and not _supersedes(change, newest):
            return None
        return self._take(change, now)

    def repair(self, change: Change, now: float) -> Change | None:
        """As ``hear``, for what the database says: usually what everybody sees already."""
        newest = self._newest(change.wallet)
        if newest is not None:
            if change.version < newest.version:
                return None
            if change.version == newest.version and change.says_the_same(newest):
                return None
        return self._take(change, now)

    def due(self, now: float) -> list[Change]:
        """End the windows whose time has come; returns what waited in them and is shown now."""
        released = []
        while (next_due := self.next_due()) is not None and next_due <= now:
            window = self._windows.pop(next(iter(self._windows)))
            if window.waiting is not None:
                released.append(self._show(window.waiting, now))
        return released

    def next_due(self) -> float | None:
        """When ``due`` is to be called next; None while no window is open."""
        return next((window.ends_at for window in self._windows.values()), None)

    def forget(self, wallets: Iterable[int]) -> None:
        """Nobody looks at these wallets any more."""
        for wallet in wallets:
            self._shown.pop(wallet, None)
            self._windows.pop(wallet, None)

    def _newest(self, wallet: int) -> Change | None:
        window = self._windows.get(wallet)
        if window is not None and window.waiting is not None:
            return window.waiting
        return self._shown.get(wallet)

    def _take(self, change: Change, now: float) -> Change | None:
        window = self._windows.get(change.wallet)
        if window is None:
            return self._show(change, now)
        if window.waiting is not None and not window.waiting.moved and change.moved:
            # Who is told the sum of both must still learn that more than balances changed.
            change = msgspec.structs.replace(change, moved=False)
        window.waiting = change
        return None

    def _show(self, change: Change, now: float) -> Change:
        self._shown[change.wallet] = change
        self._windows[change.wallet] = _Window(ends_at=now + self._seconds)
        return change


def _supersedes(change: Change, newest: Change) -> bool:
    """A change that moved nothing repeats the version it rests on."""
    if change.moved:
        return change.version > newest.version
    return change.version >= newest.version
