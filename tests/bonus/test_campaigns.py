"""What became of each offer by day: every step once, whenever it was committed; what drifts is named, not mended."""

from __future__ import annotations

import io
from datetime import date

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bonus import campaigns, costs
from bonus.campaign_tables import OfferDay, OfferStep
from bonus.campaigns import Campaign
from bonus.models import Bonus, Offer
from tests import bonus_scenario, operators, scenario
from tests.threads import threads
from tests.wallet import report_history
from tests.wallet.report_history import DAYS, FIRST, LAST, at
from wallet.reports import sums
from wallet.reports.sums import snapshot

FIGURES = ("granted", "activated", "completed", "depleted", "expired", "forfeited", "cancelled", "earned", "cost")


def campaign() -> None:
    """Four days of an offer: six players, and every end that a bonus can come to."""
    scenario.catalogue()
    bonus_scenario.gift("10.00", multiplier=1, spend_order="bonus_first", claim_days=1, spend_days=2)
    for name in ("ann", "ben", "cat", "dan", "eve", "fay"):
        scenario.player(name)
        bonus_scenario.grant(who=name, at=at(FIRST))
    bonus_scenario.match(code="welcome", claim_days=1)
    bonus_scenario.claim("welcome", "fay", at=at(FIRST, 13))
    # Ann completes on the next day, and a win of 4.00 more than the stake is converted with the rest.
    scenario.bet("ann", "6.00", reference="ann-1", round="ann-1", at=at(DAYS[1]))
    scenario.win("ann", "10.00", round="ann-1", at=at(DAYS[1], 13))
    scenario.bet("ann", "4.00", reference="ann-2", round="ann-2", at=at(DAYS[1], 14))
    # Ben's bet is taken back, Cat gives hers up; for the others it runs out, and so does Fay's claim.
    scenario.bet("ben", "9.00", reference="ben-1", round="ben-1", at=at(DAYS[1]))
    scenario.rollback("ben-1", "ben", at=at(DAYS[2]))
    bonus_scenario.forfeit(str(bonus_scenario.the(who="cat").id), "cat", at=report_history.last_moment(DAYS[1]))
    bonus_scenario.run_due("dan", at=at(DAYS[2], 13))
    bonus_scenario.run_due("fay", at=at(DAYS[2], 14))


@pytest.fixture
def house(books: None) -> None:
    campaign()


def figures(*, daily: bool = True) -> dict[tuple[date | None, str], dict[str, int]]:
    """What the report says, without its zeros."""
    with snapshot() as own:
        found = list(campaigns.campaigns(own, FIRST, LAST, daily=daily))
    return {(each.day, each.offer): said(each) for each in found}


def said(each: Campaign) -> dict[str, int]:
    told = {name: getattr(each, name) for name in (*FIGURES, "counted")}
    return {name: value for name, value in told.items() if value}


EXPECTED: dict[tuple[date | None, str], dict[str, int]] = {
    (FIRST, "gift"): {"granted": 6, "activated": 6, "earned": 1},
    (FIRST, "welcome"): {"granted": 1},
    (DAYS[1], "gift"): {"completed": 1, "forfeited": 1, "cost": 1000, "counted": 1900},
    (DAYS[2], "gift"): {"expired": 3, "counted": -900},
    (DAYS[2], "welcome"): {"expired": 1},
}


def test_a_report_tells_every_step_on_its_day_whether_or_not_it_was_refreshed(house: None) -> None:
    assert figures() == EXPECTED
    for _ in range(2):
        report_history.refreshed()
        assert figures() == EXPECTED
        assert list(sums.drifted()) == []
    assert not OfferStep.objects.exists()
    assert sum(OfferDay.objects.values_list("granted", flat=True)) == Bonus.objects.count()
    bonus_scenario.run_due("eve", at=at(DAYS[3]))
    assert figures()[DAYS[3], "gift"] == {"expired": 1}
    assert figures(daily=False)[None, "gift"]["earned"] == 1


def test_the_cost_of_all_offers_is_what_the_report_of_bonuses_says(books: None) -> None:
    report_history.history()
    for _ in range(2):
        with snapshot() as own:
            mine = sum(each.cost for each in campaigns.campaigns(own, FIRST, LAST))
            theirs = sum(each.converted for each in costs.costs(own, FIRST, LAST))
        assert mine == theirs == 500
        report_history.refreshed()


