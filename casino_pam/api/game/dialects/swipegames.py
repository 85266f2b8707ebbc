"""`swipegames` (docs/dialects/swipegames.md): JSON, a session in every call, statuses that are commands.

500 on a bet makes them refund it and 4xx does not, so a refusal is never a 500. A balance is a GET, signed
over its query as one canonical JSON object. The signature does not cover the path: a refund alone names
``origTxID``, a bet or win alone a ``type``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from casino_pam import problems
from casino_pam.api import strict_json
from casino_pam.api.game.dialects import dialect
from casino_pam.api.game.dialects.dialect import Call, Dialect, Reply, answer, field, short, shown
from casino_pam.api.game.session_cache import SessionRecord
from casino_pam.api.game.signing import Unauthenticated, hex_hmac
from casino_pam.api.game.visit import Visit
from casino_pam.engine.results import Receipt, Standing
from wallet.errors import InvalidField, Refused
from wallet.kinds import Kind, WinSource

# HTTP status and code → ours. What is not here is 400 without a code.
ERRORS: Final = dialect.by_code(
    {
        (400, "insufficient_funds"): "insufficient_funds",
        (400, "bet_limit"): "limit_reached stake_above_limit",
        (400, "account_blocked"): "wallet_locked player_excluded",
        (400, "game_not_found"): "game_excluded forbidden",
        (400, "currency_not_supported"): "currency_disabled",
        (400, "session_expired"): "session_ended",
        (404, "session_not_found"): "unknown_session",
        (401, None): "unauthenticated",
        (404, None): "not_found",
        (500, None): "busy unavailable internal",
    }
)
TYPES: Final = ("regular", "free")
# A session may have been opened for the lobby.
NO_GAME: Final = "-"

_amount_shape = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").fullmatch


def verify(visit: Visit) -> None:
    message = visit.body if visit.path.rpartition(b"/")[2] != b"balance" else _canonical(visit)
    dialect.prove(visit, visit.headers.get(b"x-request-sign", b""), lambda secret: hex_hmac(secret, message))


def _canonical(visit: Visit) -> bytes:
    """The query as RFC 8785 writes it. Raises Unauthenticated for a parameter given twice."""
    try:
        query = dialect.texts(dialect.form(visit.query))
    except Refused:
        raise Unauthenticated("query", visit.provider.code) from None
    ordered = sorted(query.items(), key=lambda pair: pair[0].encode("utf-16-be"))
    return json.dumps(dict(ordered), ensure_ascii=False, separators=(",", ":")).encode()


async def balance(visit: Visit) -> Reply:
    session = await visit.session(field(dialect.texts(dialect.form(visit.query)), "sessionID"))
    return answer({"balance": shown(await visit.ask(visit.balance(session.player, session.currency)))})


async def _play(visit: Visit) -> tuple[SessionRecord, tuple[str, str, str], bool, dict[str, Any]]:
    """The session, player with currency and reference, whether it is free, and the rest of a bet or win."""
    body = strict_json.parse(visit.body)
    for name in ("type", "sessionID", "amount", "txID", "roundID"):
        field(body, name)
    if body["type"] not in TYPES:
        raise InvalidField("type", "must be regular or free")
    if _amount_shape(body["amount"]) is None:
        raise InvalidField("amount", "must be a decimal string")
    session = await visit.session(body["sessionID"])
    game = session.game or NO_GAME
    named = {
        "amount": dialect.minor_units(body["amount"], visit.digits[session.currency]),
        "round": short(game, body["roundID"]),
        "game": game,
    }
    return session, (session.player, session.currency, body["txID"]), body["type"] == "free", named


async def bet(visit: Visit) -> Reply:
    session, key, free, named = await _play(visit)
    if free:
        named["amount"] = 0
    return _answer(await visit.ask(visit.bet(*key, session=session.id, **named)))


async def win(visit: Visit) -> Reply:
    _, key, free, named = await _play(visit)
    return _answer(await visit.ask(visit.win(*key, win_source=WinSource.FREE_ROUND if free else None, **named)))


def _answer(it: Receipt) -> Reply:
    return answer({"balance": shown(it), "txID": it.row.id})


async def refund(visit: Visit) -> Reply:
    """200 for whatever became of it, once its session is known."""
    body: Mapping[str, Any] = strict_json.parse(visit.body)
    for name in ("sessionID", "txID", "origTxID"):
        field(body, name)
    session = await visit.session(body["sessionID"])
    undo = visit.rollback(session.player, body["txID"], body["origTxID"], currency=session.currency)
    (outcome,) = await visit.outcomes(undo)
    if isinstance(outcome, Receipt):
        return _answer(outcome)
    assert isinstance(outcome, Refused)
    if outcome.status >= 500:
        raise outcome
    asks = visit.find(session.player, Kind.ROLLBACK, body["txID"]), visit.balance(session.player, session.currency)
    spent, now = await visit.outcomes(*asks)
    if not isinstance(now, Standing):
        raise now  # type: ignore[misc]
    by = spent.row.id if isinstance(spent, Receipt) else body["txID"]
    return answer({"balance": shown(now), "txID": outcome.facts.get("rolled_back_by", by)})


def refuse(refusal: Refused, visit: Visit) -> Reply:
    status, code = ERRORS.get(refusal.code, (400, None))
    if code == "bet_limit" and str(refusal.facts.get("limit", "")).startswith("loss"):
        code = "loss_limit"
    body = {"message": problems.TEXTS[refusal.code][0]}
    if code is not None:
        body["code"] = code
    if code == "session_expired":
        body["action"] = "refresh"
    return answer(body, status)


CALLS: Final = {b"balance": Call("balance", balance, method="GET")} | dialect.paths(
    {"bet": bet, "win": win, "refund": refund}
)
DIALECT: Final = Dialect(name="swipegames", calls=CALLS, verify=verify, refuse=refuse)
