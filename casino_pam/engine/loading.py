"""What a posting must read before its commands can be decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bonus import store
from bonus.open_bonuses import BonusNeeds
from casino_pam.engine.commands import (
    Adjust,
    AnyRequest,
    Balance,
    Batch,
    Bet,
    Browse,
    Claim,
    Command,
    Deposit,
    EndRound,
    Find,
    Grant,
    OfBonus,
    Play,
    Release,
    Request,
    Rollback,
    RunDue,
    Settle,
    Win,
)
from casino_pam.engine.execution import Execution
from wallet import ledger, limits
from wallet.kinds import SHARING, Kind
from wallet.pg.session import Session
from wallet.state import Book, Key, OpenWallet


def each(batch: Iterable[AnyRequest]) -> Iterator[Request]:
    """Every single request, those inside a batch included."""
    for request in batch:
        if isinstance(request, Batch):
            yield from request.operations
        else:
            yield request


def read(session: Session, batch: Sequence[AnyRequest]) -> Execution:
    """Read all that ``batch`` may decide on: wallets, then their live bonuses, then the rows they name."""
    book = Book()
    requests = list(each(batch))
    _read_named(session, book, requests)
    live = store.ask(session, book)
    begun = limits.ask(session, _gated(book, requests))
    named = {key for request in requests for key in keys(request, book)}
    if named:
        ledger.read_rows(session, book, named, set(_rounds(book, requests)))
    limits.know(book, begun)
    return Execution(book, store.read(session, book, live, bonus_needs(book, requests)))


def _read_named(session: Session, book: Book, requests: Iterable[Request]) -> None:
    """Read the players that the requests name, with their wallets, and providers, games and sessions."""
    players, providers, games = set(), set(), set()
    sessions: set[str | None] = set()
    for request in requests:
        players.add(request.player)
        sessions.add(request.newest)
        if isinstance(request, (Play, Find)) or request.secrets_version is not None:
            # The provider's profile decides it, or the state of its secrets.
            providers.add(request.source)
        if isinstance(request, (Bet, Win)) and request.game:
            games.add((request.source, request.game))
        if isinstance(request, (Bet, Balance)):
            sessions.add(request.session)
    ledger.read_wallets(session, book, players, providers, games, set(filter(None, sessions)))


def _gated(book: Book, requests: Iterable[Request]) -> Iterator[tuple[OpenWallet, int]]:
    """The wallets whose limits a request may reach, and when it was received."""
    for request in requests:
        if isinstance(request, (Bet, Deposit)):
            wallet = book.wallets.get(request.player, {}).get(request.currency)
            if wallet is not None:
                yield wallet, request.at


def keys(request: Request, book: Book) -> list[Key]:
    """The references a request spends or names, with the kinds they may have been spent as."""
    if isinstance(request, Find):
        return [(request.source, request.kind, request.reference)]
    if not isinstance(request, Command):
        return []
    named: list[Key] = [(request.source, request.kind, request.reference)]
    if request.kind in SHARING and book.shares_references(request.source):
        named += [(request.source, kind, request.reference) for kind in SHARING if kind != request.kind]
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
        if isinstance(request, (Bet, Win, EndRound)) and request.round is not None:
            wallet = book.wallets.get(request.player, {}).get(request.currency)
            if wallet is not None:
                yield wallet.id, request.round


def names_offer(request: Request) -> bool:
    """Whether what was granted of an offer so far may decide it."""
    return isinstance(request, (Grant, Claim, Browse)) or (isinstance(request, Deposit) and request.offer is not None)


# --- bonuses -----------------------------------------------------------------------------------


def bonus_needs(book: Book, requests: Sequence[Request]) -> BonusNeeds:
    """What the requests want to know of bonuses, now that wallets and rows are read."""
    needs = BonusNeeds(at=max(request.at for request in requests))
    spending: dict[int, int] = {}
    for request in requests:
        if isinstance(request, (Grant, Claim, Deposit)):
            _need_offer(book, request, needs)
        elif isinstance(request, Browse):
            needs.every_offer = True
            needs.players.update(player.id for player in book.players.values())
            needs.deposits.update(wallet.id for wallet in book.wallets.get(request.player, {}).values())
        elif isinstance(request, (OfBonus, Adjust)):
            needs.ids.update(filter(None, (request.bonus,)))
        else:
            _need_spending(book, request, needs, spending)
    for wallet in needs.settling:
        needs.settling[wallet] = spending.get(wallet, 0)
    return needs


def _need_offer(book: Book, request: Grant | Claim | Deposit, needs: BonusNeeds) -> None:
    player = book.players.get(request.player)
    wallet = book.wallets.get(request.player, {}).get(request.currency)
    if player is None or wallet is None:
        return
    needs.deposits.add(wallet.id)
    if request.offer is None:
        return
    needs.offers.add(request.offer)
    needs.players.add(player.id)
    if request.reference is not None:
        needs.references.add((request.source, request.reference))


def _need_spending(book: Book, request: Request, needs: BonusNeeds, spending: dict[int, int]) -> None:
    """Which wallets may have a stake settled, and how much bonus money each may lose before."""
    wallets = book.wallets.get(request.player, {})
    if isinstance(request, Rollback):
        # Whatever wallet its original is in; taking a win back may empty the bonus balance.
        win = book.row(request.source, Kind.WIN, request.original)
        for wallet in wallets.values():
            needs.settling[wallet.id] = 0
            spending[wallet.id] = spending.get(wallet.id, 0) + (win.amount if win is not None else 0)
        return
    if not isinstance(request, (Bet, Win, EndRound, RunDue)):
        return
    place = wallets.get(request.currency)
    if place is None:
        return
    if isinstance(request, Bet):
        spending[place.id] = spending.get(place.id, 0) + request.amount
    if not isinstance(request, Bet) or request.ends_round:
        needs.settling[place.id] = 0
