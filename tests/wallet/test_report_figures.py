"""Every figure of every report, against a second and naive computation over all rows."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import Any

import pytest

from bonus import costs as bonus_reports
from bonus.models import Bonus
from tests import scenario
from tests.wallet import corruption, report_history
from tests.wallet.report_history import DAYS, FIRST, LAST, added, posted
from wallet.kinds import Kind
from wallet.models import Transaction, Wallet
from wallet.reports import figures
from wallet.reports.sums import snapshot
from wallet.time import midnight


@pytest.fixture(params=["live", "kept", "both"])
def house(request: pytest.FixtureRequest, books: None) -> None:
    """The same house with nothing refreshed, with everything, and with its first rows only."""
    report_history.history()
    if request.param == "kept":
        report_history.refreshed()
    if request.param == "both":
        middle = Transaction.objects.order_by("id")[Transaction.objects.count() // 2]
        milliseconds = int(middle.id.hex[:12], 16)
        report_history.refreshed(scenario.moment(milliseconds * 1000))


def day_of(row: Transaction) -> date:
    return row.created_at.astimezone(UTC).date()


def undoes(row: Transaction) -> str:
    """What a row does to the house's revenue: BET or WIN, for or against."""
    return row.original_kind or "" if row.kind == Kind.ROLLBACK else row.kind


def revenue_of(rows: list[Transaction]) -> dict[str, int]:
    stakes = [row for row in rows if undoes(row) == Kind.BET]
    payouts = [row for row in rows if undoes(row) == Kind.WIN]
    converted = sum(row.cash_delta for row in rows if row.kind == Kind.CONVERT)
    cash = -sum(row.cash_delta for row in stakes + payouts)
    bonus = -sum(row.bonus_delta for row in stakes + payouts)
    return {
        "bets": sum(1 if row.kind == Kind.BET else -1 for row in stakes),
        "staked_cash": -sum(row.cash_delta for row in stakes),
        "staked_bonus": -sum(row.bonus_delta for row in stakes),
        "paid_cash": sum(row.cash_delta for row in payouts),
        "paid_bonus": sum(row.bonus_delta for row in payouts),
        "converted": converted,
        "ggr_cash": cash,
        "ggr_bonus": bonus,
        "ggr": cash + bonus,
        "ngr": cash - converted,
        "asked": asked_of(stakes, Kind.BET) - asked_of(payouts, Kind.WIN),
    }  # fmt: skip


def asked_of(rows: list[Transaction], kind: str) -> int:
    return sum(row.amount if row.kind == kind else -row.amount for row in rows)


def said(each: figures.Revenue) -> dict[str, int]:
    names = revenue_of([])
    return {name: getattr(each, name) for name in names}


BY: list[tuple[str, ...]] = [(), ("day",), ("source",), ("game",), ("day", "source", "game")]


@pytest.mark.parametrize("by", BY)
def test_revenue_is_what_the_rows_make_by_day_provider_game_and_currency(house: None, by: tuple[str, ...]) -> None:
    groups: dict[Any, list[Transaction]] = {}
    for row in posted():
        if undoes(row) in (Kind.BET, Kind.WIN, Kind.CONVERT):
            names = {"day": day_of(row), "source": row.source, "game": row.game or ""}
            key = (*(names[name] if name in by else None for name in figures.GROUPS), row.wallet.currency_id)
            groups.setdefault(key, []).append(row)
    with snapshot() as own:
        found = {
            (each.day, each.source, each.game, each.currency): said(each)
            for each in figures.revenue(own, FIRST, LAST, by)
        }
    assert found == {key: revenue_of(rows) for key, rows in groups.items()}


@pytest.mark.parametrize("day", DAYS)
def test_a_day_begins_at_midnight_utc_and_ends_before_the_next(house: None, day: date) -> None:
    rows = [row for row in posted([day]) if row.wallet.currency_id == "EUR"]
    with snapshot() as own:
        found = [said(each) for each in figures.revenue(own, day, day) if each.currency == "EUR"]
    expected = revenue_of(rows)
    assert found == ([expected] if any(expected.values()) else [])


