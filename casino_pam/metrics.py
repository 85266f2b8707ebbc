"""Numbers that every worker of this machine keeps about itself, added up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, multiprocess

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
    (name,) = (metric.name for metric in gauge.describe())
    if folder is None:
        return int(REGISTRY.get_sample_value(name) or 0)
    files = [str(file) for file in Path(folder).glob("gauge_livesum_*.db")]
    metrics = multiprocess.MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
    return int(sum(sample.value for metric in metrics if metric.name == name for sample in metric.samples))


def forget_the_dead() -> None:
    """Drop what killed workers left behind: they can no longer say that their sockets are closed."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for file in Path(folder).glob("gauge_live*.db") if folder else ():
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
