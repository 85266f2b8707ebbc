"""A house with some days behind it, and a second, naive opinion of what its reports should say."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from casino_pam.engine import commands
from tests import bonus_scenario, scenario
from wallet.models import Transaction
from wallet.reports import sums

# Long before the ids of its rows were made: a report goes by created_at alone.
FIRST = date(2025, 3, 29)
DAYS = [FIRST + timedelta(days=number) for number in range(4)]
LAST = DAYS[-1]


def at(day: date, hour: int = 12, minute: int = 0, second: int = 0, microsecond: int = 0) -> int:
    instant = datetime(day.year, day.month, day.day, hour, minute, second, microsecond, UTC)
    return int((instant - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def last_moment(day: date) -> int:
    return at(day, 23, 59, 59, 999_999)


def history() -> None:
    """Four days of three players: every kind of row, midnights, and a bonus from its grant to its end."""
    scenario.catalogue()
    scenario.profile(rollback_wins=True, win_rollback="clamp")
    first, second, third, fourth = DAYS
    for name, currency in (("anna", "EUR"), ("bob", "EUR"), ("chika", "JPY")):
        scenario.player(name, "0", currency=currency)
        scenario.deposit(name, amount=50_000, currency=currency, at=at(first, 1))
    _plays(first, second)
    _bonus(second, third, fourth)
    scenario.bet("anna", "3.00", source="zenith", game="dice", round="z-1", at=last_moment(third))
    scenario.win("anna", "9.00", source="zenith", game="dice", round="z-1", at=at(fourth, 0))
    scenario.hold("anna", "20.00", reference="paid", at=at(third))
    scenario.settle("paid", "anna", at=at(fourth))
    scenario.hold("anna", "30.00", reference="returned", at=at(fourth))
    scenario.release("returned", "anna", at=at(fourth, 13))
    scenario.hold("anna", "10000.00", reference="refused", at=at(fourth, 13))
    scenario.adjust("anna", "-1.50", at=at(fourth, 14))


def _plays(first: date, second: date) -> None:
    scenario.bet("anna", "10.00", reference="midnight", round="m", at=last_moment(first))
    scenario.bet("anna", "4.00", reference="after", round="a", at=at(second, 0))
    scenario.rollback("midnight", "anna", at=at(second, 0))
    scenario.rollback("never", "anna", at=at(second, 1))
    scenario.bet("anna", "9999.00", at=at(second, 1))
    scenario.win("anna", "25.00", reference="big", round="a", ends_round=True, at=at(second, 2))
    scenario.rollback("big", "anna", original_kind="WIN", at=at(second, 3))
    scenario.end_round("anna", "a", at=at(second, 4))
    for number in range(5):
        scenario.do(
            commands.Bet(
                source="acme", player="chika", currency="JPY", reference=f"j-{number}", round=f"j-{number}",
                game="slot-2", amount=100 + number, at=at(second, 20 + number % 4),
            )
        )  # fmt: skip


def _bonus(second: date, third: date, fourth: date) -> None:
    """Bob's gift is converted above its cap, a second one forfeited with money in it; a third one waits."""
    bonus_scenario.gift("20.00", code="one", multiplier=1, spend_order="bonus_first", eur={"max_conversion": "5.00"})
    bonus_scenario.gift("7.00", code="two", multiplier=9)
    bonus_scenario.gift("8.00", code="three", multiplier=9)
    bonus_scenario.grant("one", at=at(second))
    scenario.bet("bob", "8.00", round="b-1", reference="b-1", at=at(second, 13))
    scenario.win("bob", "16.00", round="b-1", at=at(third, 0))
    scenario.bet("bob", "12.00", round="b-2", at=at(third, 1))
    bonus_scenario.grant("two", at=at(third, 2))
    bonus_scenario.grant("three", at=at(third, 3))
    scenario.bet("bob", "2.00", round="b-3", at=at(third, 4))
    bonus_scenario.forfeit(str(bonus_scenario.the("two").id), at=last_moment(third))


def posted(days: Iterable[date] | None = None) -> list[Transaction]:
    """Every POSTED row of the days, all of them when none is named."""
    rows = Transaction.objects.filter(status="POSTED").select_related("wallet__currency", "wallet__player")
    wanted = None if days is None else set(days)
    return [row for row in rows if wanted is None or row.created_at.astimezone(UTC).date() in wanted]


def refreshed(until: datetime | None = None) -> None:
    """Take in the rows made until now; the test's own are all committed."""
    sums.refresh(until or next_moment(), progress=lambda instant: None)


def next_moment() -> datetime:
    """An instant just after the newest row, once it is over: no later row is made before it."""
    newest = max(Transaction.objects.values_list("id", flat=True))
    bound = datetime.fromtimestamp(int(newest.hex[:12], 16) / 1000 + 0.002, UTC)
    while datetime.now(UTC) < bound:
        time.sleep(0.0005)
    return bound


def added(rows: Iterable[Transaction], key: Any, value: Any) -> dict[Any, int]:
    """What ``value`` of the rows comes to for each ``key``."""
    found: dict[Any, int] = defaultdict(int)
    for row in rows:
        found[key(row)] += value(row)
    return dict(found)
