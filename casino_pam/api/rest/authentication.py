"""Who calls: a back end with its key, or a player with a token; and what each may do."""

from __future__ import annotations

import time
from typing import Any, Final

import structlog
from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from casino_pam import tokens
from casino_pam.tokens import PlayerToken
from wallet.errors import Refused
from wallet.models import ApiKey

# What a view asks for where it serves players, beside the scopes of keys.
PLAYER: Final = "player"

Caller = ApiKey | PlayerToken


class Credentials(BaseAuthentication):
    """``Authorization: Api-Key <key>`` or ``Authorization: Bearer <token>``.

    One answer for all that can be wrong with either; the log says which check failed.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller]:
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        caller: Caller
        if scheme.lower() == "api-key":
            caller = _key(text.strip())
            structlog.contextvars.bind_contextvars(caller=f"key:{caller.name}")
        elif scheme.lower() == "bearer":
            caller = tokens.read(text.strip(), time.time())
            structlog.contextvars.bind_contextvars(caller=f"player:{caller.player}")
        else:
            raise Refused("unauthenticated")
        # No Django user is behind either of them; views look at request.auth.
        return AnonymousUser(), caller


def _key(text: str) -> ApiKey:
    found = ApiKey.objects.select_related("provider").filter(digest=ApiKey.digest_of(text), enabled=True).first()
    if found is None:
        raise Refused("unauthenticated")
    return found


class MayDo(BasePermission):
    """A view names the scope it needs; one that names none is closed to everybody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = getattr(view, "scope", None)
        caller = request.auth
        if isinstance(caller, PlayerToken):
            return needed == PLAYER
        if not isinstance(caller, ApiKey) or needed not in caller.scopes:
            raise Refused("forbidden", needs=needed)
        return True
