"""``manage.py limit_role``: limits of time for whoever connects as our role (docs/operations.md, PgBouncer)."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from psycopg import sql

from wallet.management.arguments import whole

SECONDS: Final = 3


class Command(BaseCommand):
    help = (
        "Give the role of DATABASE_URL, in that database, the limits of time that each connection brings along where"
        " no PgBouncer is in between. New sessions have them; may be run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--statement-seconds", type=whole(1, 3_600), default=SECONDS, metavar="N", help="for one statement"
        )

    def handle(self, *, statement_seconds: int, **options: Any) -> None:
        limits = settings.DATABASE_LIMITS | {"statement_timeout": f"{statement_seconds}s"}
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database()")
            role, database = cursor.fetchone()
            for name, value in limits.items():
                statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                    *map(sql.Identifier, (role, database, name)), sql.Literal(value)
                )
                cursor.execute(statement)
                self.stdout.write(f"{role} in {database}: {name} = {value}")
