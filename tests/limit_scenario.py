"""Limits for the tests: set without the wait that a player has."""

from __future__ import annotations

from typing import Any

from casino_pam.engine import commands
from tests import scenario
from tests.scenario import word
from wallet import limits
from wallet.models import Wallet, WalletLimits

# cast.NOON is 14:13:20 on Monday, 21 September 2026.
MIDNIGHT = scenario.NOON - scenario.NOON % scenario.DAY + scenario.DAY
MONDAY = MIDNIGHT - scenario.DAY


def limit(who: str = "alice", currency: str = "EUR", **amounts: str | None) -> None:
    """Set limits such as ``stake_day="50.00"``; None lifts one."""
    wallet = Wallet.objects.get(player__code=who, currency=currency)
    minor = {name: None if text is None else scenario.eur(text) for name, text in amounts.items()}
    WalletLimits.objects.update_or_create(wallet=wallet, defaults=minor)


def forget() -> None:
    """As another process, which has looked up nothing yet."""
    limits.period_totals.__init__()  # type: ignore[misc]


def bets(*amounts: str, **fields: Any) -> list[str]:
    """What becomes of alice's bets, one after the other, in a word each."""
    return [word(scenario.bet(amount=amount, **fields)) for amount in amounts]


def a_bet(reference: str, amount: int = 1000, at: int = scenario.NOON, **fields: Any) -> commands.Bet:
    return commands.Bet(
        **{
            "source": "acme",
            "player": "alice",
            "at": at,
            "currency": "EUR",
            "reference": reference,
            "round": reference,
            "game": "slot-1",
            "amount": amount,
            **fields,
        }
    )
