"""The cast of the tests: Alice has cash, Bob is new, Carol is excluded; two providers, four currencies.

Amounts here are decimal strings, as people write them; ``eur("1.00")`` is 100 minor units.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from casino_pam.engine import commands, posting
from wallet import money
from wallet.errors import Refused
from wallet.models import Currency, Game, GameSession, Player, Provider, Wallet

NOON = 1_790_000_000_000_000  # an instant in September 2026, microseconds since 1970
SECOND = 1_000_000
DAY = 86_400 * SECOND

_names = itertools.count(1)


def eur(text: str) -> int:
    return money.parse_signed(text, 2)


def moment(at: int) -> datetime:
    """Microseconds since 1970 as the models have them."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at)


def fresh(prefix: str = "r") -> str:
    """A reference nobody has used."""
    return f"{prefix}-{next(_names)}"


def catalogue() -> None:
    """Four currencies and two providers with all their profile's defaults."""
    units = {"EUR": 2, "JPY": 0, "KWD": 3, "BTC": 8}
    Currency.objects.bulk_create(Currency(code=code, digits=digits) for code, digits in units.items())
    providers = [Provider(code=code, name=code.title()) for code in ("acme", "zenith")]
    for provider in providers:
        provider.set_secret(f"{provider.code}-secret")
    Provider.objects.bulk_create(providers)


def profile(code: str = "acme", **fields: Any) -> None:
    Provider.objects.filter(code=code).update(**fields)


def close_every_gate() -> None:
    """Locks and an exclusion on every player; currencies, acme and its slot-1 are switched off."""
    Player.objects.update(bet_locked=True, deposit_locked=True, withdraw_locked=True, excluded_until=moment(NOON + DAY))
    Currency.objects.update(enabled=False)
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-1", enabled=False)
    profile(enabled=False)


def player(code: str, cash: str = "0.00", *, currency: str = "EUR", **fields: Any) -> Wallet:
    """A player with one wallet holding ``cash``, deposited at NOON less a day."""
    who, _ = Player.objects.get_or_create(code=code, defaults=fields)
    wallet = Wallet.objects.create(player=who, currency_id=currency)
    amount = money.parse(cash, wallet.currency.digits)
    if amount:
        deposit(code, amount=amount, currency=currency, at=NOON - DAY)
    wallet.refresh_from_db()
    return wallet


def opened(id: str, who: str, provider: str = "acme", currency: str = "EUR") -> GameSession:
    """A session of that id, which lives for a day."""
    now = datetime.now(UTC)
    return GameSession.objects.create(
        id=id,
        provider=Provider.objects.get(code=provider),
        player=Player.objects.get(code=who),
        currency_id=currency,
        game="slot-1",
        created_at=now,
        expires_at=now + timedelta(days=1),
    )


def alice(cash: str = "100.00") -> Wallet:
    return player("alice", cash)


def bob(cash: str = "0.00") -> Wallet:
    return player("bob", cash)


def do(command: commands.AnyRequest) -> Any:
    """What becomes of a command: its receipt, or the refusal itself (not raised)."""
    return posting.ask(command)


def word(outcome: Any) -> str:
    """An outcome in one word: its status, or its refusal's code."""
    return str(outcome.code if isinstance(outcome, Refused) else outcome.status)


def _play(kind: Any, who: str, fields: dict[str, Any], **defaults: Any) -> Any:
    given = {"source": "acme", "player": who, "at": NOON, "reference": fresh(), **defaults, **fields}
    return do(kind(**given))


def bet(who: str = "alice", amount: str = "10.00", **fields: Any) -> Any:
    return _play(commands.Bet, who, {"amount": eur(amount), **fields}, currency="EUR", round="round-1", game="slot-1")


def many_bets(count: int, who: str = "alice") -> None:
    """Bets of nothing, and what the planner knows of them: rows of a ledger that has grown at the price of a few."""
    fields = {"source": "acme", "player": who, "currency": "EUR", "game": "slot-1", "at": NOON, "amount": 0}
    for _ in range(0, count, 100):
        bets = [commands.Bet(reference=fresh("many"), round=fresh("many-round"), **fields) for _ in range(100)]
        assert {word(outcome) for outcome in posting.post(bets)} == {"posted"}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE wallet_transaction, wallet_wallet")


def win(who: str = "alice", amount: str = "10.00", **fields: Any) -> Any:
    return _play(commands.Win, who, {"amount": eur(amount), **fields}, currency="EUR", round="round-1", game="slot-1")


def rollback(original: str, who: str = "alice", **fields: Any) -> Any:
    return _play(commands.Rollback, who, {"original": original, **fields})


def end_round(who: str = "alice", round: str = "round-1", **fields: Any) -> Any:
    return _play(commands.EndRound, who, {"round": round, **fields}, currency="EUR")


def deposit(who: str, *, amount: int, currency: str = "EUR", **fields: Any) -> Any:
    return _play(commands.Deposit, who, {"amount": amount, "source": "cashier", **fields}, currency=currency)


def hold(who: str = "alice", amount: str = "10.00", **fields: Any) -> Any:
    return _play(commands.Hold, who, {"amount": eur(amount), "source": "cashier", **fields}, currency="EUR")


def settle(reference: str, who: str = "alice", **fields: Any) -> Any:
    return _play(commands.Settle, who, {"reference": reference, "source": "cashier", **fields}, currency="EUR")


def release(reference: str, who: str = "alice", **fields: Any) -> Any:
    return _play(commands.Release, who, {"reference": reference, "source": "cashier", **fields}, currency="EUR")


def adjust(who: str = "alice", amount: str = "5.00", **fields: Any) -> Any:
    return _play(
        commands.Adjust,
        who,
        {"amount": eur(amount), "source": "operator", **fields},
        currency="EUR",
        reason="a correction",
    )


def balances(who: str = "alice", currency: str = "EUR") -> tuple[int, int, int]:
    """Cash, bonus and held as the database has them, in minor units."""
    wallet = Wallet.objects.get(player__code=who, currency=currency)
    return wallet.cash, wallet.bonus, wallet.held
