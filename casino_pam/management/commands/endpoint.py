"""`manage.py endpoint`: the casino's back ends that are told of events (docs/events.md)."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from casino_pam import delivery
from wallet import audit
from wallet.management.arguments import name
from wallet.models import Endpoint
from wallet.models.endpoint import EVENTS, validate_url
from wallet.models.oversight import COMMAND

# Who did it, in the audit trail: whoever may run commands on the house's machines.
ACTOR = COMMAND + "endpoint"

code = name(48)


def address(text: str) -> str:
    """A URL that events may be sent to."""
    try:
        validate_url(text)
    except ValidationError as error:
        raise ArgumentTypeError(error.messages[0]) from None
    if len(text) > 500:
        raise ArgumentTypeError("a URL of more than 500 characters")
    return text


def moment(text: str) -> datetime:
    """An instant as 2026-09-21T12:00:00Z, or a day, which is its first."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not text.isascii() or not 2000 <= found.year < 3000:
        raise ArgumentTypeError(f"{text[:80]!r} is no instant such as 2026-09-21T12:00:00Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = "Make, show and change the back ends that are told of events; send a span of events again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        what.add_parser("list", help="every endpoint, a line each")
        create = what.add_parser("create", help="make one and print its secret, this once")
        create.add_argument("code", type=code, help="small letters, digits, - and _; never changes")
        create.add_argument("--url", type=address, required=True)
        change = what.add_parser("change", help="change what is named, and no more")
        change.add_argument("code", type=code)
        change.add_argument("--url", type=address)
        switch = change.add_mutually_exclusive_group()
        switch.add_argument("--enable", action="store_const", const=True, dest="enabled")
        switch.add_argument("--disable", action="store_const", const=False, dest="enabled", help="tell it nothing")
        for each in (create, change):
            each.add_argument("--events", nargs="+", choices=EVENTS, dest="kinds", help="left out: all of them")
        secret = what.add_parser("secret", help="make a new secret and print it; the old one signs nothing more")
        secret.add_argument("code", type=code)
        replay = what.add_parser("replay", help="send the events of a span of time again")
        replay.add_argument("code", type=code)
        replay.add_argument("--from", type=moment, required=True, dest="since", metavar="INSTANT")
        replay.add_argument("--to", type=moment, required=True, dest="until", metavar="INSTANT", help="not included")
        replay.add_argument("--player", type=name(128), help="of this player alone")

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        getattr(self, what)(options)

    def list(self, options: dict[str, Any]) -> None:
        for each in Endpoint.objects.all():
            state = "enabled" if each.enabled else "disabled"
            self.stdout.write(f"{each.code}  {state}  {each.url}  {' '.join(each.kinds) or 'all events'}")

    def create(self, options: dict[str, Any]) -> None:
        made = Endpoint(code=options["code"], url=options["url"], kinds=options["kinds"] or [])
        secret = made.renew()
        try:
            with transaction.atomic():
                made.save()
                audit.named(None, ACTOR, "add endpoint", subject=made, after=told(made))
        except IntegrityError as refusal:
            if "endpoint_code_shape" in str(refusal):
                raise CommandError(f"{made.code!r} is no code: small letters, digits, - and _.") from None
            raise CommandError(f"There is an endpoint called {made.code} already.") from None
        self.stdout.write(secret)

    def change(self, options: dict[str, Any]) -> None:
        endpoint = found(options["code"])
        named = {field: options[field] for field in ("url", "kinds", "enabled") if options[field] is not None}
        before = {field: getattr(endpoint, field) for field in named}
        changed = {field: value for field, value in named.items() if value != before[field]}
        if changed:
            with transaction.atomic():
                Endpoint.objects.filter(pk=endpoint.pk).update(**changed)
                was = {field: before[field] for field in changed}
                audit.named(None, ACTOR, "change endpoint", subject=endpoint, before=was, after=changed)
        self.stdout.write(f"Changed {', '.join(changed) or 'nothing'}.")

    def secret(self, options: dict[str, Any]) -> None:
        endpoint = found(options["code"])
        secret = endpoint.renew()
        with transaction.atomic():
            endpoint.save(update_fields=["secret"])
            audit.named(None, ACTOR, "make a new secret", subject=endpoint)
        self.stdout.write(secret)

    def replay(self, options: dict[str, Any]) -> None:
        endpoint, since, until, player = found(options["code"]), options["since"], options["until"], options["player"]
        if since >= until:
            raise CommandError("--from is not before --to.")
        with transaction.atomic():
            count = delivery.replay(endpoint, since, until, player)
            span = {"from": since, "to": until, "events": count}
            audit.named(None, ACTOR, "replay events", player=player, subject=endpoint, after=span)
        self.stdout.write(f"{count} events will be sent again.")


def found(which: str) -> Endpoint:
    """Raises CommandError."""
    endpoint = Endpoint.objects.filter(code=which).first()
    if endpoint is None:
        raise CommandError(f"There is no endpoint called {which}.")
    return endpoint


def told(endpoint: Endpoint) -> dict[str, Any]:
    return {"url": endpoint.url, "kinds": endpoint.kinds, "enabled": endpoint.enabled}
