"""A fake game provider: signs and plays over HTTP, retries, repeats, delivers late and out of order.

The demo's heartbeat and a load generator. It keeps a journal of every definite answer and compares it, line by line,
with the ledger when it is done.
"""

from __future__ import annotations

import asyncio
import csv
import json
import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from casino_pam import demo
from casino_pam.api.game.signing import sign
from casino_pam.local import demo_data
from casino_pam.provider_side import Call
from wallet import money
from wallet.kinds import LIMIT_SUBJECTS, Kind, Status
from wallet.models import Transaction
from wallet.provider_file import HEADER

TIMEOUT_SECONDS = 10


class Unanswered(Exception):
    """Nothing is known to have happened: send the same again."""


class Connection:
    """A kept connection; ``patience`` is how many seconds an answer is waited for."""

    def __init__(self, base_url: str, patience: float = TIMEOUT_SECONDS) -> None:
        self.patience = patience
        try:
            parts = urlsplit(base_url)
            self.host, self.port = parts.hostname or "", parts.port or 80
        except ValueError:
            self.host = ""
        if not self.host or not self.host.isascii() or parts.scheme != "http":
            raise CannotSit(f"{base_url!r} is no address such as http://127.0.0.1:8080")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer. Raises Unanswered."""
        return await self.send(Call("POST", path, {"Content-Type": "application/json", **headers}, body))

    async def send(self, call: Call) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer, its numbers exact. Raises Unanswered."""
        method, path, headers, body = call
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        try:
            async with asyncio.timeout(self.patience):
                return await self._exchange("\r\n".join(lines).encode() + body)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.close()
            raise Unanswered(str(error)) from error

    async def _exchange(self, request: bytes) -> tuple[int, dict[str, Any]]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1]), json.loads(body or b"{}", parse_float=Decimal)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


KINDS = {"bet": Kind.BET, "win": Kind.WIN, "rollback": Kind.ROLLBACK, "end-round": Kind.END_ROUND}


class JournalLine(msgspec.Struct):
    """One request and its first definite answer, given ``at`` unix seconds; the rest as the request had it."""

    call: str
    reference: str
    player: str
    amount: str
    status: int
    answer: dict[str, Any]
    at: float = 0
    round: str = ""
    game: str = ""
    original: str = ""

    @property
    def outcome(self) -> str:
        """posted, void, or the code of the refusal."""
        return str(self.answer.get("code") or self.answer["status"])


class Journal:
    """Definite answers by (call, reference); two different answers to one request are kept apart."""

    def __init__(self, source: str, prefix: str) -> None:
        self.source = source
        self.prefix = prefix
        self.entries: dict[tuple[str, str], JournalLine] = {}
        self.contradictions: list[str] = []

    def note(self, entry: JournalLine) -> None:
        known = self.entries.setdefault((entry.call, entry.reference), entry)
        if known is entry:
            return
        # A bet that was rolled back since answers so for ever; nothing else may change its answer.
        if known.outcome != entry.outcome and entry.outcome != "rolled_back":
            self.contradictions.append(
                f"{entry.call} {entry.reference}: first answered {known.outcome}, then {entry.outcome}"
            )
        if known.answer.get("transaction") not in (None, entry.answer.get("transaction")) and (
            "transaction" in entry.answer
        ):
            self.contradictions.append(f"{entry.call} {entry.reference}: answered by two different rows")

    def counts(self) -> Counter[str]:
        return Counter(f"{entry.call} {entry.outcome}" for entry in self.entries.values())


def differences(journal: Journal) -> Iterator[str]:
    """Where journal and ledger disagree, line by line; nothing when they agree."""
    yield from journal.contradictions
    rows = {
        (row.kind, row.reference): row
        for row in Transaction.objects.filter(
            source=journal.source,
            reference__gte=journal.prefix,
            reference__lt=journal.prefix + "~",
            kind__in=KINDS.values(),
        )
        .select_related("wallet__currency", "wallet__player")
        .iterator(chunk_size=2000)
    }
    for entry in journal.entries.values():
        row = rows.pop((KINDS[entry.call], entry.reference), None)
        yield from _compare(entry, row)
    for row in rows.values():
        # A rollback that came first has spent the bet's reference: the bet itself may never have come.
        if row.status != Status.VOID:
            yield f"{row.kind} {row.reference}: in the ledger as {row.status}, not in the journal"


