"""One WebSocket connection, bounded: a client that does not read, or writes without end, is hung up on.

Frames wait in the transport until the client takes them. Uvicorn would keep the connection of one
that never does, with all that waits, for as long as the client stays. Nothing a client says is needed here, and
reading it costs time that others wait for: beyond a few frames a second it is not read any more.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, cast

import structlog
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from casino_pam.guard import Allowance
from wallet.pg.faults import Seldom

log = structlog.get_logger(__name__)

# Behind by more than this, a client is given this long to catch up.
MOST_UNSENT: Final = 64 * 1024
SLOW_SECONDS: Final = 5.0
# Above this the kernel takes no more; it would let its own buffer grow to megabytes.
KERNEL_BUFFER: Final = 64 * 1024
# Frames of a client, pings and pieces of messages included: so many at once, and so many a second.
MOST_FRAMES: Final = 50
FRAMES_A_SECOND: Final = 10.0
# Whoever is hung up on has so long to hear why.
LINGER_SECONDS: Final = 1.0

_quiet = Seldom()


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Uvicorn's protocol with a limit on what waits for a slow client, and on how long."""

    slow_seconds = SLOW_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hang_up: asyncio.TimerHandle | None = None
        self._allowance = Allowance(MOST_FRAMES, FRAMES_A_SECOND)
        self._deaf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=MOST_UNSENT)
        connection = cast(socket.socket, transport.get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._abort_soon()

    def resume_writing(self) -> None:
        self._forgive()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forgive()
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        """Who does not answer a ping will not read our good-bye either."""
        super().keepalive_timeout()
        self._abort_soon()

    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            super().data_received(data)

    def handle_text(self, event: Frame) -> None:
        if self._may_speak():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        if self._may_speak():
            super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        if self._may_speak():
            super().handle_cont(event)

    def handle_pong(self, event: Frame) -> None:
        if self._may_speak():
            super().handle_pong(event)

    def handle_ping(self) -> None:
        """Pongs wait for the client as frames do, so a client that does not read gets none."""
        if self._may_speak() and self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._refuse(CloseCode.INVALID_DATA, "not UTF-8")
                return
        super().send_receive_event_to_app()

    def _may_speak(self) -> bool:
        """Whether one more frame is heard; the first that is not ends the connection."""
        if not self._deaf and not self._allowance.take():
            self._refuse(CloseCode.POLICY_VIOLATION, "too many messages")
        return not self._deaf

    def _refuse(self, code: CloseCode, reason: str) -> None:
        """Say why, tell the application, and hear nothing more until the connection is closed."""
        self._deaf = True
        before = _quiet.due(reason)
        if before is not None:
            log.warning("socket_refused", code=int(code), reason=reason, more_before=before)
        if self.close_sent or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": reason})
        if self.read_paused:
            # What still comes is dropped; unread, it would keep the client from hearing us.
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _abort_soon(self) -> None:
        if self._hang_up is None:
            self._hang_up = self.loop.call_later(self.slow_seconds, self.transport.abort)

    def _forgive(self) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()
            self._hang_up = None
