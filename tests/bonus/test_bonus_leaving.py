"""A bonus and a player who leaves: with the money, or because they are shut out (docs/bonus.md)."""

from datetime import UTC, datetime, timedelta

import pytest

from tests import bonus_scenario, scenario
from tests.bonus_scenario import kinds, statuses
from tests.scenario import NOON, SECOND, eur
from wallet.models import Player


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


# --- withdrawals -------------------------------------------------------------------------------


def test_a_withdrawal_forfeits_the_bonus_and_the_next_one_starts_after_it():
    bonus_scenario.wagering("10.00", cash="5.00")
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    receipt = scenario.hold("bob", "5.00", reference="h")
    assert kinds()[-3:] == ["FORFEIT", "HOLD", "GRANT"]
    assert (receipt.cash, receipt.bonus, receipt.held) == (0, eur("7.00"), eur("5.00"))
    assert statuses() == ["forfeited", "active"]


def test_a_refused_withdrawal_forfeits_nothing():
    bonus_scenario.wagering("10.00", cash="5.00")
    assert scenario.hold("bob", "5.01").code == "insufficient_funds"
    assert (statuses(), kinds()[-1]) == (["active"], "HOLD")


def test_a_release_restores_nothing():
    bonus_scenario.wagering("10.00", cash="5.00")
    scenario.hold("bob", "5.00", reference="h")
    scenario.release("h", "bob")
    assert (statuses(), scenario.balances("bob")) == (["forfeited"], (eur("5.00"), 0, 0))


def test_a_bonus_that_refuses_withdrawals_does():
    bonus_scenario.wagering("10.00", cash="5.00", on_withdrawal="refuse")
    assert scenario.hold("bob", "9.00").code == "bonus_active"
    assert (statuses(), scenario.balances("bob")) == (["active"], (eur("5.00"), eur("10.00"), 0))


def test_a_player_who_has_moved_to_britain_may_withdraw_all_the_same():
    bonus_scenario.wagering("10.00", cash="5.00", on_withdrawal="refuse")
    Player.objects.update(country="GB")
    assert scenario.hold("bob", "5.00").held == eur("5.00")
    assert statuses() == ["active"]


def test_a_bonus_that_does_not_mind_withdrawals_lives_on():
    bonus_scenario.wagering("10.00", cash="5.00", on_withdrawal="keep")
    receipt = scenario.hold("bob", "5.00")
    assert (receipt.bonus, receipt.held, statuses()) == (eur("10.00"), eur("5.00"), ["active"])


# --- exclusion ---------------------------------------------------------------------------------


def excluded(who="bob"):
    Player.objects.filter(code=who).update(
        excluded_until=datetime.fromtimestamp(NOON / SECOND, UTC) + timedelta(days=9)
    )


def test_who_is_excluded_waits_for_nothing_and_keeps_what_is_active():
    bonus_scenario.wagering("10.00")
    bonus_scenario.gift(code="next")
    bonus_scenario.grant("next")
    bonus_scenario.match()
    bonus_scenario.claim("welcome")
    excluded()
    bonus_scenario.run_due()
    assert statuses() == ["active", "cancelled", "cancelled"]
    assert scenario.bet("bob", "1.00").code == "player_excluded"
    assert scenario.balances("bob") == (0, eur("10.00"), 0)


def test_who_is_excluded_is_granted_nothing():
    scenario.bob()
    bonus_scenario.gift()
    bonus_scenario.match()
    excluded()
    assert bonus_scenario.grant().code == "player_excluded"
    assert bonus_scenario.claim().code == "player_excluded"
    taken = bonus_scenario.deposit("20.00", captured=True)
    assert (taken.cash, taken.facts) == (eur("20.00"), {"granted": None, "grant_refusal": "player_excluded"})
    assert statuses() == []


def test_nothing_starts_while_the_player_is_excluded():
    bonus = bonus_scenario.wagering("10.00")
    bonus_scenario.gift(code="next")
    bonus_scenario.grant("next")
    excluded()
    bonus_scenario.forfeit(bonus.id)
    assert statuses() == ["forfeited", "cancelled"]


def test_a_deposit_lock_stops_grants():
    scenario.bob()
    bonus_scenario.gift()
    Player.objects.update(deposit_locked=True)
    assert bonus_scenario.grant().code == "wallet_locked"
