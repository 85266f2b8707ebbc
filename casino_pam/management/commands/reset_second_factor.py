"""`manage.py reset_second_factor`: a way in for who lost it, where no superuser is left who could reset it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from wallet import audit, second_factor, second_person
from wallet.management.arguments import name
from wallet.models.oversight import COMMAND

NAME = "reset_second_factor"


class Command(BaseCommand):
    help = (
        "Take an operator's second factor away and end every log-in of theirs. The trail says why, and the account can "
        "approve nothing for seven days."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("operator", type=name(150), help="whose it is")
        parser.add_argument("--reason", type=name(audit.LONGEST_REASON), required=True, help="why, kept for ever")

    def handle(self, *args: Any, **options: Any) -> None:
        operator = User.objects.filter(username=options["operator"]).first()
        if operator is None:
            raise CommandError(f"There is no operator called {options['operator']}.")
        with second_person.acting_by_command(NAME), transaction.atomic():
            if not second_factor.reset(operator):
                raise CommandError(f"{operator} has no second factor.")
            audit.named(None, COMMAND + NAME, "reset second factor", subject=operator, reason=options["reason"])
        self.stdout.write(f"{operator} logs in with the password alone, or sets another second factor up.")
