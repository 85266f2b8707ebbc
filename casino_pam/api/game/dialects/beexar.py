"""`beexar`: the SOFTSWISS-style aggregator wallet (docs/dialects/beexar.md).

JSON both ways. X-REQUEST-SIGN is the HMAC-SHA256 of the raw body in lower-case hex; it does not cover
the path, so each call that moves money needs a field that no other call's body has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from casino_pam.api import strict_json
from casino_pam.api.game.dialects import dialect
from casino_pam.api.game.dialects.dialect import Dialect, Reply, answer, field, flag, short, shown
from casino_pam.api.game.directory import CurrencyRecord
from casino_pam.api.game.signing import hex_hmac
from casino_pam.api.game.visit import Visit
from casino_pam.engine import commands
from casino_pam.engine.results import Receipt
from wallet import money
from wallet.errors import InvalidField, Refused

# api_code and msg → ours.
ERRORS: Final = dialect.by_code(
    {
        ("100", "insufficient funds"): "insufficient_funds",
        ("101", "player is invalid"): "unknown_player",
        ("105", "bet limit reached"): "limit_reached",
        ("106", "max bet exceeded"): "stake_above_limit",
        ("107", "game is forbidden"): "game_excluded bonus_active",
        ("110", "player is disabled"): "wallet_locked player_excluded",
        ("154", "currency is not allowed"): "currency_disabled unknown_currency unknown_wallet",
        ("405", "game is not available"): "forbidden",
        ("409", "action already rolled back"): "rolled_back",
        ("403", "invalid signature"): "unauthenticated",
        ("400", "request body too large"): "too_large",
        ("503", "service unavailable"): "busy unavailable",
        ("500", "internal error"): "internal",
    }
)
# What a listed rollback is never refused for, or it would be sent for ever.
FORGIVEN: Final = ("already_rolled_back", "original_mismatch", "reference_reused", "unknown_original")

_amount_shape = re.compile(r"(?=.{1,40}\Z)(?:0|[1-9][0-9]*)(?:\.[0-9]{1,16})?").fullmatch
_currency_shape = re.compile(r"[A-Z][A-Z0-9_]{2,31}").fullmatch


def verify(visit: Visit) -> None:
    dialect.prove(visit, visit.headers.get(b"x-request-sign", b""), lambda secret: hex_hmac(secret, visit.body))


async def _opened(visit: Visit, *names: str) -> tuple[Mapping[str, Any], str, CurrencyRecord]:
    """The body, its player and its currency; ``names`` are further texts that must be there."""
    body = strict_json.parse(visit.body)
    for name in ("account_id", "currency", *names):
        field(body, name)
    if _currency_shape(body["currency"]) is None:
        raise InvalidField("currency", "must match ^[A-Z][A-Z0-9_]{2,31}$")
    return body, body["account_id"], await visit.currency(body["currency"])


def _transactions(body: Mapping[str, Any], types: str, *names: str) -> list[Mapping[str, Any]]:
    listed = body.get("transactions")
    if type(listed) is not list or not listed:
        raise InvalidField("transactions", "required, must be a non-empty array")
    for place, each in enumerate(listed):
        where = f"transactions[{place}]"
        if type(each) is not dict or not each:
            raise InvalidField(where, "required, must be a non-empty object")
        for name in ("id_provider", "type", *names):
            if type(each.get(name)) is not str or not each[name]:
                raise InvalidField(f"{where}.{name}", "required, must be a non-empty string")
        if each["type"] not in types.split():
            raise InvalidField(f"{where}.type", f"must be one of: {types}")
    return listed


def _amount(transaction: Mapping[str, Any], digits: int) -> int:
    if _amount_shape(transaction["amount"]) is None:
        raise InvalidField("amount", "not a valid decimal amount")
    amount = dialect.minor_units(transaction["amount"], digits)
    if amount == 0:
        raise InvalidField("amount", "must be greater than zero")
    return amount


async def balance(visit: Visit) -> Reply:
    _, player, currency = await _opened(visit, "game_id")
    return answer({"balance": shown(await visit.ask(visit.balance(player, currency.code)))})


async def betwin(visit: Visit) -> Reply:
    body, player, currency = await _opened(visit, "game_id", "round_id")
    listed, finished = _transactions(body, "bet win", "amount"), flag(body, "finished")
    operations: list[commands.Play] = []
    for place, each in enumerate(listed):
        command = visit.bet if each["type"] == "bet" else visit.win
        named = {"round": body["round_id"], "game": body["game_id"]}
        try:
            amount = _amount(each, currency.digits)
            ends = finished and place == len(listed) - 1
            operations.append(
                command(player, currency.code, each["id_provider"], amount=amount, ends_round=ends, **named)
            )
        except InvalidField as wrong:
            raise wrong.inside(f"transactions[{place}]") from None
    receipts: list[Receipt]
    if len(operations) == 1:
        receipts = [await visit.ask(operations[0])]
    else:
        receipts = await visit.ask(commands.Batch(operations=tuple(operations)))
    rows = [
        {"id_provider": each["id_provider"], "id": it.row.id, "bonus_amount": _two_digits(it)}
        for each, it in zip(listed, receipts, strict=True)
    ]
    return answer({"round_id": body["round_id"], "transactions": rows, "balance": shown(receipts[-1])})


def _two_digits(it: Receipt) -> str:
    missing = max(0, 2 - it.digits)
    return money.show(it.bonus_amount * 10**missing, it.digits + missing)


async def rollback(visit: Visit) -> Reply:
    body, player, currency = await _opened(visit, "round_id_provider")
    round, finished = body["round_id_provider"], flag(body, "finished")
    listed = _transactions(body, "rollback", "original_id_provider")
    undone: list[commands.AnyRequest] = [
        visit.rollback(player, each["id_provider"], each["original_id_provider"], currency=currency.code)
        for each in listed
    ]
    if finished:
        undone.append(visit.end_round(player, currency.code, short(round, player), round))
    outcomes = await visit.outcomes(*undone, visit.balance(player, currency.code))
    for outcome in outcomes:
        if isinstance(outcome, Refused) and outcome.code not in FORGIVEN:
            raise outcome
    rows = []
    for each, outcome in zip(listed, outcomes, strict=False):
        posted = isinstance(outcome, Receipt) and outcome.status == "posted"
        rows.append({"id_provider": each["id_provider"], "id": outcome.row.id if posted else ""})  # type: ignore[union-attr]
    last = outcomes[len(listed) - 1]
    standing: Any = last if isinstance(last, Receipt) else outcomes[-1]
    return answer({"balance": shown(standing), "round_id": round, "transactions": rows})


async def finish(visit: Visit) -> Reply:
    body, player, currency = await _opened(visit, "round_id")
    ended = visit.end_round(player, currency.code, short(body["round_id"], player), body["round_id"])
    for outcome in await visit.outcomes(ended, visit.balance(player, currency.code)):
        if isinstance(outcome, Refused):
            raise outcome
    return answer({"balance": shown(outcome)})  # type: ignore[arg-type]


def refuse(refusal: Refused, visit: Visit) -> Reply:
    code, message = ERRORS.get(refusal.code, ("400", refusal.facts.get("detail", refusal.code.replace("_", " "))))
    if isinstance(refusal, InvalidField):
        message = f"{refusal.field}: {refusal.message}"
    meta = {"api_code": code, "api_message": message}
    if code in ("100", "105", "106") and "balance" in refusal.facts:
        meta["balance"] = money.show(refusal.facts["balance"], refusal.facts["digits"])
    status = 500 if code in ("500", "503") else 404 if refusal.code == "not_found" else 400
    return answer({"code": "internal" if status == 500 else "invalid_argument", "msg": message, "meta": meta}, status)


CALLS: Final = {"balance": balance, "betwin": betwin, "rollback": rollback, "finish": finish}
DIALECT: Final = Dialect(name="beexar", calls=dialect.paths(CALLS), verify=verify, refuse=refuse)
