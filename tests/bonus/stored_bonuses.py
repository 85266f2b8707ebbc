"""Bonuses written straight into the database, in whatever state a test needs."""

from datetime import UTC, datetime
from typing import Any

from uuid_utils.compat import uuid7

from bonus.models import LIVE, Bonus, BonusStatus, Offer
from bonus.terms import encode
from wallet.models import Player, Wallet

NOON = datetime(2026, 9, 21, 12, tzinfo=UTC)
PLAYED = (BonusStatus.ACTIVE, BonusStatus.COMPLETED, BonusStatus.DEPLETED, BonusStatus.FORFEITED)


def wallet_of(code: str, currency: str = "EUR") -> Wallet:
    player, _ = Player.objects.get_or_create(code=code)
    return Wallet.objects.get_or_create(player=player, currency_id=currency)[0]


def grant(offer: Offer, wallet: Wallet, status: str = BonusStatus.PENDING, ordinal: int = 1, **fields: Any) -> Bonus:
    """A bonus in a state, with the times that belong to it."""
    bonus_id = uuid7()
    return Bonus.objects.create(
        **{
            "id": bonus_id,
            "offer": offer,
            "player_id": wallet.player_id,
            "wallet": wallet,
            "status": status,
            "source": "cashier",
            "reference": str(bonus_id),
            "ordinal": ordinal,
            "terms": encode(offer.terms_for(wallet.currency_id)),
            "created_at": NOON,
            "activated_at": NOON if status in PLAYED else None,
            "ended_at": None if status in LIVE else NOON,
        }
        | fields
    )
