"""What is done to a wallet, a row or a bonus: corrections, grants, settlements, rollbacks, endings by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bonus.admin.bonus_admin import present_status
from bonus.lifecycle import conversion
from bonus.models import LIVE, Bonus, BonusStatus
from bonus.open_bonuses import OpenBonus
from casino_pam.backoffice.actions import forms
from casino_pam.backoffice.actions.action import (
    BONUS,
    ROW,
    WALLET,
    Action,
    ActionRequest,
    ActionResult,
    Guard,
    closer,
    instant,
    sum_of,
)
from casino_pam.engine import approvals, posting
from casino_pam.engine.commands import Adjust, Complete, Extend, Forfeit, Grant, Release, Rollback, Settle
from casino_pam.engine.results import BonusResult, Receipt
from wallet import audit, formatting, money
from wallet.kinds import SCOPE, Kind, Status, scoped
from wallet.models import Approval, Provider, Transaction, Wallet
from wallet.time import to_microseconds


def posted(receipt: Receipt) -> ActionResult:
    """Which row was posted, and what cash there was after it."""
    row = receipt.row
    after = f"{money.show(receipt.cash, receipt.digits)} {receipt.currency}"
    message = f"Posted {row.kind} {formatting.reference(row.reference)}: row {row.version} of {receipt.player}, "
    message += f"{receipt.currency}. Cash after it: {after}."
    return ActionResult(message=message, row=row.id)


def _adjust(submission: ActionRequest[Wallet]) -> ActionResult:
    wallet = submission.on
    command = Adjust(
        player=wallet.player.code,
        currency=wallet.currency_id,
        reference=submission.reference,
        amount=submission.given["amount"],
        reason=submission.reason,
        **submission.carried(),
    )

    def described(outcome: Receipt | Approval) -> ActionResult:
        if isinstance(outcome, Receipt):
            return posted(outcome)
        return waiting(outcome, f"The adjustment of {sum_of(outcome.amount, wallet.currency)}")

    return described(approvals.adjust(command, submission.alongside(described)))


def waiting(approval: Approval, what: str) -> ActionResult:
    """Nothing is posted yet; or never, where a second operator has turned it down meanwhile."""
    if approval.state == Approval.State.REJECTED:
        return ActionResult(
            message=f"{what} was rejected by {approval.approver}; nothing was posted.", outcome=audit.WAITS
        )
    return ActionResult(message=f"{what} is pending: a second operator decides about it.", outcome=audit.WAITS)


def _adjusts(wallet: Wallet) -> str:
    above = sum_of(wallet.currency.approval_above, wallet.currency)
    return f"The player's cash changes by the amount, at once; above {above} a second operator decides first."


def _grant(submission: ActionRequest[Wallet]) -> ActionResult:
    wallet = submission.on
    command = Grant(
        player=wallet.player.code,
        currency=wallet.currency_id,
        reference=submission.reference,
        offer=submission.given["offer"],
        loss=submission.given["loss"],
        reason=submission.reason or None,
        **submission.carried(),
    )
    return _granted(approvals.grant(command, submission.alongside(_granted)))


def _granted(promised: BonusResult) -> ActionResult:
    bonus = promised.bonus
    amount = f"{money.show(bonus.amount, promised.digits)} {bonus.currency}"
    message = f"Granted {bonus.offer} to {promised.player}: bonus {bonus.id}, {amount}, is {bonus.status}."
    return ActionResult(message=message)


def _grants(wallet: Wallet) -> str:
    above = sum_of(wallet.currency.approval_above, wallet.currency)
    return (
        "The player is promised the offer by its terms of today. A deposit match then waits for the deposit, free "
        f"rounds for their first win; a fixed bonus or cashback above {above} for a second operator."
    )


WALLET_ACTIONS: Final = (
    Action(
        name="adjust",
        title="Adjust",
        subject=WALLET,
        permission="wallet.adjust_wallet",
        form=forms.AdjustForm,
        effect=_adjusts,
        run=_adjust,
    ),
    Action(
        name="grant",
        title="Grant a bonus",
        subject=WALLET,
        permission="bonus.grant_bonus",
        form=forms.GrantForm,
        effect=_grants,
        run=_grant,
    ),
)


def _settle(submission: ActionRequest[Transaction]) -> ActionResult:
    return _end_hold(Settle, submission)


def _release(submission: ActionRequest[Transaction]) -> ActionResult:
    return _end_hold(Release, submission)


def _end_hold(verb: type[Settle] | type[Release], submission: ActionRequest[Transaction]) -> ActionResult:
    """A withdrawal ends under its hold's own reference: whoever comes second is told what the first one did."""
    held = submission.on
    command = verb(
        player=held.wallet.player.code,
        currency=held.wallet.currency_id,
        reference=held.reference,
        **{**submission.carried(), "source": held.source},
    )

    def described(receipt: Receipt) -> ActionResult:
        if receipt.replayed and receipt.row.actor != submission.by:
            return replace(posted(receipt), outcome=audit.REPEATED)
        return posted(receipt)

    return described(posting.execute(command, submission.alongside(described)))


