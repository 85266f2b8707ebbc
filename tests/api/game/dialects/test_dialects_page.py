"""docs/dialects.md builds a seventh dialect: what stands there is run."""

from __future__ import annotations

import hmac
import json
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from casino_pam.api.game.dialects import DIALECTS
from casino_pam.local.os_support import PROJECT
from tests import scenario
from tests.api.game.dialects.dialect_scenario import SIX, word
from tests.api.game.dialects.test_dialect_errors import refused
from tests.game_client import Door, Reply
from wallet import providers
from wallet.errors import Refused
from wallet.models import Provider

PAGE = (PROJECT / "docs" / "dialects.md").read_text()
FILE, LINE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_a_dialect_is_one_file_of_under_150_lines_and_one_line_in_a_table() -> None:
    assert len(FILE.splitlines()) < 150
    assert LINE.strip() == 'PARLOUR = "parlour"'
    table = (PROJECT / "wallet" / "models" / "provider.py").read_text()
    assert '        EVOLUTION = "evolution"\n' in table, "the line has no place any more"


@pytest.fixture
def door(books: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    scenario.catalogue()
    scenario.player("anna", "100.00")
    path = tmp_path / "parlour.py"
    path.write_text(FILE)
    spec = spec_from_file_location("casino_pam.api.game.dialects.parlour", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(DIALECTS, "parlour", module.DIALECT)
    providers.make("room", {"name": "Room"}, "their-secret")
    Provider.objects.filter(code="room").update(dialect="parlour")
    with Door() as opened:
        yield opened


def call(door: Door, name: str, key: str = "their-secret", **fields: str) -> Reply:
    body = json.dumps({"who": "anna", "coin": "EUR", **fields}).encode()
    headers = {"Host": "localhost", "X-Parlour-Sign": hmac.new(key.encode(), body, "sha256").hexdigest()}
    reply: Reply = door.request("POST", f"/api/game/parlour/room/{name}", headers, body)
    return reply


def test_the_dialect_of_the_page_plays(door: Door) -> None:
    played = {"hand": "h-1", "table": "t-1"}
    assert call(door, "balance").json == {"ok": True, "purse": "100.00"}
    first = call(door, "stake", id="s-1", sum="10.00", **played)
    assert (first["ok"], first["purse"]) == (True, "90.00")
    assert call(door, "stake", id="s-1", sum="10.00", **played).json == first.json
    assert call(door, "pay", id="p-1", sum="4.50", **played)["purse"] == "94.50"
    assert call(door, "stake", id="s-2", sum="1.00", hand="h-2", table="t-1")["purse"] == "93.50"
    assert call(door, "undo", id="u-1", of="s-2")["purse"] == "94.50"
    refusals = {
        "NO_MONEY": ("stake", {"id": "s-3", "sum": "94.51", **played}),
        "DONE_BEFORE": ("stake", {"id": "s-2", "sum": "1.00", **played}),
        "NO_SUCH_PLAYER": ("balance", {"who": "nobody"}),
        "WRONG": ("stake", {"id": "s-4", "sum": "0.001", **played}),
        "NOT_SIGNED": ("balance", {"key": "another"}),
    }
    for why, (name, fields) in refusals.items():
        reply = call(door, name, **fields)
        assert (reply.status, reply.json) == (200, {"ok": False, "why": why})
    assert call(door, "nothing").json == {"ok": False, "why": "WRONG"}
    assert scenario.balances("anna") == (9450, 0, 0)


def test_each_dialect_has_a_page_that_the_first_one_names() -> None:
    for dialect in SIX:
        page = (PROJECT / "docs" / "dialects" / f"{dialect}.md").read_text()
        assert f"[{dialect}](dialects/{dialect}.md)" in PAGE
        assert f"/api/game/{dialect}/" in page
        for heading in ("## Set-up", "## Errors", "## What differs, and why"):
            assert heading in page, (dialect, heading)


def rows(dialect: str) -> list[tuple[list[str], str]]:
    """The table of errors of a dialect's page: our codes, and what they are called there."""
    page = (PROJECT / "docs" / "dialects" / f"{dialect}.md").read_text()
    table = page.partition("## Errors")[2].partition("##")[0]
    lines = re.findall(r"^\| (`.*`) \| (.*) \|$", table, re.MULTILINE)
    return [(re.findall(r"`(\w+)`", ours), theirs) for ours, theirs in lines]


@pytest.mark.parametrize("dialect", SIX)
def test_calls_our_refusals_as_the_dialects_page_says(dialect: str) -> None:
    assert rows(dialect)
    for codes, theirs in rows(dialect):
        for code in codes:
            reply = refused(dialect, Refused(code))
            said, status = str(word(dialect, reply)), str(reply.status)
            first, _, rest = theirs.partition(" ")
            first = first.strip(",").removeprefix("RS_ERROR_")
            wanted = re.split(r"[ ,(]", rest)[0] or first if dialect == "swipegames" else first
            assert said == wanted, (code, theirs)
            assert first == status if dialect == "swipegames" else "HTTP" not in theirs or f"HTTP {status}" in theirs
