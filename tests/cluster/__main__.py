"""`python -m tests.cluster --write`: the cluster's faults in turn, and their table into docs/reliability.md."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from tests.cluster.breaking import BACK_WITHIN, TROUBLES
from tests.cluster.clustered_house import clustered_house
from tests.faults.report import refused, report, seconds, write
from tests.faults.run import Plan, Run, run

HEAD: Final = (
    "| fault | no writer for | answers | 503 in 100 | over 3.5 s | worst answer | first good answer |"
    " all seats served |\n|---|---:|---:|---:|---:|---:|---:|---:|"
)


def tabled(done: Run, silences: list[float]) -> str:
    """One line for each fault, in the order in which they came."""
    lines = []
    for episode, silence in zip(done.episodes, silences, strict=True):
        figures = [episode.name, seconds(silence), episode.seen["answers"], refused([episode]), episode.late()]
        figures += [seconds(episode.worst()), seconds(episode.back), seconds(episode.all_back)]
        lines.append("| " + " | ".join(map(str, figures)) + " |")
    return "\n".join([HEAD, *lines])


def tell(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    parser.add_argument("--only", default="", help="faults whose names match this pattern")
    parser.add_argument("--seats", type=int, default=16)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    parser.add_argument("--folder", type=Path, help="where journal and log of the workers are kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing, clustered_house(asked.folder or Path(passing)) as house:
        chosen = [trouble for trouble in TROUBLES if re.search(asked.only, trouble.name)]
        plan = Plan(seed=1, seats=asked.seats, folder=house.folder, back_within=BACK_WITHIN, tell=tell)
        done = run(chosen, plan, lambda folder, dice: nullcontext(house))
        print(report(done), tabled(done, house.silences), sep="\n")
        print(house.manage("reconcile", "--full"))
    if asked.write:
        write(done, "cluster", lambda run: tabled(run, house.silences))
    return 0 if done.clean() else 1


if __name__ == "__main__":
    sys.exit(main())
