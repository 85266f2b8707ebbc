"""One request at the game door, and what its dialect may ask for: bytes, sessions, currencies, the engine.

A dialect makes its commands here: names are looked at, and references stored, as the provider's
profile wants them. What the engine knows better than the door (``SecretsChanged``) is the door's to
put right; a dialect lets it pass.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import psycopg
from django.db import DatabaseError, connection

from casino_pam.api.game.directory import CurrencyRecord, Directory, ProviderRecord
from casino_pam.api.game.session_cache import SessionCache, SessionRecord
from casino_pam.engine import commands
from casino_pam.engine.commands import AnyRequest
from casino_pam.engine.posting import Outcome
from casino_pam.engine.queue import PostingQueue
from wallet import money
from wallet.errors import Busy, InvalidField, Refused
from wallet.kinds import scoped
from wallet.models import Provider
from wallet.pg import deadline, faults

T = TypeVar("T")

# No header can have this value: the server layer refuses a NUL.
TWICE: Final = b"\0"


class SecretsChanged(Exception):
    """The provider, or the newest session of a player, is not what the door knew: nothing was done on that account."""


class Visit:
    """One request, from its first byte to its answer."""

    provider: ProviderRecord
    at: int
    deadline: float
    # Set by the door: proves the request by what is known of its provider now.
    prove: Callable[[], None]

    def __init__(
        self,
        path: bytes,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        directory: Directory,
        sessions: SessionCache,
        posting_queue: PostingQueue,
        request_id: str,
    ) -> None:
        self.path = path
        self.query = query
        self.header_list = headers
        self.headers = _by_name(headers)
        self.body = b""
        self.request_id = request_id
        # The names and values of a form, once it is read.
        self.form: list[tuple[bytes, bytes]] | None = None
        # The session the request names, once it is found; the newest one, where the wire names none.
        self.named_session: SessionRecord | None = None
        self._newest: str | None = None
        # Whether what was kept of sessions has proven wrong.
        self._anew = False
        self._directory = directory
        self._sessions = sessions
        self._posting_queue = posting_queue

    def begin(self, patience: float) -> None:
        """From now on an answer is due; what comes before depends on the client alone."""
        self.at = commands.now()
        self.deadline = time.monotonic() + patience

    # --- what the door knows -----------------------------------------------------------------

    def known(self, code: str, dialect: str) -> ProviderRecord | None:
        """The provider of that code, if it speaks this dialect; as it was last read."""
        provider = self._directory.providers.get(code)
        return provider if provider is not None and provider.dialect == dialect else None

    async def look_again(self) -> None:
        """Read providers and currencies again. Raises ``Busy`` when that takes longer than the request may wait."""
        await self._in_time(self._directory.look_again())

    async def prove_again(self) -> None:
        """Prove the request by what is stored now. Raises Refused."""
        await self.look_again()
        self._anew = True
        self.prove()

    @property
    def digits(self) -> Mapping[str, int]:
        return self._directory.digits

    async def currency(self, theirs: str) -> CurrencyRecord:
        """The currency of this code of the provider's. Raises Refused (``unknown_currency``)."""
        found = self.provider.currency(theirs, self.digits)
        if found is None:
            await self.prove_again()
            found = self.provider.currency(theirs, self.digits)
        if found is None:
            raise Refused("unknown_currency", currency=theirs)
        return found

    async def session(self, id: str) -> SessionRecord:
        """The session of that id, ended or not. Raises Refused: one of another provider is unknown."""
        found = self._sessions.kept(id) or await self._in_time(self._sessions.find(id))
        if found is None or found.provider != self.provider.code:
            raise Refused("unknown_session")
        return await self._named(found)

    async def newest_session(self, player: str, *, guess: bool = True) -> SessionRecord:
        """The newest session the player has, or had, with this provider. Raises Refused: none is no such player.

        What was kept of it will do where a command follows, which the posting refuses if the ``guess`` is wrong.
        """
        key = (self.provider.code, player)
        found = self._sessions.kept_newest(*key) if guess and not self._anew else None
        found = found or await self._in_time(self._sessions.newest(*key))
        if found is None:
            raise Refused("unknown_player", player=player)
        self._newest = found.id
        return await self._named(found)

    async def _named(self, session: SessionRecord) -> SessionRecord:
        if session.currency not in self.digits:
            await self.prove_again()
        self.named_session = session
        return session

    async def read(self, question: Callable[[], T]) -> T:
        """What the database answers, if what proved the request still holds. Raises ``Busy``, SecretsChanged."""

        provider = self.provider

        def ask() -> T:
            try:
                with deadline.until(self.deadline + commands.GRACE_SECONDS):
                    unchanged = Provider.objects.filter(code=provider.code, secrets_version=provider.secrets_version)
                    if not unchanged.exists():
                        raise SecretsChanged
                    return question()
            finally:
                connection.close()

        try:
            return await asyncio.to_thread(ask)
        except (psycopg.Error, DatabaseError) as error:
            faults.note(error)
            raise Busy("unavailable") from None

    async def _in_time(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout_at(self.deadline + commands.GRACE_SECONDS):
                return await answer
        except TimeoutError:
            raise Busy("unavailable") from None

    # --- the engine --------------------------------------------------------------------------

    async def submit(self, requests: Sequence[AnyRequest]) -> list[Outcome]:
        """Hand requests to the engine in order; one outcome for each."""
        waiting: list[Awaitable[Outcome] | Busy] = []
        for each in requests:
            try:
                waiting.append(self._posting_queue.submit(each))
            except Busy as full:
                waiting.append(full)
        return [each if isinstance(each, Busy) else await each for each in waiting]

    async def outcomes(self, *requests: AnyRequest) -> list[Outcome]:
        """As ``submit``. Raises SecretsChanged where the engine did nothing for one of them on that account."""
        outcomes = await self.submit(requests)
        for outcome in outcomes:
            if secrets_changed(outcome):
                raise SecretsChanged
        return outcomes

    async def ask(self, request: AnyRequest) -> Any:
        """What became of one request. Raises the refusal, or SecretsChanged."""
        outcome = await self._posting_queue.submit(request)
        if isinstance(outcome, Refused):
            raise SecretsChanged if secrets_changed(outcome) else outcome
        return outcome

    # --- commands ----------------------------------------------------------------------------
    # Each raises InvalidField where a name could be nobody's.

    @property
    def carried(self) -> dict[str, Any]:
        """What every command of this request carries besides."""
        return {
            "source": self.provider.code,
            "at": self.at,
            "deadline": self.deadline,
            "secrets_version": self.provider.secrets_version,
            "newest": self._newest,
        }

    def balance(self, player: str, currency: str, session: str | None = None) -> commands.Balance:
        return commands.Balance(player=checked("player", player), currency=currency, session=session, **self.carried)

    def find(self, player: str, kind: str, reference: str) -> commands.Find:
        stored = self._stored(player, reference)
        return commands.Find(player=checked("player", player), kind=kind, reference=stored, **self.carried)

    def bet(self, player: str, currency: str, reference: str, *, round: str, game: str, **more: Any) -> commands.Bet:
        return commands.Bet(
            player=checked("player", player),
            currency=currency,
            reference=self._stored(player, reference),
            round=checked("round", round),
            game=checked("game", game),
            **more,
            **self.carried,
        )

    def win(
        self,
        player: str,
        currency: str,
        reference: str,
        *,
        round: str | None = None,
        game: str | None = None,
        bet: str | None = None,
        **more: Any,
    ) -> commands.Win:
        return commands.Win(
            player=checked("player", player),
            currency=currency,
            reference=self._stored(player, reference),
            round=None if round is None else checked("round", round),
            game=None if game is None else checked("game", game),
            bet=None if bet is None else self._stored(player, bet),
            **more,
            **self.carried,
        )

    def rollback(
        self, player: str, reference: str, original: str, *, kind: str | None = None, currency: str | None = None
    ) -> commands.Rollback:
        return commands.Rollback(
            player=checked("player", player),
            reference=self._stored(player, reference),
            original=self._stored(player, original),
            original_kind=kind,
            currency=currency,
            **self.carried,
        )

    def end_round(self, player: str, currency: str, reference: str, round: str) -> commands.EndRound:
        return commands.EndRound(
            player=checked("player", player),
            currency=currency,
            reference=self._stored(player, reference),
            round=checked("round", round),
            **self.carried,
        )

    def _stored(self, player: str, reference: str) -> str:
        named = checked("reference", reference)
        return scoped(player, named) if self.provider.per_player else named


def checked(field: str, text: str) -> str:
    """The text, if somebody may be asked to live with it as a name. Raises InvalidField."""
    if not money.is_reference(text):
        raise InvalidField(field, f"must be 1 to {money.MAX_REFERENCE} printable ASCII characters")
    return text


def secrets_changed(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.code == "unauthenticated"


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """One value for each name; a header that comes twice has one that nobody accepts."""
    by_name = dict(headers)
    if len(by_name) < len(headers):
        counts = Counter(name for name, _ in headers)
        by_name.update((name, TWICE) for name in by_name if counts[name] > 1)
    return by_name
