"""What is done to a bonus: taken back, given time, completed by hand."""

from __future__ import annotations

from typing import Final

from bonus import lookup
from bonus.admin.bonuses import present_status
from bonus.lifecycle import conversion
from bonus.models import LIVE, Bonus, Status
from casino_pam import approvals, teller
from casino_pam.commands import Complete, Extend, Forfeit
from casino_pam.office import forms
from casino_pam.office.acts import Act, Asked, Done, Guard
from casino_pam.office.on_wallets import waiting
from casino_pam.office.subjects import BONUS, instant, sum_of
from casino_pam.receipts import Promised


def _ended(promised: Promised, what: str) -> Done:
    bonus = promised.bonus
    said = f"{what} {bonus.offer} of {promised.player}: bonus {bonus.id} is {bonus.status}."
    return Done(said=said)


def _forfeit(asked: Asked[Bonus]) -> Done:
    bonus = asked.on
    command = Forfeit(
        player=bonus.player.code,
        bonus=str(bonus.pk),
        reference=asked.reference,
        reason=asked.reason,
        **asked.carried(),
    )
    return _ended(teller.carry_out(command), "Forfeited")


def _extend(asked: Asked[Bonus]) -> Done:
    bonus, until = asked.on, asked.given["until"]
    at = int(until.timestamp()) * 1_000_000 + until.microsecond
    command = Extend(player=bonus.player.code, bonus=str(bonus.pk), until=at, **asked.carried())
    promised: Promised = teller.carry_out(command)
    return Done(said=f"Bonus {bonus.pk}, {promised.bonus.offer} of {promised.player}, now runs until {instant(until)}.")


def _complete(asked: Asked[Bonus]) -> Done:
    bonus = asked.on
    command = Complete(
        player=bonus.player.code,
        bonus=str(bonus.pk),
        reference=asked.reference,
        reason=asked.reason,
        **asked.carried(),
    )
    outcome = approvals.complete(command)
    if isinstance(outcome, Promised):
        return _ended(outcome, "Completed")
    return waiting(outcome, f"Completing the bonus, worth {sum_of(outcome.amount, bonus.wallet.currency)},")


def _not_live(bonus: Bonus) -> str | None:
    status = present_status(bonus)
    return None if status in LIVE else f"The bonus is {status}."


def _not_active(bonus: Bonus) -> str | None:
    status = present_status(bonus)
    return None if status == Status.ACTIVE else f"The bonus is {status}: only an active one has money to convert."


def _takes(bonus: Bonus) -> str:
    if bonus.status != Status.ACTIVE:
        return "The bonus is cancelled before it begins; it has no money yet."
    return f"What is left of it, {sum_of(bonus.wallet.bonus, bonus.wallet.currency)}, goes back to the house."


def _converts(bonus: Bonus) -> str:
    currency = bonus.wallet.currency
    found = lookup.one(bonus.pk)
    assert found is not None
    cash, lost = conversion(found.bonus, bonus.wallet.bonus)
    leaves = f", and {sum_of(lost, currency)} leave with it" if lost else ""
    above = sum_of(currency.approval_above, currency)
    return (
        f"However far it was wagered, the bonus ends as completed: by its terms {sum_of(cash, currency)} become "
        f"cash{leaves}. Above {above} a second operator decides first."
    )


ACTS: Final = (
    Act(
        name="forfeit",
        title="Forfeit",
        subject=BONUS,
        permission="bonus.forfeit_bonus",
        form=forms.ActForm,
        effect=_takes,
        hindrance=_not_live,
        carry_out=_forfeit,
        takes=True,
    ),
    Act(
        name="extend",
        title="Extend",
        subject=BONUS,
        permission="bonus.extend_bonus",
        form=forms.ExtendForm,
        effect=lambda bonus: (
            "The bonus ends at the moment you say instead of its own; nothing else of its terms changes."
        ),
        hindrance=_not_live,
        carry_out=_extend,
        guard=Guard.TRAIL,
    ),
    Act(
        name="complete",
        title="Complete",
        subject=BONUS,
        permission="bonus.complete_bonus",
        form=forms.ActForm,
        effect=_converts,
        hindrance=_not_active,
        carry_out=_complete,
    ),
)
