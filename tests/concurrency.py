"""Many hands at once: threads that post on connections of their own, here and in other processes."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

from casino_pam.engine import posting
from casino_pam.engine.commands import AnyRequest
from wallet.errors import Busy
from wallet.pg.session import Session

# What one hand posts, one list of requests after the other; and what it is answered.
Batches = Sequence[Sequence[AnyRequest]]
Answers = list[list[Any]]


def insisting(asked: Sequence[AnyRequest]) -> list[Any]:
    """The outcomes of one posting; a 503 is sent again, as every provider does."""
    outcomes = list(posting.post(asked))
    while again := [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Busy)]:
        for place, outcome in zip(again, posting.post([asked[place] for place in again]), strict=True):
            outcomes[place] = outcome
    return outcomes


def work(hands: Sequence[Batches]) -> list[Answers]:
    """Let every hand post its batches, all hands beginning at the same time."""
    answers: list[Answers] = [[] for _ in hands]
    together = threading.Barrier(len(hands))

    def working(place: int) -> None:
        together.wait()
        try:
            answers[place].extend(insisting(batch) for batch in hands[place])
        finally:
            connection.close()

    threads = [threading.Thread(target=working, args=(place,)) for place in range(len(hands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(each) for each in answers] == [len(each) for each in hands], "a hand has dropped its work"
    return answers


def die_at(journey: int, moment: str, asked: Sequence[AnyRequest]) -> int:
    """Post in a copy of this process that is killed at its n-th journey to PostgreSQL; how many it made.

    ``moment``: before what travels is sent, once it was sent, or after it was answered.
    """
    connection.close()
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        _deadly(journey, moment, writing)
        posting.post(asked)
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading, "rb") as made:
        return len(made.read())


def _deadly(journey: int, moment: str, made: int) -> None:
    sending = Session.send
    reached = 0

    def send(session: Session) -> None:
        nonlocal reached
        if not session._waiting:
            return
        reached += 1
        os.write(made, b".")
        if reached == journey and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if reached == journey and moment == "sent":
            session._pgconn.enter_pipeline_mode()
            session._pgconn.enter_pipeline_mode()
            for message in session._waiting:
                message.hand_over(session._pgconn)
            session._pgconn.pipeline_sync()
            session._pgconn.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        sending(session)
        if reached == journey:
            os.kill(os.getpid(), signal.SIGKILL)

    Session.send = send  # type: ignore[method-assign]


class OtherProcess:
    """A Python of its own with our settings and database; does what it is given and returns the result."""

    def __init__(self, *, isolation: str = "read committed", database_url: str = "") -> None:
        environment = {
            "DATABASE_URL": database_url or our_database(),
            "DATABASE_ISOLATION": isolation,
            "DJANGO_SETTINGS_MODULE": "casino_pam.settings",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.other_process"],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def give(self, act: Callable[..., Any], *args: Any) -> None:
        assert self.process.stdin is not None
        pickle.dump((act, args), self.process.stdin)
        self.process.stdin.flush()

    def take(self) -> Any:
        """The result of what was given first. Raises EOFError if the process died before."""
        assert self.process.stdout is not None
        return pickle.load(self.process.stdout)  # noqa: S301 - it comes from our own child

    def do(self, act: Callable[..., Any], *args: Any) -> Any:
        self.give(act, *args)
        return self.take()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):
            self.process.communicate(timeout=30)


def our_database() -> str:
    """The URL of the database of this very test process."""
    place = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(place._replace(path="/" + connection.settings_dict["NAME"]))
