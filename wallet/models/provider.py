"""Who sends requests: providers with their profiles, games and sessions, and the keys of the casino's back ends."""

import base64
import hashlib
import re
import secrets
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from wallet.kinds import HOUSE_SOURCES
from wallet.models.people import Currency, Player
from wallet.money import is_reference


def cipher() -> MultiFernet:
    """Encrypts with SECRETS_KEY; reads what that or one of SECRETS_KEY_FALLBACKS encrypted."""
    keys = [settings.SECRETS_KEY, *settings.SECRETS_KEY_FALLBACKS]
    return MultiFernet([_fernet(key) for key in keys])


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"provider secrets" + key.encode()).digest()))


def is_current(secret: bytes) -> bool:
    """Whether SECRETS_KEY itself encrypted it, and none of before."""
    try:
        _fernet(settings.SECRETS_KEY).decrypt(secret)
    except InvalidToken:
        return False
    return True


# The shortest RSA key whose signatures are believed, in bits.
LEAST_KEY_BITS: Final = 2048


def validate_public_key(pem: str) -> None:
    """Raises ValidationError unless the text is the PEM of an RSA public key of 2048 bits or more."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValidationError("This is not a public key in PEM: -----BEGIN PUBLIC KEY----- and so on.") from None
    if not isinstance(key, RSAPublicKey):
        raise ValidationError("This is not an RSA key.")
    if key.key_size < LEAST_KEY_BITS:
        raise ValidationError(f"An RSA key of {key.key_size} bits is too short: {LEAST_KEY_BITS} bits or more.")


_our_currency = re.compile(r"[A-Z][A-Z0-9_]{2,31}").fullmatch
MOST_CURRENCIES: Final = 200


def validate_currencies(names: Any) -> None:
    """Raises ValidationError unless ``names`` maps their codes to ours, one to one."""
    if not isinstance(names, dict) or len(names) > MOST_CURRENCIES:
        raise ValidationError('Write their codes and ours as an object, such as {"mBTC": "BTC"}.')
    for theirs, ours in names.items():
        if not is_reference(theirs) or len(theirs) > 32:
            raise ValidationError("Their code must be 1 to 32 printable ASCII characters.")
        if not isinstance(ours, str) or _our_currency(ours) is None:
            raise ValidationError(
                f"What {theirs} is called here must be 3 to 32 capital letters, digits or underscores."
            )
    if len(set(names.values())) < len(names):
        raise ValidationError("Two of their codes have the same code of ours: a balance could be told in either.")


def validate_secret(secret: str) -> None:
    """Raises ValidationError unless this may be a secret that a provider dictates."""
    if not is_reference(secret):
        raise ValidationError("A secret is 1 to 128 printable ASCII characters without a space at either end.")


def dialects() -> list[tuple[str, str]]:
    """Asked for when it is needed, so that a further dialect is no migration."""
    return list(Provider.Dialect.choices)


class Provider(models.Model):
    """A game provider and the profile that chooses its answers where providers differ.

    Two secrets may be live at once, so that a provider can rotate without a silent minute. They
    are encrypted at rest and readable by nobody but the signature check. What a dialect makes of
    them (an HMAC key, the salt of a hash, a bearer token) is the dialect's business.
    """

    class Dialect(models.TextChoices):
        """What it speaks, each with a file of its name in casino_pam/api/game/dialects; ``door`` is our own."""

        DOOR = "door"
        BEEXAR = "beexar"
        HUB88 = "hub88"
        SWIPEGAMES = "swipegames"
        SLOTEGRATOR = "slotegrator"
        PRAGMATIC = "pragmatic"
        EVOLUTION = "evolution"

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
    # Counts changes of what a door knows by heart (``KNOWN_BY_HEART``); the engine refuses a command that was read by
    # an older state.
    secrets_version = models.PositiveIntegerField(default=0, editable=False)

    dialect = models.CharField(max_length=16, choices=dialects, default=Dialect.DOOR, db_default="door")
    # By what name it knows us, where its dialect wants that.
    merchant = models.CharField(max_length=128, blank=True, default="", db_default="")
    # The keys with which it signs, where its dialect wants that; as with secrets, two may be live.
    public_key_one = models.TextField(blank=True, default="", db_default="", validators=[validate_public_key])
    public_key_two = models.TextField(blank=True, default="", db_default="", validators=[validate_public_key])
    # Its codes of currencies and ours, where they differ; each pair is of the same unit.
    currencies = models.JSONField(
        blank=True, default=dict, db_default=models.Value({}, models.JSONField()), validators=[validate_currencies]
    )
    # How its own report is read, where that is not the file of docs/reports.md (wallet.provider_file.mapping).
    file_mapping = models.JSONField(blank=True, default=dict, db_default=models.Value({}, models.JSONField()))

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
    share_references = models.BooleanField(default=False, db_default=False)
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

    def choose(self, dialect: str) -> None:
        """Let it speak this dialect, with the dialect's profile; whatever the profile says may be changed after."""
        self.dialect = dialect
        for name, value in profile_of(dialect).items():
            setattr(self, name, value)
        self.secrets_version += 1

    def rotate(self, secret: str | None = None) -> str:
        """Make a new secret, or take the one the provider dictates; the newest other one stays live.

        Returns the new one: shown once.
        """
        secret = secret or secrets.token_urlsafe(32)
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
        changed = {}
        for name in ("secret_one", "secret_two"):
            stored = getattr(self, name)
            if stored is not None and not is_current(bytes(stored)):
                changed[name] = cipher().rotate(bytes(stored))
        for name, secret in changed.items():
            setattr(self, name, secret)
        return len(changed)

    def live_secrets(self) -> tuple[bytes, ...]:
        stored = (self.secret_one, self.secret_two)
        return tuple(cipher().decrypt(bytes(secret)) for secret in stored if secret is not None)

    def live_keys(self) -> tuple[str, ...]:
        """Its public keys in PEM, the newest first."""
        return tuple(filter(None, (self.public_key_one, self.public_key_two)))