def _roll_back(submission: ActionRequest[Transaction]) -> ActionResult:
    """In the provider's name, so that whatever it says of the bet or win later meets the rollback."""
    row = submission.on
    player = row.wallet.player.code
    # No provider can have sent it: none of them knows the id of the form.
    name = f"operator-{submission.reference}"
    command = Rollback(
        player=player,
        original=row.reference,
        original_kind=row.kind,
        reference=scoped(player, name) if SCOPE in row.reference else name,
        reason=submission.reason,
        by_hand=True,
        **{**submission.carried(), "source": row.source},
    )
    return posted(posting.execute(command, submission.alongside(posted)))


def _no_open_hold(row: Transaction) -> str | None:
    if row.kind != Kind.HOLD or row.status != Status.POSTED:
        return "This row is no withdrawal."
    ended = closer(row)
    return f"The withdrawal was {'paid' if ended.kind == Kind.SETTLE else 'released'} before." if ended else None


def _cannot_be_undone(row: Transaction) -> str | None:
    if row.kind not in (Kind.BET, Kind.WIN) or row.status != Status.POSTED:
        return "Only a bet or a win that moved money can be rolled back."
    return "It was rolled back before." if closer(row) else None


def _undoes(row: Transaction) -> str:
    amount = sum_of(row.amount, row.wallet.currency)
    if row.kind == Kind.BET:
        return (
            f"The stake of {amount} goes back to where it came from, with what it counted towards wagering. The "
            "provider's own rollback of it is refused from then on."
        )
    clamps = Provider.objects.filter(code=row.source, win_rollback="clamp").exists()
    short = "what is left is taken" if clamps else "nothing is taken and this is refused"
    return f"The win of {amount} is taken back from where it went. Where the player has spent it, {short}."


ROW_ACTIONS: Final = (
    Action(
        name="settle",
        title="Settle",
        subject=ROW,
        permission="wallet.settle_withdrawal",
        form=forms.NoteForm,
        effect=lambda row: (
            f"The withdrawal of {sum_of(row.amount, row.wallet.currency)} was paid out: the held money "
            "leaves the house. This cannot be undone."
        ),
        hindrance=_no_open_hold,
        run=_settle,
    ),
    Action(
        name="release",
        title="Release",
        subject=ROW,
        permission="wallet.settle_withdrawal",
        form=forms.ActionForm,
        effect=lambda row: (
            f"The withdrawal of {sum_of(row.amount, row.wallet.currency)} will not be paid: the held "
            "money becomes the player's cash again."
        ),
        hindrance=_no_open_hold,
        run=_release,
        takes=True,
    ),
    Action(
        name="roll-back",
        title="Roll back",
        subject=ROW,
        permission="wallet.rollback_bet",
        form=forms.RollbackForm,
        effect=_undoes,
        hindrance=_cannot_be_undone,
        run=_roll_back,
        takes=True,
    ),
)


