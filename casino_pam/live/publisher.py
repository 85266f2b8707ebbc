"""Tells every process, after a commit, where the touched wallets stand now (DESIGN.md §8).

Money never waits for Redis: whoever committed hands the wallets over and goes on; a thread of its
own encodes and publishes them. What Redis does not take is dropped, and said to have been dropped
as soon as Redis is back: the database has it all.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec
import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from casino_pam.engine.execution import Execution
from casino_pam.live.snapshot import CHANNEL, Announcement, change, encode
from wallet.state import OpenWallet

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS: Final = 0.1
# After a failure nothing is tried for so long.
QUIET_SECONDS: Final = 1.0
# After each message the thread rests: under load a message is of several postings, and costs a bet little. A player
# waits so much longer for a bet that follows another one closely.
REST_SECONDS: Final = 0.004
# Where nobody listens, so often it is asked whether somebody does by now.
UNHEARD_REST_SECONDS: Final = 0.05
# As many wallets may wait for the thread; beyond that they are lost, not queued.
MOST_WAITING: Final = 10_000
# A command that ends right after its commit still tells of it, if Redis answers in this time.
FLUSH_SECONDS: Final = 0.3

# Sends a message; returns how many heard it.
Publish = Callable[[bytes], int]
# Asks whether anybody listens.
_NOTHING: Final = encode(Announcement(False, []))


class _WalletChange(msgspec.Struct):
    """``moved``: the wallet has a new version; otherwise only its bonuses changed."""

    wallet: OpenWallet
    execution: Execution
    moved: bool


def redis_publish() -> Publish:
    """Publishes to the Redis of the settings; raises RedisError within 100 ms of silence."""
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )

    def publish(message: bytes) -> int:
        return int(client.publish(CHANNEL, message))

    return publish


class Publisher:
    """The listener of the engine in this process."""

    def __init__(self, publish: Callable[[], Publish] = redis_publish, quiet: float = QUIET_SECONDS) -> None:
        self._publisher = publish
        self._quiet = quiet
        self._waiting: dict[int, _WalletChange] = {}
        self._lost = False
        self._silent = False
        self._busy = False
        self._failing = False
        # Whether anybody listened the last time.
        self._heard = True
        self._thread: threading.Thread | None = None
        self._state = threading.Condition()

    def note(self, execution: Execution) -> None:
        """Take over what this posting changed; never blocks, never fails."""
        touched = _wallet_changes(execution)
        if not touched:
            return
        with self._state:
            if self._silent or len(self._waiting) + len(touched) > MOST_WAITING:
                self._lost = True
                self._waiting.clear()
            else:
                self._keep_newest(touched)
            self._awake()

    def flush(self) -> None:
        """Give what was handed over the chance to leave before the process ends."""
        with self._state:
            self._state.wait_for(lambda: self._silent or not (self._waiting or self._busy), timeout=FLUSH_SECONDS)

    def _keep_newest(self, touched: list[_WalletChange]) -> None:
        for new in touched:
            known = self._waiting.get(new.wallet.id)
            # Two threads may come here in another order than that of their commits.
            if known is None or known.wallet.version <= new.wallet.version:
                if known is not None and not known.moved:
                    new.moved = False
                self._waiting[new.wallet.id] = new

    def _awake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
            self._thread.start()
        self._state.notify_all()

    def _run(self) -> None:
        publish = self._publisher()
        while True:
            with self._state:
                self._busy = False
                self._state.notify_all()
                self._state.wait_for(lambda: self._waiting or self._lost)
                taken, self._waiting = self._waiting, {}
                lost, self._lost = self._lost, False
                self._busy = True
            self._announce(publish, taken, lost=lost)

    def _announce(self, publish: Publish, taken: dict[int, _WalletChange], *, lost: bool) -> None:
        try:
            # To describe what nobody hears would cost more than to ask.
            if self._heard or publish(_NOTHING):
                changes = [change(each.execution, each.wallet, moved=each.moved) for each in taken.values()]
                self._heard = publish(encode(Announcement(lost, changes))) > 0
        except Exception as error:
            # Nothing may end this thread; and what a player misses, the database will tell.
            if not self._failing:
                log.warning("publisher_failed", error=repr(error))
            self._failing = True
            self._keep_quiet()
        else:
            if self._failing:
                log.info("publisher_recovered")
            self._failing = False
            time.sleep(REST_SECONDS if self._heard else UNHEARD_REST_SECONDS)

    def _keep_quiet(self) -> None:
        """Leave Redis alone for a while; then the first thing it hears is that something was lost."""
        with self._state:
            self._silent = True
            self._waiting.clear()
            self._state.notify_all()
        time.sleep(self._quiet)
        with self._state:
            self._silent = False
            self._lost = True


def _wallet_changes(execution: Execution) -> list[_WalletChange]:
    """What was written: a wallet that lost its race shows a version that nobody committed."""
    wallets = execution.book.wallets_by_id
    touched = [_WalletChange(wallet, execution, True) for wallet in wallets.values() if wallet.rows]
    beside = (wallets[id] for id in execution.bonuses.changed_wallets())
    touched += [_WalletChange(wallet, execution, False) for wallet in beside if wallet.version == wallet.seen]
    return touched


publisher = Publisher()
atexit.register(publisher.flush)
