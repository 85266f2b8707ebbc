"""Four eyes and the audit trail, in a real browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from bonus.models import Bonus, Offer
from casino_pam.engine import approvals, commands
from tests import browser_pages
from tests.browser_pages import Visit
from wallet.models import Currency


def asked() -> None:
    """Otto wants to give Bob a bonus above the threshold."""
    Currency.objects.filter(code="EUR").update(approval_above=1_000)
    gift = Offer.objects.get()
    approvals.grant(
        commands.Grant(
            source="operator",
            player="bob",
            currency="EUR",
            reference="g-9",
            offer=gift.code,
            actor="otto",
            reason="He waited for a week",
            at=commands.now(),
        )
    )


def test_a_grant_is_rejected_and_an_auditor_reads_who_and_why(visit: Visit, tmp_path: Path) -> None:
    asked()
    bea = visit("bea", "bonus")
    bea.get_by_role("link", name="Approvals").click()
    expect(bea.get_by_text("He waited for a week")).to_be_visible()
    browser_pages.picture(bea, "roles-queue")
    bea.get_by_role("link", name="Decide", exact=True).click()
    bea.get_by_role("button", name="Reject").click()
    expect(bea.get_by_text("This field is required")).to_be_visible()
    browser_pages.picture(bea, "roles-decide")
    bea.get_by_label("Reason").fill("It was our weekend")
    bea.get_by_role("button", name="Reject").click()
    expect(bea.get_by_text("Nothing waits")).to_be_visible()
    browser_pages.picture(bea, "roles-queue-empty")
    assert Bonus.objects.get(reference="g-9").ended_reason == "It was our weekend"

    rita = visit("rita", "auditor", dark=True)
    browser_pages.picture(rita, "roles-front")
    rita.get_by_role("link", name="Audit trail").click()
    expect(rita.get_by_text("It was our weekend")).to_be_visible()
    browser_pages.picture(rita, "roles-trail")
    with rita.expect_download() as download:
        rita.get_by_role("link", name="As a file").click()
    assert "reject grant" in Path(download.value.path()).read_text()
    rita.get_by_role("row", name="reject grant").get_by_role("link").first.click()
    expect(rita.get_by_text("asked because")).to_be_visible()
    browser_pages.picture(rita, "roles-trail-row")


def test_the_queue_and_the_trail_fit_a_telephone(visit: Visit) -> None:
    asked()
    adam = visit("adam", "administrator", width=390)
    for page, name in (("office/approvals/", "roles-queue-narrow"), ("wallet/auditentry/", "roles-trail-narrow")):
        adam.goto(adam.url.split("/admin/")[0] + f"/admin/{page}")
        browser_pages.picture(adam, name)
        assert adam.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