# Beside the secrets: whoever changes one of these counts ``secrets_version`` up.
KNOWN_BY_HEART: Final = (
    "dialect",
    "merchant",
    "public_key_one",
    "public_key_two",
    "currencies",
    "reference_scope",
)


def field_of(name: str) -> "models.Field[Any, Any]":
    """A column of the profile, with its default and its choices."""
    field = Provider._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


DEFAULT_PROFILE: Final[dict[str, Any]] = {
    name: field_of(name).default
    for name in (
        "replay_balance",
        "zero_amount",
        "win_requires_bet",
        "late_win",
        "unknown_rollback",
        "late_bet",
        "rollback_after_win",
        "rollback_wins",
        "win_rollback",
        "ends_rounds",
        "share_references",
    )
}

# What each dialect's answers rest on (DIALECTS.md §1), where that is not the default.
_FORGIVING: Final[dict[str, Any]] = {"rollback_after_win": "allow", "rollback_wins": True, "win_rollback": "clamp"}
_STRICT: Final[dict[str, Any]] = {
    "replay_balance": "current",
    "win_requires_bet": True,
    "unknown_rollback": "not_found",
}
PROFILES: Final[dict[str, dict[str, Any]]] = {
    "beexar": {**_FORGIVING, "zero_amount": "refuse", "share_references": True},
    "hub88": {**_FORGIVING, "win_requires_bet": True, "share_references": True},
    "swipegames": {**_FORGIVING, "share_references": True},
    "slotegrator": _FORGIVING,
    "pragmatic": {**_STRICT, "ends_rounds": True, "share_references": True},
    "evolution": _STRICT,
}


def profile_of(dialect: str) -> dict[str, Any]:
    """The whole profile with which a provider of this dialect begins."""
    return DEFAULT_PROFILE | PROFILES.get(dialect, {})


class Game(models.Model):
    """A game that something is said about; a game without a row is enabled, uncategorised and unnamed."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="games")
    code = models.CharField(max_length=128)
    # What people call it; an unnamed game is called by its code.
    name = models.CharField(max_length=128, blank=True, default="", db_default="")
    category = models.CharField(max_length=64, blank=True, default="")
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["provider_id", "code"]
        constraints = [models.UniqueConstraint(name="game_of_provider", fields=["provider", "code"])]

    def __str__(self) -> str:
        return self.code


class GameSession(models.Model):
    """A player who opened a game: what providers name instead of, or beside, the player.

    Never deleted: a win may come long after the session ended, and names it. ``id`` is 32 URL-safe characters.
    """

    id = models.CharField(max_length=32, primary_key=True)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="sessions", db_index=False)
    currency = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+", db_index=False)
    game = models.CharField(max_length=128, null=True, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "session"
        ordering = ["-created_at", "-id"]
        permissions = [("end_session", "Can end a player's sessions")]
        indexes = [
            # A player's sessions, and the newest one with a provider.
            models.Index(name="session_of_player", fields=["player", "provider", "-created_at", "-id"]),
            # Those that may have to be ended: few of all there ever were.
            models.Index(name="session_open", fields=["player"], condition=Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.id

    def ended(self, at: datetime) -> bool:
        """Whether it stops bets at that instant."""
        return self.ended_at is not None or self.expires_at <= at


SCOPES = ("players", "cashier", "adjust", "play", "offers", "bonuses", "feed", "providers")


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
    # From then on it opens nothing; null is never.
    expires_at = models.DateTimeField(null=True, blank=True)
    # Within a minute.
    last_used_at = models.DateTimeField(null=True, editable=False)
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
