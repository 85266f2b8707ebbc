"""The error tables of the contract, line by line: what each of our refusals is called in each dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from casino_pam.api.game.app import route
from casino_pam.api.game.directory import Directory, ProviderRecord
from casino_pam.api.game.session_cache import SessionCache, SessionRecord
from casino_pam.api.game.visit import Visit
from casino_pam.engine.queue import PostingQueue
from tests.api.game.dialects.dialect_scenario import SIX, is_in_shape, word
from tests.game_client import Reply
from wallet.errors import STATUS, InvalidField, Refused

PATHS = {
    "beexar": "betwin", "hub88": "transaction/bet", "swipegames": "bet", "slotegrator": "", "pragmatic": "bet.html",
    "evolution": "debit",
}  # fmt: skip

# Ours → theirs, on a bet. What is not named is what a malformed request is called.
TABLES: dict[str, dict[str, Any]] = {
    "beexar": {
        "insufficient_funds": "100", "unknown_player": "101", "limit_reached": "105", "stake_above_limit": "106",
        "game_excluded": "107", "bonus_active": "107", "wallet_locked": "110", "player_excluded": "110",
        "currency_disabled": "154", "unknown_currency": "154", "unknown_wallet": "154", "forbidden": "405",
        "rolled_back": "409", "unauthenticated": "403", "busy": "503", "unavailable": "503", "internal": "500",
    },
    "hub88": {
        "insufficient_funds": "NOT_ENOUGH_MONEY", "limit_reached": "LIMIT_REACHED",
        "stake_above_limit": "LIMIT_REACHED", "unknown_session": "INVALID_TOKEN", "unknown_player": "INVALID_TOKEN",
        "session_ended": "TOKEN_EXPIRED", "wallet_locked": "USER_DISABLED", "player_excluded": "USER_DISABLED",
        "game_excluded": "INVALID_GAME", "forbidden": "INVALID_GAME", "currency_disabled": "WRONG_CURRENCY",
        "unknown_currency": "WRONG_CURRENCY", "unknown_wallet": "WRONG_CURRENCY",
        "reference_reused": "DUPLICATE_TRANSACTION", "unknown_original": "TRANSACTION_DOES_NOT_EXIST",
        "unauthenticated": "INVALID_SIGNATURE", "malformed": "WRONG_SYNTAX", "invalid_field": "WRONG_SYNTAX",
        "too_large": "WRONG_SYNTAX", "timeout": "WRONG_SYNTAX", "method_not_allowed": "WRONG_SYNTAX",
    },
    "swipegames": {
        "insufficient_funds": "insufficient_funds", "limit_reached": "bet_limit", "stake_above_limit": "bet_limit",
        "wallet_locked": "account_blocked", "player_excluded": "account_blocked", "game_excluded": "game_not_found",
        "forbidden": "game_not_found", "currency_disabled": "currency_not_supported",
        "session_ended": "session_expired", "unknown_session": "session_not_found", "unauthenticated": 401,
        "not_found": 404, "busy": 500, "unavailable": 500, "internal": 500,
    },
    "slotegrator": {"insufficient_funds": "INSUFFICIENT_FUNDS"},
    "pragmatic": {
        "insufficient_funds": 1, "unknown_player": 2, "unknown_wallet": 2, "game_excluded": 3, "bonus_active": 3,
        "unknown_session": 4, "session_ended": 4, "unauthenticated": 5, "wallet_locked": 6, "player_excluded": 6,
        "malformed": 7, "invalid_field": 7, "unknown_currency": 7, "forbidden": 8, "currency_disabled": 8,
        "limit_reached": 50, "stake_above_limit": 50, "busy": 100, "unavailable": 100, "internal": 100,
        "unknown_original": 120, "has_payout": 120, "rolled_back": 120, "reference_reused": 120, "round_closed": 120,
        "original_mismatch": 120, "already_rolled_back": 120,
    },
    "evolution": {
        "insufficient_funds": "INSUFFICIENT_FUNDS", "unknown_session": "INVALID_SID", "session_ended": "INVALID_SID",
        "unauthenticated": "INVALID_TOKEN_ID", "wallet_locked": "ACCOUNT_LOCKED", "player_excluded": "ACCOUNT_LOCKED",
        "limit_reached": "CASINO_LIMIT_EXCEEDED_TURNOVER", "stake_above_limit": "CASINO_LIMIT_EXCEEDED_STAKE",
        **dict.fromkeys(
            ("forbidden", "game_excluded", "bonus_active", "currency_disabled", "round_closed", "rolled_back"),
            "FINAL_ERROR_ACTION_FAILED",
        ),
        **dict.fromkeys(("busy", "unavailable", "internal"), "TEMPORARY_ERROR"),
        "reference_reused": "BET_ALREADY_EXIST",
    },
}  # fmt: skip
OTHERWISE: dict[str, Any] = {
    "beexar": "400", "hub88": "UNKNOWN", "swipegames": 400, "slotegrator": "INTERNAL_ERROR", "pragmatic": 7,
    "evolution": "INVALID_PARAMETER",
}  # fmt: skip
MONEY = {"balance": 10050, "cash": 10000, "bonus": 50, "digits": 2, "currency": "EUR"}


def refused(dialect: str, refusal: Refused, path: str | None = None, *, session: bool = True) -> Reply:
    """How the dialect writes the refusal of a bet."""
    path = PATHS[dialect] if path is None else path
    raw = f"/api/game/{dialect}/theirs/{path}".encode()
    visit = Visit(raw, b"", [], Directory(), SessionCache(), PostingQueue(), "r-1")
    visit.provider = ProviderRecord("theirs", dialect, (), (), "", {"mEUR": "EUR"}, 1, False)
    if session:
        visit.named_session = SessionRecord("s-1", "theirs", "anna", "EUR", "dice")
    visit.body = b'{"request_uuid":"q-1","uuid":"u-1"}'
    where = route(raw)
    assert where.call is not None
    status, headers, body = where.dialect.refuse(refusal, visit)
    reply = Reply(status, {name.decode(): value.decode() for name, value in headers}, body)
    is_in_shape(dialect, reply)
    return reply


@pytest.mark.parametrize("dialect", SIX)
def test_calls_each_of_our_refusals_as_the_table_says(dialect: str) -> None:
    for code in STATUS:
        for facts in ({}, MONEY):
            reply = refused(dialect, Refused(code, **facts))
            assert word(dialect, reply) == TABLES[dialect].get(code, OTHERWISE[dialect]), code


@pytest.mark.parametrize("dialect", SIX)
def test_writes_a_refusal_of_whatever_was_never_read(dialect: str) -> None:
    for code in STATUS:
        assert word(dialect, refused(dialect, Refused(code), session=False))


def test_beexar_tells_the_balance_of_before_with_three_of_them_alone() -> None:
    for code in STATUS:
        meta = refused("beexar", Refused(code, **MONEY))["meta"]
        told = code in ("insufficient_funds", "limit_reached", "stake_above_limit")
        assert meta.get("balance") == ("100.50" if told else None), code
    messages = {
        "insufficient_funds": "insufficient funds", "unknown_player": "player is invalid",
        "limit_reached": "bet limit reached", "stake_above_limit": "max bet exceeded",
        "game_excluded": "game is forbidden", "wallet_locked": "player is disabled",
        "unknown_wallet": "currency is not allowed", "forbidden": "game is not available",
        "rolled_back": "action already rolled back", "unauthenticated": "invalid signature",
        "too_large": "request body too large", "busy": "service unavailable", "internal": "internal error",
    }  # fmt: skip
    for code, message in messages.items():
        assert refused("beexar", Refused(code))["msg"] == message
    assert refused("beexar", InvalidField("game_id", "required, must be a non-empty string"))["msg"] == (
        "game_id: required, must be a non-empty string"
    )


def test_hub88_echoes_the_request_and_tells_what_the_wallet_holds() -> None:
    reply = refused("hub88", Refused("insufficient_funds", **MONEY))
    assert reply.json == {
        "status": "RS_ERROR_NOT_ENOUGH_MONEY",
        "request_uuid": "q-1",
        "user": "anna",
        "currency": "mEUR",
        "balance": 10050000,
    }
    assert reply.status == 200
    for code in ("busy", "unavailable", "internal"):
        assert refused("hub88", Refused(code)).status == 500
    # Of a bet it is late; of a win the bet is gone.
    assert refused("hub88", Refused("rolled_back"))["status"] == "RS_ERROR_UNKNOWN"
    gone = refused("hub88", Refused("rolled_back"), "transaction/win")
    assert gone["status"] == "RS_ERROR_TRANSACTION_DOES_NOT_EXIST"


def test_swipegames_refuses_with_no_5xx_and_says_what_to_do() -> None:
    for code, status in STATUS.items():
        special = {"unknown_session": 404, "not_found": 404, "unauthenticated": 401}
        assert refused("swipegames", Refused(code)).status == (500 if status >= 500 else special.get(code, 400)), code
    assert refused("swipegames", Refused("session_ended"))["action"] == "refresh"
    assert refused("swipegames", Refused("limit_reached", limit="loss_day"))["code"] == "loss_limit"
    assert refused("swipegames", Refused("limit_reached", limit="stake_day"))["code"] == "bet_limit"


def test_evolution_tells_the_money_where_it_is_known_and_else_null() -> None:
    known = json.loads(refused("evolution", Refused("insufficient_funds", **MONEY)).body, parse_float=str)
    assert known == {
        "status": "INSUFFICIENT_FUNDS",
        "balance": "100.00",
        "bonus": "0.50",
        "uuid": "u-1",
        "retransmission": False,
    }
    unknown = refused("evolution", Refused("unknown_session"))
    assert (unknown["balance"], unknown["bonus"]) == (None, None)
    assert refused("evolution", Refused("limit_reached", limit="loss_week"))["status"] == "CASINO_LIMIT_EXCEEDED_LOSS"


@pytest.mark.parametrize(
    ("call", "code", "wanted"),
    [
        ("credit", "reference_reused", "BET_ALREADY_SETTLED"),
        ("credit", "rolled_back", "BET_ALREADY_SETTLED"),
        ("credit", "unknown_original", "BET_DOES_NOT_EXIST"),
        ("cancel", "has_payout", "BET_ALREADY_SETTLED"),
        ("cancel", "already_rolled_back", "BET_ALREADY_SETTLED"),
        ("cancel", "unknown_original", "BET_DOES_NOT_EXIST"),
        ("promo_payout", "reference_reused", "BET_ALREADY_SETTLED"),
        ("debit", "rolled_back", "FINAL_ERROR_ACTION_FAILED"),
    ],
)
def test_evolution_calls_them_otherwise_by_call(call: str, code: str, wanted: str) -> None:
    assert refused("evolution", Refused(code), call)["status"] == wanted
