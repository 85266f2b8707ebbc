"""Open bets that are kept: whatever the order of rows and refreshes, the answer is that of the whole ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Q
from uuid_utils import uuid7

from tests import scenario
from tests.wallet import report_history
from wallet import state
from wallet.models import OpenBet, OpenBetsSummedUp, Provider, Transaction
from wallet.reports import open_bets, sums
from wallet.reports.sums import BEYOND, Values, snapshot
from wallet.time import first_id, to_datetime

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _players(books: None) -> None:
    scenario.catalogue()
    for code, ends_rounds in (("acme", False), ("zenith", True)):
        fields = {"rollback_wins": True, "win_rollback": "clamp", "rollback_after_win": "allow"}
        scenario.profile(code, ends_rounds=ends_rounds, **fields)
    scenario.alice("100000.00")
    scenario.player("bea", "100000.00")


def refreshed() -> None:
    report_history.refreshed()


def told(since: datetime | None = None, until: datetime | None = None, source: str | None = None) -> set[str]:
    now = datetime.now(UTC)
    with snapshot() as own:
        found = open_bets.open_rounds(own, since=since or now - HOUR, until=until or now + HOUR, source=source)
        return {each.round for each in found}


def kept() -> list[str]:
    return sorted(OpenBet.objects.values_list("round", flat=True))


def missing() -> list[str]:
    return [str(each) for each in sums.drifted()]


# --- one thing at a time -------------------------------------------------------------------------


def test_only_bets_that_nothing_has_ended_are_kept() -> None:
    scenario.bet(round="open")
    scenario.bet(round="ended")
    scenario.end_round(round="ended")
    scenario.bet(round="paid")
    scenario.win(round="paid")
    scenario.bet(round="undone", reference="b")
    scenario.rollback("b")
    scenario.bet(round="without end", source="zenith")
    scenario.win(round="without end", source="zenith")
    refreshed()
    assert kept() == ["open", "without end"] and told() == {"open", "without end"}


@pytest.mark.parametrize("end", ["end", "win", "last bet", "rollback"])
def test_what_ends_a_kept_round_is_seen_at_once_and_taken_from_the_list_by_the_next_refresh(end: str) -> None:
    scenario.bet(round="r", reference="b")
    refreshed()
    assert kept() == ["r"]
    if end == "end":
        scenario.end_round(round="r")
    elif end == "win":
        scenario.win(round="r")
    elif end == "last bet":
        scenario.bet(round="r", ends_round=True)
    else:
        scenario.rollback("b")
    assert told() == set()
    refreshed()
    assert kept() == [] and told() == set()


def test_every_bet_of_a_round_leaves_the_list_at_its_end() -> None:
    scenario.bet(round="r")
    scenario.bet(round="r")
    refreshed()
    scenario.bet(round="r")
    scenario.end_round(round="r")
    refreshed()
    assert kept() == []


def test_an_end_below_the_bound_that_is_undone_above_it_opens_the_round_again() -> None:
    scenario.bet(round="r")
    scenario.win(round="r", reference="w", ends_round=True)
    refreshed()
    assert kept() == []
    scenario.rollback("w", original_kind="WIN")
    assert told() == {"r"} and missing() == []
    refreshed()
    assert kept() == ["r"] and told() == {"r"} and missing() == []


def test_an_end_above_the_bound_that_is_undone_there_leaves_the_round_open() -> None:
    scenario.bet(round="r")
    refreshed()
    scenario.win(round="r", reference="w", ends_round=True)
    scenario.rollback("w", original_kind="WIN")
    assert told() == {"r"}
    refreshed()
    assert kept() == ["r"] and told() == {"r"}


def test_bet_end_and_what_undoes_it_may_all_be_above_the_bound() -> None:
    refreshed()
    scenario.bet(round="r")
    scenario.win(round="r", reference="w", ends_round=True)
    scenario.rollback("w", original_kind="WIN")
    assert told() == {"r"}
    refreshed()
    assert kept() == ["r"]


def test_a_last_bet_that_is_undone_opens_its_round_again_and_not_itself() -> None:
    scenario.bet(round="r", reference="first")
    scenario.bet(round="r", reference="last", ends_round=True)
    refreshed()
    scenario.rollback("last")
    refreshed()
    assert list(OpenBet.objects.values_list("id", flat=True)) == [Transaction.objects.get(reference="first").id]


def test_a_round_that_was_opened_again_is_ended_again() -> None:
    scenario.bet(round="r")
    scenario.win(round="r", reference="w")
    refreshed()
    scenario.rollback("w", original_kind="WIN")
    refreshed()
    scenario.win(round="r")
    assert told() == set()
    refreshed()
    assert kept() == [] and missing() == []


def test_an_end_that_came_before_its_bet_ends_it_on_either_side_of_the_bound() -> None:
    scenario.win(round="r")
    scenario.win(round="s")
    scenario.bet(round="s")
    refreshed()
    scenario.bet(round="r")
    assert told() == set()
    refreshed()
    assert kept() == [] and told() == set()


def test_rounds_of_the_same_name_are_told_apart_by_player_and_provider() -> None:
    scenario.bet(round="r")
    scenario.bet("bea", round="r")
    scenario.bet(round="r", source="zenith")
    refreshed()
    scenario.end_round(round="r")
    refreshed()
    left = OpenBet.objects.order_by("id").values_list("wallet__player__code", "source")
    assert list(left) == [("bea", "acme"), ("alice", "zenith")]
    assert told(source="zenith") == told(source="acme") == {"r"}


def test_only_bets_of_the_span_that_is_asked_for_are_told() -> None:
    rounds = {}
    for name in ("early", "middle", "late"):
        scenario.bet(round=name)
        rounds[name] = report_history.next_moment()
    refreshed()
    assert told(rounds["early"], rounds["middle"]) == {"middle"}


def test_a_snapshot_from_before_a_refresh_tells_what_it_told() -> None:
    scenario.bet(round="r")
    refreshed()
    span = {"since": datetime.now(UTC) - HOUR, "until": datetime.now(UTC) + HOUR}
    with snapshot() as own:
        before = list(open_bets.open_rounds(own, **span))
        scenario.end_round(round="r")
        refreshed()
        assert list(open_bets.open_rounds(own, **span)) == before != []
    assert told() == set()


def test_the_bound_of_the_list_is_its_own_after_an_upgrade_it_is_read_in_from_the_first_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A release that knew of no list has summed everything up already."""
    for name in ("a", "b", "c"):
        scenario.bet(round=name)
        scenario.bet(round=f"ended-{name}")
    for name in ("a", "b", "c"):
        scenario.end_round(round=f"ended-{name}")
    refreshed()
    OpenBet.objects.all().delete()
    OpenBetsSummedUp.objects.all().delete()
    assert told() == {"a", "b", "c"} and missing() == []
    monkeypatch.setattr(sums, "STRIDE", 2)
    refreshed()
    assert kept() == ["a", "b", "c"]


