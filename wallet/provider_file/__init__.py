"""A provider's own file of a day, held against our ledger line by line (docs/reports.md)."""

from wallet.provider_file.comparison import KEPT, Outcome, compare, preview
from wallet.provider_file.lines import HEADER, NotAFile

__all__ = ["HEADER", "KEPT", "NotAFile", "Outcome", "compare", "preview"]
