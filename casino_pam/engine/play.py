"""A game round: bet, win, rollback, end of round, and batches of them (PLAY.md §2).

Each verb finds its wallet, answers a repeat as the first time, and else decides. All of it is pure: the execution's
book holds everything that may be asked, and takes the rows that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bonus import wagering
from casino_pam.engine.commands import AnyRequest, Balance, Batch, Bet, EndRound, Find, Play, Rollback, Win
from casino_pam.engine.execution import REMEMBERED_KINDS, Execution
from casino_pam.engine.replay import answer_again, as_profiled, counterpart, minor, once, original_of, replay, shows_now
from casino_pam.engine.results import Receipt, Standing
from wallet import limits
from wallet.errors import REMEMBERED, InvalidField, Refused
from wallet.kinds import Kind, Status, WinSource
from wallet.state import Columns, Entry, OpenProvider, OpenWallet, Row

PAYOUTS = (WinSource.GAME, WinSource.FREE_ROUND)

# --- questions -------------------------------------------------------------------------------


def balance(execution: Execution, request: Balance) -> Standing:
    wallet = execution.book.wallet(request.player, request.currency)
    _check_session(execution, wallet, request)
    return execution.standing(wallet)


def _check_session(execution: Execution, wallet: OpenWallet, request: Balance | Bet) -> None:
    """Raises Refused: ``unknown_session`` where it is not this player's with this provider, ``session_ended``."""
    if request.session is None:
        return
    session = execution.book.sessions.get(request.session)
    if session is None or session.source != request.source or session.player != request.player:
        raise Refused("unknown_session")
    if session.ended(request.at):
        raise Refused("session_ended", **execution.balances(wallet))


def find(execution: Execution, request: Find) -> Receipt:
    """What a repeat of that reference would be answered."""
    execution.book.first_wallet(request.player)
    row = execution.book.row(request.source, request.kind, request.reference)
    if row is None or execution.owner_code(row) != request.player:
        raise Refused("unknown_transaction", reference=request.reference)
    return answer_again(execution, execution.book.wallets_by_id[row.wallet], row)


# --- bet -------------------------------------------------------------------------------------


def bet(execution: Execution, command: Bet) -> Receipt:
    """Take a stake. A refusal is remembered under the reference for ever (rule 5)."""
    check_stake(execution, command)
    return once(execution, command, _bet)


def check_stake(execution: Execution, command: Bet) -> None:
    """Some providers send no bets of zero (rule 8). Raises InvalidField, before anything is looked up."""
    provider = execution.book.providers.get(command.source)
    if command.amount == 0 and provider is not None and provider.zero_amount == "refuse":
        raise InvalidField("amount", "must be more than zero for this provider")


def _bet(execution: Execution, entry: Entry, command: Bet) -> None:
    _may_bet(execution, entry.wallet, command)
    staked = (command.source, command.game, command.amount)
    wagering.may_stake(execution.bonuses, entry, *staked)
    limits.may_stake(entry.wallet, entry.at, command.amount)
    counts = command.wagering is not False
    columns: Columns = {
        **wagering.stake(execution.bonuses, entry, *staked, counts=counts),
        "round": command.round,
        "game": command.game,
        "ends_round": command.ends_round,
        "wagering": counts,
    }
    entry.named(Kind.BET, command.source, command.reference, command.amount, **columns)


def _may_bet(execution: Execution, wallet: OpenWallet, command: Bet) -> None:
    """The gates of a bet in the contract's order (rule 7); only bets have any."""
    if _closing_row(execution, wallet, command.source, command.round):
        raise Refused("round_closed", round=command.round)
    if wallet.player.excluded(command.at):
        raise Refused("player_excluded")
    if wallet.player.bet_locked:
        raise Refused("wallet_locked", lock="bet")
    # Behind what ends sessions: the player hears why. Remembered (rule 5): a copy that came before
    # the session ended and is posted after must not be accepted once this one was refused.
    _check_session(execution, wallet, command)
    if not wallet.currency.enabled:
        raise Refused("currency_disabled")
    if not profile(execution, command).enabled:
        raise Refused("forbidden", why="provider_disabled")
    game = execution.book.games.get((command.source, command.game))
    if game is not None and not game.enabled:
        raise Refused("forbidden", why="game_disabled")


def profile(execution: Execution, command: Play) -> OpenProvider:
    """The provider's profile; the doors let nobody in who has none."""
    found = execution.book.providers.get(command.source)
    if found is None:
        raise Refused("forbidden", why="no_such_provider")
    return found


# --- rounds ----------------------------------------------------------------------------------


def _live(execution: Execution, row: Row) -> bool:
    """Posted and not rolled back since."""
    return row.posted and not execution.book.rolled_back(row)


def _closing_row(execution: Execution, wallet: OpenWallet, source: str, round: str | None) -> bool:
    """A round is closed by a row that ends it, unless that row was rolled back (rule 9)."""
    rows = execution.book.round_rows(wallet.id, source, round)
    return any(row.ends_round and _live(execution, row) for row in rows)


