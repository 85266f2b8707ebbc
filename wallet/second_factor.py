"""The second factor of operators: codes of an authenticator app (RFC 6238), and recovery codes for a lost one.

Each code is accepted once. The key is encrypted with SECRETS_KEY and shown while it is set up; of recovery codes only
digests are kept, and they are shown once.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Collection
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F, Func, Value
from django.utils import timezone

from wallet.models import OperatorSession, SecondFactor
from wallet.models.provider import cipher, is_current

# What every authenticator app understands: SHA-1, six digits, half a minute.
DIGITS: Final = 6
STEP_SECONDS: Final = 30
# A clock may be so many steps ahead or behind.
TOLERATED_STEPS: Final = 1
KEY_BYTES: Final = 20
ISSUER: Final = "Casino PAM"

RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
# Who knows the password and asks from many addresses has guessed six digits one day; a recovery code never.
MOST_WRONG: Final = 50

# In the setting: everybody, and who is a superuser.
EVERYBODY: Final = "everybody"
SUPERUSER: Final = "superuser"


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def address(key: bytes, operator: str) -> str:
    """What an authenticator app reads from the QR code: ``otpauth://totp/…``."""
    return _totp(key).get_provisioning_uri(operator, ISSUER)


def spelt(key: bytes) -> str:
    """The key as people type it into an app: base32 in groups of four."""
    text = base64.b32encode(key).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def code_of(key: bytes, step: int) -> str:
    """The code of a half-minute."""
    return _totp(key).generate(step * STEP_SECONDS).decode()


def step_of(key: bytes, code: str, now: float) -> int | None:
    """The half-minute whose code this is, among those that may be now (unix seconds); None for a wrong code."""
    this = int(now) // STEP_SECONDS
    good = None
    for step in range(this - TOLERATED_STEPS, this + TOLERATED_STEPS + 1):
        # Each is compared, so that the time taken tells nothing.
        if secrets.compare_digest(code_of(key, step).encode(), code.encode()):
            good = step
    return good


def set_up(operator: User, key: bytes, step: int) -> list[str]:
    """Make this the operator's second factor, ``step`` being spent; returns the recovery codes.

    Every log-in of the operator that is older ends (``end_sessions``), since it knew no second factor.
    """
    codes, digests = _recovery_codes()
    values = {
        "key": cipher().encrypt(key).decode(),
        "last_step": step,
        "wrong": 0,
        "recovery": digests,
        "set_up_at": timezone.now(),
    }
    SecondFactor.objects.update_or_create(operator=operator, defaults=values)
    return codes


def renew_recovery(operator: User) -> list[str]:
    """Other recovery codes in the place of those that were left."""
    codes, digests = _recovery_codes()
    SecondFactor.objects.filter(operator=operator).update(recovery=digests)
    return codes


class Code(Enum):
    """What a code that was given is."""

    WRONG = "wrong"
    OF_THE_APP = "of the app"
    RECOVERY = "a recovery code"


def accept(operator: User, code: str, now: float | None = None) -> Code:
    """Spend a code, if it is a good one: the same is refused from then on. ``now`` is in unix seconds."""
    code = "".join(code.split()).replace("-", "").lower()
    factor = SecondFactor.objects.filter(operator=operator).first()
    if factor is None or not code.isascii():
        return Code.WRONG
    if len(code) == DIGITS:
        step = step_of(key_of(factor), code, time.time() if now is None else now)
        good = step is not None and factor.wrong < MOST_WRONG
        found, accepted = Code.OF_THE_APP, good and _spend_step(factor, step or 0)
    else:
        found, accepted = Code.RECOVERY, _spend_recovery(factor, _digest(code))
    if accepted:
        return found
    SecondFactor.objects.filter(pk=factor.pk).update(wrong=F("wrong") + 1)
    return Code.WRONG


def key_of(factor: SecondFactor) -> bytes:
    """The app's key. Raises InvalidToken where no key of ours reads it (docs/operations.md, New keys)."""
    return cipher().decrypt(factor.key.encode())


def encrypt_anew(factor: SecondFactor) -> bool:
    """Encrypt the key with SECRETS_KEY, if a key of before encrypted it; whether it did. Raises InvalidToken."""
    if is_current(factor.key.encode()):
        return False
    newer = cipher().rotate(factor.key.encode()).decode()
    # The operator may have set up another key meanwhile: that one is encrypted as it should be.
    return bool(SecondFactor.objects.filter(pk=factor.pk, key=factor.key).update(key=newer))


def _spend_step(factor: SecondFactor, step: int) -> bool:
    mine = SecondFactor.objects.filter(pk=factor.pk, key=factor.key, last_step__lt=step)
    return bool(mine.update(last_step=step, wrong=0))


def _spend_recovery(factor: SecondFactor, digest: str) -> bool:
    mine = SecondFactor.objects.filter(pk=factor.pk, recovery__contains=[digest])
    return bool(mine.update(recovery=Func(F("recovery"), Value(digest), function="array_remove"), wrong=0))


def reset(operator: User) -> bool:
    """Take the second factor away and end the operator's log-ins; whether there was one."""
    taken, _ = SecondFactor.objects.filter(operator=operator).delete()
    end_sessions(operator)
    return bool(taken)


def end_sessions(operator: User, *, but: str | None = None) -> int:
    """End the operator's log-ins, but for the session of this key; returns how many there were."""
    ended, _ = OperatorSession.objects.filter(operator=operator).exclude(session_key=but or "").delete()
    return ended


def is_required(operator: User, demanded: Collection[str] | None = None) -> bool:
    """Whether the setting SECOND_FACTOR_FOR demands one of this operator."""
    demanded = settings.SECOND_FACTOR_FOR if demanded is None else demanded
    if EVERYBODY in demanded or (SUPERUSER in demanded and operator.is_superuser):
        return True
    return bool(demanded) and operator.groups.filter(name__in=demanded).exists()


def _totp(key: bytes) -> TOTP:
    return TOTP(key, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - what the apps have in common


def _recovery_codes() -> tuple[list[str], list[str]]:
    """New codes as people write them down, and what is kept of them."""
    texts = [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    codes = ["-".join(text[start : start + 4] for start in range(0, len(text), 4)) for text in texts]
    return codes, [_digest(text) for text in texts]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
