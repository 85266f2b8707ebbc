"""How ``manage.py reconcile`` runs: from checkpoints, on one snapshot, twice at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections

from tests import scenario
from tests.wallet import corruption
from tests.wallet.reconcile_runs import found, history, named
from wallet.models import Checkpoint, ReconciliationRun, Wallet
from wallet.reconcile import Cursored, Discrepancy, Scope, Shard


def rows_read(scope: str = Scope.INCREMENTAL) -> int:
    """How many rows a run reads; the books are sound."""
    assert found(scope) == []
    return ReconciliationRun.objects.latest().rows


@pytest.mark.usefixtures("books")
class TestIncremental:
    """Only what was added since the last run is read."""

    def test_reads_every_row_the_first_time_and_then_only_new_ones(self) -> None:
        history()
        assert rows_read() == 9
        assert rows_read() == 0
        scenario.bet(amount="1.00")
        scenario.bet("bob", amount="1.00")
        scenario.bet("bob", amount="1.00")
        assert rows_read() == 3
        assert rows_read(Scope.FULL) == 12

    def test_reads_only_the_named_wallet_and_all_of_it(self) -> None:
        history()
        found()
        assert found(Scope.WALLET, wallet=corruption.wallet_id("bob")) == []
        run = ReconciliationRun.objects.latest()
        assert (run.scope, run.wallets, run.rows) == ("wallet", 1, 2)

    def test_remembers_where_each_wallet_was_proven(self) -> None:
        history()
        found(Scope.INCREMENTAL)
        wallets = Wallet.objects.order_by("id").values_list("id", "version", "digest")
        marks = Checkpoint.objects.order_by("wallet_id").values_list("wallet_id", "version", "digest")
        assert list(marks) == list(wallets)

    @pytest.mark.usefixtures("small_shards")
    def test_finds_nothing_amiss_over_many_shards(self) -> None:
        history()
        for name in range(20):
            scenario.player(f"player-{name}", "10.00")
        scenario.player("without-rows")
        assert rows_read() == 29
        assert ReconciliationRun.objects.latest().wallets == 23


@pytest.mark.usefixtures("broken_books")
class TestCheckpoints:
    """What was proven once is still there."""

    def test_catch_a_tail_cut_off_even_where_the_wallet_was_set_back(self) -> None:
        history()
        found()
        _cut_last_row_of_bob()
        assert named(Scope.INCREMENTAL) == {(2, "bob", 2)}
        assert named(Scope.FULL) == {(2, "bob", 2)}
        assert named(Scope.WALLET, wallet=corruption.wallet_id("bob")) == {(2, "bob", 2)}

    def test_catch_a_tail_cut_off_under_rows_that_were_added_since(self) -> None:
        history()
        found()
        _cut_last_row_of_bob()
        scenario.bet("bob", amount="1.00")
        scenario.bet("bob", amount="1.00")
        assert named(Scope.INCREMENTAL) == {(2, "bob", 2)}

    def test_catch_a_digest_changed_where_they_stand(self) -> None:
        history()
        found()
        corruption.change("bob", 2, "digest = sha256('')")
        corruption.sql("UPDATE wallet_wallet SET digest = sha256('') WHERE id = %s", corruption.wallet_id("bob"))
        assert named(Scope.INCREMENTAL) == {(2, "bob", 2)}

    def test_catch_their_row_removed_while_the_wallet_moved_on(self) -> None:
        history()
        found()
        scenario.bet("bob", amount="1.00")
        corruption.remove("bob", 2)
        assert (2, "bob", 2) in named(Scope.INCREMENTAL)

    def test_show_only_rows_after_them_to_an_incremental_run(self) -> None:
        history()
        found()
        corruption.change("alice", 2, "reference = 'another'")
        assert named(Scope.INCREMENTAL) == set()
        assert named(Scope.FULL) == {(2, "alice", 2)}

    def test_are_set_aside_for_a_wallet_that_was_found_wanting_until_it_is_sound(self) -> None:
        history()
        found()
        corruption.change("alice", 2, "late = true")
        found(Scope.FULL)
        assert named(Scope.INCREMENTAL) == {(2, "alice", 2)}
        scenario.bet(amount="1.00")
        assert named(Scope.INCREMENTAL) == {(2, "alice", 2)}
        corruption.change("alice", 2, "late = false")
        assert named(Scope.INCREMENTAL) == set()
        assert rows_read() == 0

    def test_never_move_over_a_row_that_is_wrong(self) -> None:
        history()
        found()
        scenario.bet(amount="1.00")
        corruption.change("alice", 8, "late = true")
        found(Scope.INCREMENTAL)
        assert Checkpoint.objects.get(wallet=corruption.wallet_id("alice")).version == 7
        assert named(Scope.INCREMENTAL) == {(2, "alice", 8)}

    def test_never_move_back(self) -> None:
        history()
        found()
        _cut_last_row_of_bob()
        found(Scope.FULL)
        assert Checkpoint.objects.get(wallet=corruption.wallet_id("bob")).version == 2


def _cut_last_row_of_bob() -> None:
    """As somebody would who knows how a wallet must look."""
    corruption.remove("bob", 2)
    corruption.sql(
        "UPDATE wallet_wallet w SET version = t.version, digest = t.digest, cash = t.cash_after,"
        " newest_at = t.created_at FROM wallet_transaction t WHERE t.wallet_id = w.id AND t.version = 1 AND w.id = %s",
        corruption.wallet_id("bob"),
    )


@pytest.mark.usefixtures("books", "small_shards")
class TestAtTheSameTime:
    """Play goes on, and so may another run."""

    def test_a_run_sees_the_books_of_one_instant(self, further: list[Any]) -> None:
        history()
        played: list[Shard] = []

        def play_meanwhile(cursor: Cursored, shard: Shard) -> list[Discrepancy]:
            if not played:
                played.append(shard)
                thread = threading.Thread(target=_bet_of_everybody)
                thread.start()
                thread.join()
            return []

        further.append(play_meanwhile)
        assert rows_read() == 9
        assert played
        assert rows_read() == 2

    def test_two_runs_find_the_same_and_disturb_nobody(self, further: list[Any]) -> None:
        history()
        both = threading.Barrier(2, timeout=30)

        def wait_for_each_other(cursor: Cursored, shard: Shard) -> list[Discrepancy]:
            if shard.first < 0:
                both.wait()
            return []

        further.append(wait_for_each_other)
        results: list[list[Discrepancy]] = []
        threads = [threading.Thread(target=_run_into, args=(results,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [[], []]
        assert [run.rows for run in ReconciliationRun.objects.all()] == [9, 9]
        assert Checkpoint.objects.count() == 2


def _bet_of_everybody() -> None:
    scenario.bet("alice", amount="1.00")
    scenario.bet("bob", amount="1.00")
    connections.close_all()


def _run_into(results: list[list[Discrepancy]]) -> None:
    results.append(found())
    connections.close_all()


@pytest.mark.usefixtures("broken_books")
class TestFurtherChecks:
    """Apps that build on the wallet add checks of their own."""

    def test_are_told_kept_and_marked_like_the_wallets_own(self, further: list[Any]) -> None:
        history()
        found()
        bob = corruption.wallet_id("bob")
        own = Discrepancy(5, bob, None, "wagered more than its rows")
        further.append(lambda cursor, shard: [own] if shard.first <= bob <= shard.last else [])
        assert found(Scope.INCREMENTAL) == [own]
        assert ReconciliationRun.objects.latest().discrepancies == [own._asdict()]
        assert Checkpoint.objects.get(wallet=bob).suspect