def test_the_last_moment_of_a_day_and_the_first_of_the_next_are_two_days(house: None) -> None:
    """Anna bet 10.00 at 23:59:59.999999; it was rolled back at 00:00:00, when she bet 4.00."""
    with snapshot() as own:
        (first,) = [each for each in figures.revenue(own, DAYS[0], DAYS[0]) if each.currency == "EUR"]
        (second,) = [
            each
            for each in figures.revenue(own, DAYS[1], DAYS[1], ("day", "source", "game"))
            if each.game == "slot-1" and each.staked_bonus == 8_00
        ]
    assert (first.bets, first.staked_cash) == (1, 10_00)
    assert (second.bets, second.staked_cash) == (1, -10_00 + 4_00)


def test_deposits_and_withdrawals_are_what_the_rows_make(house: None) -> None:
    kinds = {Kind.DEPOSIT: 0, Kind.HOLD: 2, Kind.SETTLE: 4, Kind.RELEASE: 6}
    expected: dict[Any, list[int]] = {}
    for row in posted():
        if row.kind in kinds:
            sums = expected.setdefault((day_of(row), row.source, row.wallet.currency_id), [0] * 8)
            sums[kinds[row.kind]] += 1
            sums[kinds[row.kind] + 1] += row.amount
    with snapshot() as own:
        found = list(figures.flows(own, FIRST, LAST))
        whole = list(figures.flows(own, FIRST, LAST, daily=False))
    assert {
        (each.day, each.source, each.currency): [
            each.deposits, each.deposited, each.asked, each.held,
            each.settled, each.paid_out, each.released, each.returned,
        ]
        for each in found
    } == expected  # fmt: skip
    assert {each.currency: each.net for each in whole} == {"EUR": 100_000 - 20_00, "JPY": 50_000}


@pytest.mark.parametrize("day", [*DAYS, FIRST - timedelta(days=1)])
def test_the_trial_balance_comes_to_nothing_on_every_day(house: None, day: date) -> None:
    with snapshot() as own:
        trials = figures.trial_balance(own, day)
    assert [each.total for each in trials] == [0, 0]
    rows = [row for row in posted() if day_of(row) <= day and row.wallet.currency_id == "EUR"]
    (eur,) = [each for each in trials if each.currency == "EUR"]
    assert (eur.cash, eur.bonus, eur.held) == tuple(
        sum(getattr(row, f"{name}_delta") for row in rows) for name in ("cash", "bonus", "held")
    )
    moved = added(rows, lambda row: row.kind, lambda row: row.cash_delta + row.bonus_delta + row.held_delta)
    assert eur.house == -sum(moved.get(kind, 0) for kind in (Kind.BET, Kind.WIN, Kind.ROLLBACK))
    assert eur.cashier == -moved.get(Kind.DEPOSIT, 0) - moved.get(Kind.SETTLE, 0)
    assert eur.promo == -sum(moved.get(kind, 0) for kind in (Kind.GRANT, Kind.CONVERT, Kind.FORFEIT, Kind.EXPIRE))
    assert eur.adjustments == -moved.get(Kind.ADJUST, 0)


@pytest.mark.usefixtures("broken_books")
def test_the_trial_balance_shows_a_wallet_that_disagrees_with_its_rows() -> None:
    report_history.history()
    corruption.sql("UPDATE wallet_wallet SET cash = cash + 7 WHERE id = %s", corruption.wallet_id("anna"))
    with snapshot() as own:
        assert [(each.currency, each.total) for each in figures.trial_balance(own, LAST)] == [("EUR", 7), ("JPY", 0)]


