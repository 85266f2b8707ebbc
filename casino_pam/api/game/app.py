"""The game door as a plain ASGI application: what is checked of every call, in the contract's order.

Path, method, size, signature, content type, body (PLAY.md §1); then the call is run
(``handlers``). How a request is signed is known to ``signing`` alone, how it is read, answered and
refused to ``protocol`` alone. A client that hangs up stops nothing: what the engine has taken is
carried out.
"""

from __future__ import annotations

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

from casino_pam.api.game import protocol
from casino_pam.api.game.directory import Directory, ProviderRecord
from casino_pam.api.game.handlers import CALLS, Call, Visit
from casino_pam.api.game.protocol import Headers
from casino_pam.api.game.signing import Claim, Unauthenticated, read_claim, verify
from casino_pam.engine import commands
from casino_pam.engine.posting import Outcome
from casino_pam.engine.queue import PostingQueue
from casino_pam.guard import read_body
from wallet.errors import Busy, Refused

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Any], Awaitable[None]]

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
_unknown: Final = Call("unknown", CALLS[0].run)
# No header can have this value: the server layer refuses a NUL.
TWICE: Final = b"\0"


class HungUp(Exception):
    """The client left before its request was complete."""


class GameDoor:
    """Belongs to one event loop."""

    def __init__(self, posting_queue: PostingQueue, directory: Directory | None = None) -> None:
        self._posting_queue = posting_queue
        self._directory = directory or Directory()

    async def open(self) -> None:
        """Read the providers before the first call. Where the database does not answer, the first call reads them."""
        with suppress(Busy):
            await self._directory.look_again()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        request_id = str(uuid7())
        call = _by_path.get(scope["raw_path"], _unknown)
        try:
            outcome = await self._outcome(call, scope, receive)
            status, headers, body = protocol.answer(outcome, request_id)
        except HungUp:
            return
        except Refused as refusal:
            if isinstance(refusal, Unauthenticated):
                _log_unauthenticated(refusal, call, request_id)
            status, headers, body = protocol.refuse(refusal, request_id)
        except Exception:
            log.exception("game_door_failed", call=call.name, request_id=request_id)
            status, headers, body = protocol.refuse(Refused("internal"), request_id)
        headers += [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id.encode())]
        observed(call.name, status).observe(time.perf_counter() - began)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _outcome(self, call: Call, scope: Scope, receive: Receive) -> Outcome | list[Outcome]:
        headers = _by_name(scope["headers"])
        _check_host(headers)
        if call is _unknown:
            raise Refused("not_found")
        if scope["method"] != "POST":
            raise Refused("method_not_allowed")
        body = await read_body(receive, call.limit, headers.get(b"content-length", b""))
        if body is None:
            raise HungUp
        # From here on the answer is due: what comes before depends on the client alone.
        deadline = commands.deadline()
        claim = read_claim(scope["headers"], time.time())
        visit = Visit(self._directory, self._posting_queue, deadline)

        async def prove_again() -> ProviderRecord:
            await visit.look_again()
            return self._verified(claim, scope["raw_path"], body)

        visit.proven_by(await self._proven(claim, scope["raw_path"], body, prove_again), prove_again)
        protocol.check_content(headers)
        return await call.run(visit, body)

    async def _proven(
        self, claim: Claim, path: bytes, body: bytes, prove_again: Callable[[], Awaitable[ProviderRecord]]
    ) -> ProviderRecord:
        """The provider who signed this; before anybody is turned away the secrets are read again."""
        try:
            return self._verified(claim, path, body)
        except Unauthenticated:
            return await prove_again()

    def _verified(self, claim: Claim, path: bytes, body: bytes) -> ProviderRecord:
        provider = self._directory.providers.get(claim.provider)
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


def _by_name(headers: Headers) -> dict[bytes, bytes]:
    """One value for each name; a header that comes twice has one that nobody accepts."""
    by_name = dict(headers)
    if len(by_name) < len(headers):
        counts = Counter(name for name, _ in headers)
        by_name.update((name, TWICE) for name in by_name if counts[name] > 1)
    return by_name


def _check_host(headers: dict[bytes, bytes]) -> None:
    if not is_served(headers.get(b"host", b"")):
        raise Refused("malformed", detail="The header Host names no host that is served here.")


@lru_cache(maxsize=256)
def is_served(host: bytes) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
