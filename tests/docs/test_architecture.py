"""docs/architecture.md names files that are there, and its reading order of a bet never climbs back up."""

from __future__ import annotations

import ast
import re

from casino_pam.local.os_support import PROJECT

PAGE = (PROJECT / "docs" / "architecture.md").read_text()
ORDER = re.findall(r"^\d+\. `([\w/]+\.py)`$", PAGE, re.MULTILINE)


def imported(file: str) -> set[str]:
    """The files of the product that this one imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((PROJECT / file).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {name.replace(".", "/") + ".py" for name in names}
    return found


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r"`((?:casino_pam|bonus|wallet|tests)/[\w/]*(?:\.py)?)`", PAGE)
    assert named and [name for name in named if not (PROJECT / name).exists()] == []


def test_a_bet_is_read_in_at_most_twelve_files() -> None:
    assert 0 < len(ORDER) <= 12


def test_no_file_of_the_reading_order_imports_one_above_it() -> None:
    climbs = {(file, above) for place, file in enumerate(ORDER) for above in ORDER[:place] if above in imported(file)}
    assert climbs == set()


def test_each_file_of_the_reading_order_leads_to_the_next_ones() -> None:
    """Nothing stands in the order that no file before it asks for."""
    reached = {ORDER[0]}
    for place, file in enumerate(ORDER):
        assert file in reached, file
        reached |= imported(file) & set(ORDER[place + 1 :])