def test_bonus_cost_and_liability_are_what_the_rows_make(house: None) -> None:
    with snapshot() as own:
        found = list(bonus_reports.costs(own, FIRST, LAST))
    assert {each.currency for each in found} == {"EUR"}
    for each in found:
        rows = [row for row in posted([each.day]) if row.wallet.currency_id == "EUR"]
        so_far = [row for row in posted() if day_of(row) <= each.day and row.wallet.currency_id == "EUR"]
        of = {kind: [row for row in rows if row.kind == kind] for kind in ("GRANT", "CONVERT", "FORFEIT", "EXPIRE")}
        assert each.granted == sum(row.bonus_delta for row in of["GRANT"])
        assert each.won == sum(row.bonus_delta for row in rows if undoes(row) in (Kind.BET, Kind.WIN))
        assert each.converted == sum(row.cash_delta for row in of["CONVERT"])
        assert each.cut == -sum(row.bonus_delta + row.cash_delta for row in of["CONVERT"])
        assert each.forfeited == -sum(row.bonus_delta for row in of["FORFEIT"])
        assert each.expired == -sum(row.bonus_delta for row in of["EXPIRE"])
        assert each.liability == sum(row.bonus_delta for row in so_far)
    assert sum(each.converted for each in found) == 5_00
    assert sum(each.forfeited for each in found) > 0
    assert found[-1].liability == sum(Wallet.objects.values_list("bonus", flat=True))


def test_the_liability_of_a_later_range_goes_on_from_the_days_before(house: None) -> None:
    with snapshot() as own:
        assert [each.day for each in bonus_reports.costs(own, FIRST, LAST)] == DAYS[1:]
        whole = {each.day: each.liability for each in bonus_reports.costs(own, FIRST, LAST)}
        later = {each.day: each.liability for each in bonus_reports.costs(own, DAYS[2], LAST)}
    assert later and all(whole[day] == owed for day, owed in later.items())


@pytest.mark.parametrize("day", DAYS)
def test_waiting_promises_are_those_made_and_not_begun_at_the_days_end(house: None, day: date) -> None:
    end = midnight(day + timedelta(days=1))
    expected = [
        each
        for each in Bonus.objects.all()
        if each.created_at < end and (each.activated_at or each.ended_at or end) >= end
    ]
    with snapshot() as own:
        for since in DAYS[: DAYS.index(day) + 1]:
            promises = bonus_reports.WaitingBonuses(own, since, LAST)
            assert promises.waiting("EUR", day) == (len(expected), sum(each.amount for each in expected))
            assert promises.waiting("JPY", day) == (0, 0)


def test_the_days_together_end_in_the_liability_of_the_last(house: None) -> None:
    """What was owed before, and granted and won since, was converted, cut, forfeited or expired, or is owed."""
    with snapshot() as own:
        (each,) = bonus_reports.in_all(own, DAYS[2], LAST)
        before = bonus_reports.opening(own, DAYS[2])["EUR"]
        assert list(bonus_reports.in_all(own, FIRST, FIRST)) == []
    gone = each.converted + each.cut + each.forfeited + each.expired
    assert before + each.granted + each.won - gone == each.liability > 0


def test_a_currency_that_only_promises_comes_with_the_last_day(house: None) -> None:
    with snapshot() as own:
        (each,) = bonus_reports.costs(own, FIRST, FIRST, promised={"JPY"})
    assert (each.day, each.currency, each.liability) == (FIRST, "JPY", 0)


def test_one_promise_waited_while_another_was_wagered(house: None) -> None:
    assert [each.status for each in Bonus.objects.order_by("created_at")] == ["completed", "forfeited", "active"]


@pytest.mark.parametrize("day", [*DAYS, FIRST - timedelta(days=1)])
@pytest.mark.parametrize("holding", list(figures.HOLDINGS))
def test_balances_are_those_of_each_wallets_last_row_of_the_day(house: None, day: date, holding: str) -> None:
    expected = {}
    for row in Transaction.objects.order_by("version").select_related("wallet__player"):
        if day_of(row) <= day:
            expected[row.wallet.player.code] = (row.cash_after, row.bonus_after, row.held_after)
    tests = {
        "both": lambda cash, bonus, held: cash and bonus,
        "bonus": lambda cash, bonus, held: bonus,
        "held": lambda cash, bonus, held: held,
        "any": lambda cash, bonus, held: cash or bonus or held,
    }
    wanted = {player: money for player, money in expected.items() if tests[holding](*money)}
    with snapshot() as own:
        found = list(figures.balances(own, day, holding))
        totals = figures.balance_totals(own, day, holding)
    assert {each.player: (each.cash, each.bonus, each.held) for each in found} == wanted
    assert sum(each.players for each in totals) == len(wanted)
    assert sum(each.cash for each in totals) == sum(cash for cash, _, _ in wanted.values())