def test_a_provider_that_begins_to_send_ends_reopens_nothing_that_a_win_had_ended() -> None:
    scenario.bet(round="paid")
    scenario.win(round="paid")
    refreshed()
    Provider.objects.update(ends_rounds=True)
    scenario.bet(round="next")
    scenario.win(round="next")
    assert told() == {"next"}
    refreshed()
    assert kept() == ["next"] and missing() == []


def test_a_rebuilt_day_goes_by_what_its_provider_sends_now() -> None:
    scenario.bet(round="paid")
    scenario.win(round="paid")
    refreshed()
    Provider.objects.update(ends_rounds=True)
    sums.rebuild(scenario.moment(scenario.NOON).date())
    assert kept() == ["paid"]


def test_a_provider_that_sends_no_ends_any_more_is_done_with_what_has_paid() -> None:
    scenario.bet(round="r", source="zenith")
    scenario.win(round="r", source="zenith")
    refreshed()
    assert told() == {"r"}
    Provider.objects.update(ends_rounds=False)
    assert told() == set()


def test_nothing_is_told_from_the_list_alone() -> None:
    """Whoever writes there by hand makes no open round."""
    scenario.bet(round="r")
    scenario.end_round(round="r")
    bet = Transaction.objects.get(kind="BET")
    refreshed()
    OpenBet.objects.create(id=bet.id, wallet_id=bet.wallet_id, source=bet.source, round=bet.round)
    assert told() == set()


