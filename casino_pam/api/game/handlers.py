"""The eight calls of the game door: read the body, let the engine work, hand back what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from casino_pam.api.game.directory import Directory, ProviderRecord
from casino_pam.api.game.protocol import Reader
from casino_pam.engine import commands
from casino_pam.engine.commands import AnyRequest, Play
from casino_pam.engine.posting import Outcome
from casino_pam.engine.queue import PostingQueue
from wallet.errors import Busy, InvalidField, Refused

KIB: Final = 1024


class Visit:
    """One proven request: whom it came from, when, and the way of its commands to the engine."""

    def __init__(
        self,
        directory: Directory,
        posting_queue: PostingQueue,
        deadline: float,
    ) -> None:
        self.directory = directory
        self._posting_queue = posting_queue
        self._provider: ProviderRecord
        self._prove_again: Callable[[], Awaitable[ProviderRecord]]
        self._at = commands.now()
        self._deadline = deadline

    def proven_by(self, provider: ProviderRecord, prove_again: Callable[[], Awaitable[ProviderRecord]]) -> None:
        """Say who signed the request, and how to prove it again when the secrets have changed meanwhile."""
        self._provider = provider
        self._prove_again = prove_again

    async def look_again(self) -> None:
        """Read providers and currencies again. Raises ``Busy`` when that takes longer than the request may wait."""
        left = self._deadline + commands.GRACE_SECONDS - time.monotonic()
        try:
            await asyncio.wait_for(self.directory.look_again(), left)
        except TimeoutError:
            raise Busy("unavailable") from None

    def reader(self) -> Reader:
        """Reads bodies by the currencies and the profile known now."""
        return Reader(
            self._provider.code,
            self.directory.digits,
            per_player=self._provider.per_player,
            at=self._at,
            deadline=self._deadline,
            secrets_version=self._provider.secrets_version,
        )

    async def outcomes(
        self, requests: Sequence[AnyRequest], read_again: Callable[[Reader], Sequence[AnyRequest]]
    ) -> list[Outcome]:
        """Hand the commands to the engine in order; one outcome for each.

        Where the engine saw newer secrets than those that proved this request, it did nothing: the
        request is proven again, and the commands are read again as the provider is known now.
        """
        outcomes = await self._submit(requests)
        places = [place for place, outcome in enumerate(outcomes) if _secrets_changed(outcome)]
        if not places:
            return outcomes
        for place, outcome in zip(places, await self._submit_again(places, read_again), strict=True):
            outcomes[place] = outcome
        return outcomes

    async def _submit(self, requests: Sequence[AnyRequest]) -> list[Outcome]:
        waiting: list[Awaitable[Outcome] | Busy] = []
        for each in requests:
            try:
                waiting.append(self._posting_queue.submit(each))
            except Busy as full:
                waiting.append(full)
        return [each if isinstance(each, Busy) else await each for each in waiting]

    async def _submit_again(
        self, places: Sequence[int], read_again: Callable[[Reader], Sequence[AnyRequest]]
    ) -> list[Outcome]:
        try:
            self._provider = await self._prove_again()
        except Refused as refusal:
            return [refusal] * len(places)
        requests = read_again(self.reader())
        outcomes = await self._submit([requests[place] for place in places])
        return [Busy() if _secrets_changed(outcome) else outcome for outcome in outcomes]


def _secrets_changed(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.code == "unauthenticated"


Read = Callable[[Reader, bytes], AnyRequest]
Run = Callable[[Visit, bytes], Awaitable[Outcome | list[Outcome]]]


class Call(msgspec.Struct, frozen=True):
    """``limit`` is the most bytes its body may have."""

    name: str
    run: Run
    limit: int = 64 * KIB


def _one(read: Read) -> Run:
    """A call that is one request to the engine."""

    async def run(visit: Visit, body: bytes) -> Outcome:
        try:
            request = read(visit.reader(), body)
        except Refused as refusal:
            if refusal.code != "unknown_currency":
                raise
            await visit.look_again()
            request = read(visit.reader(), body)
        (outcome,) = await visit.outcomes([request], lambda reader: [read(reader, body)])
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    return run


async def _bulk(visit: Visit, body: bytes) -> list[Outcome]:
    """Independent operations; the whole is refused only if none of them was taken."""
    read = visit.reader().bulk(body)
    if any(isinstance(each, Refused) and each.code == "unknown_currency" for each in read):
        await visit.look_again()
        read = visit.reader().bulk(body)
    places = [place for place, each in enumerate(read) if not isinstance(each, Refused)]

    def readable(read: list[Play | Refused]) -> list[AnyRequest]:
        return [each for place in places if not isinstance(each := read[place], Refused)]

    outcomes = await visit.outcomes(readable(read), lambda reader: readable(reader.bulk(body)))
    untaken = [each for each in outcomes if isinstance(each, Refused) and each.status in (401, 503)]
    if untaken and len(untaken) == len(outcomes):
        raise untaken[0]
    arriving = iter(outcomes)
    return [
        each if isinstance(each, Refused) else _in_its_place(place, next(arriving)) for place, each in enumerate(read)
    ]


def _in_its_place(place: int, outcome: Outcome) -> Outcome:
    """A field that only the provider's profile makes malformed is named with its place, as the reader does."""
    return outcome.inside(f"operations[{place}]") if isinstance(outcome, InvalidField) else outcome


CALLS: Final = (
    Call("balance", _one(Reader.balance)),
    Call("bet", _one(Reader.bet)),
    Call("win", _one(Reader.win)),
    Call("rollback", _one(Reader.rollback)),
    Call("end-round", _one(Reader.end_round)),
    Call("batch", _one(Reader.batch)),
    Call("bulk", _bulk, limit=1024 * KIB),
    Call("transaction", _one(Reader.find)),
)
