"""So many requests a second for each key, counted in Redis for all processes together."""

from __future__ import annotations

import time
from typing import Any, Final

import structlog
from django_redis import get_redis_connection
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from wallet.models import ApiKey

log = structlog.get_logger(__name__)

REQUESTS_A_SECOND: Final = 1_000
# A Redis that is away lets everybody through, and costs its time-out only this often.
PAUSE_SECONDS: Final = 1.0

_not_before = 0.0


class ApiKeyThrottle(BaseThrottle):
    """1,000 requests a second a key; a player's token is not counted."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        count = counted(request.auth.pk, int(time.time()))
        return count is None or count <= REQUESTS_A_SECOND


def counted(key: int, second: int) -> int | None:
    """How many requests of this key there were in this second, this one included; None if unknown."""
    global _not_before
    if time.monotonic() < _not_before:
        return None
    name = f"throttle:{key}:{second}"
    try:
        with get_redis_connection("default").pipeline() as pipeline:
            pipeline.incr(name)
            pipeline.expire(name, 2)
            count, _ = pipeline.execute()
    except (RedisError, OSError):
        _not_before = time.monotonic() + PAUSE_SECONDS
        log.warning("throttle_lost_redis", exc_info=True)
        return None
    return int(count)
