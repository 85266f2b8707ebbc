"""What an offer promises, and the copy of it that is frozen into every bonus.

Amounts are integers in the currency's minor unit. A bonus keeps its Terms as canonical JSON text:
later edits of the offer change nothing that was already promised.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from bonus.rules import Base, Conversion, Counted, Excluded, SpendOrder, Weights
from wallet.errors import Refused


class OfferKind(StrEnum):
    """What makes the bonus money."""

    DEPOSIT_MATCH = "deposit_match"
    FIXED = "fixed"
    FREE_ROUNDS = "free_rounds"
    CASHBACK = "cashback"


class OverMaxStake(StrEnum):
    """What happens to a bet above the stake limit: it is refused, or the bonus is forfeited."""

    REFUSE = "refuse"
    FORFEIT = "forfeit"


class OnWithdrawal(StrEnum):
    """What a withdrawal does to an active bonus, or an active bonus to a withdrawal."""

    FORFEIT = "forfeit"
    REFUSE = "refuse"
    KEEP = "keep"


WhichDeposit = Literal["any", "first"] | int


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """An offer's amounts in one currency, in minor units."""

    cap: int | None = None
    amount: int | None = None
    min_deposit: int = 0
    max_stake: int | None = None
    max_conversion: int | None = None
    depleted_below: int = 0


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The terms that are the same in every currency, with their defaults."""

    kind: OfferKind
    percent_bp: int | None = None
    which_deposit: WhichDeposit = "any"
    multiplier: int
    base: Base = Base.BONUS
    counted: Counted = Counted.ALL
    spend_order: SpendOrder = SpendOrder.CASH_FIRST
    weights: Weights = Weights()
    excluded: Excluded = Excluded()
    max_stake_bp: int | None = None
    over_max_stake: OverMaxStake = OverMaxStake.REFUSE
    conversion: Conversion = Conversion.BALANCE
    sticky: bool = False
    on_withdrawal: OnWithdrawal = OnWithdrawal.FORFEIT
    claim_days: int | None = None
    spend_days: int | None = None


class Terms(Conditions, frozen=True, kw_only=True):
    """Everything a bonus in one currency is held to, from its grant to its end."""

    offer: str
    currency: str
    cap: int | None
    amount: int | None
    min_deposit: int
    max_stake: int | None
    max_conversion: int | None
    depleted_below: int


class OfferSpec(Conditions, frozen=True, kw_only=True):
    """A whole offer, valid and in minor units: what is saved, and what is shown again."""

    code: str
    name: str
    amounts: Mapping[str, Amounts]
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    per_player: int = 1
    total: int | None = None
    countries: tuple[str, ...] = ()
    enabled: bool = True

    def terms_for(self, currency: str) -> Terms:
        """The terms to freeze into a bonus; refused when the offer names no amounts in the currency."""
        amounts = self.amounts.get(currency)
        if amounts is None:
            raise Refused("offer_not_available", why="currency")
        conditions = {field: getattr(self, field) for field in Conditions.__struct_fields__}
        return Terms(offer=self.code, currency=currency, **conditions, **msgspec.structs.asdict(amounts))


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Terms)
# msgspec learns a type when it first meets it, and two threads that do so at once end the process
# (version 0.22). Other types are met where their decoders are made, while modules are imported.
msgspec.json.Decoder(OfferSpec)


def encode(terms: Terms) -> str:
    """Canonical JSON: equal terms are equal texts."""
    return _encoder.encode(terms).decode()


def decode(text: str) -> Terms:
    """The terms in a text that `encode` made; raises msgspec.ValidationError for any other."""
    return _decoder.decode(text)


class Problem(NamedTuple):
    """What is wrong with one field, in words for an operator."""

    field: str
    message: str


GB_MAX_MULTIPLIER = 10


def jurisdiction_breaches(country: str | None, terms: Conditions) -> Iterator[Problem]:
    """What the rules of a country forbid in these terms.

    Asked at save for the countries an offer names, and at grant for the country of the player
    (docs/decisions/0010-jurisdiction-rules.md). The cap on the multiplier is that of the Gambling
    Commission's Social Responsibility Code 5.1.1.
    """
    if country != "GB":
        return
    if terms.multiplier > GB_MAX_MULTIPLIER:
        yield Problem("multiplier", f"must be at most {GB_MAX_MULTIPLIER} for players in GB")
    if terms.base is Base.DEPOSIT_PLUS_BONUS:
        yield Problem("base", "must not include the deposit for players in GB")
    if terms.on_withdrawal is OnWithdrawal.REFUSE:
        yield Problem("on_withdrawal", "must not refuse withdrawals to players in GB")
