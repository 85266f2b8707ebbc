"""The ledger as a file: whole, provable by itself, and of no use to who changes a byte of it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests import scenario
from tests.wallet.reconcile_runs import history
from wallet import archive
from wallet.archive import Broken
from wallet.models import Transaction, Wallet
from wallet.reports.sums import snapshot


@pytest.fixture
def lines(books: None) -> list[bytes]:
    """Two players with a history, and one without."""
    history()
    scenario.player("carol")
    with snapshot() as own:
        return list(archive.lines(own))


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("archive", *arguments, stdout=out)
    return out.getvalue()


def test_holds_every_row_and_has_the_seal_of_reconciliation(lines: list[bytes]) -> None:
    summary = archive.verified(lines)
    assert (summary.wallets, summary.rows) == (Wallet.objects.count(), Transaction.objects.count())
    out = io.StringIO()
    call_command("reconcile", "--full", "--seal", stdout=out)
    assert summary.seal in out.getvalue()


def test_any_row_that_is_changed_missing_or_moved_is_noticed(lines: list[bytes]) -> None:
    rows = [place for place, line in enumerate(lines) if line.startswith(b'"')]
    assert len(rows) >= 9
    for place in rows:
        values = json.loads(lines[place]).split("\n")
        for column in range(len(values)):
            other = [*values]
            other[column] += "1"
            changed = [*lines[:place], json.dumps("\n".join(other)).encode(), *lines[place + 1 :]]
            with pytest.raises(Broken):
                archive.verified(changed)
        with pytest.raises(Broken):
            archive.verified([*lines[:place], *lines[place + 1 :]])
        with pytest.raises(Broken):
            archive.verified([*lines[:place], lines[place], *lines[place:]])


def test_a_wallet_that_is_changed_missing_or_out_of_order_is_noticed(lines: list[bytes]) -> None:
    """A wallet that has no row yet is counted; what it is said to hold must be nothing."""
    places = [place for place, line in enumerate(lines) if line.startswith(b'{"wallet"')]
    assert len(places) == 3
    for place in places:
        for name in ("cash", "bonus", "held"):
            stands = json.loads(lines[place])
            stands[name] += 1
            with pytest.raises(Broken):
                archive.verified([*lines[:place], json.dumps(stands).encode(), *lines[place + 1 :]])
    carol = places[-1]
    without = [*lines[:carol], *lines[carol + 1 :]]
    with pytest.raises(Broken, match="it comes to"):
        archive.verified(without)
    with pytest.raises(Broken, match="not in order"):
        archive.verified([*lines[:1], lines[carol], *lines[1:carol], *lines[carol + 1 :]])


def test_a_file_without_its_end_or_with_more_is_noticed(lines: list[bytes]) -> None:
    for cut in range(len(lines)):
        with pytest.raises(Broken):
            archive.verified(lines[:cut])
    with pytest.raises(Broken, match="nothing may follow"):
        archive.verified([*lines, lines[-1]])
    with pytest.raises(Broken, match="no JSON"):
        archive.verified([lines[0], b"{"])
    with pytest.raises(Broken, match="this is no"):
        archive.verified([b"[]", *lines[1:]])


def test_rows_of_the_first_digest_version_hold_as_well(books: None) -> None:
    """As a ledger that began with release 1.0 has them."""
    history()
    with snapshot() as own:
        texts = [json.loads(line) for line in archive.lines(own) if line.startswith(b'"')]
    assert {len(text.split("\n")) for text in texts} == {len(archive._NAMES)}
    wallet = archive.ArchivedWallet(1, "old", "EUR", 2, 0, 0, 0, 1, None)
    first = [*texts[0].split("\n")[: archive._PLACES["created_at"] + 1]]
    first[archive._PLACES["wallet_id"]] = "1"
    reading = archive._Reading(wallet)
    reading.add(2, "\n".join(first))
    assert reading.version == 1


def test_the_command_writes_once_verifies_and_compares(books: None, tmp_path: Path) -> None:
    history()
    file = tmp_path / "ledger.jsonl.gz"
    assert "every digest holds" in command("--write", str(file))
    assert "every digest holds" in command("--verify", str(file))
    assert "nothing that is not in it" in command("--compare", str(file))
    with pytest.raises(CommandError, match="cannot be written"):
        command("--write", str(file))
    scenario.deposit("alice", amount=100)
    with pytest.raises(CommandError, match="moved on"):
        command("--compare", str(file))
    assert "every digest holds" in command("--verify", str(file))


def test_the_command_names_a_file_that_is_broken_or_none(books: None, tmp_path: Path) -> None:
    history()
    file = tmp_path / "ledger.jsonl.gz"
    command("--write", str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    with pytest.raises(CommandError, match="cannot be read"):
        command("--verify", str(file))
    file.write_bytes(gzip.compress(gzip.decompress(whole).replace(b"POSTED", b"REFUSED", 1)))
    with pytest.raises(CommandError, match="does not hold"):
        command("--verify", str(file))
    file.write_bytes(b"not gzip")
    with pytest.raises(CommandError, match="cannot be read"):
        command("--verify", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        command("--verify", str(tmp_path / "none"))
