"""What a load balancer is told, with each part really away."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings

from casino_pam import health
from casino_pam.local.os_support import free_port


@pytest.fixture(autouse=True)
def nothing_remembered(books: None) -> None:
    """As in a fresh process, which has not looked at the migrations."""
    health.migrations.cache_clear()


@contextmanager
def away_from_the_database() -> Iterator[None]:
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", free_port())
        yield


@pytest.fixture
def no_database(books: None) -> Iterator[None]:
    with away_from_the_database():
        yield


def test_ready_when_every_part_works(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "migrations": "ok", "redis": "ok"}
    assert answer["Cache-Control"] == "no-store"


def test_not_ready_without_redis(client: Client) -> None:
    away = settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
    with override_settings(CACHES={"default": away}):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "ok", "migrations": "ok", "redis": "failed"}


def test_not_ready_before_the_last_migration(client: Client) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("contenttypes", "0002_remove_content_type_name")
    try:
        answer = client.get("/readyz")
    finally:
        recorder.record_applied("contenttypes", "0002_remove_content_type_name")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "ok", "migrations": "failed", "redis": "ok"}
    assert client.get("/readyz").status_code == 200


def test_not_ready_where_nothing_can_be_written(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "failed", "migrations": "ok", "redis": "ok"}


class TestWithoutTheDatabase:
    def test_not_ready(self, client: Client, no_database: None) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "database": "failed", "migrations": "failed", "redis": "ok"}

    def test_alive_all_the_same(self, client: Client, no_database: None) -> None:
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_a_migrated_database_that_left_is_the_only_part_that_failed(self, client: Client) -> None:
        assert client.get("/readyz").status_code == 200
        with away_from_the_database():
            assert client.get("/readyz").json()["database"] == "failed"
            assert client.get("/readyz").json()["migrations"] == "ok"

    def test_the_caller_learns_nothing_of_the_network(self, client: Client, no_database: None) -> None:
        assert b"127.0.0.1" not in client.get("/readyz").content


METRICS_TOKEN = "0123456789-abcdefghijklmnopqrstuvwxyz"
ASKING = {"Authorization": f"Bearer {METRICS_TOKEN}"}


def test_metrics_are_closed_without_a_token_set_but_where_one_debugs(client: Client) -> None:
    for headers in ({}, ASKING, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
        with override_settings(METRICS_TOKEN=""):
            answer = client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.content) == (404, b"Metrics are closed: METRICS_TOKEN is not set.\n")
    with override_settings(METRICS_TOKEN="", DEBUG=True):
        assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        METRICS_TOKEN,
        f"Basic {METRICS_TOKEN}",
        f"Bearer {METRICS_TOKEN[:-1]}",
        "Bearer \xfc",
    ],
)
def test_metrics_are_read_by_who_sends_the_token_and_nobody_else(client: Client, sent: str | None) -> None:
    with override_settings(METRICS_TOKEN=METRICS_TOKEN, DEBUG=True):
        answer = client.get("/metrics", headers={} if sent is None else {"Authorization": sent})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert b"django_http" not in answer.content
        assert client.get("/metrics", headers=ASKING).status_code == 200


@override_settings(METRICS_TOKEN=METRICS_TOKEN)
def test_probes_need_no_tls(client: Client) -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert client.get("/metrics", headers=ASKING).status_code == 200
        assert client.get("/admin/").status_code == 301


@override_settings(METRICS_TOKEN=METRICS_TOKEN)
def test_counts_requests_for_prometheus(client: Client) -> None:
    client.get("/healthz")
    answer = client.get("/metrics", headers=ASKING)
    assert answer["Content-Type"].startswith("text/plain")
    assert b'django_http_requests_total_by_view_transport_method_total{method="GET",transport="http"' in answer.content
