"""The first page: what waits for each role, the days of the house from the sums by day, the newest rows last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from psycopg.errors import QueryCanceled

from bonus.models import Bonus
from casino_pam.backoffice import overview
from casino_pam.engine import commands
from tests import bonus_scenario, operators, scenario
from tests.scenario import DAY, eur
from tests.wallet import report_history
from wallet.admin.date_fields import today
from wallet.models import ProviderRun, ReconciliationRun


def now() -> int:
    return commands.now()


@pytest.fixture
def house(books: None) -> None:
    """Alice and Bob have played today, Alice a week ago, too; in JPY somebody has deposited."""
    scenario.catalogue()
    scenario.player("alice", "0")
    scenario.player("bob", "0")
    scenario.player("yuki", "0", currency="JPY")
    scenario.deposit("alice", amount=eur("3000.00"), at=now() - 7 * DAY)
    scenario.bet(amount="1234.50", round="r-1", at=now() - 7 * DAY)
    scenario.deposit("bob", amount=eur("100.00"), at=now())
    scenario.deposit("yuki", amount=5_000, currency="JPY", at=now())
    for number in range(2):
        scenario.bet("bob", amount="10.00", round=f"r-{number}", at=now())
    scenario.win("bob", amount="5.00", round="r-1", at=now())
    scenario.bet("alice", amount="1.00", round="r-2", at=now())
    scenario.hold("alice", "20.00", reference="h-1", at=now() - 7 * DAY)
    scenario.settle("h-1", at=now())


def front(client: Client, **query: str) -> Any:
    answer = client.get(reverse("admin:index"), query)
    assert answer.status_code == 200
    return answer


def shown(answer: Any) -> dict[str, tuple[str, str]]:
    return {each["name"]: (each["today"], each["week_ago"]) for each in answer.context.get("figures", [])}


ALL = {
    "ggr": ("16.00", "1,234.50"),
    "deposited": ("100.00", "3,000.00"),
    "paid_out": ("20.00", "0.00"),
    "players": ("2", "1"),
    "converted": ("0.00", "0.00"),
}


@pytest.mark.parametrize("refreshed", [True, False])
def test_today_stands_beside_the_same_day_of_last_week_summed_or_not(house: None, refreshed: bool):
    if refreshed:
        report_history.refreshed()
        scenario.bet("yuki", amount="1.00", currency="JPY", at=now())
    answer = front(operators.of("finance"))
    assert shown(answer) == ALL | {"players": ("3" if refreshed else "2", "1")}
    body = answer.content.decode()
    assert f"{today() - timedelta(days=7):%A} last week: 1,234.50" in body
    assert answer.context["charts"]["labels"][-1] == str(today())
    assert answer.context["charts"]["series"]["ggr"][-8:] == ["1234.50", *["0.00"] * 6, "16.00"]
    assert len(answer.context["charts"]["labels"]) == 30
    assert body.index("The last 30 days") < body.index("Newest transactions")
    yen = front(operators.of("auditor"), currency="JPY")
    assert shown(yen)["deposited"] == ("5,000", "0")
    assert shown(front(operators.of("administrator"), currency="nonsense")) == shown(answer)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("support", {"players"}),
        ("payments", {"deposited", "paid_out"}),
        ("bonus", {"converted"}),
        ("finance", set(ALL)),
        ("auditor", set(ALL)),
        ("administrator", set(ALL)),
    ],
)
def test_each_role_sees_the_days_that_are_its_business(house: None, role: str, names: set[str]):
    assert set(shown(front(operators.of(role)))) == names


def test_somebody_without_a_role_sees_none(house: None):
    assert shown(front(operators.nobody())) == {}


def cards(client: Client) -> dict[str, overview.Card]:
    return {card.title: card for card in front(client).context["waiting"]}


def run(day: Any, count: int, what: str = "amount") -> None:
    at = timezone.now()
    about = {"file": "f.csv", "started_at": at, "finished_at": at, "lines": 1, "rows": 1}
    summary = [{"what": what, "currency": "EUR", "count": count, "theirs": "1.00", "ours": "0.00"}] if count else []
    ProviderRun.objects.create(provider="acme", day=day, difference_count=count, summary=summary, **about)


def test_a_provider_s_day_waits_until_its_newest_comparison_agrees(house: None):
    client = operators.of("finance")
    first, second = today() - timedelta(days=2), today() - timedelta(days=1)
    assert cards(client)["Provider days that differ"].value == "0"
    run(first, 3)
    run(second, 2)
    run(second, 1, "other_day")
    card = cards(client)["Provider days that differ"]
    assert (card.value, card.about, card.alarm) == ("1", f"the oldest is acme of {first}", True)
    assert client.get(card.link).status_code == 200
    run(first, 0)
    card = cards(client)["Provider days that differ"]
    assert (card.value, card.alarm) == ("0", False)


def test_bonuses_that_end_soon_wait_for_whoever_may_extend_them(house: None):
    bonus_scenario.gift("5.00", multiplier=10)
    bonus_scenario.grant(who="alice", at=now())
    client = operators.of("bonus")
    assert cards(client)["Bonuses that end within 24 hours"].value == "0"
    Bonus.objects.update(expires_at=timezone.now() + timedelta(hours=23))
    card = cards(client)["Bonuses that end within 24 hours"]
    assert card.value == "1"
    listed = client.get(card.link).context["cl"].result_list
    assert [bonus.player.code for bonus in listed] == ["alice"]
    Bonus.objects.update(expires_at=timezone.now() + timedelta(days=6))
    bonuses = reverse("admin:bonus_bonus_changelist")
    assert len(client.get(bonuses, {"ends": "week"}).context["cl"].result_list) == 1
    assert len(client.get(bonuses, {"ends": "day"}).context["cl"].result_list) == 0
    assert cards(operators.of("support")) == {}


def test_withdrawals_wait_by_their_age_for_whoever_pays(house: None):
    for number, hours in enumerate((100, 90, 30, 2, 0)):
        scenario.player(f"carl-{number}", "1.00")
        at = now() - hours * 3600 * scenario.SECOND
        scenario.hold(f"carl-{number}", "1.00", reference=f"w-{number}", at=at)
    body = front(operators.of("payments")).content.decode()
    for said in ("2 over 3 days", "1 1 to 3 days", "1 1 to 24 hours", "1 under 1 hour"):
        assert said in body
    assert "over 3 days" not in front(operators.of("support")).content.decode()


def test_a_failed_reconciliation_stands_out(house: None):
    at = timezone.now()
    about = {"scope": "full", "started_at": at, "finished_at": at, "wallets": 1, "rows": 1_000_000}
    ReconciliationRun.objects.create(**about, discrepancy_count=2)
    body = front(operators.of("finance")).content.decode()
    assert "alarming" in body
    assert "1,000,000 rows checked" in body


def test_rows_that_nobody_adds_up_are_left_out_when_they_are_too_many(house: None, monkeypatch: Any):
    monkeypatch.setattr(overview, "MOST_UNSUMMED", 3)
    answer = front(operators.of("finance"))
    assert shown(answer)["ggr"] == ("0", "0")
    assert "were left out" in answer.content.decode()


def test_sums_that_take_too_long_are_said_to(house: None, monkeypatch: Any):
    def slow(*_: Any) -> Any:
        raise QueryCanceled

    monkeypatch.setattr(overview.figures, "days", slow)
    answer = front(operators.of("finance"))
    assert "took too long" in answer.content.decode()
    assert "Newest transactions" in answer.content.decode()


def test_the_days_are_added_up_once_for_everybody_and_the_page_reads_little(house: None):
    client = operators.of("administrator")
    front(client)
    with CaptureQueriesContext(connection) as captured:
        front(client)
    assert len(captured) <= 20, [query["sql"][:90] for query in captured]
    assert cache.get(f"overview:{today()}")["found"]["players"][str(today())] == 2
