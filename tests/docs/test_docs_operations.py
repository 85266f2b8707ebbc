"""docs/operations.md is played: what a clock that ran ahead leaves, and the questions that are asked then."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from casino_pam.engine import commands
from tests import rest_client, scenario
from tests.limit_scenario import forget, limit
from tests.scenario import word
from wallet.models import Player, Transaction

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
AHEAD, MEANWHILE = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
EIGHT_DAYS = 8 * scenario.DAY


def asked(sql: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture
def now(books: None) -> int:
    """The true time. Alice and Bob have 100.00; Alice was touched while the clock was eight days ahead."""
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")
    forget()
    at = commands.now()
    scenario.bet(at=at + EIGHT_DAYS, round="ahead")
    return at


def test_rows_keep_the_false_time_and_everything_else_is_right(now: int) -> None:
    bet, win = scenario.bet(at=now, reference="b"), scenario.win(at=now, amount="4.00")
    assert [receipt.row.created_at for receipt in (bet, win)] == [now + EIGHT_DAYS] * 2
    assert (win.cash, win.version) == (8400, 4)
    assert scenario.bet(at=now, reference="b").replayed
    assert scenario.bet("bob", at=now).row.created_at == now
    assert scenario.bet(at=now + EIGHT_DAYS + 1).row.created_at == now + EIGHT_DAYS + 1


def test_the_first_question_names_the_wallets_that_are_ahead(now: int) -> None:
    (found,) = asked(AHEAD)
    assert (found["player"], found["currency"], found["newest_at"]) == (
        "alice",
        "EUR",
        scenario.moment(now + EIGHT_DAYS),
    )


def test_a_limit_refuses_too_early_and_never_too_late(now: int) -> None:
    """All that is staked on eight days counts for one of them."""
    limit(stake_day="25.00")
    days = range(8)
    assert [word(scenario.bet(at=now + day * scenario.DAY, round=f"day-{day}")) for day in days] == (
        ["posted"] + ["limit_reached"] * 7
    )
    assert word(scenario.bet(at=now + EIGHT_DAYS + scenario.DAY, round="later")) == "posted"


def test_the_balances_of_the_time_between_are_those_before_it(now: int) -> None:
    scenario.bet(at=now)
    shop = rest_client.key()
    between = scenario.moment(now + scenario.DAY).isoformat().replace("+00:00", "Z")
    assert shop.get("players/alice/wallets/EUR", at=between)["cash"] == "100.00"
    assert shop.get("players/alice/wallets/EUR")["cash"] == "80.00"


def test_the_second_question_names_who_played_though_excluded(now: int) -> None:
    assert asked(MEANWHILE) == []
    Player.objects.filter(code="bob").update(excluded_until=scenario.moment(now + scenario.DAY))
    assert word(scenario.bet("bob", at=now + EIGHT_DAYS, reference="b")) == "posted"
    (found,) = asked(MEANWHILE)
    assert (found["player"], found["kind"], found["reference"], found["amount"]) == ("bob", "BET", "b", 1000)
    assert Transaction.objects.filter(reference="b").count() == 1
