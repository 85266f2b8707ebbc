"""Who and what a demo machine has, and what may be shown of it.

Its secrets are derived from SECRET_KEY, so they differ from machine to machine, can be printed again without being
stored, and say nothing about anybody else's.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any, Final

import msgspec
from django.conf import settings

from casino_pam import tokens

API_KEY: Final = "demo back end"
PROVIDER: Final = "demo-studio"
# One that speaks each dialect but our own, which is PROVIDER's; by its code.
PROVIDERS: Final = {
    "demo-beexar": "beexar",
    "demo-hub88": "hub88",
    "demo-swipegames": "swipegames",
    "demo-slotegrator": "slotegrator",
    "demo-pragmatic": "pragmatic",
    "demo-evolution": "evolution",
}
MERCHANT: Final = "demo-merchant"


class Operator(msgspec.Struct, frozen=True):
    """Somebody who may log in; ``role`` is superuser, or a group (docs/roles.md)."""

    name: str
    role: str


class Guest(msgspec.Struct, frozen=True):
    """A player to be shown: what was deposited, and what one spin costs; decimal strings."""

    code: str
    country: str
    currency: str
    deposit: str
    stake: str


OPERATORS: Final = (
    Operator("sue", "superuser"),
    Operator("adam", "administrator"),
    Operator("olga", "finance"),
    Operator("paul", "payments"),
    Operator("bea", "bonus"),
    Operator("sam", "support"),
    Operator("rita", "auditor"),
)
GUESTS: Final = (
    Guest("anna", "DE", "EUR", "200.00", "2.50"),
    Guest("ben", "US", "USD", "150.00", "1.00"),
    Guest("chika", "JP", "JPY", "30000", "200"),
    Guest("khalid", "KW", "KWD", "60.000", "0.500"),
    Guest("satoshi", "SV", "BTC", "0.05000000", "0.00010000"),
)


class NotADemo(Exception):
    """Demo data has no place here; the message says why."""


def secret(name: str) -> str:
    """The demo's password, key or secret of that name on this machine: 32 hex digits."""
    return hmac.new(settings.SECRET_KEY.encode(), f"demo {name}".encode(), hashlib.sha256).hexdigest()[:32]


def address(code: str) -> str:
    """Where the demo's provider of that code calls."""
    return f"{settings.BASE_URL}/api/game/{PROVIDERS[code]}/{code}/"


def must_be_allowed() -> None:
    """Raises NotADemo on a machine that was not told to be one (DEMO=on, as `make run` does)."""
    if not settings.DEMO:
        raise NotADemo(
            "This is no demo: DEMO is off, so no known password is made or printed here. "
            "On a machine of your own, `make run` sets DEMO=on."
        )


def description() -> dict[str, Any]:
    """Everything a script needs to use the demo. Raises NotADemo; tokens are fresh and short-lived."""
    must_be_allowed()
    return {
        "base_url": settings.BASE_URL,
        "api_key": secret("api key"),
        "provider": {"code": PROVIDER, "secret": secret("provider")},
        "dialects": [
            {"dialect": dialect, "code": code, "address": address(code), "secret": secret(code)}
            for code, dialect in PROVIDERS.items()
        ],
        "operators": [{"username": each.name, "password": secret(each.name), "role": each.role} for each in OPERATORS],
        "players": [
            {"player": guest.code, "currency": guest.currency, "token": tokens.issue(guest.code, time.time())[0]}
            for guest in GUESTS
        ],
    }
