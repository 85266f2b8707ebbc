"""docs/bonus.md is played: every number of its story is what really happens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bonus.models import Bonus
from bonus.offers import create_offer
from bonus.rules import BASIS_POINTS
from tests import bonus_scenario, scenario
from tests.scenario import eur
from wallet import money
from wallet.errors import Refused
from wallet.models import Transaction

PAGE = (Path(__file__).parents[2] / "docs" / "bonus.md").read_text()
STORY, RULES = PAGE.split("## The rules")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", STORY, re.DOTALL)
OFFER = next(text for language, text in BLOCKS if language == "json")
LINES = [line for language, text in BLOCKS if not language for line in text.splitlines()]
AMOUNT = re.compile(r"\b[0-9]+\.[0-9]{2}\b")


def show(minor: int) -> str:
    return money.show(minor, 2)


class Story:
    """What the lines of the page ask for, as commands; each answers with what can be said afterwards."""

    def play(self, line: str) -> str:
        verb, *words = line.split()
        answer: str = getattr(self, f"_{verb}")(*words)
        return answer

    def _deposit(self, amount: str, offer: str) -> str:
        return self._told(bonus_scenario.deposit(amount, offer), offer)

    def _grant(self, amount: str, code: str) -> str:
        bonus_scenario.gift(amount, code=code, multiplier=10)
        bonus_scenario.grant(code)
        return f"{self._money()} status {bonus_scenario.the(code).status}"

    def _bet(self, name: str, kind: str, amount: str) -> str:
        return self._told(scenario.bet("bob", amount, reference=name, round=name, game=f"{kind}-1"))

    def _win(self, bet: str, amount: str) -> str:
        return self._told(scenario.win("bob", amount, round=bet, bet=bet, reference=f"win-{bet}"))

    def _rollback(self, bet: str) -> str:
        return self._told(scenario.rollback(bet, "bob", reference=f"rollback-{bet}"))

    def _rows(self) -> str:
        newest = Transaction.objects.order_by("-version").first()
        assert newest is not None
        return " ".join(row.kind for row in Transaction.objects.filter(command=newest.command).order_by("version"))

    def _converted(self, code: str) -> str:
        bonus = bonus_scenario.the(code)
        return f"{show(bonus.converted)} of {show(-bonus_scenario.ended('CONVERT', bonus).bonus_delta)}"

    def _bonus(self, code: str) -> str:
        bonus = bonus_scenario.the(code)
        return f"status {bonus.status} wagered {show(bonus.wagered // BASIS_POINTS)} required {show(bonus.required)}"

    def _money(self) -> str:
        cash, bonus, _ = scenario.balances("bob")
        return f"cash {show(cash)} bonus {show(bonus)}"

    def _told(self, outcome: Any, offer: str = "") -> str:
        """The door's own answer, not what a later look would find; a refusal says nothing of progress."""
        if isinstance(outcome, Refused):
            active = Bonus.objects.get(status="active")
            return f"refused {outcome.code} {self._money()} wagered {show(active.wagered // BASIS_POINTS)}"
        said = f"cash {show(outcome.cash)} bonus {show(outcome.bonus)}"
        wagering = outcome.wagering
        if wagering is None:
            return said
        required = f" required {show(wagering['required'])}" if offer else ""
        said += f" wagered {show(wagering['wagered'])}{required} percent {wagering['percent']}"
        return said if wagering["status"] == "active" else f"{said} status {wagering['status']}"


@pytest.fixture
def story(books: None) -> Story:
    scenario.catalogue()
    scenario.bob()
    for category in ("slots", "table", "live"):
        bonus_scenario.game(f"{category}-1", category)
    create_offer(json.loads(OFFER))
    return Story()


def test_every_line_of_the_story_is_what_happens(story: Story) -> None:
    told = [line.split("->") for line in LINES]
    happened = [f"{line.strip()} -> {story.play(line)}" for line, _ in told]
    assert happened == [f"{line.strip()} -> {answer.strip()}" for line, answer in told]
    assert eur(AMOUNT.findall(LINES[-1])[1]) == scenario.balances("bob")[0]


def test_no_amount_is_told_that_is_not_played() -> None:
    played = set(AMOUNT.findall(OFFER + "\n".join(LINES)))
    prose = re.sub(r"```.*?```", "", STORY, flags=re.DOTALL)
    assert set(AMOUNT.findall(prose)) <= played


def test_every_worked_number_has_its_test() -> None:
    numbered = set(re.findall(r"^\| ([0-9]+) \|", RULES, re.MULTILINE))
    tests = (Path(__file__).parents[1] / "bonus" / "test_bonus_numbers.py").read_text()
    assert numbered == set(re.findall(r"^def test_([0-9]+)_", tests, re.MULTILINE))


def test_every_test_that_the_architecture_names_is_there() -> None:
    root = Path(__file__).parents[1]
    page = (root.parent / "docs" / "challenge2-architecture.md").read_text()
    files = set(re.findall(r"`tests/([\w/]+\.py)`", page))
    assert files and all((root / name).exists() for name in files)
    known = "\n".join((root / name).read_text() for name in files)
    assert [name for name in re.findall(r"`(test_\w+)`", page) if f"def {name}(" not in known] == []
