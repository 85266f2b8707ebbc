"""The operators' live page in a real browser: it fills, it moves, and it says when nobody answers."""

import pytest
from playwright.sync_api import Page, expect

from tests import browser_pages, game_client, operators, scenario
from tests.browser_pages import Visit


@pytest.fixture
def page(new_page: Visit, provider: game_client.Client, books: None) -> Page:
    """The live page of an auditor."""
    scenario.catalogue()
    operators.of("auditor")
    return browser_pages.log_in(new_page(), provider.port, "auditor", "/admin/office/live/")


def test_a_bet_shows_without_a_reload_and_silence_is_told(page: Page, provider: game_client.Client) -> None:
    expect(page.get_by_role("status")).to_contain_text("As of")
    expect(page.locator("#dashboard-today")).to_contain_text("Nobody has played today.")
    scenario.player("alice", "100.00")
    bet = {"player": "alice", "currency": "EUR", "round": "r", "game": "slot-1", "amount": "12.50"}
    for number in range(5):
        assert provider.post("bet", {"reference": f"b-{number}", **bet}).status == 200
    expect(page.locator("#dashboard-today")).to_contain_text("62.50")
    expect(page.locator("[data-now=rate]")).to_have_text("0.5")
    expect(page.locator("#dashboard-currency")).to_have_value("EUR")
    browser_pages.picture(page, "office-live")
    page.route("**/live/state*", lambda route: route.abort())
    expect(page.get_by_role("status")).to_contain_text("No answer since")
