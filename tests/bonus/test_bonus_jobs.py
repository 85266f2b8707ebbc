"""``manage.py expire_bonuses`` and ``manage.py grant_cashback``: what fell due, and net losses paid back in part."""

import threading
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from bonus.models import Bonus, Offer
from bonus.offers import create_offer, edit_offer
from casino_pam.engine import accounts, jobs
from tests import bonus_scenario, scenario
from tests.sample_offers import CASHBACK
from tests.scenario import DAY, NOON, SECOND, eur
from wallet.models import Player, Transaction

LATER = NOON + 2 * DAY
TODAY = datetime.fromtimestamp(NOON / SECOND, UTC).date()


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


def statuses():
    return list(Bonus.objects.order_by("id").values_list("status", flat=True))


def rows(kind):
    return Transaction.objects.filter(kind=kind)


# --- what fell due -----------------------------------------------------------------------------


def test_ends_what_ran_out_of_time_on_wallets_nobody_touches():
    bonus_scenario.wagering("10.00", spend_days=1)
    bonus_scenario.gift(code="queued", claim_days=1)
    bonus_scenario.gift(code="next", claim_days=9)
    bonus_scenario.match(claim_days=1)
    for code in ("queued", "next", "welcome"):
        bonus_scenario.grant(code)
    assert jobs.run_due(NOON) == {}
    assert jobs.run_due(LATER) == {"done": 1}
    assert statuses() == ["expired", "expired", "active", "expired"]
    assert [row[0] for row in bonus_scenario.rows()] == ["GRANT", "EXPIRE", "GRANT"]


def test_ends_what_has_no_money_and_only_stakes_too_old_to_wait_for():
    bonus_scenario.wagering("10.00")
    scenario.bet("bob", "10.00")
    jobs.run_due(NOON + DAY - 1)
    assert statuses() == ["active"]
    jobs.run_due(NOON + DAY)
    assert statuses() == ["depleted"]


def test_a_second_run_finds_nothing_to_do():
    bonus_scenario.wagering("10.00", spend_days=1)
    assert jobs.run_due(LATER) == {"done": 1}
    assert jobs.run_due(LATER) == {}
    assert rows("EXPIRE").count() == 1


def test_runs_at_the_same_time_end_each_bonus_once():
    bonus_scenario.gift("10.00", spend_days=1)
    for n in range(20):
        scenario.player(f"p{n}")
        bonus_scenario.grant(who=f"p{n}")
    start = threading.Barrier(4)

    def run():
        start.wait()
        jobs.run_due(LATER)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses()) == {"expired"}
    assert rows("EXPIRE").count() == 20


def test_the_command_says_what_it_did(monkeypatch):
    monkeypatch.setattr("casino_pam.engine.commands.now", lambda: LATER)
    bonus_scenario.wagering("10.00", spend_days=1)
    out = StringIO()
    call_command("expire_bonuses", stdout=out)
    assert out.getvalue() == "Looked after 1 wallets.\n"


def test_an_exclusion_cancels_what_waits_at_once():
    bonus_scenario.wagering("10.00")
    bonus_scenario.gift(code="next")
    bonus_scenario.grant("next")
    accounts.change("bob", excluded_until=datetime.now(UTC) + timedelta(days=1))
    assert statuses() == ["active", "cancelled"]


def test_the_job_cancels_what_slipped_in_beside_an_exclusion():
    bonus_scenario.wagering("10.00")
    bonus_scenario.gift(code="next")
    bonus_scenario.grant("next")
    Player.objects.update(excluded_until=datetime.fromtimestamp(LATER / SECOND, UTC))
    jobs.run_due(NOON)
    assert statuses() == ["active", "cancelled"]


# --- cashback ----------------------------------------------------------------------------------


def cashback(**fields) -> Offer:
    return create_offer({**CASHBACK, **fields})


def paid(offer, first=TODAY, last=TODAY):
    return jobs.grant_cashback(offer, first, last, NOON + DAY)


