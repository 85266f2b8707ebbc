"""`make pictures`: those of README.md and docs/, made anew from the demo that `make run` serves, light and dark."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from casino_pam.local.os_support import PROJECT

PICTURES = PROJECT / "docs" / "pictures"
SCHEMES = ("light", "dark")


def demo() -> dict[str, Any]:
    """Log-ins and tokens of the demo beside which this runs."""
    argv = [sys.executable, "manage.py", "demo", "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(argv, cwd=PROJECT, capture_output=True, check=True).stdout)
    return found


def views(page: Page, told: dict[str, Any]) -> Iterator[str]:
    """Opens one page after the other and gives the picture's name."""
    base, anna, sue = told["base_url"], told["players"][0], told["operators"][0]
    page.goto(f"{base}/play#token={anna['token']}")
    expect(page.locator("#line")).to_have_text("Live")
    yield "player"
    page.goto(f"{base}/admin/")
    page.locator("[name=username]").fill(sue["username"])
    page.locator("[name=password]").fill(sue["password"])
    page.locator("[type=submit]").first.click()
    page.wait_for_load_state("networkidle")
    yield "dashboard"
    page.goto(f"{base}/admin/wallet/player/?q={anna['player']}")
    page.locator("#result_list a").first.click()
    page.wait_for_load_state("networkidle")
    yield "player-in-the-back-office"


def main() -> None:
    told = demo()
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme in SCHEMES:
            page = browser.new_page(
                viewport={"width": 1280, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
            )
            for name in views(page, told):
                page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
            page.close()


if __name__ == "__main__":
    main()
