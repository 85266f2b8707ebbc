"""What a posting must read before its commands can be decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from psycopg import Cursor

from casino_pam.commands import (
    Asked,
    Batch,
    Bet,
    Command,
    Find,
    Play,
    Release,
    Request,
    Rollback,
    Settle,
    Win,
)
from wallet import ledger
from wallet.book import Book, Key
from wallet.kinds import Kind


def each(asked: Iterable[Asked]) -> Iterator[Request]:
    """Every single request, those inside a batch included."""
    for request in asked:
        if isinstance(request, Batch):
            yield from request.operations
        else:
            yield request


def read(cursor: Cursor[Any], asked: Sequence[Asked]) -> Book:
    """Read all that ``asked`` may decide on: wallets first, then the rows they name."""
    book = Book()
    requests = list(each(asked))
    ledger.read_wallets(cursor, book, {request.player for request in requests})
    providers = {request.source for request in requests if _rests_on_provider(request)}
    games = {(bet.source, bet.game) for bet in requests if isinstance(bet, Bet)}
    if providers:
        ledger.read_providers(cursor, book, providers, games)
    named = {key for request in requests for key in keys(request)}
    if named:
        ledger.read_rows(cursor, book, named, set(_rounds(book, requests)))
    _read_what_was_found(cursor, book, requests)
    return book


def _rests_on_provider(request: Request) -> bool:
    """Whether the provider's profile decides it, or the state of its secrets."""
    return isinstance(request, (Play, Find)) or request.secrets_version is not None


def keys(request: Request) -> list[Key]:
    """The references a request spends or names, with the kinds they may have been spent as."""
    if isinstance(request, Find):
        return [(request.source, request.kind, request.reference)]
    if not isinstance(request, Command):
        return []
    named: list[Key] = [(request.source, request.kind, request.reference)]
    if isinstance(request, Rollback):
        named.append((request.source, Kind.BET, request.original))
        named.append((request.source, Kind.WIN, request.original))
    elif isinstance(request, Win) and request.bet is not None:
        named.append((request.source, Kind.BET, request.bet))
    elif isinstance(request, (Settle, Release)):
        named.append((request.source, Kind.HOLD, request.reference))
    return named


def _rounds(book: Book, requests: Iterable[Request]) -> Iterator[tuple[int, str]]:
    for request in requests:
        if isinstance(request, (Bet, Win)) and request.round is not None:
            wallet = book.wallets.get(request.player, {}).get(request.currency)
            if wallet is not None:
                yield wallet.id, request.round


def _read_what_was_found(cursor: Cursor[Any], book: Book, requests: Iterable[Request]) -> None:
    """A rollback that is looked up is told as its original's state has it."""
    named: set[Key] = set()
    for request in requests:
        if isinstance(request, Find) and request.kind == Kind.ROLLBACK:
            row = book.row(request.source, request.kind, request.reference)
            if row is not None and row.original is not None:
                named.update((row.source, kind, row.original) for kind in (Kind.BET, Kind.WIN))
    if named:
        ledger.read_rows(cursor, book, named)
