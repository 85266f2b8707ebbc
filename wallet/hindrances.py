"""What keeps a player from something now, in words: locks, an exclusion, a used-up limit, what is switched off.

Every page that says what a player may do asks here. The engine decides by the same facts when a command comes
(PLAY.md rules 26, 27 and 27a); what it refuses for other reasons, say money that is not there, no page foretells.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from wallet import formatting, limits
from wallet.jurisdictions import Demand, must_be_verified
from wallet.kinds import Verification
from wallet.models import Currency, GameSession, Player, Wallet
from wallet.time import to_microseconds

# What somebody does, and the column that locks it.
LOCKS: Final = {"bets": "bet_locked", "deposits": "deposit_locked", "withdrawals": "withdraw_locked"}
_UNVERIFIED: Final = (
    ("withdrawals", Demand.VERIFIED_WITHDRAWAL, "held, and not paid out before the player is verified"),
    ("bonuses", Demand.VERIFIED_CONVERSION, "become no cash before the player is verified"),
)
_STOPS: Final = {"deposit": ("deposits",), "stake": ("bets",), "loss": ("bets",)}

Hindrances = dict[str, list[str]]
"""Bets, deposits, bonuses and withdrawals, each with all that stands in its way."""


def of_player(player: Player, at: datetime) -> Hindrances:
    """What holds for all wallets: an exclusion stops all but withdrawals, a lock of deposits bonuses as well."""
    found: Hindrances = {name: ["locked"] if getattr(player, lock) else [] for name, lock in LOCKS.items()}
    found["bonuses"] = ["deposits are locked"] if player.deposit_locked else []
    if player.excluded_until is not None and player.excluded_until > at:
        for name in ("bets", "deposits", "bonuses"):
            found[name].append(f"excluded {formatting.lasting(player.excluded_until)}")
    if player.verification != Verification.VERIFIED:
        for name, demand, text in _UNVERIFIED:
            found[name] += [text] if must_be_verified(player.country, demand) else []
    return found


def of_wallets(wallets: Iterable[Wallet], at: datetime) -> Hindrances:
    """What holds in some currencies only: limits that are used up, and currencies that take no bets."""
    found: Hindrances = {"bets": [], "deposits": []}
    wallets = list(wallets)
    for each, set_limits in limits.of_each(wallets, to_microseconds(at)).items():
        currency = next(wallet.currency for wallet in wallets if wallet.id == each)
        if closed := _closed(currency):
            found["bets"].append(closed)
        for limit in set_limits:
            for name in _STOPS[limit.subject] if limit.amount is not None and not limit.left else ():
                found[name].append(f"{currency.code}: the {limit.subject} limit of the {limit.period} is used up")
    return found


def of_session(session: GameSession, at: datetime) -> list[str]:
    """Why a session takes no bets; it needs its player, provider and currency."""
    if session.ended(at):
        return ["ended"]
    found = of_player(session.player, at)["bets"]
    if not session.provider.enabled:
        found.append("the provider is disabled")
    return [*found, *filter(None, [_closed(session.currency)])]


def _closed(currency: Currency) -> str | None:
    return None if currency.enabled else f"{currency.code} takes no bets"
