"""`manage.py grant_cashback`: a share of the net loss of a period, back as bonus money."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bonus.models import Offer
from bonus.terms import OfferKind
from casino_pam.engine import commands
from casino_pam.engine.jobs import grant_cashback
from wallet.management.arguments import day, name
from wallet.time import to_datetime

PERIODS: Final = ("day", "week", "month")


class Command(BaseCommand):
    help = (
        "Grant the cashback of an offer on each wallet's net cash loss of the UTC days --from to --to, both"
        " included; or of every enabled cashback offer for the --last day, week (Monday to Sunday) or month that is"
        " over. A second run for the same days grants nothing again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--offer", type=name(64), help="the code of a cashback offer")
        parser.add_argument("--from", dest="first", type=day, metavar="YYYY-MM-DD")
        parser.add_argument("--to", dest="last", type=day, metavar="YYYY-MM-DD")
        parser.add_argument("--last", dest="period", choices=PERIODS, help="instead of --from and --to")

    def handle(self, *, offer: str | None, period: str | None, **options: Any) -> None:
        at = commands.now()
        today = to_datetime(at).date()
        first, last = self.days(options["first"], options["last"], period, today)
        if offer is None and period is None:
            raise CommandError("--offer is missing.")
        if first > last:
            raise CommandError("--from is later than --to.")
        if last >= today:
            raise CommandError("--to is not over yet: what is still lost on that day would never be paid on.")
        offers = Offer.objects.filter(kind=OfferKind.CASHBACK).order_by("code")
        offers = offers.filter(enabled=True) if offer is None else offers.filter(code=offer)
        if offer is not None and not offers:
            raise CommandError(f"There is no cashback offer {offer!r}.")
        became: Counter[str] = sum((grant_cashback(each, first, last, at) for each in offers), Counter())
        self.tell(became)

    def days(self, first: date | None, last: date | None, period: str | None, today: date) -> tuple[date, date]:
        """The first and the last day that were named. Raises CommandError."""
        if period is not None:
            if first or last:
                raise CommandError("Name --last, or --from and --to.")
            return last_period(period, today)
        if first is None or last is None:
            raise CommandError("Name --from and --to, or --last.")
        return first, last

    def tell(self, became: Counter[str]) -> None:
        self.stdout.write(f"Granted {became.pop('done', 0)}, granted before {became.pop('granted before', 0)}.")
        for code, count in became.items():
            self.stdout.write(f"Not granted, {code}: {count}.")
        if became["busy"] or became["unavailable"]:
            raise CommandError("Some were not decided in time; run it again.")


def last_period(period: str, today: date) -> tuple[date, date]:
    """The first and the last day of the newest day, week or month that is over on that day."""
    if period == "day":
        end = today
    elif period == "week":
        end = today - timedelta(days=today.weekday())
    else:
        end = today.replace(day=1)
    last = end - timedelta(days=1)
    return (last.replace(day=1) if period == "month" else end - timedelta(days=7 if period == "week" else 1)), last
