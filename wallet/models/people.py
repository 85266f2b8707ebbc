"""Who holds money, in what, and within which limits of the player's own choice."""

from typing import Final

from django.db import models
from django.db.models import Q

from wallet.kinds import LIMIT_NAMES, VERIFICATIONS, Verification
from wallet.money import MAX_AMOUNT, MAX_BALANCE

# What a tag looks like: small letters, digits and hyphens.
TAG_SHAPE: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"


class Currency(models.Model):
    """``digits`` are the decimal places of the minor unit (JPY 0, EUR 2, KWD 3, BTC 8).

    They never change once set: every stored amount is a count of this minor unit.
    """

    code = models.CharField(max_length=32, primary_key=True)
    digits = models.PositiveSmallIntegerField()
    enabled = models.BooleanField(default=True)
    # Adjustments and manual grants above this many minor units wait for a second operator.
    approval_above = models.BigIntegerField(default=100_000)
    # Withdrawals of more minor units are settled by two people; null is no such amount.
    settle_above = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "currencies"
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(name="currency_code_shape", condition=Q(code__regex=r"^[A-Z][A-Z0-9_]{2,31}$")),
            models.CheckConstraint(name="currency_digits", condition=Q(digits__lte=18)),
        ]

    def __str__(self) -> str:
        return self.code


class Player(models.Model):
    """The account holder; ``code`` is the name the casino's back end and providers use."""

    code = models.CharField(max_length=128, unique=True)
    country = models.CharField(max_length=2, null=True, blank=True)
    bet_locked = models.BooleanField(default=False)
    deposit_locked = models.BooleanField(default=False)
    withdraw_locked = models.BooleanField(default=False)
    excluded_until = models.DateTimeField(null=True, blank=True)
    verification = models.CharField(
        max_length=16,
        choices=[(status, status) for status in VERIFICATIONS],
        default=Verification.UNVERIFIED,
        db_default=Verification.UNVERIFIED,
    )
    # How often the player's page tells the time and the result of the session; NULL is the house's own interval.
    reality_check_minutes = models.SmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        permissions = [
            ("lock_player", "Can lock and unlock a player"),
            ("exclude_player", "Can exclude a player"),
            ("limit_player", "Can set a player's limits"),
            ("verify_player", "Can set a player's verification status"),
            ("note_player", "Can write notes about a player"),
            ("tag_player", "Can tag a player"),
        ]
        constraints = [
            models.CheckConstraint(
                name="player_country_shape",
                condition=Q(country__isnull=True) | Q(country__regex=r"^[A-Z]{2}$"),
            ),
            models.CheckConstraint(name="player_verification_known", condition=Q(verification__in=VERIFICATIONS)),
        ]
        indexes = [
            # In the order in which they were made: how a back end lists them (casino_pam/engine/accounts.py).
            models.Index(name="player_since", fields=["created_at", "id"]),
            models.Index(name="player_verification", fields=["verification", "code"]),
            models.Index(name="player_of_country", fields=["country", "code"]),
            # Few are, and nobody else is looked at for them.
            models.Index(name="player_excluded", fields=["code"], condition=Q(excluded_until__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.code


class PlayerTag(models.Model):
    """A word that operators sort players by."""

    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="tags", db_index=False)
    name = models.CharField(max_length=32)

    class Meta:
        default_permissions = ()
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(name="player_tagged_once", fields=["player", "name"]),
            models.CheckConstraint(name="player_tag_shape", condition=Q(name__regex=TAG_SHAPE)),
        ]
        indexes = [models.Index(name="player_tag_of", fields=["name", "player"])]

    def __str__(self) -> str:
        return self.name


def _bounded(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"wallet_{name}_bounds",
        condition=Q(**{f"{name}__gte": 0, f"{name}__lte": MAX_BALANCE}),
    )


class Wallet(models.Model):
    """A player's money in one currency, in minor units.

    Only ``wallet.ledger`` writes the balances, with ``UPDATE ... WHERE version = <the one read>``.
    ``digest`` is that of the newest transaction; ``newest_at`` its time. ``undone_earlier`` is
    ``wallet.state.UndoneEarlier`` as JSON; NULL until a rollback undoes a row of an earlier day.
    """

    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="wallets")
    currency = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+")
    cash = models.BigIntegerField(default=0)
    bonus = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    digest = models.BinaryField(max_length=32, null=True)
    staked_total = models.BigIntegerField(default=0)
    paid_total = models.BigIntegerField(default=0)
    deposited_total = models.BigIntegerField(default=0)
    newest_at = models.DateTimeField(null=True)
    undone_earlier = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        permissions = [("adjust_wallet", "Can adjust a wallet by hand")]
        constraints = [
            models.UniqueConstraint(name="wallet_of_player", fields=["player", "currency"]),
            *[_bounded(name) for name in ("cash", "bonus", "held")],
            models.CheckConstraint(name="wallet_version", condition=Q(version__gte=0)),
            models.CheckConstraint(
                name="wallet_digest_since_first_row",
                condition=Q(version=0, digest__isnull=True) | Q(version__gt=0, digest__isnull=False),
            ),
        ]
        indexes = [
            # Who waits for a withdrawal: few at any time, and bets never change it.
            models.Index(name="wallet_holding", fields=["id"], condition=Q(held__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.player_id}/{self.currency_id}"

    @property
    def balance(self) -> int:
        return self.cash + self.bonus


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
            for name in LIMIT_NAMES
        ]

    def __str__(self) -> str:
        return f"limits of {self.wallet_id}"
