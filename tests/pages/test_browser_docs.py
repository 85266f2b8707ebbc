"""The page of the API signs a provider's calls with a secret that never leaves it."""

from __future__ import annotations

from playwright.sync_api import Request, expect

from tests import browser_pages, game_client, scenario
from tests.browser_pages import Visit

BODY = '{"player": "alice", "currency": "EUR"}'


def test_a_call_is_signed_in_the_page_and_the_secret_is_sent_nowhere(
    new_page: Visit, provider: game_client.Client, books: None
) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    page = new_page()
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    page.goto(f"http://127.0.0.1:{provider.port}/api/docs/")
    expect(page.locator("#signs")).to_have_text("Calls are not signed.")
    page.get_by_label("Provider").fill("acme")
    page.get_by_label("Secret").fill("acme-secret")
    expect(page.locator("#signs")).to_have_text("Calls are signed.")
    page.locator("#operations-tag-game_door").click()
    call = page.locator(".opblock").filter(has=page.locator('[data-path="/api/game/v1/balance"]'))
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    call.locator("textarea").fill(BODY)
    call.get_by_role("button", name="Execute").click()
    answer = call.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status").first).to_contain_text("200")
    expect(answer.first).to_contain_text('"balance": "100.00"')
    browser_pages.picture(page, "api-docs-signed")
    assert not [each.url for each in sent if "acme-secret" in f"{each.url} {each.headers} {each.post_data}"]
    assert [each.headers["x-provider"] for each in sent if each.url.endswith("/balance")] == ["acme"]
