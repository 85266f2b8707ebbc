"""`python -m tests.faults.clients ORDERS`: providers and a back end at work, each request journalled before it goes.

They do what providers do: play, send the very same request again after a 503, a silence or a lost
connection, send twice at once, give a bet up and roll it back. SIGTERM: begin nothing new, bring
what is under way to its end, and leave.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.http_line import Answer, Line, Silence, signature
from tests.faults.journal import Journal

# A client that has heard nothing for so long hangs up and sends the same again.
PATIENCE_SECONDS: Final = 10.0
# A signature is good for 300 s; before that a repeat is sent byte for byte.
SIGNATURE_SECONDS: Final = 100.0
LONG_NAME: Final = "x" * 90


@dataclass
class Orders:
    """What the runner wants; one JSON object in a file."""

    port: int
    provider: str
    secret: str
    api_key: str
    journal: str
    run: str
    seed: int
    players: list[str]
    hot: str
    seats: int
    back_ends: int
    pause: float
    # How long what is under way may take after SIGTERM.
    ending: float = 30.0


class Work:
    """What all seats share."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.journal = Journal(orders.journal)
        self.numbers = itertools.count(1)
        self.leaving = False

    def fresh(self) -> str:
        return f"{self.orders.run}-{next(self.numbers)}"


class Seat:
    """One caller after the other: a provider's worker, or the casino's back end."""

    def __init__(self, work: Work, name: str, dice: random.Random) -> None:
        self.work = work
        self.name = name
        self.dice = dice
        self.line = Line(work.orders.port, PATIENCE_SECONDS)
        # For copies that travel at the same time.
        self.second = Line(work.orders.port, PATIENCE_SECONDS)

    async def work_on(self, step: Callable[[], Awaitable[object]]) -> None:
        while not self.work.leaving:
            await step()
            await asyncio.sleep(self.dice.uniform(0, 2 * self.work.orders.pause))
        self.line.hang_up()
        self.second.hang_up()

    # --- one request, until it is answered -------------------------------------------------------

    async def ask(self, call: str, body: Any, *, path: str = "", twice: bool = False, give_up: float = 0.0) -> Answer:
        """The definitive answer. A 503 stands for none, if the client gave up."""
        request = Request(self, call, body, path, copies=2 if twice else 1)
        if twice:
            answers = await asyncio.gather(request.insist(self.line), request.insist(self.second))
            return answers[0]
        return await request.insist(self.line, give_up)


class Request:
    """One request and its repeats: byte for byte the same, while the signature lasts."""

    def __init__(self, seat: Seat, call: str, body: Any, path: str, copies: int) -> None:
        self.seat = seat
        self.copies = copies
        self.call = call
        self.body = body
        self.raw = json.dumps(body).encode() if body is not None else b""
        self.rest = bool(path)
        self.path = path or f"/api/game/v1/{call}"
        self.method = "GET" if body is None else "POST"
        self.id = next(seat.work.numbers)
        self.player = body.get("player") if body else None
        self.tries = itertools.count(1)
        self.signed_at = -SIGNATURE_SECONDS
        self.headers: dict[str, str] = {}

    async def insist(self, line: Line, give_up: float = 0.0) -> Answer:
        work = self.seat.work
        while True:
            answer = await self._once(line)
            if answer is not None and answer.status != 503:
                return answer
            if self.seat.dice.random() < give_up:
                work.journal.write("given up", id=self.id)
                return Answer(503, {}, None)
            await asyncio.sleep(self.seat.dice.uniform(0.05, 0.15))

    async def _once(self, line: Line) -> Answer | None:
        journal, number = self.seat.work.journal, next(self.tries)
        facts: dict[str, Any] = {"id": self.id, "try": number, "seat": self.seat.name}
        self._sign()
        more = {"body": self.body, "path": self.path, "copies": self.copies} if number == 1 else {}
        journal.write("sent", **facts, call=self.call, player=self.player, **more)
        try:
            answer = await line.call(self.method, self.path, self.headers, self.raw)
        except Silence:
            journal.write("lost", **facts, why="silence")
            return None
        except OSError as error:
            journal.write("lost", **facts, why="refused" if isinstance(error, ConnectionRefusedError) else "reset")
            return None
        seen = {} if answer.status == 503 else {"body": answer.body}
        journal.write("got", **facts, status=answer.status, retry_after=answer.headers.get("retry-after"), **seen)
        return answer

    def _sign(self) -> None:
        orders = self.seat.work.orders
        if self.rest:
            self.headers = {"Authorization": f"Api-Key {orders.api_key}"}
            self.headers |= {"Content-Type": "application/json"} if self.raw else {}
        elif time.monotonic() - self.signed_at >= SIGNATURE_SECONDS:
            self.headers = signature(orders.provider, orders.secret, self.path, self.raw)
            self.signed_at = time.monotonic()


# --- a provider ----------------------------------------------------------------------------------


