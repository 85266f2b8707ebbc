"""Offers, the weights of their games, and the bonuses players were granted from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

import msgspec
import pgtrigger
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import F, OuterRef, Q
from django.db.models.functions import JSONObject

from bonus.campaign_tables import NOTE_STEPS
from bonus.rules import MAX_REQUIRED, MAX_WAGERED, MAX_WEIGHT_BP, Base, Conversion, Counted, SpendOrder
from bonus.terms import OfferKind, OfferSpec, OnWithdrawal, OverMaxStake, Terms
from wallet.jurisdictions import Demand, where_verified
from wallet.kinds import Kind
from wallet.models import Player, Wallet
from wallet.models.oversight import only_second_people
from wallet.models.transaction import no_truncate
from wallet.money import MAX_AMOUNT
from wallet.time import midnight


def _words(choices: type[StrEnum]) -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in choices]


class Loss(NamedTuple):
    """What a player lost in a wallet's cash over a period, in minor units."""

    player: str
    currency: str
    amount: int


# Bets less their rollbacks less wins and theirs, on cash: every one of these rows moves cash by its
# own sign, so the loss is what their deltas add up to, turned round.
_LOSSES: Final = f"""
SELECT p.code, w.currency_id, -l.moved
FROM (
    SELECT t.wallet_id, sum(t.cash_delta)::bigint AS moved FROM wallet_transaction t
    WHERE t.created_at >= %(first)s AND t.created_at < %(end)s AND t.status = 'POSTED'
        AND t.kind IN ('{Kind.BET}', '{Kind.WIN}', '{Kind.ROLLBACK}')
    GROUP BY t.wallet_id HAVING sum(t.cash_delta) < 0
) l JOIN wallet_wallet w ON w.id = l.wallet_id JOIN wallet_player p ON p.id = w.player_id
ORDER BY w.id
"""


class OfferManager(models.Manager["Offer"]):
    """Reads an offer and the weights of its games in one statement.

    Two statements could read the columns of one edit and the weights of another, and a bonus
    would be promised terms that no operator ever wrote.
    """

    def get_queryset(self) -> models.QuerySet[Offer]:
        weights = GameWeight.objects.filter(offer=OuterRef("pk")).values_list(
            JSONObject(scope="scope", name="name", weight_bp="weight_bp", excluded="excluded")
        )
        # The stubs do not know that an annotation fills the attribute the model declares.
        return super().get_queryset().annotate(game_weights=ArraySubquery(weights))  # type: ignore[no-redef]


