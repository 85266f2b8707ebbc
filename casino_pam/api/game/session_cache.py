"""Sessions of games as one event loop finds them.

Whose session it is, in what currency, with which provider and game never changes: that is kept. Whether
it has ended does change and is decided by the posting. Which session of a player is the newest changes,
too: it is kept as a guess, which the posting refuses where there is a newer one. Whoever asks while the
database is read is answered by the next reading, together with all who wait.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

import msgspec
import psycopg
from django.db import DatabaseError, connection

from wallet import money
from wallet.errors import Busy
from wallet.ledger import array
from wallet.pg import deadline, faults
from wallet.pg.session import session_of

# Some 20 MiB; whoever plays is soon found again.
MOST_KEPT: Final = 50_000
READ_SECONDS: Final = 1.4

_id_shape = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SessionRecord(msgspec.Struct, frozen=True, gc=False):
    """What never changes of a session."""

    id: str
    provider: str
    player: str
    currency: str
    game: str | None


class Readings(Generic[K, V]):
    """Reads for all who ask at once, one reading after the other; belongs to one event loop."""

    def __init__(self, read: Callable[[Sequence[K]], dict[K, V]]) -> None:
        self._read = read
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V | None:
        """What a reading that began after this call found. Raises ``Busy`` where the database does not answer."""
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._read_on())
        return await future

    async def _read_on(self) -> None:
        try:
            while self._waiting:
                # Those who were answered at once come again at once: together they are one reading.
                asking = 0
                while asking < len(self._waiting):
                    asking = len(self._waiting)
                    await asyncio.sleep(0)
                waiting, self._waiting = self._waiting, {}
                answer, fault = await asyncio.to_thread(self._answer, list(waiting))
                for key, futures in waiting.items():
                    for future in futures:
                        if future.done():
                            continue
                        if fault is not None:
                            future.set_exception(Busy(fault))
                        else:
                            future.set_result(answer.get(key))
        finally:
            self._task = None

    def _answer(self, keys: Sequence[K]) -> tuple[dict[K, V], str | None]:
        try:
            with deadline.until(time.monotonic() + READ_SECONDS):
                return self._read(keys), None
        except (psycopg.Error, DatabaseError) as error:
            faults.note(error)
            return {}, "unavailable"
        finally:
            connection.close()


class SessionCache:
    """Finds sessions for one event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, SessionRecord] = {}
        self._kept_newest: dict[tuple[str, str], SessionRecord] = {}
        self._by_id: Readings[str, SessionRecord] = Readings(_read_by_id)
        self._newest: Readings[tuple[str, str], SessionRecord] = Readings(_read_newest)

    def kept(self, id: str) -> SessionRecord | None:
        """The session of that id, if it was found before."""
        return self._kept.get(id)

    def kept_newest(self, provider: str, player: str) -> SessionRecord | None:
        """What was the player's newest session with the provider when it was read."""
        return self._kept_newest.get((provider, player))

    async def find(self, id: str) -> SessionRecord | None:
        """The session of that id, ended or not."""
        if not _id_shape(id):
            return None
        found = await self._by_id.ask(id)
        if found is not None:
            _keep(self._kept, id, found)
        return found

    async def newest(self, provider: str, player: str) -> SessionRecord | None:
        """The player's newest session with the provider, ended or not, as the database has it."""
        if not money.is_reference(player):
            return None
        found = await self._newest.ask((provider, player))
        if found is not None:
            _keep(self._kept_newest, (provider, player), found)
        return found


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    if len(kept) >= MOST_KEPT:
        kept.pop(next(iter(kept)))
    kept[key] = value


_COLUMNS: Final = "s.id, v.code, p.code, s.currency_id, s.game"
_BY_ID: Final = f"""
SELECT {_COLUMNS} FROM wallet_gamesession s
JOIN wallet_provider v ON v.id = s.provider_id JOIN wallet_player p ON p.id = s.player_id
WHERE s.id = ANY(%s::text[])
"""
_NEWEST: Final = f"""
SELECT {_COLUMNS} FROM unnest(%s::text[], %s::text[]) AS named(provider, player)
JOIN wallet_provider v ON v.code = named.provider JOIN wallet_player p ON p.code = named.player
CROSS JOIN LATERAL (
    SELECT * FROM wallet_gamesession WHERE player_id = p.id AND provider_id = v.id
    ORDER BY created_at DESC, id DESC LIMIT 1
) s
"""


def _read_by_id(ids: Sequence[str]) -> dict[str, SessionRecord]:
    return {found.id: found for found in _found(_BY_ID, ids)}


def _read_newest(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], SessionRecord]:
    return {(found.provider, found.player): found for found in _found(_NEWEST, *zip(*keys, strict=True))}


def _found(statement: str, *columns: Iterable[str]) -> Iterator[SessionRecord]:
    """As postings read: every bet of some dialects waits for this."""
    connection.ensure_connection()
    session = session_of(connection.connection)
    return (SessionRecord(*record) for record in session.rows(statement, [array(column) for column in columns]))
