"""What stands before Django on the paths of the REST door.

Django's ASGI handler spools a body of any length to disk, and breaks on a query or a media type
that it cannot decode. Both are settled here, before a thread or a connection is spent on them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from uuid_utils import uuid7

from casino_pam import problems
from casino_pam.admission import again, whole
from casino_pam.rest.bodies import MAX_BODY
from wallet.errors import Refused

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger(__name__)

PREFIX: Final = "/api/v1/"

_length_shape = re.compile(rb"[0-9]{1,18}").fullmatch


class Front:
    """Hands whole, bounded requests on to Django and answers the others itself."""

    def __init__(self, django: Application) -> None:
        self._django = django

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _check_query(scope)
            body = await _body(scope, receive)
        except Refused as refusal:
            await _answer(send, refusal)
            return
        if body is not None:
            await self._django(_plain(scope, body), again(body, receive), send)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None if the client left before its end."""
    said = _header(scope, b"content-length") or b""
    if _length_shape(said) and int(said) > MAX_BODY:
        raise Refused("too_large", limit_bytes=MAX_BODY)
    return await whole(receive, MAX_BODY)


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


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)


async def _answer(send: Send, refusal: Refused) -> None:
    request_id = str(uuid7())
    body = problems.body(refusal, request_id)
    named = {**problems.headers(refusal.status), "X-Request-ID": request_id, "Content-Length": str(len(body))}
    headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    log.info("rest_front_refused", code=refusal.code, request_id=request_id)
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