class Offer(models.Model):
    """What an operator offers: how bonus money is made, spent, wagered and converted.

    `amounts` holds terms.Amounts by currency, in minor units. `granted` counts the bonuses made of
    this offer; only `UPDATE ... SET granted = granted + 1 WHERE granted < total` may raise it.
    """

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=128)
    kind = models.CharField(max_length=32, choices=_words(OfferKind))
    percent_bp = models.PositiveIntegerField(null=True)
    which_deposit = models.CharField(max_length=8, default="any")
    amounts = models.JSONField()
    multiplier = models.PositiveSmallIntegerField()
    base = models.CharField(max_length=32, choices=_words(Base))
    counted = models.CharField(max_length=32, choices=_words(Counted))
    spend_order = models.CharField(max_length=32, choices=_words(SpendOrder))
    default_weight_bp = models.PositiveIntegerField()
    max_stake_bp = models.PositiveIntegerField(null=True)
    over_max_stake = models.CharField(max_length=32, choices=_words(OverMaxStake))
    conversion = models.CharField(max_length=32, choices=_words(Conversion))
    sticky = models.BooleanField()
    on_withdrawal = models.CharField(max_length=32, choices=_words(OnWithdrawal))
    claim_days = models.PositiveIntegerField(null=True)
    spend_days = models.PositiveIntegerField(null=True)
    valid_from = models.DateTimeField(null=True)
    valid_until = models.DateTimeField(null=True)
    per_player = models.PositiveIntegerField()
    total = models.PositiveIntegerField(null=True)
    granted = models.PositiveIntegerField(default=0)
    # What a player enters for it, in capitals; such an offer is claimed in no other way.
    promo_code = models.CharField(max_length=32, null=True)
    countries = ArrayField(models.CharField(max_length=2))
    enabled = models.BooleanField()
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True)

    objects = OfferManager()
    game_weights: list[dict[str, Any]]

    class Meta:
        ordering = ["code"]
        base_manager_name = "objects"
        constraints = [
            models.CheckConstraint(name="offer_code_shape", condition=Q(code__regex=r"^[a-z0-9][a-z0-9_-]{0,63}$")),
            models.CheckConstraint(name="offer_multiplier", condition=Q(multiplier__lte=1000)),
            models.CheckConstraint(name="offer_default_weight", condition=Q(default_weight_bp__lte=MAX_WEIGHT_BP)),
            models.CheckConstraint(
                name="offer_granted_within_total", condition=Q(total__isnull=True) | Q(granted__lte=F("total"))
            ),
            models.CheckConstraint(
                name="offer_ends_after_it_begins",
                condition=Q(valid_from__isnull=True) | Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")),
            ),
            models.CheckConstraint(
                name="offer_promo_code_shape",
                condition=Q(promo_code__isnull=True) | Q(promo_code__regex=r"^[A-Z0-9][A-Z0-9_-]{2,31}$"),
            ),
            # A code that was used before may be used again once its offer is closed.
            models.UniqueConstraint(
                name="offer_promo_code", fields=["promo_code"], condition=Q(enabled=True, promo_code__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def spec(self) -> OfferSpec:
        """The whole offer as one value, from the one statement that read it."""
        columns = {field: getattr(self, field) for field in OfferSpec.__struct_fields__ if hasattr(self, field)}
        nth_deposit = int(self.which_deposit) if self.which_deposit.isdigit() else self.which_deposit
        excluded: dict[str, list[str]] = {"game": [], "category": []}
        weights: dict[str, Any] = {"default": self.default_weight_bp, "game": {}, "category": {}, "provider": {}}
        for row in self.game_weights:
            if row["weight_bp"] is not None:
                weights[row["scope"]][row["name"]] = row["weight_bp"]
            if row["excluded"]:
                excluded[row["scope"]].append(row["name"])
        return msgspec.convert(
            {**columns, "which_deposit": nth_deposit, "weights": weights, "excluded": excluded}, OfferSpec
        )

    def terms_for(self, currency: str) -> Terms:
        """The terms a bonus in this currency is granted with now; refused when the offer has none."""
        return self.spec().terms_for(currency)

    def losses(self, first: date, last: date) -> Iterator[Loss]:
        """Net losses of the UTC days ``first`` to ``last`` that are large enough for the offer."""
        amounts = self.spec().amounts
        with connection.cursor() as cursor:
            cursor.execute(_LOSSES, {"first": midnight(first), "end": midnight(last + timedelta(days=1))})
            for loss in map(Loss._make, cursor.fetchall()):
                if loss.currency in amounts and loss.amount >= amounts[loss.currency].min_deposit:
                    yield loss


class GameWeight(models.Model):
    """What an offer says of one game, category or provider: its weight, its exclusion, or both."""

    class Scope(models.TextChoices):
        GAME = "game"
        CATEGORY = "category"
        PROVIDER = "provider"

    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="+", db_index=False)
    scope = models.CharField(max_length=16, choices=Scope)
    name = models.CharField(max_length=128)
    weight_bp = models.PositiveIntegerField(null=True)
    excluded = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="game_weight_said_once", fields=["offer", "scope", "name"]),
            models.CheckConstraint(name="game_weight_range", condition=Q(weight_bp__lte=MAX_WEIGHT_BP)),
            models.CheckConstraint(
                name="game_weight_says_something", condition=Q(weight_bp__isnull=False) | Q(excluded=True)
            ),
            models.CheckConstraint(
                name="game_weight_excludes_no_provider", condition=~Q(scope="provider", excluded=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.name}"


class BonusStatus(models.TextChoices):
    PENDING = "pending"
    QUEUED = "queued"
    ACTIVE = "active"
    COMPLETED = "completed"
    DEPLETED = "depleted"
    EXPIRED = "expired"
    FORFEITED = "forfeited"
    CANCELLED = "cancelled"


WAITING = (BonusStatus.PENDING, BonusStatus.QUEUED)
LIVE = (*WAITING, BonusStatus.ACTIVE)
ENDED = (BonusStatus.COMPLETED, BonusStatus.DEPLETED, BonusStatus.EXPIRED, BonusStatus.FORFEITED, BonusStatus.CANCELLED)

# Every way there is in one write. One posting may hold many commands, so a bonus may start and end within it; what
# never happens is a step back, and a bonus that has ended stays as it ended.
TRANSITIONS = [
    (BonusStatus.PENDING, BonusStatus.QUEUED),
    *[(waiting, later) for waiting in WAITING for later in (BonusStatus.ACTIVE, *ENDED)],
    *[(BonusStatus.ACTIVE, ended) for ended in ENDED if ended != BonusStatus.CANCELLED],
]

FROZEN = ["terms", "offer", "player", "wallet", "source", "reference", "ordinal", "created_at"]


def _bounds(name: str, highest: int) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"bonus_{name}_bounds", condition=Q(**{f"{name}__gte": 0, f"{name}__lte": highest})
    )


# Each part is found by an index of its own; what is found may turn out not to be due after all
# (a stake that is still open), and is then left as it is.
_DUE: Final = """
WITH due AS (
    SELECT wallet_id FROM bonus_bonus WHERE status = 'active' AND expires_at <= %(at)s
    UNION
    SELECT wallet_id FROM bonus_bonus WHERE status IN ('pending', 'queued') AND claim_by <= %(at)s
    UNION
    SELECT b.wallet_id FROM wallet_player p JOIN bonus_bonus b ON b.player_id = p.id
    WHERE p.excluded_until > %(at)s AND b.status IN ('pending', 'queued')
    UNION
    SELECT b.wallet_id FROM bonus_bonus b JOIN wallet_wallet w ON w.id = b.wallet_id
    WHERE b.status = 'active' AND b.required > 0
        AND w.bonus < greatest(1, (b.terms::jsonb ->> 'depleted_below')::bigint)
    UNION
    SELECT b.wallet_id FROM bonus_bonus b JOIN wallet_player p ON p.id = b.player_id
    WHERE b.status = 'active' AND b.unverified_since IS NOT NULL AND (
        p.verification = 'verified' OR p.country IS NULL AND %(countries)s::text[] IS NOT NULL
        OR p.country <> ALL (%(countries)s::text[])
    )
)
SELECT p.code, w.currency_id
FROM due JOIN wallet_wallet w ON w.id = due.wallet_id JOIN wallet_player p ON p.id = w.player_id
ORDER BY w.id
"""


class BonusQuerySet(models.QuerySet["Bonus"]):
    def with_owner(self) -> Self:
        """With the player and the wallet's currency, in the same statement."""
        return self.select_related("player", "wallet__currency")

    def of_player(self, code: str) -> Self:
        """The player's bonuses in all wallets, newest first."""
        return self.filter(player__code=code).order_by("-id")

    def due(self, at: datetime) -> list[tuple[str, str]]:
        """Player and currency of every wallet on which something may be due."""
        with connection.cursor() as cursor:
            cursor.execute(_DUE, {"at": at, "countries": where_verified(Demand.VERIFIED_CONVERSION)})
            return [(player, currency) for player, currency in cursor.fetchall()]


class Bonus(models.Model):
    """A player's copy of an offer, its terms frozen, and how far the player has come.

    Amounts are minor units of the wallet's currency: `deposit` what it matches, `amount` what was
    granted (B), `base` what the multiplier multiplied, `required` what must be wagered (R),
    `converted` what became cash. `wagered` (P) is in minor units x basis points.
    """

    id = models.UUIDField(primary_key=True)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="+", db_index=False)
    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="+")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=16, choices=BonusStatus)
    source = models.CharField(max_length=64)
    reference = models.CharField(max_length=300)
    ordinal = models.PositiveIntegerField()
    terms = models.TextField()
    deposit = models.BigIntegerField(default=0)
    amount = models.BigIntegerField(default=0)
    base = models.BigIntegerField(default=0)
    required = models.BigIntegerField(default=0)
    wagered = models.BigIntegerField(default=0)
    converted = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    claim_by = models.DateTimeField(null=True)
    activated_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    # Since when it is wagered in full and waits for its player to be verified.
    unverified_since = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_reason = models.CharField(max_length=500, null=True)
    # Who asked for the end and under which reference: its repeat is answered, not refused.
    ended_reference = models.CharField(max_length=300, null=True)
    actor = models.CharField(max_length=150, null=True)
    # Who let a grant begin that waited for a second person, or turned it down.
    approver = models.CharField(max_length=150, null=True)
    # Why it was granted, in the words of the actor.
    reason = models.CharField(max_length=500, null=True)

    objects = BonusQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "bonuses"
        permissions = [
            ("grant_bonus", "Can grant a bonus by hand"),
            ("forfeit_bonus", "Can forfeit a bonus"),
            ("extend_bonus", "Can give a bonus more time"),
            ("complete_bonus", "Can complete a bonus by hand"),
        ]
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(name="bonus_reference", fields=["source", "reference"]),
            models.UniqueConstraint(name="bonus_nth_of_player", fields=["offer", "player", "ordinal"]),
            models.UniqueConstraint(name="bonus_one_active", fields=["wallet"], condition=Q(status=BonusStatus.ACTIVE)),
            models.CheckConstraint(name="bonus_ordinal_from_one", condition=Q(ordinal__gte=1)),
            _bounds("deposit", MAX_AMOUNT),
            _bounds("amount", MAX_AMOUNT),
            _bounds("base", MAX_REQUIRED),
            _bounds("required", MAX_REQUIRED),
            _bounds("wagered", MAX_WAGERED),
            models.CheckConstraint(name="bonus_converted_bounds", condition=Q(converted__gte=0)),
            models.CheckConstraint(
                name="bonus_ended_at_its_end",
                condition=Q(status__in=LIVE, ended_at__isnull=True) | Q(status__in=ENDED, ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="bonus_activated_when_played",
                condition=Q(status__in=(*WAITING, BonusStatus.CANCELLED), activated_at__isnull=True)
                | Q(status=BonusStatus.EXPIRED)
                | Q(
                    status__in=(BonusStatus.ACTIVE, BonusStatus.COMPLETED, BonusStatus.DEPLETED, BonusStatus.FORFEITED),
                    activated_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="bonus_wagered_once_active", condition=Q(activated_at__isnull=False) | Q(wagered=0, converted=0)
            ),
            models.CheckConstraint(
                name="bonus_needs_two_people", condition=Q(approver__isnull=True) | ~Q(approver=F("actor"))
            ),
        ]
        indexes = [
            # What the engine reads of every wallet it touches, and what runs out of time.
            models.Index(name="bonus_live", fields=["wallet"], condition=Q(status__in=LIVE)),
            models.Index(name="bonus_expiring", fields=["expires_at"], condition=Q(status=BonusStatus.ACTIVE)),
            models.Index(name="bonus_unclaimed", fields=["claim_by"], condition=Q(status__in=WAITING)),
            # What waits for a second person. Other waiting bonuses have come to nothing yet.
            models.Index(
                name="bonus_unapproved", fields=["created_at"], condition=Q(status=BonusStatus.PENDING, amount__gt=0)
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="frozen", fields=FROZEN),
            pgtrigger.FSM(
                name="life",
                field="status",
                transitions=[(str(old), str(new)) for old, new in TRANSITIONS],
                # Nearly every update is a bet's progress: those do not even call the trigger.
                condition=pgtrigger.AnyChange("status"),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            no_truncate(),
            only_second_people(
                author="coalesce(NEW.actor, NEW.source)",
                at="greatest(now(), NEW.activated_at)",
                condition=pgtrigger.Q(old__approver__isnull=True, new__approver__isnull=False)
                & ~pgtrigger.Q(new__status=BonusStatus.CANCELLED),
            ),
            pgtrigger.Trigger(name="made", operation=pgtrigger.Insert, when=pgtrigger.After, func=NOTE_STEPS),
            pgtrigger.Trigger(
                name="moved_on",
                operation=pgtrigger.Update,
                when=pgtrigger.After,
                # A bet's progress is no step, and does not even call the trigger.
                condition=pgtrigger.AnyChange("status"),
                func=NOTE_STEPS,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.offer_id}/{self.id}"

    @property
    def unverified(self) -> bool:
        """Whether it is wagered in full and waits for its player to be verified."""
        return self.unverified_since is not None and self.status == BonusStatus.ACTIVE
