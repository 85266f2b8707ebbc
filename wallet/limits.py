"""The gates of a player's own limits (docs/limits.md). Pure: what they rest on is in the open wallet."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

from wallet.book import OpenWallet
from wallet.errors import Refused
from wallet.periods import NAMES, PERIODS, SUBJECTS, Totals, spans, used, written

_DEPOSIT: Final = ("deposit",)
# A stake counts as lost until it is won back.
_BET: Final = ("stake", "loss")
_FIRST: Final = {subject: NAMES.index(f"{subject}_{PERIODS[0]}") for subject in SUBJECTS}


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
    now = Totals(wallet.staked_total, wallet.paid_total, wallet.deposited_total)
    reached = []
    # The row's own time will be no earlier than that of the row before it.
    for place, span in enumerate(spans(max(at, wallet.newest_at))):
        before: Totals | None = None
        for subject in subjects:
            limit = limits.amounts[_FIRST[subject] + place]
            if limit is None:
                continue
            before = before or totals_before(wallet, span.start)
            left = limit - used(subject, now, before)
            if amount > left:
                reached.append(_Reached(max(0, left), -span.end, NAMES[_FIRST[subject] + place]))
    if reached:
        tightest = min(reached)
        facts = {"limit": tightest.name, "left": tightest.left, "resets_at": written(-tightest.not_before)}
        raise Refused("limit_reached", **facts)


def totals_before(wallet: OpenWallet, start: int) -> Totals:
    """The wallet's totals as they stood when the period began.

    That is the newest row before it: one of this posting, or the one that the wallet was read
    with, or else one that was looked up (wallet/baselines.py).
    """
    assert wallet.limits is not None
    rows = wallet.rows
    if rows and rows[0].created_at < start:
        row = rows[bisect_left(rows, start, key=lambda each: each.created_at) - 1]
        return Totals(row.staked_total, row.paid_total, row.deposited_total)
    if wallet.limits.newest_at < start:
        return wallet.limits.totals
    return wallet.limits.before[start]
