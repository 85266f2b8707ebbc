"""Players: made, read, locked, excluded, given a token."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import accounts, fields, tokens
from casino_pam.fields import Body, InvalidField
from casino_pam.rest import examples, shapes, shown
from casino_pam.rest.described import described
from casino_pam.rest.door import Door, made

LOCKS: Final = ("bet", "deposit", "withdraw")
MOST_WALLETS: Final = 100

_country_shape = re.compile(r"[A-Z]{2}").fullmatch


class Players(Door):
    """Make a player."""

    scope = "players"

    @described(
        "Make a player",
        asks=shapes.NewPlayer,
        sends={"player": "alice", "country": "MT", "wallets": ["EUR"]},
        answers=shapes.Player,
        gets=examples.PLAYER,
        status=201,
        refusals=("unknown_currency", "already_exists"),
    )
    def post(self, request: Request) -> Response:
        body = self.body
        player = fields.text_id(body, "player")
        country = fields.optional(_country, body, "country")
        currencies = fields.optional(_currencies, body, "wallets") or []
        return made(shown.player(accounts.create(player, country=country, currencies=currencies)))


class Player(Door):
    """A player: locks, exclusion, wallets."""

    scope = "players"

    @described("Read a player", answers=shapes.Player, gets=examples.PLAYER, refusals=("unknown_player",))
    def get(self, request: Request, player: str) -> Response:
        return Response(shown.player(accounts.find(player)))

    @described(
        "Lock, exclude or correct a player",
        asks=shapes.PlayerChanges,
        sends={"locks": {"bet": True}, "excluded_until": "2027-01-01T00:00:00Z"},
        answers=shapes.Player,
        gets={**examples.PLAYER, "locks": {"bet": True, "deposit": False, "withdraw": False}},
        refusals=("unknown_player",),
    )
    def patch(self, request: Request, player: str) -> Response:
        return Response(shown.player(accounts.change(player, **_changes(self.body))))


class PlayerWallets(Door):
    """Open a wallet."""

    scope = "players"

    @described(
        "Open a wallet",
        asks=shapes.NewWallet,
        sends={"currency": "EUR"},
        answers=shapes.Wallet,
        status=201,
        refusals=("unknown_player", "unknown_currency", "already_exists"),
    )
    def post(self, request: Request, player: str) -> Response:
        return made(shown.past(accounts.open_wallet(player, fields.currency(self.body)), None))


class PlayerTokens(Door):
    """Hand out a short-lived token for the player's browser or app."""

    scope = "players"

    @described("Hand out a player's token", answers=shapes.Token, status=201, refusals=("unknown_player",))
    def post(self, request: Request, player: str) -> Response:
        _ = self.body_if_any
        text, token = tokens.issue(accounts.find(player).code, time.time())
        expires = datetime.fromtimestamp(token.expires_at, UTC)
        return made({"token": text, "expires_at": shown.instant(expires)})


def _changes(body: Body) -> dict[str, Any]:
    """The columns to set, each only if the body names it."""
    changes: dict[str, Any] = {}
    locks = fields.part(body.get("locks", {}), "locks")
    for lock in LOCKS:
        if lock in locks:
            changes[f"{lock}_locked"] = _lock(locks, lock)
    if "excluded_until" in body:
        # null lifts the exclusion.
        until = body["excluded_until"]
        changes["excluded_until"] = None if until is None else fields.instant(body, "excluded_until")
    if "country" in body:
        changes["country"] = _country(body, "country")
    return changes


def _lock(locks: Body, lock: str) -> bool:
    try:
        return fields.flag(locks, lock)
    except InvalidField as refusal:
        raise refusal.inside("locks") from None


def _country(body: Body, field: str) -> str:
    code = body[field]
    if type(code) is not str or _country_shape(code) is None:
        raise InvalidField(field, 'must be the two capital letters of ISO 3166, such as "MT"')
    return code


def _currencies(body: Body, field: str) -> list[str]:
    codes = body[field]
    if type(codes) is not list or len(codes) > MOST_WALLETS:
        raise InvalidField(field, f"must be an array of at most {MOST_WALLETS} currencies")
    named = {f"{field}[{place}]": code for place, code in enumerate(codes)}
    for where in named:
        fields.currency(named, where)
    if len(set(codes)) < len(codes):
        raise InvalidField(field, "must name each currency once")
    return codes
