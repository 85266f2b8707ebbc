"""The table of a run, as it stands in docs/reliability.md."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

from casino_pam.machine import PROJECT
from tests.faults.episodes import NEVER, Episode
from tests.faults.run import Run

PAGE: Final = PROJECT / "docs" / "reliability.md"
BEGIN: Final = "<!-- the soak's table begins -->"
END: Final = "<!-- the soak's table ends -->"
HEAD: Final = (
    "| fault | episodes | fired | answers | 503 | connections lost | no answer in 10 s | worst answer | over 3.5 s |"
    " first good answer | all seats served |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def table(run: Run) -> str:
    """One line for each kind of fault, the worst of its episodes."""
    kinds: dict[str, list[Episode]] = defaultdict(list)
    for episode in run.episodes:
        kinds[episode.name].append(episode)
    return "\n".join([HEAD, *(line(name, episodes) for name, episodes in kinds.items())])


def line(name: str, episodes: list[Episode]) -> str:
    def total(*words: str) -> int:
        return sum(episode.seen[word] for episode in episodes for word in words)

    cells = [
        name,
        len(episodes),
        sum(episode.fired for episode in episodes),
        total("answers"),
        refused(episodes),
        total("reset", "refused"),
        total("silence"),
        f"{max(episode.worst() for episode in episodes):.2f} s",
        sum(episode.late() for episode in episodes),
        seconds(max(episode.back for episode in episodes)),
        seconds(max(episode.all_back for episode in episodes)),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def refused(episodes: list[Episode]) -> str:
    """How many 503s; where one wallet was held, how many of them met others."""
    count = sum(episode.seen["503"] for episode in episodes)
    others = sum(episode.elsewhere for episode in episodes)
    return f"{count} ({others} on other wallets)" if episodes[0].player else str(count)


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


def write(run: Run, page: Path = PAGE) -> None:
    """Put the table between the marks of the page."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{page} has no place for the table"
    page.write_text(f"{before}{BEGIN}\n\n{summary(run)}\n\n{table(run)}\n\n{END}{after}")
