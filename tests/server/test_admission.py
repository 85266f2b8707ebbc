"""So many requests at once, the others queue, and each has an answer in time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from casino_pam.server import admission
from casino_pam.server.admission import Admission
from casino_pam.spreadsheet import _sent
from wallet.errors import Busy
from wallet.pg import deadline

Application = Callable[[Any, Any, Any], Awaitable[None]]

OK = ({"type": "http.response.start", "status": 200, "headers": []}, {"type": "http.response.body", "body": b"yes"})


class Answer:
    """What one client got."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        assert len([each for each in self.messages if each["type"] == "http.response.start"]) == 1
        found: int = self.messages[0]["status"]
        return found

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(each["body"] for each in self.messages[1:])


async def ask(door: Admission, path: str = "/api/v1/players", chunks: tuple[bytes, ...] = (b"",)) -> Answer:
    """One request, whose client stays."""
    answer, left = Answer(), list(chunks)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    await door({"type": "http", "path": path}, receive, answer.send)
    return answer


class View:
    """Answers when it is let go on."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go_on.wait()
            for message in OK:
                await send(message)
        finally:
            self.running -= 1


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(admission, "QUEUE_SECONDS", 0.1)


async def test_so_many_are_served_at_once_and_the_others_in_turn() -> None:
    view = View()
    door = Admission(view, 3)
    asked = [asyncio.create_task(ask(door)) for _ in range(20)]
    while view.running < 3:
        await asyncio.sleep(0)
    view.go_on.set()
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * 20
    assert view.most == 3


async def test_who_finds_no_place_in_time_is_told_when_to_come_again(hasty: None) -> None:
    view = View()
    door = Admission(view, 1)
    first, second = await asyncio.gather(ask(door), ask(door))
    for answer, code in ((first, "unavailable"), (second, "busy")):
        assert answer.status == 503
        assert answer.headers[b"retry-after"] == b"1"
        assert answer.headers[b"content-type"] == b"application/problem+json"
        assert json.loads(answer.body)["code"] == code


async def test_the_queue_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LONGEST_QUEUE", 1)
    view = View()
    door = Admission(view, 1)
    asked = [asyncio.create_task(ask(door)) for _ in range(3)]
    last = await asked[2]
    view.go_on.set()
    assert (last.status, json.loads(last.body)["code"]) == (503, "busy")
    assert [(await each).status for each in asked[:2]] == [200, 200]


async def test_a_view_that_is_late_keeps_its_place_until_it_is_done_and_says_nothing_more(hasty: None) -> None:
    view = View()
    door = Admission(view, 1)
    late = await ask(door)
    assert (late.status, view.running) == (503, 1)
    assert (await ask(door)).status == 503
    assert view.most == 1
    view.go_on.set()
    assert (await ask(door)).status == 200
    assert late.status == 503


async def test_a_page_is_told_of_in_html(hasty: None) -> None:
    answer = await ask(Admission(View(), 1), "/admin/")
    assert answer.status == 503
    assert answer.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert answer.headers[b"retry-after"] == b"1"
    assert b"<h1>The house is not available</h1>" in answer.body


async def test_an_answer_that_has_begun_may_last_and_leaves_its_place_to_others(hasty: None) -> None:
    more = asyncio.Event()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send(OK[0])
        await more.wait()
        await send(OK[1])

    door = Admission(stream, 1)
    first, second = asyncio.create_task(ask(door)), asyncio.create_task(ask(door))
    await asyncio.sleep(2 * admission.ANSWER_SECONDS)
    more.set()
    assert [(await each).body for each in (first, second)] == [b"yes", b"yes"]


async def test_a_page_whose_readers_wait_on_purpose_has_its_own_time(hasty: None) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(2 * admission.ANSWER_SECONDS)
        for message in OK:
            await send(message)

    assert (await ask(Admission(slow, 1, seconds=60))).status == 200


async def test_the_deadline_reaches_the_thread_of_the_view() -> None:
    left: list[float | None] = []

    async def view(scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(lambda: left.append(deadline.remaining()))()
        for message in OK:
            await send(message)

    await ask(Admission(view, 1))
    assert left[0] is not None
    assert admission.DATABASE_SECONDS - 1 < left[0] <= admission.DATABASE_SECONDS
    assert deadline.remaining() is None


async def test_the_pieces_of_a_file_have_a_time_of_their_own() -> None:
    def pieces() -> Any:
        yield deadline.remaining()
        yield deadline.remaining()

    with deadline.until(time.monotonic()):
        left = [piece async for piece in _sent(pieces())]
    assert all(float(each) > 100 for each in left)


async def test_a_body_takes_no_place_before_it_is_whole(hasty: None) -> None:
    view = View()
    view.go_on.set()
    door = Admission(view, 1)
    arrived = asyncio.Event()
    slow = Answer()

    async def receive() -> dict[str, Any]:
        await arrived.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    sender = asyncio.create_task(door({"type": "http", "path": "/admin/"}, receive, slow.send))
    assert (await ask(door)).status == 200
    arrived.set()
    await sender
    assert slow.status == 200


async def test_a_form_has_a_largest_size() -> None:
    view = View()
    answer = await ask(Admission(view, 1), "/admin/", (b"x" * admission.LARGEST_FORM, b"x"))
    assert (answer.status, view.most) == (413, 0)


@pytest.mark.parametrize(("error", "status"), [(Busy("unavailable"), 503), (ValueError("ours"), 500)])
async def test_what_escapes_the_view_is_answered_and_leaves_its_place(error: Exception, status: int) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise error

    door = Admission(failing, 1)
    for _ in range(2):
        assert (await ask(door)).status == status
