"""Promises: bonuses granted, claimed, forfeited, and looked after (docs/bonus.md).

Pure, like ``casino_pam/engine/play.py``. A promise spends its reference on the bonus itself, so there is
no row to remember a refusal by: a refused grant is judged anew when it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable

from bonus import grants, lifecycle
from bonus.open_bonuses import OpenBonus, State, shown
from casino_pam.engine.commands import (
    Approve,
    Browse,
    Claim,
    Complete,
    Extend,
    Forfeit,
    Grant,
    OfBonus,
    Promise,
    Reject,
    Tend,
)
from casino_pam.engine.execution import Desk
from casino_pam.engine.results import Offered, Promised, Standing
from wallet.errors import TELLS_BALANCES, Refused
from wallet.kinds import BONUS
from wallet.state import OpenWallet, Turn

Decision = Callable[[Turn], OpenBonus]


def grant(desk: Desk, command: Grant) -> Promised:
    """Promise an offer to a player; a deposit match then waits for its deposit."""
    wallet = desk.book.wallet(command.player, command.currency)
    spent = desk.bonuses.by_reference.get((command.source, command.reference))
    if spent is not None:
        return _again(desk, wallet, spent, command)
    asked = grants.Asked(command.source, command.reference, command.actor, command.reason)

    def decide(turn: Turn) -> OpenBonus:
        return grants.grant(
            desk.bonuses, turn, command.offer, asked, loss=command.loss, waits_above=command.waits_above
        )

    return _carry_out(desk, wallet, command, decide)


def _again(desk: Desk, wallet: OpenWallet, bonus: OpenBonus, command: Grant) -> Promised:
    """A spent reference shows the bonus it was spent on, as it stands now (rule 4)."""
    differing = []
    if bonus.player != wallet.player.id:
        differing.append("player")
    if bonus.terms.currency != command.currency:
        differing.append("currency")
    if bonus.terms.offer != command.offer:
        differing.append("offer")
    if differing:
        raise Refused("reference_reused", differing=differing)
    return _promised(desk, bonus, command, replayed=True)


def browse(desk: Desk, request: Browse) -> Offered:
    """What the player could claim now, and for which wallets."""
    wallets = sorted(desk.book.wallets_of(request.player).values(), key=lambda wallet: wallet.id)
    found = []
    for offer in desk.bonuses.offers.values():
        currencies = [
            wallet.currency.code for wallet in wallets if grants.claimable(desk.bonuses, wallet, offer, request.at)
        ]
        if currencies:
            found.append((offer.spec, currencies))
    return Offered(offers=found)


def claim(desk: Desk, command: Claim) -> Promised:
    """The player takes an offer up; once is enough, and a second time is told which bonus it was."""
    wallet = desk.book.wallet(command.player, command.currency)
    asked = grants.Asked(BONUS, None, command.actor)
    return _carry_out(desk, wallet, command, lambda turn: grants.grant(desk.bonuses, turn, command.offer, asked))


def forfeit(desk: Desk, command: Forfeit) -> Promised:
    """Give a bonus up: of an ACTIVE one the money leaves, a waiting one is cancelled."""
    bonus, wallet = _named(desk, command)
    if _ended_by(bonus, command, State.FORFEITED, State.CANCELLED):
        return _promised(desk, bonus, command, replayed=True)
    return _carry_out(desk, wallet, command, lambda turn: _give_up(desk, turn, bonus, command))


def complete(desk: Desk, command: Complete) -> Promised:
    """Let an ACTIVE bonus convert now, by the terms it was promised, however far it was wagered.

    One that still waits has no money to convert: ``forbidden``, ``why`` ``bonus_not_active``. More than
    the command lets pass waits for a second person: ``why`` ``needs_approval``, with the ``amount``.
    """
    bonus, wallet = _named(desk, command)
    if _ended_by(bonus, command, State.COMPLETED):
        return _promised(desk, bonus, command, replayed=True)

    def decide(turn: Turn) -> OpenBonus:
        _must_not_have_ended(bonus)
        if bonus.status != State.ACTIVE:
            raise Refused("forbidden", why="bonus_not_active")
        amount = lifecycle.conversion(bonus, turn.wallet.bonus).cash
        if command.waits_above is not None and amount > command.waits_above:
            raise Refused("forbidden", why="needs_approval", amount=amount)
        lifecycle.complete(desk.bonuses, turn, bonus, command.reason, reference=command.reference)
        return bonus

    return _carry_out(desk, wallet, command, decide)


def _ended_by(bonus: OpenBonus, command: Forfeit | Complete, *ends: str) -> bool:
    """Whether this very request has ended the bonus before; its reference can have meant one end only."""
    if bonus.ended_reference != command.reference:
        return False
    if bonus.status not in ends:
        raise Refused("reference_reused", differing=["kind"])
    return True


def approve(desk: Desk, command: Approve) -> Promised:
    """The second person consents: the bonus queues, and starts when the slot is free."""
    bonus, wallet = _named(desk, command)
    if _decided(bonus, command) and bonus.status != State.CANCELLED:
        return _promised(desk, bonus, command, replayed=True)

    def decide(turn: Turn) -> OpenBonus:
        _must_not_have_ended(bonus)
        return grants.approve(desk.bonuses, turn, bonus, command.actor)

    return _carry_out(desk, wallet, command, decide)


def reject(desk: Desk, command: Reject) -> Promised:
    """The second person declines: the bonus never begins."""
    bonus, wallet = _named(desk, command)
    if _decided(bonus, command) and bonus.status == State.CANCELLED:
        return _promised(desk, bonus, command, replayed=True)

    def decide(turn: Turn) -> OpenBonus:
        _must_not_have_ended(bonus)
        return grants.reject(desk.bonuses, turn, bonus, command.actor, command.reason)

    return _carry_out(desk, wallet, command, decide)


def _must_not_have_ended(bonus: OpenBonus) -> None:
    if bonus.ended_at is not None:
        raise Refused("bonus_ended", bonus=bonus.id, ended=bonus.status)


def _decided(bonus: OpenBonus, command: OfBonus) -> bool:
    """Whether this very person has decided about the grant before."""
    return bonus.approver is not None and bonus.approver == command.actor


def extend(desk: Desk, command: Extend) -> Promised:
    """Give a bonus more time, or less: until when it may wait, or be wagered."""
    bonus, wallet = _named(desk, command)

    def decide(turn: Turn) -> OpenBonus:
        _must_not_have_ended(bonus)
        lifecycle.extend(desk.bonuses, bonus, command.until)
        return bonus

    return _carry_out(desk, wallet, command, decide)


def _named(desk: Desk, command: OfBonus) -> tuple[OpenBonus, OpenWallet]:
    """The bonus and its wallet, if it is this player's."""
    bonus = desk.bonuses.by_id.get(command.bonus)
    for wallet in desk.book.wallets_of(command.player).values():
        if bonus is not None and bonus.wallet == wallet.id:
            return bonus, wallet
    raise Refused("unknown_bonus", bonus=command.bonus)


