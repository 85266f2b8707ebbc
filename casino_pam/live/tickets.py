"""One-time tickets that open a WebSocket: browsers cannot send a header with the handshake.

A ticket stands in Redis for 30 s, names the player and ends no later than the token it was bought
with. Spending takes it away, so of two who show it one comes in.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

import msgspec
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from casino_pam.tokens import PlayerToken
from wallet.errors import Busy

LIFETIME_SECONDS: Final = 30

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PlayerToken).decode
_shape = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch


def issue(token: PlayerToken, now: float) -> tuple[str, int]:
    """A new ticket for the token's player, and until when it is good (unix seconds).

    Raises Busy (``unavailable``) while Redis is away.
    """
    ticket = secrets.token_urlsafe(32)
    expires_at = min(int(now) + LIFETIME_SECONDS, token.expires_at)
    try:
        get_redis_connection("default").set(_key(ticket), _encode(token), exat=expires_at)
    except RedisError:
        raise Busy("unavailable") from None
    return ticket, expires_at


def spend(ticket: str) -> PlayerToken | None:
    """The token the ticket was bought with, once; None for any other text. Raises RedisError."""
    if _shape(ticket) is None:
        return None
    found: bytes | None = get_redis_connection("default").getdel(_key(ticket))
    return None if found is None else _decode(found)


def _key(ticket: str) -> str:
    return f"socket-ticket:{ticket}"
