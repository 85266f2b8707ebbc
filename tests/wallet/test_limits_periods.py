"""The arithmetic of limits: which period an instant belongs to, and what is used in it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.scenario import NOON
from wallet.limits import counted, used
from wallet.state import ByPeriod, Totals, UndoneEarlier
from wallet.time import spans, to_datetime, to_microseconds, to_text

INSTANTS = st.integers(0, 7_258_118_400_000_000 - 1).map(to_datetime)  # to the end of the year 2199


@given(INSTANTS)
def test_an_instant_lies_in_its_day_week_and_month(instant):
    day, week, month = ((to_datetime(span.start), to_datetime(span.end)) for span in spans(to_microseconds(instant)))
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    assert day == (midnight, midnight + timedelta(days=1))
    monday = midnight - timedelta(days=instant.weekday())
    assert week == (monday, monday + timedelta(days=7))
    first = midnight.replace(day=1)
    assert month[0] == first
    assert month[1].day == 1 and month[1] - timedelta(days=1) >= first
    assert (month[1] - timedelta(days=1)).month == first.month


@given(INSTANTS)
def test_an_instant_survives_the_way_to_microseconds_and_back(instant):
    assert to_datetime(to_microseconds(instant)) == instant


def test_midnight_belongs_to_the_day_it_begins():
    midnight = to_microseconds(datetime(2027, 1, 1, tzinfo=UTC))
    assert [to_text(to_datetime(span.start)) for span in spans(midnight)] == [
        "2027-01-01T00:00:00.000000Z",
        "2026-12-28T00:00:00.000000Z",
        "2027-01-01T00:00:00.000000Z",
    ]
    assert [to_text(to_datetime(span.end)) for span in spans(midnight - 1)] == [
        "2027-01-01T00:00:00.000000Z",
        "2027-01-04T00:00:00.000000Z",
        "2027-01-01T00:00:00.000000Z",
    ]


def test_what_came_back_of_an_earlier_stake_makes_no_room_beyond_the_limit():
    yesterday, now = Totals(100, 0, 50), Totals(90, 0, 50)
    assert used("stake", now, yesterday) == 0
    assert used("stake", Totals(130, 0, 0), Totals(100, 0, 0)) == 30
    undone = UndoneEarlier(NOON, staked=ByPeriod(day=15, week=5))
    counted_now = [counted(Totals(130, 0, 0), undone, "day", start) for start in (NOON, NOON + 1)]
    assert [used("stake", each, Totals(100, 0, 0)) for each in counted_now] == [45, 30]


def test_a_net_win_may_be_played_back():
    assert used("loss", Totals(130, 80, 0), Totals(100, 0, 0)) == -50
    assert used("loss", Totals(130, 10, 0), Totals(100, 0, 0)) == 20


def test_deposits_are_counted_by_themselves():
    assert used("deposit", Totals(9, 9, 80), Totals(0, 0, 50)) == 30