def _give_up(desk: Desk, turn: Turn, bonus: OpenBonus, command: Forfeit) -> OpenBonus:
    if bonus.status == State.ACTIVE:
        lifecycle.forfeit(desk.bonuses, turn, bonus, command.reason, reference=command.reference)
    elif bonus.waiting:
        lifecycle.cancel(desk.bonuses, turn, bonus, command.reason, reference=command.reference)
    else:
        raise Refused("bonus_ended", bonus=bonus.id, ended=bonus.status)
    return bonus


def tend(desk: Desk, command: Tend) -> Standing:
    """Do what is due on a wallet nobody has touched: expire, cancel, deplete, start the next."""
    wallet = desk.book.wallet(command.player, command.currency)
    turn = Turn(desk.book, wallet, at=command.at, actor=None)
    lifecycle.expire_due(desk.bonuses, turn)
    lifecycle.settle(desk.bonuses, turn, tending=True)
    turn.close()
    return desk.standing(wallet)


def _carry_out(desk: Desk, wallet: OpenWallet, command: Promise, decide: Decision) -> Promised:
    """As ``Desk.carry_out``, for a command whose reference no ledger row spends."""
    turn = Turn(desk.book, wallet, at=command.at, actor=command.actor)
    lifecycle.expire_due(desk.bonuses, turn)
    mark = desk.mark(wallet)
    try:
        bonus = decide(turn)
        lifecycle.settle(desk.bonuses, turn)
        return _promised(desk, bonus, command, replayed=False)
    except Refused as refusal:
        desk.take_back(turn, mark)
        lifecycle.settle(desk.bonuses, turn)
        if refusal.code in TELLS_BALANCES:
            refusal.facts.update(wallet.balances())
        raise
    finally:
        turn.close()


def _promised(desk: Desk, bonus: OpenBonus, command: Promise, *, replayed: bool) -> Promised:
    wallet = desk.book.wallets_by_id[bonus.wallet]
    return Promised(
        bonus=shown(bonus, command.at),
        player=command.player,
        digits=wallet.currency.digits,
        replayed=replayed,
    )
