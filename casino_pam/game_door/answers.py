"""The door's own dialect, outward: outcomes become JSON (PLAY.md §1)."""

from __future__ import annotations

from typing import Any

import msgspec

from casino_pam import problems
from casino_pam.game_door.wire import SCOPE
from casino_pam.receipts import Receipt, Standing
from casino_pam.teller import Outcome
from wallet.errors import Refused
from wallet.money import show

encode = msgspec.json.Encoder().encode


def answer(outcome: Outcome, request_id: str) -> dict[str, Any]:
    """What the caller is shown of an outcome; a refusal as its problem."""
    if isinstance(outcome, Receipt):
        return receipt(outcome)
    if isinstance(outcome, Standing):
        return standing(outcome)
    if isinstance(outcome, Refused):
        return problem(outcome, request_id)
    assert isinstance(outcome, list), "no game asks for a bonus"
    return {"results": [receipt(each) for each in outcome]}


def receipt(it: Receipt) -> dict[str, Any]:
    row, digits = it.row, it.digits
    shown: dict[str, Any] = {
        "transaction": row.id,
        "kind": row.kind.lower(),
        "status": it.status,
        "reference": own_reference(row.reference),
        "currency": it.currency,
        "amount": show(it.amount, digits),
        "balance": show(it.cash + it.bonus, digits),
        "cash": show(it.cash, digits),
        "bonus": show(it.bonus, digits),
        "version": it.version,
        "replayed": it.replayed,
        "wagering": None if it.wagering is None else wagering(it.wagering, digits),
    }
    if row.late:
        shown["late"] = True
    if row.shortfall:
        shown["shortfall"] = show(row.shortfall, digits)
    if row.void_amount:
        shown["voided"] = show(row.void_amount, digits)
    return shown


def standing(it: Standing) -> dict[str, Any]:
    return {
        "currency": it.currency,
        "balance": show(it.cash + it.bonus, it.digits),
        "cash": show(it.cash, it.digits),
        "bonus": show(it.bonus, it.digits),
        "version": it.version,
        "wagering": None if it.wagering is None else wagering(it.wagering, it.digits),
    }


def wagering(it: dict[str, Any], digits: int) -> dict[str, Any]:
    return {**it, "wagered": show(it["wagered"], digits), "required": show(it["required"], digits)}


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
    return stored.rpartition(SCOPE)[2]
