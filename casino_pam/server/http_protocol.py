"""One HTTP connection, bounded: whatever a peer does, it can neither hold a socket nor fill memory.

Uvicorn waits for ever for the rest of a request and takes a head of any length; and it drops a
client that sent all of its request and then closed its sending side. What the parser cannot read
is answered here in the shape of every other problem, or in that which its provider speaks.

Calls of game providers go straight to their door (docs/decisions/0039): whole, without ASGI's messages. All
else is uvicorn's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, cast

import httptools
from django.conf import settings
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from casino_pam import problems
from casino_pam.guard import PATH, UPLOAD_EXTENSION
from wallet.errors import Refused

if TYPE_CHECKING:
    # The supervisor loads this module without Django; whoever has a request has loaded the doors.
    from casino_pam.api.game.app import GameDoor, Route

# From the first byte of a request to its last.
MESSAGE_SECONDS: Final = 5.0
# How long a client may leave an answer lying that no buffer can hold.
UNREAD_SECONDS: Final = 30.0
LARGEST_HEAD: Final = 32 * 1024
# More than any door here reads, but for an upload; the doors themselves refuse much less.
LARGEST_MESSAGE: Final = 8 * 1024 * 1024
# How long an operator's upload may take. Nobody else's is read (casino_pam/guard.py).
UPLOAD_SECONDS: Final = 600.0
# Whoever was answered before the end of a message may send so much more, and has so long: many clients read nothing
# until they have written all. What comes is dropped as it comes.
LARGEST_REST: Final = 2 * LARGEST_MESSAGE
LINGER_SECONDS: Final = 3.0


GAME: Final = b"/api/game/"
# Under this name the application hands its game door over, in the state of its lifespan.
GAME_DOOR: Final = "game_door"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class HeadTooLarge(Exception):
    """Stops the parser; the answer is given where parsing fails."""


class _Nobody:
    """In the place of uvicorn's event that more of a body is there. A call is begun when it is whole: nobody waits."""

    def set(self) -> None: ...


class GameCall:
    """A call of a provider, in the place of uvicorn's own picture of a request and its answer."""

    message_event = _Nobody()
    waiting_for_100_continue = False

    def __init__(self, where: Route, path: bytes, query: bytes, protocol: BoundedHttp) -> None:
        self.where = where
        self.limit = where.limit
        self.path = path
        self.query = query
        self.method = protocol.parser.get_method().decode("ascii")
        self.headers = protocol.headers
        self.keep_alive = protocol.parser.get_http_version() != "1.0" and protocol.parser.should_keep_alive()
        self.wants_continue = protocol.expect_100_continue
        self.body = b""
        self.more_body = True
        self.too_large = False
        # Its turn comes when the request before it on the connection is answered.
        self.has_turn = False
        self.begun = False
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    def take(self, chunk: bytes) -> None:
        """More of the body; what is beyond the limit is dropped."""
        if not self.too_large:
            self.body += chunk
            self.too_large = len(self.body) > self.limit


