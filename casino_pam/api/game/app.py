"""The game door: what is checked of every call, in the contract's order.

Host, path, method, size, signature; then the call reads its body and asks the engine. Our own providers
are at ``/api/game/v1/…``, those who speak another dialect at ``/api/game/<dialect>/<provider>/…``. How a
request is signed, read, answered and refused is known to its dialect alone (``dialects/``): whatever
happens to a request, its dialect writes the answer. A client that hangs up stops nothing: what the
engine has taken is carried out.

The server layer hands it whole requests, without ASGI between them (docs/decisions/0039).
"""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Final, NamedTuple

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from prometheus_client import Histogram
from uuid_utils import uuid7

from casino_pam import refused_signatures
from casino_pam.api.game.dialects import DIALECTS, door
from casino_pam.api.game.dialects.dialect import Call, Dialect, Reply
from casino_pam.api.game.directory import Directory
from casino_pam.api.game.session_cache import SessionCache
from casino_pam.api.game.signing import Unauthenticated
from casino_pam.api.game.visit import SecretsChanged, Visit
from casino_pam.engine.queue import PostingQueue
from wallet.errors import Busy, Refused

PREFIX: Final = "/api/game/"
_own: Final = f"{PREFIX}v1/".encode()
_prefix: Final = PREFIX.encode()

log = structlog.get_logger(__name__)

ANSWERED = Histogram(
    "game_door_seconds",
    "How long calls of game providers took to answer, by call and HTTP status.",
    ["call", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5),
)
observed = lru_cache(maxsize=512)(ANSWERED.labels)


class Route(NamedTuple):
    """Where a path leads: ``provider`` is the one it names, ``call`` is None where there is none."""

    dialect: Dialect
    provider: str
    call: Call | None

    @property
    def limit(self) -> int:
        """The most bytes that are read of a body; more of them is refused unread."""
        return 0 if self.call is None else self.call.limit

    @property
    def label(self) -> str:
        """The call's name for metrics and logs."""
        if self.call is None:
            return "unknown"
        return f"{self.dialect.name}/{self.call.name}" if self.dialect.in_path else self.call.name


def route(path: bytes) -> Route:
    """Where a path leads, matched as it was sent."""
    if path.startswith(_own):
        return Route(door.DIALECT, "", door.DIALECT.calls.get(path[len(_own) :]))
    name, _, rest = path[len(_prefix) :].partition(b"/")
    dialect = DIALECTS.get(name.decode("latin-1"))
    if dialect is None or not dialect.in_path:
        return Route(door.DIALECT, "", None)
    provider, _, rest = rest.partition(b"/")
    return Route(dialect, provider.decode("latin-1"), dialect.calls.get(rest))


class GameDoor:
    """Belongs to one event loop."""

    def __init__(self, posting_queue: PostingQueue, directory: Directory | None = None) -> None:
        self._posting_queue = posting_queue
        self._directory = directory or Directory()
        self._sessions = SessionCache()

    async def open(self) -> None:
        """Read the providers before the first call. Where the database does not answer, the first call reads them."""
        with suppress(Busy):
            await self._directory.look_again()

    def route(self, path: bytes) -> Route:
        """Where a path leads."""
        return route(path)

    def refuse(self, path: bytes, refusal: Refused) -> Reply:
        """The answer to a request that was given up before it was complete, in its dialect's shape."""
        where = route(path)
        request_id = str(uuid7())
        _log_refused(refusal, where, (), request_id)
        visit = Visit(path, b"", (), self._directory, self._sessions, self._posting_queue, request_id)
        status, headers, body = where.dialect.refuse(refusal, visit)
        return status, [*headers, (b"x-request-id", request_id.encode())], body

    async def answer(
        self,
        where: Route,
        method: str,
        path: bytes,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | None,
    ) -> Reply:
        """Answer one request, as it was sent, its headers' names in lower case; no body is one that was too large."""
        began = time.perf_counter()
        request_id = str(uuid7())
        visit = Visit(path, query, headers, self._directory, self._sessions, self._posting_queue, request_id)
        try:
            status, named, answer = await self._reply(where, visit, method, body)
        except Refused as refusal:
            _log_refused(refusal, where, self._directory.providers, request_id)
            status, named, answer = where.dialect.refuse(refusal, visit)
        except Exception:
            log.exception(
                "game_door_failed",
                dialect=where.dialect.name,
                provider=where.provider,
                call=where.label,
                request_id=request_id,
            )
            status, named, answer = where.dialect.refuse(Refused("internal"), visit)
        observed(where.label, status).observe(time.perf_counter() - began)
        return status, [*named, (b"x-request-id", request_id.encode())], answer

    async def _reply(self, where: Route, visit: Visit, method: str, body: bytes | None) -> Reply:
        _check_host(visit.headers)
        dialect, call = where.dialect, where.call
        if call is None:
            raise Refused("not_found")
        visit.begin(dialect.patience)
        if dialect.in_path:
            await self._find_provider(where, visit)
        if method != call.method:
            raise Refused("method_not_allowed")
        if body is None:
            raise Refused("too_large", limit_bytes=call.limit)
        visit.body = body
        visit.prove = partial(_prove, where, visit)
        try:
            visit.prove()
        except Unauthenticated:
            # Before anybody is turned away the secrets are read again.
            await visit.prove_again()
        try:
            return await call.run(visit)
        except SecretsChanged:
            await visit.prove_again()
        try:
            return await call.run(visit)
        except SecretsChanged:
            raise Busy from None

    async def _find_provider(self, where: Route, visit: Visit) -> None:
        """Before a path is said to lead nowhere the providers are read again. Raises Refused."""
        if visit.known(where.provider, where.dialect.name) is None:
            await visit.look_again()
            if visit.known(where.provider, where.dialect.name) is None:
                raise Refused("not_found")


def _prove(where: Route, visit: Visit) -> None:
    """Prove the visit by what is known of its provider now. Raises Refused."""
    if where.dialect.in_path:
        provider = visit.known(where.provider, where.dialect.name)
        if provider is None:
            raise Refused("not_found")
        visit.provider = provider
    where.dialect.verify(visit)


def _log_refused(refusal: Refused, where: Route, known: Container[str], request_id: str) -> None:
    """What the shape of an answer may hide. Our own dialect says it all to the caller."""
    if isinstance(refusal, Unauthenticated):
        provider = refusal.provider or where.provider or None
        log.warning(
            "game_door_unauthenticated",
            dialect=where.dialect.name,
            call=where.label,
            provider=provider,
            check=refusal.check,
            request_id=request_id,
        )
        if provider is not None and provider in known:
            refused_signatures.note(provider, call=where.label, check=refusal.check, request_id=request_id)
    elif where.dialect.in_path:
        log.info(
            "game_door_refused",
            dialect=where.dialect.name,
            provider=where.provider,
            call=where.label,
            code=refusal.code,
            request_id=request_id,
        )


def _check_host(headers: dict[bytes, bytes]) -> None:
    if not is_served(headers.get(b"host", b"")):
        raise Refused("malformed", detail="The header Host names no host that is served here.")


@lru_cache(maxsize=256)
def is_served(host: bytes) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
