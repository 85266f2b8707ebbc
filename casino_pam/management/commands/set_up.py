"""`manage.py set_up`: a house of one's own, from empty tables to its first operator, back end and provider."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from casino_pam.management.commands.api_key import made as made_key
from wallet import audit, jurisdictions, providers, second_person
from wallet.errors import InvalidField
from wallet.kinds import CASHIER
from wallet.management.arguments import name
from wallet.models import ApiKey, Currency, Provider
from wallet.models.oversight import COMMAND
from wallet.models.provider import SCOPES

# Who did it, in the audit trail: whoever may run commands on the house's machines.
ACTOR: Final = COMMAND + "set_up"
# A casino's own back end sees to players and money; rounds are played by providers.
BACK_END: Final = tuple(scope for scope in SCOPES if scope != "play")
HOUR: Final = 60 * 60

_currency_shape = re.compile(r"([A-Z][A-Z0-9_]{2,31})=([0-9]|1[0-8])").fullmatch


def currency(text: str) -> tuple[str, int]:
    """CODE=DIGITS."""
    found = _currency_shape(text)
    if found is None:
        raise ArgumentTypeError(f"{text[:80]!r} is not of the form EUR=2: a code, and how many decimal places it has")
    return found[1], int(found[2])


def provider(text: str) -> tuple[str, str]:
    """CODE=DIALECT."""
    code, _, dialect = text.partition("=")
    if not code or dialect not in Provider.Dialect.values:
        dialects = ", ".join(Provider.Dialect.values)
        raise ArgumentTypeError(f"{text[:80]!r} is not of the form acme=DIALECT, with a dialect of {dialects}")
    return code, dialect


def country(text: str) -> str:
    """An assigned code of ISO 3166-1."""
    try:
        return jurisdictions.country(text)
    except jurisdictions.InvalidCountry as wrong:
        raise ArgumentTypeError(str(wrong)) from None


# What is asked where nothing was said on the command line and somebody sits at the terminal.
QUESTIONS: Final[tuple[tuple[str, str, Callable[[str], Any], bool], ...]] = (
    ("operator", "Name of the first operator, who may do everything (empty: none)", name(150), False),
    ("currency", "Currencies with their decimal places, such as EUR=2 JPY=0 (empty: none)", currency, True),
    ("country", "Countries the players live in, such as MT GB (empty: say nothing of them)", country, True),
    ("key", "Name of the casino's back end, which gets an API key (empty: none)", name(64), False),
    ("provider", "Game providers with the dialect they speak, such as acme=door (empty: none)", provider, True),
)


class Command(BaseCommand):
    help = "Make what a new house needs, or what is missing of it, and say what comes next. May be run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        more: dict[str, Any] = {"action": "append"}
        parser.add_argument("--operator", type=name(150), help="the first, a superuser; a one-time link is printed")
        parser.add_argument("--currency", type=currency, metavar="CODE=DIGITS", help="such as EUR=2", **more)
        parser.add_argument("--country", type=country, help="prints what it asks of the house", **more)
        parser.add_argument("--key", type=name(64), help="the casino's back end; its key is printed once")
        parser.add_argument(
            "--provider", type=provider, metavar="CODE=DIALECT", help="its secret is shown once", **more
        )
        parser.add_argument("--no-input", action="store_true", help="ask nothing: what is not named is not made")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["no_input"] and sys.stdin.isatty() and not any(options[each] for each, *_ in QUESTIONS):
            options |= self.asked()
        with transaction.atomic():
            for code, digits in options["currency"] or ():
                self.make_currency(code, digits)
            if options["operator"]:
                self.make_operator(options["operator"])
            for code, dialect in options["provider"] or ():
                self.make_provider(code, dialect)
            if options["key"]:
                self.make_key(options["key"])
        for code in options["country"] or ():
            self.tell_country(code)
        self.stdout.write("\nNext:")
        for place, step in enumerate(steps(), 1):
            self.stdout.write(f"  {place}. {step}")

    def asked(self) -> dict[str, Any]:
        """What somebody at the terminal answers; a wrong answer is asked for again."""
        answers: dict[str, Any] = {}
        for option, question, read, several in QUESTIONS:
            while option not in answers:
                words = input(f"{question}: ").split() if several else [input(f"{question}: ").strip()]
                try:
                    found = [read(word) for word in words if word]
                except ArgumentTypeError as wrong:
                    self.stderr.write(str(wrong))
                else:
                    answers[option] = found if several else (found or [None])[0]
        return answers

    def make_currency(self, code: str, digits: int) -> None:
        """Digits never change: what is stored counts them."""
        there = Currency.objects.filter(code=code).first()
        if there is None:
            Currency.objects.create(code=code, digits=digits)
            audit.named(None, ACTOR, "add currency", subject=code, after={"digits": digits})
            self.stdout.write(f"Currency {code} with {digits} decimal places.")
        elif there.digits != digits:
            raise CommandError(f"{code} has {there.digits} decimal places already, and they never change.")
        else:
            self.stdout.write(f"Currency {code} is there.")

    def make_operator(self, username: str) -> None:
        there = User.objects.filter(username=username).first()
        if there is None:
            there = User(username=username, is_staff=True, is_superuser=True)
            there.set_unusable_password()
            try:
                there.full_clean(exclude=["password"])
            except ValidationError as wrong:
                raise CommandError(" ".join(wrong.messages)) from None
            with second_person.acting_by_command("set_up"):
                there.save()
        if there.has_usable_password():
            self.stdout.write(f"Operator {username} is there, and has a password.")
        else:
            hours = settings.PASSWORD_RESET_TIMEOUT // HOUR
            self.stdout.write(f"Operator {username}: set the password within {hours} hours, at\n  {link(there)}")

    def make_provider(self, code: str, dialect: str) -> None:
        there = Provider.objects.filter(code=code).first()
        if there is None:
            try:
                there, secret = providers.make(code, {"name": code, "dialect": dialect})
            except InvalidField as wrong:
                raise CommandError(str(wrong.facts["detail"])) from None
            audit.named(None, ACTOR, "add provider", subject=code, after={"dialect": dialect})
            self.stdout.write(f"Provider {code} speaks {dialect}. Its secret, shown this once:\n  {secret}")
        elif there.dialect != dialect:
            raise CommandError(f"{code} speaks {there.dialect}: `manage.py provider change` changes that.")
        else:
            self.stdout.write(f"Provider {code} is there.")
        self.stdout.write(f"  It calls {providers.address(there, settings.BASE_URL)}")

    def make_key(self, whose: str) -> None:
        if ApiKey.objects.filter(name=whose).exists():
            self.stdout.write(f"The key {whose} is there; it was shown when it was made.")
            return
        scopes = list(BACK_END)
        key = made_key(whose, {"scopes": scopes, "source": CASHIER, "provider": None, "expires": None})
        self.stdout.write(
            f"The back end {whose} sends `Authorization: Api-Key` and this key, shown this once:\n  {key}"
        )

    def tell_country(self, code: str) -> None:
        rules = [each for each in jurisdictions.RULES if each.country == code]
        asks = "asks of the house:" if rules else "asks nothing of the house that it knows of."
        self.stdout.write(f"{jurisdictions.name(code)} {asks}")
        for each in rules:
            self.stdout.write(f"  {each.text} ({each.source})")


def link(operator: User) -> str:
    """Where the operator sets a password that nobody else has ever seen; good once."""
    path = reverse("new_password", args=[urlsafe_base64_encode(force_bytes(operator.pk))])
    return f"{settings.BASE_URL}{path}?{urlencode({'token': default_token_generator.make_token(operator)})}"


def steps() -> Iterator[str]:
    """What is missing, as the house stands now, and then what is done once nothing is."""
    missing = (
        (Currency.objects.exists(), "--currency EUR=2"),
        (User.objects.filter(is_active=True, is_superuser=True).exists(), "--operator NAME"),
        (ApiKey.objects.filter(enabled=True).exists(), "--key NAME"),
        (Provider.objects.filter(enabled=True).exists(), "--provider CODE=DIALECT"),
    )
    options = [option for there, option in missing if not there]
    if options:
        yield f"manage.py set_up {' '.join(options)}"
    yield f"Serve it at {settings.BASE_URL} (BASE_URL), and run the jobs: docs/production.md."
    if any(not each.has_usable_password() for each in User.objects.filter(is_superuser=True)):
        yield "Open the operator's link there, log in at /admin/, and make a second operator: some acts need two."
    if ApiKey.objects.filter(enabled=True).exists():
        yield "Let the back end make a player with a wallet, and a first deposit: docs/api.md."
    for each in Provider.objects.filter(enabled=True).order_by("code"):
        # Of our own dialect there are no cases: its calls are on the page of the API, to be tried out.
        cases = each.dialect != Provider.Dialect.DOOR
        then = f" Before there is real money: manage.py certify {each.code} --yes." if cases else ""
        yield f"Give {each.code} its address and secret.{then}"
