"""What a provider's page shows to whoever integrates it: its address, a call as it must send it, the last refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from cryptography.fernet import InvalidToken
from django.conf import settings

from casino_pam import refused_signatures
from casino_pam.provider_side import ABSENT, Call, Intent, Sender, written
from wallet import providers
from wallet.models import Provider

# A question that changes nothing, in each dialect.
_EXAMPLES: Final[dict[str, Intent]] = {
    "door": Intent("/balance", {"player": "anna", "currency": "EUR"}),
    "beexar": Intent("/balance", {"account_id": "anna", "currency": "EUR", "game_id": "dice"}),
    "hub88": Intent("/user/balance", {"user": "anna", "token": "SESSION", "request_uuid": "5c9f2c9e-6a55-4c0e-9d7b"}),
    "swipegames": Intent("/balance", query={"sessionID": "SESSION"}),
    "slotegrator": Intent("", {"action": "balance", "player_id": "anna", "currency": "EUR", "game_uuid": "dice"}),
    "pragmatic": Intent("/balance.html", {"userId": "anna"}),
    "evolution": Intent(
        "/balance",
        {"sid": "SESSION", "userId": "anna", "uuid": "5c9f2c9e", "currency": "EUR", "game": None},
    ),
}
_NOTES: Final = {
    "hub88": "They add X-Hub88-Signature: base64 of RSA PKCS#1 v1.5 with SHA-256 over the body, by their private key.",
    "evolution": "They add ?authToken= with the secret: it is not shown here.",
}


class RefusedLine(NamedTuple):
    at: datetime
    call: str
    check: str
    request_id: str


def of_provider(provider: Provider) -> dict[str, Any]:
    """What the panel shows; the example is signed with the newest secret, which it does not show."""
    refused = refused_signatures.newest(provider.code)
    return {
        "provider": provider,
        "address": providers.address(provider, settings.BASE_URL),
        "example": _lines(provider),
        "note": _NOTES.get(provider.dialect, ""),
        "missing": _missing(provider),
        "refused": [
            RefusedLine(datetime.fromtimestamp(each.at, UTC), each.call, each.check, each.request_id)
            for each in refused
        ],
    }


def _missing(provider: Provider) -> list[str]:
    """What its dialect wants and it does not have yet."""
    wants = {"hub88": ("public_key_one", "a public key"), "slotegrator": ("merchant", "the merchant's name")}
    column, words = wants.get(provider.dialect, ("code", ""))
    return [] if getattr(provider, column) else [words]


def _lines(provider: Provider) -> list[str]:
    """The example as it goes over the wire; empty where there is no secret to sign with."""
    try:
        secrets = provider.live_secrets()
    except InvalidToken:
        return []
    if not secrets:
        return []
    sender = Sender(provider.dialect, provider.code, secrets[0].decode("utf-8", "replace"), provider.merchant)
    intent = _EXAMPLES[provider.dialect]._replace(at=time.time(), nonce="a-new-one-each-time")
    if provider.dialect in _NOTES:
        # Signed by a key we have not, or by the secret itself.
        intent = intent._replace(sign=ABSENT)
    return _shown(written(sender, intent))


def _shown(call: Call) -> list[str]:
    lines = [f"{call.method} {settings.BASE_URL}{call.path}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    return [*lines, "", call.body.decode()] if call.body else lines