class Provider(Seat):
    """Plays rounds of a player, whom the hot seats share."""

    def __init__(self, work: Work, name: str, dice: random.Random, *, hot: bool) -> None:
        super().__init__(work, name, dice)
        self.hot = hot

    async def step(self) -> None:
        player = self.work.orders.hot if self.hot else self.dice.choice(self.work.orders.players)
        plays: list[tuple[Callable[[str], Awaitable[object]], int]] = [
            (self.spin, 60),
            (self.undone, 12),
            (self.undone_before, 3),
            (self.batch, 8),
            (self.bulk, 6),
            (self.large_bulk, 1),
            (self.look, 8),
            (self.too_much, 2),
        ]
        [act] = self.dice.choices([act for act, _ in plays], [weight for _, weight in plays])
        await act(player)

    def a_bet(self, player: str, reference: str, amount: int) -> dict[str, Any]:
        return {"player": player, "currency": "EUR", "reference": reference, "round": reference, "game": "g-1"} | {
            "amount": euros(amount)
        }

    async def spin(self, player: str) -> None:
        """A bet, perhaps sent twice at once, and perhaps its win; a bet given up is rolled back."""
        name = self.work.fresh()
        bet = self.a_bet(player, name, self.dice.randint(0, 300))
        twice = self.dice.random() < 0.1
        answer = await self.ask("bet", bet, twice=twice, give_up=0.0 if twice else 0.15)
        if answer.status == 503:
            await self.rollback(player, name)
            await self.ask("bet", bet)
        elif answer.status == 200 and self.dice.random() < 0.5:
            win = {**bet, "reference": f"{name}-w", "bet": name, "amount": euros(self.dice.randint(0, 600))}
            await self.ask("win", {**win, "end_round": True}, twice=self.dice.random() < 0.1)

    async def rollback(self, player: str, original: str) -> Answer:
        body = {"player": player, "reference": f"{original}-r", "original": original}
        return await self.ask("rollback", body, twice=self.dice.random() < 0.2)

    async def undone(self, player: str) -> None:
        name = self.work.fresh()
        await self.ask("bet", self.a_bet(player, name, self.dice.randint(1, 300)))
        await self.rollback(player, name)

    async def undone_before(self, player: str) -> None:
        """The rollback comes before its bet."""
        name = self.work.fresh()
        await self.rollback(player, name)
        await self.ask("bet", self.a_bet(player, name, 100))

    async def batch(self, player: str) -> None:
        name = self.work.fresh()
        bet = self.a_bet(player, name, self.dice.randint(1, 200))
        win = {**bet, "reference": f"{name}-w", "amount": euros(self.dice.randint(0, 400)), "op": "win"}
        operations = [{**bet, "op": "bet"}, win]
        for operation in operations:
            del operation["player"], operation["currency"]
        await self.ask("batch", {"player": player, "currency": "EUR", "operations": operations})

    async def bulk(self, player: str) -> None:
        await self._bulk(self.dice.randint(5, 40), "")

    async def large_bulk(self, player: str) -> None:
        """With long names: what is sent to PostgreSQL is larger than a socket takes at once."""
        await self._bulk(256, LONG_NAME)

    async def _bulk(self, count: int, name: str) -> None:
        players = [self.dice.choice(self.work.orders.players) for _ in range(count)]
        bets = [self.a_bet(player, self.work.fresh() + name, self.dice.randint(1, 100)) for player in players]
        await self.ask("bulk", {"operations": [{"op": "bet", **bet} for bet in bets]})

    async def look(self, player: str) -> None:
        await self.ask("balance", {"player": player, "currency": "EUR"})

    async def too_much(self, player: str) -> None:
        """A refusal that is remembered."""
        bet = self.a_bet(player, self.work.fresh(), 10**11)
        await self.ask("bet", bet)
        await self.ask("bet", bet)


class BackEnd(Seat):
    """The casino's own back end at the REST door."""

    async def step(self) -> None:
        player = self.dice.choice(self.work.orders.players)
        body = {"player": player, "currency": "EUR", "reference": self.work.fresh(), "amount": "3.00"}
        [act] = self.dice.choices([self.deposit, self.withdraw, self.look], [5, 3, 2])
        await act(body)

    async def deposit(self, body: dict[str, Any]) -> None:
        await self.ask("deposit", body, path="/api/v1/deposits", twice=self.dice.random() < 0.1)

    async def withdraw(self, body: dict[str, Any]) -> None:
        answer = await self.ask("hold", body, path="/api/v1/withdrawals")
        if answer.status == 200:
            end = self.dice.choice(("settle", "release"))
            await self.ask(end, {}, path=f"/api/v1/withdrawals/{body['reference']}/{end}")

    async def look(self, body: dict[str, Any]) -> None:
        await self.ask("wallet", None, path=f"/api/v1/players/{body['player']}/wallets/EUR")


def euros(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


async def main(orders: Orders) -> None:
    work = Work(orders)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(work, "leaving", True))
    seats: list[Provider | BackEnd] = []
    for number in range(orders.seats):
        dice = random.Random(orders.seed * 1000 + number)
        seats.append(Provider(work, f"p{number}", dice, hot=number % 8 == 0))
    seats += [BackEnd(work, f"b{n}", random.Random(orders.seed * 1000 + 500 + n)) for n in range(orders.back_ends)]
    tasks = [asyncio.create_task(seat.work_on(seat.step)) for seat in seats]
    while not work.leaving:
        await asyncio.sleep(0.1)
    with suppress(TimeoutError):
        async with asyncio.timeout(orders.ending):
            await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(Orders(**json.loads(Path(sys.argv[1]).read_text()))))
