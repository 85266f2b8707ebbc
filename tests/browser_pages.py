"""Headless Chromium for the tests of the pages, and the web workers it visits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from casino_pam import tokens
from casino_pam.local.os_support import PROJECT
from tests import game_client, operators, scenario

# Kept for whoever looks into a failed run; an ignored folder.
PICTURES = PROJECT / ".data" / "screenshots"

CHROMIUM = shutil.which("chromium")

# For a machine that has much to do.
expect.set_options(timeout=60_000)

Visit = Callable[..., Page]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Skips, loudly, only where there is none."""
    if CHROMIUM is None:
        pytest.skip("THERE IS NO CHROMIUM HERE, SO NO PAGE WAS TESTED: apt-get install chromium")
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        # Playwright runs a loop in this thread; the tests use the database beside it, not in it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def pages(browser: Browser) -> Iterator[Visit]:
    """Opens pages, each in a browser of its own, which must find nothing to complain of until the end of the block."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # That a request failed is for the page to say, and for the test to expect.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def opened(*, width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(f"{error} {error.stack} {page.url}"))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def collected(folder: Path) -> str:
    """The static files as a server serves them; returns STATIC_ROOT."""
    environment = {**os.environ, "STATIC_ROOT": str(folder)}
    argv = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
    subprocess.run(argv, cwd=PROJECT, env=environment, check=True)
    return str(folder)


def address(port: int, player: str, *, lifetime: int = tokens.LIFETIME_SECONDS) -> str:
    """Where the player's page opens."""
    text, _ = tokens.issue(player, time.time() - tokens.LIFETIME_SECONDS + lifetime)
    return f"http://127.0.0.1:{port}/play#token={text}"


def live(page: Page) -> Page:
    """A player's page, once its socket is open."""
    expect(page.locator("#line")).to_have_text("Live")
    return page


def bet(provider: game_client.Client, player: str, amount: str, **fields: str) -> None:
    """A bet through the game door, by a provider that has not called for a while."""
    body = {"player": player, "currency": "EUR", "round": "r-1", "game": "book-of-days", "amount": amount, **fields}
    # A browser takes its time; the server may have closed the connection of the bet before.
    provider.connection.close()
    assert provider.post("bet", {"reference": scenario.fresh(), **body}).status == 200


def log_in(page: Page, port: int, name: str, path: str = "/admin/") -> Page:
    """An operator's way in, through the form, to a page of the back office."""
    page.goto(f"http://127.0.0.1:{port}/admin/login/?next={path}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(operators.PASSWORD)
    page.get_by_role("button", name="Log in").click()
    return page


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
