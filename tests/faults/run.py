"""Runs faults against a house under load, one after the other, and judges what the clients journalled."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from casino_pam.machine import PROJECT
from tests.faults.checker import Verdict, judge
from tests.faults.clients import Orders
from tests.faults.episodes import BACK_WITHIN, LONGEST_ANSWER, Episode, Watch, observe
from tests.faults.house import HOT, PLAYERS, FaultyHouse, faulty_house
from tests.faults.journal import Follower
from tests.faults.scenario import Stage, Trouble

# After that a seat that is not served again is never going to be: the workers are replaced.
NOT_COMING_BACK = 40.0
CALM_SECONDS = 0.5
RUN = "f"


class Run:
    """One run: its episodes, and the verdict on its money."""

    def __init__(self, episodes: list[Episode], verdict: Verdict, seconds: float) -> None:
        self.episodes = episodes
        self.verdict = verdict
        self.seconds = seconds

    @property
    def fired(self) -> int:
        return sum(episode.fired for episode in self.episodes)

    def late(self, longest: float = LONGEST_ANSWER, back_within: float = BACK_WITHIN) -> list[str]:
        """What of the promise of time was broken."""
        return [each for episode in self.episodes for each in episode.violations(longest, back_within)]

    def clean(self) -> bool:
        return not self.verdict.violations and not self.late()


def run(
    troubles: Iterable[Trouble],
    seed: int,
    *,
    seats: int = 24,
    pause: float = 0.1,
    limit: float = math.inf,
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Run:
    """Let one trouble after the other happen, until they or the seconds of ``limit`` run out."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="casino-pam-faults-") as passing:
        place = folder or Path(passing)
        place.mkdir(exist_ok=True)
        episodes, verdict = _happening(troubles, random.Random(seed), seed, (seats, pause), began + limit, place, tell)
    return Run(episodes, verdict, time.monotonic() - began)


def _happening(
    troubles: Iterable[Trouble],
    dice: random.Random,
    seed: int,
    load: tuple[int, float],
    until: float,
    folder: Path,
    tell: Callable[[str], None],
) -> tuple[list[Episode], Verdict]:
    episodes: list[Episode] = []
    journal = folder / "journal"
    with faulty_house(folder, dice) as house:
        with clients(house, journal, seed, *load):
            watch = Watch(Follower(journal))
            calm(watch, load[0])
            for trouble in troubles:
                if time.monotonic() > until:
                    break
                episodes.append(happen(house, trouble, watch, dice))
                tell(episodes[-1].line())
        verdict = judge(house.postgresql.url, Follower(journal).new(), RUN)
    observe(episodes, Follower(journal).new())
    return episodes, verdict


def calm(watch: Watch, seats: int) -> None:
    """Wait for the first answers."""
    watch.since(0.0)
    until = time.monotonic() + 60
    while watch.everybody is None or len(watch.seats) < seats:
        assert time.monotonic() < until, "the clients were never served"
        time.sleep(0.1)
        watch.look()


@contextmanager
def clients(house: FaultyHouse, journal: Path, seed: int, seats: int, pause: float) -> Iterator[None]:
    """Providers and a back end at work in a process of their own."""
    orders = Orders(
        port=house.port,
        provider="acme",
        secret="acme-secret",
        api_key=house.api_key,
        journal=str(journal),
        run=RUN,
        seed=seed,
        players=[f"p{number}" for number in range(PLAYERS)],
        hot=HOT,
        seats=seats - seats // 6,
        back_ends=seats // 6,
        pause=pause,
    )
    file = house.folder / "orders"
    file.write_text(json.dumps(asdict(orders)))
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.clients", str(file)], cwd=PROJECT)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(orders.ending + 30) == 0, "the clients failed"
    finally:
        process.kill()
        process.wait()


def happen(house: FaultyHouse, trouble: Trouble, watch: Watch, dice: random.Random) -> Episode:
    """One fault, and the wait until every seat is served again."""
    stage = Stage(house, dice, trouble.seconds)
    episode = Episode(trouble.name, time.monotonic(), allowed=trouble.allowed)
    trouble.act(stage)
    house.follow_ports()
    episode.ended = time.monotonic()
    episode.fired, episode.player = stage.fired, stage.player
    watch.since(episode.ended)
    while watch.everybody is None and time.monotonic() - episode.ended < NOT_COMING_BACK:
        time.sleep(0.05)
        watch.look()
    if watch.first is not None:
        episode.back = watch.first - episode.ended
    if watch.everybody is not None:
        episode.all_back = watch.everybody - episode.ended
    else:
        house.restart_web()
    time.sleep(CALM_SECONDS)
    return episode