class BoundedHttp(HttpToolsProtocol):
    """Uvicorn's protocol with limits on the time and the size of a request, and on the reading of its answer."""

    message_seconds = MESSAGE_SECONDS
    upload_seconds = UPLOAD_SECONDS
    unread_seconds = UNREAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fault = Refused("malformed", detail="This is not an HTTP request.")
        # Bytes of the present message, its first chunk apart.
        self._size = 0
        self._largest = LARGEST_MESSAGE
        self._in_head = False
        self._in_message = False
        # Answered before the end of the message.
        self._answered = False
        self._watch: asyncio.TimerHandle | None = None
        self._unread_watch: asyncio.TimerHandle | None = None
        self._game_door: GameDoor | None = self.app_state.get(GAME_DOOR)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A connection that never says anything is as idle as one between two requests.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        self._unwatch_unread()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Answer a client that closed its sending side, if it had sent all of its request."""
        if self._in_message or self.cycle is None or self.cycle.response_complete:
            return None
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        super().data_received(data)
        if not self._in_message or self.transport.is_closing():
            return
        if self._size > (LARGEST_HEAD if self._in_head else self._largest):
            if self._answered:
                self.transport.close()
            else:
                self._refuse(Refused("too_large"))
        elif self._watch is None:
            self._watch = self.loop.call_later(self.message_seconds, self._late)

    def _late(self) -> None:
        """The message has not come to its end in time."""
        self._watch = None
        if self._serving_earlier():
            self._watch = self.loop.call_later(self.message_seconds, self._late)
        elif self._in_head or not self.cycle.response_started:
            self._refuse(Refused("timeout"))
        else:
            self.transport.close()

    def _serving_earlier(self) -> bool:
        """Whether the message is late because of us: we still answer an earlier one, and read no further until then."""
        if self._in_head:
            return self.cycle is not None and not self.cycle.response_complete
        return bool(self.pipeline)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_watch = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._unwatch_unread()
        super().resume_writing()

    # --- the parser's callbacks --------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_message = self._in_head = True
        self._answered = False
        self._size = 0
        self._unwatch()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.url) + sum([len(name) + len(value) for name, value in self.headers]) > LARGEST_HEAD:
            self._fault = Refused("too_large", detail="The head of the request is larger than 32 KiB.")
            raise HeadTooLarge
        if (
            self._game_door is not None
            and GAME in self.url
            and not (self.parser.should_upgrade() and self._should_upgrade())
        ):
            url = httptools.parse_url(self.url)
            if url.path is not None and url.path.startswith(GAME):
                self._take_call(self._game_door, url.path, url.query or b"")
                return
        super().on_headers_complete()
        self._largest = LARGEST_MESSAGE
        if self.scope.get("raw_path") == PATH.encode() and self.scope["method"] == "POST":
            self.scope["extensions"] = cast("Any", {UPLOAD_EXTENSION: self._take_upload})

    def _take_upload(self) -> None:
        """The sender of the present message may upload a file; the form around it is within what any may have."""
        if self._in_message:
            self._largest += settings.PROVIDER_FILE_MB * 1024 * 1024
            self._unwatch()
            self._watch = self.loop.call_later(self.upload_seconds, self._late)

    def on_response_complete(self) -> None:
        """Read on only for a while in a message whose answer is out: the client is to hear it, then to stop."""
        super().on_response_complete()
        if self._in_message and self.cycle is not None and self.cycle.response_complete and self.cycle.more_body:
            self._answered = True
            self._largest = self._size + LARGEST_REST
            self._unwatch()
            self._watch = self.loop.call_later(LINGER_SECONDS, self._late)

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if not isinstance(cycle, GameCall):
            super().on_body(body)
            return
        cycle.take(body)
        self._begin_call(cycle)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._unwatch()
        cycle: Any = self.cycle
        if not isinstance(cycle, GameCall):
            super().on_message_complete()
            return
        cycle.more_body = False
        self._begin_call(cycle)

    def handle_websocket_upgrade(self) -> None:
        self._in_message = False
        self._unwatch()
        super().handle_websocket_upgrade()

    # --- calls of game providers -------------------------------------------------------------

    def _take_call(self, door: GameDoor, path: bytes, query: bytes) -> None:
        """The head of a call is there. It is begun when its body is as well, or is known to be too large."""
        self._largest = LARGEST_MESSAGE
        earlier = self.cycle
        call = GameCall(door.route(path), path, query, self)
        # Anything else that looks like a length the parser has refused.
        call.too_large = int(dict(self.headers).get(b"content-length", 0)) > call.limit
        self.cycle = cast("Any", call)
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """It is this request's turn on its connection."""
        if not isinstance(cycle, GameCall):
            super()._start_asgi_task(cycle, app)
            return
        cycle.has_turn = True
        if cycle.wants_continue and cycle.more_body and not cycle.too_large:
            self.transport.write(CONTINUE)
        self._begin_call(cycle)

    def _begin_call(self, call: GameCall) -> None:
        if call.has_turn and not call.begun and (call.too_large or not call.more_body):
            call.begun = True
            # A context of its own: a pipelined call is begun at the end of the one before.
            task = self.loop.create_task(self._serve_call(call), context=Context())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _serve_call(self, call: GameCall) -> None:
        assert self._game_door is not None
        body = None if call.too_large else call.body
        status, headers, answer = await self._game_door.answer(
            call.where, call.method, call.path, call.query, call.headers, body
        )
        if self.flow.write_paused and not call.disconnected:
            await self.flow.drain()
        if call.disconnected or self.transport.is_closing():
            return
        lines = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        lines += (b"content-length: %d\r\n" % len(answer), b"\r\n" if call.keep_alive else b"connection: close\r\n\r\n")
        if call.method != "HEAD":
            lines.append(answer)
        call.response_started = call.response_complete = True
        self.transport.write(b"".join(lines))
        if not call.keep_alive:
            self.transport.close()
        self.on_response_complete()

    # --- refusals ----------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._fault)

    def _refuse(self, refusal: Refused) -> None:
        status, headers, body = self._written(refusal)
        headers |= {"Content-Length": str(len(body)), "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines.encode() + b"\r\n" + body)
        self.transport.close()

    def _written(self, refusal: Refused) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; a game provider hears its own dialect, as soon as the path is known."""
        path = b""
        if self._in_message:
            with suppress(httptools.HttpParserInvalidURLError):
                path = httptools.parse_url(self.url).path or b""
        if path.startswith(GAME) and self._game_door is not None:
            status, named, body = self._game_door.refuse(path, refusal)
            return status, {name.decode().title(): value.decode() for name, value in named}, body
        return refusal.status, problems.headers(refusal.status), problems.body(refusal, str(uuid7()))

    def _unwatch_unread(self) -> None:
        if self._unread_watch is not None:
            self._unread_watch.cancel()
            self._unread_watch = None

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
