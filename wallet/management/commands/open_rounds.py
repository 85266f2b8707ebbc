"""`manage.py open_rounds`: rounds that have stakes and no end."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand

from wallet import money
from wallet.management.arguments import name, whole
from wallet.reports.open_bets import open_rounds
from wallet.reports.sums import snapshot

TEN_YEARS: Final = 3_653


class Command(BaseCommand):
    help = "List rounds with a live bet that nothing has ended: ask their provider what became of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        minutes, days = whole(0, TEN_YEARS * 24 * 60), whole(0, TEN_YEARS)
        parser.add_argument(
            "--older-than", type=minutes, default=60, metavar="MINUTES", help="first bet at least so old"
        )
        parser.add_argument("--within-days", type=days, default=7, metavar="DAYS", help="how far back to look")
        parser.add_argument("--provider", type=name(64), help="rounds of this provider alone")

    def handle(self, *, older_than: int, within_days: int, provider: str | None, **options: Any) -> None:
        now = datetime.now(UTC)
        until, since = now - timedelta(minutes=older_than), now - timedelta(days=within_days)
        with snapshot() as own:
            rounds = list(open_rounds(own, since=since, until=until, source=provider))
        for each in rounds:
            self.stdout.write(
                f"{each.since:%Y-%m-%d %H:%M:%S}  {each.source}  {each.player}  {each.round}  {each.game}  "
                f"{each.bets} bets  {money.show(each.staked, each.digits)} {each.currency}"
            )
        self.stdout.write(f"{len(rounds)} open rounds whose first bet is older than {older_than} minutes.")
