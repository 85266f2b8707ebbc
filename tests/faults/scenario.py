"""The faults: what each does to the house, for how long, and how it is known that it hit."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.house import FaultyHouse
from tests.faults.link import Fault, Proxy

Act = Callable[["Stage"], None]


class Stage:
    """What a fault may use: the house, a die, and how many times it hit."""

    def __init__(self, house: FaultyHouse, dice: random.Random, seconds: float) -> None:
        self.house = house
        self.dice = dice
        self.seconds = seconds
        self.fired = 0
        self.player: str | None = None

    def last(self) -> None:
        """Let the fault be in force for its time."""
        time.sleep(self.seconds)


@dataclass(frozen=True)
class Trouble:
    """A fault by name. ``allowed``: by how much the victim itself lengthens an answer."""

    name: str
    act: Act
    seconds: float = 2.0
    allowed: float = 0.0
    judged_back: bool = True


def on_link(which: Callable[[FaultyHouse], Proxy], fault: Callable[[], Fault]) -> Act:
    """A fault of one of the two proxies."""

    def act(stage: Stage) -> None:
        proxy = which(stage.house)
        made = proxy.begin(fault())
        try:
            stage.last()
        finally:
            proxy.end()
        stage.fired = made.fired

    return act


def database(house: FaultyHouse) -> Proxy:
    return house.database


def redis(house: FaultyHouse) -> Proxy:
    return house.redis


def freeze_postgresql(stage: Stage) -> None:
    """SIGSTOP to every process of the cluster; counts the connections that spoke to it meanwhile."""
    frozen = stage.house.postgresql_processes()
    began = time.monotonic()
    for pid in frozen:
        signal_to(pid, signal.SIGSTOP)
    try:
        stage.last()
        stage.fired = stage.house.database.spoke_since(began)
    finally:
        for pid in frozen:
            signal_to(pid, signal.SIGCONT)


def signal_to(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        # It has left by itself.
        return


TROUBLES = (
    Trouble("COMMIT reply lost, connection cut", on_link(database, lambda: Fault("commit_reply_lost", chance=0.2))),
    Trouble("COMMIT reply lost, silence", on_link(database, lambda: Fault("commit_reply_silence", chance=0.1))),
    Trouble("link black-holed", on_link(database, lambda: Fault("black_hole")), seconds=5.0),
    Trouble("PostgreSQL frozen", freeze_postgresql, seconds=5.0),
)
