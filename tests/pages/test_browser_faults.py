"""Redis, PostgreSQL and the web workers go away under an open page, which says so and heals by itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import browser_pages
from tests.running_system import RunningSystem, eventually, running


@pytest.fixture(scope="module")
def house(static_root: str) -> Iterator[RunningSystem]:
    with running("alice", STATIC_ROOT=static_root) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, house: RunningSystem) -> Iterator[Page]:
    """Alice's page, live."""
    opened = browser.new_page()
    opened.goto(f"http://127.0.0.1:{house.port}/play#token={house.token('alice')}")
    expect(opened.locator("#line")).to_have_text("Live")
    yield opened
    opened.close()


def shows_the_truth(page: Page, house: RunningSystem) -> None:
    expect(page.locator("#line")).to_have_text("Live")
    expect(page.locator('[data-field="cash"]')).to_have_text(house.cash("alice"))


def test_a_restart_of_the_web_workers(page: Page, house: RunningSystem) -> None:
    house.close()
    expect(page.locator("#line")).to_have_text("Reconnecting")
    browser_pages.picture(page, "player-reconnecting")
    house.open()
    assert house.bet("alice") == 200
    shows_the_truth(page, house)


def test_a_restart_of_redis(page: Page, house: RunningSystem) -> None:
    house.valkey.kill()
    assert house.bet("alice") == 200
    house.valkey.start()
    shows_the_truth(page, house)
    assert house.bet("alice") == 200
    shows_the_truth(page, house)


def test_a_restart_of_postgresql(page: Page, house: RunningSystem) -> None:
    house.postgresql.kill()
    assert house.bet("alice") == 503
    house.postgresql.start()
    eventually(lambda: house.bet("alice") == 200, "a bet after PostgreSQL is back")
    shows_the_truth(page, house)


def test_a_page_opened_while_redis_is_away_shows_the_wallet_and_goes_live_later(
    browser: Browser, house: RunningSystem
) -> None:
    house.valkey.kill()
    with browser.new_page() as page:
        page.goto(f"http://127.0.0.1:{house.port}/play#token={house.token('alice')}")
        expect(page.locator('[data-field="cash"]')).to_have_text(house.cash("alice"))
        expect(page.locator("#line")).to_have_text("Reconnecting")
        house.valkey.start()
        shows_the_truth(page, house)
