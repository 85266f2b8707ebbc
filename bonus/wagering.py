"""How money that moves moves bonuses: stakes, payouts, both undone (docs/bonus.md, F3 to F8), and withdrawals.

Each function says what the named row is to carry and notes the wagering; the verb posts the row. A bonus part always
belongs to the bonus that its original's row names, whatever became of it: while that bonus is ACTIVE it moves in bonus
money, once it is COMPLETED in cash, and after any other end it moves nothing and is kept as ``void_amount``.
"""

from __future__ import annotations

from bonus import lifecycle, rules
from bonus.models import BonusStatus
from bonus.open_bonuses import Bonuses, OpenBonus
from bonus.rules import Conversion, Split
from bonus.terms import OfferKind, OnWithdrawal, OverMaxStake, Terms, jurisdiction_breaches
from wallet.errors import Refused
from wallet.kinds import Kind, WinSource
from wallet.state import Book, Columns, Entry, OpenWallet, Row

# --- stakes ------------------------------------------------------------------------------------


def may_stake(bonuses: Bonuses, entry: Entry, provider: str, game: str, amount: int) -> None:
    """The ACTIVE bonus's own gates. Raises Refused: ``game_excluded``, ``stake_above_limit``."""
    bonus = _wagered(bonuses, entry.wallet)
    if bonus is None:
        return
    if amount > entry.wallet.cash and _excludes(entry.book, bonus.terms, provider, game):
        raise Refused("game_excluded", game=game)
    if _above_limit(bonus, amount):
        if bonus.terms.over_max_stake is OverMaxStake.REFUSE or amount > entry.wallet.cash:
            raise Refused("stake_above_limit")


def stake(bonuses: Bonuses, entry: Entry, provider: str, game: str, amount: int, *, counts: bool) -> Columns:
    """Split a stake that may be taken, and count it unless it is a tip; raises ``Refused('insufficient_funds')``.

    A stake above the limit that came this far forfeits the bonus, and cash alone pays it.
    """
    wallet = entry.wallet
    bonus = _wagered(bonuses, wallet)
    if bonus is not None and _above_limit(bonus, amount):
        lifecycle.forfeit(bonuses, entry, bonus, "a stake above the limit")
        bonus = None
    if bonus is None:
        if amount > wallet.cash:
            raise Refused("insufficient_funds")
        return {"cash_delta": -amount}
    terms = bonus.terms
    excluded = _excludes(entry.book, terms, provider, game)
    split = rules.split_stake(amount, cash=wallet.cash, bonus=wallet.bonus, order=terms.spend_order, excluded=excluded)
    if split is None:
        raise Refused("insufficient_funds")
    counted = 0
    if counts and not excluded:
        counted = contribution(terms, split, provider, game, category(entry.book, provider, game))
    if not split.bonus and not counted:
        return {"cash_delta": -split.cash}
    bonuses.change(bonus)
    bonus.wagered += counted
    return {
        "cash_delta": -split.cash,
        "bonus_delta": -split.bonus,
        "bonus": bonus.id,
        "contribution": counted,
        "wagered_after": bonus.wagered,
    }


def _wagered(bonuses: Bonuses, wallet: OpenWallet) -> OpenBonus | None:
    """The ACTIVE bonus, unless it is wagered in full and its money is set aside (``lifecycle``)."""
    bonus = bonuses.active(wallet.id)
    return None if bonus is None or bonus.unverified else bonus


def contribution(terms: Terms, split: Split, provider: str, game: str, category: str) -> int:
    """What a stake adds to progress under these terms, in minor units x basis points (F3, F4)."""
    weight = rules.weight_bp(terms.weights, game=game, category=category, provider=provider)
    return rules.contribution(split, terms.counted, weight)


def category(book: Book, provider: str, game: str) -> str:
    """An unknown game has no category."""
    found = book.games.get((provider, game))
    return "" if found is None else found.category


def _excludes(book: Book, terms: Terms, provider: str, game: str) -> bool:
    return rules.is_excluded(terms.excluded, game=game, category=category(book, provider, game))


def _above_limit(bonus: OpenBonus, amount: int) -> bool:
    terms = bonus.terms
    limit = rules.effective_max_stake(bonus.amount, max_stake=terms.max_stake, max_stake_bp=terms.max_stake_bp)
    return limit is not None and amount > limit


# --- payouts -----------------------------------------------------------------------------------


