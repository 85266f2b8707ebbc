"""An operator's morning in a real browser: a provider's file is uploaded, and the page says what to do."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests import browser_pages, game_client, operators
from tests.browser_pages import Visit
from tests.wallet import report_history
from tests.wallet.sample_provider_files import DAY, honest, line, written
from wallet.provider_file.comparison import TO_DO


@pytest.fixture
def page(new_page: Visit, provider: game_client.Client, books: None) -> Page:
    """Sue, logged in, in a house with some days behind it."""
    report_history.history()
    User.objects.create_superuser("sue", password=operators.PASSWORD)
    return browser_pages.log_in(new_page(width=1440), provider.port, "sue", "/admin/office/provider-files/")


def test_a_file_is_uploaded_and_its_differences_are_explained(page: Page, tmp_path: Path) -> None:
    expect(page.get_by_text("No file has been compared yet")).to_be_visible()
    browser_pages.picture(page, "provider-files-empty")
    lines = honest()
    lines[0]["amount"] = "4.01"
    file = tmp_path / "acme.csv"
    file.write_bytes(written([*lines[:-1], line("ghost", amount="7.50")]))
    page.get_by_label("Provider", exact=True).select_option("acme")
    page.get_by_label("Day (UTC)").fill(str(DAY))
    page.locator("input[type=file]").set_input_files(file)
    # Shown as they will be read, before anything is sent to be compared.
    expect(page.get_by_text("The first lines as they will be read")).to_be_visible()
    expect(page.get_by_role("cell", name="4.01")).to_be_visible()
    browser_pages.picture(page, "provider-files-first-lines")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("3 differences")).to_be_visible()
    expect(page.get_by_text(TO_DO["missing_here"])).to_be_visible()
    expect(page.get_by_role("cell", name="7.50").first).to_be_visible()
    browser_pages.picture(page, "provider-file")
    with page.expect_download() as download:
        page.get_by_role("link", name="As a file").click()
    assert download.value.suggested_filename == f"acme-{DAY}-differences.csv"
    assert len(download.value.path().read_text().splitlines()) == 4
    page.get_by_role("link", name="Provider runs").click()
    page.get_by_role("link", name="UTC").first.click()
    expect(page.get_by_text("missing here: 1, theirs 7.50")).to_be_visible()


def test_the_reports_are_read_and_taken_away(page: Page) -> None:
    page.get_by_role("link", name="Reports").first.click()
    browser_pages.picture(page, "reports")
    page.get_by_role("link", name="GGR and NGR").click()
    page.get_by_label("From (UTC)", exact=True).fill(str(report_history.FIRST))
    page.get_by_label("To (UTC)", exact=True).fill(str(report_history.LAST))
    page.get_by_label("For each").select_option("day.source.game")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("cell", name="zenith").first).to_be_visible()
    browser_pages.picture(page, "report-revenue")
    with page.expect_download() as download:
        page.get_by_role("link", name="As a file").click()
    assert download.value.path().read_text("utf-8-sig").startswith("day,provider,game,game_name,currency,bets,")
    for name in ("bonuses", "flows", "open-rounds"):
        span = f"since={report_history.FIRST}&until={report_history.LAST}"
        page.goto(page.url.partition("/reports/")[0] + f"/reports/{name}/?{span}")
        browser_pages.picture(page, f"report-{name}")
    page.goto(page.url.partition("/reports/")[0] + "/reports/trial-balance/")
    expect(page.get_by_text("balances").first).to_be_visible()
    browser_pages.picture(page, "report-trial-balance")
    page.goto(page.url.partition("/reports/")[0] + "/reports/balances/?holding=any&day=" + str(report_history.LAST))
    browser_pages.picture(page, "report-balances")
