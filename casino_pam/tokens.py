"""Tokens of players, and the one-time tickets that open a WebSocket.

A token is signed, kept nowhere, short-lived, and bound to one player. The casino's own back end has logged the player
in; it asks for a token and hands it to the browser or app. Nothing can be looked up or revoked: fifteen minutes are
the bound on a stolen one. A browser cannot send a header with the handshake of a WebSocket, so it buys a ticket: that
stands in Redis for 30 s, names the player and ends no later than the token it was bought with. Spending takes it away,
so of two who show it one comes in.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

import msgspec
from django.core.signing import BadSignature, Signer
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from casino_pam.cell import in_redis
from wallet.errors import Busy, Refused

LIFETIME_SECONDS: Final = 15 * 60


class PlayerToken(msgspec.Struct, frozen=True):
    """Whom a token stands for, and until when (unix seconds)."""

    player: str
    expires_at: int


def issue(player: str, now: float) -> tuple[str, PlayerToken]:
    """A new token, as the text to send, and what it says."""
    token = PlayerToken(player=player, expires_at=int(now) + LIFETIME_SECONDS)
    return _signer().sign_object(msgspec.structs.asdict(token)), token


def read(text: str, now: float) -> PlayerToken:
    """What the token says; raises Refused (``unauthenticated``) if it is not ours or has ended."""
    try:
        # A lone surrogate could not even be compared; no token of ours has one.
        token = PlayerToken(**_signer().unsign_object(text)) if text.isascii() else None
    except BadSignature:
        token = None
    if token is None or token.expires_at <= now:
        raise Refused("unauthenticated")
    return token


def _signer() -> Signer:
    # The separator must travel in a header and in a query string as it is.
    return Signer(sep=".", salt="casino_pam.player-token")


TICKET_SECONDS: Final = 30

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PlayerToken).decode
_shape = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch


def issue_ticket(token: PlayerToken, now: float) -> tuple[str, int]:
    """A new ticket for the token's player, and until when it is good (unix seconds).

    Raises Busy (``unavailable``) while Redis is away.
    """
    ticket = secrets.token_urlsafe(32)
    expires_at = min(int(now) + TICKET_SECONDS, token.expires_at)
    try:
        get_redis_connection("default").set(_key(ticket), _encode(token), exat=expires_at)
    except RedisError:
        raise Busy("unavailable") from None
    return ticket, expires_at


def spend_ticket(ticket: str) -> PlayerToken | None:
    """The token the ticket was bought with, once; None for any other text. Raises RedisError."""
    if _shape(ticket) is None:
        return None
    found: bytes | None = get_redis_connection("default").getdel(_key(ticket))
    return None if found is None else _decode(found)


def _key(ticket: str) -> str:
    return in_redis(f"socket-ticket:{ticket}")
