"""Every page there is, in one browser: what axe finds against WCAG 2.2 A and AA, and what 390 px hide."""

from __future__ import annotations

import base64
import time
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from casino_pam.management.commands.set_up import link
from tests import browser_pages, game_client, operators
from tests.backoffice import test_roles
from tests.backoffice.test_roles import house  # noqa: F401 - a fixture
from wallet import second_factor

LEVELS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WITHOUT_LOG_IN: Final = (
    "/",
    "/problems/",
    "/problems/insufficient_funds",
    "/nowhere",
    "/admin/login/",
    "/new-password/x/",
    "/api/docs/",
)
# They all look like one of these.
REFUSALS: Final = ("/admin/wallet/transaction/add/", "/admin/nowhere/")
# What holds an amount, where it is seen at all and no frame scrolls it into sight.
# The innermost elements that make a page wider than a telephone.
WIDE: Final = """() => [...document.querySelectorAll('main *')]
    .filter((each) => each.getBoundingClientRect().right > window.innerWidth + 1)
    .slice(-3).map((each) => each.outerHTML.slice(0, 160))"""
BEYOND_THE_EDGE: Final = """() => [...document.querySelectorAll('.money, .number, .amount')]
    .filter((each) => !each.closest('thead') && each.checkVisibility() && each.getBoundingClientRect().width > 2)
    .map((each) => [each.getBoundingClientRect(), each.outerHTML.slice(0, 120)])
    .filter(([box]) => box.left < 0 || box.right > window.innerWidth + 1)
    .map(([box, html]) => html)"""

# How well what was wagered stands out from the track, and the track's edge from its ground (WCAG's ratio).
PROGRESS_CONTRASTS: Final = """() => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const light = (colour) => {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const parts = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const ratio = (one, other) => {
        const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const value = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
    const bar = getComputedStyle(document.querySelector('progress.wagering'));
    const ground = getComputedStyle(document.querySelector('.figure')).backgroundColor;
    return [ratio(value('--wagered'), value('--track')), ratio(bar.borderTopColor, ground)];
}"""


def faults(page: Page) -> list[str]:
    """What is wrong with the page as it is shown, in both schemes and at 390 px."""
    # Until their font is there, icons are words: a word may be too pale where an ornament may be pale.
    page.wait_for_load_state()
    page.evaluate("document.fonts.ready.then(() => null)")
    page.evaluate("document.documentElement.classList.remove('dark')")
    found = violations(page, "light", {"type": "tag", "values": LEVELS})
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.body.hasAttribute('x-data') && document.documentElement.classList.add('dark')")
    found += violations(page, "dark", {"type": "rule", "values": ["color-contrast"]})
    page.set_viewport_size({"width": 390, "height": 844})
    width = page.evaluate("document.documentElement.scrollWidth")
    found += [f"is {width} px wide on a telephone: {page.evaluate(WIDE)}"] * (width > 390)
    found += [f"beyond the edge of a telephone: {each}" for each in page.evaluate(BEYOND_THE_EDGE)]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    return found


def is_page(page: Page, address: str) -> bool:
    """Whether a whole page is there; neither a refusal, a file, a part of a page, nor what leads on."""
    answer = page.request.get(address, max_redirects=0)
    whole = answer.status == 200 and answer.headers.get("content-type", "").startswith("text/html")
    return whole and "<html" in answer.text()


def violations(page: Page, scheme: str, run_only: dict[str, Any]) -> list[str]:
    result = Axe().run(page, options={"runOnly": run_only, "resultTypes": ["violations"]}).response
    return [
        f"{scheme}: {each['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for each in result["violations"]
        for node in each["nodes"][:5]
    ]


@pytest.mark.usefixtures("house")
def test_no_page_has_a_fault_that_axe_finds_nor_hides_money_on_a_telephone(
    new_page: browser_pages.Visit,
    provider: game_client.Client,
) -> None:
    found: dict[str, list[str]] = {}
    base = f"http://127.0.0.1:{provider.port}"
    page = new_page(reduced_motion="reduce")
    for path in WITHOUT_LOG_IN:
        page.goto(base + path, wait_until="networkidle")
        found[path] = faults(page)
    page.goto(browser_pages.address(provider.port, "alice"))
    found["/play"] = faults(browser_pages.live(page))
    operators.sue()
    browser_pages.log_in(page, provider.port, "sue")
    expect(page.get_by_text("Overview").first).to_be_visible()
    addresses = ["/admin/search/?q=b-1x", "/admin/search/?q=a", *map(test_roles.address, test_roles.table())]
    pages = [path for path in sorted(set(addresses)) if is_page(page, base + path)]
    for path in (*pages, *REFUSALS):
        page.goto(base + path)
        found[path] = faults(page)
        if path == test_roles.address("admin:bonus_bonus_change"):
            for scheme in ("remove", "add"):
                page.evaluate(f"document.documentElement.classList.{scheme}('dark')")
                contrasts = page.evaluate(PROGRESS_CONTRASTS)
                found[path] += [f"contrasts of its progress {contrasts}"] * (min(contrasts) < 4.5)
    assert not any(found.values()), "\n".join(f"{path}: {fault}" for path, each in found.items() for fault in each)


def recovery(page: Page) -> str:
    """What is shown once: a key, or recovery codes."""
    return page.locator("main code").first.inner_text()


@pytest.mark.usefixtures("house")
def test_nor_has_any_page_on_the_way_in_with_a_second_factor(
    new_page: browser_pages.Visit,
    provider: game_client.Client,
) -> None:
    found: dict[str, list[str]] = {}
    base = f"http://127.0.0.1:{provider.port}"
    operators.of("finance", "fay")
    page = new_page(reduced_motion="reduce")

    def look(step: str, heading: str) -> None:
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        found[step] = faults(page)

    page.goto(base + link(User.objects.get(username="fay")).removeprefix(settings.BASE_URL))
    look("a new password", "Set your password")
    browser_pages.log_in(page, provider.port, "fay", "/admin/office/account/second-factor/")
    look("to be set up", "Set up a second factor")
    page.get_by_role("button", name="Show the picture").click()
    look("the key", "Let your app read this")
    key = base64.b32decode(recovery(page).replace(" ", ""))
    page.get_by_role("textbox", name="Code").fill("000000")
    page.get_by_role("button", name="Use this app from now on").click()
    expect(page.get_by_text("It is not the code of this key")).to_be_visible()
    look("a wrong first code", "Let your app read this")
    page.get_by_role("textbox", name="Code").fill(
        second_factor.code_of(key, int(time.time()) // second_factor.STEP_SECONDS)
    )
    page.get_by_role("button", name="Use this app from now on").click()
    look("the recovery codes", "Your recovery codes")
    code = recovery(page).split()[0]
    page.goto(base + reverse("backoffice:account"))
    look("the account", "Second factor")
    page.goto(base + reverse("backoffice:recovery_codes"))
    look("others to be made", "Make recovery codes")
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Make them").click()
    look("the others", "Your recovery codes")

    page = new_page(reduced_motion="reduce")
    browser_pages.log_in(page, provider.port, "fay")
    look("the code", "Second factor")
    page.get_by_role("textbox", name="Code").fill("000000")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look("a wrong code", "Second factor")
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        page.get_by_role("textbox", name="Code").fill("000000")
        with page.expect_navigation():
            page.get_by_role("button", name="Log in").click()
    look("locked out", "Too many failed log-ins")
    assert not any(found.values()), "\n".join(f"{path}: {fault}" for path, each in found.items() for fault in each)
