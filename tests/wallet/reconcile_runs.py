"""Some books to reconcile, and what a run finds in them."""

from __future__ import annotations

from typing import Any

from casino_pam.engine import commands
from tests import scenario
from wallet.models import Wallet
from wallet.reconcile import Discrepancy, Scope, reconcile


def found(scope: str = Scope.FULL, **options: Any) -> list[Discrepancy]:
    """Everything a run tells."""
    told: list[Discrepancy] = []
    reconcile(scope, tell=told.append, progress=lambda done, total: None, **options)
    return told


def named(scope: str = Scope.FULL, **options: Any) -> set[tuple[int, str | None, int | None]]:
    """Which invariant, whose wallet, which version."""
    owners: dict[int | None, str] = dict(Wallet.objects.values_list("id", "player__code"))
    return {(each.invariant, owners.get(each.wallet), each.version) for each in found(scope, **options)}


def history() -> None:
    """Seven rows of Alice: deposit, bet, win, hold, settle, and a bet with its rollback; two of Bob."""
    scenario.catalogue()
    scenario.profile(rollback_wins=True)
    scenario.alice("100.00")
    scenario.bet(amount="10.00")
    scenario.win(amount="25.00")
    scenario.hold(amount="30.00", reference="hold-1")
    scenario.settle("hold-1")
    scenario.bet(amount="5.00", round="round-2", reference="undone")
    scenario.rollback("undone")
    scenario.bob("50.00")
    scenario.do(
        commands.Adjust(
            source="operator",
            player="bob",
            currency="EUR",
            at=scenario.NOON,
            reference="a1",
            amount=-100,
            reason='it\'s \\ "a" correction, naïve {€}',
        )
    )
