"""The tables of campaigns: what became of each offer by day, and offers granted to many players at once."""

from __future__ import annotations

from typing import Final

import pgtrigger
from django.db import models
from django.db.models import F, Q

from wallet.models import Currency
from wallet.models.oversight import only_second_people

# The steps of a bonus are noted in the transaction that takes them (OfferStep). Of an insert there is no OLD: its
# columns are null. A completion counts twice: on its own day, and for the day of the grant.
NOTE_STEPS: Final = """
    INSERT INTO bonus_offerstep (bonus, step, offer, currency, day)
    SELECT NEW.id, s.step, NEW.offer_id, w.currency_id, (s.at AT TIME ZONE 'UTC')::date
    FROM wallet_wallet w CROSS JOIN (VALUES
        ('granted', NEW.created_at, OLD.created_at),
        ('activated', NEW.activated_at, OLD.activated_at),
        (NEW.status, NEW.ended_at, OLD.ended_at),
        ('earned', CASE WHEN NEW.status = 'completed' THEN NEW.created_at END, OLD.ended_at)
    ) AS s(step, at, before)
    WHERE w.id = NEW.wallet_id AND s.at IS NOT NULL AND s.before IS NULL;
    RETURN NULL;
"""


def _sum() -> models.DecimalField:  # type: ignore[type-arg]
    """Exact sums. A day of a busy house may come to more than a BIGINT holds."""
    return models.DecimalField(max_digits=38, decimal_places=0, default=0)


class OfferDay(models.Model):
    """What became of an offer's bonuses on one UTC day, in one currency.

    Bonuses that were granted, begun and ended that day are counted; ``earned`` are those granted that day that have
    completed since. ``cost`` is what became cash (CONVERT), in minor units; ``wagered`` what counted towards
    requirements, in minor units x basis points. Only ``bonus.campaigns`` writes here.
    """

    day = models.DateField()
    offer = models.ForeignKey("bonus.Offer", on_delete=models.PROTECT, related_name="+", db_index=False)
    currency = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+", db_index=False)
    granted = models.BigIntegerField(default=0)
    activated = models.BigIntegerField(default=0)
    completed = models.BigIntegerField(default=0)
    depleted = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)
    forfeited = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    earned = models.BigIntegerField(default=0)
    cost = _sum()
    wagered = _sum()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="offer_day_key", fields=["offer", "day", "currency"])]
        indexes = [models.Index(name="offer_day_by_day", fields=["day"])]

    def __str__(self) -> str:
        return f"{self.day} {self.offer_id} {self.currency_id}"


class OfferStep(models.Model):
    """A step of a bonus that no OfferDay counts yet. A trigger of Bonus adds it, a refresh takes it away.

    No foreign keys: it is written in the transaction of a bet, and its bonus is.
    """

    bonus = models.UUIDField()
    step = models.CharField(max_length=16)
    offer = models.BigIntegerField()
    currency = models.CharField(max_length=32)
    day = models.DateField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="offer_step_once", fields=["bonus", "step"])]

    def __str__(self) -> str:
        return f"{self.bonus} {self.step}"


class OffersSummedUp(models.Model):
    """How far the ledger is in OfferDay, as wallet.models.SummedUp. One row."""

    up_to = models.UUIDField()
    refreshed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(name="offers_summed_up_once", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"up to {self.up_to}"


class GrantList(models.Model):
    """An offer granted to many players at once: who asked, why, and whether a second person must consent first.

    ``digest`` is of the lines, so that a repeat under the same reference can be compared; ``worth`` what the list
    grants at once, in minor units by currency.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        REJECTED = "rejected"

    id = models.UUIDField(primary_key=True)
    offer = models.ForeignKey("bonus.Offer", on_delete=models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=64)
    reference = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    worth = models.JSONField()
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=150)
    state = models.CharField(max_length=16, choices=State)
    approver = models.CharField(max_length=150, null=True)
    decision_reason = models.CharField(max_length=500, null=True)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(name="grant_list_reference", fields=["source", "reference"]),
            models.CheckConstraint(
                name="grant_list_needs_two_people", condition=Q(approver__isnull=True) | ~Q(approver=F("actor"))
            ),
            models.CheckConstraint(
                name="grant_list_decided_by_someone",
                condition=Q(approver__isnull=True, decided_at__isnull=True)
                | Q(approver__isnull=False, decided_at__isnull=False),
            ),
        ]
        indexes = [models.Index(name="grant_list_open", fields=["id"], condition=Q(state__in=["waiting", "running"]))]
        triggers = [
            # What was asked for cannot become something else between the request and the consent.
            pgtrigger.ReadOnly(
                name="frozen",
                fields=["offer", "source", "reference", "digest", "worth", "reason", "actor", "created_at"],
            ),
            pgtrigger.FSM(
                name="life",
                field="state",
                transitions=[("waiting", "running"), ("waiting", "rejected"), ("running", "done")],
                condition=pgtrigger.AnyChange("state"),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            only_second_people(
                author="NEW.actor",
                at="NEW.decided_at",
                condition=pgtrigger.Q(old__state="waiting", new__state="running"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.reference}"


class GrantLine(models.Model):
    """One player of a list; ``number`` is the line it stood in. Without an answer it was not decided yet.

    The answer is ``granted``, with the bonus (a plain uuid, as in the ledger), or why it was refused.
    """

    list = models.ForeignKey(GrantList, on_delete=models.PROTECT, related_name="lines", db_index=False)
    number = models.PositiveIntegerField()
    player = models.CharField(max_length=128)
    currency = models.CharField(max_length=32)
    answer = models.CharField(max_length=64, null=True)
    bonus = models.UUIDField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(name="grant_line_number", fields=["list", "number"]),
            models.UniqueConstraint(name="grant_line_player", fields=["list", "player", "currency"]),
        ]
        indexes = [
            models.Index(name="grant_line_open", fields=["list", "number"], condition=Q(answer__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"line {self.number}, {self.player}, {self.currency}"
