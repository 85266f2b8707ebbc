"""Commands to be posted together, and what a test of the engine needs to see and to steer."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from casino_pam.engine import commands
from tests import scenario

START = 1_000_000.0


def a_bet(reference: str, who: str = "alice", amount: int = 1000, **fields: Any) -> commands.Bet:
    given = {"source": "acme", "at": scenario.NOON, "currency": "EUR", "round": "round-1", "game": "slot-1", **fields}
    return commands.Bet(player=who, reference=reference, amount=amount, **given)


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg["event"] for record in caplog.records if record.levelno == logging.CRITICAL]


class PassingTime:
    """A clock that moves only when it is told to."""

    step = 1.0

    def __init__(self) -> None:
        self.now = START

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += self.step
