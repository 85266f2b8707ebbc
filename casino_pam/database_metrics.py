"""Numbers that the database keeps of work that no web worker does, as Prometheus reads them at any of them."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from casino_pam import timetable
from casino_pam.delivery import COUNTED, standings
from wallet.models import Job

_OF_JOBS = {
    "last_run_timestamp_seconds": "When the job's last run ended, in unix seconds",
    "last_done_timestamp_seconds": "When the job last ended without failing, in unix seconds",
    "duration_seconds": "How long the job's last run took",
    "failures": "Runs of the job in a row that failed; 0 is good",
    "overdue_seconds": "How long the job has been due; minutes mean that nobody runs it",
}


class _Jobs(Collector):
    """How the jobs of all machines stand."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        gauges = {name: _gauge(f"job_{name}", text, "job") for name, text in _OF_JOBS.items()}
        outcome = _gauge("job_outcome", "How the job's last run ended", "job", "outcome")
        for job in Job.objects.filter(name__in=[job.name for job in timetable.jobs()]):
            gauges["failures"].add_metric([job.name], job.failures)
            gauges["overdue_seconds"].add_metric([job.name], job.overdue(now).total_seconds())
            if job.finished_at is not None:
                gauges["last_run_timestamp_seconds"].add_metric([job.name], job.finished_at.timestamp())
                gauges["duration_seconds"].add_metric([job.name], job.seconds or 0.0)
                outcome.add_metric([job.name, job.outcome], 1)
            if job.done_at is not None:
                gauges["last_done_timestamp_seconds"].add_metric([job.name], job.done_at.timestamp())
        yield from (*gauges.values(), outcome)


class _Events(Collector):
    """What waits for the back ends that are told of events."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        pending = _gauge("events_pending", f"Events that wait for the endpoint, up to {COUNTED + 1}", "endpoint")
        oldest = _gauge("events_oldest_seconds", "How long the oldest of them has waited", "endpoint")
        failures = _gauge("endpoint_failures", "Attempts in a row at which it could not be reached", "endpoint")
        for endpoint, standing in standings():
            pending.add_metric([endpoint.code], standing.waiting)
            oldest.add_metric([endpoint.code], (now - standing.since).total_seconds() if standing.since else 0.0)
            failures.add_metric([endpoint.code], endpoint.failures)
        yield from (pending, oldest, failures)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"casino_pam_{name}", text, labels=labels)


def exposed() -> bytes:
    """All of them in Prometheus' text."""
    registry = CollectorRegistry()
    registry.register(_Jobs())
    registry.register(_Events())
    return generate_latest(registry)