def test_pays_a_share_of_the_net_loss():
    scenario.alice("500.00")
    scenario.bet("alice", "100.00")
    scenario.bet("alice", "66.66", round="r2", reference="undone")
    scenario.rollback("undone", "alice")
    scenario.win("alice", "33.34")
    assert paid(cashback()) == {"done": 1}
    bonus = bonus_scenario.the("cashback", "alice")
    # 66.66 were lost; a tenth of it, rounded down, is 6.66.
    assert (bonus.amount, bonus.deposit, bonus.status) == (eur("6.66"), eur("66.66"), "active")


def test_win_rollbacks_are_lost_again():
    scenario.profile(rollback_wins=True)
    scenario.alice("100.00")
    scenario.bet("alice", "30.00")
    scenario.win("alice", "30.00", reference="w")
    scenario.rollback("w", "alice")
    paid(cashback())
    assert bonus_scenario.the("cashback", "alice").amount == eur("3.00")


def test_bonus_money_lost_is_not_paid_on():
    bonus_scenario.wagering("90.00", cash="30.00")
    scenario.bet("bob", "100.00")
    paid(cashback())
    assert bonus_scenario.the("cashback", "bob").deposit == eur("30.00")


def test_pays_no_more_than_the_cap_and_nothing_below_the_minimum():
    for who, lost in (("alice", "900.00"), ("bella", "20.00"), ("carla", "19.99"), ("doris", "0.00")):
        scenario.player(who, "1000.00")
        scenario.bet(who, lost)
    assert paid(cashback()) == {"done": 2}
    assert bonus_scenario.the("cashback", "alice").amount == eur("50.00")
    assert bonus_scenario.the("cashback", "bella").amount == eur("2.00")


def test_a_period_is_paid_once():
    offer = cashback(per_player=9)
    scenario.alice("500.00")
    scenario.bet("alice", "100.00")
    assert paid(offer) == {"done": 1}
    assert paid(offer) == {"granted before": 1}
    assert paid(offer, TODAY - timedelta(days=1)) == {"done": 1}
    assert Bonus.objects.count() == 2


def test_both_days_of_the_period_are_in_it():
    scenario.alice("500.00")
    midnight = int(datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC).timestamp()) * SECOND
    for n, at in enumerate((midnight - 1, midnight, midnight + DAY - 1, midnight + DAY)):
        scenario.bet("alice", f"{10**n}.00".replace("1000", "300"), round=f"r{n}", at=at)
    paid(cashback(amounts={"EUR": {"cap": "50.00"}}))
    assert bonus_scenario.the("cashback", "alice").deposit == eur("110.00")


def test_who_may_not_be_granted_gets_none():
    scenario.alice("500.00")
    scenario.bet("alice", "100.00")
    Player.objects.update(deposit_locked=True)
    assert paid(cashback()) == {"wallet_locked": 1}


def test_a_switched_off_cashback_pays_nothing():
    offer = cashback()
    scenario.alice("500.00")
    scenario.bet("alice", "100.00")
    assert paid(edit_offer(offer, {"enabled": False})) == {"offer_not_available": 1}


def test_the_cashback_command_says_what_it_granted(monkeypatch):
    monkeypatch.setattr("casino_pam.engine.commands.now", lambda: NOON + DAY)
    cashback()
    scenario.alice("500.00")
    scenario.bet("alice", "100.00")
    out = StringIO()
    for _ in range(2):
        call_command("grant_cashback", "--offer", "cashback", "--from", str(TODAY), "--to", str(TODAY), stdout=out)
    assert out.getvalue() == "Granted 1, granted before 0.\nGranted 0, granted before 1.\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"offer": "nothing"}, "no cashback offer"),
        ({"offer": "gift"}, "no cashback offer"),
        ({"from": date(2026, 9, 22), "to": date(2026, 9, 21)}, "later than --to"),
        ({"to": TODAY}, "not over yet"),
    ],
)
def test_the_cashback_command_refuses_what_makes_no_sense(monkeypatch, options, reason):
    monkeypatch.setattr("casino_pam.engine.commands.now", lambda: NOON)
    cashback()
    bonus_scenario.gift()
    yesterday = TODAY - timedelta(days=1)
    asked = {"offer": "cashback", "from": yesterday, "to": yesterday, **options}
    with pytest.raises(CommandError, match=reason):
        call_command("grant_cashback", *(f"--{name}={value}" for name, value in asked.items()))
