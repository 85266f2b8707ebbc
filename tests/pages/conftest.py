"""The player's page, opened for anybody."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests import browser_pages, game_client, scenario
from tests.browser_pages import Visit


@pytest.fixture
def visit(new_page: Visit, provider: game_client.Client, books: None) -> Visit:
    """Opens the page of a player, in a browser of that player's own."""
    scenario.catalogue()

    def open_page(player: str, *, lifetime: int = 900, **options: Any) -> Page:
        page = new_page(**options)
        page.goto(browser_pages.address(provider.port, player, lifetime=lifetime))
        return page

    return open_page
