"""What limits cost: which statements a posting sends for them, and what a process keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import IntegrityError

from casino_pam.engine import posting
from tests import scenario
from tests.interleaving import meanwhile
from tests.limit_scenario import MIDNIGHT, a_bet, bets, forget, limit
from tests.scenario import word
from wallet import ledger, limits
from wallet.kinds import LIMIT_NAMES
from wallet.models import Wallet, WalletLimits
from wallet.money import MAX_AMOUNT
from wallet.pg.session import Session
from wallet.state import Totals

HOUR = 3600 * scenario.SECOND
MONTH_END = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) * scenario.SECOND


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("1000.00")
    scenario.bob("1000.00")
    forget()


@pytest.fixture
def statements(monkeypatch):
    """Every statement of the postings, in the order in which they were put to the server."""
    sent = []
    put = Session.put

    def noting(session, statement, values=()):
        sent.append(statement)
        return put(session, statement, values)

    monkeypatch.setattr(Session, "put", noting)
    return sent


def sent_by(statements, act):
    statements.clear()
    assert word(act()) == "posted"
    return list(statements)


def all_nine():
    limit(**dict.fromkeys(LIMIT_NAMES, "100.00"))


def test_limits_cost_no_statement_in_a_new_period_nor_in_one_that_this_process_saw_begin(statements):
    usual = sent_by(statements, scenario.bet)
    all_nine()
    forget()
    # A new day, then the same; the first bet of a month, then the second.
    for at in (MONTH_END, MONTH_END + 1, MONTH_END + scenario.DAY, MONTH_END + scenario.DAY):
        assert sent_by(statements, partial(scenario.bet, at=at)) == usual


def test_a_process_that_did_not_see_the_period_begin_looks_it_up_once(statements):
    usual = sent_by(statements, scenario.bet)
    all_nine()
    forget()
    looked_up = sent_by(statements, scenario.bet)
    assert [each for each in looked_up if each not in usual] == [limits._FIND]
    assert len(looked_up) == len(usual) + 1
    assert sent_by(statements, scenario.bet) == usual


def test_one_statement_looks_up_many_wallets(statements):
    scenario.bet()
    scenario.bet("bob")
    all_nine()
    limit("bob", stake_day="100.00")
    forget()
    sent = []
    for batch in ("x", "y"):
        statements.clear()
        asked = [a_bet(f"{batch}1"), a_bet(f"{batch}2", player="bob"), a_bet(f"{batch}3")]
        assert [word(each) for each in posting.post(asked)] == ["posted"] * 3
        sent.append(len(statements))
    assert sent[0] == sent[1] + 1


def test_requests_that_no_limit_concerns_look_nothing_up(statements):
    usual = sent_by(statements, lambda: scenario.win(round="w"))
    all_nine()
    forget()
    assert sent_by(statements, lambda: scenario.win(round="w")) == usual


def test_a_long_history_is_searched_by_halving():
    """Each step reads one row by its version, whatever the planner knows of the table."""
    scenario.bet()
    with posting._transaction() as session:
        statement = limits._FIND.replace("%s", "'{1}'")
        plan = [line for (line,) in session.rows(f"EXPLAIN (COSTS OFF) {statement}", [])]
    reads = [line for line in plan if "wallet_transaction" in line]
    assert len(reads) == 2
    assert all("Index Scan using ledger_version" in line for line in reads)


def test_keeps_no_more_than_it_may():
    small = limits.PeriodTotals(most=3)
    for wallet in range(5):
        small.put((wallet, 0), Totals(wallet, 0, 0))
    assert [small.get((wallet, 0)) is not None for wallet in range(5)] == [False, False, True, True, True]


def test_a_lost_race_leaves_nothing_wrong_behind(monkeypatch):
    """What a posting began and did not commit is not kept: a rival's row came before the period."""
    limit(stake_day="10.00")
    meanwhile(monkeypatch, ledger, "write", lambda: scenario.bet(amount="9.00", at=MIDNIGHT - 1))
    assert bets("10.00", "0.01", at=MIDNIGHT) == ["posted", "limit_reached"]


def test_a_wallet_that_never_moved_has_its_limits_too():
    scenario.player("carol")
    limit("carol", deposit_day="10.00")
    assert word(scenario.deposit("carol", amount=1001)) == "limit_reached"
    assert word(scenario.deposit("carol", amount=1000)) == "posted"


@pytest.mark.parametrize("name", LIMIT_NAMES)
@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT + 1])
def test_the_database_itself_keeps_limits_within_what_an_amount_can_be(name, amount):
    wallet = Wallet.objects.get(player__code="alice")
    with pytest.raises(IntegrityError, match=f"limit_{name}"):
        WalletLimits.objects.create(wallet=wallet, **{name: amount})
