"""What the OpenAPI document shows as requests and answers."""

from __future__ import annotations

from typing import Any, Final

ASKED: Final = {"player": "alice", "currency": "EUR", "reference": "d-1", "amount": "25.00"}
PLAYED: Final = {
    "player": "alice",
    "currency": "EUR",
    "reference": "b-1",
    "round": "round-1",
    "game": "slot-1",
    "amount": "1.00",
}

PLAYER: Final = {
    "player": "alice",
    "country": "MT",
    "locks": {"bet": False, "deposit": False, "withdraw": False},
    "excluded_until": None,
    "verification": "unverified",
    "wallets": ["EUR"],
}
WAGERING: Final = {
    "bonus": "0198bf2e-6d07-7c51-8a6f-5a0f6d3f9b11",
    "wagered": "250.00",
    "required": "750.00",
    "percent": 33,
    "status": "active",
}
WALLET: Final = {
    "player": "alice",
    "currency": "EUR",
    "cash": "90.00",
    "bonus": "20.00",
    "held": "0.00",
    "balance": "110.00",
    "version": 7,
    "wagering": WAGERING,
}


def receipt(kind: str, reference: str, amount: str, **more: Any) -> dict[str, Any]:
    """A receipt of Alice's, without a bonus."""
    return {
        "transaction": "0198c0a4-52b1-7d3e-9f60-2b8f4c1d7e05",
        "kind": kind,
        "status": "posted",
        "reference": reference,
        "currency": "EUR",
        "amount": amount,
        "bonus_amount": "0.00",
        "balance": "90.00",
        "cash": "90.00",
        "bonus": "0.00",
        "version": 7,
        "replayed": False,
        "wagering": None,
        **more,
    }


SESSION: Final = {"session": "Zx3VbA9qYkT0m1Jr8uHc5wQe7oPl2dNs", "expires_at": "2026-11-23T10:30:00.000000Z"}
NEW_PROVIDER: Final = {
    "code": "nova",
    "name": "Nova",
    "dialect": "hub88",
    "currencies": {"mBTC": "BTC"},
    "profile": {"win_requires_bet": False},
}
PROVIDER: Final = {
    "code": "nova",
    "name": "Nova",
    "enabled": True,
    "dialect": "hub88",
    "address": "https://pam.example/api/game/hub88/nova/",
    "merchant": "",
    "public_keys": [],
    "currencies": {"mBTC": "BTC"},
    "file_mapping": {},
    "profile": {
        "reference_scope": "global",
        "replay_balance": "first",
        "zero_amount": "accept",
        "win_requires_bet": False,
        "late_win": "accept",
        "unknown_rollback": "void",
        "late_bet": "refuse",
        "rollback_after_win": "allow",
        "rollback_wins": True,
        "win_rollback": "clamp",
        "ends_rounds": False,
        "share_references": True,
    },
    "live_secrets": 1,
}

REALITY_CHECK: Final = {
    "minutes": 60,
    "shortest": 10,
    "longest": 120,
    "played": [{"currency": "EUR", "staked": "20.00", "won": "7.50", "result": "-12.50"}],
}
BONUS: Final = {
    "id": "0198bf2e-6d07-7c51-8a6f-5a0f6d3f9b11",
    "offer": "welcome",
    "currency": "EUR",
    "status": "active",
    "amount": "25.00",
    "required": "750.00",
    "wagered": "250.00",
    "percent": 33,
    "created_at": "2026-11-22T10:30:00.000000Z",
    "expires_at": "2026-12-22T10:30:00.000000Z",
    "waits_for": None,
    "ended_at": None,
}
GRANT: Final = {"player": "alice", "currency": "EUR", "reference": "g-1", "offer": "welcome"}
_AMOUNTS: Final = {
    "cap": "200.00",
    "min_deposit": "10.00",
    "max_stake": "5.00",
    "max_conversion": "1000.00",
    "depleted_below": "0.00",
}
OFFER: Final = {
    "code": "welcome",
    "name": "Welcome 100 %",
    "kind": "deposit_match",
    "percent_bp": 10000,
    "which_deposit": "first",
    "multiplier": 30,
    "base": "bonus",
    "counted": "all",
    "spend_order": "cash_first",
    "weights": {"default": 10000, "game": {"blackjack-1": 1000}, "category": {"live": 500}, "provider": {}},
    "excluded": {"game": ["slot-9"], "category": []},
    "max_stake_bp": 1000,
    "over_max_stake": "refuse",
    "conversion": "balance",
    "sticky": False,
    "on_withdrawal": "forfeit",
    "claim_days": 7,
    "spend_days": 30,
    "amounts": {"EUR": _AMOUNTS},
    "valid_from": None,
    "valid_until": None,
    "per_player": 1,
    "total": None,
    "promo_code": None,
    "countries": [],
    "enabled": True,
}

_RESETS: Final = {
    "day": "2026-11-23T00:00:00.000000Z",
    "week": "2026-11-30T00:00:00.000000Z",
    "month": "2026-12-01T00:00:00.000000Z",
}
_NONE: Final = {
    period: {"limit": None, "used": "20.00", "left": None, "resets_at": at, "increase": None}
    for period, at in _RESETS.items()
}
LIMITS_ASKED: Final = {"currency": "EUR", "stake": {"day": "50.00"}, "loss": {"month": "500.00"}}
LIMITS: Final = {
    "player": "alice",
    "currency": "EUR",
    "holds_for": "currency",
    "deposit": _NONE,
    "stake": {**_NONE, "day": {**_NONE["day"], "limit": "50.00", "left": "30.00"}},
    "loss": {
        **_NONE,
        "month": {
            **_NONE["month"],
            "limit": "200.00",
            "left": "180.00",
            "increase": {
                "limit": "500.00",
                "available_at": "2026-11-23T10:30:00.000000Z",
                "lapses_at": "2026-11-30T10:30:00.000000Z",
            },
        },
    },
}
