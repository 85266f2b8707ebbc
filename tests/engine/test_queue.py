"""The queue: batches what waits, answers after commit, never leaves a request hanging."""

import asyncio
import threading
import time

import pytest

from casino_pam.engine import commands
from casino_pam.engine import queue as queue_module
from casino_pam.engine.posting import HeldUp
from casino_pam.engine.queue import LONGEST_QUEUE, PostingQueue
from wallet.errors import Busy, Refused


def asked(name: str) -> commands.Balance:
    return commands.Balance(source="acme", player=name, at=0, currency="EUR")


def names(outcomes):
    return [outcome.facts["player"] for outcome in outcomes]


def queue_over(posting) -> PostingQueue:
    """One that posts to nowhere, and needs no connection for that."""
    return PostingQueue(posting, set_up=lambda: None)


class Posting:
    """Stands where the engine stands; holds its first batch until it is let go."""

    def __init__(self):
        self.batches = []
        self.go_on = threading.Event()
        self.began = threading.Event()

    def __call__(self, batch):
        self.batches.append([request.player for request in batch])
        self.began.set()
        assert self.go_on.wait(10)
        return [Refused("unknown_player", player=request.player) for request in batch]


async def test_posts_what_gathered_while_it_was_busy_as_one_batch_in_order():
    posting = Posting()
    posting_queue = queue_over(posting)
    posting_queue.start()
    first = posting_queue.submit(asked("0"))
    await asyncio.to_thread(posting.began.wait, 10)
    others = [posting_queue.submit(asked(str(n))) for n in range(1, 10)]
    assert posting_queue.depth == 10
    posting.go_on.set()
    assert names(await asyncio.gather(first, *others)) == [str(n) for n in range(10)]
    assert posting.batches == [["0"], [str(n) for n in range(1, 10)]]
    await posting_queue.stop()


async def test_serves_what_it_accepted_before_it_leaves_and_nothing_after():
    posting = Posting()
    posting_queue = queue_over(posting)
    posting_queue.start()
    futures = [posting_queue.submit(asked(str(n))) for n in range(600)]
    stopping = asyncio.create_task(posting_queue.stop())
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        posting_queue.submit(asked("late"))
    posting.go_on.set()
    await stopping
    assert names([future.result() for future in futures]) == [str(n) for n in range(600)]
    assert posting_queue.depth == 0


async def test_a_client_that_hangs_up_cancels_nothing():
    posting = Posting()
    posting_queue = queue_over(posting)
    posting_queue.start()
    gone, there = posting_queue.submit(asked("gone")), posting_queue.submit(asked("there"))
    gone.cancel()
    posting.go_on.set()
    assert names([await there]) == ["there"]
    assert [name for batch in posting.batches for name in batch] == ["gone", "there"]
    await posting_queue.stop()


async def test_a_full_queue_is_refused_at_once():
    posting = Posting()
    posting_queue = queue_over(posting)
    posting_queue.start()
    futures = [posting_queue.submit(asked("someone")) for _ in range(LONGEST_QUEUE)]
    with pytest.raises(Busy):
        posting_queue.submit(asked("one too many"))
    posting.go_on.set()
    await asyncio.gather(*futures)
    await posting_queue.stop()


async def test_a_posting_that_raises_answers_internal_and_the_next_one_is_served():
    calls = []

    def post(batch):
        calls.append(batch)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return [Refused("unknown_player", player=request.player) for request in batch]

    posting_queue = queue_over(post)
    posting_queue.start()
    assert (await posting_queue.submit(asked("first"))).code == "internal"
    assert (await posting_queue.submit(asked("second"))).code == "unknown_player"
    await posting_queue.stop()


async def test_a_dead_thread_is_replaced_and_its_requests_answered():
    died = []

    def post(batch):
        if not died:
            died.append(True)
            raise SystemExit
        return [Refused("unknown_player", player=request.player) for request in batch]

    posting_queue = queue_over(post)
    posting_queue.start()
    first = posting_queue.submit(asked("first"))
    assert (await asyncio.wait_for(first, 10)).code == "unavailable"
    assert (await asyncio.wait_for(posting_queue.submit(asked("second")), 10)).code == "unknown_player"
    await posting_queue.stop()


