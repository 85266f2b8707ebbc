"""Events: written with what they tell of, for who is to be told, and not one for a plain bet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest
from django.db import transaction
from django.utils import timezone

from casino_pam.engine import accounts, commands, outbox, posting
from tests import bonus_scenario, scenario
from tests.limit_scenario import forget, limit
from tests.scenario import DAY, NOON, eur, word
from wallet.models import Delivery, Endpoint
from wallet.models.endpoint import EVENTS
from wallet.pg.session import Session


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")


def endpoint(code: str = "crm", **fields: Any) -> Endpoint:
    made = Endpoint(code=code, url="https://crm.example/events", **fields)
    made.renew()
    made.save()
    return made


def told(code: str = "crm") -> list[Any]:
    """The events that wait for the endpoint, in the order of telling."""
    rows = Delivery.objects.filter(endpoint__code=code).order_by("position", "id")
    return [msgspec.json.decode(row.body, type=outbox.AnyEvent) for row in rows]


def kinds(code: str = "crm") -> list[str]:
    return [event.__struct_config__.tag for event in told(code)]


def test_every_shape_is_a_kind_that_an_endpoint_may_ask_for():
    assert tuple(shape.__struct_config__.tag for shape in get_args(outbox.AnyEvent)) == EVENTS


# --- what is told ---------------------------------------------------------------------------------


def test_a_withdrawal_is_told_at_each_step():
    endpoint()
    for reference, end in (("w-1", scenario.settle), ("w-2", scenario.release)):
        assert word(scenario.hold(reference=reference, amount="10.00")) == "posted"
        assert word(end(reference)) == "posted"
    assert kinds() == ["withdrawal.held", "withdrawal.settled", "withdrawal.held", "withdrawal.released"]
    first = told()[0]
    assert (first.player, first.currency, first.at) == ("alice", "EUR", "2026-09-21T14:13:20.000000Z")
    assert (first.withdrawal.source, first.withdrawal.reference, first.withdrawal.amount) == ("cashier", "w-1", "10.00")
    assert scenario.hold(reference="w-1", amount="10.00").replayed
    assert word(scenario.hold(reference="w-9", amount="1000.00")) == "insufficient_funds"
    assert word(scenario.settle("w-1")) == "posted"
    assert len(told()) == 4


def test_a_bonus_is_told_when_it_is_granted_and_when_it_ends():
    endpoint()
    bonus_scenario.gift("5.00", multiplier=10)
    bonus = bonus_scenario.grant(who="alice").bonus
    assert kinds() == ["bonus.granted"]
    granted = told()[0].bonus
    assert (granted.id, granted.offer, granted.status) == (bonus.id, "gift", "active")
    assert (granted.amount, granted.required, granted.wagered) == ("5.00", "50.00", "0.00")
    bonus_scenario.forfeit(bonus.id, "alice")
    assert kinds() == ["bonus.granted", "bonus.ended"]
    ended = told()[1].bonus
    assert (ended.status, ended.reason) == ("forfeited", "given up")


def test_a_bonus_that_asks_for_nothing_is_granted_and_completed_in_one_posting():
    endpoint()
    bonus_scenario.gift("5.00", multiplier=0)
    bonus_scenario.grant(who="alice")
    assert kinds() == ["bonus.granted", "bonus.completed"]
    granted, completed = told()
    assert (granted.bonus.status, completed.bonus.status, completed.bonus.converted) == ("active", "completed", "5.00")


def test_a_claim_that_waits_for_its_deposit_is_no_bonus_yet_and_none_that_ended():
    endpoint()
    bonus_scenario.match()
    pending = bonus_scenario.grant(who="alice", offer="welcome").bonus
    assert pending.status == "pending"
    assert kinds() == []
    bonus_scenario.forfeit(pending.id, "alice")
    assert kinds() == []
    scenario.bob()
    bonus_scenario.grant(who="bob", offer="welcome")
    assert kinds() == []
    scenario.deposit("bob", amount=eur("10.00"))
    assert kinds() == ["bonus.granted"]


def test_a_limit_is_told_once_for_each_period_and_amount():
    endpoint()
    forget()
    limit("alice", stake_day="10.00")
    for _ in range(2):
        assert word(scenario.bet(amount="11.00")) == "limit_reached"
    (first,) = told()
    assert (first.limit.name, first.limit.amount, first.limit.left) == ("stake_day", "10.00", "10.00")
    assert first.limit.resets_at == "2026-09-22T00:00:00.000000Z"
    limit("alice", stake_day="5.00")
    assert word(scenario.bet(amount="11.00")) == "limit_reached"
    assert word(scenario.bet(amount="11.00", at=NOON + DAY)) == "limit_reached"
    assert [each.limit.amount for each in told()] == ["10.00", "5.00", "5.00"]


def test_an_exclusion_is_told_when_it_begins_changes_and_is_lifted():
    endpoint()
    until = timezone.now() + timedelta(days=3)
    accounts.exclude("alice", until)
    accounts.exclude("alice", until)
    accounts.change("alice", excluded_until=until + timedelta(days=1))
    accounts.change("alice", excluded_until=until + timedelta(days=1), country="MT")
    accounts.change("alice", excluded_until=None)
    accounts.exclude_myself("alice", until, lambda *args, **more: None)
    assert kinds() == ["player.excluded", "player.excluded", "player.exclusion_lifted", "player.excluded"]
    assert told()[0].until == until.isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_what_is_undone_has_never_been_told():
    endpoint()
    with transaction.atomic():
        accounts.exclude("alice", timezone.now() + timedelta(days=3))
        transaction.set_rollback(True)
    asked = commands.Hold(source="cashier", player="alice", currency="EUR", reference="h", amount=100, at=NOON)

    def fails(outcome: Any) -> None:
        raise ZeroDivisionError

    assert word(posting.ask(asked, fails)) == "internal"
    assert told() == []


# --- who is told ---------------------------------------------------------------------------------


def test_each_endpoint_is_told_what_it_asked_for():
    endpoint()
    endpoint("bank", kinds=["withdrawal.settled"])
    endpoint("off", enabled=False)
    scenario.hold(reference="w-1", amount="10.00")
    scenario.settle("w-1")
    assert (kinds(), kinds("bank"), kinds("off")) == (
        ["withdrawal.held", "withdrawal.settled"],
        ["withdrawal.settled"],
        [],
    )
    crm, bank = told()[1], told("bank")[0]
    assert crm.id == bank.id


def test_without_an_endpoint_nothing_is_written():
    scenario.hold(reference="w-1", amount="10.00")
    assert not Delivery.objects.exists()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that postings put to the server."""
    seen: list[str] = []
    put = Session.put

    def noted(self: Session, statement: str, values: Any = ()) -> Any:
        seen.append(statement)
        return put(self, statement, values)

    monkeypatch.setattr(Session, "put", noted)
    return seen


def test_a_bet_that_brings_no_event_pays_no_statement_and_an_event_pays_one(statements: list[str]):
    endpoint()
    bonus_scenario.gift("5.00", multiplier=10)
    bonus_scenario.grant(who="alice")
    statements.clear()
    for command in (scenario.bet, scenario.win, scenario.end_round):
        assert word(command()) == "posted"
    assert word(scenario.bet(amount="1000.00", round="round-2")) == "insufficient_funds"
    assert not any("wallet_delivery" in each for each in statements)
    scenario.hold(reference="w-1", amount="1.00")
    assert sum("wallet_delivery" in each for each in statements) == 1
