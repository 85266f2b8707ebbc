"""``manage.py reconcile`` names the wallet and the row of whatever was done to the books, and nothing else."""

from __future__ import annotations

import pytest
from django.db import connection

from casino_pam.engine import commands
from tests import scenario
from tests.wallet import corruption
from tests.wallet.reconcile_runs import found, history, named
from wallet.models import Transaction
from wallet.reconcile import Discrepancy, Scope, ledger_wide


@pytest.mark.usefixtures("books")
class TestCleanBooks:
    """Silence where nothing was done."""

    def test_are_met_with_silence(self) -> None:
        history()
        assert found() == []
        assert found(Scope.INCREMENTAL) == []

    def test_are_met_with_silence_when_empty(self) -> None:
        assert found() == []
        assert found(Scope.INCREMENTAL) == []

    def test_hold_every_kind_of_refusal_and_void(self) -> None:
        history()
        scenario.bet(amount="1000.00")
        scenario.hold(amount="1000.00")
        scenario.rollback("never-seen")
        scenario.hold(amount="1.00", reference="hold-2")
        scenario.release("hold-2")
        scenario.win(amount="2.00", reference="win-2", round="round-3")
        scenario.rollback("win-2", original_kind="WIN")
        scenario.end_round()
        assert found() == []


# What was done to Alice's rows, and what is found: invariant and version. Whatever comes after a
# row that lies is named as well, where it no longer follows.
ROWS_CHANGED = {
    "an amount": ("amount = 900", 2, {(2, 2), (1, 2)}),
    "a cash delta": ("cash_delta = -900, amount = 900", 2, {(2, 2), (1, 2)}),
    "a balance": ("cash_after = 9100", 2, {(2, 2), (1, 2), (1, 3)}),
    "a held balance": ("held_after = held_after + 1", 4, {(2, 4), (1, 4), (1, 5)}),
    "a bonus balance": ("bonus_after = 1", 2, {(2, 2), (1, 2), (1, 3)}),
    "a total staked": ("staked_total = 1", 2, {(2, 2), (1, 2), (1, 3)}),
    "a total paid": ("paid_total = 1", 3, {(2, 3), (1, 3), (1, 4)}),
    "a total deposited": ("deposited_total = 1", 1, {(2, 1), (1, 1), (1, 2)}),
    "a reference": ("reference = 'another'", 2, {(2, 2)}),
    "a reason where there was none": ("reason = 'because'", 2, {(2, 2)}),
    "the time, by a microsecond": ("created_at = created_at + interval '1 microsecond'", 2, {(2, 2), (2, 3)}),
    "the command": ("command = gen_random_uuid()", 2, {(2, 2)}),
    "a flag": ("late = true", 2, {(2, 2)}),
    "a digest": ("digest = sha256('')", 2, {(2, 2), (2, 3)}),
    "the newest digest": ("digest = sha256('')", 7, {(2, 7)}),
    "what it closes": ("closes = null", 5, {(2, 5), (4, 5)}),
    "which row it closes": ("closes = gen_random_uuid()", 7, {(2, 7), (4, 7)}),
}


LATER = 4_102_444_800_000_000  # the year 2100, in microseconds; or an amount


@pytest.mark.usefixtures("broken_books")
class TestWhatWasUndoneOfEarlierPeriods:
    """A wallet knows what rollbacks of its newest day, week and month have undone of earlier ones."""

    @pytest.fixture
    def undone(self) -> None:
        """Two bets of yesterday and a win of last month, undone today."""
        scenario.catalogue()
        scenario.profile(rollback_wins=True)
        now = commands.now()
        scenario.player("alice")
        scenario.deposit("alice", amount=10_000, at=now - 40 * scenario.DAY)
        scenario.win(amount="3.00", reference="w", round="w", at=now - 40 * scenario.DAY)
        for n in range(2):
            scenario.bet(amount="10.00", reference=f"b{n}", at=now - scenario.DAY)
        for n in range(2):
            scenario.rollback(f"b{n}", at=now)
        scenario.rollback("w", original_kind="WIN", at=now)

    @pytest.mark.parametrize("scope", [Scope.FULL, Scope.INCREMENTAL])
    def test_is_what_the_rows_add_up_to(self, undone: None, scope: str) -> None:
        assert found(scope) == []
        scenario.bet(at=commands.now() + 70 * scenario.DAY)
        assert found(scope) == []

    @pytest.mark.parametrize("scope", [Scope.FULL, Scope.INCREMENTAL])
    @pytest.mark.parametrize("path", ["{at}", "{staked,day}", "{paid,month}"])
    def test_changed_by_hand_is_named(self, undone: None, path: str, scope: str) -> None:
        corruption.sql(f"UPDATE wallet_wallet SET undone_earlier = jsonb_set(undone_earlier, '{path}', '{LATER}')")
        assert named(scope) == {(1, "alice", 7)}

    def test_forgotten_is_named_at_each_rollback(self, undone: None) -> None:
        corruption.sql("UPDATE wallet_wallet SET undone_earlier = NULL")
        assert named() == {(1, "alice", version) for version in (5, 6, 7)}


