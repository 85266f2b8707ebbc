"""The one address that takes more than a few megabytes, and only from operators who may use it.

Django reads a body to its end, onto the disk, before any view can say who sent it. So whoever may
not upload is led on without a body, and theirs is dropped as it comes.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from io import BytesIO
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.db import connection

from casino_pam.admission import DATABASE_SECONDS
from wallet.pg import deadline

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
App = Callable[[Scope, Receive, Any], Awaitable[None]]

PATH: Final = "/admin/office/provider-files/"
RECONCILE: Final = "wallet.reconcile_provider"
# How long a file that has arrived may be held against the ledger; a million lines take a minute.
COMPARISON_SECONDS: Final = 240


def only_from_operators(django: App) -> App:
    """Django's door for what is posted to PATH: a body is read only if its sender may upload one."""

    async def door(scope: Scope, receive: Receive, send: Any) -> None:
        async with ThreadSensitiveContext():
            welcome = await sync_to_async(_may_upload)(scope)
        await django(scope, receive if welcome else _dropping(receive), send)

    return door


def _dropping(receive: Receive) -> Receive:
    """A body of nothing; what really comes is dropped, until the sender leaves."""
    told = False

    async def dropped() -> dict[str, Any]:
        nonlocal told
        if not told:
            told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return dropped


def _may_upload(scope: Scope) -> bool:
    """Whether the session's cookie is that of an operator with the permission; the view asks again."""
    request = ASGIRequest(scope, BytesIO())
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(
        request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    )
    try:
        with deadline.until(time.monotonic() + DATABASE_SECONDS):
            return get_user(request).has_perm(RECONCILE)
    finally:
        connection.close()
