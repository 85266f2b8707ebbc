"""That something was committed: told over the channel layer, at most once a second, to whoever reads for the live page.

A module of its own: every process imports it while its apps are set up, before there is an admin.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final

import structlog
from channels.layers import get_channel_layer

log = structlog.get_logger(__name__)

CHANGES: Final = "dashboard-changes"
# Neither is a change told nor what was read pushed more often.
EVERY_SECONDS: Final = 1.0
# A Redis that takes longer is not waited for.
SEND_SECONDS: Final = 1.0


class ChangePublisher:
    """Tells it in a thread of its own, which has an event loop of its own: the layer keeps a connection for each."""

    def __init__(self) -> None:
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._failing = False

    def note(self, _: object) -> None:
        """Something was committed; never blocks, never fails."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="dashboard-changes", daemon=True)
                    self._thread.start()
        self._changed.set()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while True:
                self._changed.wait()
                self._changed.clear()
                try:
                    runner.run(self._publish())
                    self._failing = False
                except Exception as error:
                    # Nothing may end this thread; whoever reads looks now and then anyway.
                    if not self._failing:
                        log.warning("dashboard_change_not_published", error=repr(error))
                    self._failing = True
                time.sleep(EVERY_SECONDS)

    async def _publish(self) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_send(CHANGES, {"type": "dashboard.changed"})


change_publisher = ChangePublisher()