def test_a_step_that_is_committed_late_is_counted_later_and_once(house: None) -> None:
    """Its day says nothing of when it is committed, and no refresh waits for it."""
    offer = Offer.objects.get(code="gift").pk
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(
            "INSERT INTO bonus_offerstep (bonus, step, offer, currency, day) VALUES (gen_random_uuid(), 'granted', %s,"
            " 'EUR', %s)",
            [offer, FIRST],
        )
        report_history.refreshed()
        assert figures() == EXPECTED
        other.commit()
    assert figures()[FIRST, "gift"]["granted"] == 7
    scenario.deposit("ann", amount=1, at=at(LAST))
    report_history.refreshed()
    assert figures()[FIRST, "gift"]["granted"] == 7
    assert [str(each) for each in sums.drifted()] == [f"{FIRST} gift EUR: granted is kept as 7, the ledger makes it 6"]


def test_refreshes_at_a_time_count_nothing_twice(house: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "STRIDE", 3)
    bound = report_history.next_moment()
    threads([lambda: report_history.refreshed(bound)] * 4)
    assert figures() == EXPECTED
    assert list(sums.drifted()) == []


def command(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("refresh_reports", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_the_one_check_names_what_drifted_and_only_a_rebuild_mends_it(house: None) -> None:
    report_history.refreshed()
    gift = OfferDay.objects.filter(offer__code="gift")
    gift.filter(day=FIRST).update(granted=5, earned=0)
    gift.filter(day=DAYS[1]).update(cost=999, wagered=0)
    scenario.deposit("ann", amount=1, at=at(LAST))
    report_history.refreshed()
    code, text = command("--check")
    assert (code, text.splitlines()[:-1]) == (
        1,
        [
            f"{FIRST} gift EUR: granted is kept as 5, the ledger makes it 6",
            f"{FIRST} gift EUR: earned is kept as 0, the ledger makes it 1",
            f"{DAYS[1]} gift EUR: cost is kept as 999, the ledger makes it 1000",
            f"{DAYS[1]} gift EUR: wagered is kept as 0, the ledger makes it 19000000",
        ],
    )
    for day in (FIRST, DAYS[1]):
        assert command("--rebuild", str(day))[0] == 0
    assert command("--check") == (0, "Every sum is what the ledger makes it.\n")
    assert figures() == EXPECTED


def test_a_rebuild_counts_what_no_refresh_has_counted_and_leaves_nothing_to_count_again(house: None) -> None:
    report_history.refreshed()
    bonus_scenario.run_due("eve", at=at(LAST))
    sums.rebuild(LAST)
    assert figures()[LAST, "gift"] == {"expired": 1}
    scenario.deposit("ann", amount=1, at=at(LAST))
    report_history.refreshed()
    assert figures()[LAST, "gift"] == {"expired": 1}
    assert list(sums.drifted()) == []


def test_what_nothing_was_noted_of_is_named(house: None) -> None:
    OfferStep.objects.filter(step="expired").delete()
    assert {str(each).partition(":")[2] for each in sums.drifted()} == {
        f" expired is kept as 0, the ledger makes it {count}" for count in (1, 3)
    }


def test_a_bet_s_progress_is_no_step(books: None) -> None:
    scenario.catalogue()
    bonus_scenario.wagering("30.00")
    OfferStep.objects.all().delete()
    scenario.bet("bob", "1.00")
    assert not OfferStep.objects.exists()


def test_the_page_of_an_offer_shows_its_campaign_and_reads_no_ledger(house: None) -> None:
    page = reverse("admin:bonus_offer_change", args=[Offer.objects.get(code="gift").pk])
    client = operators.sue()
    assert "Figures stand here once" in client.get(page).content.decode()
    report_history.refreshed()
    with CaptureQueriesContext(connection) as queries:
        shown = client.get(page).content.decode()
    assert len(queries) <= 20
    assert not [query for query in queries if "wallet_transaction" in query["sql"]]
    assert "16.66 %" in shown and "10.00" in shown
