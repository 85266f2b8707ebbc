"""An operator completes a bonus: it converts as it stands, once, and the next one starts."""

import pytest

from bonus.models import Bonus
from casino_pam.engine import commands
from tests import bonus_scenario, scenario
from tests.scenario import NOON, SECOND, eur
from tests.threads import threads
from wallet.errors import Refused


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


def complete(bonus, reference="c-1", who="bob", **fields):
    asked = {"source": "operator", "at": NOON, "actor": "olga", "reason": "a fault of ours", **fields}
    return scenario.do(commands.Complete(player=who, bonus=str(bonus.id), reference=reference, **asked))


def test_completing_converts_what_is_left_by_the_frozen_terms():
    bonus = bonus_scenario.wagering("30.00", eur={"max_conversion": "20.00"})
    scenario.bet("bob", "5.00", at=NOON)
    outcome = complete(bonus)
    row = bonus_scenario.ended("CONVERT", bonus)
    assert (outcome.bonus.status, outcome.bonus.percent, outcome.replayed) == ("completed", 100, False)
    assert (row.amount, row.cash_delta, row.bonus_delta) == (eur("25.00"), eur("20.00"), -eur("25.00"))
    assert (row.actor, row.reason, row.original, row.command) == ("olga", "a fault of ours", "c-1", row.id)
    ended = bonus_scenario.the()
    assert (ended.converted, ended.ended_reason, ended.ended_reference) == (eur("20.00"), "a fault of ours", "c-1")
    assert ended.wagered == eur("5.00") * 10_000
    assert scenario.balances("bob") == (eur("20.00"), 0, 0)


def test_completing_twice_converts_once_and_answers_the_same():
    bonus = bonus_scenario.wagering()
    first, second = complete(bonus), complete(bonus)
    assert (first.bonus, first.replayed, second.replayed) == (second.bonus, False, True)
    assert scenario.balances("bob") == (eur("30.00"), 0, 0)


def test_many_complete_at_once_and_one_does():
    bonus = bonus_scenario.wagering()
    outcomes = threads([lambda place=place: complete(bonus, f"c-{place % 2}") for place in range(8)])
    done = [outcome for outcome in outcomes if not isinstance(outcome, Refused)]
    assert sum(not outcome.replayed for outcome in done) == 1
    assert {outcome.code for outcome in outcomes if isinstance(outcome, Refused)} <= {"bonus_ended"}
    assert bonus_scenario.rows() == [("GRANT", 0, eur("30.00")), ("CONVERT", eur("30.00"), -eur("30.00"))]


def test_completing_starts_the_next_bonus_in_the_same_command():
    bonus = bonus_scenario.wagering()
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    complete(bonus)
    assert bonus_scenario.the("next").status == "active"
    assert scenario.balances("bob") == (eur("30.00"), eur("7.00"), 0)


def test_a_bonus_that_waits_or_has_ended_is_not_completed():
    bonus = bonus_scenario.wagering()
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    refused = complete(bonus_scenario.the("next"))
    assert (refused.code, refused.facts) == ("forbidden", {"why": "bonus_not_active"})
    bonus_scenario.forfeit(bonus.id)
    assert complete(bonus).code == "bonus_ended"


def test_one_past_its_time_expires_instead():
    bonus = bonus_scenario.wagering(spend_days=1)
    assert complete(bonus, at=NOON + scenario.DAY).code == "bonus_ended"
    assert bonus_scenario.the().status == "expired"


def test_a_reference_means_one_end_only():
    bonus = bonus_scenario.wagering()
    complete(bonus, "the-end")
    refused = bonus_scenario.forfeit(bonus.id, reference="the-end")
    assert (refused.code, refused.facts) == ("reference_reused", {"differing": ["kind"]})


def test_a_bonus_of_another_player_is_unknown():
    bonus = bonus_scenario.wagering()
    scenario.alice()
    assert complete(bonus, who="alice").code == "unknown_bonus"
    assert Bonus.objects.get().status == "active"


def test_a_bet_of_it_may_still_be_rolled_back():
    bonus = bonus_scenario.wagering()
    scenario.bet("bob", "5.00", at=NOON - SECOND // 2, reference="b-1")
    complete(bonus)
    scenario.rollback("b-1", "bob", at=NOON + SECOND)
    assert (scenario.balances("bob"), bonus_scenario.the().wagered) == ((eur("30.00"), 0, 0), 0)
