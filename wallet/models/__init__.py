from wallet.models.access import OperatorSession, SecondFactor
from wallet.models.background import (
    Checkpoint,
    DayPlayer,
    DaySum,
    Job,
    OpenBet,
    OpenBetsSummedUp,
    PlayersSummedUp,
    ProviderDifference,
    ProviderRun,
    ReconciliationRun,
    SummedUp,
)
from wallet.models.endpoint import Delivery, Endpoint
from wallet.models.oversight import AccountChange, Approval, AuditEntry, LimitChange, PlayerNote
from wallet.models.people import Currency, Player, PlayerTag, Wallet, WalletLimits
from wallet.models.provider import ApiKey, Game, GameSession, Provider
from wallet.models.transaction import Transaction

__all__ = [
    "AccountChange",
    "ApiKey",
    "Approval",
    "AuditEntry",
    "Checkpoint",
    "Currency",
    "DayPlayer",
    "DaySum",
    "Delivery",
    "Endpoint",
    "Game",
    "GameSession",
    "Job",
    "LimitChange",
    "OpenBet",
    "OpenBetsSummedUp",
    "OperatorSession",
    "Player",
    "PlayerNote",
    "PlayerTag",
    "PlayersSummedUp",
    "Provider",
    "ProviderDifference",
    "ProviderRun",
    "ReconciliationRun",
    "SecondFactor",
    "SummedUp",
    "Transaction",
    "Wallet",
    "WalletLimits",
]
