"""``manage.py reconcile`` names the bonus and the row of whatever was done to a promise."""

from __future__ import annotations

import pytest
from django.db import connection

from bonus.models import Bonus
from tests import bonus_scenario, scenario
from tests.sample_offers import SPINS
from tests.scenario import DAY, NOON, eur
from tests.wallet import corruption
from tests.wallet.reconcile_runs import found, named
from wallet.reconcile import Scope

SCOPES = [Scope.FULL, Scope.INCREMENTAL]


def history() -> None:
    """Bob's seven rows: a gift of 10.00, a bet of 4.00, its win, its rollback, a bet of 5.00, one of 2.00 undone."""
    scenario.catalogue()
    bonus_scenario.game("live-1", "live")
    bonus_scenario.wagering("10.00", weights={"category": {"live": 5000}}, spend_days=30)
    scenario.profile(rollback_after_win="allow")
    scenario.bet("bob", "4.00", reference="b1")
    scenario.win("bob", "6.00")
    scenario.rollback("b1", "bob")
    scenario.bet("bob", "5.00", round="r2", game="live-1")
    scenario.bet("bob", "2.00", round="r3", reference="b3")
    scenario.rollback("b3", "bob")


def fives(scope: str = Scope.FULL) -> set[int | None]:
    return {version for invariant, _, version in named(scope) if invariant == 5}


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_sound_promises_are_met_with_silence(books):
    history()
    bonus_scenario.gift(code="next")
    bonus_scenario.grant("next")
    bonus_scenario.match()
    bonus_scenario.claim("welcome")
    bonus_scenario.deposit("20.00", None)
    bonus_scenario.forfeit(bonus_scenario.the().id)
    scenario.bet("bob", "1.00", round="r4", at=NOON + 60 * DAY)
    assert found() == []
    assert found(Scope.INCREMENTAL) == []


def test_only_new_rows_are_read_and_still_follow_from_the_old_ones(books):
    history()
    assert found(Scope.INCREMENTAL) == []
    scenario.bet("bob", "1.00", round="r4")
    scenario.win("bob", "1.00", round="r4")
    assert found(Scope.INCREMENTAL) == []


def test_a_game_that_changed_its_category_since_is_no_discrepancy(books):
    history()
    sql("UPDATE wallet_game SET category = 'slots'")
    assert found() == []
    sql("UPDATE wallet_game SET category = ''")
    assert found() == []


@pytest.mark.parametrize("scope", SCOPES)
def test_progress_changed_by_hand(broken_books, scope):
    history()
    found(Scope.INCREMENTAL)
    sql("UPDATE bonus_bonus SET wagered = wagered + 10000")
    told = found(scope)
    assert [(each.invariant, each.version) for each in told] == [(5, None)]
    assert f"bonus {bonus_scenario.the().id} has wagered" in told[0].detail


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(
    "change",
    ["required = 1", "base = 1", "status = 'completed', ended_at = now()", "status = 'forfeited', ended_at = now()"],
)
def test_a_bonus_changed_by_hand(broken_books, scope, change):
    history()
    scenario.hold("bob", "1.00")
    sql(f"UPDATE bonus_bonus SET {change}")
    assert None in fives(scope)


def test_an_expired_bonus_without_its_row(broken_books):
    history()
    sql("UPDATE bonus_bonus SET status = 'expired', ended_at = now()")
    assert any("without its row EXPIRE" in each.detail for each in found())


ROWS_CHANGED = {
    # Its rollback gave back what it had been.
    "a contribution": ("contribution = contribution + 1", 2, {2, 4}),
    "a contribution and what follows": ("contribution = 1, wagered_after = wagered_after + 1", 3, {3, 4}),
    "the progress after a row": ("wagered_after = 1", 3, {3, 4}),
    "the progress after the newest row": ("wagered_after = 1", 7, {7, None}),
    "the contribution of a rollback": ("contribution = 0, wagered_after = 40000000", 4, {4, 5}),
    "a bonus balance": ("bonus_after = bonus_after + 1", 3, {3, 4}),
    "the newest bonus balance": ("bonus_after = bonus_after + 1", 7, {7, None}),
    "what was granted": ("amount = 999, bonus_delta = 999, bonus_after = 999", 1, {1, 2}),
    "the bonus a row names": ("bonus = gen_random_uuid()", 3, {3, 4}),
    "a row that names none any more": ("bonus = null", 3, {3, 4}),
}


@pytest.mark.parametrize(("change", "version", "expected"), ROWS_CHANGED.values(), ids=ROWS_CHANGED)
def test_a_row_changed_by_hand(broken_books, change, version, expected):
    history()
    corruption.change("bob", version, change)
    assert fives() == expected


def test_a_contribution_that_no_weight_of_the_terms_explains(broken_books):
    history()
    corruption.change("bob", 5, "contribution = 12345, wagered_after = 12345")
    assert 5 in fives()


def test_bonus_money_without_an_active_bonus(broken_books):
    history()
    sql("UPDATE bonus_bonus SET status = 'depleted', ended_at = now()")
    assert [each.detail for each in found()] == [f"has bonus money {eur('7.00') + eur('4.00')} and no active bonus"]


def test_two_active_bonuses(broken_books):
    history()
    bonus_scenario.gift(code="next")
    bonus_scenario.grant("next")
    with corruption.without("bonus_bonus", "bonus_one_active"):
        sql("UPDATE bonus_bonus SET status = 'active', activated_at = now() WHERE status = 'queued'")
        assert any("has 2 active bonuses" in each.detail for each in found())


def test_winnings_of_free_rounds_are_what_must_be_wagered(broken_books):
    from bonus.offers import create_offer

    scenario.catalogue()
    scenario.bob()
    create_offer(SPINS)
    bonus_scenario.grant("spins")
    scenario.win("bob", "3.00", win_source="free_round")
    assert found() == []
    Bonus.objects.update(required=eur("3.00"))
    assert fives() == {None}
