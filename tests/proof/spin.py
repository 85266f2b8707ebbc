"""Runs Spin over tests/proof/posting.pml (Debian's packages ``spin`` and ``gcc``)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).with_name("posting.pml")
# Beyond this much memory, in MB, a search gives up and is no proof.
MEMORY = 1400
DEEPEST = 10_000


class SpinMissing(Exception):
    """There is no Spin or no C compiler here."""


@dataclass(frozen=True)
class Search:
    """What a search came to. ``story`` is the way to the broken promise, step by step; empty if all hold."""

    states: int
    depth: int
    complete: bool
    unreached: list[str]
    story: list[str]


def search(without: tuple[str, ...] = (), *, faults: int = 1, promise: str = "", shortest: bool = False) -> Search:
    """Try every order of steps, with up to so many faults, with the guards in ``without`` taken away.

    ``promise`` looks at that one alone; ``shortest`` finds the shortest way to break it, for more
    memory. Raises ``SpinMissing``, or ``CalledProcessError`` when the model cannot be compiled.
    """
    switches = [f"-DFAULTS={faults}", *(f"-DNO_{guard}" for guard in without)]
    if promise:
        switches.append(f"-DONLY={promise}")
    # A search that ends early costs less than optimising its program.
    kind = ["-DSAFETY", "-O0", "-DBFS"] if shortest else ["-DSAFETY", "-O1", "-DCOLLAPSE"]
    with tempfile.TemporaryDirectory() as folder:
        said = _run(Path(folder), switches, kind, [])
        trail = Path(folder, f"{MODEL.name}.trail").exists()
        return _read(said, _replay(Path(folder), switches) if trail else [])


def hears(answer: str) -> bool:
    """Whether there is an order of steps in which a client is answered so."""
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), [f"-DNEVER={answer}", "-DFAULTS=0"], ["-DSAFETY", "-O0"], [])
        return Path(folder, f"{MODEL.name}.trail").exists()


def endless(*, faults: int) -> Search:
    """Look for an order of steps that never ends, whoever is fair or not: the story tells of it."""
    switches = [f"-DFAULTS={faults}"]
    with tempfile.TemporaryDirectory() as folder:
        said = _run(Path(folder), switches, ["-DNP", "-O1", "-DCOLLAPSE"], ["-l"])
        trail = Path(folder, f"{MODEL.name}.trail").exists()
        return _read(said, _replay(Path(folder), switches) if trail else [])


def _run(folder: Path, switches: list[str], kind: list[str], options: list[str]) -> str:
    for program in ("spin", "gcc"):
        if shutil.which(program) is None:
            raise SpinMissing(f"{program} is not installed: apt install spin gcc")
    shutil.copy(MODEL, folder)
    _output(folder, ["spin", *switches, "-a", MODEL.name])
    _output(folder, ["gcc", "-w", f"-DMEMLIM={MEMORY}", *kind, "-o", "pan", "pan.c"])
    return _output(folder, ["./pan", f"-m{DEEPEST}", *options])


def _replay(folder: Path, switches: list[str]) -> list[str]:
    """The sentences that the model prints on the way to the error."""
    said = _output(folder, ["spin", *switches, "-t", "-T", MODEL.name])
    told = re.compile(r"(worker|transaction|\d times:) .*")
    return [line.strip() for line in said.splitlines() if told.match(line.strip())]


def _output(folder: Path, command: list[str]) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def _read(said: str, story: list[str]) -> Search:
    errors = re.search(r"depth reached (\d+), errors: (\d+)", said)
    states = re.search(r"(\d+) states, stored", said)
    assert errors and states, said
    assert bool(story) == (errors[2] != "0"), said
    return Search(
        states=int(states[1]),
        depth=int(errors[1]),
        complete="not completed" not in said and "too small" not in said,
        unreached=[line.strip() for line in said.splitlines() if ", state " in line and '"-end-"' not in line],
        story=story,
    )
