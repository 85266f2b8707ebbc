"""`manage.py encrypt_secrets`: what the database holds encrypted, under the newest SECRETS_KEY (docs/operations.md)."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from wallet import second_factor
from wallet.models import Endpoint, Provider, SecondFactor


class Command(BaseCommand):
    help = (
        "Encrypt with SECRETS_KEY what a key in SECRETS_KEY_FALLBACKS encrypted. The secrets stay what they are, play"
        " goes on, and it may be run again."
    )

    def handle(self, **options: Any) -> None:
        changed, unreadable = 0, []
        for pk in Provider.objects.order_by("code").values_list("pk", flat=True):
            try:
                changed += _encrypt(pk)
            except InvalidToken:
                unreadable.append(Provider.objects.get(pk=pk).code)
        for factor in SecondFactor.objects.select_related("operator").order_by("operator__username"):
            try:
                changed += second_factor.encrypt_anew(factor)
            except InvalidToken:
                unreadable.append(str(factor))
        for endpoint in Endpoint.objects.all():
            try:
                changed += endpoint.encrypt_anew()
            except InvalidToken:
                unreadable.append(endpoint.code)
        self.stdout.write(f"Encrypted {changed} secrets anew; every other one that can be read was up to date.")
        if unreadable:
            raise CommandError(
                f"No key reads the secrets of: {', '.join(unreadable)}. Add the key of before to SECRETS_KEY_FALLBACKS,"
                " or make new secrets for them in the back office, and reset the second factors."
            )


def _encrypt(pk: int) -> int:
    """Encrypt a provider's secrets and return how many were not up to date. Raises InvalidToken.

    The version stays: whoever knows the secrets by heart knows them still. Where they were made anew meanwhile, those
    are looked at.
    """
    while True:
        provider = Provider.objects.get(pk=pk)
        seen = {"secret_one": provider.secret_one, "secret_two": provider.secret_two}
        count = provider.encrypt_anew()
        newer = {"secret_one": provider.secret_one, "secret_two": provider.secret_two}
        if not count or Provider.objects.filter(pk=pk, **seen).update(**newer):
            return count
