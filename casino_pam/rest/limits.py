"""A player's own limits and exclusion, set by the player or at the player's word by the back end."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import accounts, commands, fields, limits
from casino_pam.fields import Body, InvalidField
from casino_pam.limits import Wanted
from casino_pam.rest import examples, queries, shapes, shown
from casino_pam.rest.callers import PLAYER
from casino_pam.rest.described import described
from casino_pam.rest.door import Door
from wallet import audit
from wallet.errors import Refused
from wallet.models import Wallet
from wallet.periods import PERIODS, SUBJECTS

NO_WALLET = ("unknown_player", "unknown_wallet")


class LimitsDoor(Door):
    """The limits of one wallet."""

    def read(self, player: str) -> Response:
        """Of the wallet named by ``?currency=``, or else of the one opened first."""
        currency = fields.optional(fields.currency, queries.named(self.request, ("currency",)), "currency")
        return _answer(_wallet(player, currency))

    def put_down(self, player: str, actor: str) -> Response:
        currency = fields.currency(self.body)
        wanted = _wanted(self.body, accounts.digits().get(currency))
        wallet = _wallet(player, currency)
        with transaction.atomic():
            changes = limits.change(wallet, wanted, commands.now())
            if changes is not None:
                about = {"player": player, "subject": currency, "before": changes.before, "after": changes.after}
                audit.named(self.request._request, actor, "limit", **about)
        return _answer(wallet)


class PlayerLimits(LimitsDoor):
    scope = "players"

    @described(
        "Read a player's limits",
        answers=shapes.Limits,
        gets=examples.LIMITS,
        query=("currency",),
        refusals=NO_WALLET,
    )
    def get(self, request: Request, player: str) -> Response:
        return self.read(player)

    @described(
        "Set a player's limits, at the player's word",
        asks=shapes.LimitsAsked,
        sends=examples.LIMITS_ASKED,
        answers=shapes.Limits,
        gets=examples.LIMITS,
        refusals=NO_WALLET,
    )
    def put(self, request: Request, player: str) -> Response:
        return self.put_down(player, f"key:{self.key.name}")


class MyLimits(LimitsDoor):
    scope = PLAYER

    @described(
        "My limits", answers=shapes.Limits, gets=examples.LIMITS, query=("currency",), refusals=("unknown_wallet",)
    )
    def get(self, request: Request) -> Response:
        return self.read(self.token.player)

    @described(
        "Set my limits: a lower one holds at once, a higher one is asked for and confirmed a day later",
        asks=shapes.LimitsAsked,
        sends=examples.LIMITS_ASKED,
        answers=shapes.Limits,
        gets=examples.LIMITS,
        refusals=("unknown_wallet",),
    )
    def put(self, request: Request) -> Response:
        return self.put_down(self.token.player, f"player:{self.token.player}")


class MyExclusion(Door):
    """A cool-off or a self-exclusion: the player begins it or makes it longer, and cannot take it back."""

    scope = PLAYER

    @described(
        "Exclude myself until a moment",
        asks=shapes.ExclusionAsked,
        sends={"excluded_until": "2027-01-01T00:00:00Z"},
        answers=shapes.Player,
        gets={**examples.PLAYER, "excluded_until": "2027-01-01T00:00:00.000000Z"},
    )
    def put(self, request: Request) -> Response:
        player = self.token.player
        until = fields.instant(self.body, "excluded_until")
        record = partial(audit.named, request._request, f"player:{player}")
        return Response(shown.player(accounts.exclude_myself(player, until, record)))


def _wallet(player: str, currency: str | None) -> Wallet:
    found = accounts.wallets(player, currency)
    if not found:
        raise Refused("unknown_wallet", player=player)
    return found[0]


def _answer(wallet: Wallet) -> Response:
    return Response(shown.limits(wallet, limits.of(wallet, commands.now())))


def _wanted(body: Body, digits: int | None) -> Wanted:
    """The limits the body names; null lifts one. Of a currency we do not keep only the shape can be judged."""
    wanted: dict[str, int | None] = {}
    for subject in SUBJECTS:
        named = fields.part(body.get(subject, {}), subject)
        for period in PERIODS:
            if period in named:
                wanted[f"{subject}_{period}"] = _amount(named, subject, period, digits)
    return wanted


def _amount(named: dict[str, Any], subject: str, period: str, digits: int | None) -> int | None:
    if named[period] is None:
        return None
    try:
        if digits is not None:
            return fields.amount(named, period, digits)
        fields.amount_text(named, period)
        return None
    except InvalidField as refusal:
        raise refusal.inside(subject) from None
