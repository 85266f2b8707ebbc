"""Reconciliation: small checks that say where the books do not balance, and repair nothing."""

from wallet.reconcile.findings import MOVED_ON, Cursored, Discrepancy, Stretch
from wallet.reconcile.run import Report, Scope, reconcile
from wallet.reconcile.stretches import EVERYTHING, examine, further_checks

__all__ = [
    "EVERYTHING",
    "MOVED_ON",
    "Cursored",
    "Discrepancy",
    "Report",
    "Scope",
    "Stretch",
    "examine",
    "further_checks",
    "reconcile",
]
