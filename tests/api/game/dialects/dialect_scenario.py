"""A provider of one dialect at the door in this process, with players of its own; and the cases that are given."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from casino_pam import provider_side
from casino_pam.engine import sessions
from casino_pam.local.os_support import PROJECT
from tests import scenario
from tests.game_client import Door, Reply
from wallet import money, providers
from wallet.models import GameSession

SIX: Final = ("beexar", "hub88", "swipegames", "slotegrator", "pragmatic", "evolution")
CASES: Final = json.loads((PROJECT / "casino_pam/api/game/dialects/cases.json").read_text())
SECRET: Final = "a-secret-of-theirs"


@cache
def private_key(number: int) -> rsa.RSAPrivateKey:
    """Making one costs a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Partner:
    """A provider of one dialect."""

    def __init__(self, door: Door, dialect: str, code: str | None = None, **fields: Any) -> None:
        self.door, self.dialect, self.code = door, dialect, code or dialect
        keys = {"public_key_one": pem(private_key(0))} if dialect == "hub88" else {}
        named: dict[str, Any] = {"name": dialect, "dialect": dialect, "merchant": "m-77", **keys, **fields}
        providers.make(self.code, named, SECRET)

    def sender(self, secret: str = SECRET, key: int = 0) -> provider_side.Sender:
        return provider_side.Sender(self.dialect, self.code, secret, "m-77", private_key(key))

    def written(self, name: str, fields: Mapping[str, Any] | None = None, **intent: Any) -> provider_side.Call:
        """A call as the provider writes and signs it."""
        sender = self.sender(intent.pop("secret", SECRET), intent.pop("key", 0))
        intent = {"at": time.time(), "nonce": uuid.uuid4().hex, **intent}
        return provider_side.written(sender, provider_side.Intent(name, fields or {}, **intent))

    def call(self, name: str, fields: Mapping[str, Any] | None = None, **intent: Any) -> Reply:
        return self.send(self.written(name, fields, **intent))

    def send(self, call: provider_side.Call, **changes: Any) -> Reply:
        """Send a written call, some of it changed: ``path``, ``method``, ``body``, ``headers``."""
        call = call._replace(**changes)
        path, _, query = call.path.partition("?")
        headers = {"Host": "localhost", **call.headers}
        reply: Reply = self.door.request(call.method, path, headers, call.body, query=query.encode())
        self.is_in_shape(reply)
        return reply

    def is_in_shape(self, reply: Reply) -> None:
        is_in_shape(self.dialect, reply)

    def player(self, code: str = "anna", cash: str = "100.00", currency: str = "EUR") -> str:
        """A player with a session here; its id."""
        scenario.player(code, cash, currency=currency)
        return self.session(code, currency)

    def session(self, player: str, currency: str = "EUR", game: str | None = "dice") -> str:
        return sessions.open_session(player, provider=self.code, currency=currency, game=game).id

    def ask(self, kind: str, reference: str = "", **values: Any) -> Reply:
        """A balance, bet, win or undo of anna's, or of ``player``'s, as this dialect says it."""
        return self.send(self.asked(kind, reference, **values))

    def asked(self, kind: str, reference: str = "", **values: Any) -> provider_side.Call:
        player = values.pop("player", "anna")
        opened = GameSession.objects.filter(provider__code=self.code, player__code=player).order_by("-created_at")
        session = values.pop("session", None) or getattr(opened.first(), "pk", "none")
        intent = {name: values.pop(name) for name in ("sign", "secret", "key", "at") if name in values}
        said = {"reference": reference, "amount": "10.00", "round": "round-1", "original": reference, "bet": reference}
        name, fields = SAYS[self.dialect](kind, player, session, {**said, "currency": "EUR", **values})
        if self.dialect == "swipegames" and kind == "balance":
            return self.written(name, query=fields, **intent)
        return self.written(name, fields, **intent)


Said = tuple[str, dict[str, Any]]


def _says_beexar(kind: str, player: str, session: str, it: dict[str, Any]) -> Said:
    wallet = {"account_id": player, "currency": it["currency"], "game_id": "dice"}
    row = {"id_provider": it["reference"], "type": kind, "amount": it["amount"]}
    if kind == "balance":
        return "/balance", wallet
    if kind != "undo":
        return "/betwin", {**wallet, "round_id": it["round"], "transactions": [row]}
    undo = {"id_provider": it["reference"], "type": "rollback", "original_id_provider": it["original"]}
    return "/rollback", {**wallet, "round_id_provider": it["round"], "finished": False, "transactions": [undo]}


