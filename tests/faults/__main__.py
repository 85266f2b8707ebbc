"""`python -m tests.faults `: the faults in turn, or for hours, and the table of what came of them."""

from __future__ import annotations

import argparse
import random
import re
import signal
import sys
import time
from pathlib import Path

from tests.faults.report import report, write
from tests.faults.run import Plan, run
from tests.faults.schedule import for_long, in_turn
from tests.prepared_servers import shared_cluster


def tell(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seconds", type=int, help="so long, at random; without it each fault comes once")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="faults whose names match this pattern")
    parser.add_argument("--folder", type=Path, help="where journal and log of the workers are kept")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    # A run that is told to leave takes its servers and its volume with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked = parser.parse_args()
    dice = random.Random(asked.seed)
    troubles = for_long(dice, asked.seconds) if asked.seconds else in_turn(dice, short=False)
    chosen = (trouble for trouble in troubles if re.search(asked.only, trouble.name))
    print(f"seed {asked.seed}", flush=True)
    # What an hour leaves behind must be read again at its end: it has longer pauses.
    length = {"limit": asked.seconds, "pause": 0.2} if asked.seconds else {}
    with shared_cluster():
        done = run(chosen, Plan(asked.seed, folder=asked.folder, tell=tell, **length))
    print(report(done))
    if asked.write:
        write(done)
    return 0 if done.clean() else 1


if __name__ == "__main__":
    sys.exit(main())
