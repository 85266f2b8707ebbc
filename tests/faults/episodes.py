"""What the clients saw of each fault: worst answer, 503s, lost connections, time back. From the journal alone."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.journal import Entry, Follower

# PLAY.md: no answer takes more than 3.5 s, whatever PostgreSQL does.
LONGEST_ANSWER: Final = 3.5
BACK_WITHIN: Final = 1.0
NEVER: Final = 999.0


@dataclass
class Episode:
    """One fault from its beginning until all seats were answered again."""

    name: str
    began: float
    ended: float = 0.0
    fired: int = 0
    # Seconds by which this fault itself may lengthen an answer: that of a worker that was frozen.
    allowed: float = 0.0
    # Seconds by which it outlasts its end: a connection that fell silent stays so until the product leaves it.
    lingers: float = 0.0
    # The one player whose wallet was held.
    player: str | None = None
    back: float = NEVER
    all_back: float = NEVER
    # Which seat that was, and what it asked for.
    last: str = ""
    # Of each answer, and each silence: how long it took, and what was asked.
    waits: list[tuple[float, str]] = field(default_factory=list)
    elsewhere: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """For whoever watches the run; the first figure is the journal's time."""
        back, everybody = (f"{value:.2f} s" if value != NEVER else "never" for value in (self.back, self.all_back))
        when = f"{self.began:9.1f} {self.ended - self.began:6.1f} s"
        return f"{when}  {self.name}: {self.fired} fired, first {back}, all {everybody}"

    def worst(self) -> float:
        return max((wait for wait, _ in self.waits), default=0.0)

    def late(self) -> int:
        return sum(wait > LONGEST_ANSWER + self.allowed for wait, _ in self.waits)

    def violations(self, longest: float = LONGEST_ANSWER, back_within: float = BACK_WITHIN) -> list[str]:
        """What of the promise of time was broken; the bounds may be widened for a crowded machine."""
        broken = []
        if late := [(wait, call) for wait, call in self.waits if wait > longest + self.allowed]:
            calls = ", ".join(f"{count} {call}" for call, count in Counter(call for _, call in late).most_common())
            broken.append(f"{self.name}: answers took longer than {longest} s, up to {max(late)[0]:.1f} s: {calls}")
        back_within += self.lingers
        if self.back > back_within:
            broken.append(f"{self.name}: the first good answer came {self.back:.1f} s after its end")
        # Whoever sent just before the end may be told 503 at the bound, and then sends again.
        if self.all_back == NEVER:
            broken.append(f"{self.name}: some clients were never served again; the workers were replaced")
        elif self.all_back > back_within + longest:
            broken.append(f"{self.name}: the last client was served {self.all_back:.1f} s after its end: {self.last}")
        return broken


class Watch:
    """Follows the journal while it grows, so that the runner knows when everybody is served again."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._after = 0.0
        self._first: dict[str, float] = {}
        self._asked: dict[str, str] = {}
        self.seats: set[str] = set()
        # Who was served last for the first time, and with what.
        self.last = ""

    def since(self, moment: float) -> None:
        """Look for good answers after this moment."""
        self._after, self._first = moment, {}

    def look(self) -> None:
        for entry in self._follower.new():
            if entry["e"] == "sent":
                self.seats.add(entry["seat"])
                self._asked[entry["seat"]] = f"{entry['call']} of {entry['player']}"
            elif entry["e"] == "got" and entry["status"] != 503 and entry["t"] >= self._after:
                if entry["seat"] not in self._first:
                    self._first[entry["seat"]] = entry["t"]
                    self.last = f"{entry['seat']}, {self._asked[entry['seat']]}"

    @property
    def first(self) -> float | None:
        return min(self._first.values(), default=None)

    @property
    def everybody(self) -> float | None:
        """When the last seat was served, if all were."""
        return max(self._first.values()) if self.seats and self.seats <= self._first.keys() else None


def observe(episodes: list[Episode], entries: Iterable[Entry]) -> None:
    """Give each attempt to the episode in which it ended."""
    begins = [episode.began for episode in episodes]
    sent: dict[tuple[int, int], dict[str, Any]] = {}
    for entry in entries:
        if entry["e"] == "given up":
            continue
        key = entry["id"], entry["try"]
        if entry["e"] == "sent":
            sent[key] = entry
            continue
        place = bisect_right(begins, entry["t"]) - 1
        if place < 0:
            continue
        episode, began = episodes[place], sent.pop(key)
        if entry["e"] == "lost":
            episode.seen[entry["why"]] += 1
            if entry["why"] == "silence":
                episode.waits.append((entry["t"] - began["t"], began["call"]))
            continue
        episode.waits.append((entry["t"] - began["t"], began["call"]))
        episode.seen["answers"] += 1
        if entry["status"] == 503:
            episode.seen["503"] += 1
            episode.elsewhere += began["player"] != episode.player
