"""The fake provider: delivers until the answer is definite, as real ones do."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import msgspec

from casino_pam.game_door.signing import sign
from casino_pam.simulator.connection import Connection, Unanswered
from casino_pam.simulator.journal import Entry, Journal

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
            Entry(
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