def _says_hub88(kind: str, player: str, session: str, it: dict[str, Any]) -> Said:
    token = {"user": player, "token": session, "request_uuid": "q-1"}
    if kind == "balance":
        return "/user/balance", token
    named = {**token, "transaction_uuid": it["reference"], "round": it["round"], "game_code": "dice"}
    if kind == "undo":
        return "/transaction/rollback", {**named, "reference_transaction_uuid": it["original"]}
    amount = it["amount"]
    amount = int(Decimal(amount) * 100_000) if isinstance(amount, str) else amount
    played = {**named, "currency": it["currency"], "amount": amount}
    if kind == "win":
        played["reference_transaction_uuid"] = it["bet"]
    return f"/transaction/{kind}", played


def _says_swipegames(kind: str, player: str, session: str, it: dict[str, Any]) -> Said:
    if kind == "balance":
        return "/balance", {"sessionID": session}
    named = {"sessionID": session, "txID": it["reference"], "amount": it["amount"], "roundID": it["round"]}
    if kind == "undo":
        return "/refund", {**named, "origTxID": it["original"]}
    return f"/{kind}", {**named, "type": "regular"}


def _says_slotegrator(kind: str, player: str, session: str, it: dict[str, Any]) -> Said:
    wallet = {"player_id": player, "currency": it["currency"], "session_id": "s-1", "game_uuid": "dice"}
    if kind == "balance":
        return "", {"action": "balance", **wallet}
    named = {**wallet, "transaction_id": it["reference"], "amount": it["amount"], "round_id": it["round"]}
    if kind == "undo":
        return "", {"action": "refund", **named, "bet_transaction_id": it["original"]}
    return "", {"action": kind, "type": kind, **named}


def _says_pragmatic(kind: str, player: str, session: str, it: dict[str, Any]) -> Said:
    if kind == "balance":
        return "/balance.html", {"userId": player}
    if kind == "undo":
        return "/refund.html", {"userId": player, "reference": it["original"]}
    named = {"userId": player, "gameId": "dice", "roundId": it["round"], "amount": it["amount"]}
    name = "/bet.html" if kind == "bet" else "/result.html"
    return name, {**named, "reference": it["reference"], "timestamp": "1", "roundDetails": "spin & win"}


def _says_evolution(kind: str, player: str, session: str, it: dict[str, Any]) -> Said:
    named = {"sid": session, "userId": player, "uuid": "u-1", "currency": it["currency"]}
    game = {"id": it["round"], "type": "roulette", "details": {"table": {"id": "dice", "vid": None}}}
    if kind == "balance":
        return "/balance", {**named, "game": None}
    reference = it["original"] if kind == "undo" else it["bet"] if kind == "win" else it["reference"]
    amount = it["amount"]
    amount = msgspec.Raw(amount.encode()) if isinstance(amount, str) else amount
    spent = {"id": f"t-{it['reference']}", "refId": reference, "amount": amount}
    name = {"bet": "/debit", "win": "/credit", "undo": "/cancel"}[kind]
    return name, {**named, "game": game, "transaction": spent}


SAYS: Final = {
    "beexar": _says_beexar, "hub88": _says_hub88, "swipegames": _says_swipegames,
    "slotegrator": _says_slotegrator, "pragmatic": _says_pragmatic, "evolution": _says_evolution,
}  # fmt: skip


def word(dialect: str, reply: Reply) -> Any:
    """A reply in one word: ok, or what the dialect calls its refusal."""
    body = reply.json
    if dialect == "beexar":
        return "ok" if reply.status == 200 else body["meta"]["api_code"]
    if dialect == "hub88":
        return "ok" if body["status"] == "RS_OK" else body["status"].removeprefix("RS_ERROR_")
    if dialect == "swipegames":
        return "ok" if reply.status == 200 else body.get("code", reply.status)
    if dialect == "slotegrator":
        return body.get("error_code", "ok")
    if dialect == "pragmatic":
        return body["error"] or "ok"
    return "ok" if body["status"] == "OK" else body["status"]


