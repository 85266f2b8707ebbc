"""How long a newcomer waits: for `make run` where it has run before, and for a command of `manage.py`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from casino_pam.local.os_support import PROJECT, free_port

TIMES = 5
UP = "Casino PAM runs on"
# What the house of the measurement is told, and a newcomer is not.
TOLD = ("DATABASE_URL", "REDIS_URL", "DATABASE_POOL_SIZE", "SECRET_KEY", "ALLOWED_HOSTS", "PLAIN_HTTP")


def second_start() -> float:
    """Seconds from `make run` to its pages, in a copy of the tree where it has run before."""
    own = {name: value for name, value in os.environ.items() if name not in TOLD}
    with tempfile.TemporaryDirectory(prefix="casino-pam-bench-") as folder:
        tree = Path(folder) / "house"
        left_out = shutil.ignore_patterns(".venv", ".git", ".data", ".*_cache", "__pycache__")
        shutil.copytree(PROJECT, tree, symlinks=True, ignore=left_out)
        # A server that PostgreSQL is started for may be another account's.
        Path(folder).chmod(0o755)
        _started(tree, own)
        return median(_started(tree, own) for _ in range(3))


def _started(tree: Path, environment: dict[str, str]) -> float:
    argv = [sys.executable, "-m", "casino_pam.local.launch", str(free_port())]
    began = time.monotonic()
    with subprocess.Popen(argv, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True) as launch:
        assert launch.stdout is not None
        said = []
        for line in launch.stdout:
            said.append(line)
            if UP in line:
                took = time.monotonic() - began
                launch.send_signal(signal.SIGTERM)
                launch.stdout.read()
                return took
    raise RuntimeError("make run did not start: " + "".join(said[-5:]))


def check() -> float:
    """Seconds of `manage.py check`."""
    return median(_checked() for _ in range(TIMES))


def _checked() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "manage.py", "check"], cwd=PROJECT, check=True, capture_output=True)
    return time.monotonic() - began
