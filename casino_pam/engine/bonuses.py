"""Bonuses granted, claimed, forfeited, and looked after (docs/bonus.md).

Pure, like ``casino_pam/engine/play.py``. A grant spends its reference on the bonus itself, so there is
no row to remember a refusal by: a refused grant is judged anew when it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable

from bonus import grants, lifecycle
from bonus.models import BonusStatus
from bonus.open_bonuses import OpenBonus, summary
from casino_pam.engine.commands import (
    Approve,
    BonusRequest,
    Browse,
    Claim,
    Complete,
    Extend,
    Forfeit,
    Grant,
    OfBonus,
    Reject,
    RunDue,
)
from casino_pam.engine.execution import Execution
from casino_pam.engine.results import BonusResult, OfferList, Standing
from wallet.errors import Refused
from wallet.jurisdictions import Demand
from wallet.kinds import BONUS
from wallet.state import Entry, OpenWallet

Decision = Callable[[Entry], OpenBonus]


def grant(execution: Execution, command: Grant) -> BonusResult:
    """Grant an offer to a player; a deposit match then waits for its deposit."""
    wallet = execution.book.wallet(command.player, command.currency)
    spent = execution.bonuses.by_reference.get((command.source, command.reference))
    if spent is not None:
        return _again(execution, wallet, spent, command)
    asked = grants.Origin(command.source, command.reference, command.actor, command.reason)

    def decide(entry: Entry) -> OpenBonus:
        return grants.grant(
            execution.bonuses, entry, command.offer, asked, loss=command.loss, waits_above=command.waits_above
        )

    return _run(execution, wallet, command, decide)


def _again(execution: Execution, wallet: OpenWallet, bonus: OpenBonus, command: Grant) -> BonusResult:
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
    return _result(execution, bonus, command, replayed=True)


def browse(execution: Execution, request: Browse) -> OfferList:
    """What the player could claim now, and for which wallets."""
    wallets = sorted(execution.book.wallets_of(request.player).values(), key=lambda wallet: wallet.id)
    found = []
    for offer in execution.bonuses.offers.values():
        currencies = [
            wallet.currency.code for wallet in wallets if grants.claimable(execution.bonuses, wallet, offer, request.at)
        ]
        if currencies:
            found.append((offer.spec, currencies))
    return OfferList(offers=found)


def claim(execution: Execution, command: Claim) -> BonusResult:
    """The player takes an offer up; a second time is refused with the id of the bonus it became."""
    wallet = execution.book.wallet(command.player, command.currency)
    asked = grants.Origin(BONUS, command.reference, command.actor)
    spent = execution.bonuses.by_reference.get((BONUS, command.reference or ""))
    if spent is not None:
        raise Refused("offer_not_available", why="already_claimed", id=spent.id)

    def decide(entry: Entry) -> OpenBonus:
        return grants.claim(execution.bonuses, entry, command.offer, asked, command.promo_code)

    return _run(execution, wallet, command, decide)


def forfeit(execution: Execution, command: Forfeit) -> BonusResult:
    """Give a bonus up: of an ACTIVE one the money leaves, a waiting one is cancelled."""
    bonus, wallet = _named(execution, command)
    if _ended_by(bonus, command, BonusStatus.FORFEITED, BonusStatus.CANCELLED):
        return _result(execution, bonus, command, replayed=True)
    return _run(execution, wallet, command, lambda entry: _give_up(execution, entry, bonus, command))


def complete(execution: Execution, command: Complete) -> BonusResult:
    """Let an ACTIVE bonus convert now, by the terms it was promised, however far it was wagered.

    One that still waits has no money to convert: ``forbidden``, ``why`` ``bonus_not_active``. More than
    the command lets pass waits for a second person: ``why`` ``needs_approval``, with the ``amount``. Where the player
    must be verified first, and is not: ``player_not_verified``.
    """
    bonus, wallet = _named(execution, command)
    if _ended_by(bonus, command, BonusStatus.COMPLETED):
        return _result(execution, bonus, command, replayed=True)

    def decide(entry: Entry) -> OpenBonus:
        _must_not_have_ended(bonus)
        if bonus.status != BonusStatus.ACTIVE:
            raise Refused("forbidden", why="bonus_not_active")
        player = entry.wallet.player
        if execution.book.is_unverified(player, Demand.VERIFIED_CONVERSION):
            raise Refused("player_not_verified", needed_for="conversion", verification=player.verification)
        amount = lifecycle.conversion(bonus, entry.wallet.bonus).cash
        if command.waits_above is not None and amount > command.waits_above:
            raise Refused("forbidden", why="needs_approval", amount=amount)
        lifecycle.complete(execution.bonuses, entry, bonus, command.reason, reference=command.reference)
        return bonus

    return _run(execution, wallet, command, decide)


def _ended_by(bonus: OpenBonus, command: Forfeit | Complete, *ends: str) -> bool:
    """Whether this very request has ended the bonus before; its reference can have meant one end only."""
    if bonus.ended_reference != command.reference:
        return False
    if bonus.status not in ends:
        raise Refused("reference_reused", differing=["kind"])
    return True


def approve(execution: Execution, command: Approve) -> BonusResult:
    """The second person consents: the bonus queues, and starts when the slot is free."""
    bonus, wallet = _named(execution, command)
    if _decided(bonus, command) and bonus.status != BonusStatus.CANCELLED:
        return _result(execution, bonus, command, replayed=True)

    def decide(entry: Entry) -> OpenBonus:
        _must_not_have_ended(bonus)
        return grants.approve(execution.bonuses, entry, bonus, command.actor)

    return _run(execution, wallet, command, decide)


def reject(execution: Execution, command: Reject) -> BonusResult:
    """The second person declines: the bonus never begins."""
    bonus, wallet = _named(execution, command)
    if _decided(bonus, command) and bonus.status == BonusStatus.CANCELLED:
        return _result(execution, bonus, command, replayed=True)

    def decide(entry: Entry) -> OpenBonus:
        _must_not_have_ended(bonus)
        return grants.reject(execution.bonuses, entry, bonus, command.actor, command.reason)

    return _run(execution, wallet, command, decide)


def _must_not_have_ended(bonus: OpenBonus) -> None:
    if bonus.ended_at is not None:
        raise Refused("bonus_ended", bonus=bonus.id, ended=bonus.status)


def _decided(bonus: OpenBonus, command: OfBonus) -> bool:
    """Whether this very person has decided about the grant before."""
    return bonus.approver is not None and bonus.approver == command.actor


def extend(execution: Execution, command: Extend) -> BonusResult:
    """Give a bonus more time, or less: until when it may wait, or be wagered."""
    bonus, wallet = _named(execution, command)

    def decide(entry: Entry) -> OpenBonus:
        _must_not_have_ended(bonus)
        lifecycle.extend(execution.bonuses, bonus, command.until)
        return bonus

    return _run(execution, wallet, command, decide)


def _named(execution: Execution, command: OfBonus) -> tuple[OpenBonus, OpenWallet]:
    """The bonus and its wallet, if it is this player's."""
    bonus = execution.bonuses.by_id.get(command.bonus)
    for wallet in execution.book.wallets_of(command.player).values():
        if bonus is not None and bonus.wallet == wallet.id:
            return bonus, wallet
    raise Refused("unknown_bonus", bonus=command.bonus)


