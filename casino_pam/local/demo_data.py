"""The demo's data: a few players with a history, an operator of each role, a provider, a key.

Money comes and goes as it always does: by commands, through the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Group, User

from bonus.models import Offer
from bonus.offers import create_offer
from casino_pam.demo import (
    API_KEY,
    GUESTS,
    MERCHANT,
    OPERATORS,
    PROVIDER,
    PROVIDERS,
    Guest,
    NotADemo,
    must_be_allowed,
    secret,
)
from casino_pam.engine import commands, posting
from casino_pam.engine.commands import Bet, Command, Deposit, EndRound, Hold, Rollback, Settle, Win
from casino_pam.provider_side import Sender
from wallet import money, providers
from wallet.errors import Refused
from wallet.kinds import CASHIER, Verification
from wallet.models import ApiKey, Currency, Game, Player, Provider, Transaction, Wallet
from wallet.models.provider import LEAST_KEY_BITS, SCOPES
from wallet.time import DAY, SECOND

MINUTE: Final = 60 * SECOND
CURRENCIES: Final = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3, "BTC": 8}
# What makes an adjustment wait for a second operator, worth about the same in each currency.
THRESHOLDS: Final = {"EUR": "1000", "USD": "1000", "JPY": "150000", "KWD": "300", "BTC": "0.01"}
GAMES: Final = {
    "book-of-days": "slots",
    "lucky-sevens": "slots",
    "blackjack-1": "table",
    "roulette-live": "live",
    "crash-rocket": "crash",
}
# What players are promised: a match on the second deposit, and a gift to claim. Amounts are worth about the same.
WELCOME: Final = {"EUR": "200.00", "USD": "200.00", "JPY": "30000", "KWD": "60.000", "BTC": "0.00500000"}
GIFT: Final = {"EUR": "10.00", "USD": "10.00", "JPY": "1500", "KWD": "3.000", "BTC": "0.00020000"}
OFFERS: Final[tuple[dict[str, Any], ...]] = (
    {
        "code": "welcome",
        "name": "Welcome 100 %",
        "kind": "deposit_match",
        "percent_bp": 10_000,
        "multiplier": 10,
        "weights": {"default": 10_000, "category": {"table": 1_000, "live": 500}},
        "excluded": {"game": ["crash-rocket"], "category": []},
        "amounts": {code: {"cap": cap} for code, cap in WELCOME.items()},
        "spend_days": 30,
    },
    {
        "code": "gift",
        "name": "A gift to play with",
        "kind": "fixed",
        "multiplier": 5,
        "amounts": {code: {"amount": amount} for code, amount in GIFT.items()},
        "claim_days": 7,
        "spend_days": 7,
    },
    {
        "code": "sunday",
        "name": "A tenth of the week's losses back",
        "kind": "cashback",
        "percent_bp": 1_000,
        "multiplier": 1,
        "amounts": {code: {"cap": cap} for code, cap in GIFT.items()},
        "spend_days": 7,
    },
)
# Winnings of successive spins in tenths of the stake: a losing streak, some small wins, a big one.
PAYOUTS: Final = (0, 0, 15, 0, 5, 0, 0, 40, 0, 10, 0, 0, 0, 250, 0, 20)


def load() -> None:
    """Make whatever of the demo is missing. Raises NotADemo in a house that others have furnished.

    The key comes first: it marks the house as the demo's, so that a load that was cut short goes on.
    """
    must_be_allowed()
    if not ApiKey.objects.filter(name=API_KEY).exists() and _furnished():
        raise NotADemo("This house has players, providers or operators of its own: nothing was loaded.")
    key = {"digest": ApiKey.digest_of(secret("api key")), "scopes": list(SCOPES), "source": CASHIER, "enabled": True}
    ApiKey.objects.update_or_create(name=API_KEY, defaults=key)
    _load_currencies()
    _load_provider()
    _load_dialects()
    _load_operators()
    _load_offers()
    for guest in GUESTS:
        _load_guest(guest)
    _load_excluded()


def _furnished() -> bool:
    return Player.objects.exists() or Provider.objects.exists() or User.objects.exists() or ApiKey.objects.exists()


def _load_currencies() -> None:
    for code, digits in CURRENCIES.items():
        above = money.parse(THRESHOLDS[code], digits)
        Currency.objects.get_or_create(code=code, defaults={"digits": digits, "approval_above": above})


def _load_provider() -> None:
    provider, _ = Provider.objects.get_or_create(code=PROVIDER, defaults={"name": "Demo Studio"})
    if secret("provider").encode() not in provider.live_secrets():
        provider.set_secret(secret("provider"))
        provider.save()
    for code, category in GAMES.items():
        Game.objects.get_or_create(provider=provider, code=code, defaults={"category": category})
    ApiKey.objects.filter(name=API_KEY, provider=None).update(provider=provider)


def _load_dialects() -> None:
    for code, dialect in PROVIDERS.items():
        provider = Provider.objects.filter(code=code).first()
        if provider is None:
            provider = Provider(code=code, name=f"Demo {dialect.title()}")
            provider.choose(dialect)
            provider.merchant = MERCHANT
        if secret(code).encode() not in provider.live_secrets():
            provider.set_secret(secret(code))
        provider.save()


def sign_anew(code: str) -> RSAPrivateKey:
    """A new private key for the provider, whose public half is stored beside the newest one before it.

    The demo keeps no private key anywhere: whoever is to sign makes one.
    """
    key = generate_private_key(public_exponent=65537, key_size=LEAST_KEY_BITS)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    before = providers.find(code).public_key_one
    providers.change(code, {"public_key_one": pem, "public_key_two": before})
    return key


def sender(code: str) -> Sender:
    """The demo's provider of that code, able to sign."""
    dialect = PROVIDERS[code]
    key = sign_anew(code) if dialect == "hub88" else None
    return Sender(dialect, code, secret(code), MERCHANT, key)


