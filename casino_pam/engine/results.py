"""What became of a command: the answer of every door, before it is put into a door's own words."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bonus.open_bonuses import BonusSummary
from bonus.terms import OfferSpec
from wallet.errors import Refused
from wallet.kinds import Kind, Status
from wallet.money import show
from wallet.state import OpenWallet, Row


class Receipt(msgspec.Struct, kw_only=True):
    """A command that was carried out, now or before.

    ``row`` is the row that spent the caller's reference; the balances (minor units) and version
    are those after the command's last row. ``bonus_amount`` is what that row moved of bonus money,
    whichever way. ``facts`` are a verb's own additions.
    """

    row: Row
    player: str
    currency: str
    digits: int
    cash: int
    bonus: int
    held: int
    version: int
    status: str
    amount: int
    bonus_amount: int = 0
    replayed: bool = False
    wagering: dict[str, Any] | None = None
    facts: dict[str, Any] = {}


class Standing(msgspec.Struct, kw_only=True):
    """Where a wallet stands (minor units), the answer to ``balance``."""

    player: str
    currency: str
    digits: int
    cash: int
    bonus: int
    held: int
    version: int
    wagering: dict[str, Any] | None = None


class BonusResult(msgspec.Struct, kw_only=True):
    """A bonus that was granted, claimed or given up, as it stands now (minor units)."""

    bonus: BonusSummary
    player: str
    digits: int
    replayed: bool = False


class OfferList(msgspec.Struct, kw_only=True):
    """Offers a player could claim now, each with the currencies of the wallets it may go to."""

    offers: list[tuple[OfferSpec, list[str]]]


def moved(row: Row) -> int:
    """The amount a receipt shows: for a rollback what really came back or was taken."""
    if row.kind == Kind.ROLLBACK:
        return 0 if row.status == Status.VOID else row.amount - row.shortfall - row.void_amount
    return row.amount


def receipt(wallet: OpenWallet, row: Row, last: Row, wagering: dict[str, Any] | None) -> Receipt:
    """The receipt of ``row`` with the balances after ``last``, its command's last row."""
    return Receipt(
        row=row,
        player=wallet.player.code,
        currency=wallet.currency.code,
        digits=wallet.currency.digits,
        cash=last.cash_after,
        bonus=last.bonus_after,
        held=last.held_after,
        version=last.version,
        status=row.status.lower(),
        amount=moved(row),
        bonus_amount=abs(row.bonus_delta),
        wagering=wagering,
    )


# What a refusal tells of the wallet and of its own row stands in other columns.
_IN_COLUMNS: Final = frozenset(
    ("balance", "cash", "bonus", "currency", "digits", "transaction", "version", "replayed", "index")
)


def kept_facts(refusal: Refused, bonus: int | None = None) -> str | None:
    """The named facts of a refusal, as its row keeps them in ``reason``: a repeat tells them again (rule 5).

    ``bonus`` is the bonus money that is shown, where a bonus past its time makes it other than the row's.
    """
    facts = {name: fact for name, fact in refusal.facts.items() if name not in _IN_COLUMNS}
    if bonus is not None:
        facts["bonus"] = bonus
    return msgspec.json.encode(facts).decode() if facts else None


def facts_of(row: Row) -> dict[str, Any]:
    """What ``kept_facts`` left in a REFUSED row. An adjustment's reason is its own; a balance is its only limit."""
    if row.kind == Kind.ADJUST:
        return {"limit": "balance"} if row.refusal == "limit_reached" else {}
    facts: dict[str, Any] = msgspec.json.decode(row.reason) if row.reason is not None else {}
    return facts


def remembered(wallet: OpenWallet, row: Row, last: Row, *, replayed: bool) -> Refused:
    """The refusal that a REFUSED row stands for."""
    assert row.refusal is not None
    facts = facts_of(row)
    bonus = facts.pop("bonus", last.bonus_after)
    return Refused(
        row.refusal,
        **facts,
        transaction=row.id,
        version=last.version,
        replayed=replayed,
        balance=last.cash_after + bonus,
        cash=last.cash_after,
        bonus=bonus,
        currency=wallet.currency.code,
        digits=wallet.currency.digits,
    )


def wagering_in_money(it: dict[str, Any], digits: int) -> dict[str, Any]:
    return {**it, "wagered": show(it["wagered"], digits), "required": show(it["required"], digits)}
