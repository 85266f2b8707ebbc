"""The table of the countries' rules: every line of it is a country's, holds today, and stands in the docs."""

from __future__ import annotations

from datetime import UTC, datetime

from casino_pam.local.os_support import PROJECT
from wallet import jurisdictions
from wallet.jurisdictions import RULES, Demand

PAGE = PROJECT / "docs" / "jurisdictions.md"


def test_the_page_of_the_docs_has_the_very_lines_of_the_table() -> None:
    lines = [
        f"| {rule.country} {jurisdictions.name(rule.country)} | {rule.text} | {rule.source} | {rule.since} |"
        for rule in RULES
    ]
    assert [line for line in PAGE.read_text().splitlines() if line.startswith("|")][2:] == lines


def test_every_rule_is_of_an_assigned_country_and_holds_already() -> None:
    for rule in RULES:
        assert jurisdictions.country(rule.country) == rule.country
        assert rule.since <= datetime.now(UTC).date()


def test_a_country_has_one_rule_about_one_thing() -> None:
    assert len({(rule.country, rule.demand) for rule in RULES}) == len(RULES)
    # Verification before a bonus becomes cash is a house's own wish (VERIFIED_BEFORE).
    assert {rule.demand for rule in RULES} == set(Demand) - {Demand.VERIFIED_CONVERSION}


def test_who_has_no_country_is_under_no_rule() -> None:
    assert [jurisdictions.rule(None, demand) for demand in Demand] == [None] * len(Demand)
