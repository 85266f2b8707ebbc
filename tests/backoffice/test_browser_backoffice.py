"""An operator's day in a real browser: somebody is found, corrected, paid, promised something, and locked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from bonus.models import Bonus
from tests import bonus_scenario, browser_pages, game_client, operators, scenario
from tests.scenario import eur
from wallet.models import Currency, Player

expect.set_options(timeout=30_000)

Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, provider: game_client.Client, books: None) -> Iterator[Visit]:
    """Logs an operator of a role in, in a browser of that operator's own, which must find nothing to complain of."""
    furnished()
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def log_in(name: str, role: str, *, width: int = 1440, dark: bool = False) -> Page:
        user = User.objects.create_user(name, password=operators.PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        scheme = "dark" if dark else "light"
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id="Asia/Kolkata", locale="en-GB"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{provider.port}/admin/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(operators.PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("Overview").first).to_be_visible()
        return page

    yield log_in
    for context in contexts:
        context.close()
    assert complaints == []


def furnished() -> None:
    """Bob has played, waits for a withdrawal, and wagers a gift; EUR adjustments above 50.00 wait."""
    scenario.catalogue()
    Currency.objects.filter(code="EUR").update(approval_above=eur("50.00"))
    scenario.bob("100.00")
    scenario.bet("bob", reference="b-1")
    scenario.win("bob", "5.00", reference="w-1")
    scenario.hold("bob", "20.00", reference="h-1")
    bonus_scenario.gift("30.00", per_player=5, name="A gift for Bob")
    bonus_scenario.grant()
    scenario.bet("bob", "80.00", reference="b-2", round="round-2")
    scenario.end_round("bob", "round-2")


def find(page: Page, term: str) -> None:
    """Type into the search box of the first page."""
    page.goto(page.url.split("/admin/")[0] + "/admin/")
    box = page.locator(".finder.wide input")
    box.fill(term)
    box.press("Enter")


def test_a_player_is_found_and_the_money_s_story_told(visit: Visit) -> None:
    page = visit("sam", "support")
    find(page, "bob")
    expect(page).to_have_url(re.compile("/wallet/player/"))
    for part in ("Open withdrawals", "Bonuses", "What happened lately"):
        expect(page.get_by_role("heading", name=part)).to_be_visible()
    expect(page.get_by_text("A gift for Bob")).to_be_visible()
    browser_pages.picture(page, "office-player")
    asked_at = page.locator("#withdrawals time").first
    asked_at.hover()
    expect(asked_at).to_have_attribute("title", re.compile("14:13:20.000000 UTC\n21/09/2026, 19:43:20 here"))
    page.get_by_role("link", name="round-2").first.click()
    expect(page.get_by_role("heading", name="How it was split")).to_be_visible()
    expect(page.get_by_text("closed", exact=True)).to_be_visible()
    browser_pages.picture(page, "office-round")
    page.get_by_role("link", name="the statement").click()
    expect(page.get_by_role("heading", name="Statement")).to_be_visible()
    browser_pages.picture(page, "office-wallet")
    page.locator(".ledger").last.get_by_role("link", name="2", exact=True).click()
    expect(page.get_by_role("heading", name="Before and after it in the wallet")).to_be_visible()
    browser_pages.picture(page, "office-transaction")
    find(page, "bob")
    page.get_by_role("link", name="Lock", exact=True).click()
    page.get_by_label("bets").check()
    page.get_by_label("Reason").fill("Bob asked for it on the phone")
    browser_pages.picture(page, "office-lock")
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_text("Locked bob: no bets from now on.")).to_be_visible()
    assert Player.objects.get(code="bob").bet_locked
    browser_pages.picture(page, "office-locked")
    expect(page.get_by_role("link", name="Adjust")).to_have_count(0)


