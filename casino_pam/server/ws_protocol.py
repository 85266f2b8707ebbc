"""One WebSocket connection, bounded: a client that does not read is hung up on.

Frames wait in the transport until the client takes them. Uvicorn would keep the connection of one
that never does, with all that waits, until the client deigns to leave.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# Behind by more than this, a client is given this long to catch up.
MOST_UNSENT: Final = 64 * 1024
SLOW_SECONDS: Final = 5.0
# Above this the kernel takes no more; it would let its own buffer grow to megabytes.
KERNEL_BUFFER: Final = 64 * 1024


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Uvicorn's protocol with a limit on what waits for a slow client, and on how long."""

    slow_seconds = SLOW_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hang_up: asyncio.TimerHandle | None = None

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

    def handle_ping(self) -> None:
        """Pongs wait for the client as frames do, so a client that does not read gets none."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def _abort_soon(self) -> None:
        if self._hang_up is None:
            self._hang_up = self.loop.call_later(self.slow_seconds, self.transport.abort)

    def _forgive(self) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()
            self._hang_up = None
