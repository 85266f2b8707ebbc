"""A player's token: signed, kept nowhere, short-lived, and bound to one player.

The casino's own back end has logged the player in; it asks for a token and hands it to the
browser or app. Nothing can be looked up or revoked: fifteen minutes are the bound on a stolen one.
"""

from __future__ import annotations

from typing import Final

import msgspec
from django.core.signing import BadSignature, Signer

from wallet.errors import Refused

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