def _compare(entry: JournalLine, row: Transaction | None) -> Iterator[str]:
    what = f"{entry.call} {entry.reference}"
    if row is None:
        if entry.status == 200 or "transaction" in entry.answer:
            yield f"{what}: answered {entry.outcome}, not in the ledger"
        return
    if row.wallet.player.code != entry.player:
        yield f"{what}: sent for {entry.player}, in the ledger for {row.wallet.player.code}"
    if entry.answer.get("transaction") not in (None, str(row.id)):
        yield f"{what}: answered by transaction {entry.answer['transaction']}, the ledger has {row.id}"
    if entry.outcome in ("posted", "void") and entry.outcome != row.status.lower():
        yield f"{what}: answered {entry.outcome}, the ledger has {row.status}"
    if row.status == Status.REFUSED and entry.outcome != row.refusal:
        yield f"{what}: answered {entry.outcome}, the ledger has {row.refusal}"
    amount = money.show(row.amount, row.wallet.currency.digits)
    if entry.outcome == "posted" and entry.amount and amount != entry.amount:
        yield f"{what}: sent {entry.amount}, the ledger has {amount}"


PLAYS = ("bet", "win", "rollback")


def write(journal: Journal, path: Path) -> int:
    """Write a line for every play that was answered as posted; how many there were.

    In the format of docs/reports.md. Raises OSError.
    """
    lines = list(_lines(journal))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER.split(","))
        writer.writerows(lines)
    return len(lines)


def _lines(journal: Journal) -> Iterator[tuple[str, ...]]:
    for entry in journal.entries.values():
        if entry.call in PLAYS and entry.outcome == "posted":
            name = (entry.reference, entry.call, entry.player, entry.answer["currency"], entry.round, entry.game)
            yield (*name, _amount(journal, entry), _moment(entry.at))


def _amount(journal: Journal, entry: JournalLine) -> str:
    """A rollback is of what its bet was: its answer says what could be moved of it."""
    if entry.call != "rollback":
        return entry.amount
    return journal.entries["bet", entry.original].amount


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# How often the same request is sent again while nobody knows what became of it.
DELIVERIES = 20


class Shares(msgspec.Struct, frozen=True):
    """What part of the deliveries goes wrong, each between 0 and 1."""

    retries: float = 0.0
    duplicates: float = 0.0
    rollbacks: float = 0.0
    reordered: float = 0.0


class Tally:
    """What the live summary shows."""

    def __init__(self) -> None:
        self.answers = 0
        self.again = 0
        self.problems = 0
        self.milliseconds: list[float] = []


