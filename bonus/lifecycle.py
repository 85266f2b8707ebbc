"""The state machine of a bonus (bonus/open_bonuses.py): what ends it, what follows, who comes next.

Pure: everything is decided on the open book of one posting. Each transition that moves money posts
one row whose source is ``bonus`` and whose reference is the bonus's id, so the ledger's own key
allows each once per bonus.
"""

from __future__ import annotations

from typing import Final

from bonus import rules
from bonus.models import BonusStatus
from bonus.open_bonuses import Bonuses, OpenBonus
from wallet.jurisdictions import Demand
from wallet.kinds import BONUS, Kind
from wallet.state import Book, Entry, Row
from wallet.time import DAY

# Rows that may settle a stake, so that a bonus without money left has nothing more to come.
SETTLING: Final = (Kind.WIN, Kind.ROLLBACK, Kind.END_ROUND)


# --- before and after every command ------------------------------------------------------------


def expire_due(bonuses: Bonuses, entry: Entry) -> None:
    """End what ran out of time before the command was received; an excluded player waits for nothing."""
    known = bonuses.of_wallet.get(entry.wallet.id)
    if not known:
        return
    excluded = entry.wallet.player.excluded(entry.at)
    for bonus in known:
        if bonus.due(entry.at):
            if bonus.status == BonusStatus.ACTIVE:
                _take_money(entry, Kind.EXPIRE, bonus)
            _end(bonuses, entry, bonus, BonusStatus.EXPIRED, "ran out of time")
        elif excluded and bonus.waiting:
            cancel(bonuses, entry, bonus, "the player is excluded")


def settle(bonuses: Bonuses, entry: Entry, *, by_job: bool = False) -> None:
    """Draw the consequences of the command: convert, deplete, start the next.

    ``by_job``: there is no command but the job's look at the wallet, so that age alone may have
    settled a stake.
    """
    if not bonuses.of_wallet.get(entry.wallet.id):
        return
    active = bonuses.active(entry.wallet.id)
    if active is not None:
        may_settle = by_job or _may_settle(entry.named_row)
        if active.complete:
            _complete_if_verified(bonuses, entry, active, may_settle=may_settle)
        elif may_settle and _depleted(bonuses, entry, active):
            _deplete(bonuses, entry, active)
    if bonuses.active(entry.wallet.id) is None and not entry.wallet.player.excluded(entry.at):
        _start_next(bonuses, entry)


def _start_next(bonuses: Bonuses, entry: Entry) -> None:
    """Give the free slot to the bonus that has queued longest; one that asks for nothing frees it at once."""
    for bonus in bonuses.oldest(entry.wallet.id, BonusStatus.QUEUED):
        activate(bonuses, entry, bonus)
        entry.post(
            Kind.GRANT,
            BONUS,
            bonus.id,
            bonus.amount,
            bonus_delta=bonus.amount,
            bonus=bonus.id,
            wagered_after=bonus.wagered,
        )
        if not bonus.complete or not _complete_if_verified(bonuses, entry, bonus):
            return


def _complete_if_verified(bonuses: Bonuses, entry: Entry, bonus: OpenBonus, *, may_settle: bool = False) -> bool:
    """Convert what is wagered in full, or set it aside until the player is verified, where that is demanded.

    Nothing takes it meanwhile but who gives it up: it does not run out of time, no stake is paid from it and no
    withdrawal ends it. Where no money is left, and no stake is open that may bring some, nothing waits.
    """
    unverified = entry.book.is_unverified(entry.wallet.player, Demand.VERIFIED_CONVERSION)
    nothing_left = may_settle and not entry.wallet.bonus and not _has_open_stake(bonuses, entry, bonus)
    if unverified and not nothing_left:
        if not bonus.unverified:
            bonuses.change(bonus)
            bonus.unverified_since, bonus.expires_at = entry.at, None
        return False
    complete(bonuses, entry, bonus)
    return True


# --- transitions --------------------------------------------------------------------------------


def activate(bonuses: Bonuses, entry: Entry, bonus: OpenBonus) -> None:
    """The slot is the bonus's; the row that brings its first money is the caller's to post."""
    bonuses.change(bonus)
    bonus.status = BonusStatus.ACTIVE
    bonus.activated_at = entry.at
    days = bonus.terms.spend_days
    bonus.expires_at = None if days is None else entry.at + days * DAY
    # Whatever stakes it will have are in the open book.
    bonuses.open_elsewhere[bonus.id] = None


def forfeit(bonuses: Bonuses, entry: Entry, bonus: OpenBonus, reason: str, *, reference: str | None = None) -> None:
    """Give up the ACTIVE bonus: its money leaves before the command's named row.

    With a ``reference`` giving up is itself what was asked for, and its row the named one.
    """
    _take_money(entry, Kind.FORFEIT, bonus, reason, reference)
    _end(bonuses, entry, bonus, BonusStatus.FORFEITED, reason)
    bonus.ended_reference = reference


def cancel(bonuses: Bonuses, entry: Entry, bonus: OpenBonus, reason: str, *, reference: str | None = None) -> None:
    """Take back a bonus that still waits; it has no money yet, so no row."""
    _end(bonuses, entry, bonus, BonusStatus.CANCELLED, reason)
    bonus.ended_reference = reference


