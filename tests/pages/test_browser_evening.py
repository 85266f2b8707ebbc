"""A player's evening on the page, from the first lost round to the look at the clock, in a real browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bonus.models import Bonus
from casino_pam.engine import commands
from tests import bonus_scenario, browser_pages, game_client, scenario
from tests.browser_pages import Visit, bet, live
from tests.limit_scenario import limit
from wallet.models import Game, LimitChange, Player, Provider

MINUS = "\u2212"
DAY = scenario.DAY


def past() -> int:
    """An instant of the month before the last one, microseconds since 1970."""
    first = datetime.now(UTC).replace(day=1, hour=12)
    return int(((first - timedelta(days=1)).replace(day=1) - timedelta(days=10)).timestamp()) * scenario.SECOND


def an_evening(provider: game_client.Client) -> None:
    """Bob won and lost, withdrew, had eleven bonuses, and has one that waits for him to be verified."""
    scenario.player("bob")
    scenario.deposit("bob", amount=scenario.eur("200.00"), at=past() - DAY)
    scenario.bet("bob", "3.00", round="long-ago", game="old-slot", at=past())
    for number in range(11):
        bonus_scenario.gift("1.00", code=f"gift-{number}", name=f"Gift number {number}", multiplier=10)
        bonus = bonus_scenario.grant(f"gift-{number}", at=commands.now()).bonus
        bonus_scenario.forfeit(bonus.id, at=commands.now())
    for reference, amount in (("paid", "25.00"), ("back", "5.00")):
        scenario.hold("bob", amount, reference=reference, at=commands.now())
    scenario.settle("paid", "bob", at=commands.now())
    scenario.release("back", "bob", at=commands.now())
    scenario.hold("bob", "9000.00", reference="too-much", at=commands.now())
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-a", name="The Ace of Slots")
    scenario.bet("bob", "10.00", round="r-lost", game="slot-a", ends_round=True, at=commands.now())
    scenario.bet("bob", "2.00", round="r-won", game="slot-b", at=commands.now())
    scenario.win("bob", "7.50", round="r-won", game="slot-b", at=commands.now())
    scenario.bet("bob", "4.00", round="r-before", game="slot-c", at=commands.now())
    bet(provider, "bob", "1.00", round="r-open", game="slot-c")
    # Wagered in full, and set aside.
    bonus_scenario.gift("20.00", code="reload", name="Reload 100 %", multiplier=0)
    bonus_scenario.grant("reload", at=commands.now())


def outcome(page: Page, game: str) -> Any:
    return page.locator("#history > li").filter(has_text=game)


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["1280-light", "390-dark"])
def bob(request: pytest.FixtureRequest, visit: Visit, provider: game_client.Client, settings: Any) -> Page:
    settings.VERIFIED_BEFORE = {"verified_conversion"}
    an_evening(provider)
    width, scheme = request.param
    return live(visit("bob", width=width, color_scheme=scheme))


def test_an_evening_reads_as_it_was(bob: Page, provider: game_client.Client) -> None:
    page = bob
    scheme = f"{page.viewport_size['width']}"  # type: ignore[index]
    # A lost round reads as lost, one that is open does not; withdrawals tell their amounts.
    expect(outcome(page, "The Ace of Slots")).to_contain_text("Lost")
    expect(outcome(page, "The Ace of Slots").locator(".sum")).to_have_text(f"{MINUS}10.00 EUR")
    expect(outcome(page, "Slot b")).to_contain_text("Won")
    expect(outcome(page, "Slot c").first).to_contain_text("In play")
    expect(outcome(page, "Slot c").last).to_contain_text("Lost")
    expect(outcome(page, "Withdrawal paid out").locator(".sum")).to_have_text("25.00 EUR")
    expect(outcome(page, "Withdrawal returned").locator(".sum")).to_have_text("+5.00 EUR")
    expect(outcome(page, "Withdrawal asked for refused")).to_contain_text("9,000.00 EUR")
    # A bonus that waits says for what; all others are there with their names and terms, ten at a time.
    wallet = page.locator("#wallets")
    expect(wallet).to_contain_text("Reload 100 %")
    expect(wallet).to_contain_text("becomes cash when the casino has verified you")
    expect(wallet.locator(".facts")).to_be_hidden()
    bonuses = page.locator("#bonuses > li")
    expect(bonuses).to_have_count(10)
    page.get_by_role("button", name="Show older bonuses").click()
    expect(bonuses).to_have_count(11)
    expect(page.get_by_role("button", name="Show older bonuses")).to_be_hidden()
    expect(bonuses.last).to_contain_text("Gift number 0")
    bonuses.last.get_by_text("Terms").click()
    expect(bonuses.last).to_contain_text("10 times the bonus.")
    browser_pages.picture(page, f"evening-{scheme}")
    # History goes back a year and more, a month at a time.
    months = page.get_by_label("Show", exact=True)
    expect(months.locator("option")).to_have_count(14)
    months.select_option(index=3)
    expect(page.locator("#history > li")).to_have_count(2)
    expect(outcome(page, "Old slot")).to_contain_text("Lost")
    months.select_option(index=13)
    expect(page.get_by_text("Nothing happened in this month.")).to_be_visible()
    months.select_option(index=0)
    expect(outcome(page, "The Ace of Slots")).to_be_visible()
    # The log of the player's own limits grows with what is done.
    page.get_by_text("How your limits have changed").click()
    expect(page.get_by_text("They have not changed yet.")).to_be_visible()
    limit("bob", stake_day="50.00")
    page.get_by_role("button", name="Set a limit").click()
    dialog = page.get_by_role("dialog", name="Set a limit")
    dialog.locator("[name=subject]").select_option("loss")
    dialog.locator("[name=amount]").fill("20")
    dialog.get_by_role("button", name="Set it").click()
    log = page.locator("#limit-changes > li")
    expect(log.first).to_contain_text("Net loss in a day: no limit became 20.00 EUR")
    expect(log.first).to_contain_text("by you")
    assert LimitChange.objects.filter(wallet__player__code="bob", limit="loss_day").exists()
    # Once verified the bonus is cash.
    browser_pages.picture(page, f"evening-log-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert Bonus.objects.filter(unverified_since__isnull=False).count() == 1


def every(page: Page, minutes: str) -> None:
    """Chooses, and waits for the answer: a clock that leaps meanwhile would end the page's patience with it."""
    with page.expect_response(lambda answer: answer.request.method == "PUT") as answered:
        page.get_by_label("Tell me how long I have been here every").select_option(minutes)
    answered.value.finished()


