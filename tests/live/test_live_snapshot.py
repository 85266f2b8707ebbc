"""What the database says of many players' wallets, in one look."""

import pytest
from django.db import connections

from casino_pam.live.snapshot import read
from tests import bonus_scenario, scenario


def test_reads_every_wallet_of_the_players_named_and_no_other(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.player("alice", "500", currency="JPY")
    scenario.bob("1.00")
    scenario.player("carol", "9.00")
    found = {(each.player, each.currency, each.cash) for each in read(["alice", "bob", "nobody"]).changes}
    assert found == {("alice", "EUR", 10_000), ("alice", "JPY", 500), ("bob", "EUR", 100)}


def test_tells_the_wagering_of_the_live_bonus(books: None) -> None:
    scenario.catalogue()
    bonus = bonus_scenario.wagering("30.00", cash="10.00", multiplier=2)
    scenario.bet("bob", "15.00")
    (found,) = read(["bob"]).changes
    assert not found.moved
    assert found.wagering == {
        "bonus": str(bonus.id),
        "wagered": 1_500,
        "required": 6_000,
        "percent": 25,
        "status": "active",
    }


def test_reads_as_often_as_it_is_asked_on_one_connection(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool lends the same connection again and again, and psycopg prepares what it sees again and again."""
    scenario.catalogue()
    scenario.alice("100.00")
    monkeypatch.setattr(connections["default"], "close", lambda: None)
    for _ in range(12):
        assert len(read(["alice"]).changes) == 1
