"""A player's own limits: shown and set, never judged (that is ``wallet.limits``, inside the posting).

A lower limit holds at once. A higher one, or none, is asked for, waits a day, and holds only once
it is asked for again after that: whoever raises a limit in the heat of the game has slept on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models import F

from wallet import baselines
from wallet.models import Wallet, WalletLimits
from wallet.money import show
from wallet.periods import DAY, NAMES, PERIODS, SUBJECTS, Totals, micros, moment, spans, used, written
from wallet.session import session_of

WAIT: Final = DAY

# The limits to set, by column, in minor units; None lifts one. What is not named stays.
Wanted = Mapping[str, int | None]


class Increase(NamedTuple):
    """A higher limit that was asked for; None is no limit. It may be confirmed from ``available_at`` on."""

    amount: int | None
    available_at: int

    @property
    def available(self) -> datetime:
        return moment(self.available_at)


class Changes(NamedTuple):
    """The limits that changed, by column, as the audit trail has them: what holds, and what was asked for."""

    before: dict[str, Any]
    after: dict[str, Any]


class Limit(NamedTuple):
    """One limit and what is used of it (minor units; a net loss below zero is a win)."""

    subject: str
    period: str
    amount: int | None
    used: int
    resets_at: int
    increase: Increase | None

    @property
    def resets(self) -> datetime:
        return moment(self.resets_at)

    @property
    def left(self) -> int | None:
        return None if self.amount is None else max(0, self.amount - self.used)


def of(wallet: Wallet, at: int) -> list[Limit]:
    """The nine limits of a wallet as they stand at ``at`` (microseconds since 1970)."""
    return of_each([wallet], at)[wallet.id]


def of_each(wallets: Sequence[Wallet], at: int) -> dict[int, list[Limit]]:
    """As ``of``, of several wallets with as few statements, by their ids."""
    kept = {each.wallet_id: each for each in WalletLimits.objects.filter(wallet__in=wallets)}
    begun = _begun(wallets, at)
    return {wallet.id: _limits(wallet, kept.get(wallet.id) or WalletLimits(), at, begun) for wallet in wallets}


def _limits(wallet: Wallet, kept: WalletLimits, at: int, begun: Mapping[tuple[int, int], Totals]) -> list[Limit]:
    increases = _increases(kept)
    now = Totals(wallet.staked_total, wallet.paid_total, wallet.deposited_total)
    return [
        Limit(
            subject,
            period,
            getattr(kept, f"{subject}_{period}"),
            # A period without a row begins with what there is now.
            used(subject, now, begun.get((wallet.id, span.start), now)),
            span.end,
            increases.get(f"{subject}_{period}"),
        )
        for subject in SUBJECTS
        for period, span in zip(PERIODS, spans(max(at, _newest(wallet))), strict=True)
    ]


def _begun(wallets: Sequence[Wallet], at: int) -> dict[tuple[int, int], Totals]:
    """What the periods that have rows began with, by wallet and start."""
    asked = {
        baselines.Asked(wallet.id, wallet.version, span.start)
        for wallet in wallets
        for span in spans(max(at, _newest(wallet)))
        if span.start <= _newest(wallet)
    }
    if not asked:
        return {}
    connection.ensure_connection()
    return baselines.find(session_of(connection.connection), asked)


def _newest(wallet: Wallet) -> int:
    return 0 if wallet.newest_at is None else micros(wallet.newest_at)


def change(wallet: Wallet, wanted: Wanted, at: int) -> Changes | None:
    """Set the named limits, or ask for them; None if that changes nothing."""
    with transaction.atomic():
        kept = _taken(wallet)
        before = _amounts(kept), _increases(kept)
        after = decided(*before, wanted, at)
        if after == before:
            return None
        stored = {name: increase._asdict() for name, increase in after[1].items()}
        WalletLimits.objects.filter(wallet=wallet).update(**after[0], increases=stored)
    old, new = _told(*before, wallet.currency.digits), _told(*after, wallet.currency.digits)
    changed = [name for name in NAMES if old[name] != new[name]]
    return Changes({name: old[name] for name in changed}, {name: new[name] for name in changed})


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
