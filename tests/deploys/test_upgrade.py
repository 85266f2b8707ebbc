"""A database that release 1.0.0 made: one `manage.py migrate`, and it is as if this release had made it."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from psycopg.errors import InsufficientPrivilege
from pytest_django import DjangoDbBlocker

from casino_pam import health
from casino_pam.local.os_support import PROJECT, postgresql_binaries
from tests import clean_books
from tests.game_client import Door, wait_until
from wallet.ledger import ADDED
from wallet.models import Provider, Transaction, Wallet

# What its `manage.py demo --load` had made, by `pg_dump --no-owner`.
RELEASE = PROJECT / "tests" / "deploys" / "release_1_0.sql.gz"


def of_postgresql(program: str, database: str, *options: str, stdin: bytes = b"") -> bytes:
    """What one of PostgreSQL's own programs prints of a database on the tests' server."""
    own = connection.settings_dict
    address = {"PGHOST": own["HOST"], "PGPORT": str(own["PORT"]), "PGUSER": own["USER"], "PGPASSWORD": own["PASSWORD"]}
    argv = [postgresql_binaries().executable.with_name(program), *options]
    env = address | {"PGDATABASE": database}
    return subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, check=True, env=env).stdout


def schema(database: str) -> bytes:
    """Every table, column, constraint, index, trigger and function, without the keys that each dump draws anew."""
    dump = of_postgresql("pg_dump", database, "--schema-only", "--no-owner")
    return re.sub(rb"^\\(un)?restrict .*$", b"", dump, flags=re.MULTILINE)


@contextmanager
def restored(name: str, dump: bytes) -> Iterator[str]:
    """A database made from a dump."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    of_postgresql("psql", name, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", stdin=dump)
    yield name
    wait_until(lambda: dropped(name))


def dropped(database: str) -> bool:
    """Whether it is gone now. PostgreSQL may be looking after it at the moment, and lets nobody of ours end that."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {database} WITH (FORCE)")
    except ProgrammingError as error:
        if isinstance(error.__cause__, InsufficientPrivilege):
            return False
        raise
    return True


@contextmanager
def at_work_on(database: str) -> Iterator[str]:
    """Whatever opens a connection meanwhile is on that database; gives the name of the one before."""
    own = connection.settings_dict
    before = str(own["NAME"])
    connection.close()
    own["NAME"] = database
    yield before
    connection.close()
    own["NAME"] = before


@pytest.fixture
def fresh(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The test is at work on the database of 1.0.0; this is the name of one that the present release made."""
    with django_db_blocker.unblock():
        name = f"{connection.settings_dict['NAME']}_of_1_0"
        with restored(name, gzip.decompress(RELEASE.read_bytes())), at_work_on(name) as before:
            yield before
        connection.close()


def migrated() -> str:
    out = io.StringIO()
    call_command("migrate", stdout=out, no_color=True)
    return out.getvalue()


def applied() -> set[tuple[str, str]]:
    return set(MigrationRecorder(connection).applied_migrations())


def rows() -> list[Any]:
    """Every column that 1.0.0 had of every row."""
    names = [field.attname for field in Transaction._meta.concrete_fields if field.attname not in ADDED]
    return list(Transaction.objects.order_by("id").values_list(*names))


def test_one_migrate_brings_it_to_this_release_and_no_row_changes(fresh: str) -> None:
    before, names = rows(), applied()
    assert len(before) > 200
    migrated()
    assert rows() == before
    # The older release still finds the names it knows, and may serve until it is replaced.
    ours = {key for key in MigrationLoader(None).disk_migrations if key[0] in ("wallet", "bonus")}
    assert applied() == names | ours
    call_command("migrate", check_unapplied=True)
    call_command("makemigrations", check_changes=True, dry_run=True, stdout=io.StringIO())


def test_afterwards_it_is_as_one_that_this_release_made(fresh: str) -> None:
    migrated()
    upgraded = str(connection.settings_dict["NAME"])
    names = applied()
    with at_work_on(fresh):
        assert applied() == names
        # A restore writes some expressions in another way, once: so both have been through one.
        with restored(f"{fresh}_restored", schema(fresh)) as again, restored(f"{fresh}_up", schema(upgraded)) as up:
            assert schema(up) == schema(again)


def test_its_books_balance_to_the_digest_and_play_goes_on(fresh: str) -> None:
    migrated()
    call_command("reconcile", full=True, stdout=io.StringIO())
    call_command("refresh_reports", check=True, stdout=io.StringIO())
    clean_books.reconciled()
    # Its secrets were encrypted with the key of another machine.
    provider = Provider.objects.get(code="demo-studio")
    provider.set_secret("demo-studio-secret")
    provider.save()
    wallet = Wallet.objects.select_related("player").get(player__code="anna", currency="EUR")
    call = {"player": "anna", "currency": "EUR", "round": "r-1", "game": "g-1", "amount": "1.00"}
    with Door() as door:
        for call_name, body in (
            ("bet", {**call, "reference": "after-bet"}),
            ("win", {**call, "reference": "after-win", "bet": "after-bet"}),
            # A bet of before, told again: answered from its row.
            (
                "bet",
                {**call, "reference": "anna-bet-1", "round": "anna-round-1", "game": "lucky-sevens", "amount": "2.50"},
            ),
        ):
            reply = door.post(call_name, body, provider="demo-studio")
            assert reply.status == 200, reply.body
    after = Wallet.objects.get(id=wallet.id)
    assert after.version == wallet.version + 2
    clean_books.reconciled()


def test_the_new_release_is_ready_on_it(fresh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrated()
    health.migrations.cache_clear()
    assert Client().get("/readyz").json()["migrations"] == "ok"
    health.migrations.cache_clear()


def test_what_is_older_than_1_0_is_told_the_way(fresh: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'wallet' AND name = '0012_closing'")
    with pytest.raises(
        CommandError, match=r"of wallet are older than 1\.0\.0: 0012_closing .* of release 1\.0\.0 first"
    ):
        migrated()
