"""The house under every fault there is, once: no cent lost, nothing twice, and an answer in time."""

from __future__ import annotations

import random

import pytest

from tests.faults.report import report
from tests.faults.run import Plan, Run, run
from tests.faults.scenario import TROUBLES, in_turn

SEED = 20261130
# The promise is 3.5 s and 1 s; the suite beside it may keep both cores busy.
LONGEST_ANSWER = 5.0
BACK_WITHIN = 3.0


@pytest.fixture(scope="module")
def done() -> Run:
    return run(in_turn(random.Random(SEED), short=True), Plan(SEED))


def test_no_fault_loses_or_doubles_a_cent(done):
    assert done.verdict.violations == [], report(done)
    assert done.verdict.figures["operations acknowledged"] > 1000


def test_every_answer_comes_in_time_whatever_happens(done):
    assert done.late(LONGEST_ANSWER, BACK_WITHIN) == [], report(done)


def test_every_fault_has_hit(done):
    left_out = set() if done.mounted else {"Disk full"}
    assert {episode.name for episode in done.episodes if not episode.fired} <= left_out
    assert {episode.name for episode in done.episodes} == {trouble.name for trouble in TROUBLES if trouble.short}
