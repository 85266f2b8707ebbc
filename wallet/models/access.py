"""Keys of the casino's own back ends."""

import hashlib
import secrets

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from wallet.models.provider import Provider

SCOPES = ("players", "cashier", "adjust", "play", "offers", "bonuses", "feed")


class ApiKey(models.Model):
    """A back end's key; only its SHA-256 is kept (the key itself has 256 random bits).

    ``source`` is the money source its references belong to: ``cashier`` or ``cashier:<name>``.
    """

    name = models.CharField(max_length=64, unique=True)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=16), default=list)
    source = models.CharField(max_length=64, default="cashier")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="api_key_source_shape",
                condition=Q(source__regex=r"^cashier(:[a-z0-9][a-z0-9_-]{0,31})?$"),
            ),
            models.CheckConstraint(name="api_key_scopes_known", condition=Q(scopes__contained_by=list(SCOPES))),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def digest_of(key: str) -> bytes:
        """What is kept of a key, and looked up by."""
        return hashlib.sha256(key.encode()).digest()

    def renew(self) -> str:
        """Make a new key and return it: shown once, the old one is worth nothing from the next save on."""
        key = secrets.token_urlsafe(32)
        self.digest = self.digest_of(key)
        return key
