"""PLAY.md §1: no balance shown anywhere holds the money of a bonus that is due to expire, posted or not."""

from __future__ import annotations

from typing import Any

import pytest

from casino_pam.engine import commands
from tests import bonus_scenario, rest_client, scenario
from wallet.models import Transaction

AFTER = scenario.NOON + 2 * scenario.DAY


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """Bob has 50.00 and 30.00 of bonus money that ran out a day before AFTER; a bet of his was rolled back."""
    scenario.catalogue()
    bonus_scenario.wagering("30.00", "50.00", spend_days=1)
    scenario.bet("bob", "1.00", reference="undone", round="undone")
    scenario.rollback("undone", "bob")
    scenario.bet("bob", "500.00", reference="refused", round="refused")


def a_bet(reference: str, amount: str, **fields: Any) -> commands.Bet:
    given = {"source": "acme", "player": "bob", "at": AFTER, "currency": "EUR", "round": "r", "game": "g", **fields}
    return commands.Bet(reference=reference, amount=scenario.eur(amount), **given)


def shown(outcome: Any) -> tuple[int, int]:
    """Cash and bonus, of a receipt or a refusal."""
    facts = getattr(outcome, "facts", {})
    if "bonus" in facts:
        assert facts["balance"] == facts["cash"] + facts["bonus"]
        return facts["cash"], facts["bonus"]
    return outcome.cash, outcome.bonus


ASKED = {
    "the balance": lambda: commands.Balance(source="acme", player="bob", currency="EUR", at=AFTER),
    "a repeated bet that was rolled back": lambda: a_bet("undone", "1.00"),
    "a repeated refusal": lambda: a_bet("refused", "500.00", round="refused", game="slot-1"),
    "the receipt of a refusal": lambda: commands.Find(
        source="acme", player="bob", kind="BET", reference="refused", at=AFTER
    ),
    "a batch that fails at a bet without funds": lambda: commands.Batch(
        operations=(a_bet("b1", "1.00"), a_bet("b2", "60.00"))
    ),
    "a batch that fails at a bet that was rolled back": lambda: commands.Batch(
        operations=(a_bet("b1", "1.00"), a_bet("undone", "1.00"))
    ),
    "a batch that fails at a repeated refusal": lambda: commands.Batch(
        operations=(a_bet("b1", "1.00"), a_bet("refused", "500.00", round="refused", game="slot-1"))
    ),
    "a bet without funds": lambda: a_bet("b2", "60.00"),
}


@pytest.mark.parametrize("case", ASKED)
def test_no_answer_shows_money_of_a_bonus_past_its_time(case: str) -> None:
    scenario.profile(replay_balance="current")
    assert shown(scenario.do(ASKED[case]())) == (5000, 0)


def test_a_refused_batch_tells_the_same_again() -> None:
    asked = commands.Batch(operations=(a_bet("b1", "1.00"), a_bet("b2", "60.00")))
    first = scenario.do(asked)
    repeat = scenario.do(asked)
    assert repeat.facts == {**first.facts, "replayed": True}
    assert shown(repeat) == (5000, 0)
    # The one row that a refused batch leaves; alone, the same command does what is due.
    assert [(row.kind, row.bonus_after) for row in Transaction.objects.filter(version__gt=5)] == [("BET", 3000)]
    scenario.do(a_bet("b3", "1.00"))
    assert scenario.do(asked).facts == repeat.facts


def test_an_unknown_rollback_that_is_refused_shows_it_neither() -> None:
    scenario.profile(unknown_rollback="not_found")
    scenario.rollback("unheard-of", "bob", reference="r")
    again = scenario.do(commands.Rollback(source="acme", player="bob", reference="r", original="unheard-of", at=AFTER))
    assert (again.code, shown(again)) == ("unknown_original", (5000, 0))


@pytest.mark.parametrize("posted", [False, True], ids=["before the end is posted", "after it"])
def test_the_balances_of_an_instant_are_those_that_were_shown_then(posted: bool) -> None:
    shop = rest_client.key()
    if posted:
        scenario.win("bob", "1.00", at=AFTER + scenario.SECOND)
    for at, bonus in ((scenario.NOON + scenario.SECOND, "30.00"), (AFTER, "0.00")):
        moment = scenario.moment(at).isoformat().replace("+00:00", "Z")
        answer = shop.get("players/bob/wallets/EUR", at=moment)
        assert (answer["cash"], answer["bonus"], answer["balance"]) == (
            "50.00",
            bonus,
            "80.00" if bonus == "30.00" else "50.00",
        )
