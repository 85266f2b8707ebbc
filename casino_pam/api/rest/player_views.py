"""Players: made, read, locked, limited, excluded, given a token; and what a player may see and set with one."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import tokens
from casino_pam.api import responses
from casino_pam.api.rest import examples, player_serializers, serializers
from casino_pam.api.rest.authentication import PLAYER
from casino_pam.api.rest.pagination import (
    STATEMENT,
    NewestFirstPagination,
    OnePage,
    PlayerPagination,
    StatementPagination,
    named,
)
from casino_pam.api.rest.rest_view import RestView, created
from casino_pam.api.rest.schema import documented
from casino_pam.engine import accounts, commands
from wallet import games, history, limits
from wallet.errors import Refused
from wallet.kinds import Verification
from wallet.limits import NewLimits
from wallet.models import LimitChange, Wallet


class Players(RestView):
    """Make a player, or list players in the order in which they were made."""

    scope = "players"
    pagination_class = PlayerPagination

    @documented(
        "Make a player",
        asks=player_serializers.NewPlayer,
        sends={"player": "alice", "country": "MT", "wallets": ["EUR"]},
        answers=player_serializers.Player,
        gets=examples.PLAYER,
        status=201,
        refusals=("unknown_currency", "already_exists", "one_currency"),
    )
    def post(self, request: Request) -> Response:
        body = self.validated(player_serializers.NewPlayer)
        wallets = body.get("wallets", [])
        about = {"country": body.get("country"), "verification": body.get("verification", Verification.UNVERIFIED)}
        made = accounts.create(body["player"], currencies=wallets, record=self.record, **about)
        return created(player_serializers.Player(made).data)

    @documented(
        "List the players",
        answers=player_serializers.ListedPlayer(many=True),
        query=(player_serializers.PlayerQuery,),
    )
    def get(self, request: Request) -> Response:
        # The pagination asks for the players: a page is not a slice of them all.
        found = self.paginate_queryset(())
        return self.get_paginated_response(player_serializers.ListedPlayer(found, many=True).data)


class Player(RestView):
    """A player: locks, exclusion, wallets."""

    scope = "players"

    @documented("Read a player", answers=player_serializers.Player, gets=examples.PLAYER, refusals=("unknown_player",))
    def get(self, request: Request, player: str) -> Response:
        return Response(player_serializers.Player(accounts.find(player)).data)

    @documented(
        "Lock, exclude, verify or correct a player",
        asks=player_serializers.PlayerChanges,
        sends={"locks": {"bet": True}, "excluded_until": "2027-01-01T00:00:00Z"},
        answers=player_serializers.Player,
        gets={**examples.PLAYER, "locks": {"bet": True, "deposit": False, "withdraw": False}},
        refusals=("unknown_player", "one_currency"),
    )
    def patch(self, request: Request, player: str) -> Response:
        changes = self.validated(player_serializers.PlayerChanges, partial=True)
        return Response(player_serializers.Player(accounts.change(player, self.record, **changes)).data)


class PlayerWallets(RestView):
    """Open a wallet."""

    scope = "players"

    @documented(
        "Open a wallet",
        asks=serializers.NewWallet,
        sends={"currency": "EUR"},
        answers=serializers.Wallet,
        status=201,
        refusals=("unknown_player", "unknown_currency", "already_exists", "one_currency"),
    )
    def post(self, request: Request, player: str) -> Response:
        opened = accounts.open_wallet(player, record=self.record, **self.validated(serializers.NewWallet))
        return created(responses.wallet_at(opened, None))


class PlayerTokens(RestView):
    """Hand out a short-lived token for the player's browser or app."""

    scope = "players"

    @documented("Hand out a player's token", answers=player_serializers.Token, status=201, refusals=("unknown_player",))
    def post(self, request: Request, player: str) -> Response:
        _ = self.body_if_any
        text, token = tokens.issue(accounts.find(player).code, time.time())
        expires = datetime.fromtimestamp(token.expires_at, UTC)
        self.record("issue token", player=player, subject=player, after={"expires_at": expires})
        return created(player_serializers.Token({"token": text, "expires_at": expires}).data)


NO_SUCH_WALLET = ("unknown_player", "unknown_wallet")


class LimitsView(RestView):
    """The limits of one wallet."""

    def read(self, player: str) -> Response:
        """Of the wallet named by ``?currency=``, or else of the one opened first."""
        return _answer(_wallet(player, self.query(serializers.CurrencyQuery).get("currency")))

    def put_down(self, player: str) -> Response:
        body = self.validated(player_serializers.LimitsAsked)
        currency = body.pop("currency")
        wanted: NewLimits = {
            f"{subject}_{period}": amount for subject, named in body.items() for period, amount in named.items()
        }
        wallet = _wallet(player, currency)
        with transaction.atomic():
            changes = limits.change(wallet, wanted, commands.now(), self.actor)
            if changes is not None:
                about = {"player": player, "subject": currency, "before": changes.before, "after": changes.after}
                self.record("limit", **about)
        return _answer(wallet)


class PlayerLimits(LimitsView):
    scope = "players"

    @documented(
        "Read a player's limits",
        answers=player_serializers.Limits,
        gets=examples.LIMITS,
        query=(serializers.CurrencyQuery,),
        refusals=NO_SUCH_WALLET,
    )
    def get(self, request: Request, player: str) -> Response:
        return self.read(player)

    @documented(
        "Set a player's limits, at the player's word",
        asks=player_serializers.LimitsAsked,
        sends=examples.LIMITS_ASKED,
        answers=player_serializers.Limits,
        gets=examples.LIMITS,
        refusals=NO_SUCH_WALLET,
    )
    def put(self, request: Request, player: str) -> Response:
        return self.put_down(player)