def _ended(promised: BonusResult, what: str) -> ActionResult:
    bonus = promised.bonus
    message = f"{what} {bonus.offer} of {promised.player}: bonus {bonus.id} is {bonus.status}."
    return ActionResult(message=message)


def _forfeit(submission: ActionRequest[Bonus]) -> ActionResult:
    bonus = submission.on
    command = Forfeit(
        player=bonus.player.code,
        bonus=str(bonus.pk),
        reference=submission.reference,
        reason=submission.reason,
        **submission.carried(),
    )

    def described(promised: BonusResult) -> ActionResult:
        return _ended(promised, "Forfeited")

    return described(posting.execute(command, submission.alongside(described)))


def _extend(submission: ActionRequest[Bonus]) -> ActionResult:
    bonus, until = submission.on, submission.given["until"]
    at = to_microseconds(until)
    command = Extend(player=bonus.player.code, bonus=str(bonus.pk), until=at, **submission.carried())

    def described(promised: BonusResult) -> ActionResult:
        message = f"Bonus {bonus.pk}, {promised.bonus.offer} of {promised.player}, now runs until {instant(until)}."
        return ActionResult(message=message)

    return described(posting.execute(command, submission.alongside(described)))


def _complete(submission: ActionRequest[Bonus]) -> ActionResult:
    bonus = submission.on
    command = Complete(
        player=bonus.player.code,
        bonus=str(bonus.pk),
        reference=submission.reference,
        reason=submission.reason,
        **submission.carried(),
    )

    def described(outcome: BonusResult | Approval) -> ActionResult:
        if isinstance(outcome, BonusResult):
            return _ended(outcome, "Completed")
        return waiting(outcome, f"Completing the bonus, worth {sum_of(outcome.amount, bonus.wallet.currency)},")

    return described(approvals.complete(command, submission.alongside(described)))


def _not_live(bonus: Bonus) -> str | None:
    status = present_status(bonus)
    return None if status in LIVE else f"The bonus is {status}."


def _not_active(bonus: Bonus) -> str | None:
    status = present_status(bonus)
    return None if status == BonusStatus.ACTIVE else f"The bonus is {status}: only an active one has money to convert."


def _takes(bonus: Bonus) -> str:
    if bonus.status != BonusStatus.ACTIVE:
        return "The bonus is cancelled before it begins; it has no money yet."
    return f"What is left of it, {sum_of(bonus.wallet.bonus, bonus.wallet.currency)}, goes back to the house."


def _converts(bonus: Bonus) -> str:
    currency = bonus.wallet.currency
    cash, lost = conversion(OpenBonus.of(bonus), bonus.wallet.bonus)
    leaves = f", and {sum_of(lost, currency)} leave with it" if lost else ""
    above = sum_of(currency.approval_above, currency)
    return (
        f"However far it was wagered, the bonus ends as completed: by its terms {sum_of(cash, currency)} become "
        f"cash{leaves}. Above {above} a second operator decides first."
    )


BONUS_ACTIONS: Final = (
    Action(
        name="forfeit",
        title="Forfeit",
        subject=BONUS,
        permission="bonus.forfeit_bonus",
        form=forms.ActionForm,
        effect=_takes,
        hindrance=_not_live,
        run=_forfeit,
        takes=True,
    ),
    Action(
        name="extend",
        title="Extend",
        subject=BONUS,
        permission="bonus.extend_bonus",
        form=forms.ExtendForm,
        effect=lambda bonus: (
            "The bonus ends at the moment you say instead of its own; nothing else of its terms changes."
        ),
        hindrance=_not_live,
        run=_extend,
        guard=Guard.TRAIL,
    ),
    Action(
        name="complete",
        title="Complete",
        subject=BONUS,
        permission="bonus.complete_bonus",
        form=forms.ActionForm,
        effect=_converts,
        hindrance=_not_active,
        run=_complete,
    ),
)
