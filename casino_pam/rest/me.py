"""What a player may see with a token: the player's own things, and nobody else's."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import accounts, fields
from casino_pam.fields import optional
from casino_pam.live import tickets
from casino_pam.rest import examples, queries, shapes, shown
from casino_pam.rest.callers import PLAYER
from casino_pam.rest.described import described
from casino_pam.rest.door import Door, made
from casino_pam.rest.wallets import listed


class Me(Door):
    """The player: locks, exclusion, wallets."""

    scope = PLAYER

    @described("Read myself", answers=shapes.Player, gets=examples.PLAYER)
    def get(self, request: Request) -> Response:
        return Response(shown.player(accounts.find(self.token.player)))


class MyWallets(Door):
    """Where each of the player's wallets stands."""

    scope = PLAYER

    @described("My wallets", answers=shapes.Wallets, gets={"results": [examples.WALLET], "next": None})
    def get(self, request: Request) -> Response:
        found = accounts.standings(self.token.player)
        return Response({"results": [shown.standing(each) for each in found], "next": None})


class MyTransactions(Door):
    """The statements of all the player's wallets in one, newest first; ``?currency=`` for one of them."""

    scope = PLAYER

    @described(
        "My statement",
        answers=shapes.Entries,
        query=("currency", *queries.STATEMENT),
        refusals=("unknown_wallet",),
    )
    def get(self, request: Request) -> Response:
        query = queries.named(request, ("currency", *queries.STATEMENT))
        currency = optional(fields.currency, query, "currency")
        return Response(listed(accounts.wallets(self.token.player, currency), query))


class MySocketTicket(Door):
    """A one-time ticket for the WebSocket, which cannot send a header."""

    scope = PLAYER

    @described("Buy a ticket for the WebSocket", answers=shapes.Ticket, status=201)
    def post(self, request: Request) -> Response:
        _ = self.body_if_any
        ticket, expires_at = tickets.issue(self.token, time.time())
        return made({"ticket": ticket, "expires_at": shown.instant(datetime.fromtimestamp(expires_at, UTC))})
