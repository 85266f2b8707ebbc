"""The table of a run, as it stands in docs/reliability.md."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from casino_pam.local.os_support import PROJECT
from tests.faults.episodes import NEVER, Episode
from tests.faults.run import Run

PAGE: Final = PROJECT / "docs" / "reliability.md"
HEAD: Final = (
    "| fault | episodes | fired | answers | 503 in 100 | no answer in 10 s | over 3.5 s | worst answer |"
    " first good answer | all seats served |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)
# What the same faults did before the house learnt to answer in time (docs/reliability.md says when that was).
BEFORE: Final = json.loads(Path(__file__).with_name("before.json").read_text())


def table(run: Run) -> str:
    """One line for each kind of fault, the worst of its episodes; in brackets how it was before."""
    kinds: dict[str, list[Episode]] = defaultdict(list)
    for episode in run.episodes:
        kinds[episode.name].append(episode)
    return "\n".join([HEAD, *(line(name, kinds[name]) for name in sorted(kinds))])


def line(name: str, episodes: list[Episode]) -> str:
    def total(word: str) -> int:
        return sum(episode.seen[word] for episode in episodes)

    cells = [
        name,
        len(episodes),
        sum(episode.fired for episode in episodes),
        total("answers"),
        was(refused(episodes), name, "refused"),
        was(str(total("silence")), name, "silent"),
        sum(episode.late() for episode in episodes),
        was(seconds(max(episode.worst() for episode in episodes)), name, "worst"),
        was(seconds(max(episode.back for episode in episodes)), name, "back"),
        was(seconds(max(episode.all_back for episode in episodes)), name, "all_back"),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def was(now: str, name: str, figure: str) -> str:
    """The figure, and the same before."""
    return f"{now} ({BEFORE[name][figure]})" if name in BEFORE else now


def refused(episodes: list[Episode]) -> str:
    """Of a hundred answers how many were 503; where one wallet was held, how many of those met others."""
    answers = max(1, sum(episode.seen["answers"] for episode in episodes))
    share = 100 * sum(episode.seen["503"] for episode in episodes) / answers
    others = 100 * sum(episode.elsewhere for episode in episodes) / answers
    return f"{share:.0f}, {others:.0f} elsewhere" if episodes[0].player else f"{share:.0f}"


def seconds(value: float) -> str:
    return "never" if value == NEVER else f"{value:.2f} s"


def summary(run: Run) -> str:
    """Below the table: how much was done, and what was wrong."""
    figures = run.verdict.figures
    return (
        f"{run.fired} faults fired in {len(run.episodes)} episodes and {run.seconds:.0f} s;"
        f" {figures['operations acknowledged']} operations acknowledged, {figures['operations refused']} refused."
        f" Violations of money: {len(run.verdict.violations)}; of time: {len(run.late())}."
    )


def report(run: Run) -> str:
    """All of it, for a terminal."""
    wrong = [*run.verdict.violations[:20], *run.late()[:40]]
    return "\n".join([table(run), "", summary(run), *(f"- {each}" for each in wrong)])


def write(run: Run, name: str = "soak", tabled: Callable[[Run], str] = table) -> None:
    """Put a run's table between the marks that name it on the page."""
    begin, end = (f"<!-- the {name}'s table {word} -->" for word in ("begins", "ends"))
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    assert after, f"{PAGE} has no place for the table"
    PAGE.write_text(f"{before}{begin}\n\n{summary(run)}\n\n{tabled(run)}\n\n{end}{after}")