def _load_offers() -> None:
    for offer in OFFERS:
        if not Offer.objects.filter(code=offer["code"]).exists():
            create_offer(offer)


def _load_operators() -> None:
    for operator in OPERATORS:
        boss = operator.role == "superuser"
        user, _ = User.objects.get_or_create(username=operator.name, defaults={"is_staff": True, "is_superuser": boss})
        if not user.check_password(secret(operator.name)):
            user.set_password(secret(operator.name))
            user.save()
        if not boss:
            user.groups.set([Group.objects.get(name=operator.role)])


def _load_guest(guest: Guest) -> None:
    """The player, the wallet, and its history in one transaction, unless it has one."""
    known = {"country": guest.country, "verification": Verification.VERIFIED}
    player, _ = Player.objects.get_or_create(code=guest.code, defaults=known)
    wallet, _ = Wallet.objects.get_or_create(player=player, currency_id=guest.currency)
    if Transaction.objects.filter(wallet=wallet).exists():
        return
    for outcome in posting.post(list(history(guest))):
        if isinstance(outcome, Refused) and outcome.code != "insufficient_funds":
            raise outcome


def _load_excluded() -> None:
    """One player whom the house must keep from playing; not printed, since her bets are refused."""
    vera, _ = Player.objects.get_or_create(
        code="vera", defaults={"country": "SE", "bet_locked": True, "deposit_locked": True}
    )
    Wallet.objects.get_or_create(player=vera, currency_id="EUR")


def history(guest: Guest) -> Iterator[Command]:
    """Six days of a player: a deposit, spins, a bet rolled back, one refused, a withdrawal, a bonus begun."""
    digits = CURRENCIES[guest.currency]
    now = commands.now()
    stake = money.parse(guest.stake, digits)
    deposit = money.parse(guest.deposit, digits)

    def common(name: str, at: int) -> dict[str, Any]:
        return {"player": guest.code, "reference": f"{guest.code}-{name}", "at": at}

    def spin(number: int, game: str, at: int, amount: int = stake) -> Bet:
        name: dict[str, Any] = {"currency": guest.currency, "round": f"{guest.code}-round-{number}", "game": game}
        return Bet(source=PROVIDER, amount=amount, **name, **common(f"bet-{number}", at))

    cash: dict[str, Any] = {"source": CASHIER, "currency": guest.currency}
    yield Deposit(amount=deposit, **cash, **common("deposit-1", now - 6 * DAY))
    games = tuple(GAMES)
    for number, payout in enumerate(PAYOUTS, start=1):
        at = now - 5 * DAY + number * 90 * MINUTE
        bet = spin(number, games[number % len(games)], at)
        yield bet
        if payout:
            won: dict[str, Any] = {"source": PROVIDER, "currency": guest.currency, "round": bet.round, "game": bet.game}
            amount = stake * payout // 10
            yield Win(bet=bet.reference, amount=amount, **won, **common(f"win-{number}", at + MINUTE))
        end: dict[str, Any] = {"source": PROVIDER, "currency": guest.currency, "round": bet.round}
        yield EndRound(**end, **common(f"end-{number}", at + 2 * MINUTE))
    undone = spin(100, games[0], now - 2 * DAY)
    yield undone
    yield Rollback(source=PROVIDER, original=undone.reference, **common("rollback-100", now - 2 * DAY + MINUTE))
    yield spin(101, games[3], now - DAY, amount=deposit * 10)
    yield Hold(amount=deposit // 10, **cash, **common("withdrawal-1", now - DAY + 60 * MINUTE))
    yield Settle(**cash, **common("withdrawal-1", now - DAY + 120 * MINUTE))
    yield Hold(amount=deposit // 20, **cash, **common("withdrawal-2", now - 90 * MINUTE))
    yield Deposit(amount=deposit // 4, offer="welcome", **cash, **common("deposit-2", now - 60 * MINUTE))
    for number in (201, 202, 203):
        yield spin(number, "book-of-days", now - (260 - number) * MINUTE)
