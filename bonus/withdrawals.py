"""What a withdrawal does to the ACTIVE bonus, or the bonus to the withdrawal (docs/bonus.md)."""

from __future__ import annotations

from bonus import lifecycle
from bonus.book import Bonuses
from bonus.terms import OnWithdrawal, jurisdiction_breaches
from wallet.book import OpenWallet, Turn
from wallet.errors import Refused


def may_withdraw(bonuses: Bonuses, wallet: OpenWallet) -> None:
    """Raises ``Refused('bonus_active')`` under the policy ``refuse``.

    Where the player's country forbids that policy the bonus stays as it is: a player who moved
    there after the grant was never told that a withdrawal would forfeit it.
    """
    bonus = bonuses.active(wallet.id)
    if bonus is None or bonus.terms.on_withdrawal is not OnWithdrawal.REFUSE:
        return
    breaches = jurisdiction_breaches(wallet.player.country, bonus.terms)
    if not any(breach.field == "on_withdrawal" for breach in breaches):
        raise Refused("bonus_active")


def withdraw(bonuses: Bonuses, turn: Turn) -> None:
    """Under the policy ``forfeit`` the bonus goes before the money that is asked for is held."""
    bonus = bonuses.active(turn.wallet.id)
    if bonus is not None and bonus.terms.on_withdrawal is OnWithdrawal.FORFEIT:
        lifecycle.forfeit(bonuses, turn, bonus, "withdrawal")
