"""`manage.py encrypt_secrets`: providers' secrets under the newest SECRETS_KEY (docs/operations.md)."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from wallet.models import Provider


class Command(BaseCommand):
    help = (
        "Encrypt with SECRETS_KEY what a key in SECRETS_KEY_FALLBACKS encrypted. The secrets stay what they are, play"
        " goes on, and it may be run again."
    )

    def handle(self, **options: Any) -> None:
        changed, unreadable = 0, []
        for pk in Provider.objects.order_by("code").values_list("pk", flat=True):
            with transaction.atomic():
                provider = Provider.objects.select_for_update().get(pk=pk)
                try:
                    count = provider.encrypt_anew()
                except InvalidToken:
                    unreadable.append(provider.code)
                    continue
                if count:
                    # The version stays: whoever knows the secrets by heart knows them still.
                    provider.save(update_fields=["secret_one", "secret_two"])
                    changed += count
        self.stdout.write(f"Encrypted {changed} secrets anew; every other one that can be read was up to date.")
        if unreadable:
            raise CommandError(
                f"No key reads the secrets of: {', '.join(unreadable)}. Add the key of before to SECRETS_KEY_FALLBACKS,"
                " or make new secrets for them in the back office."
            )
