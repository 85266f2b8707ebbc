"""Every line that pages show runs on the demo as it is written: a shell's, and each `manage.py …` in a sentence."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db import connection
from django.test import override_settings

from casino_pam.local import demo_data
from casino_pam.local.os_support import PROJECT
from tests import scenario
from tests.docs.shell import DOCS, blocks, run
from tests.docs.test_docs_api import status_of
from tests.game_client import Client, served

README = PROJECT / "README.md"
API = DOCS / "api.md"
SIGNING = DOCS / "api-signing.md"
# Not run here: what lasts until it is stopped, and what other tests run on a house of its own.
ELSEWHERE = ("backup", "cell", "collectstatic", "limit_role", "migrate", "reset_second_factor", "run_jobs")
COMMAND = re.compile(r"`(?:python |\.venv/bin/python )?manage\.py ([^`]+)`|^ {4,}manage\.py (.+)$", re.MULTILINE)
OURS = ("casino_pam", "bonus", "wallet", "django")


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Client]:
    with served(workers=1, DEMO="on") as opened:
        yield opened


@pytest.fixture
def demo(books: None, server: Client) -> Iterator[dict[str, str]]:
    """The demo house, and the environment that a terminal beside `make run` has."""
    own = connection.settings_dict
    url = f"postgres://{own['USER']}:{quote(own['PASSWORD'])}@{own['HOST']}:{own['PORT']}/{own['NAME']}"
    base = f"http://127.0.0.1:{server.port}"
    with override_settings(DEMO=True, BASE_URL=base):
        demo_data.load()
        yield {**os.environ, "DATABASE_URL": url, "BASE_URL": base, "DEMO": "on"}


def test_every_line_of_the_pages_runs(
    demo: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, first_steps = blocks(README, "sh")
    done = run(first_steps, demo)
    assert "the books balance" in done.stdout
    assert "Journal and ledger agree" in done.stdout
    _signing(demo)
    lines = "\n".join(blocks(API, "sh"))
    statuses = [status_of(line) for line in re.findall("curl .*", lines)]
    assert run(lines, demo).stderr.split() == statuses
    assert scenario.balances("dora") == (6_150, 500, 0)
    monkeypatch.chdir(tmp_path)
    mapping, *_ = [block for block in blocks(DOCS / "reports.md", "json") if '"columns"' in block]
    Path("mapping.json").write_text(mapping)
    (games,) = blocks(DOCS / "operations.md", "csv games.csv")
    Path("games.csv").write_text(games)
    for page, line in in_sentences():
        _run(page, line)
    capsys.readouterr()


def _signing(demo: dict[str, str]) -> None:
    (shell,), (python,) = blocks(SIGNING, "sh"), blocks(SIGNING, "python")
    own = 'eval "$(.venv/bin/python manage.py demo --shell)"\n'
    assert '"status":"posted"' in run(own + shell, demo).stdout
    variables = dict(re.findall(r"export (\w+)=(.*)", run(".venv/bin/python manage.py demo --shell", demo).stdout))
    done = subprocess.run([sys.executable, "-c", python], env=demo | variables, capture_output=True, text=True)
    assert done.stdout.startswith("200 "), done.stdout + done.stderr


def in_sentences() -> list[tuple[str, str]]:
    """Page and command line of each `manage.py …` in a sentence; the reports' first, which make a file for later."""
    pages = [DOCS / "reports.md", README, *sorted(DOCS.glob("*.md")), *sorted((DOCS / "dialects").glob("*.md"))]
    found: dict[str, str] = {}
    for page in pages:
        for quoted, shown in COMMAND.findall(page.read_text()):
            found.setdefault(quoted or shown, page.name)
    return [(page, line) for line, page in found.items()]


def _run(page: str, line: str) -> None:
    """Run one command; a file that differs from the books is told with 1."""
    name, *rest = shlex.split(line.replace("$(date -u +%F)", f"{datetime.now(UTC):%Y-%m-%d}"))
    if name in ELSEWHERE:
        return
    assert str(get_commands().get(name)).partition(".")[0] in OURS, f"{page}: {line}"
    done: Any = None
    try:
        call_command(name, *rest, stdout=io.StringIO(), stderr=io.StringIO())
    except SystemExit as ended:
        done = ended.code
    except CommandError as wrong:
        # Without options the name stands for the command: it is mentioned, not shown.
        done = 0 if "-" not in line and re.search("required|^Name ", str(wrong)) else str(wrong)
    assert done in (None, 0) or (name == "reconcile_provider" and done == 1), f"{page}: {line}: {done}"
