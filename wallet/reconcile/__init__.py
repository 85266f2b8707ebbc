"""Reconciliation: small checks that say where the books do not balance, and repair nothing."""

from wallet.reconcile.checks import MOVED_ON, Cursored, Discrepancy, Shard
from wallet.reconcile.runner import EVERYTHING, Report, Scope, examine, further_checks, reconcile

__all__ = [
    "EVERYTHING",
    "MOVED_ON",
    "Cursored",
    "Discrepancy",
    "Report",
    "Scope",
    "Shard",
    "examine",
    "further_checks",
    "reconcile",
]
