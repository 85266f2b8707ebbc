"""The live page's WebSocket at two web workers: who is let in, and that one reading serves everybody."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests import operators, scenario
from tests.socket_client import PATIENCE, closed_with, next_frame, until
from wallet import second_factor

SOCKETS = 6


@pytest.fixture
def port(workers: int, books: None) -> int:
    scenario.catalogue()
    scenario.alice("100.00")
    return workers


def session_of(role: str) -> str:
    return operators.of(role).cookies["sessionid"].value


def watch(port: int, session: str | None, origin: str | None = "http://127.0.0.1:{port}") -> ClientConnection:
    headers = {} if session is None else {"Cookie": f"sessionid={session}"}
    if origin is not None:
        headers["Origin"] = origin.format(port=port)
    return connect(f"ws://127.0.0.1:{port}/ws/dashboard/", additional_headers=headers, open_timeout=PATIENCE)


def bets_of(frame: dict[str, Any]) -> int:
    return sum(second["bets"] for second in frame["seconds"])


def test_everybody_who_watches_is_told_the_same(port: int) -> None:
    session = session_of("auditor")
    with ExitStack() as stack:
        watching = [stack.enter_context(watch(port, session)) for _ in range(SOCKETS)]
        scenario.bet("alice", "12.50", at=time.time_ns() // 1000)
        seen = [until(client, lambda frame: bets_of(frame) == 1)[-1] for client in watching]
    assert all(frame["first"] < frame["end"] for frame in seen)
    assert {frame["today"][0]["staked"] for frame in seen} <= {"12.50", "0.00"}
    assert all({"queue", "sockets", "bonuses", "verdict", "findings"} <= set(frame) for frame in seen)


@pytest.mark.parametrize(
    ("role", "origin"),
    [
        (None, "http://127.0.0.1:{port}"),
        ("support", "http://127.0.0.1:{port}"),
        ("auditor", "https://evil.example"),
        ("auditor", None),
    ],
)
def test_nobody_else_is_let_in(port: int, role: str | None, origin: str | None) -> None:
    session = None if role is None else session_of(role)
    with pytest.raises(InvalidStatus) as refused:
        watch(port, session, origin)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("how", ["be logged out", "lose the role"])
def test_a_socket_ends_with_the_session_or_the_permission(port: int, how: str) -> None:
    session = session_of("auditor")
    with watch(port, session) as client:
        next_frame(client)
        if how == "be logged out":
            second_factor.end_sessions(User.objects.get(username="auditor"))
        else:
            User.objects.get(username="auditor").groups.clear()
        assert closed_with(client) == 4401