class FakeProvider:
    def __init__(self, base_url: str, code: str, secret: str, journal: Journal, shares: Shares) -> None:
        self.base_url = base_url
        self.code = code
        self.secret = secret
        self.journal = journal
        self.shares = shares
        self.tally = Tally()

    async def deliver(self, line: Connection, rng: random.Random, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request, now and then more than once, and return its first definite answer."""
        raw = msgspec.json.encode(body)
        if rng.random() < self.shares.duplicates:
            twin = Connection(self.base_url)
            both = (self._until_definite(line, call, raw), self._until_definite(twin, call, raw))
            answers = list(await asyncio.gather(*both))
            twin.close()
        else:
            answers = [await self._until_definite(line, call, raw)]
            if rng.random() < self.shares.retries:
                answers.append(await self._until_definite(line, call, raw))
        for status, answer in answers:
            self._note(call, body, status, answer)
        return answers[0][1]

    async def _until_definite(self, line: Connection, call: str, raw: bytes) -> tuple[int, dict[str, Any]]:
        path = f"/api/game/v1/{call}"
        for _ in range(DELIVERIES):
            began = time.perf_counter()
            try:
                status, answer = await line.post(path, raw, sign(self.code, self.secret, path, int(time.time()), raw))
            except Unanswered:
                status, answer = 503, {"code": "unanswered"}
            self.tally.milliseconds.append((time.perf_counter() - began) * 1000)
            if status not in (429, 503):
                self.tally.answers += 1
                return status, answer
            self.tally.again += 1
            await asyncio.sleep(0.2)
        raise Unanswered(f"{call} had no definite answer after {DELIVERIES} deliveries")

    def _note(self, call: str, body: dict[str, Any], status: int, answer: dict[str, Any]) -> None:
        if status >= 400 and status not in (409, 422):
            self.tally.problems += 1
        self.journal.note(
            JournalLine(
                call=call,
                reference=body["reference"],
                player=body["player"],
                amount=body.get("amount", ""),
                status=status,
                answer=answer,
                at=time.time(),
                round=body.get("round", ""),
                game=body.get("game", ""),
                original=body.get("original", ""),
            )
        )


# Winnings in tenths of the stake, and how often each comes: about 95 % goes back to the players.
PAYOUTS = ((0, 62), (5, 12), (10, 10), (20, 9), (50, 5), (150, 1.6), (500, 0.3))


class Seat(msgspec.Struct, frozen=True):
    """Who plays what for how much; the stake in minor units."""

    player: str
    currency: str
    digits: int
    stake: int
    games: tuple[str, ...]


class SeatPlay(ABC):
    """Plays rounds for a seat on one connection until told to stop."""

    def __init__(self, seat: Seat, seed: str, line: Connection) -> None:
        self.seat = seat
        self.rng = random.Random(seed)  # noqa: S311
        self.line = line
        self.played = 0

    async def play(self, going_on: Callable[[], bool], pause: float) -> None:
        """Round after round; ``pause`` seconds between them on average, 0 for as fast as it goes."""
        while going_on():
            self.played += 1
            await self.round()
            if pause:
                await asyncio.sleep(self.rng.uniform(0, 2 * pause))
        self.line.close()

    @abstractmethod
    async def round(self) -> None:
        """Play one round, the ``played``-th of this seat."""


class Rounds(SeatPlay):
    """Rounds in our own dialect."""

    def __init__(self, provider: FakeProvider, seat: Seat, seed: str) -> None:
        super().__init__(seat, seed, Connection(provider.base_url))
        self.provider = provider

    async def round(self) -> None:
        name = f"{self.provider.journal.prefix}{self.seat.player}-{self.played}"
        game = self.rng.choice(self.seat.games)
        fate = self.rng.random()
        shares = self.provider.shares
        if fate < shares.reordered:
            await self._out_of_order(name, game)
        elif fate < shares.reordered + shares.rollbacks:
            await self._bet(name, game)
            await self._rollback(name)
        else:
            await self._in_order(name, game)

    async def _in_order(self, name: str, game: str) -> None:
        answer = await self._bet(name, game)
        if answer.get("status") != "posted":
            return
        await self._win(name, game, ends=True)

    async def _out_of_order(self, name: str, game: str) -> None:
        """What networks do: a rollback before its bet, a win before its bet, a win after the end."""
        which = self.rng.randrange(3)
        if which == 0:
            await self._rollback(name)
            await self._bet(name, game)
        elif which == 1:
            await self._win(name, game, ends=False)
            await self._bet(name, game)
        else:
            await self._bet(name, game)
            await self._send("end-round", name, round=name)
            await self._win(name, game, ends=False)

    async def _bet(self, name: str, game: str) -> dict[str, object]:
        return await self._send("bet", name, round=name, game=game, amount=self._show(self.seat.stake))

    async def _win(self, name: str, game: str, *, ends: bool) -> None:
        tenths = self.rng.choices([tenths for tenths, _ in PAYOUTS], [weight for _, weight in PAYOUTS])[0]
        amount = self._show(self.seat.stake * tenths // 10)
        await self._send("win", name, round=name, game=game, amount=amount, end_round=ends)

    async def _rollback(self, name: str) -> None:
        body = {"player": self.seat.player, "reference": name, "original": name}
        await self.provider.deliver(self.line, self.rng, "rollback", body)

    async def _send(self, call: str, name: str, **fields: object) -> dict[str, object]:
        body = {"player": self.seat.player, "currency": self.seat.currency, "reference": name, **fields}
        return await self.provider.deliver(self.line, self.rng, call, body)

    def _show(self, minor: int) -> str:
        return money.show(minor, self.seat.digits)


FUNDS = "5000.00"
ACCEPTED = (200, 201)


class CannotSit(Exception):
    """The casino did not let a player in; the message is its answer."""


async def taken(base_url: str, players: int, say: Callable[[str], object]) -> list[Seat]:
    """Funded seats for so many players; ``say`` hears of each of the demo's who may not play. Raises CannotSit."""
    line = Connection(base_url)
    games = tuple(demo_data.GAMES)
    seats: list[Seat] = []
    for guest in demo.GUESTS:
        if len(seats) == players:
            break
        if why := await _kept_away(line, guest):
            say(f"{guest.code} is left out: {why}.")
            continue
        digits = demo_data.CURRENCIES[guest.currency]
        seats.append(Seat(guest.code, guest.currency, digits, money.parse(guest.stake, digits), games))
        await _fund(line, guest.code, guest.currency, guest.deposit)
    for number in range(len(seats), players):
        code = f"sim-{number}"
        await _post(line, "players", {"player": code, "wallets": ["EUR"]}, known=409)
        await _fund(line, code, "EUR", FUNDS)
        seats.append(Seat(code, "EUR", 2, 100, games))
    line.close()
    return seats


async def _kept_away(line: Connection, guest: demo.Guest) -> str | None:
    """Why the player would not play as the others do: somebody has tried out a lock, an exclusion or a limit."""
    found = await _get(line, f"players/{guest.code}")
    if found["excluded_until"] is not None and found["excluded_until"] > datetime.now(UTC).isoformat():
        return f"excluded until {found['excluded_until']}"
    if found["locks"]["bet"] or found["locks"]["deposit"]:
        return "locked"
    limits = await _get(line, f"players/{guest.code}/limits?currency={guest.currency}")
    own = [period for subject in LIMIT_SUBJECTS for period in limits[subject].values() if period["limit"] is not None]
    return "limits of the player's own hold" if own else None


async def _get(line: Connection, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Api-Key {demo.secret('api key')}"}
    status, answer = await line.send(Call("GET", f"/api/v1/{path}", headers, b""))
    if status != 200:
        raise CannotSit(f"{path}: {status} {answer}")
    return answer


async def _fund(line: Connection, player: str, currency: str, amount: str) -> None:
    reference = f"sim-{player}-{time.time_ns()}"
    await _post(
        line, "deposits", {"player": player, "currency": currency, "reference": reference, "amount": amount}, known=200
    )


async def opened(line: Connection, player: str, provider: str, currency: str, game: str) -> str:
    """The id of a new session. Raises CannotSit."""
    asked = {"provider": provider, "currency": currency, "game": game}
    answer = await _post(line, f"players/{player}/sessions", asked, known=201)
    return str(answer["session"])


async def _post(line: Connection, path: str, body: dict[str, Any], *, known: int) -> dict[str, Any]:
    headers = {"Authorization": f"Api-Key {demo.secret('api key')}"}
    status, answer = await line.post(f"/api/v1/{path}", json.dumps(body).encode(), headers)
    if status not in (*ACCEPTED, known):
        raise CannotSit(f"{path}: {status} {answer}")
    return answer
