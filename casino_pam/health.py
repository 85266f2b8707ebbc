"""What a load balancer, an engineer and Prometheus ask: is the process up, may it have traffic, what does it count."""

import functools
import time
from collections.abc import Callable

import psycopg
import structlog
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django_prometheus.exports import ExportToDjangoView
from django_redis import get_redis_connection

from casino_pam import database_metrics
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
            answer.content += database_metrics.exposed()
    except (Error, psycopg.Error) as error:
        # The workers' own numbers are worth most when the database is away, or has no tables yet.
        faults.note(error)
    return answer


def _closed(status: int, text: str, headers: dict[str, str]) -> HttpResponse:
    plain = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return HttpResponse(f"{text}\n", status=status, headers=plain | headers)
