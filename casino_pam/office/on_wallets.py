"""What is done to a wallet: a correction by hand, and a bonus granted."""

from __future__ import annotations

from typing import Final

from casino_pam import approvals
from casino_pam.commands import Adjust, Grant
from casino_pam.office import audit, forms
from casino_pam.office.acts import Act, Asked, Done
from casino_pam.office.subjects import WALLET, sum_of
from casino_pam.receipts import Promised, Receipt
from wallet import money, shown
from wallet.models import Approval, Wallet


def posted(receipt: Receipt) -> Done:
    """Which row was posted, and what cash there was after it."""
    row = receipt.row
    after = f"{money.show(receipt.cash, receipt.digits)} {receipt.currency}"
    said = f"Posted {row.kind} {shown.reference(row.reference)}: row {row.version} of {receipt.player}, "
    said += f"{receipt.currency}. Cash after it: {after}."
    return Done(said=said, row=row.id)


def _adjust(asked: Asked[Wallet]) -> Done:
    wallet = asked.on
    command = Adjust(
        player=wallet.player.code,
        currency=wallet.currency_id,
        reference=asked.reference,
        amount=asked.given["amount"],
        reason=asked.reason,
        **asked.carried(),
    )
    outcome = approvals.adjust(command)
    if isinstance(outcome, Receipt):
        return posted(outcome)
    return waiting(outcome, f"The adjustment of {sum_of(outcome.amount, wallet.currency)}")


def waiting(approval: Approval, what: str) -> Done:
    """Nothing is posted yet; or never, where a second operator has turned it down meanwhile."""
    if approval.state == Approval.State.REJECTED:
        return Done(said=f"{what} was rejected by {approval.approver}; nothing was posted.", outcome=audit.WAITS)
    return Done(said=f"{what} is pending: a second operator decides about it.", outcome=audit.WAITS)


def _adjusts(wallet: Wallet) -> str:
    above = sum_of(wallet.currency.approval_above, wallet.currency)
    return f"The player's cash changes by the amount, at once; above {above} a second operator decides first."


def _grant(asked: Asked[Wallet]) -> Done:
    wallet = asked.on
    command = Grant(
        player=wallet.player.code,
        currency=wallet.currency_id,
        reference=asked.reference,
        offer=asked.given["offer"],
        loss=asked.given["loss"],
        reason=asked.reason or None,
        **asked.carried(),
    )
    return _granted(approvals.grant(command))


def _granted(promised: Promised) -> Done:
    bonus = promised.bonus
    amount = f"{money.show(bonus.amount, promised.digits)} {bonus.currency}"
    said = f"Granted {bonus.offer} to {promised.player}: bonus {bonus.id}, {amount}, is {bonus.status}."
    return Done(said=said)


def _grants(wallet: Wallet) -> str:
    above = sum_of(wallet.currency.approval_above, wallet.currency)
    return (
        "The player is promised the offer by its terms of today. A deposit match then waits for the deposit, free "
        f"rounds for their first win; a fixed bonus or cashback above {above} for a second operator."
    )


ACTS: Final = (
    Act(
        name="adjust",
        title="Adjust",
        subject=WALLET,
        permission="wallet.adjust_wallet",
        form=forms.AdjustForm,
        effect=_adjusts,
        carry_out=_adjust,
    ),
    Act(
        name="grant",
        title="Grant a bonus",
        subject=WALLET,
        permission="bonus.grant_bonus",
        form=forms.GrantForm,
        effect=_grants,
        carry_out=_grant,
    ),
)
