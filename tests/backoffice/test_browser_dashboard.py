"""The operators' live page in a real browser: it fills, it moves, and it says when nobody answers."""

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests import browser_pages, game_client, operators, scenario
from tests.browser_pages import Visit, bet


@pytest.fixture
def page(new_page: Visit, provider: game_client.Client, books: None) -> Page:
    """The live page of an auditor."""
    scenario.catalogue()
    operators.of("auditor")
    return browser_pages.log_in(new_page(), provider.port, "auditor", "/admin/office/live/")


def test_a_bet_shows_without_a_reload_and_silence_is_told(page: Page, provider: game_client.Client) -> None:
    sockets: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        route.connect_to_server()
        sockets.append(route)

    page.route_web_socket("**/ws/dashboard/", through)
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("As of")
    expect(page.locator("#dashboard-today")).to_contain_text("Nobody has played today.")
    # From now on the page hears of everything over its socket, or not at all.
    page.route("**/live/state*", lambda route: route.abort())
    scenario.player("alice", "100.00")
    for _ in range(5):
        bet(provider, "alice", "12.50")
    expect(page.locator("#dashboard-today")).to_contain_text("62.50")
    expect(page.locator("[data-now=rate]")).to_have_text("0.5")
    expect(page.locator("#dashboard-currency")).to_have_value("EUR")
    browser_pages.picture(page, "office-live")
    page.route_web_socket("**/ws/dashboard/", lambda route: None)
    sockets[-1].close()
    expect(page.get_by_role("status")).to_contain_text("No answer since")


def test_a_page_without_a_socket_asks_for_itself(page: Page, provider: game_client.Client) -> None:
    page.route_web_socket("**/ws/dashboard/", lambda route: route.close())
    page.reload()
    expect(page.locator("#dashboard-today")).to_contain_text("Nobody has played today.")
    scenario.player("alice", "100.00")
    bet(provider, "alice", "12.50")
    expect(page.locator("#dashboard-today")).to_contain_text("12.50")
