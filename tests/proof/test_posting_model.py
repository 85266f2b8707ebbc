"""The model of posting keeps its promises, and each guard is what keeps them (docs/proof.md).

``make proof`` runs this file; it needs Debian's packages ``spin`` and ``gcc``. It is no part of
``make test``, which needs Python alone.
"""

from __future__ import annotations

import pytest

from tests.proof.spin import endless, hears, search

# Each guard, and the promise that is broken as soon as the guard alone is missing.
GUARDS = {
    "UNIQUE_REFERENCE": "MOVED_ONCE",
    "READ_ORDER": "NO_FALSE_REFUSAL",
    "REFUSAL_REMEMBERED": "ANSWERS_ARE_EQUAL",
    "VOID_ROW": "NAME_IS_SPENT",
    "TWINS_IN_MEMORY": "LOST_TO_SOMEBODY",
    "LOOKING_AGAIN": "LOST_TO_SOMEBODY",
    "DOUBT": "ANSWER_STANDS",
    "ANSWER_AFTER_COMMIT": "ANSWER_STANDS",
    "PLAYER_TOGETHER": "ANSWER_STANDS",
}
# Guards that stand behind another: without either all holds, without both a promise is broken.
SECOND_GUARDS = {
    ("VERSION_CHECK", "STATEMENT_NUMBER"): "BALANCES_ARE_SUMS",
    ("CLOSES_UNIQUE", "READ_ORDER"): "CLOSED_ONCE",
}


def test_keeps_every_promise_in_every_order_with_two_faults() -> None:
    found = search(faults=2)
    print(f"\nall guards on, two faults: {found.states:,} states, depth {found.depth}, no error")
    assert found.complete
    assert found.story == []
    # A step that no order reaches would be proven of nothing.
    assert found.unreached == []


def test_answers_every_copy_in_the_end() -> None:
    found = endless(faults=1)
    assert found.complete
    assert found.story == []


@pytest.mark.parametrize("answer", ["refused", "void", "rolled_back", "already_ended", "reference_reused", "unknown"])
def test_is_rich_enough_to_hear(answer: str) -> None:
    assert hears(answer)


@pytest.mark.parametrize(("guard", "promise"), GUARDS.items(), ids=GUARDS)
def test_breaks_a_promise_without(guard: str, promise: str) -> None:
    story = search((guard,), promise=promise, shortest=True).story
    print(f"\nwithout {guard}:", *story, sep="\n  ")
    assert story


@pytest.mark.parametrize(("pair", "promise"), SECOND_GUARDS.items(), ids=map("+".join, SECOND_GUARDS))
def test_breaks_a_promise_without_both(pair: tuple[str, str], promise: str) -> None:
    story = search(pair, promise=promise, shortest=True).story
    print(f"\nwithout {' and '.join(pair)}:", *story, sep="\n  ")
    assert story


@pytest.mark.parametrize("guard", ["VERSION_CHECK", "STATEMENT_NUMBER", "CLOSES_UNIQUE"])
def test_holds_without_a_guard_behind_which_another_stands(guard: str) -> None:
    found = search((guard,))
    assert found.complete
    assert found.story == []


def test_closes_nothing_twice_without_the_read_order_alone() -> None:
    found = search(("READ_ORDER",), promise="CLOSED_ONCE")
    assert found.complete
    assert found.story == []
