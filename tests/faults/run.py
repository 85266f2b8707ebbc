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
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from casino_pam.local.os_support import PROJECT
from tests.faults.checker import Verdict, judge
from tests.faults.clients import Orders
from tests.faults.episodes import BACK_WITHIN, LONGEST_ANSWER, Episode, Watch, observe
from tests.faults.house import HOT, PLAYERS, FaultyHouse, faulty_house
from tests.faults.journal import Follower
from tests.faults.schedule import Stage, Trouble

# After that a seat that is not served again is never going to be: the workers are replaced.
NOT_COMING_BACK = 40.0
CALM_SECONDS = 0.5
RUN = "f"
# A folder for its papers and a die; what a house must have is what this module asks of FaultyHouse.
HouseOf = Callable[[Path, random.Random], AbstractContextManager[Any]]


class Run:
    """One run: its episodes, and the verdict on its money."""

    def __init__(
        self, episodes: list[Episode], verdict: Verdict, seconds: float, *, mounted: bool, back_within: float
    ) -> None:
        self.episodes = episodes
        self.back_within = back_within
        # Whether a volume could be mounted; without one no disk is full.
        self.mounted = mounted
        self.verdict = verdict
        self.seconds = seconds

    @property
    def fired(self) -> int:
        return sum(episode.fired for episode in self.episodes)

    def late(self, longest: float = LONGEST_ANSWER, back_within: float | None = None) -> list[str]:
        """What of the promise of time was broken."""
        within = self.back_within if back_within is None else back_within
        return [each for episode in self.episodes for each in episode.violations(longest, within)]

    def clean(self) -> bool:
        return not self.verdict.violations and not self.late()


@dataclass(frozen=True)
class Plan:
    """How a run goes: its seed, how many clients with what pauses, how long, and where its papers are kept.

    ``back_within`` is the promise of the first good answer after a fault, in seconds.
    """

    seed: int
    seats: int = 24
    pause: float = 0.1
    back_within: float = BACK_WITHIN
    limit: float = math.inf
    folder: Path | None = None
    tell: Callable[[str], None] = lambda line: None


def run(troubles: Iterable[Trouble], plan: Plan, house_of: HouseOf = faulty_house) -> Run:
    """Let one trouble after the other happen to a house, until they or the seconds of the plan run out."""
    began = time.monotonic()
    dice = random.Random(plan.seed)
    episodes: list[Episode] = []
    with tempfile.TemporaryDirectory(prefix="casino-pam-faults-") as passing:
        folder = plan.folder or Path(passing)
        folder.mkdir(exist_ok=True)
        journal = folder / "journal"
        journal.unlink(missing_ok=True)
        with house_of(folder, dice) as house:
            with clients(house, journal, plan):
                watch = Watch(Follower(journal))
                calm(watch, plan.seats)
                for trouble in troubles:
                    episodes.append(happen(house, trouble, watch, dice))
                    plan.tell(episodes[-1].line())
                    if time.monotonic() - began > plan.limit:
                        break
            verdict = judge(house.ledger_url, Follower(journal).new(), RUN)
            mounted = house.volume is not None
        observe(episodes, Follower(journal).new())
    return Run(episodes, verdict, time.monotonic() - began, mounted=mounted, back_within=plan.back_within)


def calm(watch: Watch, seats: int) -> None:
    """Wait for the first answers."""
    watch.since(0.0)
    until = time.monotonic() + 60
    while watch.everybody is None or len(watch.seats) < seats:
        assert time.monotonic() < until, "the clients were never served"
        time.sleep(0.1)
        watch.look()


def until_served(watch: Watch, ended: Callable[[], float]) -> float:
    """Wait until every seat is served, or none will be; the moment from which that counts, the end of the fault.

    It moves on where the fault turns out not to have been over.
    """
    over = ended()
    watch.since(over)
    until = time.monotonic() + NOT_COMING_BACK
    while watch.everybody is None and time.monotonic() < until:
        time.sleep(0.05)
        if ended() > over:
            over = ended()
            watch.since(over)
        watch.look()
    return over


@contextmanager
def clients(house: FaultyHouse, journal: Path, plan: Plan) -> Iterator[None]:
    """Providers and a back end at work in a process of their own."""
    orders = Orders(
        port=house.port,
        provider="acme",
        secret="acme-secret",
        api_key=house.api_key,
        journal=str(journal),
        run=RUN,
        seed=plan.seed,
        players=[f"p{number}" for number in range(PLAYERS)],
        hot=HOT,
        seats=plan.seats - plan.seats // 6,
        back_ends=plan.seats // 6,
        pause=plan.pause,
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
    episode = Episode(trouble.name, time.monotonic(), allowed=trouble.allowed, lingers=trouble.lingers)
    trouble.act(stage)
    house.follow_ports()
    over = time.monotonic()
    episode.ended = until_served(watch, stage.ended or (lambda: over))
    episode.fired, episode.player = stage.fired, stage.player
    if watch.first is not None:
        episode.back = watch.first - episode.ended
    if watch.everybody is not None:
        episode.all_back = watch.everybody - episode.ended
        episode.last = watch.last
    else:
        house.restart_web()
    if trouble.mend is not None:
        trouble.mend(stage)
    time.sleep(CALM_SECONDS)
    return episode
