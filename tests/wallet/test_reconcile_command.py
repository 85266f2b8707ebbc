"""``manage.py reconcile`` for people and for programs: what it prints, and what it answers the shell."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests import scenario
from tests.wallet import corruption
from tests.wallet.reconcile_runs import found, history
from wallet.models import Checkpoint, ReconciliationRun
from wallet.reconcile import Cursored, Discrepancy, Scope, Shard


def command(*arguments: str) -> tuple[int, str]:
    """Exit code and standard output of ``manage.py reconcile``."""
    out = io.StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.usefixtures("books")
class TestTheCommandOnCleanBooks:
    def test_says_so_and_exits_with_0(self) -> None:
        history()
        code, text = command()
        assert code == 0
        assert text.startswith("Checked 2 wallets and 9 rows in ")
        assert text.endswith(": the books balance.\n")

    def test_prints_one_json_object(self) -> None:
        history()
        code, text = command("--json")
        assert (code, json.loads(text)) == (0, {"checked": {"wallets": 2, "rows": 9}, "discrepancies": []})

    def test_takes_a_wallet_by_id_and_by_player_and_currency(self) -> None:
        history()
        scenario.player("a/b", "1.00")
        for name, rows in ((str(corruption.wallet_id("alice")), 7), ("bob/EUR", 2), ("a/b/EUR", 1)):
            assert json.loads(command("--json", "--wallet", name)[1])["checked"] == {"wallets": 1, "rows": rows}

    @pytest.mark.parametrize("name", ["0", "x", "bob/JPY", "nobody/EUR", "-1", "9" * 30, "\u0661", "", "/"])
    def test_refuses_a_wallet_that_is_not_there(self, name: str) -> None:
        history()
        with pytest.raises(CommandError, match="There is no wallet") as refusal:
            command("--wallet", name)
        assert refusal.value.returncode == 2

    def test_seals_the_newest_digests_and_any_change_shows(self) -> None:
        history()
        seals = [_seal() for _ in range(2)]
        assert seals[0] == seals[1]
        scenario.bet("bob", amount="0.00")
        assert _seal() != seals[0]

    def test_keeps_each_run_for_the_admin(self) -> None:
        history()
        command("--full", "--seal")
        run = ReconciliationRun.objects.get()
        assert (run.scope, run.wallets, run.rows, run.discrepancy_count, run.discrepancies) == ("full", 2, 9, 0, [])
        assert len(run.seal or "") == 64
        assert run.finished_at >= run.started_at

    @pytest.mark.usefixtures("small_shards")
    def test_draws_a_bar_on_a_terminal_and_wipes_it_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        history()
        terminal = _Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        command("--full")
        drawn = terminal.getvalue().split("\r\x1b[K")
        assert drawn[1] == "[#######################.......]  78% of 9 rows"
        assert drawn[-1] == ""

    def test_draws_nothing_where_there_is_no_terminal(self, capfd: pytest.CaptureFixture[str]) -> None:
        history()
        command("--full")
        assert capfd.readouterr().err == ""

    def test_is_not_held_to_the_time_limits_of_an_answer(self, further: list[Any]) -> None:
        """The application's connections end statements after 3 s and idle transactions after 10 s."""
        history()
        limits: set[tuple[str, str]] = set()

        def see(cursor: Cursored, shard: Shard) -> list[Discrepancy]:
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                limits.update(cursor.execute("SELECT name, setting FROM pg_settings WHERE name = %s", [name]))
            return []

        further.append(see)
        command()
        assert limits == {("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")}

    def test_can_write_nothing_while_it_reads(self, further: list[Any]) -> None:
        history()
        modes: list[Any] = []

        def see(cursor: Cursored, shard: Shard) -> list[Discrepancy]:
            modes.extend(cursor.execute("SHOW transaction_read_only"))
            modes.extend(cursor.execute("SHOW transaction_isolation"))
            return []

        further.append(see)
        command()
        assert set(modes) == {("on",), ("repeatable read",)}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _seal() -> str:
    code, text = command("--json", "--seal")
    assert code == 0
    return str(json.loads(text)["seal"])


@pytest.mark.usefixtures("broken_books")
class TestTheCommandOnBrokenBooks:
    def test_prints_wallet_and_row_and_exits_with_1(self) -> None:
        history()
        corruption.change("bob", 2, "late = true")
        code, text = command()
        first, last = text.splitlines()
        bob = corruption.wallet_id("bob")
        assert code == 1
        assert first.startswith(f"wallet {bob} version 2: digest is ")
        assert first.endswith(" (invariant 2)")
        assert last.endswith("1 found.")

    def test_prints_each_discrepancy_as_json(self) -> None:
        history()
        corruption.sql(
            "UPDATE wallet_wallet SET cash = cash + 1, paid_total = 5 WHERE id = %s", corruption.wallet_id("bob")
        )
        code, text = command("--json", "--full")
        bob = {"invariant": 1, "wallet": corruption.wallet_id("bob"), "version": 2}
        assert (code, json.loads(text)) == (
            1,
            {
                "checked": {"wallets": 2, "rows": 9},
                "discrepancies": [
                    bob | {"detail": "the wallet has cash 4901, its rows make 4900"},
                    bob | {"detail": "the wallet has paid_total 5, its rows make 0"},
                ],
            },
        )

    def test_keeps_the_first_thousand_and_prints_them_all(self) -> None:
        scenario.catalogue()
        scenario.alice("100.00")
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO wallet_player (code, bet_locked, deposit_locked, withdraw_locked, created_at)"
                " SELECT 'p' || n, false, false, false, now() FROM generate_series(1, 1100) n"
            )
            cursor.execute(
                "INSERT INTO wallet_wallet (player_id, currency_id, cash, bonus, held, version, staked_total,"
                " paid_total, deposited_total, created_at)"
                " SELECT id, 'EUR', 1, 0, 0, 0, 0, 0, 0, now() FROM wallet_player WHERE code <> 'alice'"
            )
        code, text = command("--json")
        run = ReconciliationRun.objects.get()
        assert code == 1
        assert len(json.loads(text)["discrepancies"]) == run.discrepancy_count == 1100
        assert len(run.discrepancies) == 1000

    def test_seals_every_change_that_a_rewritten_chain_would_hide(self) -> None:
        history()
        before = _seal()
        _rewrite_bob()
        assert found(Scope.WALLET, wallet=corruption.wallet_id("alice")) == []
        Checkpoint.objects.all().delete()
        assert found() == []
        assert _seal() != before


def _rewrite_bob() -> None:
    """What only the database's administrator could do: a row changed, and every digest after it made anew."""
    corruption.sql(
        "UPDATE wallet_transaction SET reason = 'another' WHERE wallet_id = %s AND version = 2",
        corruption.wallet_id("bob"),
    )
    (wrong,) = found(Scope.WALLET, wallet=corruption.wallet_id("bob"))
    digest = wrong.detail.partition("should be ")[2][:64]
    corruption.change("bob", 2, f"digest = decode('{digest}', 'hex')")
    corruption.sql(
        "UPDATE wallet_wallet SET digest = decode(%s, 'hex') WHERE id = %s", digest, corruption.wallet_id("bob")
    )
