"""What a load balancer, an engineer and Prometheus ask: is the process up, may it have traffic, what does it count."""

import functools
import time
from collections.abc import Callable, Iterator

import psycopg
import structlog
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django_prometheus.exports import ExportToDjangoView
from django_redis import get_redis_connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from casino_pam import timetable
from casino_pam.delivery import COUNTED, standings
from wallet.models import Job
from wallet.pg import deadline, faults

logger = structlog.get_logger(__name__)


class NotReady(Exception):
    """A part is there but cannot be used yet."""


# A balancer's own patience is short, and who does not answer in this time is not ready.
DATABASE_SECONDS = 0.8


def database() -> None:
    """Raises NotReady where nothing can be written: on a standby, or on a primary that became read-only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only')")
        if cursor.fetchone() != ("off",):
            raise NotReady("PostgreSQL takes no writes")


@functools.cache
def migrations() -> None:
    """Raises NotReady where the database lacks a migration of this code; once none is missing, none will be."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("run manage.py migrate")


def redis() -> None:
    get_redis_connection("default").ping()


PARTS: dict[str, Callable[[], None]] = {"database": database, "migrations": migrations, "redis": redis}


def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all; it asks nobody else, so that a restart is never the cure for a
    database that is away."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part works, else 503 that names those that do not."""
    with deadline.until(time.monotonic() + DATABASE_SECONDS):
        outcome = {name: state(name, part) for name, part in PARTS.items()}
    ready = all(found == "ok" for found in outcome.values())
    body = {"status": "ok" if ready else "unavailable"} | outcome
    return JsonResponse(body, status=200 if ready else 503, headers={"Cache-Control": "no-store"})


def state(name: str, part: Callable[[], None]) -> str:
    """ok or failed; why is for the log alone."""
    try:
        part()
    except Exception as error:
        logger.warning("part_not_ready", part=name, error=str(error))
        return "failed"
    return "ok"


def metrics(request: HttpRequest) -> HttpResponse:
    """What Prometheus collects, for who sends METRICS_TOKEN as a bearer token: 401 for others.

    Where no token is set there is no such page (404), but on a machine that is being debugged.
    """
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not constant_time_compare(token.strip(), settings.METRICS_TOKEN):
            return _closed(401, "Send METRICS_TOKEN as a bearer token.", {"WWW-Authenticate": "Bearer"})
    elif not settings.DEBUG:
        return _closed(404, "Metrics are closed: METRICS_TOKEN is not set.", {})
    answer: HttpResponse = ExportToDjangoView(request)
    try:
        with deadline.until(time.monotonic() + DATABASE_SECONDS):
            answer.content += _of_database()
    except (Error, psycopg.Error) as error:
        # The workers' own numbers are worth most when the database is away, or has no tables yet.
        faults.note(error)
    return answer


def _closed(status: int, text: str, headers: dict[str, str]) -> HttpResponse:
    plain = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return HttpResponse(f"{text}\n", status=status, headers=plain | headers)


# --- numbers that the database keeps, of work that no web worker does: any of them can tell -----

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


def _of_database() -> bytes:
    """All of them in Prometheus' text."""
    registry = CollectorRegistry()
    registry.register(_Jobs())
    registry.register(_Events())
    return generate_latest(registry)