def a_batch(player: str, operations: int) -> commands.Batch:
    bet = {"source": "acme", "player": player, "at": 0, "currency": "EUR", "round": "r", "game": "g", "amount": 1}
    return commands.Batch(operations=tuple(commands.Bet(reference=str(n), **bet) for n in range(operations)))


async def test_a_batch_is_bounded_by_operations_not_by_requests():
    posting = Posting()
    posting_queue = queue_over(posting)
    posting_queue.start()
    first = posting_queue.submit(asked("first"))
    await asyncio.to_thread(posting.began.wait, 10)
    others = [posting_queue.submit(a_batch(f"p{n}", 100)) for n in range(8)]
    posting.go_on.set()
    await asyncio.gather(first, *others)
    assert [len(batch) for batch in posting.batches] == [1, 6, 2]
    await posting_queue.stop()


# --- a posting that takes long -------------------------------------------------------------------


class Slow:
    """Posts everybody at once but those named, who wait until they are let go."""

    def __init__(self, *slow: str):
        self.slow = set(slow)
        self.go_on = threading.Event()
        self.posted = []

    def __call__(self, batch):
        names = [request.player for request in batch]
        if self.slow.intersection(names):
            assert self.go_on.wait(20)
        self.posted += names
        return [Refused("unknown_player", player=name) for name in names]


def in_time(name: str, seconds: float) -> commands.Balance:
    """A request that may wait so long before it is taken up."""
    return commands.Balance(source="acme", player=name, at=0, currency="EUR", deadline=time.monotonic() + seconds)


async def test_whoever_was_not_answered_in_time_is_answered_busy_whatever_the_posting_does():
    posting = Slow("slow")
    posting_queue = queue_over(posting)
    posting_queue.start()
    future = posting_queue.submit(in_time("slow", 0.0))
    assert (await asyncio.wait_for(future, 3)).code == "busy"
    assert posting_queue.depth == 0
    posting.go_on.set()
    await posting_queue.stop()


async def test_another_worker_serves_who_comes_while_one_waits_for_postgresql():
    posting = Slow("slow")
    posting_queue = queue_over(posting)
    posting_queue.start()
    slow = posting_queue.submit(asked("slow"))
    await asyncio.sleep(0.01)
    assert names(await asyncio.wait_for(asyncio.gather(*(posting_queue.submit(asked(str(n))) for n in range(50))), 10))
    assert not slow.done()
    posting.go_on.set()
    await slow
    # The worker that is one too many leaves once PostgreSQL is quick again.
    while len(posting_queue._workers) > 1:
        await posting_queue.submit(asked("another"))
    await posting_queue.stop()


async def test_what_comes_for_a_player_who_is_at_work_in_one_worker_waits_for_it_and_keeps_its_order():
    posting = Slow("slow")
    posting_queue = queue_over(posting)
    posting_queue.start()
    futures = [posting_queue.submit(asked("slow"))]
    await asyncio.sleep(0.01)
    for n in range(5):
        futures.append(posting_queue.submit(asked("slow")))
        assert (await asyncio.wait_for(posting_queue.submit(asked(str(n))), 10)).code == "unknown_player"
    assert posting.posted == [str(n) for n in range(5)]
    posting.go_on.set()
    await asyncio.gather(*futures)
    assert posting.posted == [*(str(n) for n in range(5)), *["slow"] * 6]
    await posting_queue.stop()


async def test_a_worker_that_does_not_come_back_is_replaced_and_its_players_are_free_again(monkeypatch):
    monkeypatch.setattr(queue_module, "LOST_SECONDS", 0.5)
    posting = Slow("slow")
    posting_queue = queue_over(posting)
    posting_queue.start()
    lost = posting_queue.submit(asked("slow"))
    await asyncio.sleep(0.01)
    parked = posting_queue.submit(asked("slow"))
    assert [outcome.code for outcome in await asyncio.wait_for(asyncio.gather(lost, parked), 10)] == ["unavailable"] * 2
    posting.slow.clear()
    assert (await asyncio.wait_for(posting_queue.submit(asked("slow")), 10)).code == "unknown_player"
    posting.go_on.set()
    await posting_queue.stop()


