"""Some books to reconcile, and what a run finds in them."""

from __future__ import annotations

from typing import Any

from casino_pam.engine import commands
from tests import cast
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
    cast.house()
    cast.profile(rollback_wins=True)
    cast.alice("100.00")
    cast.bet(amount="10.00")
    cast.win(amount="25.00")
    cast.hold(amount="30.00", reference="hold-1")
    cast.settle("hold-1")
    cast.bet(amount="5.00", round="round-2", reference="undone")
    cast.rollback("undone")
    cast.bob("50.00")
    cast.do(
        commands.Adjust(
            source="operator",
            player="bob",
            currency="EUR",
            at=cast.NOON,
            reference="a1",
            amount=-100,
            reason='it\'s \\ "a" correction, naïve {€}',
        )
    )
