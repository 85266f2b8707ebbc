"""What decides whether money is moved by hand: where the wallet stands, where it would stand, and what was done before.

Shown to whoever asks for it, before it is sent, and to whoever approves it. What would become of it is asked of the
engine, which decides it as a posting would and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from bonus.open_bonuses import BonusSummary
from casino_pam.backoffice import messages
from casino_pam.engine import posting
from casino_pam.engine.commands import Request
from casino_pam.engine.results import BonusResult, Standing
from wallet.admin import ledger_pages
from wallet.errors import Busy, Refused
from wallet.kinds import Kind
from wallet.models import Approval, Player, Transaction, Wallet

SHOWN: Final = 5


@dataclass(frozen=True)
class Line:
    """One of a wallet's balances in minor units, now and after; ``after`` is None where nothing would change."""

    name: str
    now: int
    after: int | None


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """``refusal`` says why it would be refused now; ``bonus`` is the bonus after it, ``moved`` the cash it moves."""

    lines: list[Line]
    refusal: str | None = None
    bonus: BonusSummary | None = None
    moved: int = 0


@dataclass(frozen=True)
class Correction:
    """An adjustment of before, and the second person of one that waited."""

    row: Transaction
    approver: str | None


def of(command: Request, wallet: Wallet) -> Foresight:
    """What would become of the command, if it were carried out now."""
    rehearsed = posting.foresee(command, wallet.currency_id)
    outcome, before, after = rehearsed.outcome, rehearsed.before, rehearsed.after
    if isinstance(outcome, Refused):
        stands = before or wallet
        refusal = "" if isinstance(outcome, Busy) else "This would be refused now: "
        return Foresight(lines=_lines(stands), refusal=refusal + messages.message(outcome))
    assert before is not None and after is not None
    bonus = outcome.bonus if isinstance(outcome, BonusResult) else None
    lines = [Line(line.name, line.now, then.now) for line, then in zip(_lines(before), _lines(after), strict=True)]
    return Foresight(lines=lines, bonus=bonus, moved=after.cash - before.cash)


def _lines(stands: Standing | Wallet) -> list[Line]:
    return [Line(name, getattr(stands, name), None) for name in ("cash", "bonus", "held")]


def adjustments_of(player: Player) -> QuerySet[Transaction]:
    """The adjustments of all of the player's wallets, refused ones included, the newest first."""
    rows = Transaction.objects.filter(wallet__player=player, kind=Kind.ADJUST)
    return ledger_pages.with_names(rows).order_by("-created_at")


def corrections(player: Player) -> list[Correction]:
    """The player's newest adjustments."""
    newest = list(adjustments_of(player)[:SHOWN])
    asked = Approval.objects.filter(reference__in=[row.reference for row in newest], act=Approval.Act.ADJUST)
    approvers = {(each.source, each.reference): each.approver for each in asked}
    return [Correction(row, approvers.get((row.source, row.reference))) for row in newest]
