"""Poison: what one command breaks, its neighbours never feel."""

from __future__ import annotations

import pytest
from psycopg import errors

from casino_pam.engine import posting
from casino_pam.engine.results import Receipt
from tests import clean_books, scenario
from tests.engine.posting_scenario import START, PassingTime, a_bet, alarms
from tests.scenario import word
from wallet import ledger
from wallet.models import Transaction, Wallet
from wallet.money import MAX_BALANCE
from wallet.state import Entry


@pytest.fixture
def poison(monkeypatch):
    """A rule that was missed: rows of the game ``poison`` break a CHECK, those of ``bug`` raise."""
    naming = Entry.named

    def missed(self, *named, **columns):
        if columns.get("game") == "bug":
            raise KeyError("a bug")
        if columns.get("game") == "poison":
            columns["contribution"] = 5
        return naming(self, *named, **columns)

    monkeypatch.setattr(Entry, "named", missed)


@pytest.mark.parametrize("game", ["poison", "bug"])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_poisoned_command_takes_nobody_with_it(books, caplog, poison, game, place):
    scenario.catalogue()
    scenario.alice("100.00")
    asked = [a_bet(f"b{n}", game=game if n == place else "slot-1") for n in range(7)]
    outcomes = posting.post(asked)
    assert [word(outcome) for outcome in outcomes] == ["internal" if n == place else "posted" for n in range(7)]
    assert [outcome.version for outcome in outcomes if isinstance(outcome, Receipt)] == [2, 3, 4, 5, 6, 7]
    assert scenario.balances() == (4000, 0, 0)
    assert not Transaction.objects.filter(reference=f"b{place}").exists()
    assert alarms(caplog) == ["posting_failed_for_command"]


def test_two_poisons_in_one_batch_are_both_found(books, poison):
    scenario.catalogue()
    scenario.alice("100.00")
    games = ["slot-1", "poison", "slot-1", "bug", "slot-1"]
    outcomes = posting.post([a_bet(f"b{n}", game=game) for n, game in enumerate(games)])
    assert [word(outcome) for outcome in outcomes] == ["posted", "internal", "posted", "internal", "posted"]


def test_a_poisoned_reference_may_be_sent_again_once_the_rule_is_mended(books, monkeypatch, poison):
    scenario.catalogue()
    scenario.alice("100.00")
    assert word(posting.ask(a_bet("b1", game="poison"))) == "internal"
    monkeypatch.undo()
    assert word(posting.ask(a_bet("b1", game="poison"))) == "posted"


def test_a_command_that_always_loses_keeps_nobody_waiting_and_is_not_overtaken(books, monkeypatch):
    """A reference that collides for ever (a damaged wallet) must not make every batch it is in busy.

    All have the same deadline; those of the same player wait behind it, the others do not.
    """
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")
    writing = ledger.write

    def colliding(cursor, book):
        if any(row.reference == "doomed" for row in book.added):
            raise errors.UniqueViolation("for ever")
        return writing(cursor, book)

    clock = PassingTime()
    clock.step = 0.01
    monkeypatch.setattr(posting, "time", clock)
    monkeypatch.setattr(ledger, "write", colliding)
    asked = [("a1", "alice"), ("b1", "bob"), ("doomed", "bob"), ("a2", "alice"), ("b2", "bob"), ("a3", "alice")]
    outcomes = posting.post([a_bet(reference, who, deadline=START + 0.5) for reference, who in asked])
    assert [word(outcome) for outcome in outcomes] == ["posted", "posted", "busy", "posted", "busy", "posted"]
    assert scenario.balances("bob") == (9000, 0, 0)


def test_an_alarm_is_raised_when_a_balance_would_pass_its_bound(books, caplog):
    scenario.catalogue()
    scenario.alice()
    Wallet.objects.update(cash=MAX_BALANCE)
    assert word(scenario.win(amount="0.01")) == "limit_reached"
    assert alarms(caplog) == ["posting_balance_at_its_bound"]
    Wallet.objects.update(cash=10000)


def test_a_repeat_raises_the_alarm_no_second_time(books, caplog):
    scenario.catalogue()
    scenario.alice()
    Wallet.objects.update(cash=MAX_BALANCE)
    for _ in range(3):
        assert scenario.deposit("alice", reference="d", amount=1).facts["limit"] == "balance"
    assert alarms(caplog) == ["posting_balance_at_its_bound"]
    clean_books.emptied()
