"""The sums by day: each row once, however late it was committed; what drifts is named and not mended."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import Count

from tests import scenario
from tests.wallet import report_history
from tests.wallet.report_history import DAYS, FIRST, LAST
from wallet import history
from wallet.models import DayPlayer, DaySum, PlayersSummedUp, SummedUp, Transaction
from wallet.reports import figures, sums
from wallet.reports.sums import snapshot
from wallet.time import midnight


@pytest.fixture
def house(books: None) -> None:
    report_history.history()


def rows_kept() -> int:
    return sum(DaySum.objects.values_list("rows", flat=True))


def command(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("refresh_reports", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_refresh_takes_in_every_posted_row_once(house: None) -> None:
    for _ in range(2):
        report_history.refreshed()
        assert rows_kept() == len(report_history.posted()) >= 30
    scenario.bet("anna", "1.00", at=report_history.at(FIRST))
    report_history.refreshed()
    assert rows_kept() == len(report_history.posted())
    assert list(sums.drifted()) == []


@pytest.mark.parametrize("stride", [1, 3, 7])
def test_small_steps_come_to_the_same(house: None, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "STRIDE", stride)
    reached: list[datetime] = []
    sums.refresh(report_history.next_moment(), progress=reached.append)
    assert rows_kept() == len(report_history.posted())
    assert list(sums.drifted()) == []
    # All that is kept is taken in by the same steps.
    kept = len(sums._OURS) + len(sums.further_sums)
    once = sorted(reached)[::kept]
    assert kept == 4 and sorted(reached) == sorted(once * kept)
    assert len(once) >= Transaction.objects.count() // stride


def test_a_refresh_that_is_broken_off_leaves_whole_parts_and_the_next_one_the_rest(
    house: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "STRIDE", 1)

    def broken_off(reached: datetime) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sums.refresh(report_history.next_moment(), progress=broken_off)
    assert rows_kept() < len(report_history.posted())
    assert list(sums.drifted()) == []
    report_history.refreshed()
    assert rows_kept() == len(report_history.posted())
    assert list(sums.drifted()) == []


def test_a_row_that_is_committed_late_is_taken_in_later(house: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A posting under way holds the bound back, so its rows, made before others, are not passed by."""
    monkeypatch.setattr(history, "_SETTLED_BEFORE", history._SETTLED_BEFORE.replace("2 seconds", "0 seconds"))
    parameters = connection.get_connection_params()
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_current_xact_id()")
        before = scenario.moment(int(datetime.now(UTC).timestamp() * 1000) * 1000)
        scenario.bet("anna", "1.00", at=report_history.at(LAST, 20))
        sums.refresh(progress=lambda instant: None)
        assert SummedUp.objects.get().up_to.int >> 80 <= int(before.timestamp() * 1000)
        other.rollback()
    report_history.refreshed()
    assert rows_kept() == len(report_history.posted())


def test_two_refreshes_at_a_time_count_nothing_twice(house: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "STRIDE", 5)
    both = threading.Barrier(2, timeout=30)

    def run() -> None:
        both.wait()
        report_history.refreshed()
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows_kept() == len(report_history.posted())
    assert list(sums.drifted()) == []


def test_a_report_sees_one_instant_though_sums_are_refreshed_meanwhile(house: None) -> None:
    with snapshot() as own:
        before = list(figures.revenue(own, FIRST, LAST))
        report_history.refreshed()
        assert list(figures.revenue(own, FIRST, LAST)) == before
    with snapshot() as own:
        assert list(figures.revenue(own, FIRST, LAST)) == before


PLANTED: list[tuple[str, dict[str, Any]]] = [
    ("rows is kept as 2, the ledger makes it 1", {"rows": 2}),
    ("amount is kept as 151, the ledger makes it -150", {"amount": 151}),
    ("cash is kept as -149, the ledger makes it -150", {"cash": -149}),
    ("bonus is kept as 5, the ledger makes it 0", {"bonus": 5}),
    ("held is kept as -5, the ledger makes it 0", {"held": -5}),
]


@pytest.mark.parametrize(("said", "planted"), PLANTED)
def test_a_planted_difference_is_named_by_day_and_key_and_left_alone(
    house: None, said: str, planted: dict[str, Any]
) -> None:
    report_history.refreshed()
    adjusted = DaySum.objects.filter(kind="ADJUST", day=LAST)
    adjusted.update(**planted)
    kept = list(DaySum.objects.order_by("id").values())
    code, text = command("--check")
    assert code == 1
    assert text.splitlines()[0] == f"{LAST} EUR operator ADJUST: {said}"
    assert list(DaySum.objects.order_by("id").values()) == kept


