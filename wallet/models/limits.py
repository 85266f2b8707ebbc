"""What a player may deposit, stake and lose, by the player's own choice."""

from django.db import models
from django.db.models import Q

from wallet.models.people import Wallet
from wallet.money import MAX_AMOUNT
from wallet.periods import NAMES


class WalletLimits(models.Model):
    """A wallet's limits in minor units, one column each; NULL is no limit.

    ``increases`` are those asked for and not confirmed, by column: {"stake_day": {"amount": 5000,
    "available_at": <microseconds>}}, ``amount`` null for a limit to be lifted.
    """

    wallet = models.OneToOneField(Wallet, on_delete=models.PROTECT, primary_key=True, related_name="limits")
    deposit_day = models.BigIntegerField(null=True)
    deposit_week = models.BigIntegerField(null=True)
    deposit_month = models.BigIntegerField(null=True)
    stake_day = models.BigIntegerField(null=True)
    stake_week = models.BigIntegerField(null=True)
    stake_month = models.BigIntegerField(null=True)
    loss_day = models.BigIntegerField(null=True)
    loss_week = models.BigIntegerField(null=True)
    loss_month = models.BigIntegerField(null=True)
    increases = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "wallet limits"
        default_permissions = ()
        constraints = [
            # NULL passes a CHECK.
            models.CheckConstraint(name=f"limit_{name}", condition=Q(**{f"{name}__range": (0, MAX_AMOUNT)}))
            for name in NAMES
        ]

    def __str__(self) -> str:
        return f"limits of {self.wallet_id}"
