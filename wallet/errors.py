"""Why a request was refused: a code and named facts, never a sentence to parse.

The codes and their HTTP families are the contract of the doors; the sentences that explain
them to people live beside the doors (``casino_pam/problems.py``).
"""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

MALFORMED: Final = ("malformed", "invalid_field")
UNKNOWN: Final = (
    "unknown_player",
    "unknown_wallet",
    "unknown_currency",
    "unknown_transaction",
    "unknown_withdrawal",
    "unknown_bonus",
    "unknown_offer",
    "unknown_promo_code",
    "unknown_session",
    "unknown_provider",
    "not_found",
)
CONFLICT: Final = (
    "reference_reused",
    "original_mismatch",
    "rolled_back",
    "already_rolled_back",
    "round_closed",
    "has_payout",
    "unknown_original",
    "already_settled",
    "already_released",
    "already_exists",
    "bonus_ended",
)
NOT_NOW: Final = (
    "insufficient_funds",
    "wallet_locked",
    "player_excluded",
    "session_ended",
    "limit_reached",
    "stake_above_limit",
    "game_excluded",
    "currency_disabled",
    "offer_not_available",
    "bonus_active",
)

STATUS: Final[dict[str, int]] = {
    **dict.fromkeys(MALFORMED, 400),
    "unauthenticated": 401,
    "key_expired": 401,
    "forbidden": 403,
    **dict.fromkeys(UNKNOWN, 404),
    "method_not_allowed": 405,
    "timeout": 408,
    **dict.fromkeys(CONFLICT, 409),
    "too_large": 413,
    "unsupported_media_type": 415,
    **dict.fromkeys(NOT_NOW, 422),
    "one_currency": 422,
    "player_not_verified": 422,
    "rate_limited": 429,
    "internal": 500,
    "busy": 503,
    "unavailable": 503,
}

# Forgetting one of these would let a delayed copy of the request be accepted later.
REMEMBERED: Final = frozenset((*NOT_NOW, "round_closed"))

# These answers also tell the caller where the wallet stands.
TELLS_BALANCES: Final = frozenset(
    (
        *NOT_NOW,
        "rolled_back",
        "already_rolled_back",
        "round_closed",
        "has_payout",
        "unknown_original",
    )
)


class Refused(Exception):
    """The request was understood and not carried out; ``facts`` are safe to show the caller."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    @property
    def status(self) -> int:
        return STATUS[self.code]


class Busy(Refused):
    """Nothing is known to have happened: the very same request may be sent again."""

    def __init__(self, code: str = "busy", **facts: Any) -> None:
        super().__init__(code, **facts)


class InvalidField(Refused):
    """A field of the request is missing or has the wrong shape; nothing has happened."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("invalid_field", field=field, detail=f"{field} {message}")
        self.field = field
        self.message = message

    def inside(self, where: str) -> "InvalidField":
        """The same refusal for a field of a part, say ``operations[1]``."""
        return InvalidField(f"{where}.{self.field}", self.message)


# A body may hold thousands of names; these are enough to mend it by.
_MOST_NAMED: Final = 10
_LONGEST_NAMED: Final = 64


def unknown_members(names: Iterable[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """The members of a body that it cannot have, and what to say of each.

    A body that sets terms refuses them (PLAY.md §1): ignored, a misspelt term would be one that nobody keeps.
    """
    unknown = (name for name in names if name not in known)
    for name in islice(unknown, _MOST_NAMED):
        # Any text can be a name, and not every text can be written into an answer.
        shown = name[:_LONGEST_NAMED].encode("ascii", "backslashreplace").decode()
        close = get_close_matches(shown, known, n=1)
        yield shown, f'is no term here; "{close[0]}" is' if close else f"is no term here; known are {', '.join(known)}"
