"""The windows through which operators see the wallet, and the few things they may set.

Nothing about money can be added, changed or deleted here, by anybody: money moves by commands.
"""

from wallet.admin import endpoint_admin, ledger_pages, operator_admin, player_admin, provider_admin

__all__ = [
    "endpoint_admin",
    "ledger_pages",
    "operator_admin",
    "player_admin",
    "provider_admin",
]
