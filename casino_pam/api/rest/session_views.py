"""Sessions of games: opened by the back end when a player launches one, ended by it or by the player."""

from __future__ import annotations

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField

from casino_pam.api.rest import examples
from casino_pam.api.rest.authentication import PLAYER
from casino_pam.api.rest.pagination import OnePage
from casino_pam.api.rest.rest_view import RestView, created, empty
from casino_pam.api.rest.schema import documented
from casino_pam.api.rest.serializer_fields import CurrencyField, InstantField, NameField, StrictSerializer
from casino_pam.engine import sessions
from wallet.models import GameSession


class NewSession(StrictSerializer):
    provider = NameField()
    currency = CurrencyField()
    game = NameField(required=False, help_text="The game it was opened with; some dialects send none with a bet.")


class OpenedSession(StrictSerializer):
    session = CharField(source="id", help_text="32 URL-safe characters, handed to the provider.")
    expires_at = InstantField()


class LivingSession(StrictSerializer):
    session = CharField(source="id")
    provider = CharField(source="provider.code")
    currency = CurrencyField(source="currency_id")
    game = CharField(allow_null=True)
    created_at = InstantField()
    expires_at = InstantField()


# --- views ------------------------------------------------------------------------------------


class PlayerSessions(RestView):
    """Open a session for a player who launches a game."""

    scope = "players"

    @documented(
        "Open a session of a game",
        asks=NewSession,
        sends={"provider": "nova", "currency": "EUR", "game": "book-of-days"},
        answers=OpenedSession,
        gets=examples.SESSION,
        status=201,
        refusals=("unknown_player", "unknown_provider", "unknown_currency", "unknown_wallet"),
    )
    def post(self, request: Request, player: str) -> Response:
        body = {"game": None, **self.validated(NewSession)}
        with transaction.atomic():
            session = sessions.open_session(player, **body)
            self.record("open session", player=player, subject=session.id, after=body)
        return created(OpenedSession(session).data)


class EndsSession(RestView):
    def ended(self, session: GameSession) -> Response:
        """End it, with a row of the audit trail if it had not ended before."""
        with transaction.atomic():
            if sessions.end(session):
                self.record("end session", player=session.player.code, subject=session.id)
        return empty()


class Session(EndsSession):
    """One session."""

    scope = "players"

    @documented(
        "End a session: it stops bets from then on, and never a win or a rollback",
        answers=None,
        status=204,
        refusals=("unknown_session",),
    )
    def delete(self, request: Request, session: str) -> Response:
        return self.ended(sessions.find(session))


class MySessions(RestView):
    """The player's sessions that have not ended, the newest first."""

    scope = PLAYER
    pagination_class = OnePage

    @documented("My sessions", answers=LivingSession(many=True))
    def get(self, request: Request) -> Response:
        found = self.paginate_queryset(sessions.of_player(self.token.player)[: sessions.SHOWN])
        return self.get_paginated_response(LivingSession(found, many=True).data)


class MySession(EndsSession):
    """One of the player's sessions; another player's is unknown."""

    scope = PLAYER

    @documented("End a session of mine", answers=None, status=204, refusals=("unknown_session",))
    def delete(self, request: Request, session: str) -> Response:
        return self.ended(sessions.find(session, player=self.token.player))
