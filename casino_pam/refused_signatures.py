"""The last calls of each provider that were turned away unproven, for whoever integrates it: what came, when, and why.

Kept in Redis, bounded in number and time, and may be lost: the log has them too. Nothing of a secret, a signature or a
body is in it. Anybody may send bad signatures, however many: noting them is left to one thread, which takes what fits
into a short queue and forgets the rest.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final

import msgspec
import structlog
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from casino_pam.cell import in_redis

log = structlog.get_logger(__name__)

KEPT: Final = 20
KEPT_SECONDS: Final = 7 * 24 * 3600
# How many may wait to be noted.
WAITING: Final = 50


class RefusedSignature(msgspec.Struct, frozen=True):
    """``check`` says which check failed; ``at`` is unix seconds."""

    at: float
    call: str
    check: str
    request_id: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(RefusedSignature).decode
_thread: Final = ThreadPoolExecutor(1, thread_name_prefix="refused-signatures")
_places: Final = BoundedSemaphore(WAITING)


def note(provider: str, *, call: str, check: str, request_id: str) -> None:
    """Note a refusal of a known provider's call; returns at once, whether or not it will be kept."""
    if not _places.acquire(blocking=False):
        return
    refused = RefusedSignature(time.time(), call[:64], check[:100], request_id)
    _thread.submit(_keep_next, provider, refused)


def _keep_next(provider: str, refused: RefusedSignature) -> None:
    try:
        keep(provider, refused)
    finally:
        _places.release()


def keep(provider: str, refused: RefusedSignature) -> None:
    """Note it now, beside the newest before it; lost while Redis is away."""
    try:
        with get_redis_connection("default").pipeline() as pipeline:
            pipeline.lpush(_key(provider), _encode(refused))
            pipeline.ltrim(_key(provider), 0, KEPT - 1)
            pipeline.expire(_key(provider), KEPT_SECONDS)
            pipeline.execute()
    except RedisError as error:
        log.warning("refused_signature_not_noted", provider=provider, reason=str(error))


def newest(provider: str) -> list[RefusedSignature]:
    """The last of them, the newest first; none while Redis is away."""
    try:
        found = get_redis_connection("default").lrange(_key(provider), 0, KEPT - 1)
    except RedisError:
        return []
    return [_decode(each) for each in found]


def _key(provider: str) -> str:
    return in_redis(f"refused-signatures:{provider}")
