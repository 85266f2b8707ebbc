"""Players, wallets and rows as the REST door shows them; money as decimal strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bonus import rules
from bonus.book import OpenBonus, ShownBonus
from bonus.offer_json import show_offer
from bonus.words import in_words
from casino_pam.game_door import answers
from casino_pam.limits import Limit
from casino_pam.receipts import Offered, Receipt, Standing
from wallet.models import Player, Transaction, Wallet
from wallet.money import show


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def player(it: Player) -> dict[str, Any]:
    return {
        "player": it.code,
        "country": it.country,
        "locks": {"bet": it.bet_locked, "deposit": it.deposit_locked, "withdraw": it.withdraw_locked},
        "excluded_until": None if it.excluded_until is None else instant(it.excluded_until),
        "wallets": [wallet.currency_id for wallet in it.wallets.all()],
    }


def limits(wallet: Wallet, found: list[Limit]) -> dict[str, Any]:
    """The nine limits by subject and period."""
    digits = wallet.currency.digits
    answer: dict[str, Any] = {"player": wallet.player.code, "currency": wallet.currency_id}
    for each in found:
        asked = each.increase
        answer.setdefault(each.subject, {})[each.period] = {
            "limit": _amount(each.amount, digits),
            "used": show(each.used, digits),
            "left": _amount(each.left, digits),
            "resets_at": instant(each.resets),
            "increase": asked and {"limit": _amount(asked.amount, digits), "available_at": instant(asked.available)},
        }
    return answer


def _amount(minor: int | None, digits: int) -> str | None:
    return None if minor is None else show(minor, digits)


def standing(it: Standing) -> dict[str, Any]:
    """A wallet as it stands."""
    return {"player": it.player, "held": show(it.held, it.digits), **answers.standing(it)}


def past(wallet: Wallet, row: Transaction | None) -> dict[str, Any]:
    """A wallet as ``row`` left it; what was wagered then is not kept by the wallet."""
    return standing(
        Standing(
            player=wallet.player.code,
            currency=wallet.currency_id,
            digits=wallet.currency.digits,
            cash=0 if row is None else row.cash_after,
            bonus=0 if row is None else row.bonus_after,
            held=0 if row is None else row.held_after,
            version=0 if row is None else row.version,
        )
    )


def entry(row: Transaction, wallet: Wallet) -> dict[str, Any]:
    """A row of a statement."""
    digits = wallet.currency.digits
    return {
        "transaction": str(row.id),
        "command": str(row.command),
        "kind": row.kind.lower(),
        "status": row.status.lower(),
        "source": row.source,
        "reference": answers.own_reference(row.reference),
        "round": row.round,
        "game": row.game,
        "currency": wallet.currency_id,
        "amount": show(row.amount, digits),
        "cash_delta": show(row.cash_delta, digits),
        "bonus_delta": show(row.bonus_delta, digits),
        "held_delta": show(row.held_delta, digits),
        "cash": show(row.cash_after, digits),
        "bonus": show(row.bonus_after, digits),
        "held": show(row.held_after, digits),
        "version": row.version,
        "refusal": row.refusal,
        "created_at": instant(row.created_at),
    }


def feed_entry(row: Transaction) -> dict[str, Any]:
    """A row of the house: a statement's row and all that a warehouse may ask of it."""
    digits = row.wallet.currency.digits
    return {
        "player": row.wallet.player.code,
        **entry(row, row.wallet),
        "original": None if row.original is None else answers.own_reference(row.original),
        "original_kind": None if row.original_kind is None else row.original_kind.lower(),
        "closes": None if row.closes is None else str(row.closes),
        "win_source": row.win_source,
        "end_round": row.ends_round,
        "late": row.late,
        "captured": row.captured,
        "voided": show(row.void_amount, digits),
        "shortfall": show(row.shortfall, digits),
        "bonus_id": None if row.bonus is None else str(row.bonus),
        "actor": row.actor,
        "reason": row.reason,
    }


def withdrawal_receipt(it: Receipt) -> dict[str, Any]:
    return {**answers.receipt(it), "held": show(it.held, it.digits)}


def deposit_receipt(it: Receipt) -> dict[str, Any]:
    """With what became of the offer that the deposit named."""
    granted = it.facts["granted"]
    return {
        **answers.receipt(it),
        "granted": None if granted is None else bonus(granted, it.digits),
        "grant_refusal": it.facts["grant_refusal"],
    }


def bonus(it: ShownBonus, digits: int) -> dict[str, Any]:
    return {
        "id": it.id,
        "offer": it.offer,
        "currency": it.currency,
        "status": it.status,
        "amount": show(it.amount, digits),
        "required": show(it.required, digits),
        "wagered": show(it.wagered, digits),
        "percent": it.percent,
        "created_at": _moment(it.created_at),
        "expires_at": _moment(it.expires_at),
        "ended_at": _moment(it.ended_at),
    }


def terms(it: OpenBonus, digits: int) -> dict[str, Any]:
    """What the player was promised, in figures and in sentences; the largest stake as it is judged."""
    promised = it.terms
    most = rules.effective_max_stake(it.amount, max_stake=promised.max_stake, max_stake_bp=promised.max_stake_bp)
    return {
        "kind": promised.kind,
        "max_stake": None if most is None else show(most, digits),
        "max_conversion": None if promised.max_conversion is None else show(promised.max_conversion, digits),
        "weights": msgspec.to_builtins(promised.weights),
        "excluded": {"game": sorted(promised.excluded.game), "category": sorted(promised.excluded.category)},
        "said": [line._asdict() for line in in_words(promised, digits)],
    }


def offered(it: Offered, digits: Mapping[str, int]) -> dict[str, Any]:
    """Offers as a player is told of them: what concerns other players and currencies is left out."""
    results = []
    for spec, currencies in it.offers:
        told = show_offer(spec, digits)
        told["amounts"] = {currency: told["amounts"][currency] for currency in currencies}
        for hidden in ("enabled", "total", "countries"):
            del told[hidden]
        results.append(told)
    return {"results": results, "next": None}


def _moment(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return instant(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds))


def withdrawal(hold: Transaction, end: Transaction | None) -> dict[str, Any]:
    wallet = hold.wallet
    return {
        "reference": answers.own_reference(hold.reference),
        "player": wallet.player.code,
        "currency": wallet.currency_id,
        "amount": show(hold.amount, wallet.currency.digits),
        "status": _withdrawal_status(hold, end),
        "transaction": str(hold.id),
        "refusal": hold.refusal,
        "created_at": instant(hold.created_at),
        "ended_at": None if end is None else instant(end.created_at),
    }


def _withdrawal_status(hold: Transaction, end: Transaction | None) -> str:
    if hold.refusal is not None:
        return "refused"
    if end is None:
        return "held"
    return {"SETTLE": "settled", "RELEASE": "released"}[end.kind]
