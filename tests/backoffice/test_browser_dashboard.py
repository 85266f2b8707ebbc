"""The operators' live page in a real browser: it fills, it moves, and it says when nobody answers."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import browser_pages, game_client, operators, scenario

expect.set_options(timeout=30_000)


@pytest.fixture
def page(browser: Browser, provider: game_client.Client, books: None) -> Iterator[Page]:
    """An auditor's, logged in; the browser must find nothing to complain of."""
    scenario.catalogue()
    session = operators.of("auditor").cookies["sessionid"].value
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        host = f"http://127.0.0.1:{provider.port}"
        context.add_cookies([{"name": "sessionid", "value": session, "url": host}])
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{host}/admin/office/live/")
        yield page
    assert complaints == []


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
