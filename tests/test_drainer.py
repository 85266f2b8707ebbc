"""The drainer: batches what waits, answers after commit, never leaves a request hanging."""

import asyncio
import threading

import pytest

from casino_pam import commands
from casino_pam.drainer import LONGEST_QUEUE, Drainer
from wallet.errors import Busy, Refused


def asked(name: str) -> commands.Balance:
    return commands.Balance(source="acme", player=name, at=0, currency="EUR")


def names(outcomes):
    return [outcome.facts["player"] for outcome in outcomes]


class Posting:
    """Stands where the teller stands; holds its first batch until it is let go."""

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
    drainer = Drainer(posting)
    drainer.start()
    first = drainer.submit(asked("0"))
    await asyncio.to_thread(posting.began.wait, 10)
    others = [drainer.submit(asked(str(n))) for n in range(1, 10)]
    assert drainer.depth == 10
    posting.go_on.set()
    assert names(await asyncio.gather(first, *others)) == [str(n) for n in range(10)]
    assert posting.batches == [["0"], [str(n) for n in range(1, 10)]]
    await drainer.stop()


async def test_serves_what_it_accepted_before_it_leaves_and_nothing_after():
    posting = Posting()
    drainer = Drainer(posting)
    drainer.start()
    futures = [drainer.submit(asked(str(n))) for n in range(600)]
    stopping = asyncio.create_task(drainer.stop())
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        drainer.submit(asked("late"))
    posting.go_on.set()
    await stopping
    assert names([future.result() for future in futures]) == [str(n) for n in range(600)]
    assert drainer.depth == 0


async def test_a_client_that_hangs_up_cancels_nothing():
    posting = Posting()
    drainer = Drainer(posting)
    drainer.start()
    gone, there = drainer.submit(asked("gone")), drainer.submit(asked("there"))
    gone.cancel()
    posting.go_on.set()
    assert names([await there]) == ["there"]
    assert [name for batch in posting.batches for name in batch] == ["gone", "there"]
    await drainer.stop()


async def test_a_full_queue_is_refused_at_once():
    posting = Posting()
    drainer = Drainer(posting)
    drainer.start()
    futures = [drainer.submit(asked("someone")) for _ in range(LONGEST_QUEUE)]
    with pytest.raises(Busy):
        drainer.submit(asked("one too many"))
    posting.go_on.set()
    await asyncio.gather(*futures)
    await drainer.stop()


async def test_a_posting_that_raises_answers_internal_and_the_next_one_is_served():
    calls = []

    def post(batch):
        calls.append(batch)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return [Refused("unknown_player", player=request.player) for request in batch]

    drainer = Drainer(post)
    drainer.start()
    assert (await drainer.submit(asked("first"))).code == "internal"
    assert (await drainer.submit(asked("second"))).code == "unknown_player"
    await drainer.stop()


async def test_a_dead_thread_is_replaced_and_its_requests_answered():
    died = []

    def post(batch):
        if not died:
            died.append(True)
            raise SystemExit
        return [Refused("unknown_player", player=request.player) for request in batch]

    drainer = Drainer(post)
    drainer.start()
    first = drainer.submit(asked("first"))
    assert (await asyncio.wait_for(first, 10)).code == "unavailable"
    assert (await asyncio.wait_for(drainer.submit(asked("second")), 10)).code == "unknown_player"
    await drainer.stop()