async def test_a_worker_of_those_held_up_that_does_not_come_back_is_replaced_as_well(monkeypatch):
    monkeypatch.setattr(queue_module, "LOST_SECONDS", 0.5)
    stuck = threading.Event()
    outcomes = iter([HeldUp(), stuck.wait])

    def posting(batch):
        told = next(outcomes, None)
        return [told() if callable(told) else told or Refused("unknown_player", player=batch[0].player)]

    posting_queue = queue_over(posting)
    posting_queue.start()
    assert (await asyncio.wait_for(posting_queue.submit(asked("held")), 10)).code == "unavailable"
    assert names([await asyncio.wait_for(posting_queue.submit(asked("held")), 10)]) == ["held"]
    stuck.set()
    await posting_queue.stop()


async def test_who_waited_in_line_in_vain_is_held_up_no_longer_than_since_the_row_was_found_locked():
    """Else whoever is told 503 and comes again would stand in the line for ever, though nobody locks anything."""
    outcomes = iter([HeldUp(), Busy(), Busy()])

    def posting(batch):
        return [next(outcomes, None) or Refused("unknown_player", player=request.player) for request in batch]

    posting_queue = queue_over(posting)
    posting_queue.start()
    assert (await posting_queue.submit(in_time("held", 20.0))).code == "busy"
    until = posting_queue._held_until["held"]
    assert (await posting_queue.submit(in_time("held", 20.0))).code == "busy"
    assert posting_queue._held_until["held"] == until
    assert names([await posting_queue.submit(asked("held"))]) == ["held"]
    await posting_queue.stop()


async def test_where_one_is_let_go_all_who_were_held_up_are_tried_at_once():
    """One after the other they would wait for each other until their time is up, again and again."""
    free, tried_alone = threading.Event(), threading.Event()
    batches = []

    def posting(batch):
        if not free.is_set():
            if len(batch) == 1:
                tried_alone.set()
            return [HeldUp()] * len(batch)
        batches.append(len(batch))
        return [Refused("unknown_player", player=request.player) for request in batch]

    posting_queue = queue_over(posting)
    posting_queue.start()
    futures = [posting_queue.submit(asked(str(n))) for n in range(20)]
    assert await asyncio.to_thread(tried_alone.wait, 10)
    free.set()
    assert names(await asyncio.wait_for(asyncio.gather(*futures), 10)) == [str(n) for n in range(20)]
    assert batches == [1, 19]
    await posting_queue.stop()


async def test_the_house_is_full_when_nobody_takes_anything_although_everybody_was_answered():
    """Those who were answered busy still stand in the queue: it may not grow without bound."""
    posting = Slow("slow")
    posting_queue = queue_over(posting)
    posting_queue.start()
    futures = [posting_queue.submit(in_time("slow", -1.0)) for _ in range(LONGEST_QUEUE)]
    assert {outcome.code for outcome in await asyncio.gather(*futures)} == {"busy"}
    with pytest.raises(Busy):
        posting_queue.submit(asked("one too many"))
    posting.go_on.set()
    await posting_queue.stop()


async def test_a_worker_that_cannot_begin_is_tried_again_until_it_can():
    failures = [RuntimeError("no"), RuntimeError("no")]

    def set_up() -> None:
        if failures:
            raise failures.pop()

    posting_queue = PostingQueue(Slow(), set_up=set_up)
    posting_queue.start()
    assert (await asyncio.wait_for(posting_queue.submit(asked("someone")), 10)).code == "unknown_player"
    assert not failures
    await posting_queue.stop()


async def test_whose_time_was_up_between_two_attempts_still_makes_nobody_wait_with_him():
    """The attempt after his time is over tells nothing of the lock, so his next request goes to his own worker."""
    outcomes = iter([HeldUp(), Busy()])
    batches = []

    def posting(batch):
        batches.append([request.player for request in batch])
        told = {"held": next(outcomes, None)} if "held" in batches[-1] else {}
        return [told.get(request.player) or Refused("unknown_player", player=request.player) for request in batch]

    posting_queue = queue_over(posting)
    posting_queue.start()
    assert (await posting_queue.submit(in_time("held", 20.0))).code == "busy"
    again, other = posting_queue.submit(asked("held")), posting_queue.submit(asked("other"))
    assert names(await asyncio.gather(again, other)) == ["held", "other"]
    assert sorted(batches) == [["held"], ["held"], ["held"], ["other"]]
    await posting_queue.stop()
