"""A player's own limits: shown and set, never judged (that is ``wallet.limits``, inside the posting).

A lower limit holds at once. A higher one, or none, is asked for, waits a day, and holds only once
it is asked for again after that: whoever raises a limit in the heat of the game has slept on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models import F

from wallet import baselines
from wallet.models import Wallet, WalletLimits
from wallet.money import show
from wallet.periods import DAY, NAMES, PERIODS, SUBJECTS, Totals, micros, spans, used, written
from wallet.session import session_of

WAIT: Final = DAY

# The limits to set, by column, in minor units; None lifts one. What is not named stays.
Wanted = Mapping[str, int | None]
# ``wallet.audit.record`` or ``named``, knowing already who acts.
Record = Callable[..., object]


class Increase(NamedTuple):
    """A higher limit that was asked for; None is no limit. It may be confirmed from ``available_at`` on."""

    amount: int | None
    available_at: int


class Limit(NamedTuple):
    """One limit and what is used of it (minor units; a net loss below zero is a win)."""

    subject: str
    period: str
    amount: int | None
    used: int
    resets_at: int
    increase: Increase | None

    @property
    def left(self) -> int | None:
        return None if self.amount is None else max(0, self.amount - self.used)


def of(wallet: Wallet, at: int) -> list[Limit]:
    """The nine limits of a wallet as they stand at ``at`` (microseconds since 1970)."""
    kept = WalletLimits.objects.filter(wallet=wallet).first() or WalletLimits(wallet=wallet)
    increases = _increases(kept)
    now = Totals(wallet.staked_total, wallet.paid_total, wallet.deposited_total)
    newest_at = 0 if wallet.newest_at is None else micros(wallet.newest_at)
    periods = spans(max(at, newest_at))
    begun = {span.start for span in periods if span.start <= newest_at}
    before = _before(wallet, begun)
    return [
        Limit(
            subject,
            period,
            getattr(kept, f"{subject}_{period}"),
            used(subject, now, before.get(span.start, now)),
            span.end,
            increases.get(f"{subject}_{period}"),
        )
        for subject in SUBJECTS
        for period, span in zip(PERIODS, periods, strict=True)
    ]


def change(wallet: Wallet, wanted: Wanted, at: int, record: Record) -> None:
    """Set the named limits, or ask for them; one row of the audit trail if that changes anything."""
    with transaction.atomic():
        kept = _taken(wallet)
        before = _amounts(kept), _increases(kept)
        after = decided(*before, wanted, at)
        if after != before:
            _write(kept, *after)
            _audit(wallet, before, after, record)


def decided(
    amounts: Wanted, increases: Mapping[str, Increase], wanted: Wanted, at: int
) -> tuple[dict[str, int | None], dict[str, Increase]]:
    """What limits and increases become when ``wanted`` is asked for at ``at``. Pure."""
    amounts, waiting = dict(amounts), dict(increases)
    for name, amount in wanted.items():
        asked = waiting.pop(name, None)
        if not _raises(amounts[name], amount):
            amounts[name] = amount
        elif asked is None or asked.amount != amount:
            waiting[name] = Increase(amount, at + WAIT)
        elif at < asked.available_at:
            waiting[name] = asked
        else:
            amounts[name] = amount
    return amounts, waiting


def _raises(present: int | None, amount: int | None) -> bool:
    return present is not None and (amount is None or amount > present)


def _taken(wallet: Wallet) -> WalletLimits:
    """The wallet's row, which whoever else changes it waits for until this transaction ends."""
    WalletLimits.objects.get_or_create(wallet=wallet)
    WalletLimits.objects.filter(wallet=wallet).update(increases=F("increases"))
    return WalletLimits.objects.get(wallet=wallet)


def _write(kept: WalletLimits, amounts: Wanted, increases: Mapping[str, Increase]) -> None:
    stored = {name: increase._asdict() for name, increase in increases.items()}
    WalletLimits.objects.filter(pk=kept.pk).update(**amounts, increases=stored)


def _audit(wallet: Wallet, before: tuple[Any, Any], after: tuple[Any, Any], record: Record) -> None:
    digits = wallet.currency.digits
    old, new = _told(*before, digits), _told(*after, digits)
    changed = [name for name in NAMES if old[name] != new[name]]
    record(
        "set limits",
        player=wallet.player.code,
        subject=wallet.currency_id,
        before={name: old[name] for name in changed},
        after={name: new[name] for name in changed},
    )


def _told(amounts: Wanted, increases: Mapping[str, Increase], digits: int) -> dict[str, Any]:
    """Each limit as the audit trail has it: what holds, and what was asked for."""

    def text(amount: int | None) -> str | None:
        return None if amount is None else show(amount, digits)

    told: dict[str, Any] = {name: {"limit": text(amounts[name])} for name in NAMES}
    for name, increase in increases.items():
        told[name]["asked"] = {"limit": text(increase.amount), "available_at": written(increase.available_at)}
    return told


def _amounts(kept: WalletLimits) -> dict[str, int | None]:
    return {name: getattr(kept, name) for name in NAMES}


def _increases(kept: WalletLimits) -> dict[str, Increase]:
    return {name: Increase(**fields) for name, fields in kept.increases.items()}


def _before(wallet: Wallet, starts: set[int]) -> dict[int, Totals]:
    asked = [baselines.Asked(wallet.id, wallet.version, start) for start in starts]
    if not asked:
        return {}
    connection.ensure_connection()
    found = baselines.find(session_of(connection.connection), asked)
    return {start: totals for (_, start), totals in found.items()}
