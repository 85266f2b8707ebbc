"""`manage.py grant_cashback`: a share of the net loss of a period, back as bonus money."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bonus.models import Offer
from bonus.terms import OfferKind
from casino_pam.engine import commands
from casino_pam.engine.jobs import grant_cashback
from wallet.management.arguments import day, name
from wallet.time import to_datetime


class Command(BaseCommand):
    help = (
        "Grant the cashback of an offer on each wallet's net cash loss of the UTC days --from to --to, both"
        " included. A second run for the same days grants nothing again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--offer", required=True, type=name(64), help="the code of a cashback offer")
        parser.add_argument("--from", required=True, dest="first", type=day, metavar="YYYY-MM-DD")
        parser.add_argument("--to", required=True, dest="last", type=day, metavar="YYYY-MM-DD")

    def handle(self, *, offer: str, first: date, last: date, **options: Any) -> None:
        found = Offer.objects.filter(code=offer).first()
        if found is None or found.kind != OfferKind.CASHBACK:
            raise CommandError(f"There is no cashback offer {offer!r}.")
        if first > last:
            raise CommandError("--from is later than --to.")
        at = commands.now()
        if last >= to_datetime(at).date():
            raise CommandError("--to is not over yet: what is still lost on that day would never be paid on.")
        became = grant_cashback(found, first, last, at)
        self.stdout.write(f"Granted {became.pop('done', 0)}, granted before {became.pop('granted before', 0)}.")
        for code, count in became.items():
            self.stdout.write(f"Not granted, {code}: {count}.")
        if became["busy"] or became["unavailable"]:
            raise CommandError("Some were not decided in time; run it again.")
