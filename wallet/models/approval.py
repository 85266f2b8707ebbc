"""Money by hand that waits for a second pair of eyes."""

from django.db import models
from django.db.models import F, Q

from wallet.models.people import Wallet


class Approval(models.Model):
    """An adjustment above the currency's threshold: asked by one, decided by another.

    The request's reference is spent here when it is asked; the ledger row, posted when it is
    approved, carries the same reference, so approving twice posts once.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"

    id = models.UUIDField(primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=64)
    reference = models.CharField(max_length=300)
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

    def __str__(self) -> str:
        return f"{self.source}/{self.reference}"
