"""What breaks in a cluster, each by the commands that `make cluster` prints."""

from __future__ import annotations

import time
from typing import Final

from casino_pam.local.cluster import wait_until
from tests.cluster.clustered_house import ClusteredHouse, bash
from tests.cluster.writers import Write
from tests.faults.schedule import Act, Stage, Trouble

# The promise of docs/reliability.md: the first good answer so soon after the cluster takes writes again.
BACK_WITHIN: Final = 2.0
# Between two writes of a healthy cluster it is never so long.
SILENCE_SECONDS: Final = 0.5


def fails_over(name: str) -> tuple[Act, Act]:
    """Another node becomes the primary; then what was broken is mended, and the cluster is whole again."""
    mends = []

    def act(stage: Stage) -> None:
        house: ClusteredHouse = stage.house
        primary = house.primary()
        breakage = house.breakage(name)
        mends.append(breakage.mend)
        began = time.monotonic()
        bash(breakage.command)
        over(stage, house.writers.first(began, but=primary.node))
        # Another node has taken over: a primary whose Patroni hangs writes until that very moment.
        stage.fired = 1

    def mend(stage: Stage) -> None:
        mended = mends.pop()
        if mended:
            bash(mended)
        stage.house.start_dead()
        stage.house.primary()

    return act, mend


def away(name: str, seconds: float) -> Act:
    """Nobody can take over; it comes back after its time."""

    def act(stage: Stage) -> None:
        house: ClusteredHouse = stage.house
        breakage = house.breakage(name)
        bash(breakage.command)
        time.sleep(seconds)
        if breakage.mend:
            bash(breakage.mend)
        began = time.monotonic()
        house.start_dead()
        over(stage, house.writers.first(began))

    return act


def over(stage: Stage, write: Write) -> None:
    """The fault is over with this write, if more follow; it hit where there had been none for a while."""
    stage.ended = lambda: stage.house.writers.on(write.moment, SILENCE_SECONDS)
    silence = stage.house.writers.silence(write.moment)
    stage.house.silences.append(silence)
    stage.fired = int(silence > SILENCE_SECONDS)


def whole(stage: Stage) -> None:
    wait_until(stage.house.cluster.is_whole, "the cluster did not become whole", 120)


def failing_over(name: str, title: str = "") -> Trouble:
    act, mend = fails_over(name)
    return Trouble(f"Cluster: {title or name}", act, mend=mend)


TROUBLES: Final = (
    failing_over("Primary killed", "primary and its Patroni killed"),
    failing_over("PostgreSQL crashed", "primary crashed"),
    failing_over("Switchover", "switchover"),
    failing_over("Primary cut from etcd", "primary cut from etcd"),
    failing_over("Patroni hung", "primary's Patroni hung"),
    Trouble("Cluster: primary hung for 6 s", away("Primary hung", 6.0), mend=whole),
    Trouble("Cluster: both standbys away for 12 s", away("Both standbys away", 12.0), mend=whole),
    Trouble("Cluster: etcd away for 20 s", away("etcd away", 20.0), mend=whole),
)
