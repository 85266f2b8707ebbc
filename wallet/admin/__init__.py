"""The windows through which operators see the wallet, and the few things they may set.

Nothing about money can be added, changed or deleted here, by anybody: money moves by commands.
"""

from wallet.admin import ledger_pages, operator_admin, player_admin, provider_admin

__all__ = [
    "ledger_pages",
    "operator_admin",
    "player_admin",
    "provider_admin",
]
