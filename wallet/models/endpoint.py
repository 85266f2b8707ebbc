"""Back ends that are told of events, and what each is to be told: the outbox (docs/events.md)."""

from __future__ import annotations

import re
import secrets
from typing import Final
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from wallet.models.provider import cipher, is_current

# What a back end can be told of; casino_pam/engine/outbox.py has the shape of each.
EVENTS: Final = (
    "bonus.granted",
    "bonus.completed",
    "bonus.ended",
    "withdrawal.held",
    "withdrawal.settled",
    "withdrawal.released",
    "limit.reached",
    "player.excluded",
    "player.exclusion_lifted",
)

_PRINTED: Final = re.compile(r"[!-~]+").fullmatch


def validate_url(url: str) -> None:
    """Raises ValidationError unless this is where events may be sent: https, or http on a machine without TLS."""
    schemes = ("https", "http") if settings.PLAIN_HTTP else ("https",)
    try:
        parts = urlsplit(url)
        sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and _PRINTED(url) is not None
    except ValueError:
        raise ValidationError("This is no URL.") from None
    if not sound or parts.username or parts.password or parts.fragment:
        raise ValidationError(
            f"Write an address such as https://crm.example/events: {' or '.join(schemes)}, a host, no password, no #."
        )


class Endpoint(models.Model):
    """A back end of the casino's that events are sent to; ``kinds`` none for all of them.

    ``failures`` counts the attempts in a row at which it could not even be reached; nothing is sent before
    ``retry_at``. Only ``casino_pam.delivery`` writes these, ``answer``, ``asked_at`` and ``delivered_at``.
    """

    code = models.CharField(max_length=48, unique=True)
    url = models.CharField(max_length=500, validators=[validate_url])
    kinds = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    enabled = models.BooleanField(default=True)
    secret = models.BinaryField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)
    answer = models.CharField(max_length=200, blank=True, default="", editable=False)
    asked_at = models.DateTimeField(null=True, editable=False)
    delivered_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["code"]
        default_permissions = ("view", "add", "change")
        constraints = [
            models.CheckConstraint(name="endpoint_code_shape", condition=Q(code__regex=r"^[a-z0-9][a-z0-9_-]{0,47}$")),
        ]

    def __str__(self) -> str:
        return self.code

    def renew(self) -> str:
        """Make a new secret and return it: shown once, events are signed with it from the next save on."""
        secret = secrets.token_urlsafe(32)
        self.secret = cipher().encrypt(secret.encode())
        return secret

    def encrypt_anew(self) -> int:
        """Encrypt with SECRETS_KEY what a key of before encrypted, unless it was renewed meanwhile; 1 if it was.

        The secret stays what it is. Raises InvalidToken for one that no key can read.
        """
        if self.secret is None or is_current(bytes(self.secret)):
            return 0
        newer = cipher().rotate(bytes(self.secret))
        return Endpoint.objects.filter(pk=self.pk, secret=self.secret).update(secret=newer)

    def signing_secret(self) -> bytes | None:
        """The secret; None where there is none, or where no key reads it."""
        try:
            return None if self.secret is None else cipher().decrypt(bytes(self.secret))
        except InvalidToken:
            return None


class Delivery(models.Model):
    """One event for one endpoint. ``position`` is the transaction that wrote it, and with ``id`` the order of telling.

    It is written in the transaction of what it tells of. ``since`` is when it began to wait: when it was written, or
    was asked for again. Delivered and given up ones are deleted after a while: the ledger has it all.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    position = models.BigIntegerField()
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event = models.UUIDField()
    kind = models.CharField(max_length=32)
    player = models.CharField(max_length=128)
    body = models.TextField()
    created_at = models.DateTimeField()
    since = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=200, default="")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(name="delivery_of_event", fields=["endpoint", "event"])]
        indexes = [
            # What waits, in the order of telling.
            models.Index(name="delivery_pending", fields=["endpoint", "position", "id"], condition=Q(state="pending")),
            # Whose player waits for another attempt.
            models.Index(
                name="delivery_refused",
                fields=["endpoint", "retry_at"],
                condition=Q(state="pending", retry_at__isnull=False),
            ),
            models.Index(name="delivery_failed", fields=["endpoint", "-id"], condition=Q(state="failed")),
            models.Index(name="delivery_ended", fields=["ended_at"], condition=Q(ended_at__isnull=False)),
            # A span of time, for a replay.
            models.Index(name="delivery_written", fields=["endpoint", "created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event}"
