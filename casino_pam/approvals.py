"""Adjustments: small ones are posted at once, large ones wait for a second person.

An approval is claimed by one conditional update, then posted under its own reference. Whoever
finds it claimed but not posted (two approved at once, or a process died in between) posts it
again: the ledger takes a reference once.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from casino_pam import accounts, commands, teller
from casino_pam.commands import Adjust
from casino_pam.receipts import Receipt
from wallet.errors import Refused
from wallet.kinds import Kind
from wallet.models import Approval, Transaction, Wallet


class Decided(Exception):
    """The approval was decided before, the other way; ``approval.state`` says how."""

    def __init__(self, approval: Approval) -> None:
        super().__init__(f"{approval} is {approval.state}")
        self.approval = approval


def adjust(command: Adjust) -> Receipt | Approval:
    """Post the adjustment, or leave it pending above the currency's ``approval_above``.

    A repeat is compared with what was first asked and answered as that stands now. Raises Refused.
    """
    (wallet,) = accounts.wallets(command.player, command.currency)
    approval = _asked_before(command)
    if approval is None:
        if abs(command.amount) <= wallet.currency.approval_above or _spent(command):
            return _posted(command)
        approval = _ask(wallet, command)
    differing = _differing(approval, command)
    if differing:
        raise Refused("reference_reused", differing=differing)
    return _posted(_command(approval)) if approval.state == Approval.State.APPROVED else approval


def approve(approval: Approval, operator: str, reason: str = "") -> Receipt:
    """Post what was asked, once. Raises Refused (also what the ledger says) and Decided."""
    decided = _decide(approval, operator, Approval.State.APPROVED, reason)
    return _posted(_command(decided))


def reject(approval: Approval, operator: str, reason: str) -> Approval:
    """Let it never be posted; its reference stays spent. Raises Refused and Decided."""
    return _decide(approval, operator, Approval.State.REJECTED, reason)


def _decide(approval: Approval, operator: str, state: str, reason: str) -> Approval:
    if approval.author == operator:
        raise Refused("forbidden", why="own_request")
    pending = Approval.objects.filter(pk=approval.pk, state=Approval.State.PENDING)
    # No row: somebody decided before us. The same way is as good as ours.
    pending.update(state=state, approver=operator, decided_at=timezone.now(), decision_reason=reason or None)
    decided = _approvals().get(pk=approval.pk)
    if decided.state != state:
        raise Decided(decided)
    return decided


def _asked_before(command: Adjust) -> Approval | None:
    return _approvals().filter(source=command.source, reference=command.reference).first()


def _approvals() -> QuerySet[Approval]:
    return Approval.objects.select_related("wallet__player", "wallet__currency")


def _spent(command: Adjust) -> bool:
    """Whether the ledger knows the reference: it then compares and answers the repeat itself."""
    rows = Transaction.objects.filter(source=command.source, reference=command.reference, kind=Kind.ADJUST)
    return rows.exists()


def _ask(wallet: Wallet, command: Adjust) -> Approval:
    try:
        with transaction.atomic():
            Approval.objects.create(
                id=uuid7(),
                wallet=wallet,
                source=command.source,
                reference=command.reference,
                amount=command.amount,
                reason=command.reason,
                author=command.actor or command.source,
                created_at=timezone.now(),
            )
    except IntegrityError:
        # A twin was first; its request is compared with ours like any other.
        pass
    found = _asked_before(command)
    assert found is not None
    return found


def _differing(approval: Approval, command: Adjust) -> list[str]:
    pairs = {
        "player": (approval.wallet.player.code, command.player),
        "currency": (approval.wallet.currency_id, command.currency),
        "amount": (approval.amount, command.amount),
    }
    return [name for name, (stored, asked) in pairs.items() if stored != asked]


def _command(approval: Approval) -> Adjust:
    return Adjust(
        source=approval.source,
        player=approval.wallet.player.code,
        currency=approval.wallet.currency_id,
        reference=approval.reference,
        amount=approval.amount,
        reason=approval.reason,
        actor=approval.author,
        at=commands.now(),
        deadline=commands.deadline(),
    )


def _posted(command: Adjust) -> Receipt:
    receipt = teller.carry_out(command)
    assert isinstance(receipt, Receipt)
    return receipt
