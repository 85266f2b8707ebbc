"""Bonuses in memory beside the wallets of one posting. Everything here is pure.

``bonus.store`` fills it from the database, the rules change it, and ``bonus.store`` writes what changed. Amounts are
minor units, progress is minor units x basis points, times are microseconds since 1970, ids are text.

PENDING -> QUEUED -> ACTIVE -> COMPLETED | DEPLETED | EXPIRED | FORFEITED
PENDING | QUEUED -> CANCELLED | EXPIRED
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bonus import rules
from bonus.models import WAITING, Bonus, BonusStatus
from bonus.terms import OfferSpec, Terms, decode
from wallet.state import OpenWallet, Row
from wallet.time import to_microseconds


class OpenBonus(msgspec.Struct):
    """One bonus (bonus.models.Bonus); ``seen`` is the version that was read, None if it was made here."""

    id: str
    offer: int
    player: int
    wallet: int
    status: str
    source: str
    reference: str
    ordinal: int
    terms: Terms
    deposit: int
    amount: int
    base: int
    required: int
    wagered: int
    converted: int
    version: int
    created_at: int
    claim_by: int | None
    activated_at: int | None
    expires_at: int | None
    unverified_since: int | None
    ended_at: int | None
    ended_reason: str | None
    ended_reference: str | None
    actor: str | None
    approver: str | None
    reason: str | None
    seen: int | None = None

    @classmethod
    def of(cls, bonus: Bonus) -> OpenBonus:
        """The bonus as the model has it."""
        fields = {name: _value(bonus, name) for name in cls.__struct_fields__ if name != "seen"}
        return cls(**fields, seen=bonus.version)

    @property
    def waiting(self) -> bool:
        return self.status in WAITING

    @property
    def unverified(self) -> bool:
        """Whether it is wagered in full and waits for its player to be verified: its money is set aside."""
        return self.unverified_since is not None and self.status == BonusStatus.ACTIVE

    @property
    def complete(self) -> bool:
        """Once it waits to be converted a rollback takes that back no more than it would a conversion."""
        return self.unverified_since is not None or rules.is_complete(
            self.wagered, self.required, multiplier=self.terms.multiplier
        )

    @property
    def runs_out_at(self) -> int | None:
        """The instant at which it ends by itself in the state it is in."""
        if self.waiting:
            return self.claim_by
        return self.expires_at if self.status == BonusStatus.ACTIVE else None

    def due(self, at: int) -> bool:
        end = self.runs_out_at
        return end is not None and end <= at

    def shown_status(self, at: int) -> str:
        """Its status as a reader at that instant should see it, whether or not the end is posted yet."""
        return BonusStatus.EXPIRED if self.due(at) else self.status


def _value(bonus: Bonus, name: str) -> Any:
    value = getattr(bonus, name if name not in ("offer", "player", "wallet") else f"{name}_id")
    if name == "terms":
        return decode(value)
    if name == "id":
        return str(value)
    return to_microseconds(value) if isinstance(value, datetime) else value


class OpenOffer(msgspec.Struct):
    id: int
    spec: OfferSpec
    granted: int


class BonusNeeds(msgspec.Struct):
    """What a posting wants to know of bonuses beyond those its wallets and rows lead to.

    ``at`` is when the newest of its requests was received. ``settling`` names the wallets where a
    stake may be settled, each with the most that the posting may take from its bonus balance;
    ``deposits`` the wallets whose deposits so far may have to be counted; ``every_offer`` asks for all
    offers that are enabled.
    """

    at: int
    offers: set[str] = msgspec.field(default_factory=set)
    every_offer: bool = False
    players: set[int] = msgspec.field(default_factory=set)
    references: set[tuple[str, str]] = msgspec.field(default_factory=set)
    ids: set[str] = msgspec.field(default_factory=set)
    deposits: set[int] = msgspec.field(default_factory=set)
    settling: dict[int, int] = msgspec.field(default_factory=dict)


class Bonuses:
    """The bonuses and offers that one posting has read, and what became of them.

    ``stake_life`` is the age, in microseconds, at which a stake counts as settled.
    """

    def __init__(self, at: int, stake_life: int) -> None:
        self.at = at
        self.stake_life = stake_life
        self.by_id: dict[str, OpenBonus] = {}
        self.of_wallet: dict[int, list[OpenBonus]] = {}
        self.by_reference: dict[tuple[str, str], OpenBonus] = {}
        self.offers: dict[str, OpenOffer] = {}
        # What each player was granted of an offer: bonus ids by (offer, player) and ordinal.
        self.ordinals: dict[tuple[int, int], dict[int, str]] = {}
        self.deposits: dict[int, int] = {}
        # By bonus: when its newest unsettled stake was posted, those apart whose rows were read.
        self.open_elsewhere: dict[str, int | None] = {}
        self.journal: list[tuple[OpenBonus, OpenBonus | None]] = []

    # --- looking -----------------------------------------------------------------------------

    def know(self, bonus: OpenBonus) -> None:
        self.by_id[bonus.id] = bonus
        self.of_wallet.setdefault(bonus.wallet, []).append(bonus)
        self.by_reference[bonus.source, bonus.reference] = bonus

    def active(self, wallet: int) -> OpenBonus | None:
        for bonus in self.of_wallet.get(wallet, ()):
            if bonus.status == BonusStatus.ACTIVE:
                return bonus
        return None

    def oldest(self, wallet: int, status: str) -> list[OpenBonus]:
        """The wallet's bonuses in that status, in the order in which they were granted."""
        found = [bonus for bonus in self.of_wallet.get(wallet, ()) if bonus.status == status]
        found.sort(key=lambda bonus: (bonus.created_at, bonus.id))
        return found

    def granted_to(self, offer: int, player: int) -> dict[int, str]:
        return self.ordinals.setdefault((offer, player), {})

    # --- changing ----------------------------------------------------------------------------

    def change(self, bonus: OpenBonus) -> OpenBonus:
        """The bonus, about to be changed; its new version is what guards the write."""
        self.journal.append((bonus, msgspec.structs.replace(bonus)))
        if bonus.version == bonus.seen:
            bonus.version += 1
        return bonus

    def add(self, bonus: OpenBonus, offer: OpenOffer) -> None:
        self.know(bonus)
        self.granted_to(bonus.offer, bonus.player)[bonus.ordinal] = bonus.id
        offer.granted += 1
        self.journal.append((bonus, None))

    def mark(self) -> int:
        return len(self.journal)

    def back_to(self, mark: int) -> None:
        """Undo every change since ``mark``, newest first."""
        while len(self.journal) > mark:
            bonus, before = self.journal.pop()
            if before is None:
                self._forget(bonus)
                continue
            for name in OpenBonus.__struct_fields__:
                setattr(bonus, name, getattr(before, name))

    def _forget(self, bonus: OpenBonus) -> None:
        del self.by_id[bonus.id], self.by_reference[bonus.source, bonus.reference]
        self.of_wallet[bonus.wallet].remove(bonus)
        del self.ordinals[bonus.offer, bonus.player][bonus.ordinal]
        next(offer for offer in self.offers.values() if offer.id == bonus.offer).granted -= 1

    def changed(self) -> list[OpenBonus]:
        """Bonuses that were made or changed, each once."""
        return list({bonus.id: bonus for bonus, _ in self.journal}.values())

    def changed_wallets(self) -> set[int]:
        """Wallets to announce, whether or not they have a new version."""
        return {bonus.wallet for bonus, _ in self.journal}

    # --- telling -----------------------------------------------------------------------------

    def wagering(self, wallet: OpenWallet, row: Row | None) -> dict[str, Any] | None:
        """Progress of the bonus that ``row`` touched, else of the ACTIVE one, else None.

        ``wagered`` and ``required`` are minor units.
        """
        bonus = self.by_id.get(row.bonus) if row is not None and row.bonus is not None else None
        if bonus is None:
            bonus = self.active(wallet.id)
            if bonus is None or bonus.due(self.at):
                return None
        return progress(bonus, self.at)

    def money(self, wallet: OpenWallet) -> int:
        """The bonus money a reader should see: that of a bonus past its time is as good as gone."""
        active = self.active(wallet.id)
        return 0 if active is not None and active.due(self.at) else wallet.bonus


