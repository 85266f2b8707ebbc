from wallet.models.access import ApiKey
from wallet.models.approval import Approval
from wallet.models.audit import AuditEntry
from wallet.models.people import Currency, Player, Wallet
from wallet.models.provider import Game, Provider
from wallet.models.runs import Checkpoint, ReconciliationRun
from wallet.models.transaction import Transaction

__all__ = [
    "ApiKey",
    "Approval",
    "AuditEntry",
    "Checkpoint",
    "Currency",
    "Game",
    "Player",
    "Provider",
    "ReconciliationRun",
    "Transaction",
    "Wallet",
]
