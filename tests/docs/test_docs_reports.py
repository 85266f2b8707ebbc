"""docs/reports.md is played: its story, its two files, and its comparison are what really happens."""

from __future__ import annotations

import io
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from casino_pam.backoffice import report_pages
from casino_pam.backoffice.report_list import REPORTS
from tests import bonus_scenario, scenario
from wallet.errors import Refused
from wallet.provider_file import KEPT, comparison
from wallet.provider_file.lines import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
BLOCKS = dict(re.findall(r"```([\w. ]*)\n(.*?)```", PAGE, re.DOTALL))
ASKED: dict[str, Any] = {"since": datetime(2025, 3, 30).date(), "until": datetime(2025, 3, 31).date()}  # noqa: DTZ001


def deposit(at: int, amount: str) -> Any:
    return scenario.deposit("bob", amount=scenario.eur(amount), at=at)


def gift(at: int, amount: str) -> Any:
    bonus_scenario.gift(amount, multiplier=1, spend_order="bonus_first", eur={"max_conversion": "15.00"})
    return bonus_scenario.grant(at=at)


def bet(at: int, name: str, amount: str) -> Any:
    return scenario.bet("bob", amount, reference=name, round=name, at=at)


def win(at: int, name: str, amount: str) -> Any:
    return scenario.win("bob", amount, reference=f"win-{name}", round=name, at=at)


VERBS = {verb.__name__: verb for verb in (deposit, gift, bet, win)}


@pytest.fixture
def played(books: None) -> None:
    scenario.catalogue()
    scenario.bob()
    for told in BLOCKS[""].splitlines():
        day, time, verb, *words = told.split()
        instant = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC)
        at = round(instant.replace(microsecond=0).timestamp()) * scenario.SECOND + instant.microsecond
        assert not isinstance(VERBS[verb](at, *words), Refused), told


@pytest.mark.parametrize("name", ["revenue", "bonuses"])
def test_the_files_of_the_worked_example_are_what_it_comes_to(played: None, name: str) -> None:
    file = "".join(report_pages._pieces(REPORTS[name], {**ASKED, "per": "day"}))
    assert file.replace("\r\n", "\n") == BLOCKS[f"csv {name}"]


def test_the_comparison_says_what_the_page_says(played: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("acme.csv").write_text(BLOCKS["csv acme.csv"])
    asked, _, said = BLOCKS["console"].partition("\n")
    dollar, program, *argv = shlex.split(asked)
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command(*argv, stdout=out)
    assert (dollar, program, end.value.code) == ("$", "manage.py", 1)
    assert out.getvalue() == said


def test_the_sums_of_the_prose_are_those_of_the_file() -> None:
    rows = [line.split(",") for line in BLOCKS["csv revenue"].splitlines()]
    sums = {name: sum(scenario.eur(row[place]) for row in rows[1:]) for place, name in enumerate(rows[0]) if place > 2}
    assert f"GGR {sums['ggr'] / 100:.2f}, NGR {sums['ngr'] / 100:.2f}." in PAGE


def test_every_report_field_and_difference_is_explained() -> None:
    for report in REPORTS.values():
        assert f"| {report.title} |" in PAGE
    assert [name for name in FIELDS if f"`{name}`" not in PAGE] == []
    assert [name for name in comparison.TO_DO if f"| `{name}` |" not in PAGE] == []
    assert f"first {KEPT:,} differences" in PAGE
    assert f"after {report_pages.SECONDS} seconds" in PAGE
