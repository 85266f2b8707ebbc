"""What can be asked of the engine. Frozen, typed, already validated; amounts in minor units.

A command says who named its reference (``source``), when it was received (``at``, microseconds
since 1970 in UTC: the only clock the rules know) and until when it may still be taken up
(``deadline``, on the process's monotonic clock). References and originals are stored references:
for a provider whose references are unique per player they already carry the player.
"""

import math
import time
from typing import ClassVar

import msgspec

from wallet.kinds import Kind

# Every door stamps its commands with it.
from wallet.time import now as now

# A request that was not taken up within this time is not taken up any more (PLAY.md, rule 30).
PATIENCE_SECONDS = 2.5
# Whoever was taken up late still has this long for PostgreSQL to answer; then the caller is told 503.
GRACE_SECONDS = 0.4


def deadline() -> float:
    """The latest moment, on the monotonic clock, at which a command received now may be posted."""
    return time.monotonic() + PATIENCE_SECONDS


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Anything asked about one player; ``source`` is who asks."""

    source: str
    player: str
    at: int
    deadline: float = math.inf
    # Which state of the provider's secrets verified the request; None where no signature did.
    secrets_version: int | None = None
    # The session that the door took for the player's newest with this provider, where it took one.
    newest: str | None = None


class Balance(Request, frozen=True, kw_only=True):
    """Where a wallet stands; changes nothing.

    ``session`` (its id) is named where an ended one shall be refused.
    """

    currency: str
    session: str | None = None


class Find(Request, frozen=True, kw_only=True):
    """The stored receipt of a reference; ``kind`` as in the ledger; changes nothing."""

    kind: str
    reference: str


class Command(Request, frozen=True, kw_only=True):
    """A request that spends a reference."""

    kind: ClassVar[str]

    reference: str
    actor: str | None = None


class Play(Command, frozen=True, kw_only=True):
    """A command of a game provider; ``source`` is the provider's code."""


class Bet(Play, frozen=True, kw_only=True):
    """``session`` (its id) is refused once it has ended; ``wagering`` False is a tip, which counts for no bonus.

    Both are None where the request did not say.
    """

    kind = Kind.BET

    currency: str
    round: str
    game: str
    amount: int
    ends_round: bool = False
    session: str | None = None
    wagering: bool | None = None


class Win(Play, frozen=True, kw_only=True):
    """``bet`` and ``win_source`` are None where the request did not say."""

    kind = Kind.WIN

    currency: str
    amount: int
    round: str | None = None
    game: str | None = None
    bet: str | None = None
    win_source: str | None = None
    ends_round: bool = False


class Rollback(Play, frozen=True, kw_only=True):
    """Undo ``original``. Whatever else is named must agree with the stored row.

    ``amount`` stays the decimal string of the request: which currency's digits it has is known
    only once the original is found.
    """

    kind = Kind.ROLLBACK

    original: str
    original_kind: str | None = None
    currency: str | None = None
    round: str | None = None
    game: str | None = None
    amount: str | None = None
    reason: str | None = None
    # An operator's: whether wins may be rolled back is said to the provider, not to the house.
    by_hand: bool = False


class EndRound(Play, frozen=True, kw_only=True):
    kind = Kind.END_ROUND

    currency: str
    round: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Operations on one wallet, in order, all or nothing."""

    operations: tuple[Play, ...]

    @property
    def player(self) -> str:
        return self.operations[0].player

    @property
    def deadline(self) -> float:
        return self.operations[0].deadline

    @property
    def source(self) -> str:
        return self.operations[0].source


class Deposit(Command, frozen=True, kw_only=True):
    """Money in. ``captured``: the gateway already took it, so the gates are skipped."""

    kind = Kind.DEPOSIT

    currency: str
    amount: int
    offer: str | None = None
    captured: bool = False


class Hold(Command, frozen=True, kw_only=True):
    """A withdrawal asked for: the money waits in ``held``."""

    kind = Kind.HOLD

    currency: str
    amount: int


class Settle(Command, frozen=True, kw_only=True):
    """The withdrawal held under the same reference was paid."""

    kind = Kind.SETTLE

    currency: str


class Release(Command, frozen=True, kw_only=True):
    """The withdrawal held under the same reference will not be paid; ``reason`` is one of RELEASE_REASONS."""

    kind = Kind.RELEASE

    currency: str
    reason: str | None = None


class Adjust(Command, frozen=True, kw_only=True):
    """A correction by hand; ``amount`` may be negative."""

    kind = Kind.ADJUST

    currency: str
    amount: int
    reason: str
    bonus: str | None = None


class BonusRequest(Request, frozen=True, kw_only=True):
    """A request about bonuses; what it is about spends its reference, if it has one."""

    actor: str | None = None


class Browse(Request, frozen=True, kw_only=True):
    """Which offers the player could claim now; changes nothing."""


class Grant(BonusRequest, frozen=True, kw_only=True):
    """Grant ``offer``; ``loss`` is the net loss that a cashback pays on.

    A fixed bonus of more than ``waits_above`` minor units waits for the approval of somebody other
    than ``actor``, who reads its ``reason``; None lets every grant begin at once.
    """

    currency: str
    reference: str
    offer: str
    loss: int | None = None
    waits_above: int | None = None
    reason: str | None = None


class Claim(BonusRequest, frozen=True, kw_only=True):
    """The player takes an offer up, with the promo code (in capitals) if it has one."""

    currency: str
    offer: str
    promo_code: str | None = None

    @property
    def reference(self) -> str | None:
        """A code is good once for a player, however often the offer may be had; a plain claim has no reference."""
        return None if self.promo_code is None else f"promo:{self.promo_code}:{self.offer}:{self.player}"


class OfBonus(BonusRequest, frozen=True, kw_only=True):
    """A request about one ``bonus`` (its id)."""

    bonus: str


class Approve(OfBonus, frozen=True, kw_only=True):
    """The second person's consent to a grant that waits for it."""


class Reject(OfBonus, frozen=True, kw_only=True):
    """The second person's no to a grant that waits for a yes."""

    reason: str


class Extend(OfBonus, frozen=True, kw_only=True):
    """Give a bonus that has not ended time until ``until`` (microseconds)."""

    until: int


class Forfeit(OfBonus, frozen=True, kw_only=True):
    """Give up a bonus."""

    reference: str
    reason: str


class Complete(OfBonus, frozen=True, kw_only=True):
    """Convert an ACTIVE bonus as if it were wagered, at an operator's word.

    One that would become more cash than ``waits_above`` minor units is refused: ``forbidden``,
    ``why`` ``needs_approval``. None is for what was approved.
    """

    reference: str
    reason: str
    waits_above: int | None = None


class RunDue(Request, frozen=True, kw_only=True):
    """Do what is due on the bonuses of a wallet that nobody else has touched."""

    currency: str


AnyRequest = Request | Batch
