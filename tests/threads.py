"""Many callers at the same moment: threads of this process, or of several."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

Act = Callable[[], Any]


def threads(acts: Sequence[Act]) -> list[Any]:
    """What the acts returned, all of them begun together, each in a thread with its own connection."""
    returned: list[Any] = [None] * len(acts)
    start = threading.Barrier(len(acts))

    def run(place: int) -> None:
        try:
            start.wait()
            returned[place] = acts[place]()
        finally:
            connection.close()

    started = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return returned


def processes(count: int, acts: Sequence[Act]) -> list[Any]:
    """As ``threads``, with the acts dealt out to several processes; what they return must pickle."""
    connection.close()
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(count)
    results = fork.SimpleQueue()

    def run(mine: Sequence[Act]) -> None:
        gate.wait()
        results.put(threads(mine))

    started = [fork.Process(target=run, args=(acts[place::count],)) for place in range(count)]
    for process in started:
        process.start()
    returned = [each for _ in started for each in results.get()]
    for process in started:
        process.join()
    return returned