def end_round(execution: Execution, command: EndRound) -> Receipt:
    """Close a round, known or not, closed or not (rule 23)."""
    return once(execution, command, _end_round)


def _end_round(execution: Execution, entry: Entry, command: EndRound) -> None:
    entry.named(Kind.END_ROUND, command.source, command.reference, 0, round=command.round, ends_round=True)


# --- win -------------------------------------------------------------------------------------


def win(execution: Execution, command: Win) -> Receipt:
    """Pay. Nothing but its structure and its own round can refuse a win (rule 10)."""
    return once(execution, command, _win)


def _win(execution: Execution, entry: Entry, command: Win) -> None:
    rules = profile(execution, command)
    bets = _bets_of_round(execution, entry.wallet, command)
    named = _named_bet(execution, command)
    if named is not None and named.wallet != entry.wallet.id:
        # Whether that bet still lives is decided in its own wallet.
        execution.book.rely_on(execution.book.wallets_by_id[named.wallet])
    if _undone(execution, command, named, bets):
        raise Refused("rolled_back")
    late = _closing_row(execution, entry.wallet, command.source, command.round)
    if late and rules.late_win == "refuse":
        raise Refused("round_closed", round=command.round)
    live = [row for row in bets if _live(execution, row)]
    # Its stakes are of its own wallet, whatever bet it names.
    answered = named if named is not None and named.wallet == entry.wallet.id and _live(execution, named) else None
    # Rule 11: a win that names its bet needs that very bet; another needs one of its round.
    if rules.win_requires_bet and _from_game(command) and not (answered if command.bet is not None else live):
        raise Refused("unknown_original")
    payout = wagering.payout(
        execution.bonuses,
        entry,
        provider=command.source,
        game=command.game,
        amount=command.amount,
        free_round=command.win_source == WinSource.FREE_ROUND,
        stakes=[answered] if answered else live,
    )
    columns: Columns = {
        **payout,
        "round": command.round,
        "game": command.game,
        "original": command.bet,
        "win_source": command.win_source or WinSource.GAME,
        "ends_round": command.ends_round,
        "late": late,
    }
    entry.named(Kind.WIN, command.source, command.reference, command.amount, **columns)


def _from_game(command: Win) -> bool:
    return command.win_source in (None, WinSource.GAME)


def _bets_of_round(execution: Execution, wallet: OpenWallet, command: Win) -> list[Row]:
    """Bets of the win's round, whatever became of them; a refused bet is no bet."""
    rows = execution.book.round_rows(wallet.id, command.source, command.round)
    return [row for row in rows if row.kind == Kind.BET and row.status != Status.REFUSED]


def _named_bet(execution: Execution, command: Win) -> Row | None:
    """The bet the win says it answers, if it is one of this player's."""
    if command.bet is None:
        return None
    row = execution.book.row(command.source, Kind.BET, command.bet)
    if row is None or row.status == Status.REFUSED or execution.owner_code(row) != command.player:
        return None
    return row


def _undone(execution: Execution, command: Win, named: Row | None, bets: list[Row]) -> bool:
    """Rule 14: the bet it names, or every bet of its round, did not happen."""
    if not _from_game(command):
        return False
    if command.bet is not None:
        return named is not None and not _live(execution, named)
    return bool(bets) and not any(_live(execution, row) for row in bets)


# --- rollback --------------------------------------------------------------------------------


def rollback(execution: Execution, command: Rollback) -> Receipt:
    """Undo a bet or a win by its stored amounts; always a definitive answer (rules 15-22)."""
    book = execution.book
    home = book.first_wallet(command.player)
    if command.currency is not None:
        home = book.wallet(command.player, command.currency)
    spent = book.row(command.source, Kind.ROLLBACK, command.reference)
    if spent is not None:
        return replay(execution, home, spent, command)
    original = original_of(execution, command)
    if original is None or execution.owner_code(original) != command.player:
        receipt = execution.post(home, command, _void)
        return as_profiled(execution, home, receipt)
    if command.currency is None:
        home = book.wallets_by_id[original.wallet]
    return execution.post(home, command, _rollback if original.posted else _void)


def _void(execution: Execution, entry: Entry, command: Rollback) -> None:
    """Nothing to undo: spend the original's reference if nobody has, and leave a zero row.

    The zero row names what it found of the player's own in ``closes``, so that its repeat can
    tell an original that never moved money from an unknown one.
    """
    original = original_of(execution, command)
    own = original is not None and execution.owner_code(original) == command.player
    kind = original.kind if original else command.original_kind or Kind.BET
    columns: Columns = {"status": Status.VOID, "round": command.round, "game": command.game}
    named: Columns = {
        **columns,
        "original": command.original,
        "original_kind": kind,
        "closes": original.id if original and own else None,
        "reason": command.reason,
    }
    amount = _amount_undone(entry.wallet, command, original if own else None)
    entry.named(Kind.ROLLBACK, command.source, command.reference, amount, **named)
    if original is None and not counterpart(execution, command.source, kind, command.original):
        entry.post(kind, command.source, command.original, 0, **columns)


