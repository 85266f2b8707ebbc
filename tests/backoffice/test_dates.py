"""Days and moments by ISO 8601 and in UTC, in and out; and the spans that people ask for."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.admin import site
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import get_format

from tests import operators, scenario
from tests.backoffice import action_scenario
from wallet.admin.date_fields import presets, read_day, today
from wallet.models import Player
from wallet.time import FOR_GOOD, months_after


def test_presets_are_whole_days_of_utc():
    assert [(each.title, str(each.since), str(each.until)) for each in presets(date(2026, 3, 1))] == [
        ("today", "2026-03-01", "2026-03-01"),
        ("yesterday", "2026-02-28", "2026-02-28"),
        ("last 7 days", "2026-02-23", "2026-03-01"),
        ("last 30 days", "2026-01-31", "2026-03-01"),
        ("this month", "2026-03-01", "2026-03-01"),
        ("last month", "2026-02-01", "2026-02-28"),
    ]


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2027-08-31", 6, "2028-02-29"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2026-12-15", 60, "2031-12-15"),
        ("2026-12-31", 6, "2027-06-30"),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last_of_a_shorter_month(start: str, months: int, end: str):
    assert months_after(datetime.fromisoformat(f"{start}T13:05:00Z"), months) == datetime.fromisoformat(
        f"{end}T13:05:00Z"
    )


@pytest.mark.parametrize("text", ["20261201", "2026-W49-2", "1/12/2026", "9999-12-31", "", None, "2026-12-01 ", "x"])
def test_a_day_in_an_address_is_of_one_form(text: str | None):
    assert read_day(text) is None
    assert read_day("2026-12-01") == date(2026, 12, 1)


def test_pickers_write_what_fields_read(books: None):
    """The calendar and the clock of the admin write the first of the formats."""
    assert [get_format(f"{name}_INPUT_FORMATS")[0] for name in ("DATE", "TIME", "DATETIME")] == [
        "%Y-%m-%d",
        "%H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
    ]
    request = RequestFactory().get("/")
    body = site.i18n_javascript(request).content.decode()
    said = re.sub(r"\s", "", body)
    assert '"DATE_INPUT_FORMATS":["%Y-%m-%d"' in said
    assert '"FIRST_DAY_OF_WEEK":1' in said


@pytest.fixture
def house(books: None) -> None:
    action_scenario.furnish()


def bob() -> Player:
    return Player.objects.get(code="bob")


@pytest.mark.parametrize(
    ("span", "least", "most"),
    [("24 hours", 1, 1), ("6 months", 181, 184), ("1 year", 365, 366), ("5 years", 1_826, 1_827)],
)
def test_an_exclusion_lasts_for_the_span_that_was_chosen(house: None, span: str, least: int, most: int):
    before = timezone.now().replace(microsecond=0)
    answer = action_scenario.acted(action_scenario.olga("wallet.exclude_player"), "exclude", bob(), span=span)
    assert answer.status_code == 302, action_scenario.told(answer)
    until = bob().excluded_until
    assert until is not None
    assert before + timedelta(days=least) <= until <= timezone.now() + timedelta(days=most)


def test_an_exclusion_for_good_is_called_so_and_is_never_made_shorter(house: None):
    client = action_scenario.olga("wallet.exclude_player")
    answer = action_scenario.acted(client, "exclude", bob(), span="for good")
    assert action_scenario.told(answer) == "Excluded bob for good."
    assert bob().excluded_until == FOR_GOOD
    page = client.get(reverse("admin:wallet_player_change", args=[bob().pk])).content.decode()
    assert "excluded for good" in page
    again = action_scenario.acted(client, "exclude", bob(), span="1 year")
    assert action_scenario.told(again) == "The player is already excluded for longer, for good."


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Name the moment, or choose a span."),
        ({"span": "1 year", **action_scenario.DAY}, "Choose one of the two"),
        ({"span": "a while"}, "Select a valid choice"),
        ({"until_0": "01/12/2099", "until_1": "13:05"}, "This is no valid date. Write it as 2026-12-01."),
        ({"until_0": "2099-12-01", "until_1": "1 pm"}, "This is no valid time. Write it as 13:05."),
        ({"until_0": "2099-12-01"}, "This is no valid time."),
    ],
)
def test_an_end_that_says_nothing_changes_nothing(house: None, form: dict[str, str], said: str):
    answer = action_scenario.acted(operators.sue(), "exclude", bob(), **form)
    assert answer.status_code == 400
    assert said in action_scenario.told(answer)
    assert bob().excluded_until is None


def test_a_moment_is_read_to_the_minute_and_its_form_says_how(house: None):
    client = operators.sue()
    page = client.get(action_scenario.address("exclude", bob())).content.decode()
    assert "UTC, as in 2026-12-01 13:05." in page
    answer = action_scenario.acted(client, "exclude", bob(), until_0="2099-12-01", until_1="13:05")
    assert action_scenario.told(answer) == "Excluded bob until 2099-12-01 13:05:00 UTC."


def test_reports_and_lists_offer_the_usual_days(house: None):
    client = operators.sue()
    asked = {"since": "2026-01-01", "until": "2026-01-02", "per": "source"}
    page = client.get(reverse("backoffice:report", args=["revenue"]), asked).content.decode()
    for each in presets():
        assert f"?since={each.since}&amp;until={each.until}&amp;per=source" in page
    assert f'href="?day={today()}"' in client.get(reverse("backoffice:report", args=["trial-balance"])).content.decode()
    wallet = scenario.Wallet.objects.get(player__code="bob")
    for address in (
        reverse("admin:wallet_transaction_changelist"),
        reverse("admin:wallet_wallet_change", args=[wallet.pk]),
    ):
        assert f"?since={today()}&amp;until={today()}" in client.get(address).content.decode()
    wrong = client.get(reverse("backoffice:report", args=["revenue"]), {"since": "1.12.2026", "until": "2026-12-01"})
    assert wrong.status_code == 400
    assert "Write it as 2026-12-01." in wrong.content.decode()


def test_no_field_of_a_day_is_the_browser_s_own(house: None):
    """That one shows the day as the browser's language has it."""
    client = operators.sue()
    wallet = scenario.Wallet.objects.get(player__code="bob")
    for address in (
        reverse("admin:wallet_transaction_changelist"),
        reverse("admin:wallet_auditentry_changelist"),
        reverse("admin:wallet_wallet_change", args=[wallet.pk]),
        reverse("backoffice:report", args=["revenue"]),
        reverse("backoffice:provider_files"),
        action_scenario.address("exclude", bob()),
    ):
        page = client.get(address).content.decode()
        assert "vDateField" in page, address
        assert 'type="date"' not in page, address
        assert "DateTimeShortcuts.js" in page, address


def test_the_last_moment_of_a_day_is_of_it(house: None):
    scenario.bet("bob", reference="late", at=int(datetime.now(UTC).timestamp() * 1_000_000))
    client = operators.sue()
    wallet = scenario.Wallet.objects.get(player__code="bob")
    page = reverse("admin:wallet_wallet_change", args=[wallet.pk])
    answer = client.get(page, {"since": str(today()), "until": str(today())})
    assert [row.reference for row in answer.context["ledger_page"].rows] == ["late"]
