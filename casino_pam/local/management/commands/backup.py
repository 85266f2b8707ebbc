"""``manage.py backup``: base backups, the archive of the log, and recovery rehearsed (docs/operations.md, Backups)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from casino_pam.local import backups
from casino_pam.local.os_support import PROJECT, CannotStart, lasting_place
from wallet.management.arguments import day, name


def instant(text: str) -> datetime:
    """An instant with its offset from UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} is no instant such as 2026-09-21T17:55:00Z")
    return found.astimezone(UTC)


def folder(text: str) -> Path:
    """Where backups lie; an empty name would be wherever the command was run."""
    if not text or not text.isprintable():
        raise ArgumentTypeError(f"{text[:80]!r} is no folder")
    return Path(text).absolute()


def server(text: str) -> str:
    """The URL of a PostgreSQL."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("postgres", "postgresql") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not text.isprintable():
        # It may hold a password.
        raise ArgumentTypeError("this is no address of the form postgres://USER:PASSWORD@HOST:PORT/postgres")
    return text


def provider_file(text: str) -> tuple[str, date, Path]:
    """PROVIDER:DAY:FILE."""
    provider, day_text, file = [*text.split(":", 2), "", ""][:3]
    if not (provider and file and file.isprintable()):
        raise ArgumentTypeError(f"{text!r} is not of the form PROVIDER:2026-09-21:FILE.csv")
    return name(64)(provider), day(day_text), Path(file).resolve()


class Command(BaseCommand):
    help = (
        "Back PostgreSQL up with its own programs: base copies the whole cluster, archive takes its log for as long as"
        " it runs, rehearse recovers both to an instant on a server of its own, proves the books there and says what"
        " the providers know beyond."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        for word, about in (("base", "copy the whole cluster, and verify the copy"), ("archive", "take the log")):
            each = what.add_parser(word, help=about)
            each.add_argument("folder", type=folder)
            each.add_argument(
                "--url", type=server, help="as a role with REPLICATION; left out: the superuser of `make run`"
            )
        rehearse = what.add_parser("rehearse", help="recover to an instant, reconcile, and compare providers' files")
        rehearse.add_argument("folder", type=folder)
        rehearse.add_argument("--until", type=instant, metavar="INSTANT", help="left out: all that was archived")
        rehearse.add_argument(
            "--file", type=provider_file, action="append", default=[], metavar="PROVIDER:DAY:FILE", dest="files"
        )

    def handle(self, *, what: str, folder: Path, **options: Any) -> None:
        try:
            if what == "rehearse":
                self.rehearse(folder, options["until"], options["files"])
            elif what == "base":
                self.stdout.write(f"{backups.take(folder, options['url'] or _superuser())} is complete.")
            else:
                self.archive(folder, options["url"] or _superuser())
        except CannotStart as error:
            raise CommandError(str(error), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{str(folder)[:200]} cannot be used: {error.strerror}.", returncode=2) from None

    def archive(self, folder: Path, url: str) -> None:
        process = backups.archive(folder, url)
        self.stdout.write(f"The log goes to {folder / 'log'}; Ctrl-C ends it.")
        self.stdout.flush()
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        raise CommandError(f"pg_receivewal ended with {code}: start this again, and find out why.", returncode=2)

    def rehearse(self, folder: Path, until: datetime | None, files: list[tuple[str, date, Path]]) -> None:
        with backups.recovered(folder, os.environ["DATABASE_URL"], until) as server:
            with server.connect() as there:
                record = there.execute("SELECT max(created_at) FROM wallet_transaction").fetchone()
            (newest,) = record or (None,)
            self.stdout.write(f"Recovered. The newest row of the ledger is of {newest or 'no day'}.")
            codes = [self.manage(server.url, "reconcile", "--full")]
            for provider, booked, file in files:
                self.stdout.write(f"\nWhat {provider} knows of {booked}, beside what was recovered:")
                told = ("--provider", provider, "--date", str(booked), "--file", str(file))
                codes.append(self.manage(server.url, "reconcile_provider", *told))
        if any(codes):
            sys.exit(max(codes))

    def manage(self, url: str, *argv: str) -> int:
        """A command on the recovered server, its exit code."""
        self.stdout.flush()
        rest = {name: value for name, value in os.environ.items() if name != "DATABASE_DIRECT_URL"}
        argv = (sys.executable, str(PROJECT / "manage.py"), *argv)
        return subprocess.run(argv, env=rest | {"DATABASE_URL": url}, check=False).returncode


def _superuser() -> str:
    """The superuser of the PostgreSQL that `make run` has started."""
    secret = lasting_place().folder / "postgresql-superuser.secret"
    if not secret.exists():
        raise CannotStart("No PostgreSQL of `make run` is known here: name yours with --url.")
    port = connection.settings_dict["PORT"]
    return f"postgres://postgres:{secret.read_text()}@127.0.0.1:{port}/postgres"
