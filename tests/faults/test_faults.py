"""The house under every fault there is, once: no cent lost, nothing twice, and an answer in time."""

from __future__ import annotations

import random

from tests.faults.report import report
from tests.faults.run import Plan, run
from tests.faults.schedule import in_turn

SEED = 20261130
# The promise is 3.5 s and 1 s; the suite beside it may keep both cores busy.
LONGEST_ANSWER = 5.0
BACK_WITHIN = 3.0


def test_no_fault_costs_a_cent_or_holds_up_an_answer():
    """One test, not three: a second process of the suite would let it all happen again."""
    done = run(in_turn(random.Random(SEED), short=True), Plan(SEED))
    assert done.verdict.violations == [], report(done)
    assert done.verdict.figures["operations acknowledged"] > 1000
    missed = {episode.name for episode in done.episodes if not episode.fired}
    assert missed <= (set() if done.mounted else {"Disk full"}), report(done)
    assert done.late(LONGEST_ANSWER, BACK_WITHIN) == [], report(done)
