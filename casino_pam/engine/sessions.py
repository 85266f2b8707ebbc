"""Sessions of games: a player who opened one, as providers name them (DIALECTS.md §1). Opened, found, ended; never
deleted.

A session that has ended stops bets, and balances and log-ins where the dialect says so; wins, rollbacks and ends of
rounds name it for ever. Whether one stops a bet is decided in the posting (``play``), from the row as it stands then.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from wallet import audit
from wallet.errors import Refused
from wallet.models import Currency, GameSession, Player, Provider, Wallet

# Who acts, in the audit trail, where nobody else does.
HOUSE: Final = "house"
_BYTES: Final = 24  # make 32 characters
# More of a player's sessions than anybody should have open at once.
SHOWN: Final = 100


def open_session(player: str, *, provider: str, currency: str, game: str | None) -> GameSession:
    """Open a session for a player's wallet; it lives SESSION_HOURS.

    Raises Refused: ``unknown_player``, ``unknown_provider``, ``unknown_currency``, ``unknown_wallet``.
    """
    holder = Player.objects.filter(code=player).first()
    if holder is None:
        raise Refused("unknown_player", player=player)
    partner = Provider.objects.filter(code=provider).first()
    if partner is None:
        raise Refused("unknown_provider", provider=provider)
    if not Currency.objects.filter(code=currency).exists():
        raise Refused("unknown_currency", currency=currency)
    if not Wallet.objects.filter(player=holder, currency=currency).exists():
        raise Refused("unknown_wallet", player=player, currency=currency)
    now = timezone.now()
    return GameSession.objects.create(
        id=secrets.token_urlsafe(_BYTES),
        provider=partner,
        player=holder,
        currency_id=currency,
        game=game,
        created_at=now,
        expires_at=now + timedelta(hours=settings.SESSION_HOURS),
    )


def _sessions() -> QuerySet[GameSession]:
    return GameSession.objects.select_related("provider", "player")


def find(id: str, *, provider: str | None = None, player: str | None = None) -> GameSession:
    """The session of that id, ended or not.

    Raises Refused (``unknown_session``): a session of another provider, or of another player, is unknown.
    """
    of_these: dict[str, Any] = {"id": id}
    if provider is not None:
        of_these["provider__code"] = provider
    if player is not None:
        of_these["player__code"] = player
    found = _sessions().filter(**of_these).first()
    if found is None:
        raise Refused("unknown_session")
    return found


def newest(provider: str, player: str) -> GameSession | None:
    """The player's newest session with this provider, ended or not; None where there never was one."""
    return _sessions().filter(provider__code=provider, player__code=player).order_by("-created_at", "-id").first()


def of_player(player: str) -> QuerySet[GameSession]:
    """A player's sessions that stop no bets yet, the newest first."""
    return _sessions().filter(_live(timezone.now()), player__code=player).order_by("-created_at", "-id")


def _live(at: datetime) -> Q:
    return Q(ended_at__isnull=True, expires_at__gt=at)


def end(session: GameSession) -> bool:
    """End a session; False where it had ended before, which is as well."""
    now = timezone.now()
    return GameSession.objects.filter(_live(now), pk=session.pk).update(ended_at=now) == 1


def end_all(player: str) -> list[str]:
    """End every session of the player, for a restriction that is made in the caller's transaction.

    The trail says so beside the restriction, which names who made it. Returns the ids of those that lived.
    """
    now = timezone.now()
    living = GameSession.objects.filter(_live(now), player__code=player)
    ids = list(living.order_by("id").values_list("id", flat=True))
    if ids:
        GameSession.objects.filter(_live(now), pk__in=ids).update(ended_at=now)
        audit.named(None, HOUSE, "end sessions", player=player, subject=", ".join(ids)[:300], after={"ended": ids})
    return ids
