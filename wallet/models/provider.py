"""Who sends requests: game providers with their profiles and games, and the keys of the casino's own back ends."""

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from wallet.kinds import HOUSE_SOURCES


def cipher() -> MultiFernet:
    """Encrypts with SECRETS_KEY; reads what that or one of SECRETS_KEY_FALLBACKS encrypted."""
    keys = [settings.SECRETS_KEY, *settings.SECRETS_KEY_FALLBACKS]
    return MultiFernet([_fernet(key) for key in keys])


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"provider secrets" + key.encode()).digest()))


def _reads(key: Fernet, secret: bytes) -> bool:
    try:
        key.decrypt(secret)
    except InvalidToken:
        return False
    return True


class Provider(models.Model):
    """A game provider and the profile that chooses its answers where providers differ.

    Two secrets may be live at once, so that a provider can rotate without a silent minute. They
    are encrypted at rest and readable by nobody but the signature check.
    """

    class ReferenceScope(models.TextChoices):
        GLOBAL = "global"
        PLAYER = "player"

    class ReplayBalance(models.TextChoices):
        FIRST = "first"
        CURRENT = "current"

    class ZeroAmount(models.TextChoices):
        ACCEPT = "accept"
        REFUSE = "refuse"

    class LateWin(models.TextChoices):
        ACCEPT = "accept"
        REFUSE = "refuse"

    class UnknownRollback(models.TextChoices):
        VOID = "void"
        NOT_FOUND = "not_found"

    class LateBet(models.TextChoices):
        REFUSE = "refuse"
        ACCEPT_VOID = "accept_void"

    class RollbackAfterWin(models.TextChoices):
        REFUSE = "refuse"
        ALLOW = "allow"

    class WinRollback(models.TextChoices):
        REFUSE = "refuse"
        CLAMP = "clamp"

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=128)
    enabled = models.BooleanField(default=True)
    secret_one = models.BinaryField(null=True, editable=False)
    secret_two = models.BinaryField(null=True, editable=False)
    # Counts changes of the secrets; the engine refuses a command that was verified by older ones.
    secrets_version = models.PositiveIntegerField(default=0, editable=False)

    reference_scope = models.CharField(max_length=16, choices=ReferenceScope, default=ReferenceScope.GLOBAL)
    replay_balance = models.CharField(max_length=16, choices=ReplayBalance, default=ReplayBalance.FIRST)
    zero_amount = models.CharField(max_length=16, choices=ZeroAmount, default=ZeroAmount.ACCEPT)
    win_requires_bet = models.BooleanField(default=False)
    late_win = models.CharField(max_length=16, choices=LateWin, default=LateWin.ACCEPT)
    unknown_rollback = models.CharField(max_length=16, choices=UnknownRollback, default=UnknownRollback.VOID)
    late_bet = models.CharField(max_length=16, choices=LateBet, default=LateBet.REFUSE)
    rollback_after_win = models.CharField(max_length=16, choices=RollbackAfterWin, default=RollbackAfterWin.REFUSE)
    rollback_wins = models.BooleanField(default=False)
    win_rollback = models.CharField(max_length=16, choices=WinRollback, default=WinRollback.REFUSE)
    ends_rounds = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="provider_code_shape",
                condition=Q(code__regex=r"^[a-z0-9][a-z0-9_-]{0,63}$") & ~Q(code__in=HOUSE_SOURCES),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def rotate(self) -> str:
        """Make a new secret, keep the newest other one live, and return the new one: shown once."""
        secret = secrets.token_urlsafe(32)
        self.secret_two = self.secret_one
        self.set_secret(secret)
        return secret

    def set_secret(self, secret: str) -> None:
        self.secret_one = cipher().encrypt(secret.encode())
        self.secrets_version += 1

    def revoke(self, *, older_only: bool) -> None:
        """Take back the older secret, or both: the provider is then shut out altogether."""
        self.secret_two = None
        if not older_only:
            self.secret_one = None
        self.secrets_version += 1

    def encrypt_anew(self) -> int:
        """Encrypt with SECRETS_KEY what a key of before encrypted, and return how many secrets that were.

        The secrets stay what they are. Raises InvalidToken for one that no key can read; nothing is changed then.
        """
        newest = _fernet(settings.SECRETS_KEY)
        changed = {}
        for name in ("secret_one", "secret_two"):
            stored = getattr(self, name)
            if stored is not None and not _reads(newest, bytes(stored)):
                changed[name] = cipher().rotate(bytes(stored))
        for name, secret in changed.items():
            setattr(self, name, secret)
        return len(changed)

    def live_secrets(self) -> tuple[bytes, ...]:
        stored = (self.secret_one, self.secret_two)
        return tuple(cipher().decrypt(bytes(secret)) for secret in stored if secret is not None)


class Game(models.Model):
    """A game that needs saying something about; a game without a row is enabled, uncategorised."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="games")
    code = models.CharField(max_length=128)
    category = models.CharField(max_length=64, blank=True, default="")
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["provider_id", "code"]
        constraints = [models.UniqueConstraint(name="game_of_provider", fields=["provider", "code"])]

    def __str__(self) -> str:
        return self.code


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
