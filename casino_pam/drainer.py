"""The drainer: the event loop's way to the teller (DESIGN.md §7).

A request becomes an awaited future. One thread per process takes whatever waits, posts it in one
transaction and resolves the futures after the commit. There is no timer: under load the batches
grow by themselves, and an idle server posts a batch of one at once. Between two batches the loop
has a few turns, so that those who were just answered can come along.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence

import structlog

from casino_pam import teller
from casino_pam.commands import Asked
from casino_pam.gauges import QUEUE
from casino_pam.teller import Outcome
from wallet.errors import Busy, Refused

log = structlog.get_logger(__name__)

# Larger batches gain nothing more and make the first of them wait.
LARGEST_BATCH = 256
# About a second of work: who comes after that would only wait for a 503.
LONGEST_QUEUE = 8192
# Whoever was answered often has the next request ready. So many turns of the loop are enough to send
# the answers and hear what comes, and are nothing where nobody is there (docs/decisions/0018).
TURNS = 4
# A loop that is held up holds up nobody's money for longer.
LONGEST_TURNS_SECONDS = 0.05

Future = asyncio.Future[Outcome]
Posting = Callable[[Sequence[Asked]], list[Outcome]]


class Drainer:
    """Belongs to one event loop; ``submit`` must be called from it."""

    def __init__(self, post: Posting = teller.post) -> None:
        self._post = post
        self._waiting: queue.SimpleQueue[tuple[Asked, Future] | None] = queue.SimpleQueue()
        # Touched by the loop's thread alone, so it needs no lock.
        self._unanswered: set[Future] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._turned = threading.Event()

    def start(self) -> None:
        """Start the thread for the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="drainer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Take nothing more, post what was accepted, and end the thread."""
        self._closed = True
        self._waiting.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        # What the thread answered last is still on its way through the loop.
        while self._unanswered:
            await asyncio.sleep(0)

    @property
    def depth(self) -> int:
        """Requests accepted and not yet answered."""
        return len(self._unanswered)

    def submit(self, request: Asked) -> Future:
        """The future outcome of a request; it is never left hanging.

        Raises ``Busy`` at once when the queue is full or the server is leaving.
        """
        assert self._loop is not None, "start() comes first"
        if self._closed or len(self._unanswered) >= LONGEST_QUEUE:
            raise Busy
        future: Future = self._loop.create_future()
        self._unanswered.add(future)
        self._waiting.put((request, future))
        return future

    def _run(self) -> None:
        assert self._loop is not None
        teller.own_connection()
        try:
            self._drain()
        except BaseException:
            log.critical("drainer_died", unanswered=self.depth, exc_info=True)
            self._loop.call_soon_threadsafe(self._revive)

    def _revive(self) -> None:
        """A thread that died must not leave requests hanging: answer them and start another."""
        for future in list(self._unanswered):
            self._answer(future, Busy("unavailable"))
        # The old queue may hold requests that were just answered; they must not be posted later.
        self._waiting = queue.SimpleQueue()
        self.start()

    def _drain(self) -> None:
        waiting = self._waiting
        while (first := waiting.get()) is not None:
            taken = [first]
            last = False
            while len(taken) < LARGEST_BATCH and not last:
                try:
                    another = waiting.get_nowait()
                except queue.Empty:
                    break
                last = another is None
                if another is not None:
                    taken.append(another)
            self._serve(taken)
            if last:
                return

    def _serve(self, taken: list[tuple[Asked, Future]]) -> None:
        QUEUE.set(self.depth)
        try:
            outcomes = self._post([request for request, _ in taken])
        except Exception:
            log.critical("drainer_posting_failed", requests=len(taken), exc_info=True)
            outcomes = [Refused("internal")] * len(taken)
        assert self._loop is not None
        self._turned.clear()
        self._loop.call_soon_threadsafe(self._answer_all, taken, outcomes)
        if self._waiting.qsize() < LARGEST_BATCH:
            self._turned.wait(LONGEST_TURNS_SECONDS)

    def _answer_all(self, taken: list[tuple[Asked, Future]], outcomes: list[Outcome]) -> None:
        for (_, future), outcome in zip(taken, outcomes, strict=True):
            self._answer(future, outcome)
        if not self._unanswered:
            QUEUE.set(0)
        self._turn(TURNS)

    def _turn(self, left: int) -> None:
        if left == 0:
            self._turned.set()
        else:
            assert self._loop is not None
            self._loop.call_soon(self._turn, left - 1)

    def _answer(self, future: Future, outcome: Outcome) -> None:
        self._unanswered.discard(future)
        # A client that hung up cancelled its future; its command was carried out all the same.
        if not future.done():
            future.set_result(outcome)


drainer = Drainer()
