"""Limits on the player's page, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from casino_pam.engine import commands
from tests import browser_pages, game_client, scenario
from tests.browser_pages import Visit, bet, live
from tests.limit_scenario import limit
from wallet.limits import WAIT
from wallet.models import Player, WalletLimits


@pytest.fixture
def bob(visit: Visit) -> Page:
    scenario.player("bob", "100.00")
    return live(visit("bob"))


def ask(page: Page, subject: str, period: str, amount: str) -> None:
    page.get_by_role("button", name="Set a limit").click()
    dialog = page.get_by_role("dialog", name="Set a limit")
    dialog.locator("[name=subject]").select_option(subject)
    dialog.locator("[name=period]").select_option(period)
    dialog.locator("[name=amount]").fill(amount)
    dialog.get_by_role("button", name="Set it").click()


def test_a_player_sets_a_limit_and_sees_what_is_left_of_it_while_playing(
    bob: Page, provider: game_client.Client
) -> None:
    section = bob.locator("#limits-section")
    expect(section.get_by_text("You have set none.")).to_be_visible()
    ask(bob, "stake", "day", "50")
    expect(section).to_contain_text("Stakes in a day: 50.00 EUR")
    expect(section).to_contain_text("50.00 left, starts anew in")
    expect(section).to_contain_text("A limit holds for its currency")
    expect(section.get_by_text("You have set none.")).to_be_hidden()
    bet(provider, "bob", "20.00")
    expect(section).to_contain_text("30.00 left")
    browser_pages.picture(bob, "player-limits")


def test_a_higher_limit_is_asked_for_and_confirmed_a_day_later(bob: Page) -> None:
    section = bob.locator("#limits-section")
    ask(bob, "loss", "month", "50.00")
    expect(section).to_contain_text("Net loss in a month: 50.00 EUR")
    ask(bob, "loss", "month", "")
    expect(section).to_contain_text("no limit asked for, to confirm in 23 h")
    expect(section.get_by_role("button", name="Confirm")).to_be_hidden()
    asked = {"loss_month": {"amount": None, "available_at": commands.now()}}
    assert WalletLimits.objects.get().increases["loss_month"]["available_at"] <= commands.now() + WAIT
    WalletLimits.objects.update(increases=asked)
    bob.reload()
    expect(section).to_contain_text("no limit asked for, to confirm within 6 days 23 h")
    section.get_by_role("button", name="Confirm no limit for Net loss in a month").click()
    expect(section.get_by_text("You have set none.")).to_be_visible()


def test_an_amount_the_currency_does_not_have_is_told(bob: Page) -> None:
    ask(bob, "stake", "day", "5.001")
    expect(bob.locator("#notice")).to_contain_text("Write the amount like 50 or 50.00")
    bob.get_by_role("button", name="Set a limit").click()
    dialog = bob.get_by_role("dialog", name="Set a limit")
    dialog.locator("[name=amount]").fill("fifty")
    dialog.get_by_role("button", name="Set it").click()
    expect(dialog).to_be_visible()
    browser_pages.picture(bob, "player-limit-dialog")
    dialog.get_by_role("button", name="Leave it").click()
    assert not WalletLimits.objects.exclude(stake_day=None).exists()


def test_a_player_takes_a_break_and_cannot_shorten_it(bob: Page) -> None:
    for days in ("7", "1"):
        bob.get_by_role("button", name="Take a break").click()
        dialog = bob.get_by_role("dialog", name="Take a break")
        dialog.locator("[name=days]").select_option(days)
        dialog.get_by_role("button", name="Take the break").click()
        expect(bob.locator("#break")).to_contain_text("You take a break until")
    expect(bob.locator("#notice")).to_contain_text("You take a longer break already.")
    until = Player.objects.get(code="bob").excluded_until
    assert until is not None and until.timestamp() * scenario.SECOND > commands.now() + 6 * scenario.DAY
    bob.reload()
    expect(bob.locator("#break")).to_contain_text("You take a break until")


@pytest.mark.parametrize("width", [360, 1280])
def test_limits_fit_any_screen(visit: Visit, width: int) -> None:
    scenario.player("bob", "100.00")
    limit("bob", stake_day="1234567.89", loss_week="10.00", deposit_month="200.00")
    page = live(visit("bob", width=width))
    expect(page.locator("#limits li")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    browser_pages.picture(page, f"player-limits-{width}")
