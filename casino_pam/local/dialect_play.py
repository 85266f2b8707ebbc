"""Fake providers that speak a dialect, with the habits of its family: how long they wait, what they send again, what
they undo. At the end the journal of what they were told is held against the ledger.

Each family has its own idea of what a failed bet is. What it cannot know it undoes or asks again: a win up to 33 times,
an undoing until it hears something definite. Answers are lost on purpose, and some bets are undone before they come.
"""

from __future__ import annotations

import asyncio
import enum
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from casino_pam.local.simulator import PAYOUTS, Connection, Seat, SeatPlay, Tally, Unanswered
from casino_pam.provider_side import Intent, Sender, written
from wallet import money
from wallet.kinds import Kind, Status
from wallet.models import Transaction

# How often what must arrive is sent again.
INSISTENCE: Final = 33


class Heard(enum.Enum):
    """What an answer means to the provider."""

    DONE = "done"
    # For a reason the player can be told: nothing is undone.
    REFUSED = "refused"
    # Whatever else was said: nothing has moved, and the family may want to undo it all the same.
    FAILED = "failed"
    # Not now, or no answer at all: nothing is known.
    AGAIN = "again"


class Act(NamedTuple):
    """A bet, a win or an undoing; ``bet`` is the reference of the bet that the other two are about."""

    kind: str
    reference: str
    bet: str
    round: str
    amount: int
    seat: Seat
    session: str

    @property
    def sum(self) -> str:
        return money.show(self.amount, self.seat.digits)


class Habits(NamedTuple):
    """How a family behaves. ``bets`` is how often a bet is sent that was not answered; ``undoes`` after what an
    answered bet is undone."""

    intent: Callable[[Act], Intent]
    heard: Callable[[int, Mapping[str, Any]], Heard]
    patience: float
    bets: int = 1
    undoes: frozenset[Heard] = frozenset((Heard.FAILED, Heard.AGAIN))
    # A round that was lost sends a win of zero.
    zero_wins: bool = True
    # What has the reference of its bet.
    same_reference: tuple[str, ...] = ()


# --- how each writes, and what it understands ----------------------------------------------------

_MONEY: Final = frozenset(("NOT_ENOUGH_MONEY", "LIMIT_REACHED"))


def _beexar(act: Act) -> Intent:
    named = {"account_id": act.seat.player, "currency": act.seat.currency, "game_id": act.seat.games[0]}
    if act.kind == Kind.ROLLBACK:
        undone = {"id_provider": act.reference, "type": "rollback", "original_id_provider": act.bet}
        return Intent(
            "/rollback", {**named, "round_id_provider": act.round, "finished": True, "transactions": [undone]}
        )
    played = {"id_provider": act.reference, "type": act.kind.lower(), "amount": act.sum}
    return Intent("/betwin", {**named, "round_id": act.round, "finished": False, "transactions": [played]})


def _heard_beexar(status: int, answer: Mapping[str, Any]) -> Heard:
    if status == 200:
        return Heard.DONE
    if status == 500:
        return Heard.AGAIN
    return Heard.REFUSED if answer["meta"]["api_code"] in ("100", "105", "106") else Heard.FAILED


def _hub88(act: Act) -> Intent:
    named = {"user": act.seat.player, "token": act.session, "request_uuid": secrets.token_hex(16), "round": act.round}
    named["transaction_uuid"] = act.reference
    if act.kind != Kind.BET:
        named["reference_transaction_uuid"] = act.bet
    if act.kind == Kind.ROLLBACK:
        return Intent("/transaction/rollback", named)
    paid: dict[str, Any] = {"game_code": act.seat.games[0], "currency": act.seat.currency}
    paid["amount"] = act.amount * 100_000 // 10**act.seat.digits
    return Intent(f"/transaction/{act.kind.lower()}", {**named, **paid})


def _heard_hub88(status: int, answer: Mapping[str, Any]) -> Heard:
    if status == 500:
        return Heard.AGAIN
    if answer["status"] == "RS_OK":
        return Heard.DONE
    return Heard.REFUSED if answer["status"].removeprefix("RS_ERROR_") in _MONEY else Heard.FAILED


def _swipegames(act: Act) -> Intent:
    named = {"sessionID": act.session, "txID": act.reference, "amount": act.sum, "roundID": act.round}
    if act.kind == Kind.ROLLBACK:
        return Intent("/refund", {**named, "origTxID": act.bet})
    return Intent(f"/{act.kind.lower()}", {**named, "type": "regular"})


def _heard_swipegames(status: int, answer: Mapping[str, Any]) -> Heard:
    if status == 200:
        return Heard.DONE
    return Heard.AGAIN if status == 500 else Heard.REFUSED


def _slotegrator(act: Act) -> Intent:
    named = {"player_id": act.seat.player, "currency": act.seat.currency, "session_id": act.session}
    named |= {"game_uuid": act.seat.games[0], "transaction_id": act.reference, "amount": act.sum, "round_id": act.round}
    if act.kind == Kind.ROLLBACK:
        return Intent("/", {"action": "refund", **named, "bet_transaction_id": act.bet})
    return Intent("/", {"action": act.kind.lower(), **named, "type": act.kind.lower()})


