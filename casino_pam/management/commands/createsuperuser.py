"""`manage.py createsuperuser`: Django's own; the trail says so, and the account decides about nothing for a week."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from wallet import second_person


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with second_person.acting_by_command("createsuperuser"):
            return super().handle(*args, **options)
