"""`evolution`: One Wallet (docs/dialects/evolution.md). JSON both ways, HTTP 200 always, an answer within 700 ms.

The one credential is the query's ``authToken``: it stands in no log. A debit and its credit and cancel have
one reference, ``refId``; the id of a transaction is no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from casino_pam.api import strict_json
from casino_pam.api.game.dialects import dialect
from casino_pam.api.game.dialects.dialect import Dialect, Reply, answer, field, number
from casino_pam.api.game.session_cache import SessionRecord
from casino_pam.api.game.signing import Unauthenticated
from casino_pam.api.game.visit import Visit
from casino_pam.engine import commands, sessions
from casino_pam.engine.results import Receipt, Standing
from wallet.errors import InvalidField, Refused
from wallet.kinds import Kind, WinSource

ERRORS: Final = dialect.by_code(
    {
        "INSUFFICIENT_FUNDS": "insufficient_funds",
        "INVALID_SID": "unknown_session session_ended",
        "INVALID_TOKEN_ID": "unauthenticated",
        "ACCOUNT_LOCKED": "wallet_locked player_excluded",
        "CASINO_LIMIT_EXCEEDED_TURNOVER": "limit_reached",
        "CASINO_LIMIT_EXCEEDED_STAKE": "stake_above_limit",
        "FINAL_ERROR_ACTION_FAILED": "forbidden game_excluded bonus_active currency_disabled round_closed rolled_back",
        "TEMPORARY_ERROR": "busy unavailable internal",
    }
)
MALFORMED: Final = "INVALID_PARAMETER"
# Their names of a wallet's money, and ours.
MONEY: Final = {"balance": "cash", "bonus": "bonus"}
# What a call calls some of them, by the end of its path.
SETTLED, MISSING = "BET_ALREADY_SETTLED", "BET_DOES_NOT_EXIST"
OF_CALL: Final[Mapping[bytes, Mapping[str, str]]] = {
    b"debit": {"reference_reused": "BET_ALREADY_EXIST"},
    b"credit": {"reference_reused": SETTLED, "rolled_back": SETTLED, "unknown_original": MISSING},
    b"cancel": {"has_payout": SETTLED, "already_rolled_back": SETTLED, "unknown_original": MISSING},
    b"promo_payout": {"reference_reused": SETTLED},
}
# With what a late posting may still take, and the look of the queue, this is 700 ms.
PATIENCE_SECONDS: Final = 0.25


def verify(visit: Visit) -> None:
    try:
        tokens = [value for name, value in dialect.form(visit.query) if name == b"authToken"]
    except Refused:
        tokens = []
    if len(tokens) != 1:
        raise Unauthenticated("authToken", visit.provider.code)
    dialect.prove(visit, tokens[0], lambda secret: secret)


async def _opened(visit: Visit, *, currency: bool = True) -> tuple[Mapping[str, Any], SessionRecord]:
    """The body and its session. Raises Refused where the body says anything else of player or currency."""
    dialect.texts(dialect.form(visit.query))
    body = strict_json.parse_exactly(visit.body)
    for name in ("sid", "userId", "uuid"):
        field(body, name)
    session = await visit.session(body["sid"])
    if body["userId"] != session.player:
        raise InvalidField("userId", "is not the session's")
    if currency or "currency" in body:
        await _check_currency(visit, body, session)
    return body, session


async def _check_currency(visit: Visit, body: Mapping[str, Any], session: SessionRecord) -> None:
    if (await visit.currency(field(body, "currency"))).code != session.currency:
        raise InvalidField("currency", "is not the session's")


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if type(value) is not dict:
        raise InvalidField(name, "must be an object")
    return value


def _game(body: Mapping[str, Any]) -> dict[str, str]:
    """The round, and the game: the table, or else the kind of game."""
    game = _part(body, "game")
    details = game.get("details")
    table = details.get("table") if type(details) is dict else None
    named = table.get("id") if type(table) is dict else None
    return {"round": field(game, "id"), "game": named if type(named) is str and named else field(game, "type")}


async def check(visit: Visit) -> Reply:
    body, session = await _opened(visit, currency=False)
    await visit.ask(visit.balance(session.player, session.currency, session.id))
    return answer({"status": "OK", "sid": session.id, "uuid": body["uuid"]})


async def sid(visit: Visit) -> Reply:
    dialect.texts(dialect.form(visit.query))
    body = strict_json.parse_exactly(visit.body)
    uuid, player = field(body, "uuid"), field(body, "userId")
    before = await visit.newest_session(player, guess=False)
    if "currency" in body:
        await _check_currency(visit, body, before)
    named: dict[str, Any] = {"provider": visit.provider.code, "currency": before.currency, "game": before.game}
    opened = await visit.read(lambda: sessions.open_session(player, **named))
    return answer({"status": "OK", "sid": opened.id, "uuid": uuid})


async def balance(visit: Visit) -> Reply:
    body, session = await _opened(visit)
    now = await visit.ask(visit.balance(session.player, session.currency, session.id))
    return _answer(body, "OK", now)


async def debit(visit: Visit) -> Reply:
    body, session = await _opened(visit)
    reference, amount = _transaction(visit, body, session, "transaction", "refId")
    named: dict[str, Any] = {"amount": amount, "session": session.id, **_game(body)}
    request = visit.bet(session.player, session.currency, reference, **named)
    return await _carried_out(visit, body, session, request, "BET_ALREADY_EXIST")


async def credit(visit: Visit) -> Reply:
    body, session = await _opened(visit)
    reference, amount = _transaction(visit, body, session, "transaction", "refId")
    request = visit.win(session.player, session.currency, reference, bet=reference, amount=amount, **_game(body))
    return await _carried_out(visit, body, session, request, SETTLED)


async def cancel(visit: Visit) -> Reply:
    body, session = await _opened(visit)
    reference = field(_part(body, "transaction"), "refId")
    request = visit.rollback(session.player, reference, reference, kind=Kind.BET, currency=session.currency)
    return await _carried_out(visit, body, session, request, "OK")


async def promo_payout(visit: Visit) -> Reply:
    body, session = await _opened(visit)
    reference, amount = _transaction(visit, body, session, "promoTransaction", "id")
    kind = field(body["promoTransaction"], "type")
    source = WinSource.JACKPOT if kind == "JackpotWin" else WinSource.PROMO
    request = visit.win(session.player, session.currency, reference, amount=amount, win_source=source)
    return await _carried_out(visit, body, session, request, SETTLED)


def _transaction(visit: Visit, body: Mapping[str, Any], session: SessionRecord, name: str, key: str) -> tuple[str, int]:
    transaction = _part(body, name)
    return field(transaction, key), dialect.number_units(transaction.get("amount"), visit.digits[session.currency])


async def _carried_out(
    visit: Visit, body: Mapping[str, Any], session: SessionRecord, request: commands.AnyRequest, repeated: str
) -> Reply:
    (outcome,) = await visit.outcomes(request)
    if isinstance(outcome, Receipt):
        status = MISSING if outcome.status == "void" else repeated if outcome.replayed else "OK"
        return _answer(body, status, outcome)
    assert isinstance(outcome, Refused)
    if outcome.status < 500 and "cash" not in outcome.facts:
        now = await visit.ask(visit.balance(session.player, session.currency))
        outcome.facts.update(cash=now.cash, bonus=now.bonus, digits=now.digits)
    raise outcome


def _answer(body: Mapping[str, Any], status: str, it: Receipt | Standing) -> Reply:
    money = {"balance": number(it.cash, it.digits), "bonus": number(it.bonus, it.digits)}
    return answer({"status": status, **money, "uuid": body["uuid"], "retransmission": False})


def refuse(refusal: Refused, visit: Visit) -> Reply:
    facts, named = refusal.facts, OF_CALL.get(visit.path.rpartition(b"/")[2], {})
    status = named.get(refusal.code) or ERRORS.get(refusal.code, MALFORMED)
    if refusal.code == "limit_reached" and str(facts.get("limit", "")).startswith("loss"):
        status = "CASINO_LIMIT_EXCEEDED_LOSS"
    money = {name: number(facts[fact], facts["digits"]) if "cash" in facts else None for name, fact in MONEY.items()}
    uuid = dialect.loosely(visit.body).get("uuid")
    return answer({"status": status, **money, "uuid": uuid, "retransmission": False})


CALLS: Final = {
    "check": check,
    "sid": sid,
    "balance": balance,
    "debit": debit,
    "credit": credit,
    "cancel": cancel,
    "promo_payout": promo_payout,
}
DIALECT: Final = Dialect(
    name="evolution", calls=dialect.paths(CALLS), verify=verify, refuse=refuse, patience=PATIENCE_SECONDS
)
