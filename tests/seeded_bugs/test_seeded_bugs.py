"""Every seeded bug still has its place and its test; that the tests notice them takes `make seeded-bugs`."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from casino_pam.local.os_support import PROJECT
from tests.seeded_bugs.bugs import BUGS, Bug

each = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


@each
def test_every_bug_has_one_place_and_is_python(bug: Bug) -> None:
    assert bug.has_its_place(PROJECT), f"{bug.file} does not hold this exactly once:\n{bug.old}"
    ast.parse(bug.put_into((PROJECT / bug.file).read_text()))


@each
def test_the_test_of_every_bug_is_there(bug: Bug) -> None:
    file, *path = bug.test.partition("[")[0].split("::")
    here: ast.AST = ast.parse((PROJECT / file).read_text())
    for name in path:
        here = next(node for node in ast.iter_child_nodes(here) if getattr(node, "name", None) == name)


def test_no_name_stands_twice() -> None:
    assert [name for name, count in Counter(bug.name for bug in BUGS).items() if count > 1] == []
