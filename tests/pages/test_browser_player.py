"""The player's page in a real browser: it moves, it is the player's own, it heals."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bonus.models import Offer
from casino_pam.engine import commands
from tests import bonus_scenario, browser_pages, game_client, scenario
from tests.browser_pages import Visit, bet, live

MINUS = "\u2212"


def amount(page: Page, name: str) -> Any:
    return page.locator(f'[data-field="{name}"]')


def test_a_bet_through_the_door_moves_the_bar_without_a_reload(visit: Visit, provider: game_client.Client) -> None:
    bonus_scenario.wagering("30.00", cash="100.00", multiplier=2)
    page = live(visit("bob"))
    page.evaluate("window.since = 'the first load'")
    bar = page.get_by_role("progressbar", name="Wagering")
    expect(bar).to_have_attribute("aria-valuenow", "0")
    expect(amount(page, "balance")).to_have_text("130.00")
    bet(provider, "bob", "15.00")
    expect(bar).to_have_attribute("aria-valuenow", "25")
    expect(bar).to_have_attribute("aria-valuetext", "25 %: 15.00 of 60.00 wagered")
    expect(amount(page, "percent")).to_have_text("25 %")
    expect(amount(page, "balance")).to_have_text("115.00")
    expect(page.locator(".fill")).to_have_css("transform", re.compile(r"matrix\(1, 0, 0, 1, -[0-9.]+, 0\)"))
    assert page.evaluate("window.since") == "the first load"
    browser_pages.picture(page, "player-wagering")


def test_the_end_of_a_bonus_is_told(visit: Visit, provider: game_client.Client) -> None:
    bonus_scenario.wagering("30.00", cash="100.00", multiplier=1)
    page = live(visit("bob"))
    expect(page.get_by_role("progressbar")).to_be_visible()
    bet(provider, "bob", "30.00")
    expect(page.get_by_role("progressbar")).to_be_hidden()
    expect(amount(page, "cash")).to_have_text("100.00")
    expect(page.locator(".ended")).to_contain_text("Bonus completed")
    expect(page.locator("#news")).to_contain_text("Bonus completed")
    expect(page.locator("#bonuses")).to_contain_text("completed")


def test_a_player_reads_what_counts_and_how_long_there_is(visit: Visit) -> None:
    weights = {"default": 10_000, "game": {"blackjack-1": 1_000}, "category": {"live": 500}}
    excluded = {"game": ["crash-rocket"]}
    bonus_scenario.gift("30.00", weights=weights, excluded=excluded, spend_days=3, eur={"max_stake": "5.00"})
    scenario.player("bob", "100.00")
    bonus_scenario.grant(at=commands.now())
    page = live(visit("bob"))
    facts = page.locator(".facts")
    expect(facts).to_contain_text("Highest stake5.00")
    expect(facts).to_contain_text("Time left2 days 23 h")
    page.get_by_text("What counts, and all the terms").click()
    table = page.get_by_role("table").first
    for row in ("Crash rocketnot playable with bonus money", "Blackjack 110 %", "All live games5 %"):
        expect(table).to_contain_text(row)
    expect(table).to_contain_text("Everything else100 %")
    expect(page.locator(".words")).to_contain_text("10 times the bonus.")
    browser_pages.picture(page, "player-terms")


def test_a_player_claims_an_offer_and_gives_it_up(visit: Visit) -> None:
    bonus_scenario.gift("5.00", name="A gift to play with")
    bonus_scenario.match(name="Welcome 100 %")
    scenario.player("bob", "100.00")
    page = live(visit("bob"))
    offers = page.locator("#offers > li")
    expect(offers).to_have_count(2)
    browser_pages.picture(page, "player-offers")
    page.get_by_role("button", name="Claim A gift to play with in EUR").click()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "0 %: 0.00 of 50.00 wagered")
    expect(amount(page, "balance")).to_have_text("105.00")
    expect(offers).to_have_count(1)
    page.get_by_role("button", name="Claim Welcome 100 % in EUR").click()
    expect(page.locator("#bonuses")).to_contain_text("starts with your deposit")
    page.get_by_role("button", name="Give up Welcome").click()
    page.get_by_role("button", name="Give it up").click()
    expect(page.locator("#bonuses")).to_contain_text("cancelled")
    page.get_by_role("button", name="Give up this bonus…").click()
    page.get_by_role("button", name="Give it up").click()
    expect(amount(page, "balance")).to_have_text("100.00")
    expect(page.get_by_role("progressbar")).to_be_hidden()
    expect(page.locator(".ended")).to_contain_text("given up")


def test_a_claim_that_is_refused_says_why(visit: Visit) -> None:
    gift = bonus_scenario.gift("5.00")
    scenario.player("bob", "100.00")
    page = live(visit("bob"))
    expect(page.locator("#offers > li")).to_have_count(1)
    Offer.objects.filter(pk=gift.pk).update(enabled=False)
    page.get_by_role("button", name="Claim A gift in EUR").click()
    expect(page.get_by_role("alert")).to_have_text("This offer is not open to you at present.")
    expect(page.get_by_role("button", name="Claim A gift in EUR")).to_be_enabled()


def test_a_bonus_queued_by_the_back_end_shows_without_a_reload(visit: Visit) -> None:
    bonus_scenario.wagering("30.00", per_player=2)
    page = live(visit("bob"))
    bonus_scenario.grant()
    expect(page.locator("#bonuses")).to_contain_text("next in line")


def test_two_players_in_two_tabs_see_only_their_own_money(visit: Visit, provider: game_client.Client) -> None:
    scenario.alice("100.00")
    scenario.bob("50.00")
    alice, bob = live(visit("alice")), live(visit("bob"))
    expect(alice.locator("#player")).to_have_text("alice")
    bet(provider, "alice", "1.00", round="of-alice")
    bet(provider, "bob", "2.00", round="of-bob")
    expect(amount(alice, "balance")).to_have_text("99.00")
    expect(amount(bob, "balance")).to_have_text("48.00")
    expect(alice.locator("#history .sum").first).to_have_text(f"{MINUS}1.00 EUR")
    expect(bob.locator("#history .sum").first).to_have_text(f"{MINUS}2.00 EUR")
    assert re.findall(r"[0-9]+\.[0-9]+", alice.locator("#wallets").inner_text()) == ["99.00", "99.00", "0.00"]
    assert re.findall(r"[0-9]+\.[0-9]+", bob.locator("#wallets").inner_text()) == ["48.00", "48.00", "0.00"]


def test_history_stands_by_round_and_grows_by_itself(visit: Visit, provider: game_client.Client) -> None:
    scenario.alice("100.00")
    page = live(visit("alice"))
    rounds = page.locator("#history > li")
    expect(rounds).to_have_count(1)
    bet(provider, "alice", "2.00")
    bet(provider, "alice", "3.00")
    scenario.win("alice", "1.00", round="r-1", game="book-of-days")
    expect(rounds).to_have_count(2)
    newest = rounds.first
    expect(newest).to_contain_text("Book of days")
    expect(newest).to_contain_text("2 bets, 1 win")
    expect(newest.locator(".sum")).to_have_text(f"{MINUS}4.00 EUR")
    newest.locator("summary").click()
    expect(newest.locator("tr")).to_have_count(3)
    bet(provider, "alice", "0.50", round="r-2")
    expect(rounds).to_have_count(3)
    expect(rounds.nth(1).locator("details")).to_have_attribute("open", "")


def test_older_history_is_there_when_asked_for(visit: Visit, provider: game_client.Client) -> None:
    scenario.alice("100.00")
    for number in range(120):
        scenario.bet("alice", "0.10", round=f"round-{number}", at=scenario.NOON + number)
    page = live(visit("alice"))
    rounds = page.locator("#history > li")
    expect(rounds).to_have_count(100)
    page.get_by_role("button", name="Show older").click()
    expect(rounds).to_have_count(121)
    expect(rounds.last).to_contain_text("Deposit")
    expect(page.get_by_role("button", name="Show older")).to_be_hidden()


def test_the_token_leaves_the_address_and_a_reload_still_knows_it(visit: Visit) -> None:
    scenario.alice("100.00")
    page = live(visit("alice"))
    assert page.url.endswith("/play")
    page.reload()
    live(page)
    expect(amount(page, "balance")).to_have_text("100.00")


def test_an_ended_session_says_so_and_shows_nothing(visit: Visit) -> None:
    scenario.alice("100.00")
    page = live(visit("alice", lifetime=4))
    expect(page.get_by_role("heading", name="Your session has ended.")).to_be_visible()
    expect(page.locator("#content")).to_be_hidden()
    expect(page.locator("#line")).to_have_text("Closed")


def test_a_page_without_a_token_says_so(visit: Visit, browser: Browser, provider: game_client.Client) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{provider.port}/play")
    expect(page.get_by_role("heading", name="Nobody is logged in here.")).to_be_visible()
    page.close()


def test_a_device_without_a_network_is_told_and_heals_by_itself(visit: Visit, provider: game_client.Client) -> None:
    scenario.alice("100.00")
    page = live(visit("alice"))
    page.context.set_offline(True)
    expect(page.locator("#line")).to_have_text("Offline")
    expect(page.get_by_role("alert")).to_contain_text("You are offline")
    bet(provider, "alice", "1.00")
    page.context.set_offline(False)
    live(page)
    expect(amount(page, "balance")).to_have_text("99.00")
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_sticks_out_on_a_small_screen(visit: Visit, width: int) -> None:
    bonus_scenario.wagering("30.00", cash="12345678.90", multiplier=100)
    scenario.bet("bob", "1234.00", round="a-round-with-a-name-that-goes-on-and-on-" + "x" * 60, game="y" * 100)
    page = live(visit("bob", width=width))
    expect(page.locator("#history > li")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    browser_pages.picture(page, f"player-{width}")


def test_the_page_can_be_worked_with_a_keyboard(visit: Visit) -> None:
    bonus_scenario.wagering("30.00", cash="100.00", multiplier=2)
    page = live(visit("bob"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    give_up = page.get_by_role("button", name="Give up this bonus…")
    for _ in range(10):
        page.keyboard.press("Tab")
        if give_up.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Give up this bonus?")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(give_up).to_be_focused()
    expect(page.get_by_role("progressbar")).to_be_visible()


def test_what_a_screen_reader_hears_is_what_matters(visit: Visit, provider: game_client.Client) -> None:
    """A milestone is news; a balance that moves twenty times a second is not."""
    bonus_scenario.wagering("30.00", cash="100.00", multiplier=2)
    page = live(visit("bob"))
    assert page.locator("[aria-live] [data-field], [aria-live][data-field]").count() == 0
    expect(page.locator("#line")).to_have_attribute("role", "status")
    bet(provider, "bob", "10.00")
    expect(amount(page, "percent")).to_have_text("16 %")
    expect(page.locator("#news")).to_be_empty()
    bet(provider, "bob", "20.00")
    expect(page.locator("#news")).to_have_text("EUR: 50 % of the wagering is done.")


def test_money_keeps_its_digits_however_large(visit: Visit) -> None:
    scenario.player("alice", "900719925474.99")
    scenario.player("alice", "12345678", currency="JPY")
    scenario.player("alice", "1234.00000001", currency="BTC")
    page = live(visit("alice"))
    balances = page.locator('[data-field="balance"]')
    expect(balances).to_have_text(["1,234.00000001", "900,719,925,474.99", "12,345,678"])
