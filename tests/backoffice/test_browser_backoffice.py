"""An operator's day in a real browser: somebody is found, corrected, paid, promised something, and locked."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from bonus.models import Bonus
from casino_pam.engine import approvals, commands
from tests import browser_pages, scenario
from tests.browser_pages import Visit
from tests.scenario import eur
from wallet.models import Player


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
        expect(page.locator(".part").get_by_role("heading", name=part)).to_be_visible()
    expect(page.get_by_text("A gift for Bob")).to_be_visible()
    browser_pages.picture(page, "office-player")
    asked_at = page.locator("#withdrawals time").first
    asked_at.hover()
    expect(asked_at).to_have_attribute("title", "2026-09-21 14:13:20.000000 UTC\n2026-09-21 19:43:20 here")
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
    expect(page.get_by_text("Locked bob: no bets from now on.").first).to_be_visible()
    assert Player.objects.get(code="bob").bet_locked
    expect(page.locator(".restrictions")).to_contain_text("Bets locked by sam")
    expect(page.locator(".restrictions")).to_contain_text("Bob asked for it on the phone")
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
    fay.get_by_label("Amount").fill("-1000.00")
    expect(fay.get_by_text("This would be refused now: There is not that much money")).to_be_visible()
    fay.get_by_label("Amount").fill("60.00")
    expect(fay.get_by_text("A second operator decides about it before it is posted.")).to_be_visible()
    expect(fay.locator(".foresight")).to_contain_text(f"{(scenario.balances('bob')[0] + eur('60.00')) / 100:.2f}")
    browser_pages.picture(fay, "office-adjust-foreseen")
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
    expect(fred.locator(".foresight")).to_contain_text("After it")
    fred.get_by_label("Reason").fill("Seen on the video")
    browser_pages.picture(fred, "office-approval")
    fred.get_by_role("button", name="Approve").click()
    expect(fred.get_by_text("Approved the adjustment")).to_be_visible()
    assert scenario.balances("bob")[0] == before + eur("60.00")
    fred.goto(fred.url.split("/admin/")[0] + "/admin/office/approvals/?state=posted")
    expect(fred.get_by_text("fred has approved it")).to_be_visible()
    browser_pages.picture(fred, "office-approvals-posted")
    find(fred, "bob")
    browser_pages.picture(fred, "office-player-of-finance")


def test_what_was_approved_and_refused_says_so_for_good_and_has_no_buttons(visit: Visit) -> None:
    command = commands.Adjust(
        source="operator", player="bob", currency="EUR", reference="a-1", amount=-eur("90.00"), reason="Paid twice",
        actor="otto", at=commands.now(),
    )  # fmt: skip
    asked = approvals.adjust(command)
    fred = visit("fred", "finance", width=390, dark=True)
    fred.goto(fred.url.split("/admin/")[0] + f"/admin/office/approvals/{asked.pk}/")
    expect(fred.get_by_text("This would be refused now")).to_be_visible()
    browser_pages.picture(fred, "office-approval-foreseen-narrow")
    fred.get_by_label("Reason").fill("Do it")
    fred.get_by_role("button", name="Approve").click()
    expect(fred.get_by_text("approved, refused: insufficient funds")).to_be_visible()
    expect(fred.get_by_role("button", name="Approve")).to_have_count(0)
    browser_pages.picture(fred, "office-approval-refused-narrow")
    fred.get_by_role("link", name="The refused row").click()
    expect(fred.get_by_text("insufficient funds").first).to_be_visible()
    fred.goto(fred.url.split("/admin/")[0] + "/admin/office/approvals/?state=refused")
    browser_pages.picture(fred, "office-approvals-refused-narrow")


def test_a_withdrawal_is_settled_from_the_queue(visit: Visit) -> None:
    page = visit("pam", "payments")
    browser_pages.picture(page, "office-front")
    page.get_by_role("link", name="Withdrawals").first.click()
    expect(page.get_by_role("heading", name="1 open withdrawal")).to_be_visible()
    browser_pages.picture(page, "office-withdrawals")
    page.get_by_role("link", name="Settle").click()
    expect(page.locator(".foresight")).to_contain_text("Held")
    browser_pages.picture(page, "office-settle")
    page.get_by_role("button", name="Settle", exact=True).dblclick()
    expect(page.get_by_text("Posted SETTLE h-1").first).to_be_visible()
    assert scenario.balances("bob")[2] == 0
    browser_pages.picture(page, "office-settled")
    page.get_by_role("link", name="Withdrawals").first.click()
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    browser_pages.picture(page, "office-withdrawals-none")


def test_many_withdrawals_are_narrowed_chosen_and_released_with_one_confirmation(visit: Visit) -> None:
    scenario.deposit("bob", amount=eur("10.00"), at=commands.now())
    for number in range(3):
        scenario.hold("bob", "1.00", reference=f"more-{number}", at=commands.now())
    page = visit("pam", "payments")
    page.goto(page.url.split("/admin/")[0] + "/admin/office/withdrawals/")
    page.get_by_label("Currency").select_option("EUR")
    page.get_by_label("Amount to").fill("5.00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="3 matching withdrawals")).to_be_visible()
    browser_pages.picture(page, "office-withdrawals-narrowed")
    for name in ("more-0", "more-2"):
        page.get_by_label(f"Choose {name} of bob").check()
    page.get_by_role("button", name="Release the chosen").click()
    page.get_by_label("Why they are not paid").select_option("payment_failed")
    page.get_by_label("Reason").fill("The bank sent them back")
    browser_pages.picture(page, "office-withdrawals-confirm")
    page.get_by_role("button", name="Release withdrawals").click()
    expect(page.get_by_text("done", exact=True)).to_have_count(2)
    browser_pages.picture(page, "office-withdrawals-released")
    page.get_by_role("link", name="Next in the queue").click()
    page.get_by_role("button", name="Settle, then the next in the queue").click()
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_role("link", name="All of them").click()
    browser_pages.picture(page, "office-withdrawals-390")


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


def test_a_player_is_verified_noted_and_tagged(visit: Visit) -> None:
    for width, dark, name in ((1280, False, "sam"), (390, True, "sid")):
        page = visit(name, "support", width=width, dark=dark)
        find(page, "bob")
        for part in ("Totals", "Notes"):
            expect(page.locator(".part").get_by_role("heading", name=part)).to_be_visible()
        page.get_by_role("link", name="Set verification").click()
        wanted = "pending" if name == "sam" else "verified"
        page.get_by_label("Verification").select_option(wanted)
        page.get_by_label("Reason").fill("Passport seen, file 12")
        browser_pages.picture(page, f"office-verify-{width}")
        page.get_by_role("button", name="Set verification").click()
        expect(page.get_by_text(f"bob is {wanted} from now on.").first).to_be_visible()
        page.get_by_role("link", name="Note", exact=True).click()
        page.get_by_label("Note").fill(f"{name} called Bob, who was glad")
        page.get_by_role("button", name="Note").click()
        expect(page.locator("#notes")).to_contain_text(f"{name} called Bob, who was glad")
        page.get_by_role("link", name="Tag", exact=True).click()
        page.get_by_label("Tags").fill(f"vip of-{name}")
        page.get_by_role("button", name="Tag").click()
        expect(page.locator(".figure.main")).to_contain_text(f"of-{name}")
        browser_pages.picture(page, f"office-player-verified-{width}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert Player.objects.get(code="bob").verification == "verified"
