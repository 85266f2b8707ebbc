"""The first page, the pickers of days, the lists and a printed statement in a real browser, far from UTC."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from casino_pam.engine import commands
from tests import browser_pages, scenario
from tests.browser_pages import Visit
from tests.scenario import eur
from wallet.admin.date_fields import today
from wallet.models import Player, Wallet


def go(page: Page, path: str) -> None:
    page.goto(page.url.split("/admin/")[0] + path)


def fits(page: Page) -> bool:
    """Whether nothing sticks out of the page to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_days_are_picked_as_they_are_written_and_times_by_the_hour(visit: Visit) -> None:
    page = visit("ada", "administrator")
    go(page, "/admin/wallet/transaction/")
    page.locator(".choices .datetimeshortcuts").first.get_by_role("link").last.click()
    page.locator(".calendarbox").first.get_by_text("Today").click()
    expect(page.locator("[name=since]")).to_have_value(str(today()))
    page.locator("[name=kind]").select_option("DEPOSIT")
    browser_pages.picture(page, "office-transactions-narrowed")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".ledger tbody tr")).to_have_count(0)
    page.get_by_role("link", name="All rows").click()
    expect(page.locator(".ledger tbody tr").first).to_be_visible()
    bob = Player.objects.get(code="bob")
    go(page, f"/admin/office/player/{bob.pk}/exclude/")
    expect(page.get_by_text("UTC, as in 2026-12-01 13:05.")).to_be_visible()
    page.locator(".datetimeshortcuts").last.get_by_role("link").last.click()
    expect(page.locator(".clockbox").get_by_text("06:00", exact=True)).to_be_visible()
    expect(page.locator(".clockbox").get_by_text("6 a.m.")).to_have_count(0)
    page.locator(".clockbox").get_by_text("18:00", exact=True).click()
    expect(page.locator("[name=until_1]")).to_have_value("18:00:00")
    page.locator("[name=until_1]").fill("")
    page.get_by_label("For").select_option("for good")
    page.get_by_label("Reason").fill("Bob asked for it")
    browser_pages.picture(page, "office-exclude")
    page.get_by_role("button", name="Exclude").click()
    expect(page.get_by_text("Excluded bob for good.").first).to_be_visible()
    go(page, "/admin/office/reports/revenue/")
    page.get_by_role("link", name="Last month").click()
    expect(page).to_have_url(re.compile(r"since=\d{4}-\d\d-01&until=\d{4}-\d\d-\d\d&per=day"))
    browser_pages.picture(page, "office-report-presets")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_the_first_page_and_the_lists_fit(visit: Visit, width: int, dark: bool) -> None:
    for ago in range(20):
        scenario.player(f"p-{ago}")
        at = commands.now() - (19 - ago) * scenario.DAY
        scenario.deposit(f"p-{ago}", amount=eur("1500.00") - ago * 4_000, at=at)
        scenario.bet(f"p-{ago}", amount=f"{100 + 37 * (ago % 5)}.00", round="r-1", at=at)
    page = visit("fay", "finance", width=width, dark=dark)
    name = f"{width}-{'dark' if dark else 'light'}"
    expect(page.get_by_role("heading", name="The last 30 days")).to_be_visible()
    expect(page.locator("canvas[data-figure]")).to_have_count(5)
    assert page.evaluate("document.querySelectorAll('canvas[data-figure]')[0].toDataURL().length") > 2_000
    browser_pages.picture(page, f"office-overview-{name}")
    assert fits(page)
    wallet = Wallet.objects.get(player__code="bob")
    for path, picture in (
        ("/admin/wallet/transaction/?kind=BET", "transactions"),
        ("/admin/wallet/player/?balance=1.00+EUR", "players"),
        (f"/admin/wallet/wallet/{wallet.pk}/change/", "statement"),
        ("/admin/office/reports/revenue/", "report"),
    ):
        go(page, path)
        browser_pages.picture(page, f"office-{picture}-{name}")
        assert fits(page), path
    page.goto(page.url.split("/admin/")[0] + f"/admin/office/wallet/{wallet.pk}/statement/")
    expect(page.get_by_role("heading", name="Statement of bob, EUR")).to_be_visible()
    browser_pages.picture(page, f"office-print-{name}")
