"""`manage.py expire_bonuses`: what fell due on wallets that nobody touches."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from casino_pam.engine import commands
from casino_pam.engine.jobs import run_due
from wallet.errors import STATUS


class Command(BaseCommand):
    help = (
        "End bonuses whose time ran out, bonuses without money and open stakes, and what excluded players were"
        " waiting for. Run it every few minutes; twice, or in two places at a time, does no harm."
    )

    def handle(self, **options: Any) -> None:
        became = run_due(commands.now())
        self.stdout.write(f"Looked after {became['done']} wallets.")
        left = {word: count for word, count in became.items() if word in STATUS}
        if left:
            raise CommandError(f"Left for the next run: {', '.join(f'{n} {word}' for word, n in left.items())}.")