def test_a_sum_without_rows_and_rows_without_a_sum_are_both_found(house: None) -> None:
    report_history.refreshed()
    DaySum.objects.filter(kind="SETTLE").delete()
    lost = DaySum.objects.get(kind="ADJUST")
    DaySum.objects.create(**{**vars_of(lost), "day": FIRST, "source": "nobody"})
    found = [str(each) for each in sums.drifted() if each.measure == "rows"]
    assert found == [
        f"{FIRST} EUR nobody ADJUST: rows is kept as 1, the ledger makes it 0",
        f"{LAST} EUR cashier SETTLE: rows is kept as 0, the ledger makes it 1",
    ]


def vars_of(row: DaySum) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in DaySum._meta.fields if field.attname != "id"}


def test_only_the_day_that_is_named_is_rebuilt(house: None) -> None:
    report_history.refreshed()
    DaySum.objects.filter(day__in=DAYS[1:3]).update(rows=99)
    assert command("--rebuild", str(DAYS[1])) == (0, f"{DAYS[1]} was added up anew.\n")
    assert {each.day for each in sums.drifted()} == {DAYS[2]}
    sums.rebuild(DAYS[2])
    assert command("--check") == (0, "Every sum is what the ledger makes it.\n")


def test_a_rebuild_takes_in_no_row_that_the_next_refresh_would_take_in_again(house: None) -> None:
    report_history.refreshed()
    SummedUp.objects.update(up_to=Transaction.objects.order_by("id")[10].id)
    for day in DAYS:
        sums.rebuild(day)
    assert rows_kept() == sum(row.id < SummedUp.objects.get().up_to for row in report_history.posted())
    report_history.refreshed()
    assert list(sums.drifted()) == []


def test_a_house_that_was_never_refreshed_can_be_checked_and_rebuilt(house: None) -> None:
    assert command("--check")[0] == 0
    assert command("--rebuild", str(FIRST))[0] == 0
    assert not DaySum.objects.exists()


def test_the_command_says_how_far_it_has_come(house: None) -> None:
    code, text = command()
    assert code == 0
    assert text.splitlines()[-1] == "The sums hold every settled row."


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "", "2026-W01-1x"])
def test_the_command_refuses_a_day_that_is_none(house: None, day: str) -> None:
    with pytest.raises(CommandError, match="is no day such as"):
        call_command("refresh_reports", f"--rebuild={day}")


def test_rows_above_the_bound_are_read_by_the_ledgers_key(house: None) -> None:
    """However large the ledger: what is added up on the spot is a range of the primary key."""
    report_history.refreshed()
    newest = Transaction.objects.order_by("-id").values_list("id", flat=True)[0]
    statement = sums.grouped("t.id >= %s AND t.created_at >= %s AND t.created_at < %s")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE wallet_transaction, wallet_wallet")
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", [newest, midnight(FIRST), midnight(LAST)])
        plan = json.dumps(cursor.fetchone()[0])
        cursor.execute("RESET enable_seqscan")
    assert '"Index Name": "wallet_transaction_pkey"' in plan


def players_kept() -> dict[date, int]:
    return dict(DayPlayer.objects.values_list("day").annotate(Count("player")).order_by("day"))


def test_who_bet_on_a_day_is_kept_once_and_read_in_after_an_upgrade(house: None) -> None:
    report_history.refreshed()
    bets = [row for row in report_history.posted() if row.kind == "BET"]
    bettors = {(row.created_at.date(), row.wallet.player_id) for row in bets}
    expected = dict(sorted(Counter(day for day, _ in bettors).items()))
    assert players_kept() == expected
    # As a release that knew of no players has left it.
    DayPlayer.objects.all().delete()
    PlayersSummedUp.objects.all().delete()
    assert list(sums.drifted()) == []
    report_history.refreshed()
    assert players_kept() == expected


def test_players_that_drift_are_named_and_a_day_is_counted_anew(house: None) -> None:
    report_history.refreshed()
    before = players_kept()
    DayPlayer.objects.filter(day=FIRST).delete()
    (drift,) = sums.drifted()
    assert str(drift) == f"{FIRST} all games: players is kept as 0, the ledger makes it {before[FIRST]}"
    sums.rebuild(FIRST)
    assert (players_kept(), list(sums.drifted())) == (before, [])
