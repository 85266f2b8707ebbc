from wallet.models.access import ApiKey
from wallet.models.approval import Approval
from wallet.models.audit import AuditEntry
from wallet.models.limits import WalletLimits
from wallet.models.people import Currency, Player, Wallet
from wallet.models.provider import Game, Provider
from wallet.models.provider_runs import ProviderDifference, ProviderRun
from wallet.models.runs import Checkpoint, ReconciliationRun
from wallet.models.sums import DaySum, SummedUp
from wallet.models.transaction import Transaction

__all__ = [
    "ApiKey",
    "Approval",
    "AuditEntry",
    "Checkpoint",
    "Currency",
    "DaySum",
    "Game",
    "Player",
    "Provider",
    "ProviderDifference",
    "ProviderRun",
    "ReconciliationRun",
    "SummedUp",
    "Transaction",
    "Wallet",
    "WalletLimits",
]
