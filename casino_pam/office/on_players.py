"""What is done to a player: locks and exclusion. The change and its row of the audit trail are one transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone

from casino_pam import accounts
from casino_pam.office import forms
from casino_pam.office.acts import Act, Asked, Done, Guard
from casino_pam.office.subjects import LOCKS, PLAYER, instant
from wallet.models import Player


def _named(locks: list[str]) -> str:
    return " and ".join([", ".join(LOCKS[lock] for lock in locks[:-1])] * bool(locks[1:]) + [LOCKS[locks[-1]]])


def _lock(asked: Asked[Player]) -> Done:
    locks = asked.given["locks"]
    accounts.change(asked.on.code, **{f"{lock}_locked": True for lock in locks})
    return Done(said=f"Locked {asked.on.code}: no {_named(locks)} from now on.")


def _unlock(asked: Asked[Player]) -> Done:
    locks = asked.given["locks"]
    accounts.change(asked.on.code, **{f"{lock}_locked": False for lock in locks})
    return Done(said=f"Unlocked {asked.on.code}: {_named(locks)} are allowed again.")


def _exclude(asked: Asked[Player]) -> Done:
    return _excluded(asked, asked.given["until"])


def _cool_off(asked: Asked[Player]) -> Done:
    until = timezone.now().astimezone(UTC) + timedelta(days=int(asked.given["days"]))
    return _excluded(asked, until.replace(microsecond=0))


def _excluded(asked: Asked[Player], until: datetime) -> Done:
    accounts.exclude(asked.on.code, until)
    return Done(said=f"Excluded {asked.on.code} until {instant(until)}.")


def _lift(asked: Asked[Player]) -> Done:
    accounts.change(asked.on.code, excluded_until=None)
    return Done(said=f"Lifted the exclusion of {asked.on.code}: bets, deposits and bonuses are allowed again.")


def _excluded_now(player: Player) -> bool:
    return player.excluded_until is not None and player.excluded_until > timezone.now()


_EXCLUSION: Final = (
    "No bets, deposits or bonuses until then, and bonuses that wait are cancelled. Wins, rollbacks and withdrawals "
    "still go through. A longer exclusion that is in force stays."
)

ACTS: Final = (
    Act(
        name="lock",
        title="Lock",
        subject=PLAYER,
        permission="wallet.lock_player",
        form=forms.LockForm,
        effect=lambda player: (
            "What you lock is refused from the next request on; wins, rollbacks and releases always go through."
        ),
        hindrance=lambda player: None if forms.standing(player, locked=False) else "Everything is locked.",
        carry_out=_lock,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
    Act(
        name="unlock",
        title="Unlock",
        subject=PLAYER,
        permission="wallet.lock_player",
        form=forms.UnlockForm,
        effect=lambda player: "What you unlock is allowed from the next request on.",
        hindrance=lambda player: None if forms.standing(player, locked=True) else "Nothing is locked.",
        carry_out=_unlock,
        guard=Guard.TRANSACTION,
    ),
    Act(
        name="cool-off",
        title="Cool off",
        subject=PLAYER,
        permission="wallet.exclude_player",
        form=forms.CoolOffForm,
        effect=lambda player: f"A short exclusion, counted from now. {_EXCLUSION}",
        carry_out=_cool_off,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
    Act(
        name="exclude",
        title="Exclude",
        subject=PLAYER,
        permission="wallet.exclude_player",
        form=forms.ExcludeForm,
        effect=lambda player: _EXCLUSION,
        carry_out=_exclude,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
    Act(
        name="lift",
        title="Lift the exclusion",
        subject=PLAYER,
        permission="wallet.exclude_player",
        form=forms.ActForm,
        effect=lambda player: (
            "The exclusion ends now; locks stay as they are. Where players exclude themselves the law may forbid it."
        ),
        hindrance=lambda player: None if _excluded_now(player) else "The player is not excluded.",
        carry_out=_lift,
        guard=Guard.TRANSACTION,
    ),
)
