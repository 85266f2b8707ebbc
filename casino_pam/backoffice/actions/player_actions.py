"""What is done to a player: locks, exclusion, and limits at the player's word (docs/limits.md).

A lock and its row of the audit trail are one transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from casino_pam.backoffice.actions import forms as actions_forms
from casino_pam.backoffice.actions.action import (
    PLAYER,
    SESSION,
    WALLET,
    Action,
    ActionRequest,
    ActionResult,
    Guard,
    State,
    Subject,
    instant,
    of_player,
    sum_of,
)
from casino_pam.backoffice.actions.forms import LOCKS, ActionForm
from casino_pam.engine import accounts, commands, sessions
from wallet import formatting, limits, money
from wallet.jurisdictions import Demand, must_be_verified
from wallet.kinds import LIMIT_NAMES
from wallet.models import Currency, GameSession, Player, Wallet
from wallet.time import HOUR


def _named(locks: list[str]) -> str:
    return " and ".join([", ".join(LOCKS[lock] for lock in locks[:-1])] * bool(locks[1:]) + [LOCKS[locks[-1]]])


def _lock(submission: ActionRequest[Player]) -> ActionResult:
    locks = submission.given["locks"]
    changes: dict[str, Any] = {f"{lock}_locked": True for lock in locks}
    accounts.change(submission.on.code, **changes)
    return ActionResult(message=f"Locked {submission.on.code}: no {_named(locks)} from now on.")


def _unlock(submission: ActionRequest[Player]) -> ActionResult:
    locks = submission.given["locks"]
    changes: dict[str, Any] = {f"{lock}_locked": False for lock in locks}
    accounts.change(submission.on.code, **changes)
    return ActionResult(message=f"Unlocked {submission.on.code}: {_named(locks)}. {_stands(submission.on)}")


def _exclude(submission: ActionRequest[Player]) -> ActionResult:
    return _excluded(submission, submission.given["end"].replace(microsecond=0))


def _cool_off(submission: ActionRequest[Player]) -> ActionResult:
    until = timezone.now().astimezone(UTC) + timedelta(days=int(submission.given["days"]))
    return _excluded(submission, until.replace(microsecond=0))


def _excluded(submission: ActionRequest[Player], until: datetime) -> ActionResult:
    accounts.exclude(submission.on.code, until)
    return ActionResult(message=f"Excluded {submission.on.code} {formatting.lasting(until)}.")


def _lift(submission: ActionRequest[Player]) -> ActionResult:
    accounts.change(submission.on.code, excluded_until=None)
    return ActionResult(message=f"Lifted the exclusion of {submission.on.code}. {_stands(submission.on)}")


def _stands(player: Player) -> str:
    """What the player may do now, for all that was unlocked: other locks and an exclusion stay."""
    found = of_player(PLAYER.again(player))
    return "; ".join(f"{name}: {found[name]}" for name in ("bets", "deposits", "withdrawals", "bonuses")) + "."


def _verify(submission: ActionRequest[Player]) -> ActionResult:
    verification = submission.given["verification"]
    accounts.change(submission.on.code, verification=verification)
    return ActionResult(message=f"{submission.on.code} is {verification} from now on.")


def _note(submission: ActionRequest[Player]) -> ActionResult:
    accounts.note(submission.on, submission.by, submission.reason)
    return ActionResult(message=f"The note about {submission.on.code} is kept.")


def _tag(submission: ActionRequest[Player]) -> ActionResult:
    names = submission.given["names"]
    accounts.tag(submission.on, names)
    return ActionResult(message=f"Tagged {submission.on.code}: {', '.join(names)}.")


def _untag(submission: ActionRequest[Player]) -> ActionResult:
    names = submission.given["names"]
    accounts.untag(submission.on, names)
    return ActionResult(message=f"Took from {submission.on.code}: {', '.join(names)}.")


def _verified_before(player: Player) -> str:
    """What waits for the player's verification, in a sentence."""
    demands = {Demand.VERIFIED_WITHDRAWAL: "a withdrawal is settled", Demand.VERIFIED_CONVERSION: "a bonus converts"}
    asked = [said for demand, said in demands.items() if must_be_verified(player.country, demand)]
    if not asked:
        return "Neither the house nor the player's country asks for it: nothing waits for it."
    return f"The player must be verified before {' or '.join(asked)}; a bonus that waits for it becomes cash at once."


