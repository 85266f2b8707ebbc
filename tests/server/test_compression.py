"""What travels compressed: static files and pages, never an answer that shows a secret or one of the API."""

from __future__ import annotations

import gzip
import http.client
import re
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from tests import browser_pages, game_client, operators, rest_client, scenario

GZIP = {"HTTP_ACCEPT_ENCODING": "br, gzip"}


def fetched(port: int, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    return {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_static_text_is_sent_compressed_to_who_takes_it(provider: game_client.Client, static_root: str) -> None:
    (path,) = [each for each in Path(static_root).glob("unfold/css/styles.*.css") if each.suffix == ".css"]
    address = f"/static/unfold/css/{path.name}"
    headers, body = fetched(provider.port, address, **{"Accept-Encoding": "gzip"})
    assert (headers["content-encoding"], "Accept-Encoding" in headers["vary"]) == ("gzip", True)
    assert gzip.decompress(body) == path.read_bytes()
    assert len(body) < len(path.read_bytes()) / 5
    headers, plain = fetched(provider.port, address)
    assert ("content-encoding" in headers, plain) == (False, path.read_bytes())


def test_what_was_compressed_once_is_not_compressed_again(static_root: str) -> None:
    before = {path: path.stat().st_ino for path in Path(static_root).rglob("*.gz")}
    assert len(before) > 50
    # Only names that tell their content are asked for.
    assert all(re.search(r"\.[0-9a-f]{12}(\.[\w-]+)?\.gz$", path.name) for path in before)
    for path in before:
        path.chmod(0o400)
    browser_pages.collected(Path(static_root))
    assert {path: path.stat().st_ino for path in Path(static_root).rglob("*.gz")} == before


def encoding(answer: Any) -> str | None:
    return answer.headers.get("Content-Encoding")


def test_pages_are_compressed_and_what_shows_a_secret_is_not(books: None) -> None:
    scenario.catalogue()
    sue = operators.sue()
    assert encoding(sue.get("/admin/", **GZIP)) == "gzip"
    assert encoding(sue.get("/admin/")) is None
    assert encoding(Client().get("/problems/", **GZIP)) == "gzip"
    assert encoding(Client().get("/api/schema/", **GZIP)) == "gzip"
    shown_once = {
        "/admin/auth/user/add/": {"username": "otto"},
        "/admin/wallet/apikey/add/": {"name": "shop", "scopes": ["cashier"], "source": "cashier", "enabled": "on"},
        "/admin/office/account/second-factor/": {"step": "begin"},
    }
    for path, form in shown_once.items():
        answer = sue.post(path, form, **GZIP)
        assert ('class="once"' in answer.content.decode(), encoding(answer)) == (True, None), path
    assert User.objects.filter(username="otto").exists()


def test_the_api_s_answers_and_what_is_refused_stay_as_they_are(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    for _ in range(3):
        scenario.bet()
    feed = rest_client.key().call("GET", "players/alice/wallets/EUR/transactions", **{"Accept-Encoding": "gzip"})
    assert (feed.status, len(str(feed.body)) > 1_000, "Content-Encoding" in feed.headers) == (200, True, False)
    refused = operators.of("support").get("/admin/wallet/auditentry/", **GZIP)
    assert (refused.status_code, encoding(refused)) == (403, None)