def _amount_undone(wallet: OpenWallet, command: Rollback, original: Row | None) -> int:
    """The amount that a zero rollback keeps: the one the request named, else the original's."""
    if command.amount is not None:
        return minor(wallet, command.amount) or 0
    return original.amount if original else 0


def _rollback(execution: Execution, entry: Entry, command: Rollback) -> None:
    original = original_of(execution, command)
    assert original is not None
    differing = _disagreements(execution, original, command)
    if differing:
        raise Refused("original_mismatch", differing=differing)
    if execution.book.rolled_back(original):
        raise Refused("already_rolled_back", rolled_back_by=execution.book.closers[original.id].id)
    rules = profile(execution, command)
    if original.kind == Kind.BET:
        if rules.rollback_after_win == "refuse":
            for other in execution.book.others(entry.wallet):
                # A win that names the bet may be paid there at this moment.
                execution.book.rely_on(other)
            if _has_payout(execution, original):
                raise Refused("has_payout")
        money_back = wagering.refund(execution.bonuses, entry, original)
    else:
        if not (rules.rollback_wins or command.by_hand):
            raise Refused("forbidden", why="win_rollbacks_disabled")
        money_back = wagering.take_back(execution.bonuses, entry, original, clamp=rules.win_rollback == "clamp")
    columns: Columns = {
        **money_back,
        "round": original.round,
        "game": original.game,
        "original": command.original,
        "original_kind": original.kind,
        "closes": original.id,
        "reason": command.reason,
    }
    entry.named(Kind.ROLLBACK, command.source, command.reference, original.amount, **columns)


def _disagreements(execution: Execution, original: Row, command: Rollback) -> list[str]:
    """The fields that the request names and that differ in the stored row (rule 15)."""
    wallet = execution.book.wallets_by_id[original.wallet]
    differing = []
    if command.currency is not None and command.currency != wallet.currency.code:
        differing.append("currency")
    if command.amount is not None and minor(wallet, command.amount) != original.amount:
        differing.append("amount")
    if command.round is not None and command.round != original.round:
        differing.append("round")
    if command.game is not None and command.game != original.game:
        differing.append("game")
    return differing


def _has_payout(execution: Execution, stake: Row) -> bool:
    """Rule 18: a live win names the bet, or names none and answers the bet's round."""
    rows = execution.book.round_rows(stake.wallet, stake.source, stake.round)
    wins = [row for row in rows if row.kind == Kind.WIN and row.win_source in PAYOUTS]
    first_bet = min(row.version for row in rows if row.kind == Kind.BET and row.posted)
    answering = [
        row for row in wins if row.original is None and (row.version > stake.version or row.version < first_bet)
    ]
    naming = [row for row in execution.book.answers_to(stake) if row.win_source in PAYOUTS]
    return any(_live(execution, row) for row in (*answering, *naming))


# What a batch may consist of.
VERBS: dict[type[AnyRequest], Callable[[Execution, Any], Receipt]] = {
    Bet: bet,
    Win: win,
    Rollback: rollback,
    EndRound: end_round,
}


def batch(execution: Execution, command: Batch) -> list[Receipt]:
    """Carry out all operations or none; the refusal names the failing operation's index.

    A refused batch leaves nothing but the REFUSED row of the operation that failed, where its
    kind is remembered, so that the same batch fails at the same place for ever.
    """
    for index, operation in enumerate(command.operations):
        try:
            if isinstance(operation, Bet):
                check_stake(execution, operation)
        except InvalidField as malformed:
            raise malformed.inside(f"operations[{index}]") from None
    currency = command.operations[0].currency  # type: ignore[attr-defined]
    wallet = execution.book.wallet(command.player, currency)
    mark = execution.mark(wallet)
    receipts = []
    for index, operation in enumerate(command.operations):
        try:
            receipts.append(VERBS[type(operation)](execution, operation))
        except Refused as refusal:
            execution.back_to(mark)
            raise Refused(refusal.code, **_facts_of_whole(execution, wallet, operation, refusal), index=index) from None
    return receipts


def _facts_of_whole(execution: Execution, wallet: OpenWallet, operation: Play, refusal: Refused) -> dict[str, Any]:
    """What is told of a batch once it was undone: balances are those before it, but for a replayed refusal's own."""
    if refusal.facts.get("replayed"):
        if not shows_now(execution, operation.source):
            return refusal.facts
        return {**refusal.facts, **execution.balances(wallet), "version": wallet.version}
    if operation.kind in REMEMBERED_KINDS and refusal.code in REMEMBERED:
        return _remembered_alone(execution, wallet, operation, refusal).facts
    if "balance" in refusal.facts:
        return {**refusal.facts, **execution.balances(wallet)}
    return refusal.facts


def _remembered_alone(execution: Execution, wallet: OpenWallet, operation: Play, refusal: Refused) -> Refused:
    """Remember the refusal by itself: nothing else of the batch is left, not even what was due."""
    entry = Entry(execution.book, wallet, at=operation.at, actor=operation.actor)
    execution.remember(entry, operation, refusal)
    return execution.explain(entry, refusal)