def _excluded_now(player: Player) -> bool:
    return player.excluded_until is not None and player.excluded_until > timezone.now()


_EXCLUSION: Final = (
    "No bets, deposits or bonuses until then, and bonuses that wait are cancelled. Wins, rollbacks and withdrawals "
    "still go through. A longer exclusion that is in force stays."
)

PLAYER_ACTIONS: Final = (
    Action(
        name="lock",
        title="Lock",
        subject=PLAYER,
        permission="wallet.lock_player",
        form=actions_forms.LockForm,
        effect=lambda player: (
            "What you lock is refused from the next request on; wins, rollbacks and releases always go through."
        ),
        hindrance=lambda player: None if actions_forms.standing(player, locked=False) else "Everything is locked.",
        run=_lock,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
    Action(
        name="unlock",
        title="Unlock",
        subject=PLAYER,
        permission="wallet.lock_player",
        form=actions_forms.UnlockForm,
        effect=lambda player: (
            "The lock is gone from the next request on. An exclusion, a limit or another lock stays as it is."
        ),
        hindrance=lambda player: None if actions_forms.standing(player, locked=True) else "Nothing is locked.",
        run=_unlock,
        guard=Guard.TRANSACTION,
    ),
    Action(
        name="verify",
        title="Set verification",
        subject=PLAYER,
        permission="wallet.verify_player",
        form=actions_forms.VerificationForm,
        effect=_verified_before,
        run=_verify,
        guard=Guard.TRANSACTION,
    ),
    Action(
        name="note",
        title="Note",
        subject=PLAYER,
        permission="wallet.note_player",
        form=actions_forms.PlayerNoteForm,
        effect=lambda player: "It stays on the player's page under your name; nobody can change it or take it away.",
        run=_note,
        guard=Guard.TRANSACTION,
    ),
    Action(
        name="tag",
        title="Tag",
        subject=PLAYER,
        permission="wallet.tag_player",
        form=actions_forms.TagForm,
        effect=lambda player: "Players are found by their tags; nothing else follows from one.",
        run=_tag,
        guard=Guard.TRANSACTION,
    ),
    Action(
        name="untag",
        title="Take tags away",
        subject=PLAYER,
        permission="wallet.tag_player",
        form=actions_forms.UntagForm,
        effect=lambda player: "Players are found by their tags; nothing else follows from one.",
        hindrance=lambda player: None if player.tags.all() else "The player has no tags.",
        run=_untag,
        guard=Guard.TRANSACTION,
    ),
    Action(
        name="cool-off",
        title="Cool off",
        subject=PLAYER,
        permission="wallet.exclude_player",
        form=actions_forms.CoolOffForm,
        effect=lambda player: f"A short exclusion, counted from now. {_EXCLUSION}",
        run=_cool_off,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
    Action(
        name="exclude",
        title="Exclude",
        subject=PLAYER,
        permission="wallet.exclude_player",
        form=actions_forms.ExcludeForm,
        effect=lambda player: _EXCLUSION,
        run=_exclude,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
    Action(
        name="lift",
        title="Lift the exclusion",
        subject=PLAYER,
        permission="wallet.exclude_player",
        form=actions_forms.ActionForm,
        effect=lambda player: (
            "The exclusion ends now; locks stay as they are. Where players exclude themselves the law may forbid it."
        ),
        hindrance=lambda player: None if _excluded_now(player) else "The player is not excluded.",
        run=_lift,
        guard=Guard.TRANSACTION,
    ),
)


def _end_session(submission: ActionRequest[GameSession]) -> ActionResult:
    session = submission.on
    sessions.end(session)
    return ActionResult(message=f"Ended {SESSION.called(session)}: it stops bets from now on.")


SESSION_ACTIONS: Final = (
    Action(
        name="end-session",
        title="End the session",
        subject=SESSION,
        permission="wallet.end_session",
        form=actions_forms.ActionForm,
        effect=lambda session: (
            "Bets that name it are refused from the next request on; wins, rollbacks and ends of rounds go through. "
            "The player may open the game again: to keep somebody from playing, lock or exclude the player."
        ),
        hindrance=lambda session: "The session has ended." if session.ended(timezone.now()) else None,
        run=_end_session,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
)


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


class LimitsForm(ActionForm):
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
        cleaned["wanted"] = {
            name: cleaned[name] for name in self.changed_data if name in LIMIT_NAMES and name in cleaned
        }
        if not self.errors and not cleaned["wanted"]:
            raise ValidationError("No limit was changed.")
        return cleaned


def _waiting(limit: limits.Limit, currency: Currency, now: int) -> str:
    """How an increase that waits is confirmed."""
    if limit.increase is None:
        return ""
    submission = f"Asked for: {_amount(limit.increase.amount, currency)}."
    if now < limit.increase.available_at:
        return f"{submission} It can be confirmed from {instant(limit.increase.available)}."
    again = "empty this field" if limit.increase.amount is None else "enter it"
    return f"{submission} To confirm it, {again} and send the form. It lapses at {instant(limit.increase.lapses)}."


def _amount(amount: int | None, currency: Currency) -> str:
    return "no limit" if amount is None else sum_of(amount, currency)


def _state(wallet: Wallet) -> State:
    """The limits that are set or asked for."""
    state = {}
    for limit in limits.of(wallet, commands.now()):
        message = _amount(limit.amount, wallet.currency)
        if limit.increase is not None:
            available = instant(limit.increase.available)
            message += f" ({_amount(limit.increase.amount, wallet.currency)} asked for, from {available})"
        if limit.amount is not None:
            state[f"{limit.subject} in a {limit.period}"] = message
    return state or {"limits": "none"}


def _set(submission: ActionRequest[Wallet]) -> ActionResult:
    wallet = submission.on
    at = commands.now()
    changes = limits.change(wallet, submission.given["wanted"], at, submission.by)
    if changes is None:
        return ActionResult(message="Nothing was changed: what was asked for waits already.")
    waiting = [name for name, told in changes.after.items() if "asked" in told]
    holding = [name for name in changes.after if name not in waiting]
    parts = [f"{_limit_names(holding)} set"] * bool(holding)
    hours: dict[int, list[str]] = {}
    for name in waiting:
        wait = limits.wait(wallet.player.country, name.partition("_")[2], at)
        hours.setdefault(-(-wait // HOUR), []).append(name)
    parts += [
        f"{_limit_names(names)} asked for: send it again in {n} hours to confirm it" for n, names in hours.items()
    ]
    return ActionResult(message=f"Limits of {WALLET.called(wallet)}: {'; '.join(parts)}.")


def _limit_names(names: list[str]) -> str:
    return ", ".join(name.replace("_", " in a ") for name in names)


HOLD_FOR: Final = {
    "account": "In the player's country limits hold for the account, and the player has this one wallet.",
    "currency": "Limits hold for this currency: a wallet in another one has limits of its own.",
}

LIMITS: Final = Subject[Wallet](
    name="limits", key="int", rows=WALLET.rows, player=WALLET.player, called=WALLET.called, state=_state
)

LIMIT_ACTIONS: Final = (
    Action(
        name="limit",
        title="Set limits",
        subject=LIMITS,
        permission="wallet.limit_player",
        form=LimitsForm,
        effect=lambda wallet: (
            "A first limit or a lower one holds at once. A higher one, or none, waits for 24 hours, or as long as the "
            "player's country wants, and then holds only when it is asked for again within 7 days. An empty field is "
            f"no limit. {HOLD_FOR[limits.hold_for(wallet.player)]}"
        ),
        run=_set,
        guard=Guard.TRANSACTION,
    ),
)
