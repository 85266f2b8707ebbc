"""`pragmatic` (docs/dialects/pragmatic.md): forms in, JSON out, HTTP 200 always.

`hash` is the MD5 of all other fields with the secret behind them; it does not cover the path. The wire names
no currency: it is that of the player's newest session with this provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import md5
from typing import Any, Final

from casino_pam import problems
from casino_pam.api.game.dialects import dialect
from casino_pam.api.game.dialects.dialect import Dialect, Reply, answer, field, number, short
from casino_pam.api.game.session_cache import SessionRecord
from casino_pam.api.game.visit import Visit
from casino_pam.engine import commands
from casino_pam.engine.results import Receipt, Standing
from wallet.errors import InvalidField, Refused
from wallet.kinds import Kind, WinSource

MALFORMED, FINAL = 7, 120
ERRORS: Final = dialect.by_code(
    {
        1: "insufficient_funds",
        2: "unknown_player unknown_wallet",
        3: "game_excluded bonus_active",
        4: "unknown_session session_ended",
        5: "unauthenticated",
        6: "wallet_locked player_excluded",
        8: "forbidden currency_disabled",
        50: "limit_reached stake_above_limit",
        100: "busy unavailable internal",
        FINAL: "unknown_original original_mismatch has_payout already_rolled_back rolled_back reference_reused"
        " round_closed",
    }
)
_amount_shape = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch


def verify(visit: Visit) -> None:
    pairs = sorted(dialect.posted(visit))
    claimed = b"&".join([value for name, value in pairs if name == b"hash"])
    message = b"&".join([b"=".join(pair) for pair in pairs if pair[0] != b"hash"])

    def sign(secret: bytes) -> bytes:
        return md5(message + secret, usedforsecurity=False).hexdigest().encode()

    dialect.prove(visit, claimed.lower(), sign)


async def _opened(visit: Visit, *names: str) -> tuple[Mapping[str, str], SessionRecord]:
    """The fields, and the player's newest session; ``names`` are further fields that must be there."""
    body = dialect.texts(dialect.posted(visit))
    for name in ("userId", *names):
        field(body, name)
    return body, await visit.newest_session(body["userId"])


def _signed_amount(visit: Visit, session: SessionRecord, text: str) -> int:
    if _amount_shape(text) is None:
        raise InvalidField("amount", "must be a decimal number")
    amount = dialect.minor_units(text.removeprefix("-"), visit.digits[session.currency])
    return -amount if text.startswith("-") else amount


def _amount(visit: Visit, session: SessionRecord, text: str) -> int:
    if text.startswith("-"):
        raise InvalidField("amount", "must not be negative")
    return _signed_amount(visit, session, text)


def _success(**told: Any) -> Reply:
    return answer({**told, "error": 0, "description": "Success"})


def _money(visit: Visit, it: Receipt | Standing) -> dict[str, Any]:
    cash, bonus = number(it.cash, it.digits), number(it.bonus, it.digits)
    return {"currency": visit.provider.theirs(it.currency), "cash": cash, "bonus": bonus}


async def authenticate(visit: Visit) -> Reply:
    token = field(dialect.texts(dialect.posted(visit)), "token")
    session = await visit.session(token)
    now = await visit.ask(visit.balance(session.player, session.currency, session.id))
    return _success(userId=session.player, token=token, **_money(visit, now))


async def balance(visit: Visit) -> Reply:
    _, session = await _opened(visit)
    return _success(**_money(visit, await visit.ask(visit.balance(session.player, session.currency))))


PLAYED: Final = ("gameId", "roundId", "amount", "reference")


async def bet(visit: Visit) -> Reply:
    body, session = await _opened(visit, *PLAYED)
    return await _bet(visit, body, session, _amount(visit, session, body["amount"]), session.id)


