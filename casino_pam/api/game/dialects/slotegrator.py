"""`slotegrator`: the GIS callback (docs/dialects/slotegrator.md). One address, a form, `action` tells the call.

X-Sign is the HMAC-SHA1 of the form's fields and of three headers, as PHP's http_build_query would write
them. Everything is answered with HTTP 200.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

import structlog

from casino_pam import problems
from casino_pam.api.game.dialects import dialect
from casino_pam.api.game.dialects.dialect import Call, Dialect, Reply, answer, field, number, short
from casino_pam.api.game.signing import Unauthenticated, hex_hmac
from casino_pam.api.game.visit import Visit
from casino_pam.engine import commands
from casino_pam.engine.posting import Outcome
from casino_pam.engine.results import Receipt, Standing
from wallet.errors import InvalidField, Refused
from wallet.kinds import Kind, WinSource

log = structlog.get_logger(__name__)

WINDOW_SECONDS: Final = 30
SIGNED: Final = (b"X-Merchant-Id", b"X-Nonce", b"X-Timestamp")
BETS: Final = ("bet", "tip", "freespin")
SOURCES: Final = {"win": WinSource.GAME, "jackpot": WinSource.JACKPOT, "freespin": WinSource.FREE_ROUND}
KINDS: Final = {"bet": Kind.BET, "win": Kind.WIN, "refund": None}

_timestamp_shape = re.compile(rb"[0-9]{1,12}").fullmatch
_plain = re.compile(rb"[A-Za-z0-9_.-]*").fullmatch
# What PHP writes: an escape is one that it makes, and no escape is of a space or of what may stay.
_escape = rb"%(?!20|2D|2E|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9A])[0-9A-F]{2}"
_word = rb"[A-Za-z0-9_.+-]*(?:%b[A-Za-z0-9_.+-]*)*" % _escape
_as_php = re.compile(rb"%b=%b(?:&%b=%b)*" % ((_word,) * 4)).fullmatch
_listed_shape = re.compile(r"rollback_transactions\[([^\]]*)\]\[(\w+)\]").fullmatch


def verify(visit: Visit) -> None:
    code = visit.provider.code
    stamped = [(name, visit.headers.get(name.lower(), b"")) for name in SIGNED]
    (_, merchant), _, (_, timestamp) = stamped
    if merchant != visit.provider.merchant.encode():
        raise Unauthenticated("x-merchant-id", code)
    if _timestamp_shape(timestamp) is None or abs(visit.at / 1_000_000 - int(timestamp)) > WINDOW_SECONDS:
        raise Unauthenticated("x-timestamp", code)
    message = signed_text(stamped, visit.body, dialect.posted(visit))
    dialect.prove(visit, visit.headers.get(b"x-sign", b""), lambda secret: hex_hmac(secret, message, "sha1"))


def signed_text(stamped: list[tuple[bytes, bytes]], body: bytes, pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Fields by the bytes of their top-level names, nested ones in the order they came, as PHP writes them.

    ``pairs`` are those of ``body``, which nearly always is as PHP writes it.
    """
    names = [name.partition(b"[")[0] for name, _ in (*stamped, *pairs)]
    theirs = body.split(b"&") if _as_php(body) else [_written(*pair) for pair in pairs]
    parts = [_written(*pair) for pair in stamped] + theirs
    return b"&".join([parts[place] for place in sorted(range(len(parts)), key=names.__getitem__)])


def _written(name: bytes, value: bytes) -> bytes:
    return _quoted(name) + b"=" + _quoted(value)


def _quoted(text: bytes) -> bytes:
    # PHP leaves no tilde as it is.
    return text if _plain(text) else quote_plus(text).replace("~", "%7E").encode()


async def callback(visit: Visit) -> Reply:
    body = dialect.texts(dialect.posted(visit))
    act = ACTIONS.get(field(body, "action"))
    if act is None:
        raise InvalidField("action", "is none of balance, bet, win, refund, rollback")
    currency = await visit.currency(field(body, "currency"))
    return await act(visit, body, field(body, "player_id"), currency.code)


async def balance(visit: Visit, body: Mapping[str, str], player: str, currency: str) -> Reply:
    return _answer(await visit.ask(visit.balance(player, currency)))


