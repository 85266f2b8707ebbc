"""The house rules that a reader would else have to remember: names of files, words, lengths."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections import defaultdict
from pathlib import Path

from casino_pam.local.os_support import PROJECT

PRODUCT = ("casino_pam", "bonus", "wallet")

# Names that Django and pytest look for.
SHARED_NAMES = frozenset(("__init__", "__main__", "models", "admin", "apps", "urls", "conftest", "formats", "settings"))
LONGEST_FUNCTION = 60
LONGEST_MODULE = 550

# Each had another word in the trade (docs/architecture.md, Words).
BANNED = frozenset(
    ("announcer", "baselines", "chores", "desk", "dossier", "drainer", "poster", "promises", "teller", "wagers")
)
# These do not come back in comments and docstrings either, where the others may be ordinary words.
BANNED_ANYWHERE = frozenset(("announcer", "desk", "dossier", "drainer", "teller"))
BANNED_NAMES = frozenset(
    ("Desk", "Drainer", "Found", "Kept", "Leaf", "Stretch", "Teller", "Turn", "Window", "leaf", "turn")
)


def python_files(*rooms: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-c", "-o", "--exclude-standard", *rooms], cwd=PROJECT, capture_output=True, text=True
    )
    files = [PROJECT / name for name in listed.stdout.splitlines() if name.endswith(".py")]
    return [file for file in files if file.exists() and "migrations" not in file.parts]


def test_no_file_name_stands_twice() -> None:
    places = defaultdict(list)
    for file in python_files(*PRODUCT, "tests"):
        if file.stem not in SHARED_NAMES and file.parent.name != "commands":
            places[file.stem].append(str(file.relative_to(PROJECT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_functions_are_short_and_modules_no_books() -> None:
    long = []
    for file in python_files(*PRODUCT):
        text = file.read_text()
        if len(text.splitlines()) > LONGEST_MODULE:
            long.append(str(file))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if (node.end_lineno or 0) - node.lineno + 1 >= LONGEST_FUNCTION:
                    long.append(f"{file}: {node.name}")
    assert long == []


def test_words_that_were_given_up_do_not_come_back() -> None:
    back = set()
    for file in python_files(*PRODUCT):
        for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline):
            if token.type == tokenize.NAME:
                parts = set(token.string.strip("_").split("_"))
                if parts & BANNED or token.string in BANNED_NAMES:
                    back.add(f"{file.relative_to(PROJECT)}: {token.string}")
            elif token.type in (tokenize.COMMENT, tokenize.STRING):
                words = set(re.findall("[a-z]+", token.string.lower()))
                back |= {f"{file.relative_to(PROJECT)}:{token.start[0]}: {word}" for word in words & BANNED_ANYWHERE}
        if file.stem in BANNED:
            back.add(str(file.relative_to(PROJECT)))
    assert back == set()


def test_no_column_of_a_record_is_named_by_its_position() -> None:
    """A further column would shift the others without a word: records are taken apart whole, or by name."""
    found = []
    for file in python_files(*PRODUCT):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant | ast.Slice):
                continue
            name = getattr(node.value, "id", "")
            call = node.value.func if isinstance(node.value, ast.Call) else None
            if name in ("record", "row") or getattr(call, "attr", "") == "fetchone":
                if not isinstance(getattr(node.slice, "value", 0), str):
                    found.append(f"{file.relative_to(PROJECT)}:{node.lineno}")
    assert found == []


def test_no_row_is_locked_to_be_written_later() -> None:
    """Rows are changed by guarded updates whose count is the answer; PostgreSQL's own locks last as long as those."""
    assert [str(file) for file in python_files(*PRODUCT) if "select_for_update" in file.read_text()] == []
