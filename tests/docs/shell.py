"""Runs the lines that pages show: with the interpreter of the tests, and on machines without curl and openssl."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from casino_pam.local.os_support import PROJECT

DOCS = PROJECT / "docs"

# Where there is an openssl, the real one is tried.
STAND_INS = """
curl() { "$PYTHON" -m tests.docs.curl "$@"; }
command -v openssl > /dev/null || openssl() {
    "$PYTHON" -c '
import hmac, sys
print("=", hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), "sha256").hexdigest())' "$4"
}
"""


def blocks(page: Path, kind: str) -> list[str]:
    """What stands between ```kind and ``` on a page."""
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text(), re.DOTALL)


def run(script: str, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """Run lines of a page; what `curl` was answered goes to stdout, and its status to stderr."""
    lines = STAND_INS + script.replace(".venv/bin/python ", '"$PYTHON" ')
    told = {**environment, "PYTHON": sys.executable, "no_proxy": "127.0.0.1"}
    bash = ["bash", "-euo", "pipefail", "-c", lines]
    done = subprocess.run(bash, cwd=PROJECT, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
