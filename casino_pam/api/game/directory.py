"""What a web process keeps a copy of: currencies' digits, providers' secrets.

Digits never change, so they are read again only when an unknown code is named. Secrets do change.
A copy of them decides nothing alone: what it does not prove is read again before anybody is turned
away, and what it proves the engine believes only while ``secrets_version`` is still the stored one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import msgspec
import psycopg
import structlog
from cryptography.fernet import InvalidToken
from django.db import DatabaseError, connection

from wallet.errors import Busy
from wallet.models import Currency, Provider
from wallet.pg import deadline, faults

log = structlog.get_logger(__name__)

# Anybody may send bad signatures and unknown names; however many come, the database is asked only so often.
PAUSE_SECONDS = 0.25
# Who asks while one reading goes on waits for the next one too; both must fit into one answer.
READ_SECONDS = 1.4


class ProviderRecord(msgspec.Struct, frozen=True):
    """A provider as it was last read; ``per_player`` is its reference_scope (PLAY.md §3)."""

    code: str
    secrets: tuple[bytes, ...]
    secrets_version: int
    per_player: bool


class Directory:
    """The copy that one event loop keeps."""

    def __init__(self, pause: float = PAUSE_SECONDS) -> None:
        self.providers: Mapping[str, ProviderRecord] = {}
        self.digits: Mapping[str, int] = {}
        self._pause = pause
        self._not_before = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None

    async def look_again(self) -> None:
        """Return after a reading that began after this call; all who wait share it.

        Raises ``Busy`` when the database does not answer.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read_in_turn())
        # Who gives up waiting must not take the reading away from the others.
        await asyncio.shield(self._next)

    async def _read_in_turn(self) -> None:
        async with self._one_at_a_time:
            clock = asyncio.get_running_loop().time
            await asyncio.sleep(self._not_before - clock())
            self._not_before = clock() + self._pause
            # Whoever comes from here on may know of a change that this reading misses.
            self._next = None
            try:
                await asyncio.to_thread(self._read)
            except (psycopg.Error, DatabaseError) as error:
                faults.note(error)
                raise Busy("unavailable") from None

    def _read(self) -> None:
        try:
            with deadline.until(time.monotonic() + READ_SECONDS):
                self.digits = dict(Currency.objects.values_list("code", "digits"))
                self.providers = {provider.code: self._known(provider) for provider in Provider.objects.all()}
        finally:
            connection.close()

    def _known(self, provider: Provider) -> ProviderRecord:
        """Secrets are decrypted only where they changed since the last reading."""
        known = self.providers.get(provider.code)
        unchanged = known is not None and known.secrets_version == provider.secrets_version
        return ProviderRecord(
            code=provider.code,
            secrets=known.secrets if known is not None and unchanged else _decrypted(provider),
            secrets_version=provider.secrets_version,
            per_player=provider.reference_scope == Provider.ReferenceScope.PLAYER,
        )


def _decrypted(provider: Provider) -> tuple[bytes, ...]:
    try:
        return provider.live_secrets()
    except InvalidToken:
        # Written under another SECRETS_KEY: this provider is shut out, the others are not.
        log.error("provider_secrets_unreadable", provider=provider.code)
        return ()