def test_an_answer_that_was_cut_on_its_way_changes_nothing_on_the_page(visit: Visit) -> None:
    scenario.player("bob", "100.00")
    page = live(visit("bob"))
    choice = page.get_by_label("Tell me how long I have been here every")
    expect(choice).to_have_value("60")
    page.route("**/me/reality-check", lambda route: route.fulfill(status=200, body='{"minutes": 10, "shor'))
    every(page, "10 minutes")
    expect(choice).to_have_value("60")
    page.unroute("**/me/reality-check")
    every(page, "20 minutes")
    expect(choice).to_have_value("20")


def test_the_page_tells_time_and_result_as_often_as_the_player_wants(
    visit: Visit, new_page: Visit, provider: game_client.Client
) -> None:
    scenario.player("bob", "100.00")
    page = new_page(width=390, color_scheme="dark")
    page.clock.install()
    page.goto(browser_pages.address(provider.port, "bob"))
    live(page)
    every(page, "10 minutes")
    bet(provider, "bob", "12.50", round="r-1")
    scenario.win("bob", "7.50", round="r-1", game="book-of-days", at=commands.now())
    page.clock.fast_forward("09:30")
    check = page.get_by_role("alertdialog", name="Time for a look at the clock")
    expect(check).to_be_hidden()
    page.clock.fast_forward("00:45")
    expect(check).to_be_visible()
    expect(check).to_contain_text("You have been here for 10 minutes.")
    expect(check).to_contain_text(f"Your result: {MINUS}5.00 EUR. You staked 12.50 and won 7.50.")
    expect(check.get_by_role("button", name="Go on")).to_be_focused()
    browser_pages.picture(page, "evening-reality")
    page.keyboard.press("Escape")
    expect(check).to_be_hidden()
    assert Player.objects.get(code="bob").reality_check_minutes == 10
    # It comes again after as long, for the whole session, a reload or not.
    page.reload()
    live(page)
    expect(page.get_by_label("Tell me how long")).to_have_value("10")
    page.clock.fast_forward("21:00")
    expect(check).to_contain_text(re.compile("You have been here for [23][0-9] minutes."))
    check.get_by_role("button", name="Take a break").click()
    expect(page.get_by_role("dialog", name="Take a break")).to_be_visible()
