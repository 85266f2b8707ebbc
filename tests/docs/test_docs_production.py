"""docs/production.md, walked: from an empty database to the first bet, with the page's own lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.docs.shell import DOCS, blocks, run
from tests.game_client import METRICS_TOKEN, Client, served

PAGE = DOCS / "production.md"


@pytest.fixture(scope="module")
def house(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, str]]:
    """The page's settings, on an empty database and the tests' own Redis."""
    own, name = connection.settings_dict, f"{connection.settings_dict['NAME']}_production"
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        told = dict(line.split("=", 1) for line in blocks(PAGE, "ini")[0].splitlines())
        server = f"{own['USER']}:{quote(own['PASSWORD'])}@{own['HOST']}:{own['PORT']}"
        told |= {"DATABASE_URL": f"postgres://{server}/{name}", "REDIS_URL": settings.REDIS_URL}
        kept = {
            variable: value for variable, value in os.environ.items() if variable not in ("DEMO", "DEBUG", "PLAIN_HTTP")
        }
        yield {**kept, **told}
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def after(told: str, before: str) -> str:
    lines = told.splitlines()
    (place,) = (place for place, line in enumerate(lines) if before in line)
    return lines[place + 1].strip()


def test_the_page_leads_from_an_empty_database_to_the_first_bet(house: dict[str, str], tmp_path: Path) -> None:
    prepare, make, play = blocks(PAGE, "sh")
    run(prepare, house | {"STATIC_ROOT": str(tmp_path)})
    told = run(make, house).stdout
    key, secret = after(told, "The back end shop"), after(told, "Provider acme speaks door")
    with served(workers=1, **_served(house)) as opened:
        named = {"CASINO": f"http://127.0.0.1:{opened.port}", "KEY": key, "SECRET": secret}
        done = run(play, house | named)
        assert done.stderr.split()[:3] == ["201", "200", "200"]
        assert '"balance":"24.00"' in done.stdout
        assert "the books balance" in done.stdout
        _every_name_is_collected(opened)


def _served(house: dict[str, str]) -> dict[str, str]:
    """The page's settings without TLS, which ends at the proxy, and for the host of the tests."""
    return {
        **{name: house[name] for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SECRETS_KEY")},
        "PLAIN_HTTP": "on",
    }


def _every_name_is_collected(opened: Client) -> None:
    """What the alerts and the board ask for is what Prometheus collects here."""
    opened.connection.request(
        "GET", "/metrics", headers={"Host": "localhost", "Authorization": f"Bearer {METRICS_TOKEN}"}
    )
    collected = set(re.findall(r"^# TYPE (\w+)", opened.connection.getresponse().read().decode(), re.MULTILINE))
    board = json.loads((DOCS / "monitoring" / "grafana.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += re.findall(
        r"^ +(?:expr: (?:>-\n)?)?(.*(?:rate|increase|sum|up).*)$",
        (DOCS / "monitoring" / "alerts.yml").read_text(),
        re.MULTILINE,
    )
    names = {name for text in asked for name in re.findall(r"\b(?:game_door|casino_pam|django_http)\w+", text)}
    assert len(names) >= 6
    missing = {name for name in names if not {name, re.sub(r"_(bucket|count|sum|total)$", "", name)} & collected}
    assert not missing


def test_every_setting_of_the_page_is_explained() -> None:
    explained = (DOCS / "configuration.md").read_text()
    for line in blocks(PAGE, "ini")[0].splitlines():
        assert f"| `{line.partition('=')[0]}` |" in explained
