"""The queue: the event loop's way to the engine (DESIGN.md §7).

A request becomes an awaited future. One thread per process, a worker, takes whatever waits, posts it
in one transaction and resolves the futures after the commit. There is no timer: under load the
batches grow by themselves, and an idle server posts a batch of one at once. Between two batches the
loop has a few turns, so that those who were just answered can come along.

Nobody waits for ever. Whoever was not answered in time is answered 503, whatever the workers do.
While PostgreSQL keeps a worker waiting, further workers serve who else comes. A player whose row
somebody keeps locked waits in a worker of his own. What one player sent is posted in the order in
which it came: no worker takes anything of a player who is at work in another.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from casino_pam.engine import posting
from casino_pam.engine.commands import GRACE_SECONDS, AnyRequest, Batch
from casino_pam.engine.posting import HeldUp, Outcome
from casino_pam.metrics import QUEUE
from wallet.errors import Busy, Refused

log = structlog.get_logger(__name__)

# Operations, those inside a batch included. More gain little and make the first of them wait (docs/decisions/0046).
LARGEST_BATCH: Final = 512
# About a second of work: who comes after that would only wait for a 503.
LONGEST_QUEUE: Final = 8192
# Whoever was answered often has the next request ready. So many turns of the loop are enough to send
# the answers and hear what comes, and are nothing where nobody is there (docs/decisions/0018).
TURNS: Final = 4
# A loop that is held up holds up nobody's money for longer.
LONGEST_TURNS_SECONDS: Final = 0.05
# How often the loop looks for whoever waits too long.
LOOK_SECONDS: Final = 0.05
# A worker that has been at work for so long is waiting for PostgreSQL; another one serves who comes.
SLOW_SECONDS: Final = 0.25
MOST_WORKERS: Final = 4
# No wait of a worker lasts so long. One that is still at work is given up for lost, and replaced.
LOST_SECONDS: Final = 10.0
# A player goes straight to the worker of those held up for so long after his row was last found locked.
HELD_SECONDS: Final = 5.0

Future = asyncio.Future[Outcome]
Post = Callable[[Sequence[AnyRequest]], list[Outcome]]


def post(batch: Sequence[AnyRequest]) -> list[Outcome]:
    """As ``posting.post``; who is held up parts from the batch."""
    return posting.post(batch, part=True)


class Waiting(msgspec.Struct):
    """A request that was accepted, and its answer to come."""

    request: AnyRequest
    future: Future


def operations(waiting: Waiting) -> int:
    """How many there are of them in a request."""
    return len(waiting.request.operations) if isinstance(waiting.request, Batch) else 1


class Worker:
    """A thread that posts one batch after the other; ``began`` is when the present one was taken up."""

    def __init__(self, work: Callable[[Worker], None], *, rest: float = 0.0) -> None:
        # Where the worker before it died at once, so would this one: it begins after a rest, in seconds.
        self.rest = rest
        self.thread = threading.Thread(target=work, args=(self,), name="posting queue", daemon=True)
        self.batch: list[Waiting] = []
        self.began: float | None = None
        self.turned = threading.Event()
        # Nobody waits for it any more, and it shall take nothing more up.
        self.lost = False

    def is_running(self) -> bool:
        return self.thread.is_alive()

    def at_work_for(self, now: float) -> float:
        began = self.began
        return 0.0 if began is None else now - began


class PostingQueue:
    """Belongs to one event loop; ``submit`` must be called from it."""

    def __init__(self, post: Post = post, set_up: Callable[[], None] = posting.own_connection) -> None:
        self._post = post
        # What a worker's thread needs before it posts.
        self._set_up = set_up
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        # Touched by the loop's thread alone, so they need no lock; with the moment by which each is answered.
        self._unanswered: dict[Future, float] = {}
        # Those who were answered before a worker was through with them stay until it is.
        self._inside = 0
        self._looking = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        # What follows is shared by the workers.
        self._state = threading.Lock()
        self._workers: list[Worker] = []
        # The players at work in some worker, with what came for them meanwhile.
        self._at_work: dict[str, list[Waiting]] = {}
        # What is held up by somebody's lock, by player, and until when their further requests go there at once.
        self._held: dict[str, list[Waiting]] = {}
        self._held_until: dict[str, float] = {}
        self._patient: Worker | None = None

    def start(self) -> None:
        """Start the first worker for the running loop."""
        self._loop = asyncio.get_running_loop()
        self._open_worker()

    async def stop(self) -> None:
        """Take nothing more, post what was accepted, and end the workers."""
        self._closed = True
        self._waiting.put(None)
        while running := [each.thread for each in (*self._workers, self._patient) if each and each.is_running()]:
            await asyncio.to_thread(running[0].join, LOOK_SECONDS)
        # What the workers answered last is still on its way through the loop.
        while self._unanswered:
            await asyncio.sleep(0)

    @property
    def depth(self) -> int:
        """Requests accepted and not yet answered."""
        return len(self._unanswered)

    def submit(self, request: AnyRequest) -> Future:
        """The future outcome of a request; it is never left hanging.

        Raises ``Busy`` at once when the queue is full or the server is leaving.
        """
        assert self._loop is not None, "start() comes first"
        if self._closed or self._inside >= LONGEST_QUEUE:
            raise Busy
        self._inside += 1
        future: Future = self._loop.create_future()
        self._unanswered[future] = request.deadline + GRACE_SECONDS
        self._waiting.put(Waiting(request, future))
        if not self._looking:
            self._looking = True
            self._loop.call_later(LOOK_SECONDS, self._look)
        return future

    # --- the loop's side ---------------------------------------------------------------------

    def _look(self) -> None:
        """Answer those who waited long enough, and see to it that somebody serves the others."""
        now = time.monotonic()
        for future, answer_by in list(self._unanswered.items()):
            if answer_by <= now:
                self._answer(future, Busy())
        workers = [worker for worker in (*self._workers, self._patient) if worker is not None]
        for worker in [worker for worker in workers if worker.at_work_for(now) > LOST_SECONDS]:
            log.critical("queue_worker_lost", requests=len(worker.batch), seconds=round(worker.at_work_for(now), 1))
            self._replace(worker)
        if self._all_slow(now) and len(self._workers) < MOST_WORKERS and not self._waiting.empty():
            self._open_worker()
        self._looking = bool(self._unanswered)
        if self._looking:
            assert self._loop is not None
            self._loop.call_later(LOOK_SECONDS, self._look)

    def _all_slow(self, now: float) -> bool:
        return all(worker.at_work_for(now) > SLOW_SECONDS for worker in self._workers)

    def _open_worker(self, *, rest: float = 0.0) -> None:
        worker = Worker(self._run, rest=rest)
        self._workers.append(worker)
        worker.thread.start()

    def _replace(self, worker: Worker) -> None:
        """A worker that died or is lost must leave nobody hanging: answer its requests, and open another.

        What came for their players meanwhile is answered as well: it would be posted out of turn.
        """
        with self._state:
            worker.lost = True
            unserved = list(worker.batch)
            for player in {waiting.request.player for waiting in worker.batch}:
                self._held.pop(player, None)
                unserved += self._at_work.pop(player, [])
            if worker is self._patient:
                self._patient = None
                if self._held:
                    self._be_patient()
        self._inside -= len(unserved)
        for waiting in unserved:
            self._answer(waiting.future, Busy("unavailable"))
        if worker in self._workers:
            self._workers.remove(worker)
            self._open_worker(rest=LOOK_SECONDS)

    def _answer_all(self, worker: Worker, answered: list[tuple[Waiting, Outcome]]) -> None:
        self._inside -= len(answered)
        for waiting, outcome in answered:
            self._answer(waiting.future, outcome)
        if not self._unanswered:
            QUEUE.set(0)
        self._turn(worker, TURNS)

    def _turn(self, worker: Worker, left: int) -> None:
        if left == 0:
            worker.turned.set()
        else:
            assert self._loop is not None
            self._loop.call_soon(self._turn, worker, left - 1)

    def _answer(self, future: Future, outcome: Outcome) -> None:
        self._unanswered.pop(future, None)
        # A client that hung up cancelled its future; its command was carried out all the same.
        if not future.done():
            future.set_result(outcome)

    # --- a worker ------------------------------------------------------------------------------

    def _run(self, worker: Worker) -> None:
        assert self._loop is not None
        time.sleep(worker.rest)
        try:
            self._set_up()
            if worker is self._patient:
                self._serve_held(worker)
            else:
                self._drain(worker)
        except BaseException:
            log.critical("queue_worker_died", unanswered=self.depth, exc_info=True)
            self._loop.call_soon_threadsafe(self._replace, worker)
        finally:
            posting.part_with_connection()

    def _drain(self, worker: Worker) -> None:
        parked: list[Waiting] = []
        while not worker.lost:
            batch = parked or self._next_batch()
            if batch is None:
                return
            began = time.monotonic()
            parked = self._serve(worker, batch)
            quick = time.monotonic() - began < SLOW_SECONDS
            if quick and not parked and self._is_one_too_many(worker):
                return

    def _next_batch(self) -> list[Waiting] | None:
        """What waits, but for players who are at work elsewhere; None at the end of all."""
        taken: list[Waiting] = []
        size = 0
        waiting = self._waiting.get()
        while waiting is not None:
            taken.append(waiting)
            size += operations(waiting)
            if size >= LARGEST_BATCH:
                break
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                break
        else:
            # The other workers shall hear of the end as well.
            self._waiting.put(None)
            if not taken:
                return None
        with self._state:
            return self._free(taken)

    def _free(self, taken: list[Waiting]) -> list[Waiting]:
        """Those whose players are free, who are at work from now on; the others wait until theirs are."""
        if not self._at_work and not self._held_until:
            self._at_work = {waiting.request.player: [] for waiting in taken}
            return taken
        free = []
        mine: set[str] = set()
        now = time.monotonic()
        # Also of players who never come back: they would keep everybody on this longer way.
        self._held_until = {player: until for player, until in self._held_until.items() if now < until}
        for waiting in taken:
            player = waiting.request.player
            if player not in mine and player in self._at_work:
                self._at_work[player].append(waiting)
            elif player in self._held_until:
                self._at_work[player] = []
                self._hold(player, [waiting])
            else:
                mine.add(player)
                free.append(waiting)
        self._at_work.update({player: [] for player in mine})
        return free

    def _serve(self, worker: Worker, batch: list[Waiting]) -> list[Waiting]:
        """Post a batch and answer it; what came for its players meanwhile is the next one."""
        worker.batch, worker.began = batch, time.monotonic()
        QUEUE.set(self.depth)
        outcomes = self._posted(batch)
        with self._state:
            if worker.lost:
                return []
            done = []
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, HeldUp):
                    self._held_until[waiting.request.player] = time.monotonic() + HELD_SECONDS
                    self._hold(waiting.request.player, [waiting])
                else:
                    done.append((waiting, outcome))
            parked = self._released(done)
            worker.batch, worker.began = [], None
        self._tell(worker, done)
        return parked

    def _posted(self, batch: list[Waiting]) -> list[Outcome]:
        if not batch:
            return []
        try:
            return self._post([waiting.request for waiting in batch])
        except Exception:
            log.critical("queue_posting_failed", requests=len(batch), exc_info=True)
            return [Refused("internal")] * len(batch)

    def _tell(self, worker: Worker, answered: list[tuple[Waiting, Outcome]]) -> None:
        """Let the loop answer, and have a few turns before it is asked for more."""
        assert self._loop is not None
        if not answered:
            return
        worker.turned.clear()
        self._loop.call_soon_threadsafe(self._answer_all, worker, answered)
        if self._waiting.qsize() < LARGEST_BATCH:
            worker.turned.wait(LONGEST_TURNS_SECONDS)

    def _released(self, done: list[tuple[Waiting, Outcome]]) -> list[Waiting]:
        """What came for these players while they were at work; who has nothing more is free for any worker."""
        parked: list[Waiting] = []
        for waiting, _ in done:
            player = waiting.request.player
            if player not in self._held and (more := self._at_work.pop(player, None)):
                parked += more
        self._at_work.update({waiting.request.player: [] for waiting in parked})
        return parked

    def _is_one_too_many(self, worker: Worker) -> bool:
        """Whether another worker is free to work, so that this one may end."""
        if len(self._workers) == 1:
            return False
        with self._state:
            now = time.monotonic()
            if all(other is worker or other.at_work_for(now) > SLOW_SECONDS for other in self._workers):
                return False
            self._workers.remove(worker)
            return True

    # --- held up by somebody's lock ----------------------------------------------------------

    def _hold(self, player: str, waiting: list[Waiting]) -> None:
        self._held.setdefault(player, []).extend(waiting)
        self._be_patient()

    def _be_patient(self) -> None:
        """See to it that a worker serves those who are held up."""
        if self._patient is None:
            self._patient = Worker(self._run)
            self._patient.thread.start()

    def _serve_held(self, worker: Worker) -> None:
        """One player after the other, until nobody is held up any more.

        Where one was let go, so may all have been: what kept them was perhaps a standby that is back. One after the
        other, the last of them would wait until his time is up, again and again.
        """
        together = False
        while not worker.lost:
            with self._state:
                if not self._held:
                    self._patient = None
                    return
                batch = self._first_in_line(together)
            together = self._try_held(worker, batch)

    def _first_in_line(self, together: bool) -> list[Waiting]:
        """What waits for the first player who is held up, or for as many as are posted at once."""
        batch: list[Waiting] = []
        size = 0
        for player, held in self._held.items():
            # What came meanwhile comes after what was held up.
            held += self._at_work[player]
            self._at_work[player] = []
            batch += held
            size += sum(map(operations, held))
            if not together or size >= LARGEST_BATCH:
                break
        return batch

    def _try_held(self, worker: Worker, batch: list[Waiting]) -> bool:
        """Post what is held up, and answer what is no more; whether somebody was let go."""
        worker.batch, worker.began = batch, time.monotonic()
        outcomes = self._posted(batch)
        now = time.monotonic()
        answered: list[tuple[Waiting, Outcome]] = []
        still: dict[str, list[Waiting]] = {}
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, HeldUp) and now < waiting.request.deadline:
                still.setdefault(waiting.request.player, []).append(waiting)
            else:
                answered.append((waiting, outcome))
        free = {waiting.request.player for waiting, outcome in answered if not isinstance(outcome, Busy)}
        locked = {waiting.request.player for waiting, outcome in answered if isinstance(outcome, HeldUp)}
        with self._state:
            if worker.lost:
                return False
            for player in dict.fromkeys(waiting.request.player for waiting in batch):
                del self._held[player]
                if player in still:
                    # To the end of the line: the others shall have their turn.
                    self._held[player] = still[player]
                    continue
                if player in free:
                    self._held_until.pop(player, None)
                elif player in locked:
                    self._held_until[player] = now + HELD_SECONDS
                # Of whoever's time was up in the line, or between two attempts, nothing new is known.
                if more := self._at_work.pop(player):
                    self._at_work[player] = []
                    self._held[player] = more
            worker.batch, worker.began = [], None
        self._tell(worker, answered)
        if still:
            # Whoever keeps the row may do so for long: asking without a pause would cost the others their CPU.
            time.sleep(LOOK_SECONDS)
        return bool(free)


posting_queue = PostingQueue()
