"""One HTTP connection, bounded: whatever a peer does, it can neither hold a socket nor fill memory.

Uvicorn waits for ever for the rest of a request and takes a head of any length; and it drops a
client that sent all of its request and then closed its sending side. What the parser cannot read
is answered here in the shape of every other problem, or in that which its provider speaks.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, cast

import httptools
from django.conf import settings
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from casino_pam import problems
from casino_pam.guard import PATH, UPLOAD_EXTENSION
from wallet.errors import Refused

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


class HeadTooLarge(Exception):
    """Stops the parser; the answer is given where parsing fails."""


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
        """Whether we are ourselves the reason that the message is not read on."""
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

    def on_message_complete(self) -> None:
        self._in_message = False
        self._unwatch()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._in_message = False
        self._unwatch()
        super().handle_websocket_upgrade()

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
        if path.startswith(GAME):
            # The supervisor loads this module without Django; whoever has a request has loaded the doors.
            from casino_pam.api.game.app import refused_early

            status, named, body = refused_early(path, refusal)
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