def _give_up(execution: Execution, entry: Entry, bonus: OpenBonus, command: Forfeit) -> OpenBonus:
    if bonus.status == BonusStatus.ACTIVE:
        lifecycle.forfeit(execution.bonuses, entry, bonus, command.reason, reference=command.reference)
    elif bonus.waiting:
        lifecycle.cancel(execution.bonuses, entry, bonus, command.reason, reference=command.reference)
    else:
        raise Refused("bonus_ended", bonus=bonus.id, ended=bonus.status)
    return bonus


def run_due(execution: Execution, command: RunDue) -> Standing:
    """Do what is due on a wallet nobody has touched: expire, cancel, deplete, start the next."""
    wallet = execution.book.wallet(command.player, command.currency)
    entry = Entry(execution.book, wallet, at=command.at, actor=None)
    lifecycle.expire_due(execution.bonuses, entry)
    lifecycle.settle(execution.bonuses, entry, by_job=True)
    entry.close()
    return execution.standing(wallet)


def _run(execution: Execution, wallet: OpenWallet, command: BonusRequest, decide: Decision) -> BonusResult:
    return _result(execution, execution.run(wallet, command, decide), command, replayed=False)


def _result(execution: Execution, bonus: OpenBonus, command: BonusRequest, *, replayed: bool) -> BonusResult:
    wallet = execution.book.wallets_by_id[bonus.wallet]
    return BonusResult(
        bonus=summary(bonus, command.at),
        player=command.player,
        digits=wallet.currency.digits,
        replayed=replayed,
    )