def test_a_bet_that_is_missing_is_named_and_put_back_by_its_day_s_rebuild() -> None:
    scenario.bet(round="r")
    refreshed()
    OpenBet.objects.all().delete()
    day = scenario.moment(scenario.NOON).date()
    assert missing() == [f"{day} acme r: open bets is kept as 0, the ledger makes it 1"]
    sums.rebuild(day - timedelta(days=1))
    assert kept() == []
    sums.rebuild(day)
    assert kept() == ["r"] and missing() == []


@pytest.mark.parametrize(("end_ahead", "undone_ahead"), [(1, -1), (-1, 1)])
def test_whichever_clock_was_ahead_an_undone_end_leaves_its_round_open(
    end_ahead: int, undone_ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound may lie between the ids of an end and of what undid it, in either order."""
    made = scenario.NOON
    ahead = iter((1, end_ahead, undone_ahead))
    monkeypatch.setattr(state, "uuid7", lambda: uuid7(nanoseconds=(made + next(ahead) * scenario.SECOND) * 1_000))
    scenario.bet(round="r")
    scenario.win(round="r", reference="w", ends_round=True)
    scenario.rollback("w", original_kind="WIN")
    span = scenario.moment(made) - HOUR, scenario.moment(made) + HOUR
    for seconds in (0, 5):
        sums.refresh(scenario.moment(made + seconds * scenario.SECOND), progress=lambda instant: None)
        assert told(*span) == {"r"} and missing() == []
    assert kept() == ["r"]


# --- in every order ------------------------------------------------------------------------------

CLOCKS = 1.9  # seconds by which the clocks of two processes may differ; a bound lies two before the present


class Play(NamedTuple):
    """Rows of a few rounds in any order, with ids from clocks that differ, and refreshes in between."""

    dice: Random
    clock: list[float]

    def step(self) -> None:
        self.clock.append(self.clock[-1] + self.dice.choice((0.001, 0.1, 0.5, 2)))
        acts = (self.bet, self.win, self.end, self.undo, self.refresh)
        (act,) = self.dice.choices(acts, weights=(8, 3, 1, 5, 4))
        act()

    def somewhere(self) -> dict[str, Any]:
        where = {"who": self.dice.choice(("alice", "bea")), "source": self.dice.choice(("acme", "zenith"))}
        return {**where, "round": f"r-{int(self.clock[-1] - self.clock[0]) // 8 + self.dice.randrange(2)}"}

    def at(self) -> int:
        return int(self.clock[-1] * 1_000_000)

    def bet(self) -> None:
        ends_round = self.dice.random() < 0.2
        scenario.bet(**self.somewhere(), amount="1.00", ends_round=ends_round, at=self.at())

    def win(self) -> None:
        ends_round = self.dice.random() < 0.4
        scenario.win(**self.somewhere(), amount="1.00", ends_round=ends_round, at=self.at())

    def end(self) -> None:
        scenario.end_round(**self.somewhere(), at=self.at())

    def undo(self) -> None:
        """Mostly of what ended a round."""
        undone = Transaction.objects.filter(kind="ROLLBACK", status="POSTED").values("closes")
        rows = Transaction.objects.filter(kind__in=("BET", "WIN"), status="POSTED").exclude(id__in=undone)
        if self.dice.random() < 0.8:
            rows = rows.filter(Q(kind="WIN") | Q(ends_round=True))
        newest = list(rows.order_by("-created_at")[:6])
        if newest:
            row = self.dice.choice(newest)
            kind = {"original_kind": row.kind, "source": row.source}
            scenario.rollback(row.reference, row.wallet.player.code, **kind, at=self.at())

    def refresh(self) -> None:
        sums.refresh(to_datetime(int((self.clock[-1] - 2) * 1_000_000)), progress=lambda instant: None)

    def id(self) -> UUID:
        at = self.clock[-1] + self.dice.uniform(-CLOCKS, CLOCKS)
        return uuid7(nanoseconds=int(at * 1e9))  # type: ignore[return-value]

    def moment(self) -> datetime:
        return to_datetime(int(self.dice.choice(self.clock) * 1_000_000))


@pytest.fixture(params=range(8))
def play(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Play:
    dice = Random(request.param)
    made = Play(dice, [scenario.NOON / 1_000_000])
    monkeypatch.setattr(state, "uuid7", made.id)
    monkeypatch.setattr(sums, "STRIDE", dice.choice((2, 5, 500)))
    return made


def open_rows(since: UUID, until: UUID) -> Iterator[Transaction]:
    """The definition: live bets of rounds without a live end, read row by row."""
    rows = list(Transaction.objects.filter(status="POSTED").select_related("wallet__player").order_by("id"))
    closed = {row.closes for row in rows}
    always_ends = dict(Provider.objects.values_list("code", "ends_rounds"))
    ended = {
        (row.wallet_id, row.source, row.round)
        for row in rows
        if row.id not in closed and (row.ends_round or (row.kind == "WIN" and not always_ends[row.source]))
    }
    for row in rows:
        live = row.kind == "BET" and row.id not in closed and since <= row.id < until
        if live and (row.wallet_id, row.source, row.round) not in ended:
            yield row


def expected(since: UUID, until: UUID, source: str | None = None) -> dict[tuple[str, str, str | None], int]:
    counted: dict[tuple[str, str, str | None], int] = defaultdict(int)
    for row in open_rows(since, until):
        if source in (None, row.source):
            counted[row.source, row.wallet.player.code, row.round] += 1
    return counted


def test_whatever_the_order_of_rows_and_refreshes_the_answer_is_that_of_the_ledger(play: Play) -> None:
    for _ in range(50):
        play.step()
        since, until = play.moment() - timedelta(seconds=2), play.moment() + timedelta(seconds=3)
        source = play.dice.choice((None, "acme"))
        with snapshot() as own:
            found = list(open_bets.open_rounds(own, since=since, until=until, source=source))
        counted = {(each.source, each.player, each.round): each.bets for each in found}
        assert counted == expected(first_id(since), first_id(until), source)
        assert not [each for each in missing() if "open bets" in each]
    play.clock.append(play.clock[-1] + 60)
    play.refresh()
    assert set(OpenBet.objects.values_list("id", flat=True)) == {row.id for row in open_rows(UUID(int=0), BEYOND)}


# --- what it costs -------------------------------------------------------------------------------


def rows_read(node: dict[str, Any]) -> int:
    """Rows of the ledger that a plan looked at, those it then filtered out included."""
    own = 0
    if node.get("Relation Name") == "wallet_transaction":
        looked_at = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        own = round(looked_at * node["Actual Loops"])
    return own + sum(map(rows_read, node.get("Plans", [])))


def read(values: Values) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {open_bets._OF_A_SOURCE}", {**values, "source": None})
        ((plan,),) = cursor.fetchall()
    return sum(rows_read(each["Plan"]) for each in plan)


def test_of_the_rows_below_the_bound_only_the_kept_are_read() -> None:
    scenario.many_bets(1_000)
    for round in Transaction.objects.filter(kind="BET").values_list("round", flat=True):
        scenario.end_round(round=round)
    scenario.bet(round="one")
    scenario.bet(round="two")
    with snapshot() as own:
        span = open_bets._span(own, UUID(int=0), BEYOND)
    assert read(span) > 2_000
    refreshed()
    with snapshot() as own:
        span = open_bets._span(own, UUID(int=0), BEYOND)
    assert 2 <= read(span) <= 20
