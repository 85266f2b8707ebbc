"""Limits for the tests: set without the wait that a player has."""

from __future__ import annotations

from tests import cast
from wallet import baselines
from wallet.models import Wallet, WalletLimits

# cast.NOON is 14:13:20 on Monday, 21 September 2026.
MIDNIGHT = cast.NOON - cast.NOON % cast.DAY + cast.DAY
MONDAY = MIDNIGHT - cast.DAY


def limit(who: str = "alice", currency: str = "EUR", **amounts: str | None) -> None:
    """Set limits such as ``stake_day="50.00"``; None lifts one."""
    wallet = Wallet.objects.get(player__code=who, currency=currency)
    minor = {name: None if text is None else cast.eur(text) for name, text in amounts.items()}
    WalletLimits.objects.update_or_create(wallet=wallet, defaults=minor)


def forget() -> None:
    """As another process, which has looked up nothing yet."""
    baselines.kept.__init__()  # type: ignore[misc]
