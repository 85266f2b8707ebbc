"""What every test of a dialect may ask for."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from casino_pam.api.game.dialects import DIALECTS, evolution
from casino_pam.engine.commands import PATIENCE_SECONDS
from tests import scenario
from tests.game_client import Door


@pytest.fixture(autouse=True)
def patient_evolution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its 700 ms are a promise of the machine that serves; a machine that tests may be slower."""
    monkeypatch.setitem(DIALECTS, "evolution", structs.replace(evolution.DIALECT, patience=PATIENCE_SECONDS))


@pytest.fixture
def door(books: None) -> Iterator[Door]:
    """The game door in this process, with nobody in the house but the two providers of tests/scenario.py."""
    scenario.catalogue()
    with Door() as opened:
        yield opened
