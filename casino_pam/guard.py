"""What stands before Django: bodies are bounded before a thread or a connection is spent on them.

Django's ASGI handler spools a body of any length to disk, before any view can say who sent it, and breaks on a query
or a media type that it cannot decode. The REST door's requests are read whole and bounded here. The one address that
takes more is open only to operators who may use it: others are led on without a body, and theirs stays
unread. Whose pages may open a WebSocket is decided here too: browsers guard it by no rule of
their own.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from importlib import import_module
from io import BytesIO
from typing import Any, Final

import structlog
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http.request import split_domain_port
from uuid_utils import uuid7

from casino_pam import problems
from wallet.errors import Refused
from wallet.pg import deadline

MAX_BODY: Final = 64 * 1024
# What PostgreSQL has not said by then is not waited for: no answer takes more than 3.5 s (PLAY.md).
DATABASE_SECONDS: Final = 2.8

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger(__name__)

PREFIX: Final = "/api/v1/"

_length_shape = re.compile(rb"[0-9]{1,18}").fullmatch


def path_as_sent(scope: Scope) -> str:
    """The path with its escapes (PLAY.md §1), where the server layer's own ``path`` is decoded."""
    raw: bytes = scope["raw_path"]
    return raw.decode("latin-1")


class Front:
    """Hands whole, bounded requests on to Django and answers the others itself."""

    def __init__(self, django: Application) -> None:
        self._django = django

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _check_query(scope)
            body = await read_body(receive, MAX_BODY, _header(scope, b"content-length"))
        except Refused as refusal:
            await _answer(send, refusal)
            return
        if body is not None:
            await self._django(_plain(scope, body), again(body, receive), send)


async def read_body(
    receive: Receive, limit: int, content_length: bytes = b"", *, more: Callable[[], Awaitable[int]] | None = None
) -> bytes | None:
    """The whole body, or None where the client left before its end.

    Raises Refused (``too_large``) as soon as the header Content-Length or what has arrived passes the limit; with
    ``more``, whose answer is then the limit, as soon as it passes that.
    """
    if _length_shape(content_length) and int(content_length) > limit:
        raise Refused("too_large", limit_bytes=limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit and more is not None:
            limit, more = await more(), None
        if size > limit:
            raise Refused("too_large", limit_bytes=limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def again(body: bytes, receive: Receive) -> Receive:
    """What Django receives: the body at once, then whatever still comes."""
    handed_over = False

    async def replay() -> dict[str, Any]:
        nonlocal handed_over
        if handed_over:
            return await receive()
        handed_over = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _plain(scope: Scope, body: bytes) -> Scope:
    """The scope with a length for every body, and a media type without parameters."""
    replaced = (b"content-length", b"content-type")
    headers = [(name, value) for name, value in scope["headers"] if name not in replaced]
    types = [value.partition(b";")[0].strip() for name, value in scope["headers"] if name == b"content-type"]
    if types:
        headers.append((b"content-type", b",".join(types)))
    headers.append((b"content-length", b"%d" % len(body)))
    return {**scope, "headers": headers}


def _check_query(scope: Scope) -> None:
    try:
        scope["query_string"].decode()
    except UnicodeDecodeError:
        raise Refused("malformed", detail="The query is not valid UTF-8.") from None


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


async def _answer(send: Send, refusal: Refused) -> None:
    request_id = str(uuid7())
    body = problems.body(refusal, request_id)
    named = {**problems.headers(refusal.status), "X-Request-ID": request_id, "Content-Length": str(len(body))}
    headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    log.info("rest_guard_refused", code=refusal.code, request_id=request_id)
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


App = Callable[[Scope, Receive, Any], Awaitable[None]]

PATH: Final = "/admin/office/provider-files/"
RECONCILE: Final = "wallet.reconcile_provider"
# How long a file that has arrived may be held against the ledger; a million lines take a minute.
COMPARISON_SECONDS: Final = 240


# Under this name the server layer offers, for a request, to take as long and as large a body as a file is.
UPLOAD_EXTENSION: Final = "casino_pam.upload"


def only_from_operators(django: App) -> App:
    """Django's door for what is posted to PATH: not a byte of the body is asked for before its sender may upload one.

    Whoever may not is answered as if the body were empty; the server layer then closes the connection.
    """

    async def door(scope: Scope, receive: Receive, send: Any) -> None:
        async with ThreadSensitiveContext():
            welcome = await sync_to_async(operator_may)(scope, RECONCILE)
        if welcome:
            accept = scope.get("extensions", {}).get(UPLOAD_EXTENSION)
            if accept is not None:
                accept()
        await django(scope, receive if welcome else _nothing(), send)

    return door


def _nothing() -> Receive:
    """A body of nothing. What really comes stays unread."""
    ended = False

    async def empty() -> dict[str, Any]:
        nonlocal ended
        if ended:
            # Whoever asks again wants to hear of a sender who leaves: that would mean to read what comes before.
            await asyncio.Event().wait()
        ended = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return empty


def operator_may(scope: Scope, permission: str | None = None) -> bool:
    """Whether the session's cookie is that of an operator, with the permission if one is named.

    Raises DatabaseError or psycopg.Error.
    """
    # A handshake of a WebSocket has no method of its own.
    request = ASGIRequest({"method": "GET", **scope}, BytesIO())
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if key is None or "\0" in key:
        return False
    # Not before Django is set up, which the server layer does after it has read this module.
    sessions = import_module(settings.SESSION_ENGINE)
    request.session = sessions.SessionStore(key)
    try:
        with deadline.until(time.monotonic() + DATABASE_SECONDS):
            operator = get_user(request)
            if sessions.standing(request.session, operator) is not sessions.Standing.GOOD:
                return False
            return operator.is_staff and (permission is None or operator.has_perm(permission))
    finally:
        connection.close()


class Allowance:
    """How often something may happen: ``burst`` times at once, and ``rate`` times a second in the long run."""

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._left = float(burst)
        self._counted_at = time.monotonic()

    def take(self) -> bool:
        """Whether it may happen once more, now."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


_origin_shape = re.compile(r"(https?)://([^/?#@\s]+)").fullmatch
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def from_our_pages(headers: Iterable[tuple[bytes, bytes]], *, hosts: Collection[str], plain_http: bool) -> bool:
    """Whether a handshake may go on: an Origin must name one of our hosts, exactly, and the port we are asked at.

    A missing Origin is an app, not a browser: there the ticket is the only secret, as it always is.
    """
    headers = list(headers)
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    own = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if not origins:
        return True
    match = _origin_shape(origins[0]) if len(origins) == 1 and len(own) == 1 else None
    if match is None or (match[1] == "http" and not plain_http):
        return False
    host, port = split_domain_port(match[2])
    _, own_port = split_domain_port(own[0])
    default = _DEFAULT_PORTS[match[1]]
    return bool(host) and host in hosts and (port or default) == (own_port or default)