def progress(bonus: OpenBonus, at: int) -> dict[str, Any]:
    status = bonus.shown_status(at)
    shown = rules.shown_progress(
        bonus.wagered, bonus.required, completed=status == BonusStatus.COMPLETED or bonus.unverified
    )
    return {
        "bonus": bonus.id,
        "wagered": shown.wagered,
        "required": bonus.required,
        "percent": shown.percent,
        "status": status,
    }


class BonusSummary(msgspec.Struct):
    """A bonus as it is told to the outside: money in minor units, times in microseconds."""

    id: str
    offer: str
    currency: str
    status: str
    amount: int
    required: int
    wagered: int
    percent: int
    created_at: int
    expires_at: int | None
    waits_for: str | None
    ended_at: int | None


def summary(bonus: OpenBonus, at: int) -> BonusSummary:
    """The bonus at that instant; ``expires_at`` is what ends it by itself in the state it is in."""
    told = progress(bonus, at)
    return BonusSummary(
        id=bonus.id,
        offer=bonus.terms.offer,
        currency=bonus.terms.currency,
        status=told["status"],
        amount=bonus.amount,
        required=told["required"],
        wagered=told["wagered"],
        percent=told["percent"],
        created_at=bonus.created_at,
        expires_at=bonus.claim_by if bonus.activated_at is None else bonus.expires_at,
        waits_for="verification" if bonus.unverified else None,
        ended_at=bonus.ended_at,
    )
