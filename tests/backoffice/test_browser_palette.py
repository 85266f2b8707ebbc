"""The palette that Ctrl K opens, and what the log-in page weighs, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests import browser_pages, game_client, operators
from tests.backoffice.test_roles import house  # noqa: F401 - a fixture


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_palette_opens_anywhere_and_enter_opens_the_first_result(
    new_page: browser_pages.Visit,
    provider: game_client.Client,
    width: int,
) -> None:
    operators.sue()
    page = browser_pages.log_in(new_page(width=width), provider.port, "sue")
    # From within the search box of the overview, too.
    page.locator(".finder.wide input").click()
    palette = page.locator("#palette")
    page.keyboard.press("Control+k")
    expect(palette).to_be_visible()
    page.keyboard.type("nobody-is-called-so")
    page.keyboard.press("Enter")
    expect(palette.get_by_text("Nothing is called “nobody-is-called-so”")).to_be_visible()
    browser_pages.picture(page, f"palette-nothing-{width}")
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.type("b-1")
    expect(palette.get_by_text("alice, ")).to_be_visible()
    browser_pages.picture(page, f"palette-{width}")
    page.keyboard.press("Control+k")
    page.keyboard.type("alice")
    # At once: the result is still on its way.
    page.keyboard.press("Enter")
    page.wait_for_url("**/wallet/player/*/change/")
    expect(page.locator("h1")).to_contain_text("alice")
    expect(page.locator("h1")).not_to_contain_text("Alice")


def test_the_log_in_page_weighs_little(
    new_page: browser_pages.Visit, provider: game_client.Client, books: None
) -> None:
    page = new_page()
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto(f"http://127.0.0.1:{provider.port}/admin/login/")
    page.wait_for_load_state("networkidle")
    assert len(sizes) >= 3
    assert sum(sizes) < 300_000
