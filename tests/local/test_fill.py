"""A ledger filled by the thousand: books that balance, sums and statements as of play, and no room for real players."""

from __future__ import annotations

import io
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from casino_pam.local import filling
from tests import scenario
from wallet import ledger
from wallet.kinds import Kind
from wallet.models import Transaction, Wallet
from wallet.reports import sums
from wallet.state import OpenWallet
from wallet.time import now


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty players, many rows each."""
    monkeypatch.setattr(filling, "WALLETS", 20)


def filled(rows: int) -> str:
    out = io.StringIO()
    call_command("fill", rows=rows, stdout=out)
    return out.getvalue()


def reconciled() -> str:
    out = io.StringIO()
    call_command("reconcile", "--full", stdout=out)
    return out.getvalue()


def test_what_was_filled_in_balances_and_grows_on(books: None, few: None) -> None:
    """Twice: the second time it goes on where wallets and time stand. Deposits, withdrawals and rollbacks are in it."""
    assert "rows" in filled(2_000)
    first = Transaction.objects.count()
    assert 2_000 <= first <= 2_010
    newest = Transaction.objects.latest("id")
    filled(1_000)
    assert Transaction.objects.count() - first in range(1_000, 1_010)
    assert "the books balance" in reconciled()
    assert Transaction.objects.filter(created_at__gte=newest.created_at).count() > 1_000


def test_money_comes_in_where_there_is_none_and_goes_out_where_there_is_much(books: None, few: None) -> None:
    filled(100)
    wallet = Wallet.objects.filter(version__gt=0).latest("id")
    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as other:
        for amount, kinds in ((-wallet.cash, [Kind.DEPOSIT]), (filling._RICH * 2, [Kind.HOLD, Kind.SETTLE])):
            opened = read(other, wallet)
            hand = filling.Hand(opened, now(), filling.Random())
            hand.post(Kind.ADJUST, "operator", amount, cash_delta=amount)
            filling._round(hand)
            assert [row.kind for row in opened.rows][1:][: len(kinds)] == kinds
            with other.transaction():
                ledger.copy(other, [opened])


def read(other: psycopg.Connection[Any], wallet: Wallet) -> OpenWallet:
    record: Any = other.execute(filling._READ, [wallet.id, wallet.id]).fetchone()
    return filling._opened(*record)


def test_sums_taken_in_before_and_after_agree_with_the_ledger(books: None, few: None) -> None:
    filled(500)
    sums.refresh(scenario.moment(now()), progress=lambda instant: None)
    filled(500)
    sums.refresh(scenario.moment(now()), progress=lambda instant: None)
    assert list(sums.drifted()) == []


def test_no_refresh_takes_anything_in_meanwhile(books: None) -> None:
    """Rows come with ids of the past: one that passed them by would leave them out for ever."""
    with sums.held(), psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SET lock_timeout = '50ms'")
        for marker in ("wallet_summedup", "wallet_playerssummedup", "wallet_openbetssummedup", "bonus_offerssummedup"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(f"UPDATE {marker} SET refreshed_at = now()")
            other.rollback()


def test_a_wallet_that_moved_meanwhile_takes_its_rows_with_it(books: None, few: None) -> None:
    filled(100)
    wallet = Wallet.objects.filter(version__gt=0).latest("id")
    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as other:
        opened = read(other, wallet)
        opened.seen -= 1
        filling.Hand(opened, now(), filling.Random()).post(Kind.DEPOSIT, "cashier", 100, cash_delta=100)
        with pytest.raises(psycopg.errors.SerializationFailure), other.transaction():
            ledger.copy(other, [opened])
    assert Transaction.objects.filter(wallet=wallet).count() == wallet.version


def test_is_refused_where_there_are_players_and_no_demo(books: None) -> None:
    scenario.catalogue()
    scenario.alice()
    with pytest.raises(CommandError, match="this is no demo"):
        filled(10)
    assert Transaction.objects.count() == 1
