"""The game door as a plain ASGI application: what is checked of every call, in the contract's order.

Path, method, size, signature, content type, body (PLAY.md §1); then ``calls`` has its turn. A
client that hangs up stops nothing: what the engine has taken is carried out.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from prometheus_client import Histogram
from uuid_utils import uuid7

from casino_pam import problems
from casino_pam.api import responses
from casino_pam.api.game.directory import Directory, ProviderRecord
from casino_pam.api.game.handlers import CALLS, Call, Visit
from casino_pam.api.game.signing import Claim, Unauthenticated, read_claim, verify
from casino_pam.engine import commands
from casino_pam.engine.queue import PostingQueue
from wallet.errors import Busy, Refused

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PREFIX: Final = "/api/game/"

log = structlog.get_logger(__name__)

ANSWERED = Histogram(
    "game_door_seconds",
    "How long calls of game providers took to answer, by call and HTTP status.",
    ["call", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5),
)
observed = lru_cache(maxsize=512)(ANSWERED.labels)

_by_path: Final = {f"{PREFIX}v1/{call.name}".encode(): call for call in CALLS}
_length_shape = re.compile(rb"[0-9]{1,18}").fullmatch
_unknown: Final = Call("unknown", CALLS[0].run)
# No header can have this value: the server layer refuses a NUL.
TWICE: Final = b"\0"
_json: Final = (b"content-type", b"application/json")


class HungUp(Exception):
    """The client left before its request was complete."""


class GameDoor:
    """Belongs to one event loop."""

    def __init__(self, posting_queue: PostingQueue, directory: Directory | None = None) -> None:
        self._posting_queue = posting_queue
        self._house = directory or Directory()

    async def open(self) -> None:
        """Learn whom we serve, so that the first calls need not wait for it. Where it fails, they will ask."""
        with suppress(Busy):
            await self._house.look_again()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        request_id = str(uuid7())
        call = _by_path.get(scope["raw_path"], _unknown)
        try:
            shown = await self._answer(call, scope, receive, request_id)
            status, headers, body = 200, [_json], responses.encode(shown)
        except HungUp:
            return
        except Refused as refusal:
            if isinstance(refusal, Unauthenticated):
                _log_unauthenticated(refusal, call, request_id)
            status, headers, body = _refused(refusal, request_id)
        except Exception:
            log.exception("game_door_failed", call=call.name, request_id=request_id)
            status, headers, body = _refused(Refused("internal"), request_id)
        headers += [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id.encode())]
        observed(call.name, status).observe(time.perf_counter() - began)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, call: Call, scope: Scope, receive: Receive, request_id: str) -> dict[str, Any]:
        headers = _by_name(scope["headers"])
        _check_host(headers)
        if call is _unknown:
            raise Refused("not_found")
        if scope["method"] != "POST":
            raise Refused("method_not_allowed")
        body = await _body(headers, receive, call.limit)
        # From here on the answer is due: what comes before depends on the client alone.
        deadline = commands.deadline()
        claim = read_claim(scope["headers"], time.time())
        visit = Visit(self._house, self._posting_queue, deadline, request_id)

        async def prove_again() -> ProviderRecord:
            await visit.look_again()
            return self._verified(claim, scope["raw_path"], body)

        visit.proven_by(await self._proven(claim, scope["raw_path"], body, prove_again), prove_again)
        _check_content(headers)
        return await call.run(visit, body)

    async def _proven(
        self, claim: Claim, path: bytes, body: bytes, prove_again: Callable[[], Awaitable[ProviderRecord]]
    ) -> ProviderRecord:
        """The provider who signed this. Nobody is turned away on old knowledge."""
        try:
            return self._verified(claim, path, body)
        except Unauthenticated:
            return await prove_again()

    def _verified(self, claim: Claim, path: bytes, body: bytes) -> ProviderRecord:
        provider = self._house.providers.get(claim.provider)
        verify(claim, path, body, provider.secrets if provider else ())
        assert provider is not None
        return provider


def _log_unauthenticated(refusal: Unauthenticated, call: Call, request_id: str) -> None:
    log.warning(
        "game_door_unauthenticated",
        call=call.name,
        provider=refusal.provider,
        check=refusal.check,
        request_id=request_id,
    )


def _refused(refusal: Refused, request_id: str) -> tuple[int, Headers, bytes]:
    headers = [(name.lower().encode(), value.encode()) for name, value in problems.headers(refusal.status).items()]
    if refusal.status == 405:
        headers.append((b"allow", b"POST"))
    return refusal.status, headers, responses.encode(responses.problem(refusal, request_id))


def _by_name(headers: Headers) -> dict[bytes, bytes]:
    """One value for each name; a header that comes twice has one that nobody accepts."""
    found = dict(headers)
    if len(found) < len(headers):
        counts = Counter(name for name, _ in headers)
        found.update((name, TWICE) for name in found if counts[name] > 1)
    return found


async def _body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body; refused as soon as it is known to be too large, said or seen."""
    said = headers.get(b"content-length", b"")
    if _length_shape(said) and int(said) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> Refused:
    return Refused("too_large", limit_bytes=limit)


def _check_content(headers: dict[bytes, bytes]) -> None:
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json" or b"content-encoding" in headers:
        raise Refused("unsupported_media_type")


def _check_host(headers: dict[bytes, bytes]) -> None:
    if not is_served(headers.get(b"host", b"")):
        raise Refused("malformed", detail="The header Host names no host that is served here.")


@lru_cache(maxsize=256)
def is_served(host: bytes) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
