"""`manage.py provider`: game providers made, changed, and their secrets renewed and taken back."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from wallet import audit, providers
from wallet.errors import InvalidField, Refused
from wallet.management.arguments import name
from wallet.models import Provider
from wallet.models.oversight import COMMAND
from wallet.models.provider import field_of

# Who did it, in the audit trail: whoever may run commands on the house's machines.
ACTOR = COMMAND + "provider"

code = name(64)
sentence = name(128)


def currency(text: str) -> tuple[str, str]:
    """THEIRS=OURS."""
    theirs, separator, ours = text.partition("=")
    if not (theirs and separator and ours):
        raise ArgumentTypeError(f"{text!r} is not of the form THEIRS=OURS")
    return theirs, ours


def choice(text: str) -> tuple[str, Any]:
    """FIELD=VALUE of the profile; booleans are on and off."""
    field, _, value = text.partition("=")
    if field not in providers.PROFILE:
        raise ArgumentTypeError(f"{field!r} is none of {', '.join(providers.PROFILE)}")
    words = [word for word, _ in field_of(field).choices or ()] or ["on", "off"]
    if value not in words:
        raise ArgumentTypeError(f"{field} is one of {', '.join(words)}")
    return field, value == "on" if words == ["on", "off"] else value


class Command(BaseCommand):
    help = "Make, show and change game providers; make and revoke their secrets."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        what.add_parser("list", help="every provider, a line each")
        show = what.add_parser("show", help="one provider as JSON, nothing of its secrets but how many there are")
        show.add_argument("code", type=code)
        create = what.add_parser("create", help="make one and print its secret, this once")
        create.add_argument("code", type=code, help="small letters, digits, - and _; never changes")
        create.add_argument("--name", type=sentence, required=True)
        create.add_argument("--secret", type=sentence, help="where the provider dictates it; made if left out")
        change = what.add_parser("change", help="change what is named, and no more")
        change.add_argument("code", type=code)
        change.add_argument("--name", type=sentence)
        for each in (create, change):
            each.add_argument("--dialect", choices=Provider.Dialect.values, help="what it speaks; brings its profile")
            each.add_argument("--merchant", type=sentence, help="how the provider names us")
            each.add_argument("--public-key", type=Path, action="append", metavar="FILE", help="PEM; twice for two")
            each.add_argument("--currency", type=currency, action="append", metavar="THEIRS=OURS", dest="currencies")
            each.add_argument("--file-mapping", type=Path, metavar="FILE.json", help="how its own report is read")
            each.add_argument("--set", type=choice, action="append", default=[], metavar="FIELD=VALUE", dest="profile")
            switch = each.add_mutually_exclusive_group()
            switch.add_argument("--enable", action="store_const", const=True, dest="enabled")
            switch.add_argument("--disable", action="store_const", const=False, dest="enabled", help="refuse its bets")
        secret = what.add_parser("secret", help="make a new secret and print it; the newest other one stays live")
        secret.add_argument("code", type=code)
        secret.add_argument("--secret", type=sentence, help="where the provider dictates it")
        revoke = what.add_parser("revoke", help="take back the older secret")
        revoke.add_argument("code", type=code)
        revoke.add_argument("--all", action="store_true", help="both: the provider is shut out")

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            getattr(self, what)(options)
        except InvalidField as wrong:
            raise CommandError(str(wrong.facts["detail"])) from None
        except Refused as refusal:
            raise CommandError(_words(refusal, options.get("code", ""))) from None

    def list(self, options: dict[str, Any]) -> None:
        for each in Provider.objects.order_by("code"):
            state = "enabled" if each.enabled else "disabled"
            self.stdout.write(f"{each.code}  {each.dialect}  {state}  {providers.address(each, settings.BASE_URL)}")

    def show(self, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(told(providers.find(options["code"])), indent=2))

    def create(self, options: dict[str, Any]) -> None:
        with transaction.atomic():
            made, secret = providers.make(options["code"], columns(options), options["secret"])
            audit.named(None, ACTOR, "add provider", subject=made, after=told(made))
        self.stdout.write(secret)

    def change(self, options: dict[str, Any]) -> None:
        with transaction.atomic():
            changed, changes = providers.change(options["code"], columns(options))
            if changes.after:
                told_of = {"before": changes.before, "after": changes.after}
                audit.named(None, ACTOR, "change provider", subject=changed, **told_of)
        self.stdout.write(f"Changed {', '.join(changes.after) or 'nothing'}.")

    def secret(self, options: dict[str, Any]) -> None:
        with transaction.atomic():
            shown = providers.new_secret(options["code"], options["secret"])
            audit.named(None, ACTOR, "make a new secret", subject=options["code"])
        self.stdout.write(shown)

    def revoke(self, options: dict[str, Any]) -> None:
        with transaction.atomic():
            providers.revoke(options["code"], older_only=not options["all"])
            act = "revoke every secret" if options["all"] else "revoke the older secret"
            audit.named(None, ACTOR, act, subject=options["code"])


def columns(options: dict[str, Any]) -> dict[str, Any]:
    """What was named, as the model's columns. Raises CommandError for a file that cannot be read."""
    named = {
        field: options[field] for field in ("name", "dialect", "merchant", "enabled") if options[field] is not None
    }
    if options["currencies"] is not None:
        named["currencies"] = dict(options["currencies"])
    if options["public_key"] is not None:
        if len(options["public_key"]) > 2:
            raise CommandError("Two public keys may be live, not more.")
        keys = [_text(path) for path in options["public_key"]]
        named["public_key_one"], named["public_key_two"] = (*keys, "")[:2]
    if options["file_mapping"] is not None:
        try:
            named["file_mapping"] = json.loads(_text(options["file_mapping"]))
        except (ValueError, RecursionError) as error:
            raise CommandError(f"{options['file_mapping']} is not JSON: {error}") from None
    return named | dict(options["profile"])


def told(provider: Provider) -> dict[str, Any]:
    """The provider in words for a script."""
    fields = ("code", "name", "enabled", "dialect", "merchant", "currencies", "file_mapping", *providers.PROFILE)
    return {
        **{field: getattr(provider, field) for field in fields},
        "address": providers.address(provider, settings.BASE_URL),
        "public_keys": list(provider.live_keys()),
        "live_secrets": sum(secret is not None for secret in (provider.secret_one, provider.secret_two)),
    }


def _text(path: Path) -> str:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    if not text.strip():
        raise CommandError(f"{path} is empty.")
    return text


def _words(refusal: Refused, code: str) -> str:
    if refusal.code == "already_exists":
        return f"There is a provider called {code} already."
    return f"There is no provider called {code}."