def extend(bonuses: Bonuses, bonus: OpenBonus, until: int) -> None:
    """Another end for a bonus that has not ended: of its wait, or of its wagering."""
    bonuses.change(bonus)
    if bonus.waiting:
        bonus.claim_by = until
    else:
        bonus.expires_at = until


def complete(
    bonuses: Bonuses, entry: Entry, bonus: OpenBonus, reason: str | None = None, *, reference: str | None = None
) -> None:
    """F7, in the same transaction as the bet that completes the ACTIVE bonus.

    With a ``reference`` the completion is itself what was asked for, and its row the named one.
    """
    balance = entry.wallet.bonus
    converted = conversion(bonus, balance)
    post = entry.post if reference is None else entry.named
    post(
        Kind.CONVERT,
        BONUS,
        bonus.id,
        balance,
        cash_delta=converted.cash,
        bonus_delta=-balance,
        bonus=bonus.id,
        wagered_after=bonus.wagered,
        original=reference,
        reason=reason,
    )
    _end(bonuses, entry, bonus, BonusStatus.COMPLETED, reason)
    bonus.ended_reference = reference
    bonus.converted = converted.cash


def conversion(bonus: OpenBonus, balance: int) -> rules.Converted:
    """What the bonus would become with so much bonus money left, by the terms it was promised."""
    terms = bonus.terms
    return rules.convert(
        balance,
        granted=bonus.amount,
        conversion=terms.conversion,
        sticky=terms.sticky,
        max_conversion=terms.max_conversion,
    )


def _deplete(bonuses: Bonuses, entry: Entry, bonus: OpenBonus) -> None:
    if entry.wallet.bonus:
        _take_money(entry, Kind.FORFEIT, bonus, "too little left to play")
    _end(bonuses, entry, bonus, BonusStatus.DEPLETED, None)


def _take_money(
    entry: Entry, kind: str, bonus: OpenBonus, reason: str | None = None, reference: str | None = None
) -> None:
    """What is left of the ACTIVE bonus goes back to the house."""
    money = entry.wallet.bonus
    post = entry.post if reference is None else entry.named
    post(
        kind,
        BONUS,
        bonus.id,
        money,
        bonus_delta=-money,
        bonus=bonus.id,
        wagered_after=bonus.wagered,
        original=reference,
        reason=reason,
    )


def _end(bonuses: Bonuses, entry: Entry, bonus: OpenBonus, status: str, reason: str | None) -> None:
    bonuses.change(bonus)
    bonus.status = status
    bonus.ended_at = entry.at
    bonus.ended_reason = reason


# --- depletion ---------------------------------------------------------------------------------


def too_little(money: int, bonus: OpenBonus) -> bool:
    """Whether so much bonus money is as good as none, while there is still something to wager."""
    return bonus.required > 0 and money < max(1, bonus.terms.depleted_below)


def _may_settle(named: Row | None) -> bool:
    return named is not None and named.posted and (named.kind in SETTLING or named.ends_round)


def _depleted(bonuses: Bonuses, entry: Entry, bonus: OpenBonus) -> bool:
    """No money left, and no stake of the bonus whose win may still bring some."""
    return too_little(entry.wallet.bonus, bonus) and not _has_open_stake(bonuses, entry, bonus)


def _has_open_stake(bonuses: Bonuses, entry: Entry, bonus: OpenBonus) -> bool:
    """Whether a stake that the bonus paid may still be won or rolled back, as far as age has not settled it."""
    since = entry.at - bonuses.stake_life
    # A bonus whose stakes were not looked up counts as having one: the next look will tell.
    elsewhere = bonuses.open_elsewhere.get(bonus.id, entry.at)
    if elsewhere is not None and elsewhere > since:
        return True
    stakes = [row for row in stakes_of(entry.book, bonus.id) if row.created_at > since]
    return not all(_settled(entry.book, stake) for stake in stakes)


def stakes_of(book: Book, bonus: str) -> list[Row]:
    """The bets of the open book that this bonus's money paid, in whole or in part."""
    return [row for row in book.rows.values() if row.bonus == bonus and row.kind == Kind.BET and row.bonus_delta < 0]


def _settled(book: Book, stake: Row) -> bool:
    """By a rollback, by the end of its round, or by any win of it that came after the stake.

    A provider that always ends its rounds may pay several wins, so there no win settles.
    ``bonus.store`` asks the database the same of stakes that are not in the book.
    """
    if book.rolled_back(stake):
        return True
    provider = book.providers.get(stake.source)
    wins_settle = provider is None or not provider.ends_rounds
    of_round = _live(book, book.round_rows(stake.wallet, stake.source, stake.round))
    if any(row.ends_round for row in of_round):
        return True
    wins = [row for row in (*of_round, *_live(book, book.answers_to(stake))) if row.kind == Kind.WIN]
    return wins_settle and any(row.version > stake.version for row in wins)


def _live(book: Book, rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.posted and not book.rolled_back(row)]