def _heard_slotegrator(status: int, answer: Mapping[str, Any]) -> Heard:
    if "error_code" not in answer:
        return Heard.DONE
    # There is one code for all else: whether it is final is not said.
    return Heard.REFUSED if answer["error_code"] == "INSUFFICIENT_FUNDS" else Heard.AGAIN


def _pragmatic(act: Act) -> Intent:
    named = {"userId": act.seat.player, "gameId": act.seat.games[0], "roundId": act.round}
    if act.kind == Kind.ROLLBACK:
        return Intent("/refund.html", {**named, "reference": act.bet})
    told = {"amount": act.sum, "reference": act.reference, "timestamp": "1700000000000", "roundDetails": "spin"}
    return Intent("/bet.html" if act.kind == Kind.BET else "/result.html", {**named, **told})


def _heard_pragmatic(status: int, answer: Mapping[str, Any]) -> Heard:
    if answer["error"] == 0:
        return Heard.DONE
    if answer["error"] == 100:
        return Heard.AGAIN
    return Heard.REFUSED if answer["error"] in (1, 50) else Heard.FAILED


def _number(text: str) -> str:
    """A decimal without the zeros that say nothing: six places are the most that this family writes."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _evolution(act: Act) -> Intent:
    call = {Kind.BET: "/debit", Kind.WIN: "/credit", Kind.ROLLBACK: "/cancel"}[act.kind]
    named = {"sid": act.session, "userId": act.seat.player, "uuid": secrets.token_hex(16)}
    table = {"id": act.seat.games[0], "vid": None}
    game = {"id": act.round, "type": "roulette", "details": {"table": table}}
    moved = {"id": secrets.token_hex(8), "refId": act.bet, "amount": msgspec.Raw(_number(act.sum).encode())}
    return Intent(call, {**named, "currency": act.seat.currency, "game": game, "transaction": moved})


def _heard_evolution(status: int, answer: Mapping[str, Any]) -> Heard:
    if answer["status"] in ("OK", "BET_ALREADY_EXIST", "BET_ALREADY_SETTLED"):
        return Heard.DONE
    if answer["status"] == "TEMPORARY_ERROR":
        return Heard.AGAIN
    limited = answer["status"].startswith("CASINO_LIMIT_EXCEEDED")
    return Heard.REFUSED if limited or answer["status"] == "INSUFFICIENT_FUNDS" else Heard.FAILED


_LOST_ONLY: Final = frozenset((Heard.AGAIN,))
HABITS: Final = {
    "beexar": Habits(_beexar, _heard_beexar, patience=15, bets=4, zero_wins=False),
    "hub88": Habits(_hub88, _heard_hub88, patience=5),
    "swipegames": Habits(_swipegames, _heard_swipegames, patience=5, undoes=_LOST_ONLY),
    "slotegrator": Habits(_slotegrator, _heard_slotegrator, patience=3),
    "pragmatic": Habits(_pragmatic, _heard_pragmatic, patience=5, bets=2, same_reference=(Kind.ROLLBACK,)),
    "evolution": Habits(_evolution, _heard_evolution, patience=0.7, same_reference=(Kind.WIN, Kind.ROLLBACK)),
}

# --- the play ------------------------------------------------------------------------------------


class PlayedRound(msgspec.Struct):
    """What the provider believes of a round: what it heard last of each part, None of what it never sent."""

    bet: Act
    heard: Heard | None = None
    win: Act | None = None
    heard_win: Heard | None = None
    undo: Act | None = None
    heard_undo: Heard | None = None


class DialectShares(NamedTuple):
    """What part of the answers is lost, of the rounds undone, and of those before their bet comes; 0 to 1."""

    lost: float = 0.05
    rollbacks: float = 0.05
    reordered: float = 0.02


class DialectProvider:
    """One provider; ``prefix`` begins every reference of the run."""

    def __init__(self, base_url: str, sender: Sender, prefix: str, shares: DialectShares) -> None:
        self.base_url = base_url
        self.sender = sender
        self.prefix = prefix
        self.shares = shares
        self.habits = HABITS[sender.dialect]
        self.rounds: list[PlayedRound] = []
        self.tally = Tally()

    async def once(self, line: Connection, rng: random.Random, act: Act) -> Heard:
        """Send it once; an answer that was lost on the way counts as none."""
        intent = self.habits.intent(act)._replace(at=time.time(), nonce=secrets.token_hex(8))
        began = time.perf_counter()
        try:
            status, answer = await line.send(written(self.sender, intent))
        except Unanswered:
            return Heard.AGAIN
        finally:
            self.tally.milliseconds.append((time.perf_counter() - began) * 1000)
        self.tally.answers += 1
        if rng.random() < self.shares.lost:
            return Heard.AGAIN
        return self.habits.heard(status, answer)

    async def insist(self, line: Connection, rng: random.Random, act: Act, times: int) -> Heard:
        """Send it until something definite is heard, so often at most."""
        for attempt in range(times):
            if attempt:
                self.tally.again += 1
                await asyncio.sleep(min(0.02 * attempt, 0.2))
            heard = await self.once(line, rng, act)
            if heard is not Heard.AGAIN:
                return heard
        return Heard.AGAIN


class DialectRounds(SeatPlay):
    """Rounds in the provider's dialect."""

    def __init__(self, provider: DialectProvider, seat: Seat, session: str, seed: str) -> None:
        super().__init__(seat, seed, Connection(provider.base_url, provider.habits.patience))
        self.provider = provider
        self.session = session

    async def round(self) -> None:
        shares, habits = self.provider.shares, self.provider.habits
        name = f"{self.provider.prefix}{self.seat.player}-{self.played}"
        played = PlayedRound(self._act(Kind.BET, name, name, self.seat.stake))
        self.provider.rounds.append(played)
        fate = self.rng.random()
        if fate < shares.reordered:
            await self._undo(played)
        played.heard = await self._insist(played.bet, habits.bets)
        if played.undo is not None:
            return
        if played.heard in habits.undoes or fate < shares.reordered + shares.rollbacks:
            await self._undo(played)
        elif played.heard is Heard.DONE:
            await self._win(played)

    async def _win(self, played: PlayedRound) -> None:
        tenths = self.rng.choices([tenths for tenths, _ in PAYOUTS], [weight for _, weight in PAYOUTS])[0]
        if tenths or self.provider.habits.zero_wins:
            played.win = self._act(Kind.WIN, "w", played.bet.reference, self.seat.stake * tenths // 10)
            played.heard_win = await self._insist(played.win, INSISTENCE)

    async def _undo(self, played: PlayedRound) -> None:
        played.undo = self._act(Kind.ROLLBACK, "r", played.bet.reference, self.seat.stake)
        played.heard_undo = await self._insist(played.undo, INSISTENCE)

    async def _insist(self, act: Act, times: int) -> Heard:
        return await self.provider.insist(self.line, self.rng, act, times)

    def _act(self, kind: str, name: str, bet: str, amount: int) -> Act:
        same = kind == Kind.BET or kind in self.provider.habits.same_reference
        reference = bet if same else f"{bet}-{name}"
        return Act(kind, reference, bet, bet, amount, self.seat, self.session)


# --- journal against ledger ----------------------------------------------------------------------


def counts(provider: DialectProvider) -> Counter[str]:
    """How many of each part were heard of in each way."""
    found: Counter[str] = Counter()
    for played in provider.rounds:
        for part, heard in (("bet", played.heard), ("win", played.heard_win), ("undo", played.heard_undo)):
            if heard is not None:
                found[f"{part} {heard.value}"] += 1
    return found


def differences(provider: DialectProvider) -> Iterator[str]:
    """Where what the provider was told and the ledger disagree, line by line; nothing when they agree."""
    rows = {
        (row.kind, row.reference): row
        for row in Transaction.objects.filter(
            source=provider.sender.code,
            reference__gte=provider.prefix,
            reference__lt=provider.prefix + "~",
            kind__in=(Kind.BET, Kind.WIN, Kind.ROLLBACK),
        )
        .select_related("wallet__player")
        .iterator(chunk_size=2000)
    }
    undone = {row.closes for row in rows.values() if row.kind == Kind.ROLLBACK and row.status == Status.POSTED}
    told: set[tuple[str, str]] = set()
    for played in provider.rounds:
        told.update((act.kind, act.reference) for act in (played.bet, played.win, played.undo) if act is not None)
        yield from _compare(played, rows, undone)
    for key in rows.keys() - told:
        if rows[key].status == Status.POSTED:
            yield f"{key[0]} {key[1]}: in the ledger, and never sent"


def _compare(played: PlayedRound, rows: Mapping[tuple[str, str], Transaction], undone: set[Any]) -> Iterator[str]:
    bet = rows.get((Kind.BET, played.bet.reference))
    stands = bet is not None and bet.status == Status.POSTED and bet.pk not in undone
    if played.undo is not None:
        if stands:
            yield f"BET {played.bet.reference}: was undone ({played.heard_undo}), and stands in the ledger"
    elif stands != (played.heard is Heard.DONE):
        yield f"BET {played.bet.reference}: the provider heard {played.heard}, the ledger has {bet and bet.status}"
    if bet is not None and bet.status == Status.POSTED:
        yield from _same_money(played.bet, bet)
    if played.win is None:
        return
    win = rows.get((Kind.WIN, played.win.reference))
    paid = win is not None and win.status == Status.POSTED
    if paid != (played.heard_win is Heard.DONE):
        yield f"WIN {played.win.reference}: the provider heard {played.heard_win}, the ledger has {win and win.status}"
    if win is not None:
        yield from _same_money(played.win, win)


def _same_money(act: Act, row: Transaction) -> Iterator[str]:
    if (
        row.amount != act.amount
        or row.wallet.player.code != act.seat.player
        or row.wallet.currency_id != act.seat.currency
    ):
        yield f"{act.kind} {act.reference}: sent {act.amount} for {act.seat.player}, the ledger has {row.amount}"
