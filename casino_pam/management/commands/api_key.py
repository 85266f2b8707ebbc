"""`manage.py api_key`: keys of the casino's own back ends, made and taken back."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from wallet import audit
from wallet.kinds import CASHIER
from wallet.management.arguments import day, name
from wallet.models import ApiKey, Provider
from wallet.models.oversight import COMMAND
from wallet.models.provider import SCOPES
from wallet.time import midnight

# Who did it, in the audit trail: whoever may run commands on the house's machines.
ACTOR = COMMAND + "api_key"


class Command(BaseCommand):
    help = "Make a back end's key, printed this once, or take one back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        create = what.add_parser("create", help="make a key and print it: it is kept nowhere")
        create.add_argument("name", type=name(64), help="whose key it is; stands in every row as the actor")
        create.add_argument("--scopes", nargs="+", choices=SCOPES, required=True)
        create.add_argument(
            "--source", type=name(64), default=CASHIER, help="whose references it spends: cashier or cashier:NAME"
        )
        create.add_argument("--provider", type=name(64), help="the provider it plays as, for the scope play")
        create.add_argument(
            "--expires", type=day, help="the UTC day from which on it opens nothing, such as 2027-06-30; else never"
        )
        revoke = what.add_parser("revoke", help="let a key in no more")
        revoke.add_argument("name", type=name(64))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "create":
            self.stdout.write(made(options["name"], options))
        else:
            revoke(options["name"])


def made(whose: str, options: dict[str, Any]) -> str:
    """A new key. Raises CommandError where the database refuses what was asked for."""
    source, provider, expires = options["source"], options["provider"], options["expires"]
    kept = ApiKey(name=whose, scopes=options["scopes"], source=source)
    if expires is not None:
        kept.expires_at = midnight(expires)
    if provider is not None:
        kept.provider = Provider.objects.filter(code=provider).first()
        if kept.provider is None:
            raise CommandError(f"There is no provider called {provider}.")
    key = kept.renew()
    try:
        with transaction.atomic():
            kept.save()
            about = {"scopes": kept.scopes, "source": source, "provider": provider, "expires_at": kept.expires_at}
            audit.named(None, ACTOR, "add api key", subject=whose, after=about)
    except IntegrityError as refusal:
        if "api_key_source_shape" in str(refusal):
            raise CommandError(f"{source!r} is no money source: write cashier or cashier:NAME.") from None
        raise CommandError(f"There is a key called {whose} already.") from None
    return key


def revoke(whose: str) -> None:
    with transaction.atomic():
        if not ApiKey.objects.filter(name=whose).update(enabled=False):
            raise CommandError(f"There is no key called {whose}.")
        audit.named(None, ACTOR, "change api key", subject=whose, after={"enabled": False})