def payout(
    bonuses: Bonuses,
    entry: Entry,
    *,
    provider: str,
    game: str | None,
    amount: int,
    free_round: bool,
    stakes: list[Row],
) -> Columns:
    """Split a win as ``stakes`` were: the BET rows it answers, net of rollbacks, by version (F6)."""
    staked = _staked(stakes)
    if free_round and staked == (0, 0):
        return _free_round(bonuses, entry, provider, game, amount)
    newest = next((row for row in reversed(stakes) if row.bonus_delta), None)
    if newest is None or newest.bonus is None:
        return {"cash_delta": amount}
    return _pay(bonuses, bonuses.by_id[newest.bonus], rules.split_payout(amount, staked))


def _staked(stakes: list[Row]) -> Split:
    return Split(-sum(row.cash_delta for row in stakes), -sum(row.bonus_delta for row in stakes))


def _pay(bonuses: Bonuses, bonus: OpenBonus, split: Split) -> Columns:
    named: Columns = {"bonus": bonus.id, "wagered_after": bonus.wagered}
    if bonus.status == BonusStatus.ACTIVE:
        return {"cash_delta": split.cash, "bonus_delta": split.bonus, **named}
    if bonus.status != BonusStatus.COMPLETED:
        return {"cash_delta": split.cash, "void_amount": split.bonus, **named}
    paid = _convertible(bonus, split.bonus)
    bonuses.change(bonus)
    bonus.converted += paid
    return {"cash_delta": split.cash + paid, "void_amount": split.bonus - paid, **named}


def _convertible(bonus: OpenBonus, amount: int) -> int:
    """How much of a late win a COMPLETED bonus may still convert.

    A bonus that converts no more than was granted keeps to that with late wins too.
    """
    limits = [limit for limit in (bonus.terms.max_conversion,) if limit is not None]
    if bonus.terms.conversion is Conversion.ORIGINAL:
        limits.append(bonus.amount)
    left = min(limits) - bonus.converted if limits else amount
    return max(0, min(amount, left))


# --- free rounds -------------------------------------------------------------------------------


def _free_round(bonuses: Bonuses, entry: Entry, provider: str, game: str | None, amount: int) -> Columns:
    """What a free round won is bonus money to be wagered, if a bonus covers its game; else cash."""
    bonus = _covering(bonuses, entry, provider, game or "")
    if bonus is None or amount == 0:
        return {"cash_delta": amount}
    grown = bonus.required + amount * bonus.terms.multiplier
    if grown > rules.MAX_REQUIRED:
        return {"cash_delta": amount}
    if bonus.status == BonusStatus.PENDING:
        lifecycle.activate(bonuses, entry, bonus)
    bonuses.change(bonus)
    bonus.base += amount
    bonus.required = grown
    return {"bonus_delta": amount, "bonus": bonus.id, "wagered_after": bonus.wagered}


def _covering(bonuses: Bonuses, entry: Entry, provider: str, game: str) -> OpenBonus | None:
    """The ACTIVE free-rounds bonus, or the oldest that waits for its first win while the slot is free."""
    wallet = entry.wallet
    active = bonuses.active(wallet.id)
    if active is not None:
        candidates = [active]
    elif bonuses.oldest(wallet.id, BonusStatus.QUEUED) or wallet.player.excluded(entry.at):
        return None
    else:
        candidates = bonuses.oldest(wallet.id, BonusStatus.PENDING)
    for bonus in candidates:
        terms = bonus.terms
        if terms.kind is OfferKind.FREE_ROUNDS and terms.multiplier > 0 and not bonus.unverified:
            if not _excludes(entry.book, terms, provider, game):
                return bonus
    return None


# --- rollbacks ---------------------------------------------------------------------------------


def refund(bonuses: Bonuses, entry: Entry, bet: Row) -> Columns:
    """What a rollback of ``bet`` gives back, and the exact inverse of what it contributed (F8)."""
    if bet.bonus is None:
        return {"cash_delta": -bet.cash_delta}
    bonus = bonuses.change(bonuses.by_id[bet.bonus])
    bonus.wagered = rules.take_back(bonus.wagered, bet.contribution)
    back = Split(-bet.cash_delta, -bet.bonus_delta)
    columns: Columns = {
        "bonus": bonus.id,
        "contribution": -bet.contribution,
        "wagered_after": bonus.wagered,
    }
    if bonus.status == BonusStatus.ACTIVE:
        return {"cash_delta": back.cash, "bonus_delta": back.bonus, **columns}
    if bonus.status == BonusStatus.COMPLETED:
        return {"cash_delta": back.cash + back.bonus, **columns}
    return {"cash_delta": back.cash, "void_amount": back.bonus, **columns}


