"""A player's limits, set by an operator at the player's word (docs/limits.md)."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from casino_pam import commands, limits
from casino_pam.office.acts import Act, Asked, Done, Guard
from casino_pam.office.forms import ActForm
from casino_pam.office.subjects import WALLET, State, Subject, instant, sum_of
from wallet import money
from wallet.models import Currency, Wallet
from wallet.periods import NAMES


class LimitAmount(forms.CharField):
    """Minor units of ``currency``; empty is no limit. What was shown is sent along, to tell what was changed."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, currency: Currency, **kwargs: Any) -> None:
        super().__init__(required=False, show_hidden_initial=True, **kwargs)
        self.currency = currency

    def clean(self, value: Any) -> int | None:
        text: str = super().clean(value)
        try:
            return money.parse(text, self.currency.digits) if text else None
        except money.InvalidAmount as wrong:
            raise ValidationError(f"It {wrong}.") from None


class LimitsForm(ActForm):
    """A row for each subject, a column for each period."""

    columns = True

    def prepare(self) -> None:
        wallet: Wallet = self.subject
        now = commands.now()
        for limit in limits.of(wallet, now):
            text = "" if limit.amount is None else money.show(limit.amount, wallet.currency.digits)
            self.fields[f"{limit.subject}_{limit.period}"] = LimitAmount(
                wallet.currency,
                initial=text,
                label=f"{limit.subject.capitalize()} in a {limit.period}, {wallet.currency_id}",
                help_text=_waiting(limit, wallet.currency, now),
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        cleaned["wanted"] = {name: cleaned[name] for name in self.changed_data if name in NAMES and name in cleaned}
        if not self.errors and not cleaned["wanted"]:
            raise ValidationError("No limit was changed.")
        return cleaned


def _waiting(limit: limits.Limit, currency: Currency, now: int) -> str:
    """How an increase that waits is confirmed."""
    if limit.increase is None:
        return ""
    asked = f"Asked for: {_amount(limit.increase.amount, currency)}."
    if now < limit.increase.available_at:
        return f"{asked} It can be confirmed from {instant(limit.increase.available)}."
    again = "empty this field" if limit.increase.amount is None else "enter it"
    return f"{asked} To confirm it, {again} and send the form."


def _amount(amount: int | None, currency: Currency) -> str:
    return "no limit" if amount is None else sum_of(amount, currency)


def _state(wallet: Wallet) -> State:
    """The limits that are set or asked for."""
    state = {}
    for limit in limits.of(wallet, commands.now()):
        said = _amount(limit.amount, wallet.currency)
        if limit.increase is not None:
            available = instant(limit.increase.available)
            said += f" ({_amount(limit.increase.amount, wallet.currency)} asked for, from {available})"
        if limit.amount is not None:
            state[f"{limit.subject} in a {limit.period}"] = said
    return state or {"limits": "none"}


def _set(asked: Asked[Wallet]) -> Done:
    wallet = asked.on
    changes = limits.change(wallet, asked.given["wanted"], commands.now())
    if changes is None:
        return Done(said="Nothing was changed: what was asked for waits already.")
    waiting = [name for name, told in changes.after.items() if "asked" in told]
    holding = [name for name in changes.after if name not in waiting]
    parts = [f"{_named(holding)} set"] * bool(holding)
    parts += [f"{_named(waiting)} asked for: send it again in 24 hours to confirm it"] * bool(waiting)
    return Done(said=f"Limits of {WALLET.called(wallet)}: {'; '.join(parts)}.")


def _named(names: list[str]) -> str:
    return ", ".join(name.replace("_", " in a ") for name in names)


LIMITS: Final = Subject[Wallet](
    name="limits", key="int", rows=WALLET.rows, player=WALLET.player, called=WALLET.called, state=_state
)

ACTS: Final = (
    Act(
        name="limit",
        title="Set limits",
        subject=LIMITS,
        permission="wallet.limit_player",
        form=LimitsForm,
        effect=lambda wallet: (
            "A first limit or a lower one holds at once. A higher one, or none, waits for 24 hours and then holds only "
            "when it is asked for again. An empty field is no limit."
        ),
        carry_out=_set,
        guard=Guard.TRANSACTION,
    ),
)
