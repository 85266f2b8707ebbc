"""Offers the tests know by name: a deposit match, a gift, free rounds, a cashback."""

import json
from typing import Any

CURRENCIES = {"EUR": 2, "JPY": 0, "BTC": 8}

WELCOME = json.loads("""
{"code": "welcome", "name": "Welcome 100 %", "kind": "deposit_match", "percent_bp": 10000, "multiplier": 30,
 "base": "bonus", "counted": "all", "spend_order": "cash_first",
 "weights": {"default": 10000, "game": {"blackjack-1": 1000}, "category": {"live": 500}, "provider": {}},
 "excluded": {"game": ["slot-9"], "category": []},
 "amounts": {"EUR": {"cap": "200.00", "min_deposit": "10.00", "max_stake": "5.00", "max_conversion": "1000.00",
                     "depleted_below": "0.00"}},
 "which_deposit": "first", "max_stake_bp": 1000, "over_max_stake": "refuse", "conversion": "balance",
 "sticky": false, "on_withdrawal": "forfeit", "claim_days": 7, "spend_days": 30, "valid_from": null,
 "valid_until": null, "per_player": 1, "total": null, "countries": [], "enabled": true}
""")

FIXED = {"code": "gift", "name": "A gift", "kind": "fixed", "multiplier": 10, "amounts": {"EUR": {"amount": "5.00"}}}
SPINS = {"code": "spins", "name": "Free spins", "kind": "free_rounds", "multiplier": 20, "amounts": {"EUR": {}}}
CASHBACK = {
    "code": "cashback",
    "name": "10 % back",
    "kind": "cashback",
    "percent_bp": 1000,
    "multiplier": 1,
    "amounts": {"EUR": {"cap": "50.00", "min_deposit": "20.00"}},
}


def changed(offer: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the offer in which the member at a dotted path is another."""
    copy: dict[str, Any] = json.loads(json.dumps(offer))
    *parents, last = path.split(".")
    at = copy
    for parent in parents:
        at = at[parent]
    at[last] = value
    return copy
