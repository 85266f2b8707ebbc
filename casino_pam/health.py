"""What a load balancer and an engineer ask: is the process up, and may it have traffic."""

import functools
from collections.abc import Callable

import structlog
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django_redis import get_redis_connection

logger = structlog.get_logger(__name__)


class NotReady(Exception):
    """A part is there but cannot be used yet."""


def database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


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
