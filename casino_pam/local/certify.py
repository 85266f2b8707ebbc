"""The cases of a dialect played against a running server: an integrator's acceptance before the provider's own.

The cases are the contract's (casino_pam/api/game/dialects/cases.json). Each is played by a player of its own, made and
funded for it, through the address the provider was given, and signed as the provider signs; then the answers are held
against what is expected, and the wallet against the ledger.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from django.utils import timezone

from casino_pam import api
from casino_pam.engine import accounts, commands, posting, sessions
from casino_pam.provider_side import GOOD, Call, Intent, Sender, written
from wallet import audit, money
from wallet.kinds import CASHIER
from wallet.models import GameSession, Provider, Transaction, Wallet

CASES: Final = Path(api.__file__).parent / "game" / "dialects" / "cases.json"
FUNDS: Final = "100.00"
CURRENCY: Final = "EUR"
DIGITS: Final = 2
TIMEOUT_SECONDS: Final = 15

_named = re.compile(r"\{(\w+)(?:!(\w+))?\}")


class Different(Exception):
    """An answer, or the ledger, is not as the case wants it."""


class NotThere(Exception):
    """The server does not answer."""


class Outcome(NamedTuple):
    """What became of a case; ``wrong`` says where it parted from what is expected, or is empty."""

    id: str
    title: str
    wrong: str


def cases(dialect: str) -> list[dict[str, Any]]:
    return [case for case in json.loads(CASES.read_text()) if case["dialect"] == dialect]


class Server:
    """A running server; one kept connection."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_SECONDS)

    def send(self, call: Call) -> tuple[int, Any]:
        """Status and JSON of the answer, its numbers exact. Raises NotThere, Different."""
        try:
            self._connection.request(call.method, call.path, call.body or None, call.headers)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotThere(str(error)) from None
        if answer.headers.get_content_type() != "application/json":
            raise Different(f"content type {answer.headers.get_content_type()}")
        try:
            return answer.status, json.loads(body, parse_float=Decimal, parse_int=Decimal)
        except ValueError:
            raise Different("the answer is not JSON") from None

    def close(self) -> None:
        self._connection.close()


