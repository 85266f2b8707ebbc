"""`manage.py cell`: brands and markets that share servers and nothing else (docs/cells.md)."""

from __future__ import annotations

import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import psycopg
from django.conf import settings
from django.core.cache import cache
from django.core.management.base import BaseCommand, CommandError
from django.core.management.utils import get_random_secret_key
from django.db import DatabaseError, connections
from django_redis import get_redis_connection
from psycopg.conninfo import conninfo_to_dict
from redis.exceptions import RedisError

from casino_pam import cell, cell_schema, cell_sums
from casino_pam.cell_schema import Finding
from wallet.management.arguments import day
from wallet.money import show

_address = re.compile(r"https?://[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[1-9][0-9]{0,4})?").fullmatch
_COLUMNS: Final = ("cell", "currency", "bets", "GGR", "deposited", "paid out", "converted")


def name(text: str) -> str:
    """The name of a cell."""
    if not cell.is_name(text):
        raise ArgumentTypeError(f"{text[:80]!r} is not {cell.SHAPE}")
    return text


def base_url(text: str) -> str:
    """An address such as https://brand.example, which its processes are told as BASE_URL."""
    if _address(text) is None:
        raise ArgumentTypeError(f"{text[:80]!r} is no address such as https://brand.example")
    return text


def server(text: str) -> dict[str, Any]:
    """The address of a database."""
    try:
        found = dict(conninfo_to_dict(text))
    except (psycopg.Error, UnicodeError):
        found = {}
    if not text.startswith(("postgres://", "postgresql://")) or "dbname" not in found:
        raise ArgumentTypeError("no address such as postgres://reader@host/casino")
    return found


class Command(BaseCommand):
    help = "Make a cell or what is missing of it; check that it reaches nothing of another; add all cells up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        create = what.add_parser("create", help="role, schema and tables; prints the environment of its processes")
        create.add_argument("name", type=name, help=cell.SHAPE)
        create.add_argument("--base-url", type=base_url, required=True, help="where the cell is reached, and no other")
        create.add_argument("--new-password", action="store_true", help="give a role that is there another password")
        what.add_parser("check", help="look this process's own cell over; exits with 1 where something is wrong")
        report = what.add_parser("report", help="what all cells of a database came to, by currency")
        report.add_argument(
            "--since", type=day, metavar="DAY", help="the first UTC day; the first of this month if left out"
        )
        report.add_argument("--until", type=day, metavar="DAY", help="the last one; today if left out")
        report.add_argument(
            "--url",
            type=server,
            action="append",
            metavar="DATABASE_URL",
            help="a database with cells, as often as there are some; this process's own if left out",
        )

    def handle(self, *, what: str, **options: Any) -> None:
        if (what == "check") != bool(settings.CELL):
            wanted = "is asked of a cell: set CELL" if what == "check" else "is the whole database's: unset CELL"
            raise CommandError(f"`cell {what}` {wanted}.")
        acts: dict[str, Callable[..., None]] = {
            "create": self.create,
            "check": self.check_cell,
            "report": self.report,
        }
        acts[what](**options)

    # --- create ----------------------------------------------------------------------------------

    def create(self, *, name: str, base_url: str, new_password: bool, verbosity: int, **_: Any) -> None:
        try:
            password = cell_schema.prepare(name, base_url, new_password=new_password)
            # Before anything can go wrong any more: the password stands nowhere else.
            for line in environment(name, base_url, password):
                self.stdout.write(line)
            cell_schema.migrate(name, verbosity)
        except cell_schema.BaseUrlTaken:
            raise CommandError(f"{base_url} is another cell's: each has an address of its own.") from None
        except DatabaseError as error:
            raise CommandError(f"{error} DATABASE_URL must be of who may create roles and schemas.") from error

    # --- check -----------------------------------------------------------------------------------

    def check_cell(self, **_: Any) -> None:
        found = [*cell_schema.check(), *_of_redis()]
        for finding in found:
            self.stdout.write(f"{'WRONG' if finding.wrong else 'ok   '}  {finding.what}  {finding.wrong}".rstrip())
        if any(finding.wrong for finding in found):
            sys.exit(1)

    # --- report ----------------------------------------------------------------------------------

    def report(self, *, since: date | None, until: date | None, url: list[dict[str, Any]] | None, **_: Any) -> None:
        today = datetime.now(UTC).date()
        until = until or today
        since = since or until.replace(day=1)
        own = connections[settings.SESSION_DATABASE].get_connection_params()
        try:
            cells = [found for each in url or [own] for found in cell_sums.of_server(each, since, until)]
        except psycopg.Error as error:
            raise CommandError(f"{error} A reader needs pg_read_all_data.") from error
        by_cell = [figures for found in cells for figures in found.figures]
        lines = [(each.cell, *_shown(each)) for each in by_cell]
        lines += [("all", *_shown(each)) for each in cell_sums.added(iter(by_cell))]
        for line in (_COLUMNS, *lines):
            self.stdout.write("  ".join(f"{text:>14}" for text in line))
        self.stdout.write(f"{len(cells)} cells, {since} to {until} (UTC).")
        if late := [found.cell for found in cells if found.left_out]:
            self.stdout.write(f"Newer rows than the sums by day are left out: {', '.join(late)}.")


def environment(name: str, base_url: str, password: str | None) -> Iterator[str]:
    """What the cell's processes are told, beside what all are; secrets are new with the role."""
    there = settings.DATABASES[settings.SESSION_DATABASE]
    user = f"{cell.schema(name)}:{quote(password or 'PASSWORD', safe='')}"
    yield f"CELL={name}"
    yield f"DATABASE_URL=postgres://{user}@{there['HOST']}:{there['PORT'] or 5432}/{there['NAME']}"
    yield f"BASE_URL={base_url}"
    yield f"ALLOWED_HOSTS={urlsplit(base_url).hostname}"
    if password is None:
        yield "# The role was there already: its password and the cell's keys are those it has (--new-password)."
    else:
        yield f"SECRET_KEY='{get_random_secret_key()}'"
        yield f"SECRETS_KEY='{get_random_secret_key()}'"


def _shown(of: cell_sums.CellFigures) -> tuple[str, ...]:
    amounts = (of.ggr, of.deposited, of.paid_out, of.converted)
    return (of.currency, str(of.bets), *(show(amount, of.digits) for amount in amounts))


def _of_redis() -> Iterator[Finding]:
    """That all names of this cell begin with its own, and that Redis takes them."""
    prefix = f"{settings.CELL}:"
    layer: Any = settings.CHANNEL_LAYERS["default"]
    names = (cell.in_redis("cell-check"), cache.make_key("cell-check"), layer["CONFIG"]["prefix"])
    strange = [name for name in names if not name.startswith(prefix)]
    yield Finding("names in Redis", f"{', '.join(strange)} do not begin with {prefix}" if strange else "")
    try:
        redis = get_redis_connection("default")
        redis.set(names[0], time.time(), ex=1)
        redis.publish(names[0], "")
        yield Finding("Redis")
    except RedisError as error:
        yield Finding("Redis", str(error))
