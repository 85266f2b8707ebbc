"""So many requests a second for each key, and codes a minute for each player, counted in Redis for all processes."""

from __future__ import annotations

import time
from typing import Any, Final

import structlog
from django_redis import get_redis_connection
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from casino_pam.cell import in_redis
from casino_pam.tokens import PlayerToken
from wallet.models import ApiKey

log = structlog.get_logger(__name__)

REQUESTS_A_SECOND: Final = 1_000
# A player mistypes a code now and then. Who guesses at this speed needs years for the shortest of them.
CODES_A_MINUTE: Final = 10
# A Redis that is away lets everybody through, and costs its time-out only this often.
PAUSE_SECONDS: Final = 1.0

_not_before = 0.0


class ApiKeyThrottle(BaseThrottle):
    """1,000 requests a second a key; a player's token is not counted."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        count = counted(f"{request.auth.pk}:{int(time.time())}", 1)
        return count is None or count <= REQUESTS_A_SECOND


class PromoCodeThrottle(BaseThrottle):
    """10 codes a minute a player, right or wrong."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, PlayerToken):
            return True
        minute, self.second = divmod(int(time.time()), 60)
        count = counted(f"codes:{request.auth.player}:{minute}", 60)
        return count is None or count <= CODES_A_MINUTE

    def wait(self) -> float:
        """Until the next minute begins."""
        return 60 - self.second


def counted(what: str, seconds: int) -> int | None:
    """How many of these there were within ``seconds``, this one included; None if unknown."""
    global _not_before
    if time.monotonic() < _not_before:
        return None
    name = in_redis(f"throttle:{what}")
    try:
        with get_redis_connection("default").pipeline() as pipeline:
            pipeline.incr(name)
            pipeline.expire(name, 2 * seconds)
            count, _ = pipeline.execute()
    except (RedisError, OSError):
        _not_before = time.monotonic() + PAUSE_SECONDS
        log.warning("throttle_lost_redis", exc_info=True)
        return None
    return int(count)
