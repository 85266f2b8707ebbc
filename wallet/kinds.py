"""What a transaction is and what became of it, what references look like, and what can be limited.

Plain strings rather than an Enum: every bet compares and hashes them dozens of times, and an
Enum member hashes in Python.
"""

from typing import Final


class Kind:
    DEPOSIT: Final = "DEPOSIT"
    HOLD: Final = "HOLD"
    SETTLE: Final = "SETTLE"
    RELEASE: Final = "RELEASE"
    BET: Final = "BET"
    WIN: Final = "WIN"
    ROLLBACK: Final = "ROLLBACK"
    END_ROUND: Final = "END_ROUND"
    GRANT: Final = "GRANT"
    CONVERT: Final = "CONVERT"
    FORFEIT: Final = "FORFEIT"
    EXPIRE: Final = "EXPIRE"
    ADJUST: Final = "ADJUST"


class Status:
    POSTED: Final = "POSTED"
    REFUSED: Final = "REFUSED"
    VOID: Final = "VOID"


class WinSource:
    GAME: Final = "game"
    FREE_ROUND: Final = "free_round"
    JACKPOT: Final = "jackpot"
    PROMO: Final = "promo"


# The kinds that have one name space where a provider's profile wants so (DIALECTS.md §8.2).
SHARING: Final = (Kind.BET, Kind.WIN)
# What games send; nearly every row of a ledger is of one of these kinds.
PLAY: Final = (Kind.BET, Kind.WIN, Kind.ROLLBACK, Kind.END_ROUND)
KINDS: Final = tuple(value for name, value in vars(Kind).items() if not name.startswith("_"))
STATUSES: Final = (Status.POSTED, Status.REFUSED, Status.VOID)
WIN_SOURCES: Final = (WinSource.GAME, WinSource.FREE_ROUND, WinSource.JACKPOT, WinSource.PROMO)

# Between a player's code and a reference that is the player's own, where a provider's profile wants it so. No reference
# may hold it, so a scoped one can never be mistaken for another.
SCOPE: Final = "\x1f"


def scoped(player: str, reference: str) -> str:
    """A reference as it is stored where references are the player's own."""
    return f"{player}{SCOPE}{reference}"


def unscoped(stored: str) -> str:
    """A reference as its source wrote it, without the player it may be scoped to."""
    return stored.rpartition(SCOPE)[2]


class Verification:
    """Whether the casino knows who a player is, as its back end or an operator says; the checks are made elsewhere."""

    UNVERIFIED: Final = "unverified"
    PENDING: Final = "pending"
    VERIFIED: Final = "verified"
    REJECTED: Final = "rejected"


VERIFICATIONS: Final = (
    Verification.UNVERIFIED,
    Verification.PENDING,
    Verification.VERIFIED,
    Verification.REJECTED,
)

# What a player may limit, and for how long at a time; a wallet's limits are named by both.
LIMIT_SUBJECTS: Final = ("deposit", "stake", "loss")
LIMIT_PERIODS: Final = ("day", "week", "month")
LIMIT_NAMES: Final = tuple(f"{subject}_{period}" for subject in LIMIT_SUBJECTS for period in LIMIT_PERIODS)

# Why a withdrawal is released and not paid; kept in the row that releases it.
RELEASE_REASONS: Final = (
    "player_asked",
    "payment_failed",
    "wrong_details",
    "not_verified",
    "suspected_fraud",
    "duplicate",
    "other",
)

# Sources the house itself uses; no provider may carry one of these codes.
CASHIER: Final = "cashier"
BONUS: Final = "bonus"
OPERATOR: Final = "operator"
HOUSE_SOURCES: Final = (CASHIER, BONUS, OPERATOR)
