"""What a player sees of one wallet's changes: the newest, soon, never back."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from casino_pam.live.coalescer import WINDOW_SECONDS, Coalescer
from casino_pam.live.snapshot import Change

NOON = 1000.0
WAGERING = {"bonus": "b-1", "wagered": 1500, "required": 6000, "percent": 25, "status": "active"}


def moved(version: int, wallet: int = 1) -> Change:
    return Change("alice", wallet, version, True, "EUR", 2, 100 * version, 0, 0, WAGERING)


def told(version: int, wagering: dict[str, Any] | None = WAGERING) -> Change:
    """What the database says, or an announcement of something that moved no money."""
    return msgspec.structs.replace(moved(version), moved=False, wagering=wagering)


def test_shows_the_first_change_at_once() -> None:
    change = moved(1)
    assert Coalescer().hear(change, NOON) is change


def test_merges_what_follows_within_the_window_into_one_at_its_end() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(1), NOON)
    newest = moved(4)
    assert [coalescer.hear(change, NOON + 0.01) for change in (moved(2), moved(3), newest)] == [None] * 3
    assert coalescer.next_due() == NOON + WINDOW_SECONDS
    assert coalescer.due(NOON + WINDOW_SECONDS - 0.001) == []
    assert coalescer.due(NOON + WINDOW_SECONDS) == [newest]


def test_opens_another_window_when_one_ends_with_a_change() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(1), NOON)
    coalescer.hear(moved(2), NOON + 0.01)
    coalescer.due(NOON + 0.05)
    assert coalescer.hear(moved(3), NOON + 0.06) is None
    assert coalescer.next_due() == NOON + 0.05 + WINDOW_SECONDS


def test_shows_at_once_again_after_a_window_in_which_nothing_came() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(1), NOON)
    assert coalescer.due(NOON + 0.05) == []
    assert coalescer.next_due() is None
    change = moved(2)
    assert coalescer.hear(change, NOON + 0.06) is change


def test_keeps_windows_of_different_wallets_apart() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(1), NOON)
    other = moved(1, wallet=2)
    assert coalescer.hear(other, NOON + 0.01) is other


def test_drops_a_change_that_comes_after_a_newer_one() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(7), NOON)
    assert coalescer.hear(moved(6), NOON + 1) is None
    assert coalescer.hear(moved(7), NOON + 1) is None
    assert coalescer.due(NOON + 2) == []


def test_shows_a_change_that_moved_nothing_under_the_version_it_rests_on() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(7), NOON)
    coalescer.due(NOON + 1)
    claimed = told(7)
    assert coalescer.hear(claimed, NOON + 1) is claimed


def test_still_tells_that_more_than_balances_changed_when_a_bet_follows_within_the_window() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(7), NOON)
    coalescer.hear(told(7), NOON + 0.01)
    coalescer.hear(moved(8), NOON + 0.02)
    (shown,) = coalescer.due(NOON + 0.05)
    assert (shown.version, shown.moved) == (8, False)


def test_repairs_what_was_missed_and_says_nothing_of_what_is_known() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(7), NOON)
    coalescer.due(NOON + 1)
    assert coalescer.repair(told(7), NOON + 1) is None
    assert coalescer.repair(told(6), NOON + 1) is None
    missed = told(8)
    assert coalescer.repair(missed, NOON + 1) is missed
    assert coalescer.shown(1) is missed


def test_repairs_what_changed_under_the_same_version() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(7), NOON)
    coalescer.due(NOON + 1)
    expired = told(7, None)
    assert coalescer.repair(expired, NOON + 1) is expired


def test_forgets_what_nobody_looks_at() -> None:
    coalescer = Coalescer()
    coalescer.hear(moved(7), NOON)
    coalescer.hear(moved(8), NOON)
    coalescer.forget([1, 2])
    assert coalescer.due(NOON + 1) == []
    assert coalescer.shown(1) is None
    assert coalescer.next_due() is None


def test_names_the_first_frame_a_snapshot_and_the_next_by_what_happened() -> None:
    kinds = [moved(7).frame(first=True), moved(7).frame(first=False), told(7).frame(first=False)]
    assert [json.loads(text)["type"] for text in kinds] == ["snapshot", "wallet", "snapshot"]


def test_shows_money_as_decimal_strings_with_the_digits_of_the_currency() -> None:
    yen = Change("alice", 1, 7, True, "JPY", 0, 85, 30, 0, {**WAGERING, "wagered": 15, "required": 60})
    assert json.loads(yen.frame(first=False)) == {
        "type": "wallet",
        "version": 7,
        "currency": "JPY",
        "cash": "85",
        "bonus": "30",
        "held": "0",
        "balance": "115",
        "wagering": {"bonus": "b-1", "wagered": "15", "required": "60", "percent": 25, "status": "active"},
    }


# Announcements of one wallet as Redis may deliver them: late, twice, out of order, with readings between.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["hear", "repair"]),
        st.integers(0, 30),
        st.booleans(),
        st.integers(0, 200),
    ),
    max_size=60,
)


@given(EVENTS)
def test_versions_never_go_back_and_the_newest_is_shown_in_the_end(
    events: list[tuple[str, int, bool, int]],
) -> None:
    # In whole milliseconds, so that a window is exactly as long as it is.
    coalescer = Coalescer(window=50)
    now, last_shown_at = 1000, 0
    shown: list[Change] = []
    for how, version, is_move, pause in events:
        now += pause
        released = coalescer.due(now)
        change = moved(version) if is_move and how == "hear" else told(version)
        at_once = coalescer.hear(change, now) if how == "hear" else coalescer.repair(change, now)
        for each in [*released, *([at_once] if at_once else [])]:
            assert now - last_shown_at >= 50
            last_shown_at = now
            shown.append(each)
    shown += coalescer.due(now + 50)
    versions = [change.version for change in shown]
    assert versions == sorted(versions)
    moves = [change.version for change in shown if change.moved]
    assert moves == sorted(set(moves))
    assert versions[-1:] == ([max(version for _, version, _, _ in events)] if events else [])
