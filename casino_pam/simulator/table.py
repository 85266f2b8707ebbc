"""A seat at the table: one player's rounds, decided by a seeded generator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import msgspec

from casino_pam.simulator.connection import Connection
from casino_pam.simulator.provider import FakeProvider
from wallet import money

# Winnings in tenths of the stake, and how often each comes: about 95 % goes back to the players.
PAYOUTS = ((0, 62), (5, 12), (10, 10), (20, 9), (50, 5), (150, 1.6), (500, 0.3))


class Seat(msgspec.Struct, frozen=True):
    """Who plays what for how much; the stake in minor units."""

    player: str
    currency: str
    digits: int
    stake: int
    games: tuple[str, ...]


class Rounds:
    """Plays rounds for a seat on one connection until told to stop."""

    def __init__(self, provider: FakeProvider, seat: Seat, seed: str) -> None:
        self.provider = provider
        self.seat = seat
        self.rng = random.Random(seed)  # noqa: S311
        self.line = Connection(provider.base_url)
        self.played = 0

    async def play(self, going_on: Callable[[], bool], pause: float) -> None:
        """Round after round; ``pause`` seconds between them on average, 0 for as fast as it goes."""
        while going_on():
            await self.round()
            if pause:
                await asyncio.sleep(self.rng.uniform(0, 2 * pause))
        self.line.close()

    async def round(self) -> None:
        self.played += 1
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