def _played(visit: Visit, body: Mapping[str, str], player: str, currency: str) -> dict[str, Any]:
    round = body.get("round_id") or short("session", body.get("session_id", ""), player)
    amount = dialect.minor_units(field(body, "amount"), visit.digits[currency])
    ends = body.get("finished", "").lower() in ("1", "true")
    return {"round": round, "game": field(body, "game_uuid"), "amount": amount, "ends_round": ends}


async def bet(visit: Visit, body: Mapping[str, str], player: str, currency: str) -> Reply:
    kind = field(body, "type")
    if kind not in BETS:
        raise InvalidField("type", "is none of bet, tip, freespin")
    named = _played(visit, body, player, currency)
    if kind == "freespin":
        named["amount"] = 0
    tip: dict[str, Any] = {"wagering": False} if kind == "tip" else {}
    it = await visit.ask(visit.bet(player, currency, field(body, "transaction_id"), **named, **tip))
    return _answer(it, transaction_id=it.row.id)


async def win(visit: Visit, body: Mapping[str, str], player: str, currency: str) -> Reply:
    source = SOURCES.get(field(body, "type"), WinSource.PROMO)
    named = _played(visit, body, player, currency)
    it = await visit.ask(visit.win(player, currency, field(body, "transaction_id"), win_source=source, **named))
    return _answer(it, transaction_id=it.row.id)


async def refund(visit: Visit, body: Mapping[str, str], player: str, currency: str) -> Reply:
    key = (player, field(body, "transaction_id"), field(body, "bet_transaction_id"))
    (outcome,) = await visit.outcomes(visit.rollback(*key, kind=Kind.BET, currency=currency))
    return _answer(outcome, transaction_id=_undone_by(outcome))


async def rollback(visit: Visit, body: Mapping[str, str], player: str, currency: str) -> Reply:
    """Only what is listed, each on its own."""
    reference, listed = field(body, "transaction_id"), _listed(body)
    undo: list[commands.AnyRequest] = []
    for each in listed:
        action, original = field(each, "action"), field(each, "transaction_id")
        if action not in KINDS:
            raise InvalidField("action", "is none of bet, win, refund")
        if KINDS[action] is None:
            # Rolling back a rollback is for later: answered, and nothing moves.
            log.warning("game_door_refund_not_undone", provider=visit.provider.code, request_id=visit.request_id)
            continue
        undo.append(
            visit.rollback(player, short(reference, action, original), original, kind=KINDS[action], currency=currency)
        )
    outcomes = await visit.outcomes(*undo or [visit.balance(player, currency)])
    rows = [_undone_by(outcome) for outcome in outcomes] if undo else [reference]
    named = {"transaction_id": rows[0], "rollback_transactions": [each["transaction_id"] for each in listed]}
    return _answer(outcomes[-1], **named)


def _listed(body: Mapping[str, str]) -> list[dict[str, str]]:
    listed: dict[str, dict[str, str]] = {}
    for name, value in body.items():
        if found := _listed_shape(name):
            listed.setdefault(found[1], {})[found[2]] = value
    if not listed:
        raise InvalidField("rollback_transactions", "must name a transaction")
    return list(listed.values())


def _undone_by(outcome: Outcome) -> str:
    """Our row that undid it, now or before. Raises the refusal."""
    if isinstance(outcome, Receipt):
        return outcome.row.id
    assert isinstance(outcome, Refused)
    if outcome.code != "already_rolled_back":
        raise outcome
    return str(outcome.facts["rolled_back_by"])


def _answer(outcome: Outcome, **more: Any) -> Reply:
    """Raises what is refused and tells no balance."""
    if isinstance(outcome, Refused):
        if "balance" not in outcome.facts:
            raise outcome
        balance = number(outcome.facts["balance"], outcome.facts["digits"])
    else:
        assert isinstance(outcome, (Receipt, Standing))
        balance = number(outcome.cash + outcome.bonus, outcome.digits)
    return answer({"balance": balance, **more})


def refuse(refusal: Refused, visit: Visit) -> Reply:
    code = refusal.code.upper() if refusal.code == "insufficient_funds" else "INTERNAL_ERROR"
    return answer({"error_code": code, "error_description": problems.TEXTS[refusal.code][0]})


ACTIONS: Final = {"balance": balance, "bet": bet, "win": win, "refund": refund, "rollback": rollback}
DIALECT: Final = Dialect(name="slotegrator", calls={b"": Call("callback", callback)}, verify=verify, refuse=refuse)
