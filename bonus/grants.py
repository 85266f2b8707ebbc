"""Granting: who may be granted what, and what it comes to (docs/bonus.md, F1 and F2).

Pure. A bonus is made QUEUED or PENDING; ``bonus.lifecycle.settle`` starts it when the slot is free.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from uuid_utils import uuid7

from bonus import rules
from bonus.lifecycle import cancel
from bonus.models import BonusStatus
from bonus.open_bonuses import Bonuses, OpenBonus, OpenOffer
from bonus.terms import OfferKind, Terms, jurisdiction_breaches
from wallet.errors import Refused
from wallet.kinds import Kind
from wallet.state import Entry, OpenPlayer, OpenWallet
from wallet.time import DAY, to_microseconds

DEPOSITED: Final = (OfferKind.DEPOSIT_MATCH, OfferKind.FIXED, OfferKind.FREE_ROUNDS)


class Figures(NamedTuple):
    """What a bonus comes to, in minor units: B, what the multiplier multiplies, and R."""

    amount: int
    base: int
    required: int


NOTHING_YET: Final = Figures(0, 0, 0)


class Origin(NamedTuple):
    """Who asks for a bonus, under which name; a claim has no reference of its own."""

    source: str
    reference: str | None
    actor: str | None
    reason: str | None = None


# --- gates -------------------------------------------------------------------------------------


def may_be_granted(wallet: OpenWallet, at: int) -> None:
    """The gates of every grant, those of a deposit (PLAY.md rule 26)."""
    if wallet.player.excluded(at):
        raise Refused("player_excluded")
    if wallet.player.deposit_locked:
        raise Refused("wallet_locked", lock="deposit")


def _offer(bonuses: Bonuses, code: str) -> OpenOffer:
    offer = bonuses.offers.get(code)
    if offer is None:
        raise Refused("unknown_offer", offer=code)
    return offer


def _no(why: str, **facts: str) -> Refused:
    return Refused("offer_not_available", why=why, **facts)


def available(bonuses: Bonuses, wallet: OpenWallet, offer: OpenOffer, at: int) -> Terms:
    """The terms this player would be granted a bonus with now.

    Raises Refused: ``player_excluded``, ``wallet_locked``, or ``offer_not_available``, which says why.
    """
    may_be_granted(wallet, at)
    spec = offer.spec
    if not spec.enabled:
        raise _no("disabled")
    if spec.valid_from is not None and at < to_microseconds(spec.valid_from):
        raise _no("not_yet_valid")
    if spec.valid_until is not None and at >= to_microseconds(spec.valid_until):
        raise _no("no_longer_valid")
    if spec.countries and wallet.player.country not in spec.countries:
        raise _no("country")
    terms = spec.terms_for(wallet.currency.code)
    _check_jurisdiction(wallet, terms)
    granted = bonuses.granted_to(offer.id, wallet.player.id)
    if len(granted) >= spec.per_player:
        raise _no("already_claimed", id=max(granted.values()))
    if spec.total is not None and offer.granted >= spec.total:
        raise _no("exhausted")
    if terms.which_deposit != "any" and _deposits(bonuses, wallet) >= _nth(terms):
        raise _no("which_deposit")
    return terms


def _check_jurisdiction(wallet: OpenWallet, terms: Terms) -> None:
    """The rules of the player's country: at the grant, and again when what was granted would come by its money.

    Rules may have come, or a country become known, while it waited.
    """
    if any(jurisdiction_breaches(wallet.player.country, terms)):
        raise _no("jurisdiction")


def _deposits(bonuses: Bonuses, wallet: OpenWallet) -> int:
    """How many deposits the wallet has had, those of this posting included."""
    return bonuses.deposits[wallet.id] + sum(row.kind == Kind.DEPOSIT and row.posted for row in wallet.rows)


def _nth(terms: Terms) -> int:
    return terms.which_deposit if isinstance(terms.which_deposit, int) else 1


def claimable(bonuses: Bonuses, wallet: OpenWallet, offer: OpenOffer, at: int) -> bool:
    """Whether the player could claim it now, without a code."""
    if offer.spec.promo_code is not None:
        return False
    try:
        return available(bonuses, wallet, offer, at).kind is not OfferKind.CASHBACK
    except Refused:
        return False


# --- what it comes to --------------------------------------------------------------------------


def figures(terms: Terms, deposit: int) -> Figures:
    """B and R on a deposit (for a cashback: on the net loss); a fixed bonus needs none.

    Raises ``offer_not_available`` where there is nothing to grant, or more to wager than can be.
    """
    match terms.kind:
        case OfferKind.FREE_ROUNDS:
            return NOTHING_YET
        case OfferKind.FIXED:
            amount = terms.amount or 0
        case _:
            amount = rules.grant_amount(
                deposit, percent_bp=terms.percent_bp or 0, cap=terms.cap or 0, min_deposit=terms.min_deposit
            )
    if amount == 0:
        raise _no("nothing_to_grant")
    base = rules.base_amount(terms.base, deposit=deposit, granted=amount)
    try:
        return Figures(amount, base, rules.required(base, terms.multiplier))
    except OverflowError:
        raise _no("requirement_too_large") from None


# --- the ways to a bonus -----------------------------------------------------------------------


def grant(
    bonuses: Bonuses,
    entry: Entry,
    code: str,
    origin: Origin,
    *,
    loss: int | None = None,
    waits_above: int | None = None,
) -> OpenBonus:
    """Grant a bonus without a deposit. A deposit match waits for one, free rounds for their first win.

    ``loss`` is the net loss of a cashback's period; of more than ``waits_above`` minor units, what else
    would start now waits for an approval. Raises Refused: ``unknown_offer``, ``player_excluded``, ``wallet_locked``,
    ``offer_not_available``.
    """
    offer = _offer(bonuses, code)
    terms = available(bonuses, entry.wallet, offer, entry.at)
    if (terms.kind is OfferKind.CASHBACK) != (loss is not None):
        raise _no("kind")
    if terms.kind in (OfferKind.DEPOSIT_MATCH, OfferKind.FREE_ROUNDS):
        return _make(bonuses, entry, offer, terms, origin, BonusStatus.PENDING)
    if loss is not None and loss < terms.min_deposit:
        raise _no("min_deposit")
    came_to = figures(terms, loss or 0)
    status = BonusStatus.PENDING if waits_above is not None and came_to.amount > waits_above else BonusStatus.QUEUED
    return _make(bonuses, entry, offer, terms, origin, status, loss or 0, came_to)


def claim(bonuses: Bonuses, entry: Entry, code: str, origin: Origin, promo_code: str | None) -> OpenBonus:
    """Grant what the player asks for; an offer with a promo code only to whoever enters it.

    Raises as ``grant``, and Refused: ``unknown_promo_code`` where the offer's is another one by now.
    """
    wanted = _offer(bonuses, code).spec.promo_code
    if promo_code is None and wanted is not None:
        raise _no("needs_a_code")
    if promo_code != wanted:
        raise Refused("unknown_promo_code")
    return grant(bonuses, entry, code, origin)


def approve(bonuses: Bonuses, entry: Entry, bonus: OpenBonus, approver: str | None) -> OpenBonus:
    """Let a grant queue that waited for a second person.

    Raises ``Refused('forbidden')`` for the one who made it, and for a bonus that waits for something else; and
    ``offer_not_available`` where the player's country forbids its terms.
    """
    may_be_granted(entry.wallet, entry.at)
    second = _second_person(bonus, approver)
    _check_jurisdiction(entry.wallet, bonus.terms)
    _queue(bonuses, bonus)
    bonus.approver = second
    return bonus


def reject(bonuses: Bonuses, entry: Entry, bonus: OpenBonus, approver: str | None, reason: str) -> OpenBonus:
    """Take a grant back that waited for a second person; the reason stays with it. Refuses as ``approve`` does."""
    second = _second_person(bonus, approver)
    cancel(bonuses, entry, bonus, reason)
    bonus.approver = second
    return bonus


def _second_person(bonus: OpenBonus, approver: str | None) -> str:
    if bonus.status != BonusStatus.PENDING or bonus.terms.kind not in (OfferKind.FIXED, OfferKind.CASHBACK):
        raise Refused("forbidden", why="waits_for_no_approval")
    if approver is None or approver == bonus.actor:
        raise Refused("forbidden", why="needs_a_second_person")
    return approver


def on_deposit(
    bonuses: Bonuses, entry: Entry, amount: int, code: str | None, origin: Origin
) -> tuple[OpenBonus | None, str | None]:
    """What a deposit about to be posted earns: the bonus, or the code of why its offer does not stand.

    A claim that waits for its deposit comes before a new grant of the same offer. Without a named
    offer the oldest claim that this deposit fulfils is taken.
    """
    try:
        if code is None:
            return _fulfil_any(bonuses, entry, amount), None
        if origin.reference is not None and (origin.source, origin.reference) in bonuses.by_reference:
            raise Refused("reference_reused", differing=["kind"])
        offer = _offer(bonuses, code)
        may_be_granted(entry.wallet, entry.at)
        claimed = [bonus for bonus in _claims(bonuses, entry) if bonus.offer == offer.id]
        if claimed:
            return _fulfil(bonuses, entry, claimed[0], amount), None
        terms = available(bonuses, entry.wallet, offer, entry.at)
        if terms.kind not in DEPOSITED:
            raise _no("kind")
        _check_deposit(bonuses, entry, terms, amount)
        came_to = figures(terms, amount)
        status = BonusStatus.PENDING if terms.kind is OfferKind.FREE_ROUNDS else BonusStatus.QUEUED
        return _make(bonuses, entry, offer, terms, origin, status, amount, came_to), None
    except Refused as refusal:
        return None, refusal.code


def _claims(bonuses: Bonuses, entry: Entry) -> list[OpenBonus]:
    """Claimed deposit matches that wait for their deposit, oldest first."""
    pending = bonuses.oldest(entry.wallet.id, BonusStatus.PENDING)
    return [bonus for bonus in pending if bonus.terms.kind is OfferKind.DEPOSIT_MATCH]


def _fulfil_any(bonuses: Bonuses, entry: Entry, amount: int) -> OpenBonus | None:
    for bonus in _claims(bonuses, entry):
        try:
            may_be_granted(entry.wallet, entry.at)
            return _fulfil(bonuses, entry, bonus, amount)
        except Refused:
            continue
    return None


def _fulfil(bonuses: Bonuses, entry: Entry, bonus: OpenBonus, deposit: int) -> OpenBonus:
    """A claim becomes a bonus by its deposit; its terms are those of the day it was claimed."""
    _check_jurisdiction(entry.wallet, bonus.terms)
    _check_deposit(bonuses, entry, bonus.terms, deposit)
    came_to = figures(bonus.terms, deposit)
    _queue(bonuses, bonus)
    bonus.deposit = deposit
    bonus.amount, bonus.base, bonus.required = came_to
    return bonus


def _check_deposit(bonuses: Bonuses, entry: Entry, terms: Terms, amount: int) -> None:
    """Whether the deposit about to be posted is the one the terms ask for."""
    if amount < terms.min_deposit:
        raise _no("min_deposit")
    if terms.which_deposit != "any" and _deposits(bonuses, entry.wallet) + 1 != _nth(terms):
        raise _no("which_deposit")


# --- making ------------------------------------------------------------------------------------


def _queue(bonuses: Bonuses, bonus: OpenBonus) -> None:
    bonuses.change(bonus)
    bonus.status = BonusStatus.QUEUED
    _hold_slot(bonuses, bonus)


def _hold_slot(bonuses: Bonuses, bonus: OpenBonus) -> None:
    """Queueing rests on the slot being taken: should it be freed meanwhile, all look again.

    The ACTIVE bonus gets a new version, though nothing else of it changes.
    """
    active = bonuses.active(bonus.wallet)
    if active is not None:
        bonuses.change(active)


def _make(
    bonuses: Bonuses,
    entry: Entry,
    offer: OpenOffer,
    terms: Terms,
    origin: Origin,
    status: str,
    deposit: int = 0,
    came_to: Figures = NOTHING_YET,
) -> OpenBonus:
    player = entry.wallet.player
    ordinal = _free_ordinal(bonuses, offer, player)
    days = terms.claim_days
    bonus = OpenBonus(
        id=str(uuid7()),
        offer=offer.id,
        player=player.id,
        wallet=entry.wallet.id,
        status=status,
        source=origin.source,
        reference=origin.reference or f"claim:{terms.offer}:{ordinal}:{player.code}",
        ordinal=ordinal,
        terms=terms,
        deposit=deposit,
        amount=came_to.amount,
        base=came_to.base,
        required=came_to.required,
        wagered=0,
        converted=0,
        version=0,
        created_at=entry.at,
        claim_by=None if days is None else entry.at + days * DAY,
        activated_at=None,
        expires_at=None,
        unverified_since=None,
        ended_at=None,
        ended_reason=None,
        ended_reference=None,
        actor=origin.actor,
        approver=None,
        reason=origin.reason,
    )
    bonuses.add(bonus, offer)
    if status == BonusStatus.QUEUED:
        _hold_slot(bonuses, bonus)
    return bonus


def _free_ordinal(bonuses: Bonuses, offer: OpenOffer, player: OpenPlayer) -> int:
    taken = bonuses.granted_to(offer.id, player.id)
    return next(ordinal for ordinal in range(1, offer.spec.per_player + 1) if ordinal not in taken)
