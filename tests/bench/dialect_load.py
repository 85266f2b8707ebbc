"""CPU of a signed bet by dialect, over our own door's: the same bets from wrk, at the same web workers, in turns.

What is counted is the workers' CPU, from /proc, for each bet that was posted: what PostgreSQL and the client cost is
the same for all. Each dialect is measured between two measurements of our own door, for the machine may be busy.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

import msgspec

from casino_pam.provider_side import Call, Intent, Sender, written
from tests.bench import game_load, processor_time

SIX: Final = ("beexar", "hub88", "swipegames", "slotegrator", "pragmatic", "evolution")
PLAYERS: Final = 200
AT_ONCE: Final = 32
SECRET: Final = "a-benchmark-partner-secret"

Figures = dict[str, float]
Bet = Callable[[str, str, str], dict[str, Any]]


def _beexar(player: str, session: str, name: str) -> dict[str, Any]:
    rows = [{"id_provider": name, "type": "bet", "amount": "1.00"}]
    return {"account_id": player, "currency": "EUR", "game_id": "slot-1", "round_id": name, "transactions": rows}


def _hub88(player: str, session: str, name: str) -> dict[str, Any]:
    named = {"user": player, "token": session, "request_uuid": name, "transaction_uuid": name, "round": name}
    return {**named, "game_code": "slot-1", "currency": "EUR", "amount": 100_000, "round_closed": False}


def _swipegames(player: str, session: str, name: str) -> dict[str, Any]:
    return {"type": "regular", "sessionID": session, "amount": "1.00", "txID": name, "roundID": name}


def _slotegrator(player: str, session: str, name: str) -> dict[str, Any]:
    named = {"action": "bet", "player_id": player, "currency": "EUR", "session_id": session, "game_uuid": "slot-1"}
    return {**named, "transaction_id": name, "amount": "1.00", "type": "bet", "round_id": name}


def _pragmatic(player: str, session: str, name: str) -> dict[str, Any]:
    named = {"userId": player, "gameId": "slot-1", "roundId": name, "amount": "1.00", "reference": name}
    return {**named, "timestamp": "1700000000000", "roundDetails": "spin"}


def _evolution(player: str, session: str, name: str) -> dict[str, Any]:
    game = {"id": name, "type": "roulette", "details": {"table": {"id": "slot-1", "vid": None}}}
    spent = {"id": name, "refId": name, "amount": msgspec.Raw(b"1.000000")}
    return {"sid": session, "userId": player, "uuid": name, "currency": "EUR", "game": game, "transaction": spent}


def _door(player: str, session: str, name: str) -> dict[str, Any]:
    named = {"player": player, "currency": "EUR", "reference": name, "round": name}
    return {**named, "game": "slot-1", "amount": "1.00"}


BETS: Final[dict[str, tuple[str, Bet]]] = {
    "door": ("/bet", _door),
    "beexar": ("/betwin", _beexar),
    "hub88": ("/transaction/bet", _hub88),
    "swipegames": ("/bet", _swipegames),
    "slotegrator": ("", _slotegrator),
    "pragmatic": ("/bet.html", _pragmatic),
    "evolution": ("/debit", _evolution),
}


class Partners:
    """A provider of each dialect, with a session of every player where its calls name one."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        from casino_pam.engine import sessions
        from wallet import providers

        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.sessions: dict[str, list[str]] = {"door": [""] * PLAYERS}
        for dialect in ("door", *SIX):
            fields = {"name": dialect, "dialect": dialect, "merchant": "bench", "public_key_one": pem}
            providers.make(f"of-{dialect}", fields, SECRET)
            if dialect != "door":
                self.sessions[dialect] = [
                    sessions.open_session(f"p{n}", provider=f"of-{dialect}", currency="EUR", game="slot-1").id
                    for n in range(PLAYERS)
                ]

    def rsa_microseconds(self) -> float:
        """What checking one signature costs: hub88's own, whoever answers it."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        bodies = [b"%d" % n * 100 for n in range(200)]
        signed, public = [(self.key.sign(body, PKCS1v15(), SHA256()), body) for body in bodies], self.key.public_key()
        began = time.process_time()
        for signature, body in signed:
            public.verify(signature, body, PKCS1v15(), SHA256())
        return (time.process_time() - began) * 1e6 / len(bodies)

    def bets(self, dialect: str, run: str, count: int) -> list[Call]:
        name, fields = BETS[dialect]
        sender = Sender(dialect, f"of-{dialect}", SECRET, "bench", self.key)
        now, named = time.time(), self.sessions[dialect]
        return [
            written(
                sender,
                Intent(name, fields(f"p{n % PLAYERS}", named[n % PLAYERS], f"{run}-{n}"), None, now, run),
            )
            for n in range(count)
        ]


def _line(call: Call) -> str:
    """The request on one line, `|` standing for CR LF."""
    head = [f"{call.method} {call.path} HTTP/1.1", "Host: 127.0.0.1"]
    head += [f"{name}: {value}" for name, value in call.headers.items()]
    return "|".join([*head, f"Content-Length: {len(call.body)}", "", call.body.decode()])


def _posted(dialect: str) -> int:
    from wallet.models import Transaction

    return Transaction.objects.filter(source=f"of-{dialect}", kind="BET", status="POSTED").count()


def _microseconds(port: int, partners: Partners, dialect: str, seconds: int) -> float:
    """CPU of the workers for one bet."""
    run = f"{dialect}-{random.getrandbits(32):x}"
    # An RSA signature takes long to make.
    lines = [_line(call) for call in partners.bets(dialect, run, (3_000 if dialect == "hub88" else 10_000) * seconds)]
    workers = processor_time.web_processes()
    before, spent = _posted(dialect), processor_time.seconds(workers)
    game_load.wrk(port, lines, connections=AT_ONCE, seconds=seconds).clean()
    return (processor_time.seconds(workers) - spent) * 1e6 / (_posted(dialect) - before)


def measured(port: int, seconds: int) -> Figures:
    """CPU of a bet of each dialect over our own door's, hub88's without its RSA; and that, in microseconds."""
    partners = Partners()
    rsa_cost = partners.rsa_microseconds()
    figures: Figures = {"hub88 RSA, us": rsa_cost}
    own = []
    for dialect in SIX:
        # Each worker finds the sessions once.
        _microseconds(port, partners, dialect, 1)
        before = _microseconds(port, partners, "door", seconds)
        its = _microseconds(port, partners, dialect, seconds)
        after = _microseconds(port, partners, "door", seconds)
        own += [before, after]
        without = its - (rsa_cost if dialect == "hub88" else 0)
        figures[f"bet of {dialect}, us"] = its
        figures[f"CPU of {dialect}"] = without / ((before + after) / 2)
    figures["bet of our own door, us"] = median(own)
    return figures
