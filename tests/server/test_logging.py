"""The log, as an engineer's tools read it: one JSON object a line, whatever clients send."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from django.test import Client


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the configured handler writes during the test."""
    (handler,) = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    ]
    written = io.StringIO()
    monkeypatch.setattr(handler, "stream", written)
    return written


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_request_is_one_line_with_its_id(client: Client, written: io.StringIO) -> None:
    client.get("/healthz")
    (line,) = lines(written)
    assert (line["event"], line["request"], line["code"]) == ("request_finished", "GET /healthz", 200)
    assert len(line["request_id"]) == 36


def test_a_line_break_of_a_client_breaks_no_line(client: Client, written: io.StringIO) -> None:
    client.get("/nothing%0d%0a{}", headers={"User-Agent": "curl\r\nforged: yes"})
    structlog.get_logger("casino_pam").warning("said", reference="r-1\r\nforged")
    logging.getLogger("somewhere.else").warning("plain\nlogger %s", "x\ry")
    assert [line["event"] for line in lines(written)] == ["request_finished", "said", "plain\nlogger x\ry"]
    assert written.getvalue().count("\n") == 3
    assert "\r" not in written.getvalue()


def test_no_secret_is_written(client: Client, written: io.StringIO) -> None:
    client.get("/healthz?token=hush", headers={"Authorization": "Bearer hush", "Cookie": "sessionid=hush"})
    structlog.get_logger("casino_pam").warning("said", api_key="hush", Signature="hush", new_password="hush")
    logging.getLogger("somewhere.else").warning("said", extra={"player_token": "hush"})
    assert len(lines(written)) == 3
    assert "hush" not in written.getvalue()


def test_an_exception_stays_on_its_line(written: io.StringIO) -> None:
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        structlog.get_logger("casino_pam").exception("broke")
    (line,) = lines(written)
    assert line["level"] == "error"
    assert "RuntimeError: first\nsecond" in line["exception"]


def test_the_address_is_the_peers_whatever_it_claims(client: Client, written: io.StringIO) -> None:
    client.get("/healthz", headers={"X-Forwarded-For": "198.51.100.7", "X-Real-Ip": "198.51.100.8"})
    (line,) = lines(written)
    assert line["ip"] == "127.0.0.1"