# How each dialect says what all must be able to say.
UNPROVEN: Final = {
    "beexar": "403", "hub88": "INVALID_SIGNATURE", "swipegames": 401, "slotegrator": "INTERNAL_ERROR",
    "pragmatic": 5, "evolution": "INVALID_TOKEN_ID",
}  # fmt: skip
MALFORMED: Final = {
    "beexar": "400", "hub88": "WRONG_SYNTAX", "swipegames": 400, "slotegrator": "INTERNAL_ERROR",
    "pragmatic": 7, "evolution": "INVALID_PARAMETER",
}  # fmt: skip
NO_MONEY: Final = {
    "beexar": "100", "hub88": "NOT_ENOUGH_MONEY", "swipegames": "insufficient_funds",
    "slotegrator": "INSUFFICIENT_FUNDS", "pragmatic": 1, "evolution": "INSUFFICIENT_FUNDS",
}  # fmt: skip
TRY_AGAIN: Final = {
    "beexar": "503", "hub88": "UNKNOWN", "swipegames": 500, "slotegrator": "INTERNAL_ERROR",
    "pragmatic": 100, "evolution": "TEMPORARY_ERROR",
}  # fmt: skip


def told(dialect: str, reply: Reply) -> int | None:
    """The whole balance that a reply tells, in minor units of EUR; None where it tells none."""
    body = json.loads(reply.body, parse_float=Decimal)
    if dialect == "beexar":
        text = body.get("balance", body.get("meta", {}).get("balance"))
        return None if text is None else money.parse(text, 2)
    if dialect == "hub88":
        return None if "balance" not in body else int(body["balance"]) // 1000
    if dialect == "swipegames":
        return None if "balance" not in body else money.parse(body["balance"], 2)
    if dialect == "slotegrator":
        return None if "balance" not in body else int(body["balance"] * 100)
    cash = body.get("cash" if dialect == "pragmatic" else "balance")
    return None if cash is None else int((cash + body["bonus"]) * 100)


# What each dialect may answer: its HTTP statuses, and the names that one of its answers has at least.
STATUSES: Final = {
    "beexar": {200, 400, 404, 500},
    "hub88": {200, 500},
    "swipegames": {200, 400, 401, 404, 500},
    "slotegrator": {200},
    "pragmatic": {200},
    "evolution": {200},
}
STATES: Final = (
    "OK", "BET_ALREADY_EXIST", "BET_ALREADY_SETTLED", "BET_DOES_NOT_EXIST", "FINAL_ERROR_ACTION_FAILED",
    "INSUFFICIENT_FUNDS", "INVALID_SID", "INVALID_PARAMETER", "INVALID_TOKEN_ID", "ACCOUNT_LOCKED",
    "CASINO_LIMIT_EXCEEDED_TURNOVER", "CASINO_LIMIT_EXCEEDED_LOSS", "CASINO_LIMIT_EXCEEDED_STAKE", "TEMPORARY_ERROR",
)  # fmt: skip


def is_in_shape(dialect: str, reply: Reply) -> None:
    """Fail unless the reply is an answer of the dialect, whatever was asked."""
    assert reply.headers["content-type"] == "application/json", reply
    assert reply.status in STATUSES[dialect], reply
    body = reply.json
    assert type(body) is dict, reply
    _SHAPES[dialect](reply.status, body)


def _beexar(status: int, body: dict[str, Any]) -> None:
    if status == 200:
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", body["balance"]), body
        return
    assert set(body) == {"code", "msg", "meta"} and body["msg"] == body["meta"]["api_message"] != "", body
    assert body["code"] == ("internal" if status == 500 else "invalid_argument"), body
    assert re.fullmatch("[0-9]{3}", body["meta"]["api_code"]), body


def _hub88(status: int, body: dict[str, Any]) -> None:
    assert "request_uuid" in body and body["status"].startswith("RS_"), body
    assert type(body.get("balance", 0)) is int, body
    assert status == 200 or body["status"] == "RS_ERROR_UNKNOWN", body


def _swipegames(status: int, body: dict[str, Any]) -> None:
    if status == 200:
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", body["balance"]), body
    else:
        assert body["message"] and set(body) <= {"message", "code", "action", "details"}, body


def _slotegrator(_: int, body: dict[str, Any]) -> None:
    if "error_code" in body:
        assert body["error_code"] in ("INSUFFICIENT_FUNDS", "INTERNAL_ERROR") and body["error_description"], body
    else:
        assert type(body["balance"]) in (int, float), body


def _pragmatic(_: int, body: dict[str, Any]) -> None:
    assert body["error"] in (0, 1, 2, 3, 4, 5, 6, 7, 8, 50, 100, 120) and body["description"], body


def _evolution(_: int, body: dict[str, Any]) -> None:
    assert body["status"] in STATES and "uuid" in body, body
    assert "sid" in body or {"balance", "bonus", "retransmission"} <= set(body), body


_SHAPES: Final = {
    "beexar": _beexar, "hub88": _hub88, "swipegames": _swipegames, "slotegrator": _slotegrator,
    "pragmatic": _pragmatic, "evolution": _evolution,
}  # fmt: skip
