"""What is done to a wallet, a row or a bonus: corrections, grants, settlements, rollbacks, endings by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

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
from casino_pam.backoffice.foresight import Foresight
from casino_pam.engine import approvals, posting
from casino_pam.engine.commands import Adjust, Complete, Extend, Forfeit, Grant, Release, Rollback, Settle
from casino_pam.engine.results import BonusResult, Receipt
from wallet import audit, formatting, second_person
from wallet.kinds import SCOPE, Kind, Status, scoped
from wallet.models import Approval, Provider, Transaction, Wallet
from wallet.time import to_microseconds


def posted(receipt: Receipt) -> ActionResult:
    """Which row was posted, and what cash there was after it."""
    row = receipt.row
    after = f"{formatting.number(receipt.cash, receipt.digits)} {receipt.currency}"
    message = f"Posted {row.kind} {formatting.reference(row.reference)}: row {row.version} of {receipt.player}, "
    message += f"{receipt.currency}. Cash after it: {after}."
    return ActionResult(message=message, row=row.id)


def _adjustment(submission: ActionRequest[Wallet]) -> Adjust:
    wallet = submission.on
    return Adjust(
        player=wallet.player.code,
        currency=wallet.currency_id,
        reference=submission.reference,
        amount=submission.given["amount"],
        reason=submission.reason,
        **submission.carried(),
    )


def _adjust(submission: ActionRequest[Wallet]) -> ActionResult:
    wallet = submission.on

    def described(outcome: Receipt | Approval) -> ActionResult:
        if isinstance(outcome, Receipt):
            return posted(outcome)
        return waiting(outcome, f"The adjustment of {sum_of(outcome.amount, wallet.currency)}")

    return described(approvals.adjust(_adjustment(submission), submission.alongside(described)))


def _adjustment_waits(submission: ActionRequest[Wallet], foresight: Foresight) -> bool:
    above = second_person.waits_above(submission.on.currency, submission.by)
    return abs(int(submission.given["amount"])) > above


def waiting(approval: Approval, what: str) -> ActionResult:
    """Nothing is posted yet; or never, where a second operator has turned it down meanwhile."""
    if approval.state == Approval.State.REJECTED:
        return ActionResult(
            message=f"{what} was rejected by {approval.approver}; nothing was posted.", outcome=audit.WAITS
        )
    since = f", asked for by {approval.author}" if approval.act == Approval.Act.SETTLE else ""
    return ActionResult(message=f"{what} is pending{since}: a second operator decides about it.", outcome=audit.WAITS)


def _adjusts(wallet: Wallet) -> str:
    above = sum_of(wallet.currency.approval_above, wallet.currency)
    return f"The player's cash changes by the amount, at once; above {above} a second operator decides first."


def _grant_of(submission: ActionRequest[Wallet]) -> Grant:
    wallet = submission.on
    return Grant(
        player=wallet.player.code,
        currency=wallet.currency_id,
        reference=submission.reference,
        offer=submission.given["offer"],
        loss=submission.given["loss"],
        reason=submission.reason or None,
        waits_above=second_person.waits_above(wallet.currency, submission.by),
        **submission.carried(),
    )


def _grant(submission: ActionRequest[Wallet]) -> ActionResult:
    return _granted(approvals.grant(_grant_of(submission), submission.alongside(_granted)))


def _grant_waits(submission: ActionRequest[Wallet], foresight: Foresight) -> bool:
    """A grant that has an amount and still waits; what waits for a deposit or a win has none yet."""
    return foresight.bonus is not None and foresight.bonus.status == BonusStatus.PENDING and foresight.bonus.amount > 0


def _granted(promised: BonusResult) -> ActionResult:
    bonus = promised.bonus
    amount = f"{formatting.number(bonus.amount, promised.digits)} {bonus.currency}"
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
        command=_adjustment,
        second=_adjustment_waits,
    ),
    Action(
        name="grant",
        title="Grant a bonus",
        subject=WALLET,
        permission="bonus.grant_bonus",
        form=forms.GrantForm,
        effect=_grants,
        run=_grant,
        command=_grant_of,
        second=_grant_waits,
    ),
)


def _settlement(submission: ActionRequest[Transaction]) -> Settle:
    """A withdrawal ends under its hold's own reference: whoever comes second is told what the first one did."""
    return Settle(**_of_hold(submission))


def _of_hold(submission: ActionRequest[Transaction]) -> dict[str, Any]:
    held = submission.on
    about = {"player": held.wallet.player.code, "currency": held.wallet.currency_id, "reference": held.reference}
    return {**submission.carried(), **about, "source": held.source}


def _settle(submission: ActionRequest[Transaction]) -> ActionResult:
    held = submission.on

    def described(outcome: Receipt | Approval) -> ActionResult:
        if isinstance(outcome, Receipt):
            return _ended_hold(outcome, submission)
        return waiting(outcome, f"Settling the withdrawal of {sum_of(held.amount, held.wallet.currency)}")

    reason = submission.reason or f"{submission.by} says that it was paid"
    settled = approvals.settle(_settlement(submission), submission.reference, reason, submission.alongside(described))
    return described(settled)


