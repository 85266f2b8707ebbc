"""What a web process keeps a copy of: currencies' digits, providers' secrets and names.

Digits never change, so they are read again only when an unknown code is named. Secrets do change.
A copy of them decides nothing alone: what it does not prove is read again before anybody is turned
away, and what it proves the engine believes only while ``secrets_version`` is still the stored one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import psycopg
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db import DatabaseError, connection

from wallet.errors import Busy
from wallet.models import Currency, Provider
from wallet.models.provider import LEAST_KEY_BITS
from wallet.pg import deadline, faults

log = structlog.get_logger(__name__)

# Anybody may send bad signatures and unknown names; however many come, the database is asked only so often.
PAUSE_SECONDS = 0.25
# Who asks while one reading goes on waits for the next one too; both must fit into one answer.
READ_SECONDS = 1.4


class CurrencyRecord(NamedTuple):
    """A currency by our code, and its digits."""

    code: str
    digits: int


class ProviderRecord(msgspec.Struct, frozen=True):
    """A provider as it was last read; ``per_player`` is its reference_scope (PLAY.md §3)."""

    code: str
    dialect: str
    secrets: tuple[bytes, ...]
    public_keys: tuple[RSAPublicKey, ...]
    merchant: str
    # Their codes and ours, one to one, where they differ.
    currencies: dict[str, str]
    secrets_version: int
    per_player: bool

    def currency(self, theirs: str, digits: Mapping[str, int]) -> CurrencyRecord | None:
        """What the provider calls so; a code of ours that it calls otherwise is no code of its."""
        ours = self.currencies.get(theirs, theirs)
        if ours not in digits or (ours == theirs and self.theirs(ours) != theirs):
            return None
        return CurrencyRecord(ours, digits[ours])

    def theirs(self, ours: str) -> str:
        """How the provider calls our currency."""
        if not self.currencies:
            return ours
        return next((theirs for theirs, name in self.currencies.items() if name == ours), ours)


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
        """Secrets are decrypted, and keys loaded, only where they changed since the last reading."""
        known = self.providers.get(provider.code)
        unchanged = known is not None and known.secrets_version == provider.secrets_version
        return ProviderRecord(
            code=provider.code,
            dialect=provider.dialect,
            secrets=known.secrets if known is not None and unchanged else _decrypted(provider),
            public_keys=known.public_keys if known is not None and unchanged else _loaded(provider),
            merchant=provider.merchant,
            currencies=provider.currencies,
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


def _loaded(provider: Provider) -> tuple[RSAPublicKey, ...]:
    keys = []
    for pem in provider.live_keys():
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_KEY_BITS:
            keys.append(key)
        else:
            # No form lets such a key in. The provider's other key still holds.
            log.error("provider_key_unreadable", provider=provider.code)
    return tuple(keys)