@pytest.mark.usefixtures("broken_books")
class TestNames:
    """What stands in the ledger is not what was written."""

    @pytest.mark.parametrize(("change", "version", "expected"), ROWS_CHANGED.values(), ids=ROWS_CHANGED.keys())
    def test_a_row_whose_column_was_changed(self, change: str, version: int, expected: set[tuple[int, int]]) -> None:
        history()
        with corruption.without("wallet_transaction", "ledger_moves", "ledger_closing"):
            corruption.change("alice", version, change)
            assert named() == {(invariant, "alice", at) for invariant, at in expected}

    @pytest.mark.parametrize("column", ["cash", "bonus", "held", "staked_total", "paid_total", "deposited_total"])
    @pytest.mark.parametrize("scope", [Scope.FULL, Scope.INCREMENTAL])
    def test_a_balance_or_total_of_a_wallet(self, column: str, scope: str) -> None:
        history()
        found(Scope.INCREMENTAL)
        corruption.sql(f"UPDATE wallet_wallet SET {column} = {column} + 1 WHERE id = %s", corruption.wallet_id("bob"))
        without_a_bonus = {(5, "bob", 2)} if column == "bonus" else set()
        assert named(scope) == {(1, "bob", 2), *without_a_bonus}

    def test_a_digest_a_version_and_a_time_of_a_wallet(self) -> None:
        history()
        corruption.sql("UPDATE wallet_wallet SET digest = sha256('') WHERE id = %s", corruption.wallet_id("bob"))
        assert named(Scope.INCREMENTAL) == {(2, "bob", 2)}
        corruption.sql(
            "UPDATE wallet_wallet SET version = 9, newest_at = now() WHERE id = %s", corruption.wallet_id("alice")
        )
        assert named() == {(2, "bob", 2), (2, "alice", 8), (2, "alice", 9)}

    def test_a_row_removed_from_the_middle_by_its_own_version(self) -> None:
        history()
        corruption.remove("alice", 3)
        # The row after it no longer follows in digest, cash and total.
        assert named() == {(2, "alice", 3), (2, "alice", 4), (1, "alice", 4)}

    def test_the_first_rows_removed(self) -> None:
        history()
        corruption.remove("alice", 1, 2)
        details = {each.detail for each in found() if each.version == 1}
        assert details == {"versions 1 to 2 are missing"}

    def test_the_last_row_removed(self) -> None:
        history()
        corruption.remove("bob", 2)
        # The wallet is ahead of its rows in version, digest, time and cash.
        assert named() == {(2, "bob", 2), (1, "bob", 2)}

    def test_all_rows_removed(self) -> None:
        history()
        corruption.remove("bob", 1, 2)
        assert (2, "bob", 1) in named()

    def test_a_wallet_removed_from_over_its_rows(self) -> None:
        history()
        bob = corruption.wallet_id("bob")
        foreign_key = _foreign_key("wallet_transaction", "wallet_wallet")
        with corruption.without("wallet_transaction", foreign_key):
            corruption.sql("DELETE FROM wallet_wallet WHERE id = %s", bob)
            assert Discrepancy(1, bob, 1, "there is no such wallet") in found()

    def test_a_version_that_stands_twice(self) -> None:
        history()
        with corruption.without("wallet_transaction", "ledger_version"):
            corruption.copy("alice", 3, reference="the same again")
            assert (2, "alice", 3) in named()
            assert {who for _, who, _ in named()} == {"alice"}

    def test_a_version_below_the_first(self) -> None:
        history()
        with corruption.without("wallet_transaction", "ledger_version_positive"):
            corruption.copy("alice", 3, version=0, reference="before all")
            assert (2, "alice", 0) in named()

    @pytest.mark.parametrize("scope", [Scope.FULL, Scope.INCREMENTAL])
    def test_both_rows_of_a_reference_spent_twice(self, scope: str) -> None:
        history()
        with corruption.without("wallet_transaction", "ledger_reference"):
            reference = Transaction.objects.get(wallet_id=corruption.wallet_id("bob"), version=1).reference
            corruption.change("alice", 1, f"reference = '{reference}'")
            assert {each[1:] for each in named(scope) if each[0] == 4} == {("alice", 1), ("bob", 1)}

    def test_both_rows_that_close_one(self) -> None:
        history()
        with corruption.without("wallet_transaction", "ledger_closes"):
            corruption.copy("alice", 5, version=8, kind="RELEASE", cash_delta=30_00)
            assert {(4, "alice", 5), (4, "alice", 8)} <= named()

    def test_a_balance_below_zero_at_any_version(self) -> None:
        history()
        with corruption.without("wallet_transaction", "ledger_balances", "ledger_totals", "ledger_moves"):
            corruption.change("alice", 2, "cash_after = -1")
            assert (3, "alice", 2) in named()
        history()
        with corruption.without("wallet_wallet", "wallet_cash_bounds"):
            corruption.sql("UPDATE wallet_wallet SET cash = -1 WHERE id = %s", corruption.wallet_id("bob"))
            assert (3, "bob", 2) in named()

    def test_numbers_too_large_to_add_and_still_reads_the_other_wallets(self) -> None:
        history()
        with corruption.without("wallet_transaction", "ledger_balances", "ledger_moves"):
            corruption.change("alice", 2, f"cash_after = {2**63 - 1}")
            corruption.sql("UPDATE wallet_wallet SET cash = cash + 1 WHERE id = %s", corruption.wallet_id("bob"))
            assert named() == {(3, "alice", None), (1, "bob", 2)}

    def test_a_currency_whose_accounts_do_not_come_to_zero(self) -> None:
        history()
        corruption.sql("UPDATE wallet_wallet SET cash = cash + 1 WHERE id = %s", corruption.wallet_id("bob"))
        with connection.connection.cursor() as cursor:
            (unbalanced,) = ledger_wide.balanced(cursor)
        told = "EUR comes to 1, not 0: players 13401, cashier -12000, house -1500, promo 0, adjustments 100"
        assert unbalanced == Discrepancy(1, None, None, told)


def _foreign_key(table: str, to: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND confrelid = %s::regclass",
            [table, to],
        )
        return str(cursor.fetchone()[0])
