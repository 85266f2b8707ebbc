"""The windows through which operators see the wallet, and the few things they may set.

Nothing about money can be added, changed or deleted here, by anybody: money moves by commands.
"""

from wallet.admin import keys, ledger, operators, people, providers, runs, trail

__all__ = ["keys", "ledger", "operators", "people", "providers", "runs", "trail"]