def take_back(bonuses: Bonuses, entry: Entry, win: Row, *, clamp: bool) -> Columns:
    """What a rollback of ``win`` takes: each part from its own balance, what one lacks from the other.

    Raises ``Refused('insufficient_funds')`` when both together lack it, unless ``clamp``.
    """
    wallet, void = entry.wallet, win.void_amount
    asked = Split(win.cash_delta, win.bonus_delta)
    bonus = bonuses.by_id[win.bonus] if win.bonus is not None else None
    if bonus is not None and bonus.status == BonusStatus.COMPLETED:
        asked = Split(asked.cash + asked.bonus, 0)
    elif bonus is not None and bonus.status != BonusStatus.ACTIVE:
        asked, void = Split(asked.cash, 0), void + asked.bonus
    taken = _take(wallet, asked)
    shortfall = sum(asked) - sum(taken)
    if shortfall and not clamp:
        raise Refused("insufficient_funds")
    if bonus is not None:
        _unwind(bonuses, entry.book, bonus, win)
    if taken.bonus:
        # Whichever bonus the win came from, all bonus money is the ACTIVE bonus's by now.
        bonus = bonuses.active(wallet.id)
    columns: Columns = {
        "cash_delta": -taken.cash,
        "bonus_delta": -taken.bonus,
        "void_amount": void,
        "shortfall": shortfall,
    }
    if bonus is not None:
        columns["bonus"] = bonus.id
        columns["wagered_after"] = bonus.wagered
    return columns


def _take(wallet: OpenWallet, asked: Split) -> Split:
    cash, bonus = min(asked.cash, wallet.cash), min(asked.bonus, wallet.bonus)
    lacking_cash, lacking_bonus = asked.cash - cash, asked.bonus - bonus
    return Split(
        cash + min(lacking_bonus, wallet.cash - cash),
        bonus + min(lacking_cash, wallet.bonus - bonus),
    )


def _unwind(bonuses: Bonuses, book: Book, bonus: OpenBonus, win: Row) -> None:
    """Take back what the win added to the bonus beside money: a requirement, or a conversion."""
    staked = _staked(_stakes_answered(book, win))
    if win.win_source == WinSource.FREE_ROUND and staked == (0, 0):
        bonuses.change(bonus)
        bonus.base -= win.amount
        bonus.required -= win.amount * bonus.terms.multiplier
    elif not win.bonus_delta:
        # It came after the bonus had ended; what was not void was converted.
        bonuses.change(bonus)
        bonus.converted -= rules.split_payout(win.amount, staked).bonus - win.void_amount


def _stakes_answered(book: Book, win: Row) -> list[Row]:
    """The stakes by which ``win`` was split when it came."""

    def stood(row: Row) -> bool:
        closer = book.closers.get(row.id)
        return row.posted and row.version < win.version and (closer is None or closer.version > win.version)

    named = book.row(win.source, Kind.BET, win.original) if win.original is not None else None
    if named is not None and named.wallet == win.wallet and stood(named):
        return [named]
    rows = book.round_rows(win.wallet, win.source, win.round)
    return [row for row in rows if row.kind == Kind.BET and stood(row)]


def may_withdraw(bonuses: Bonuses, wallet: OpenWallet) -> None:
    """Raises ``Refused('bonus_active')`` under the policy ``refuse``.

    Where the player's country forbids that policy the bonus stays as it is: a player who moved
    there after the grant was never told that a withdrawal would forfeit it.
    """
    bonus = _wagered(bonuses, wallet)
    if bonus is None or bonus.terms.on_withdrawal is not OnWithdrawal.REFUSE:
        return
    breaches = jurisdiction_breaches(wallet.player.country, bonus.terms)
    if not any(breach.field == "on_withdrawal" for breach in breaches):
        raise Refused("bonus_active")


def withdraw(bonuses: Bonuses, entry: Entry) -> None:
    """Under the policy ``forfeit`` the bonus goes before the money that is asked for is held."""
    bonus = _wagered(bonuses, entry.wallet)
    if bonus is not None and bonus.terms.on_withdrawal is OnWithdrawal.FORFEIT:
        lifecycle.forfeit(bonuses, entry, bonus, "withdrawal")
