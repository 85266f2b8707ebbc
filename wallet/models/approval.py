"""Money by hand that waits for a second pair of eyes."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from wallet.models.people import Wallet

ASKED = ["wallet", "source", "reference", "act", "bonus", "amount", "reason", "author", "created_at"]


class Approval(models.Model):
    """Money above the currency's threshold: asked for by one, decided by another.

    An adjustment of ``amount``, or the completion by hand of ``bonus`` (a plain uuid, as in the
    ledger), by which about ``amount`` becomes cash. The request's reference is spent here when it is
    asked; what is posted when it is approved carries the same reference, so approving twice posts once.
    """

    class Act(models.TextChoices):
        ADJUST = "adjust"
        COMPLETE = "complete"

    class State(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"

    id = models.UUIDField(primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=64)
    reference = models.CharField(max_length=300)
    act = models.CharField(max_length=16, choices=Act, default=Act.ADJUST)
    bonus = models.UUIDField(null=True)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    author = models.CharField(max_length=150)
    approver = models.CharField(max_length=150, null=True)
    decision_reason = models.CharField(max_length=500, null=True)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(name="approval_reference", fields=["source", "reference"]),
            models.CheckConstraint(
                name="approval_completes_a_bonus",
                condition=Q(act="adjust", bonus__isnull=True) | Q(act="complete", bonus__isnull=False),
            ),
            models.CheckConstraint(
                name="approval_needs_two_people",
                condition=Q(approver__isnull=True) | ~Q(approver=F("author")),
            ),
            models.CheckConstraint(
                name="approval_decided_by_someone",
                condition=Q(state="pending", approver__isnull=True, decided_at__isnull=True)
                | Q(
                    state__in=["approved", "rejected"],
                    approver__isnull=False,
                    decided_at__isnull=False,
                ),
            ),
        ]
        indexes = [models.Index(name="approval_pending", fields=["created_at"], condition=Q(state="pending"))]
        triggers = [
            # What was asked for cannot become something else between the request and the consent.
            pgtrigger.ReadOnly(name="frozen", fields=ASKED),
            pgtrigger.Protect(
                name="decided_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=["approved", "rejected"]),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.reference}"
