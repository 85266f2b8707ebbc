"""The page of figures: tables and pictures say what was measured, and nothing of what was not."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from casino_pam.local.os_support import PROJECT
from tests.bench import figures_chart, figures_table

MEASURED = {
    "door 128": 5_000.0,
    "door 128, app us": 150.0,
    "door 128, PostgreSQL us": 90.0,
    "door 128 p50 ms": 20.0,
    "door 128 p99 ms": 50.0,
    "five statements": 2_000.0,
    "door 128, before the rows": 4_000.0,
    "door 128, before the rows, WAL bytes": 1_000.0,
    "door 128, on 1,000,000 rows": 3_600.0,
    "door 128, on 1,000,000 rows, WAL bytes": 1_500.0,
}


def test_the_tables_hold_ratios_costs_and_bounds_of_what_was_measured() -> None:
    table = figures_table.table("here and now", MEASURED)
    assert "| 5,000 | five statements | 2,000 | **2.50 x** | 1.3 x | 2 x |" in table
    assert "| bets at 128 on a grown ledger | 3,600 | door 128, before the rows | 4,000 | **0.90 x** |" in table
    assert "| door 128 | 150 | 90 | **240** |" in table
    assert "| under load, 128 connections: p99 over p50 | **2.5** x | 3 x |" in table
    assert "| a grown ledger: WAL of a bet over that before | **1.5** x | 2 x |" in table
    assert "plain DRF" not in table
    assert "hub88" not in table


def test_the_pictures_are_plain_svg_for_light_and_dark() -> None:
    for picture in (figures_chart.rates(MEASURED), figures_chart.costs(MEASURED)):
        # Our own picture of a moment ago.
        found = ElementTree.fromstring(picture)  # noqa: S314
        assert found.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in picture
        assert "signed bet" in picture
        assert "DRF" not in picture
    # Bars are as long as their figures: ours 5,000, the other 2,000.
    long, short = (float(width) for width in re.findall(r'rect [^>]*width="([\d.]+)"', figures_chart.rates(MEASURED)))
    assert round(long / short, 2) == 2.5


def test_the_page_has_a_place_for_the_tables_and_shows_the_pictures() -> None:
    page = (PROJECT / "docs" / "performance.md").read_text()
    assert page.count(figures_table.BEGIN) == page.count(figures_table.END) == 1
    for name in ("rates", "costs"):
        assert f"](pictures/{name}.svg)" in page
        assert (figures_chart.FOLDER / f"{name}.svg").exists()
