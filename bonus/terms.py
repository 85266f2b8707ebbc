"""What an offer promises, and the copy of it that is frozen into every bonus.

Amounts are integers in the currency's minor unit. A bonus keeps its Terms as canonical JSON text:
later edits of the offer change nothing that was already promised.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from bonus.rules import BASIS_POINTS, Base, Conversion, Counted, Excluded, SpendOrder, Weights, least_weight
from wallet.errors import Refused
from wallet.jurisdictions import Demand, Rule, rule


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
    promo_code: str | None = None
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


def jurisdiction_breaches(country: str | None, terms: Conditions) -> Iterator[Problem]:
    """What the rules of a country forbid in these terms (``wallet.jurisdictions``).

    Asked at save for the countries an offer names, and for the country of the player whenever a bonus is granted or
    would come by its money (docs/decisions/0010-jurisdiction-rules.md).
    """
    cap = rule(country, Demand.WAGERING)
    if cap is not None:
        yield from _above(cap, terms)
        if terms.counted is not Counted.ALL:
            yield Problem("counted", f"must be all for players in {country}")
    if rule(country, Demand.WITHOUT_DEPOSIT) and terms.base is Base.DEPOSIT_PLUS_BONUS:
        yield Problem("base", f"must not include the deposit for players in {country}")
    if rule(country, Demand.WITHDRAWAL) and terms.on_withdrawal is OnWithdrawal.REFUSE:
        yield Problem("on_withdrawal", f"must not refuse withdrawals to players in {country}")


def _above(cap: Rule, terms: Conditions) -> Iterator[Problem]:
    """Whether more than the cap need be wagered on the game that counts least: M x 10000 / its weight."""
    least = least_weight(terms.weights, terms.excluded)
    if terms.multiplier * BASIS_POINTS <= cap.figure * least.weight_bp:
        return
    if terms.multiplier > cap.figure and least.weight_bp <= BASIS_POINTS:
        yield Problem("multiplier", f"must be at most {cap.figure} for players in {cap.country}")
    else:
        counts = f"{least.name} counts {least.weight_bp} of {BASIS_POINTS} basis points"
        yield Problem(
            "multiplier",
            f"must come to at most {cap.figure} times on every game for players in {cap.country}: {counts}",
        )
