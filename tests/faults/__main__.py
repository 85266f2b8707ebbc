"""`python -m tests.faults [--seconds N] [--seed N]`: the faults in turn, and the table of what came of them."""

from __future__ import annotations

import argparse
import sys

from tests.faults.report import summary, table
from tests.faults.run import run
from tests.faults.scenario import TROUBLES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    chosen = [trouble for trouble in TROUBLES if asked.only in trouble.name]
    done = run(chosen, asked.seed)
    print(table(done))
    print(summary(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