def _settlement_waits(submission: ActionRequest[Transaction], foresight: Foresight) -> bool:
    above = second_person.settles_above(submission.on.wallet.currency, submission.by)
    return above is not None and submission.on.amount > above


def _release_of(submission: ActionRequest[Transaction]) -> Release:
    return Release(reason=submission.given.get("why"), **_of_hold(submission))


def _release(submission: ActionRequest[Transaction]) -> ActionResult:
    def described(receipt: Receipt) -> ActionResult:
        return _ended_hold(receipt, submission)

    return described(posting.execute(_release_of(submission), submission.alongside(described)))


def _ended_hold(receipt: Receipt, submission: ActionRequest[Transaction]) -> ActionResult:
    """What ended the withdrawal; a colleague may have been first."""
    if receipt.replayed and receipt.row.actor != submission.by:
        return replace(posted(receipt), outcome=audit.REPEATED)
    return posted(receipt)


def _rollback(submission: ActionRequest[Transaction]) -> Rollback:
    """In the provider's name, so that whatever it says of the bet or win later meets the rollback."""
    row = submission.on
    player = row.wallet.player.code
    # No provider can have sent it: none of them knows the id of the form.
    name = f"operator-{submission.reference}"
    return Rollback(
        player=player,
        original=row.reference,
        original_kind=row.kind,
        reference=scoped(player, name) if SCOPE in row.reference else name,
        reason=submission.reason,
        by_hand=True,
        **{**submission.carried(), "source": row.source},
    )


def _roll_back(submission: ActionRequest[Transaction]) -> ActionResult:
    return posted(posting.execute(_rollback(submission), submission.alongside(posted)))


def _two_settle(row: Transaction) -> str:
    above = row.wallet.currency.settle_above
    if above is None:
        return ""
    return f" Above {sum_of(above, row.wallet.currency)} a second operator decides first: do not pay before."


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
            f"leaves the house. This cannot be undone.{_two_settle(row)}"
        ),
        hindrance=_no_open_hold,
        run=_settle,
        command=_settlement,
        second=_settlement_waits,
        at_once=True,
    ),
    Action(
        name="release",
        title="Release",
        subject=ROW,
        permission="wallet.settle_withdrawal",
        form=forms.ReleaseForm,
        effect=lambda row: (
            f"The withdrawal of {sum_of(row.amount, row.wallet.currency)} will not be paid: the held "
            "money becomes the player's cash again."
        ),
        hindrance=_no_open_hold,
        run=_release,
        command=_release_of,
        at_once=True,
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
        command=_rollback,
        at_once=True,
        takes=True,
    ),
)


def _ended(promised: BonusResult, what: str) -> ActionResult:
    bonus = promised.bonus
    message = f"{what} {bonus.offer} of {promised.player}: bonus {bonus.id} is {bonus.status}."
    return ActionResult(message=message)


def _forfeiture(submission: ActionRequest[Bonus]) -> Forfeit:
    return Forfeit(**_of_bonus(submission))


def _of_bonus(submission: ActionRequest[Bonus]) -> dict[str, Any]:
    about = {"player": submission.on.player.code, "bonus": str(submission.on.pk)}
    return {**submission.carried(), **about, "reference": submission.reference, "reason": submission.reason}


def _forfeit(submission: ActionRequest[Bonus]) -> ActionResult:
    def described(promised: BonusResult) -> ActionResult:
        return _ended(promised, "Forfeited")

    return described(posting.execute(_forfeiture(submission), submission.alongside(described)))


def _extend(submission: ActionRequest[Bonus]) -> ActionResult:
    bonus, until = submission.on, submission.given["until"]
    at = to_microseconds(until)
    command = Extend(player=bonus.player.code, bonus=str(bonus.pk), until=at, **submission.carried())

    def described(promised: BonusResult) -> ActionResult:
        message = f"Bonus {bonus.pk}, {promised.bonus.offer} of {promised.player}, now runs until {instant(until)}."
        return ActionResult(message=message)

    return described(posting.execute(command, submission.alongside(described)))


def _completion(submission: ActionRequest[Bonus]) -> Complete:
    return Complete(**_of_bonus(submission))


def _completion_waits(submission: ActionRequest[Bonus], foresight: Foresight) -> bool:
    return foresight.moved > second_person.waits_above(submission.on.wallet.currency, submission.by)


def _complete(submission: ActionRequest[Bonus]) -> ActionResult:
    bonus = submission.on

    def described(outcome: BonusResult | Approval) -> ActionResult:
        if isinstance(outcome, BonusResult):
            return _ended(outcome, "Completed")
        return waiting(outcome, f"Completing the bonus, worth {sum_of(outcome.amount, bonus.wallet.currency)},")

    return described(approvals.complete(_completion(submission), submission.alongside(described)))


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
        command=_forfeiture,
        at_once=True,
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
        command=_completion,
        second=_completion_waits,
        at_once=True,
    ),
)
