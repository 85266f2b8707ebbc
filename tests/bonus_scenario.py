"""Bonuses in tests: offers in a line, and what is asked of them (beside tests/scenario.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bonus.models import Bonus, BonusStatus, Offer
from bonus.offers import create_offer
from bonus.terms import encode
from casino_pam.engine import commands
from tests import scenario
from tests.sample_offers import FIXED, WELCOME
from wallet.kinds import BONUS
from wallet.models import Game, Provider, Transaction, Wallet

EVERYTHING: dict[str, Any] = {"weights": {}, "excluded": {}, "max_stake_bp": None, "which_deposit": "any"}


def match(**fields: Any) -> Offer:
    """A plain 100 % deposit match on EUR, all games alike, without limits; ``fields`` as in an offer's JSON."""
    amounts = {"cap": "200.00", **fields.pop("eur", {})}
    return create_offer({**WELCOME, **EVERYTHING, "amounts": {"EUR": amounts}, **fields})


def gift(amount: str = "5.00", **fields: Any) -> Offer:
    """A fixed bonus in EUR."""
    amounts = {"amount": amount, **fields.pop("eur", {})}
    return create_offer({**FIXED, "amounts": {"EUR": amounts}, **fields})


def deposit(amount: str, offer: str | None = "welcome", who: str = "bob", **fields: Any) -> Any:
    return scenario.deposit(who, amount=scenario.eur(amount), offer=offer, **fields)


def _ask(kind: Any, who: str, fields: dict[str, Any], **defaults: Any) -> Any:
    return scenario.do(kind(**{"source": "cashier", "player": who, "at": scenario.NOON, **defaults, **fields}))


def grant(offer: str = "gift", who: str = "bob", **fields: Any) -> Any:
    return _ask(commands.Grant, who, {"offer": offer, **fields}, currency="EUR", reference=scenario.fresh("grant"))


def claim(offer: str = "gift", who: str = "bob", **fields: Any) -> Any:
    return _ask(commands.Claim, who, {"offer": offer, **fields}, currency="EUR")


def forfeit(bonus: str, who: str = "bob", **fields: Any) -> Any:
    fields = {"bonus": str(bonus), **fields}
    return _ask(commands.Forfeit, who, fields, reference=scenario.fresh("forfeit"), reason="given up")


def run_due(who: str = "bob", **fields: Any) -> Any:
    return _ask(commands.RunDue, who, fields, currency="EUR")


def wagering(amount: str = "30.00", cash: str = "0.00", who: str = "bob", **fields: Any) -> Bonus:
    """Bob with ``cash``, and ``amount`` of bonus money that he wagers; ``fields`` as in an offer's JSON."""
    scenario.player(who, cash)
    gift(amount, **{"multiplier": 10, **fields})
    grant(who=who, at=scenario.NOON - scenario.SECOND)
    return the(who=who)


def promised(id: str, who: str) -> Bonus:
    """A deposit match of a known id that waits for the player's deposit."""
    offer, wallet = match(code="promised"), Wallet.objects.get(player__code=who, currency="EUR")
    return Bonus.objects.create(
        id=id,
        offer=offer,
        player=wallet.player,
        wallet=wallet,
        status=BonusStatus.PENDING,
        source="cashier",
        reference=id,
        ordinal=1,
        terms=encode(offer.terms_for("EUR")),
        created_at=datetime.fromtimestamp(scenario.NOON / scenario.SECOND, UTC),
    )


def the(offer: str = "gift", who: str = "bob") -> Bonus:
    """The player's newest bonus of the offer, as the database has it."""
    return Bonus.objects.filter(offer__code=offer, player__code=who).latest("id")


def rows(who: str = "bob") -> list[tuple[str, int, int]]:
    """Kind, cash and bonus money of every row of the player, in order."""
    found = Transaction.objects.filter(wallet__player__code=who).order_by("wallet", "version")
    return [(row.kind, row.cash_delta, row.bonus_delta) for row in found]


def kinds(who: str = "bob") -> list[str]:
    return [kind for kind, _, _ in rows(who)]


def statuses(who: str = "bob") -> list[str]:
    """Of every bonus the player was promised, in order."""
    return [bonus.status for bonus in Bonus.objects.filter(player__code=who).order_by("id")]


def ended(kind: str, bonus: Bonus) -> Transaction:
    """The one row of that kind the bonus may ever have."""
    return Transaction.objects.get(source=BONUS, reference=str(bonus.id), kind=kind)


def game(code: str, category: str, provider: str = "acme") -> Game:
    return Game.objects.create(provider=Provider.objects.get(code=provider), code=code, category=category)
