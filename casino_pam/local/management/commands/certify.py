"""`manage.py certify`: a dialect's cases against a running server, and a table of what came of them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from casino_pam import demo
from casino_pam.local import certify, demo_data
from casino_pam.provider_side import Sender
from wallet.management.arguments import name
from wallet.models import Provider
from wallet.models.provider import profile_of


class Command(BaseCommand):
    help = (
        "Play the cases of a provider's dialect against a running server, with players made for it, and print a table."
        " Exits with 1 when anything differs. Not for a house with real money: its books keep the players."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "provider", type=name(64), metavar="PROVIDER", help="the code of a provider that speaks a dialect"
        )
        parser.add_argument("--url", help="where the casino is served; BASE_URL if left out")
        parser.add_argument("--key", type=Path, metavar="FILE", help="the provider's private key in PEM (hub88)")
        parser.add_argument(
            "--yes", action="store_true", help="although this is no demo: players and money are made up"
        )

    def handle(self, *, provider: str, url: str | None, key: Path | None, yes: bool, **options: Any) -> None:
        if not (settings.DEMO or yes):
            raise CommandError(
                "This is no demo: the run makes players and deposits that stay in the books. Say --yes for it."
            )
        found = Provider.objects.filter(code=provider).first()
        if found is None:
            raise CommandError(f"There is no provider called {provider}.")
        if not certify.cases(found.dialect):
            raise CommandError(f"{provider} speaks {found.dialect}, of which there are no cases.")
        sender = sending(found, key)
        self.differing_profile(found)
        failed = 0
        try:
            for outcome in certify.play(found, sender, url or settings.BASE_URL):
                failed += bool(outcome.wrong)
                verdict = self.style.ERROR("differs") if outcome.wrong else self.style.SUCCESS("passed ")
                self.stdout.write(f"{outcome.id}  {verdict}  {outcome.title}")
                if outcome.wrong:
                    self.stdout.write(f"      {outcome.wrong}")
        except certify.NotThere as error:
            raise CommandError(f"{url or settings.BASE_URL} does not answer: {error}") from None
        cases = len(certify.cases(found.dialect))
        self.stdout.write(f"{cases - failed} of {cases} cases of {found.dialect} passed.")
        if failed:
            sys.exit(1)

    def differing_profile(self, provider: Provider) -> None:
        """The cases are those of the dialect's own profile."""
        for field, value in profile_of(provider.dialect).items():
            if getattr(provider, field) != value:
                self.stderr.write(f"{field} is {getattr(provider, field)}; the dialect's profile says {value}.")


def sending(provider: Provider, key: Path | None) -> Sender:
    """The provider, able to sign as it does. Raises CommandError where we lack what it signs with."""
    if key is None and settings.DEMO and demo.PROVIDERS.get(provider.code) == provider.dialect:
        return demo_data.sender(provider.code)
    secrets = provider.live_secrets()
    if not secrets:
        raise CommandError(f"{provider.code} has no live secret: it is shut out.")
    private = _private(key) if key is not None else None
    if provider.dialect == Provider.Dialect.HUB88 and private is None:
        raise CommandError("hub88 signs with the provider's private key: name a file with --key, of a key pair to try.")
    return Sender(provider.dialect, provider.code, secrets[0].decode(), provider.merchant, private)


def _private(path: Path) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CommandError(f"{path} holds no private key in PEM: {error}") from None
    if not isinstance(key, RSAPrivateKey):
        raise CommandError(f"{path} holds a key that is not RSA.")
    return key
