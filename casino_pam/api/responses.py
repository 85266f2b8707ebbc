"""What the doors answer: results, players, wallets and rows as JSON, money as decimal strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from bonus import rules
from bonus.describe import in_words
from bonus.offers import show_offer
from bonus.open_bonuses import OpenBonus
from casino_pam import problems
from casino_pam.engine.results import OfferList, Receipt, Standing, wagering_in_money
from wallet import limits as limits_of
from wallet.errors import Refused
from wallet.kinds import unscoped
from wallet.limits import Limit
from wallet.models import Transaction, Wallet
from wallet.money import show
from wallet.time import to_text

encode = msgspec.json.Encoder().encode


def receipt(it: Receipt) -> dict[str, Any]:
    row, digits = it.row, it.digits
    shown: dict[str, Any] = {
        "transaction": row.id,
        "kind": row.kind.lower(),
        "status": it.status,
        "reference": own_reference(row.reference),
        "currency": it.currency,
        "amount": show(it.amount, digits),
        "bonus_amount": show(it.bonus_amount, digits),
        "balance": show(it.cash + it.bonus, digits),
        "cash": show(it.cash, digits),
        "bonus": show(it.bonus, digits),
        "version": it.version,
        "replayed": it.replayed,
        "wagering": None if it.wagering is None else wagering_in_money(it.wagering, digits),
    }
    if row.late:
        shown["late"] = True
    if row.shortfall:
        shown["shortfall"] = show(row.shortfall, digits)
    if row.void_amount:
        shown["voided"] = show(row.void_amount, digits)
    return shown


def balance(it: Standing) -> dict[str, Any]:
    return {
        "currency": it.currency,
        "balance": show(it.cash + it.bonus, it.digits),
        "cash": show(it.cash, it.digits),
        "bonus": show(it.bonus, it.digits),
        "version": it.version,
        "wagering": None if it.wagering is None else wagering_in_money(it.wagering, it.digits),
    }


def problem(refusal: Refused, request_id: str) -> dict[str, Any]:
    """The refusal as a problem, in the words of this door."""
    facts = refusal.facts
    if refusal.code == "unauthenticated":
        # One code; only our log says which check failed.
        return problems.problem(Refused(refusal.code), request_id)
    if "reference" in facts:
        facts = {**facts, "reference": own_reference(facts["reference"])}
    return problems.problem(Refused(refusal.code, **facts), request_id)


def own_reference(stored: str) -> str:
    """The reference as its source knows it, without the player it may be scoped to."""
    return unscoped(stored)


def instant(at: datetime) -> str:
    return to_text(at)


def limits(wallet: Wallet, found: list[Limit]) -> dict[str, Any]:
    """The nine limits by subject and period."""
    digits = wallet.currency.digits
    answer: dict[str, Any] = {
        "player": wallet.player.code,
        "currency": wallet.currency_id,
        "holds_for": limits_of.hold_for(wallet.player),
    }
    for each in found:
        asked = each.increase
        answer.setdefault(each.subject, {})[each.period] = {
            "limit": _amount(each.amount, digits),
            "used": show(each.used, digits),
            "left": _amount(each.left, digits),
            "resets_at": instant(each.resets),
            "increase": asked
            and {
                "limit": _amount(asked.amount, digits),
                "available_at": instant(asked.available),
                "lapses_at": instant(asked.lapses),
            },
        }
    return answer


def _amount(minor: int | None, digits: int) -> str | None:
    return None if minor is None else show(minor, digits)


def standing(it: Standing) -> dict[str, Any]:
    """A wallet as it stands."""
    return {"player": it.player, "held": show(it.held, it.digits), **balance(it)}


def wallet_at(wallet: Wallet, row: Transaction | None, *, due: bool = False) -> dict[str, Any]:
    """A wallet as ``row`` left it; what was wagered then is not kept by the wallet.

    ``due``: its bonus was past its time, so that its money is no longer shown.
    """
    return standing(
        Standing(
            player=wallet.player.code,
            currency=wallet.currency_id,
            digits=wallet.currency.digits,
            cash=0 if row is None else row.cash_after,
            bonus=0 if row is None or due else row.bonus_after,
            held=0 if row is None else row.held_after,
            version=0 if row is None else row.version,
        )
    )


def withdrawal_receipt(it: Receipt) -> dict[str, Any]:
    return {**receipt(it), "held": show(it.held, it.digits)}


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


def offers(it: OfferList, digits: Mapping[str, int]) -> list[dict[str, Any]]:
    """Offers as a player is told of them: what concerns other players and currencies is left out."""
    results = []
    for spec, currencies in it.offers:
        told = show_offer(spec, digits)
        told["amounts"] = {currency: told["amounts"][currency] for currency in currencies}
        for hidden in ("enabled", "total", "countries", "promo_code"):
            del told[hidden]
        results.append(told)
    return results
