"""What stands before Django: so many requests at once, and for each an answer in time (docs/decisions/0020).

A view runs in a thread of its own, and a thread that waits for PostgreSQL cannot be ended. So a request
waits here for a place before it gets one; everything it asks of PostgreSQL has a deadline; and where the
view has not answered by its end, the answer is given here and the view keeps its place until it is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
import structlog
from django.db import Error as DjangoDatabaseError
from django.http import HttpRequest, HttpResponseBase
from uuid_utils import uuid7

from casino_pam import problems
from casino_pam.guard import DATABASE_SECONDS, MAX_BODY, again, operator_may, read_body
from wallet.errors import Refused
from wallet.pg import deadline, faults

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[HttpRequest], HttpResponseBase]

log = structlog.get_logger(__name__)

# No answer takes more than 3.5 s (PLAY.md): whatever holds a view up, its caller is answered by then.
ANSWER_SECONDS: Final = 3.1
# Who has waited so long for a place would not be served in what is left.
QUEUE_SECONDS: Final = 2.5
# Waiting requests hold their bodies; beyond so many the answer is no at once.
LONGEST_QUEUE: Final = 1_000
# A form of an operator; provider files have a door of their own. Nobody else sends as much.
LARGEST_FORM: Final = 4 * 1024 * 1024


class Admission:
    """Belongs to one event loop; ``places`` requests are served at a time.

    ``seconds`` is what a view may take beyond a usual answer, for pages whose readers wait on purpose;
    such a view says itself what may take longer (``deadline.afresh``). ``whole`` has the body read before
    a place is taken, so that no slow sender holds one.
    """

    def __init__(self, application: Application, places: int, *, seconds: float = 0.0, whole: bool = True) -> None:
        self._application = application
        self._places = asyncio.Semaphore(places)
        self._queue = 0
        self._seconds = seconds
        self._whole = whole
        # The loop itself keeps no hold of a task.
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope["path"], send)
        if self._whole:
            try:
                body = await read_body(receive, MAX_BODY, more=lambda: _largest(scope))
            except Refused as refusal:
                await answer.refuse(refusal)
                return
            if body is None:
                return
            receive = again(body, receive)
        began = time.monotonic()
        if not await self._place():
            await answer.refuse(Refused("busy"))
            return
        with deadline.until(began + DATABASE_SECONDS + self._seconds):
            task = asyncio.create_task(self._serve(scope, receive, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        begun = asyncio.create_task(answer.begun.wait())
        left = began + ANSWER_SECONDS + self._seconds - time.monotonic()
        await asyncio.wait((task, begun), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if answer.begun.is_set():
            # A file lasts as long as it is read; the server layer ends one that is not.
            await task
        elif not task.done():
            log.warning("view_not_in_time", path=scope["path"])
            await answer.refuse(Refused("unavailable"))

    async def _place(self) -> bool:
        if self._queue >= LONGEST_QUEUE:
            return False
        self._queue += 1
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            return False
        finally:
            self._queue -= 1
        return True

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """The place is free again when the view is done, not when the client has read its answer."""
        answer.at_begin = self._places.release
        try:
            await self._application(scope, receive, answer.send)
        except Exception as error:
            code = faults.fault(error)
            if code is None:
                log.exception("door_failed", path=scope["path"])
            else:
                faults.note(error)
            await answer.refuse(Refused(code or "internal"))
        finally:
            answer.leave_place()


async def _largest(scope: Scope) -> int:
    """How large the body of this request may be: who is not logged in has nothing large to say."""
    if all(name != b"cookie" for name, _ in scope.get("headers", ())):
        return MAX_BODY
    try:
        return LARGEST_FORM if await asyncio.to_thread(operator_may, scope) else MAX_BODY
    except (psycopg.Error, DjangoDatabaseError) as error:
        faults.note(error)
        raise Refused("unavailable") from None


def in_time(get_response: Handler) -> Handler:
    """Middleware: the whole request is there, and PostgreSQL has this long for it, the look at who asks included."""

    def served(request: HttpRequest) -> HttpResponseBase:
        with deadline.until(time.monotonic() + DATABASE_SECONDS):
            response = get_response(request)
        if response.status_code == 503:
            response.headers.setdefault("Retry-After", str(problems.RETRY_AFTER_SECONDS))
        return response

    return served


class _Answer:
    """One answer: the view's, or ours where the view's came too late."""

    def __init__(self, path: str, send: Send) -> None:
        self._path = path
        self._send = send
        self._refused = False
        self.begun = asyncio.Event()
        self.at_begin: Callable[[], None] | None = None

    async def send(self, message: Any) -> None:
        """The view's; it is not told that nobody listens any more."""
        self.leave_place()
        if not self._refused:
            self.begun.set()
            await self._send(message)

    async def refuse(self, refusal: Refused) -> None:
        """Ours, unless there is one already."""
        if self._refused or self.begun.is_set():
            return
        self._refused = True
        headers, body = problems.answer(self._path, refusal, str(uuid7()))
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
        await self._send({"type": "http.response.body", "body": body})

    def leave_place(self) -> None:
        left, self.at_begin = self.at_begin, None
        if left is not None:
            left()
