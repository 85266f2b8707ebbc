"""The back office in a browser, for an operator of any role."""

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from tests import bonus_scenario, browser_pages, game_client, operators, scenario
from tests.browser_pages import Visit
from tests.scenario import eur
from wallet.models import Currency


@pytest.fixture
def visit(new_page: Visit, provider: game_client.Client, books: None) -> Visit:
    """Logs an operator of a role in, in a browser of that operator's own.

    Bob has played, waits for a withdrawal, and wagers a gift; EUR adjustments above 50.00 wait.
    """
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

    def log_in(name: str, role: str, *, width: int = 1440, dark: bool = False) -> Page:
        user = User.objects.create_user(name, password=operators.PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        scheme = "dark" if dark else "light"
        page = new_page(width=width, color_scheme=scheme, timezone_id="Asia/Kolkata", locale="en-GB")
        browser_pages.log_in(page, provider.port, name)
        expect(page.get_by_text("Overview").first).to_be_visible()
        return page

    return log_in
