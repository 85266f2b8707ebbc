"""Reconciliation: small checks that say where the books do not balance, and repair nothing."""

from wallet.reconcile.checks import MOVED_ON, Cursored, Discrepancy, Stretch
from wallet.reconcile.runner import EVERYTHING, Report, Scope, examine, further_checks, reconcile

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
