"""What a release that did not keep it has undone of earlier periods is learnt from the ledger."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from casino_pam.engine import commands
from tests import scenario
from wallet.models import Wallet
from wallet.time import DAY, spans

migration: Any = import_module("wallet.migrations.0003_undone_earlier_filled")


class _Editor:
    connection = connection


def fill() -> None:
    migration.fill(None, _Editor)


def kept() -> list[Any]:
    return list(Wallet.objects.order_by("id").values_list("undone_earlier", flat=True))


@pytest.fixture
def players(books: None) -> None:
    """One whose rollbacks count still, one whose rollback was of the bet's own day, one long ago."""
    scenario.catalogue()
    scenario.profile(rollback_wins=True)
    now = commands.now()
    for who in ("alice", "bob", "carol"):
        scenario.player(who)
        scenario.deposit(who, amount=10_000, at=now - 100 * DAY)
    today = spans(now).day.start
    for n, at in enumerate((now - 40 * DAY, today - 8 * DAY, today - 1, today)):
        scenario.bet("alice", f"{n + 1}.00", reference=f"a{n}", at=at)
        scenario.win("alice", f"{n + 1}.50", reference=f"w{n}", round=f"w{n}", at=at)
    for n in range(4):
        scenario.rollback(f"a{n}", "alice", at=now)
        scenario.rollback(f"w{n}", "alice", original_kind="WIN", at=now)
    scenario.bet("bob", reference="b", at=today)
    scenario.rollback("b", "bob", at=now)
    scenario.bet("carol", reference="c", at=now - 90 * DAY)
    scenario.rollback("c", "carol", at=now - 80 * DAY)


def test_the_ledger_tells_what_the_engine_would_have_kept(players: None) -> None:
    alice, bob, carol = kept()
    assert (alice["staked"]["day"], alice["paid"]["day"]) == (600, 750)
    assert bob is None
    assert carol["staked"]["day"] == 1000
    Wallet.objects.update(undone_earlier=None)
    fill()
    # Carol's counts for nothing any more.
    assert kept() == [alice, None, None]


def test_filling_again_leaves_what_is_kept(players: None) -> None:
    before = kept()
    fill()
    assert kept() == before
