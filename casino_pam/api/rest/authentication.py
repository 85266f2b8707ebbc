"""Who calls: a back end with its key, or a player with a token; and what each may do."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import structlog
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from casino_pam import tokens
from casino_pam.tokens import PlayerToken
from wallet.errors import Refused
from wallet.models import ApiKey
from wallet.pg import faults

# What a view asks for where it serves players, beside the scopes of keys.
PLAYER: Final = "player"

Caller = ApiKey | PlayerToken


class HeaderAuthentication(BaseAuthentication):
    """``Authorization: <scheme> <text>``; a header of another scheme is left to the next class.

    No Django user is behind a caller: views look at ``request.auth``.
    """

    scheme: ClassVar[str]

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller] | None:
        """Raises Refused (``unauthenticated``), whatever is wrong."""
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return (AnonymousUser(), self.caller(text.strip())) if scheme.lower() == self.scheme else None

    @abstractmethod
    def caller(self, text: str) -> Caller:
        """Who calls with this credential. Raises Refused (``unauthenticated``)."""


class ApiKeyAuthentication(HeaderAuthentication):
    """A back end with its key: ``Authorization: Api-Key <key>``."""

    scheme = "api-key"

    def caller(self, text: str) -> ApiKey:
        key = _key(text)
        structlog.contextvars.bind_contextvars(caller=f"key:{key.name}")
        return key


class PlayerTokenAuthentication(HeaderAuthentication):
    """A player with a token: ``Authorization: Bearer <token>``."""

    scheme = "bearer"

    def caller(self, text: str) -> PlayerToken:
        token = tokens.read(text, time.time())
        structlog.contextvars.bind_contextvars(caller=f"player:{token.player}")
        return token


# A key's last use is behind by so much at most.
USED_EVERY: Final = timedelta(minutes=1)


def _key(text: str) -> ApiKey:
    found = ApiKey.objects.select_related("provider").filter(digest=ApiKey.digest_of(text), enabled=True).first()
    if found is None:
        raise Refused("unauthenticated")
    now = timezone.now()
    if found.expires_at is not None and found.expires_at <= now:
        raise Refused("key_expired", expired_at=found.expires_at.astimezone(UTC).isoformat())
    if found.last_used_at is None or now - found.last_used_at >= USED_EVERY:
        _note_use(found, now)
    return found


def _note_use(key: ApiKey, now: datetime) -> None:
    """One of the calls that notice a minute to be over writes; another's call does not fail for it."""
    try:
        ApiKey.objects.filter(pk=key.pk, last_used_at=key.last_used_at).update(last_used_at=now)
    except Error as error:
        # A standby takes no write, and yet what only reads is served there.
        if faults.fault(error) is None:
            raise


class HasScope(BasePermission):
    """A view names the scope it needs; one that names none is closed to everybody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises Refused: ``unauthenticated``, ``forbidden``."""
        needed = getattr(view, "scope", None)
        caller = request.auth
        if caller is None:
            raise Refused("unauthenticated")
        if isinstance(caller, PlayerToken):
            return needed == PLAYER
        if not isinstance(caller, ApiKey) or needed not in caller.scopes:
            raise Refused("forbidden", needs=needed)
        return True