class MyLimits(LimitsView):
    scope = PLAYER

    @documented(
        "My limits",
        answers=player_serializers.Limits,
        gets=examples.LIMITS,
        query=(serializers.CurrencyQuery,),
        refusals=("unknown_wallet",),
    )
    def get(self, request: Request) -> Response:
        return self.read(self.token.player)

    @documented(
        "Set my limits: a lower one holds at once, a higher one is asked for and confirmed later",
        asks=player_serializers.LimitsAsked,
        sends=examples.LIMITS_ASKED,
        answers=player_serializers.Limits,
        gets=examples.LIMITS,
        refusals=("unknown_wallet",),
    )
    def put(self, request: Request) -> Response:
        return self.put_down(self.token.player)


class MyLimitChanges(RestView):
    """Every change of the player's limits, in all wallets, newest first."""

    scope = PLAYER
    pagination_class = NewestFirstPagination

    @documented("How my limits have changed", answers=player_serializers.LimitChange(many=True))
    def get(self, request: Request) -> Response:
        wallets = accounts.wallets(self.token.player)
        changes = LimitChange.objects.filter(wallet__in=wallets).select_related("wallet__currency").order_by("-id")
        found = self.paginate_queryset(changes)
        return self.get_paginated_response(player_serializers.LimitChange(found, many=True).data)


class MyRealityCheck(RestView):
    """How often the player's page tells time and net result of the session, and what the result is."""

    scope = PLAYER

    @documented(
        "My reality check",
        answers=player_serializers.RealityCheck,
        gets=examples.REALITY_CHECK,
        query=(player_serializers.SinceQuery,),
    )
    def get(self, request: Request) -> Response:
        return self._answer(self.query(player_serializers.SinceQuery).get("since"))

    @documented(
        "Set how often I am told",
        asks=player_serializers.RealityCheckAsked,
        sends={"minutes": 30},
        answers=player_serializers.RealityCheck,
        gets={**examples.REALITY_CHECK, "minutes": 30, "played": []},
    )
    def put(self, request: Request) -> Response:
        minutes = self.validated(player_serializers.RealityCheckAsked)["minutes"]
        accounts.set_reality_check(self.token.player, minutes, self.record)
        return self._answer(None)

    def _answer(self, since: datetime | None) -> Response:
        player = accounts.find(self.token.player)
        played = [] if since is None else history.played_since(accounts.wallets(player.code), since)
        about = {"shortest": accounts.SHORTEST_CHECK, "longest": accounts.LONGEST_CHECK, "played": played}
        minutes = player.reality_check_minutes or accounts.USUAL_CHECK
        return Response(player_serializers.RealityCheck({"minutes": minutes, **about}).data)


class MyExclusion(RestView):
    """A cool-off or a self-exclusion: the player begins it or makes it longer, and cannot take it back."""

    scope = PLAYER

    @documented(
        "Exclude myself until a moment",
        asks=player_serializers.ExclusionAsked,
        sends={"excluded_until": "2027-01-01T00:00:00Z"},
        answers=player_serializers.Player,
        gets={**examples.PLAYER, "excluded_until": "2027-01-01T00:00:00.000000Z"},
    )
    def put(self, request: Request) -> Response:
        player = self.token.player
        until = self.validated(player_serializers.ExclusionAsked)["excluded_until"]
        return Response(player_serializers.Player(accounts.exclude_myself(player, until, self.record)).data)


def _wallet(player: str, currency: str | None) -> Wallet:
    found = accounts.wallets(player, currency)
    if not found:
        raise Refused("unknown_wallet", player=player)
    return found[0]


def _answer(wallet: Wallet) -> Response:
    return Response(responses.limits(wallet, limits.of(wallet, commands.now())))


class Me(RestView):
    """The player: locks, exclusion, wallets."""

    scope = PLAYER

    @documented("Read myself", answers=player_serializers.Player, gets=examples.PLAYER)
    def get(self, request: Request) -> Response:
        return Response(player_serializers.Player(accounts.find(self.token.player)).data)


class MyWallets(RestView):
    """Where each of the player's wallets stands."""

    scope = PLAYER
    pagination_class = OnePage

    @documented("My wallets", answers=serializers.Wallet(many=True), gets=examples.WALLET)
    def get(self, request: Request) -> Response:
        found = self.paginate_queryset(accounts.standings(self.token.player))
        return self.get_paginated_response([responses.standing(each) for each in found])


class MyTransactions(RestView):
    """The statements of all the player's wallets in one, newest first; ``?currency=`` for one of them."""

    scope = PLAYER
    pagination_class = StatementPagination

    @documented(
        "My statement",
        answers=serializers.MyEntry(many=True),
        query=(serializers.CurrencyQuery, serializers.StatementQuery),
        refusals=("unknown_wallet",),
    )
    def get(self, request: Request) -> Response:
        # A parameter that came twice is refused before the wallet is looked for.
        named(request, ("currency", *STATEMENT))
        currency = self.query(serializers.CurrencyQuery).get("currency")
        rows = self.paginate_queryset(accounts.wallets(self.token.player, currency))
        games.give_names(rows)
        return self.get_paginated_response(serializers.MyEntry(rows, many=True).data)


class MySocketTicket(RestView):
    """A one-time ticket for the WebSocket, which cannot send a header."""

    scope = PLAYER

    @documented("Buy a ticket for the WebSocket", answers=player_serializers.Ticket, status=201)
    def post(self, request: Request) -> Response:
        _ = self.body_if_any
        ticket, expires_at = tokens.issue_ticket(self.token, time.time())
        expires = datetime.fromtimestamp(expires_at, UTC)
        return created(player_serializers.Ticket({"ticket": ticket, "expires_at": expires}).data)
