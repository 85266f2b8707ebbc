"""Who did what in the back office. Rows are only ever added; the database refuses anything else."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q


class AuditEntry(models.Model):
    """One act of an operator, carried out or refused; names are kept as text, since they outlive their rows.

    ``subject`` is what was acted on, ``before`` and ``after`` its changed fields, never a secret.
    ``outcome`` is "done", "waits" (for a second person), "refused", or a code of ``wallet.errors``.
    """

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    roles = ArrayField(models.CharField(max_length=150), default=list)
    address = models.CharField(max_length=64)
    act = models.CharField(max_length=64)
    player = models.CharField(max_length=128, null=True)
    subject = models.CharField(max_length=300)
    reason = models.CharField(max_length=500)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    outcome = models.CharField(max_length=32)
    reference = models.CharField(max_length=300, null=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            # A double click is one act. What was refused may yet be done under the same reference.
            models.UniqueConstraint(
                name="audit_reference",
                fields=["act", "reference", "outcome"],
                condition=Q(reference__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="audit_refused", fields=["-id"], condition=~Q(outcome__in=["done", "waits"])),
            # Each is looked for by its beginning.
            models.Index(name="audit_actor", fields=["actor", "-id"], opclasses=["varchar_pattern_ops", "uuid_ops"]),
            models.Index(
                name="audit_player",
                fields=["player", "-id"],
                opclasses=["varchar_pattern_ops", "uuid_ops"],
                condition=Q(player__isnull=False),
            ),
            models.Index(name="audit_act", fields=["act", "-id"], opclasses=["varchar_pattern_ops", "uuid_ops"]),
            models.Index(
                name="audit_by_reference",
                fields=["reference"],
                opclasses=["varchar_pattern_ops"],
                condition=Q(reference__isnull=False),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="no_truncate",
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} by {self.actor}"