class CasePlay:
    """One case with the player and the names it made."""

    def __init__(self, server: Server, sender: Sender, provider: Provider, setup: Mapping[str, Any]) -> None:
        self.server = server
        self.sender = sender
        self.names: dict[str, str] = {}
        self.saved: dict[str, Any] = {}
        self.player = _player(setup.get("balance", FUNDS))
        session = sessions.open_session(self.player, provider=provider.code, currency=CURRENCY, game="dice")
        theirs = {ours: theirs for theirs, ours in provider.currencies.items()}.get(CURRENCY, CURRENCY)
        self.names |= {"player": self.player, "session": session.id, "currency": theirs}
        if "other" in setup:
            self.names["other"] = _player(FUNDS)

    def run(self, step: Mapping[str, Any]) -> None:
        """Raises Different, NotThere."""
        if "do" in step:
            getattr(self, f"_{step['do']}")(step)
        if "call" in step:
            self._call(step)
        if "ledger" in step:
            self._check_ledger(step["ledger"])

    def _call(self, step: Mapping[str, Any]) -> None:
        query = step.get("query")
        intent = Intent(
            name=step["call"],
            fields=self._filled(step.get("body", {})),
            query=None if query is None else self._filled(query),
            at=time.time() + step.get("skew", 0),
            nonce=secrets.token_hex(8),
            sign=step.get("sign", GOOD),
        )
        status, answer = self.server.send(written(self.sender, intent))
        expected = step["expect"]
        if status != expected["status"]:
            raise Different(f"HTTP {status} instead of {expected['status']}: {json.dumps(answer, default=str)[:200]}")
        self._match(answer, expected["body"], "")

    def _deposit(self, step: Mapping[str, Any]) -> None:
        _fund(self.player, step["amount"])

    def _expire(self, step: Mapping[str, Any]) -> None:
        yesterday = timezone.now() - timedelta(days=1)
        GameSession.objects.filter(pk=self.names["session"]).update(expires_at=yesterday)

    def _check_ledger(self, expected: Mapping[str, Any]) -> None:
        wallet = Wallet.objects.get(player__code=self.player, currency=CURRENCY)
        if money.show(wallet.cash, DIGITS) != expected["cash"]:
            raise Different(f"the wallet has {money.show(wallet.cash, DIGITS)} instead of {expected['cash']}")
        if "rows" in expected:
            kind, status, count = (expected["rows"][name] for name in ("kind", "status", "count"))
            found = Transaction.objects.filter(wallet=wallet, kind=kind.upper(), status=status.upper()).count()
            if found != count:
                raise Different(f"{found} {status} {kind} rows instead of {count}")

    # --- what a case says ------------------------------------------------------------------

    def _filled(self, value: Any) -> Any:
        """The value with its names in place, and ``$raw`` as the JSON text that it is."""
        if isinstance(value, str):
            return _named.sub(self._name, value)
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "$raw" in value:
            return msgspec.Raw(value["$raw"].encode())
        return {name: self._filled(each) for name, each in value.items()}

    def _name(self, found: re.Match[str]) -> str:
        name, kind = found.groups()
        return self.names.setdefault(name, str(uuid4()) if kind == "uuid" else f"{name}-{secrets.token_hex(6)}")

    def _match(self, found: Any, expected: Any, where: str) -> None:
        """Raises Different unless what was found holds all that is expected."""
        if isinstance(expected, dict) and (operator := next((name for name in expected if name[:1] == "$"), None)):
            self._judge(found, operator, expected[operator], where)
        elif isinstance(expected, dict):
            if not isinstance(found, dict):
                raise Different(f"{where or 'the answer'} is {_shown(found)}")
            for name, each in expected.items():
                self._match(found.get(name, _ABSENT), each, f"{where}.{name}".lstrip("."))
        elif isinstance(expected, list):
            if not isinstance(found, list) or len(found) != len(expected):
                raise Different(f"{where} is {_shown(found)}")
            for place, (one, each) in enumerate(zip(found, expected, strict=True)):
                self._match(one, each, f"{where}[{place}]")
        elif not _same(found, self._filled(expected)):
            raise Different(f"{where} is {_shown(found)} instead of {_shown(self._filled(expected))}")

    def _judge(self, found: Any, operator: str, wanted: Any, where: str) -> None:
        holds: dict[str, Callable[[], bool]] = {
            "$num": lambda: isinstance(found, Decimal) and found == Decimal(str(wanted)),
            "$text": lambda: isinstance(found, str) and found != "",
            "$absent": lambda: found is _ABSENT,
            "$save": lambda: isinstance(found, str) and found != "",
            "$eq": lambda: bool(found == self.saved[wanted]),
            "$ne": lambda: bool(found != self.saved[wanted]),
            "$in": lambda: any(self._holds(found, each) for each in wanted),
        }
        if not holds[operator]():
            raise Different(f"{where} is {_shown(found)}, expected {operator} {wanted}")
        if operator == "$save":
            self.saved[wanted] = found

    def _holds(self, found: Any, expected: Any) -> bool:
        try:
            self._match(found, expected, "")
        except Different:
            return False
        return True


_ABSENT: Final = object()


def _same(found: Any, wanted: Any) -> bool:
    """To Python 0 is False as well."""
    return found is wanted if isinstance(found, bool) or isinstance(wanted, bool) else bool(found == wanted)


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else json.dumps(value, default=str)[:100]


def _player(balance: str) -> str:
    """A player who was never there before, with this much."""
    player = f"certify-{secrets.token_hex(6)}"
    accounts.create(player, country=None, currencies=[CURRENCY], record=partial(audit.named, None, "certify"))
    if Decimal(balance):
        _fund(player, balance)
    return player


def _fund(player: str, amount: str) -> None:
    posting.execute(
        commands.Deposit(
            source=CASHIER,
            player=player,
            currency=CURRENCY,
            reference=f"certify-{secrets.token_hex(6)}",
            amount=money.parse(amount, DIGITS),
            at=commands.now(),
            deadline=commands.deadline(),
        )
    )


def play(provider: Provider, sender: Sender, base_url: str) -> Iterator[Outcome]:
    """Play the cases of the provider's dialect one by one. Raises NotThere."""
    server = Server(base_url)
    try:
        for case in cases(provider.dialect):
            yield Outcome(case["id"], case["title"], _differs(server, sender, provider, case))
    finally:
        server.close()


def _differs(server: Server, sender: Sender, provider: Provider, case: Mapping[str, Any]) -> str:
    place = 0
    try:
        playing = CasePlay(server, sender, provider, case["setup"])
        for place, step in enumerate(case["steps"], start=1):  # noqa: B007
            playing.run(step)
    except Different as different:
        return f"step {place}: {different}"
    return ""
