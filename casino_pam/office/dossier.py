"""What the player's page shows beside wallets and rows: each part only to those who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F
from django.utils import timezone
from django.utils.safestring import SafeString

from bonus import rules
from bonus.admin.bonuses import badge_of, progress
from bonus.models import LIVE, Bonus, Status
from casino_pam import commands, limits
from casino_pam.office import withdrawals
from wallet.models import AuditEntry, Player, Wallet

NEWEST: Final = 10


@dataclass(frozen=True)
class Shown:
    """A bonus in a line of a list."""

    bonus: Bonus
    badge: SafeString
    come: rules.Progress


def of_player(player: Player, wallets: list[Wallet], user: Any) -> dict[str, Any]:
    may = user.has_perm
    found: dict[str, Any] = {"player": player}
    if may("wallet.view_wallet"):
        found |= {"limited": _limited(wallets), "now": timezone.now(), "may_limit": may("wallet.limit_player")}
    if may("bonus.view_bonus"):
        found["bonuses"] = _bonuses(player)
    if may("wallet.view_transaction"):
        found["waiting"] = withdrawals.of_wallets(wallets)
    if may("wallet.view_auditentry"):
        found["entries"] = list(AuditEntry.objects.filter(player=player.code).order_by("-id")[:NEWEST])
    return found


def live(wallet: Wallet) -> list[Shown]:
    """The wallet's active bonus, and those that wait for its place."""
    bonuses = Bonus.objects.filter(wallet=wallet, status__in=LIVE).select_related("offer", "wallet__currency")
    shown = [_shown(bonus) for bonus in bonuses.order_by("id")]
    return sorted(shown, key=lambda one: one.bonus.status != Status.ACTIVE)


def _limited(wallets: list[Wallet]) -> list[tuple[Wallet, list[limits.Limit]]]:
    """Each wallet with the limits that are set."""
    found = limits.of_each(wallets, commands.now())
    return [(wallet, [limit for limit in found[wallet.id] if limit.amount is not None]) for wallet in wallets]


def _bonuses(player: Player) -> list[Shown]:
    """The live ones, then the newest of the others."""
    bonuses = Bonus.objects.filter(player=player).select_related("offer", "wallet__currency")
    return [_shown(bonus) for bonus in bonuses.order_by(F("ended_at").desc(nulls_first=True), "-id")[:NEWEST]]


def _shown(bonus: Bonus) -> Shown:
    return Shown(bonus, badge_of(bonus), progress(bonus))
