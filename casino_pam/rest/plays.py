"""Bets, wins and rollbacks of a back end that plays provider itself.

The bodies and answers are the game door's. The provider is the key's, never the body's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import accounts, teller
from casino_pam.commands import Play
from casino_pam.game_door import answers
from casino_pam.game_door.wire import Reader
from casino_pam.rest import examples, shapes
from casino_pam.rest.described import described
from casino_pam.rest.door import Door
from wallet.errors import Refused
from wallet.models import Provider

NO_WALLET = ("unknown_player", "unknown_wallet", "unknown_currency")


class Plays(Door):
    scope = "play"
    read: ClassVar[Callable[[Reader, dict[str, Any]], Play]]

    def play(self) -> Response:
        body = self.body
        receipt = teller.carry_out(type(self).read(self._reader(), body))
        return Response(answers.receipt(receipt))

    def _reader(self) -> Reader:
        provider = self.key.provider
        if provider is None:
            raise Refused("forbidden", why="key_without_provider")
        per_player = provider.reference_scope == Provider.ReferenceScope.PLAYER
        return Reader(provider.code, accounts.digits(), per_player=per_player, **self.carried())


class Bets(Plays):
    read = Reader.bet

    @described(
        "Take a stake",
        asks=shapes.Bet,
        sends=examples.PLAYED,
        answers=shapes.Receipt,
        gets=examples.receipt("bet", "b-1", "1.00"),
        refusals=(
            *NO_WALLET,
            "reference_reused",
            "rolled_back",
            "round_closed",
            "player_excluded",
            "wallet_locked",
            "currency_disabled",
            "game_excluded",
            "stake_above_limit",
            "limit_reached",
            "bonus_active",
            "insufficient_funds",
        ),
    )
    def post(self, request: Request) -> Response:
        return self.play()


class Wins(Plays):
    read = Reader.win

    @described(
        "Pay",
        asks=shapes.Win,
        sends={**examples.PLAYED, "reference": "w-1", "amount": "7.50", "bet": "b-1"},
        answers=shapes.Receipt,
        gets=examples.receipt("win", "w-1", "7.50"),
        refusals=(*NO_WALLET, "reference_reused", "rolled_back", "round_closed", "unknown_original", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        return self.play()


class Rollbacks(Plays):
    read = Reader.rollback

    @described(
        "Undo a bet or a win",
        asks=shapes.Rollback,
        sends={"player": "alice", "reference": "rb-1", "original": "b-1"},
        answers=shapes.Receipt,
        gets=examples.receipt("rollback", "rb-1", "1.00"),
        refusals=(
            *NO_WALLET,
            "reference_reused",
            "original_mismatch",
            "already_rolled_back",
            "has_payout",
            "unknown_original",
            "insufficient_funds",
        ),
    )
    def post(self, request: Request) -> Response:
        return self.play()
