"""Headless Chromium for the tests of the pages, and the web workers it visits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from casino_pam import tokens
from casino_pam.local.os_support import PROJECT

# Kept for whoever looks into a failed run; an ignored folder.
PICTURES = PROJECT / ".data" / "screenshots"

CHROMIUM = shutil.which("chromium")


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


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
