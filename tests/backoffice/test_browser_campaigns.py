"""A campaign in a real browser: an offer is written with its example beside it, granted to many, and had by a code."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from bonus.campaign_tables import GrantList
from bonus.models import Bonus, Offer
from tests import browser_pages, game_client, scenario
from tests.browser_pages import Visit


def at(page: Page, path: str) -> None:
    page.goto(page.url.split("/admin/")[0] + path)


def test_an_offer_is_written_copied_granted_to_many_and_had_by_its_code(
    visit: Visit, provider: game_client.Client
) -> None:
    for name in ("ann", "ben", "cat"):
        scenario.player(name)
    page = visit("bea", "bonus", width=1280)
    offer = written(page)
    copy(page)
    grant_to_many(page, offer)
    # Somebody who was on no list has the code.
    enter_the_code(page, provider)
    assert Bonus.objects.filter(offer=offer, player__code="bob").count() == 1


def written(page: Page) -> Offer:
    """An offer, by the form that shows the fields of its kind alone and works its example as one types."""
    at(page, "/admin/bonus/offer/add/")
    cap = page.locator("#id_amounts\\.EUR\\.cap")
    amount = page.locator("#id_amounts\\.EUR\\.amount")
    expect(cap).to_be_visible()
    expect(amount).to_be_hidden()
    page.get_by_label("Kind").select_option("fixed")
    expect(amount).to_be_visible()
    for hidden in (cap, page.get_by_label("Percent", exact=True), page.locator("#id_percent_bp")):
        expect(hidden).to_be_hidden()
    page.locator("#id_code").fill("advent")
    page.locator("#id_name").fill("Advent")
    page.locator("#id_promo_code").fill("advent-26")
    page.locator("#id_multiplier").fill("7")
    examples = page.locator("#offer-examples")
    expect(examples).to_contain_text("Not an offer yet")
    page.get_by_label("Offered in EUR").check()
    amount.fill("4.00")
    expect(examples).to_contain_text("28.00 EUR")
    browser_pages.picture(page, "campaign-offer-form")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    offer = Offer.objects.get(code="advent")
    assert (offer.promo_code, offer.percent_bp, offer.multiplier) == ("ADVENT-26", None, 7)
    return offer


def copy(page: Page) -> None:
    page.get_by_role("link", name="Copy", exact=True).click()
    page.get_by_label("Reason").fill("for next year")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied advent as advent-2. It is closed")).to_be_visible()


def grant_to_many(page: Page, offer: Offer) -> None:
    """A list with faults grants nothing; the list without them grants each once."""
    at(page, f"/admin/bonus/offer/{offer.pk}/change/")
    browser_pages.picture(page, "campaign-offer")
    page.get_by_role("link", name="Grant to many").click()
    page.get_by_label("Players").fill("ann\nben\nnobody\nann")
    page.get_by_label("Reason").fill("the VIPs of November")
    page.get_by_role("button", name="Look at the list and grant it").click()
    expect(page.get_by_text("Nothing was granted: the list has 2 faults")).to_be_visible()
    browser_pages.picture(page, "campaign-faults")
    page.get_by_label("Players").fill("ann\nben\ncat")
    page.get_by_role("button", name="Look at the list and grant it").click()
    expect(page.get_by_text("3 of 3 lines have their answer.")).to_be_visible()
    expect(page.get_by_role("button", name="Go on")).to_have_count(0)
    browser_pages.picture(page, "campaign-list")
    assert (GrantList.objects.get().state, Bonus.objects.filter(offer=offer).count()) == ("done", 3)


def enter_the_code(page: Page, provider: game_client.Client) -> None:
    """As a player: a wrong code is refused, the right one is taken."""
    page.goto(browser_pages.address(provider.port, "bob"))
    browser_pages.live(page)
    page.get_by_role("textbox", name="Code").fill("advent-25")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("There is no such code at present.")).to_be_visible()
    page.get_by_role("textbox", name="Code").fill("advent-26")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("Code taken: Advent.")).to_be_attached()
    expect(page.get_by_role("textbox", name="Code")).to_have_value("")
    browser_pages.picture(page, "campaign-code")