async def _bet(visit: Visit, body: Mapping[str, str], session: SessionRecord, amount: int, live: str | None) -> Reply:
    named: dict[str, Any] = {"round": body["roundId"], "game": body["gameId"], "amount": amount, "session": live}
    it = await visit.ask(visit.bet(session.player, session.currency, body["reference"], **named))
    return _success(transactionId=it.row.id, **_money(visit, it), usedPromo=number(it.bonus_amount, it.digits))


async def _win(visit: Visit, body: Mapping[str, str], session: SessionRecord, amount: int, source: str) -> Reply:
    named = {"round": body.get("roundId"), "game": body.get("gameId"), "win_source": source}
    paid = visit.win(session.player, session.currency, body["reference"], amount=amount, **named)
    if "promoWinReference" not in body or source == WinSource.PROMO:
        it = await visit.ask(paid)
        return _success(transactionId=it.row.id, **_money(visit, it))
    more = _amount(visit, session, field(body, "promoWinAmount"))
    reference = field(body, "promoWinReference")
    also = visit.win(session.player, session.currency, reference, amount=more, win_source=WinSource.PROMO)
    first, last = await visit.ask(commands.Batch(operations=(paid, also)))
    return _success(transactionId=first.row.id, **_money(visit, last))


async def result(visit: Visit) -> Reply:
    body, session = await _opened(visit, *PLAYED)
    source = WinSource.FREE_ROUND if body.get("bonusCode") else WinSource.GAME
    return await _win(visit, body, session, _amount(visit, session, body["amount"]), source)


async def bonus_win(visit: Visit) -> Reply:
    body, session = await _opened(visit, *PLAYED)
    return await _win(visit, body, session, _amount(visit, session, body["amount"]), WinSource.FREE_ROUND)


async def jackpot_win(visit: Visit) -> Reply:
    body, session = await _opened(visit, *PLAYED)
    return await _win(visit, body, session, _amount(visit, session, body["amount"]), WinSource.JACKPOT)


async def promo_win(visit: Visit) -> Reply:
    body, session = await _opened(visit, "amount", "currency", "reference")
    if (await visit.currency(body["currency"])).code != session.currency:
        raise InvalidField("currency", "is not that of the player's session")
    named = {"reference": body["reference"]}
    return await _win(visit, named, session, _amount(visit, session, body["amount"]), WinSource.PROMO)


async def adjustment(visit: Visit) -> Reply:
    body, session = await _opened(visit, *PLAYED)
    amount = _signed_amount(visit, session, body["amount"])
    if amount < 0:
        return await _bet(visit, body, session, -amount, None)
    return await _win(visit, body, session, amount, WinSource.PROMO)


async def refund(visit: Visit) -> Reply:
    body = dialect.texts(dialect.posted(visit))
    player, reference = field(body, "userId"), field(body, "reference")
    it = await visit.ask(visit.rollback(player, reference, reference, kind=Kind.BET))
    return _success(transactionId=it.row.id)


async def end_round(visit: Visit) -> Reply:
    body, session = await _opened(visit, "gameId", "roundId")
    wallet = (session.player, session.currency)
    ended = visit.end_round(*wallet, short(body["roundId"], session.player), body["roundId"])
    for outcome in await visit.outcomes(ended, visit.balance(*wallet)):
        if isinstance(outcome, Refused):
            raise outcome
    return _success(**_money(visit, outcome))  # type: ignore[arg-type]


def refuse(refusal: Refused, visit: Visit) -> Reply:
    return answer({"error": ERRORS.get(refusal.code, MALFORMED), "description": problems.TEXTS[refusal.code][0]})


CALLS: Final = {
    "authenticate.html": authenticate,
    "balance.html": balance,
    "bet.html": bet,
    "result.html": result,
    "bonusWin.html": bonus_win,
    "jackpotWin.html": jackpot_win,
    "promoWin.html": promo_win,
    "refund.html": refund,
    "endRound.html": end_round,
    "adjustment.html": adjustment,
}
DIALECT: Final = Dialect(name="pragmatic", calls=dialect.paths(CALLS), verify=verify, refuse=refuse)
