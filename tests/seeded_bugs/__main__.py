"""`python -m tests.seeded_bugs [NAME ...] [--write]`: does each test still notice the bug that it is there for?

The tree is copied, one bug is put into the copy, and one test runs there. It must fail: a test that passes, a test
that hangs, one that cannot be collected or whose preparation fails has noticed nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from casino_pam.local.os_support import PROJECT
from casino_pam.local.servers import PostgreSQL, passing_servers
from tests.prepared_servers import shared_cluster
from tests.seeded_bugs.bugs import BUGS, Bug
from tests.servers_plugin import prepare

PAGE: Final = PROJECT / "docs" / "proof.md"
BEGIN: Final = "<!-- the table of seeded bugs begins -->"
END: Final = "<!-- the table of seeded bugs ends -->"
LONGEST_SECONDS: Final = 180
# A bug that is no Python any more would fail every test there is.
NOT_THE_BUG: Final = ("NameError", "SyntaxError", "ImportError", "ModuleNotFoundError")


class Verdict(NamedTuple):
    """What a run of tests came to; ``failed`` are pytest's own lines of those that failed."""

    failed: list[str]
    seconds: float
    said: str

    def took(self) -> str:
        """For the table."""
        return f"{self.seconds:.0f}" if self.caught() else "not noticed"

    def caught(self) -> bool:
        return bool(self.failed) and not any(word in line for line in self.failed for word in NOT_THE_BUG)


@contextmanager
def copied() -> Iterator[Path]:
    """The files that git knows, as they are now, in a folder of their own."""
    with TemporaryDirectory(prefix="seeded-bugs-") as folder:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (PROJECT / name).is_file():
                copy = Path(folder, name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, copy)
        yield Path(folder)


def run_tests(tree: Path, tests: Sequence[str], *, longest: float = LONGEST_SECONDS) -> Verdict:
    """Run the tests in that tree; those that hang are ended."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=short", "-p", "no:cacheprovider", *tests]
    # As a worker of pytest-xdist it finds PostgreSQL in the environment, and starts none of its own.
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "300", "PYTEST_XDIST_WORKER": "gw0"}
    process = subprocess.Popen(
        argv, cwd=tree, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=longest)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return Verdict([], time.monotonic() - began, f"{said}\nIt was ended after {longest:.0f} s.")
    # 1 says that tests ran and some failed; anything else, that they could not be run.
    failed = [line for line in said.splitlines() if line.startswith("FAILED ")] if process.returncode == 1 else []
    return Verdict(failed, time.monotonic() - began, said)


def seeded(bug: Bug, tree: Path) -> Verdict:
    """What its test says of the tree with the bug in it, which is taken out again."""
    file = tree / bug.file
    text = file.read_text()
    replaced(file, bug.put_into(text))
    try:
        return run_tests(tree, [bug.test])
    finally:
        replaced(file, text)


def replaced(file: Path, text: str) -> None:
    """Python compares what it has compiled by second and size alone, which may be those of the other text."""
    file.write_text(text)
    Path(cache_from_source(str(file))).unlink(missing_ok=True)


def sound(bugs: Sequence[Bug], tree: Path) -> Verdict:
    """What all these tests say of the tree as it is."""
    return run_tests(tree, sorted({bug.test for bug in bugs}), longest=LONGEST_SECONDS * len(bugs))


def table(verdicts: dict[Bug, Verdict]) -> str:
    """Of all bugs; those that were not tried keep the seconds that the page has for them."""
    lines = ["| bug | what it is | the test that notices it | s |", "|---|---|---|---:|"]
    for bug in BUGS:
        row = f"| {bug.name} | {bug.what} | `{bug.test}` | "
        took = verdicts[bug].took() if bug in verdicts else PAGE.read_text().partition(row)[2].partition(" |")[0]
        lines.append(f"{row}{took or 'never tried'} |")
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the table between the marks of the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{PAGE} has no place for the table"
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> int:
    """1 when a bug went unnoticed, when a text is not there once, or when a test fails without any bug."""
    options = argparse.ArgumentParser(prog="python -m tests.seeded_bugs", description=__doc__)
    options.add_argument("name", nargs="*", help="bugs by name; all of them without any")
    options.add_argument("--write", action="store_true", help="write what was tried into the table of docs/proof.md")
    chosen = options.parse_args()
    unknown = set(chosen.name) - {bug.name for bug in BUGS}
    if unknown:
        options.error(f"no such bug: {', '.join(sorted(unknown))}")
    bugs = [bug for bug in BUGS if not chosen.name or bug.name in chosen.name]
    misplaced = [bug for bug in bugs if not bug.has_its_place(PROJECT)]
    for bug in misplaced:
        print(f"{bug.name}: its old text does not stand in {bug.file} exactly once.")
    if misplaced:
        return 1
    verdicts: dict[Bug, Verdict] = {}
    with shared_cluster(), passing_servers(PostgreSQL) as servers, copied() as tree:
        os.environ.update(servers.environment)
        (server,) = servers.running
        assert isinstance(server, PostgreSQL)
        prepare(server)
        without = sound(bugs, tree)
        if without.failed or " passed" not in without.said or " error" in without.said:
            print(f"{without.said}\nThese tests do not pass without any bug.")
            return 1
        for bug in bugs:
            verdict = verdicts[bug] = seeded(bug, tree)
            first = verdict.failed[0] if verdict.failed else "-"
            word = "noticed" if verdict.caught() else "NOT NOTICED"
            print(f"{bug.name}: {word} after {verdict.seconds:.0f} s: {first}", flush=True)
            if chosen.write:
                # Each at once: the whole takes long, and may be interrupted.
                write(table(verdicts))
    print(f"\n{table(verdicts)}\n")
    uncaught = [bug for bug, verdict in verdicts.items() if not verdict.caught()]
    for bug in uncaught:
        print(f"--- {bug.name} was not noticed:\n{verdicts[bug].said[-3000:]}")
    print(f"{len(bugs) - len(uncaught)} of {len(bugs)} bugs were noticed.")
    return 1 if uncaught else 0


if __name__ == "__main__":
    sys.exit(main())
