"""The lines of docs/api.md, run one after the other at a real server."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests import rest_client, scenario
from tests.game_client import served

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "api.md"


def test_runs_every_line_of_the_page(books: None) -> None:
    scenario.catalogue()
    key = rest_client.key(provider="acme")._headers["Authorization"].partition(" ")[2]
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    script = 'curl() { "$PYTHON" -m tests.docs.curl "$@"; }\n' + lines
    with served(workers=1) as server:
        named = {"CASINO": f"http://127.0.0.1:{server.port}", "KEY": key, "PYTHON": sys.executable}
        bash = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(bash, cwd=PROJECT, env=os.environ | named, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = ('/players"', '/tokens"')
    expected = ["201" if any(path in line for path in made) else "200" for line in re.findall("curl .*", lines)]
    assert done.stderr.split() == expected, done.stdout
    assert scenario.balances("dora") == (6_150, 0, 0)
