"""The life of a bonus, as words.

    PENDING -> QUEUED -> ACTIVE -> COMPLETED | DEPLETED | EXPIRED | FORFEITED
    PENDING | QUEUED -> CANCELLED | EXPIRED

Plain strings, as in ``wallet/kinds.py``: every bet of a wagering player compares some.
"""

from typing import Final


class State:
    PENDING: Final = "pending"
    QUEUED: Final = "queued"
    ACTIVE: Final = "active"
    COMPLETED: Final = "completed"
    DEPLETED: Final = "depleted"
    EXPIRED: Final = "expired"
    FORFEITED: Final = "forfeited"
    CANCELLED: Final = "cancelled"


WAITING: Final = (State.PENDING, State.QUEUED)
LIVE: Final = (*WAITING, State.ACTIVE)