def test_a_large_adjustment_is_asked_by_one_and_approved_by_another(visit: Visit) -> None:
    fay = visit("fay", "finance")
    find(fay, "bob")
    fay.get_by_role("link", name="Adjust").click()
    fay.get_by_label("Amount").fill("a lot")
    fay.get_by_label("Reason").fill("The wheel stuck on 21 November")
    fay.get_by_role("button", name="Adjust").click()
    expect(fay.get_by_text("Apart from a minus it must be a plain decimal number")).to_be_visible()
    browser_pages.picture(fay, "office-adjust-wrong")
    fay.get_by_label("Amount").fill("60.00")
    fay.get_by_role("button", name="Adjust").click()
    expect(fay.get_by_text("a second operator decides about it").first).to_be_visible()
    before = scenario.balances("bob")[0]
    fay.goto(fay.url.split("/admin/")[0] + "/admin/office/approvals/")
    fay.get_by_role("link", name="Look", exact=True).click()
    expect(fay.get_by_text("You asked for this yourself")).to_be_visible()
    fred = visit("fred", "finance")
    fred.goto(fred.url.split("/admin/")[0] + "/admin/office/approvals/")
    browser_pages.picture(fred, "office-approvals")
    fred.get_by_role("link", name="Decide", exact=True).click()
    fred.get_by_label("Reason").fill("Seen on the video")
    browser_pages.picture(fred, "office-approval")
    fred.get_by_role("button", name="Approve").click()
    expect(fred.get_by_text("Approved the adjustment")).to_be_visible()
    assert scenario.balances("bob")[0] == before + eur("60.00")
    find(fred, "bob")
    browser_pages.picture(fred, "office-player-of-finance")


def test_a_withdrawal_is_settled_from_the_queue(visit: Visit) -> None:
    page = visit("pam", "payments")
    browser_pages.picture(page, "office-front")
    page.get_by_role("link", name="Withdrawals").first.click()
    expect(page.get_by_role("heading", name="1 open withdrawal")).to_be_visible()
    browser_pages.picture(page, "office-withdrawals")
    page.get_by_role("link", name="Settle").click()
    browser_pages.picture(page, "office-settle")
    page.get_by_role("button", name="Settle").dblclick()
    expect(page.get_by_text("Posted SETTLE h-1").first).to_be_visible()
    assert scenario.balances("bob")[2] == 0
    browser_pages.picture(page, "office-settled")
    page.get_by_role("link", name="Withdrawals").first.click()
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    browser_pages.picture(page, "office-withdrawals-none")


def test_a_bonus_is_granted_and_forfeited(visit: Visit) -> None:
    page = visit("ben", "bonus", dark=True)
    find(page, "bob")
    page.get_by_role("link", name="Grant a bonus").click()
    page.get_by_label("Offer").select_option("gift")
    browser_pages.picture(page, "office-grant")
    page.get_by_role("button", name="Grant a bonus").click()
    expect(page.get_by_text("Granted gift to bob").first).to_be_visible()
    assert list(Bonus.objects.order_by("id").values_list("status", flat=True)) == ["active", "queued"]
    browser_pages.picture(page, "office-granted")
    page.get_by_role("link", name="A gift for Bob").first.click()
    browser_pages.picture(page, "office-bonus")
    page.get_by_role("link", name="Forfeit").click()
    page.get_by_label("Reason").fill("Granted by mistake")
    browser_pages.picture(page, "office-forfeit")
    page.get_by_role("button", name="Forfeit").click()
    expect(page.get_by_text("Forfeited gift of bob").first).to_be_visible()
    assert list(Bonus.objects.order_by("id").values_list("status", flat=True)) == ["active", "cancelled"]


def test_the_extension_of_a_bonus_offers_a_calendar(visit: Visit) -> None:
    page = visit("ben", "bonus", width=420)
    find(page, "bob")
    browser_pages.picture(page, "office-player-narrow")
    page.get_by_role("link", name="A gift for Bob").first.click()
    page.get_by_role("link", name="Extend").click()
    page.locator("[name=until_0]").fill("2099-01-01")
    page.locator("[name=until_1]").fill("12:00:00")
    page.get_by_label("Reason").fill("Bob was in hospital")
    browser_pages.picture(page, "office-extend-narrow")
    page.get_by_role("button", name="Extend").click()
    expect(page.get_by_text("now runs until 2099-01-01 12:00:00 UTC").first).to_be_visible()
