"""`hub88` (docs/dialects/hub88.md): JSON, whole hundred-thousandths, HTTP 200 for refusals too.

X-Hub88-Signature is RSA over the raw body with their key. It does not cover the path: a captured win sent
as a rollback would give the stake back as well, so a rollback that carries an amount is looked at twice.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from casino_pam.api import strict_json
from casino_pam.api.game.dialects import dialect
from casino_pam.api.game.dialects.dialect import Dialect, Reply, answer, field, flag
from casino_pam.api.game.session_cache import SessionRecord
from casino_pam.api.game.signing import Unauthenticated
from casino_pam.api.game.visit import Visit, checked
from casino_pam.engine.results import Receipt, Standing
from wallet.errors import InvalidField, Refused
from wallet.kinds import Kind, WinSource
from wallet.models import Player
from wallet.money import MAX_AMOUNT

ERRORS: Final = dialect.by_code(
    {
        "RS_ERROR_NOT_ENOUGH_MONEY": "insufficient_funds",
        "RS_ERROR_LIMIT_REACHED": "limit_reached stake_above_limit",
        "RS_ERROR_INVALID_TOKEN": "unknown_session unknown_player",
        "RS_ERROR_TOKEN_EXPIRED": "session_ended",
        "RS_ERROR_USER_DISABLED": "wallet_locked player_excluded",
        "RS_ERROR_INVALID_GAME": "game_excluded forbidden",
        "RS_ERROR_WRONG_CURRENCY": "currency_disabled unknown_currency unknown_wallet",
        "RS_ERROR_DUPLICATE_TRANSACTION": "reference_reused",
        "RS_ERROR_TRANSACTION_DOES_NOT_EXIST": "unknown_original",
        "RS_ERROR_INVALID_SIGNATURE": "unauthenticated",
        "RS_ERROR_WRONG_SYNTAX": "malformed invalid_field too_large timeout method_not_allowed",
    }
)
TRY_AGAIN: Final = ("busy", "unavailable", "internal")
# One of theirs is a hundred-thousandth of the main unit.
DIGITS: Final = 5


class WrongTypes(Refused):
    """An amount that is none."""

    def __init__(self) -> None:
        super().__init__("invalid_field", field="amount")


def verify(visit: Visit) -> None:
    try:
        signature = b64decode(visit.headers.get(b"x-hub88-signature", b""), validate=True)
    except ValueError:
        raise Unauthenticated("signature is not base64", visit.provider.code) from None
    for key in visit.provider.public_keys:
        try:
            return key.verify(signature, visit.body, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
    raise Unauthenticated("signature", visit.provider.code)


def _read(visit: Visit, *names: str) -> Mapping[str, Any]:
    body = strict_json.parse(visit.body)
    for name in ("request_uuid", *names):
        field(body, name)
    return body


async def _session(visit: Visit, body: Mapping[str, Any]) -> SessionRecord:
    """Who plays, by the token. Raises Refused where the body says anything else of player or currency."""
    session = await visit.session(body["token"])
    if body.get("user") not in (None, session.player):
        raise Refused("unknown_session")
    if "currency" in body and (await visit.currency(field(body, "currency"))).code != session.currency:
        raise Refused("unknown_currency")
    return session


def _told(visit: Visit, session: SessionRecord, balance: int, digits: int) -> dict[str, Any]:
    units = balance * 10**DIGITS // 10**digits
    return {"user": session.player, "currency": visit.provider.theirs(session.currency), "balance": units}


def _answer(visit: Visit, body: Mapping[str, Any], it: Receipt | Standing) -> Reply:
    assert visit.named_session is not None
    told = _told(visit, visit.named_session, it.cash + it.bonus, it.digits)
    return answer({"status": "RS_OK", "request_uuid": body["request_uuid"], **told})


async def info(visit: Visit) -> Reply:
    body = _read(visit, "user")
    players = Player.objects.filter(code=checked("user", body["user"])).values_list("country", flat=True)
    found = await visit.read(lambda: list(players))
    if not found:
        raise Refused("unknown_player")
    told = {"user": body["user"], "request_uuid": body["request_uuid"], "country": found[0]}
    return answer({"status": "RS_OK", **told})


async def balance(visit: Visit) -> Reply:
    body = _read(visit, "token")
    session = await _session(visit, body)
    return _answer(visit, body, await visit.ask(visit.balance(session.player, session.currency, session.id)))


class Played(NamedTuple):
    """What bets and wins say alike; ``key`` is player, currency and reference, ``amount`` in minor units."""

    body: Mapping[str, Any]
    key: tuple[str, str, str]
    amount: int
    free: bool
    named: dict[str, Any]


async def _played(visit: Visit, *names: str) -> Played:
    body = _read(visit, "token", "transaction_uuid", "round", "game_code", "currency", *names)
    free, ends = flag(body, "is_free"), flag(body, "round_closed")
    if body.get("amount") is None:
        raise InvalidField("amount", "required")
    if type(body["amount"]) is not int or body["amount"] < 0:
        raise WrongTypes
    session = await _session(visit, body)
    amount, rest = divmod(body["amount"] * 10 ** visit.digits[session.currency], 10**DIGITS)
    if rest or amount > MAX_AMOUNT:
        raise WrongTypes
    key = (session.player, session.currency, body["transaction_uuid"])
    return Played(body, key, amount, free, {"round": body["round"], "game": body["game_code"], "ends_round": ends})


async def bet(visit: Visit) -> Reply:
    it = await _played(visit)
    # The promotion pays a free one.
    stake = 0 if it.free else it.amount
    command = visit.bet(*it.key, amount=stake, session=it.body["token"], **it.named)
    return _answer(visit, it.body, await visit.ask(command))


async def win(visit: Visit) -> Reply:
    it = await _played(visit, "reference_transaction_uuid")
    source, stake = WinSource.FREE_ROUND if it.free else None, it.body["reference_transaction_uuid"]
    command = visit.win(*it.key, amount=it.amount, bet=stake, win_source=source, **it.named)
    return _answer(visit, it.body, await visit.ask(command))


async def rollback(visit: Visit) -> Reply:
    body = _read(visit, "token", "transaction_uuid", "reference_transaction_uuid", "round")
    session = await _session(visit, body)
    player, reference = session.player, body["transaction_uuid"]
    if "amount" in body:
        spent = await visit.outcomes(*(visit.find(player, kind, reference) for kind in (Kind.BET, Kind.WIN)))
        if any(not isinstance(each, Refused) or each.code != "unknown_transaction" for each in spent):
            raise Refused("reference_reused")
    undo = visit.rollback(player, reference, body["reference_transaction_uuid"], currency=session.currency)
    (outcome,) = await visit.outcomes(undo)
    if isinstance(outcome, Refused) and outcome.code not in ("already_rolled_back", "unknown_original"):
        raise outcome
    if isinstance(outcome, Receipt) and outcome.status == "posted":
        return _answer(visit, body, outcome)
    return _answer(visit, body, await visit.ask(visit.balance(player, session.currency)))


def refuse(refusal: Refused, visit: Visit) -> Reply:
    status = ERRORS.get(refusal.code, "RS_ERROR_UNKNOWN")
    if isinstance(refusal, WrongTypes):
        status = "RS_ERROR_WRONG_TYPES"
    elif refusal.code == "rolled_back" and visit.path.endswith(b"/win"):
        # The bet it answers is not there any more; of a bet it is only late.
        status = ERRORS["unknown_original"]
    body: dict[str, Any] = {"status": status, "request_uuid": dialect.loosely(visit.body).get("request_uuid")}
    if visit.named_session is not None and "balance" in refusal.facts:
        body |= _told(visit, visit.named_session, refusal.facts["balance"], refusal.facts["digits"])
    return answer(body, 500 if refusal.code in TRY_AGAIN else 200)


CALLS: Final = {
    "user/info": info,
    "user/balance": balance,
    "transaction/bet": bet,
    "transaction/win": win,
    "transaction/rollback": rollback,
}
DIALECT: Final = Dialect(name="hub88", calls=dialect.paths(CALLS), verify=verify, refuse=refuse)
