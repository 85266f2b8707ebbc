"""Numbers that every web worker keeps about itself, added up: of this machine for Prometheus, of all for operators."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from django_redis import get_redis_connection
from prometheus_client import REGISTRY, Counter, Gauge, multiprocess
from redis.exceptions import RedisError

from casino_pam.cell import in_redis

SOCKETS: Final = Gauge("casino_pam_sockets", "Open WebSockets of players", multiprocess_mode="livesum")
QUEUE: Final = Gauge(
    "casino_pam_queue", "Calls of game providers taken and not yet answered", multiprocess_mode="livesum"
)
WORKER_DEATHS: Final = Counter(
    "casino_pam_worker_deaths", "Web workers that died, or were killed because they fell silent", ["cause"]
)


def worker_deaths() -> Callable[[str], None]:
    """Count the death of a worker by its cause.

    Every cause begins at 0: a counter that is born with its first event shows no increase to whoever watches.
    """
    causes = {cause: WORKER_DEATHS.labels(cause) for cause in ("signal", "exit", "silence")}
    return lambda cause: causes[cause].inc()


def total(gauge: Gauge) -> int:
    """The gauge over all live workers of this machine, or of this process where there are no workers."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return _own(gauge)
    (name,) = (metric.name for metric in gauge.describe())
    files = [str(file) for file in Path(folder).glob("gauge_livesum_*.db")]
    metrics = multiprocess.MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
    return int(sum(sample.value for metric in metrics if metric.name == name for sample in metric.samples))


# Each worker tells Redis where it stands so often, and what it said counts for so long.
TELL_SECONDS: Final = 2.0
TOLD_SECONDS: Final = 7.0
_TOLD: Final = in_redis("web-workers")
_ME: Final = uuid.uuid4().hex


async def tell_house() -> None:
    """Tell the other machines what this worker says of itself, until cancelled; then take it back."""
    try:
        while True:
            await asyncio.to_thread(tell, time.time())
            await asyncio.sleep(TELL_SECONDS)
    finally:
        await asyncio.to_thread(_take_back)


def tell(now: float) -> None:
    """Say it once. Redis may be away: then nobody is told."""
    own = {name: _own(gauge) for name, gauge in (("queue", QUEUE), ("sockets", SOCKETS))}
    with suppress(RedisError):
        get_redis_connection("default").hset(_TOLD, _ME, json.dumps({"at": now, **own}))


def _take_back() -> None:
    with suppress(RedisError):
        get_redis_connection("default").hdel(_TOLD, _ME)


def of_house(now: float) -> dict[str, int]:
    """The gauges over the live workers of all machines, and how many those are; of this machine without Redis."""
    try:
        redis = get_redis_connection("default")
        told = {worker: json.loads(text) for worker, text in redis.hgetall(_TOLD).items()}
        # Of a worker that was killed nobody takes it back.
        gone = [worker for worker, word in told.items() if abs(now - word["at"]) > TOLD_SECONDS]
        if gone:
            redis.hdel(_TOLD, *gone)
    except RedisError:
        return {"queue": total(QUEUE), "sockets": total(SOCKETS), "workers": 0}
    live = [word for worker, word in told.items() if worker not in gone]
    return {name: sum(word[name] for word in live) for name in ("queue", "sockets")} | {"workers": len(live)}


def _own(gauge: Gauge) -> int:
    """The gauge of this process alone."""
    (name,) = (metric.name for metric in gauge.describe())
    return int(REGISTRY.get_sample_value(name) or 0)


def forget_the_dead() -> None:
    """Drop what killed workers left behind: they can no longer say that their sockets are closed."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for file in Path(folder).glob("gauge_live*.db") if folder else ():
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
