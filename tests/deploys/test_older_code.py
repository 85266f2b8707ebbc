"""The code that serves while a release migrates: columns it does not know, in every table of ours, harm nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from casino_pam.local.os_support import PROJECT
from tests import bonus_scenario, clean_books, operators, rest_client, scenario
from tests.game_client import Door

TABLES = [name for name in clean_books.tables() if name.startswith(("wallet_", "bonus_"))]


def altered(action: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(";".join(f"ALTER TABLE {name} {action}" for name in TABLES))


@pytest.fixture
def newer_schema(door: Door) -> Iterator[Door]:
    """The door has served on the schema it knows, and has its statements prepared, when the columns come."""
    play(door, "before")
    altered("ADD later text, ADD later_with_a_default bigint NOT NULL DEFAULT 7")
    yield door
    altered("DROP later, DROP later_with_a_default")


def test_every_insert_names_its_columns() -> None:
    texts = [path.read_text() for app in ("wallet", "bonus", "casino_pam") for path in (PROJECT / app).rglob("*.py")]
    inserts = [
        first for text in texts for first in re.findall(r"INSERT INTO (?:wallet|bonus)_\w+(?: AS \w+)?\s*(.)", text)
    ]
    assert len(inserts) > 4
    assert set(inserts) == {"("}


def play(door: Door, round: str) -> None:
    """Every call of the game door, answered."""
    call = {"player": "alice", "currency": "EUR", "round": round, "game": "g-1", "amount": "1.00"}
    assert door.post("bet", {**call, "reference": f"bet-{round}"}).status == 200
    assert door.post("win", {**call, "reference": f"win-{round}", "bet": f"bet-{round}"}).status == 200
    assert door.post("bet", {**call, "reference": f"late-{round}"}).status == 200
    undone = {"player": "alice", "currency": "EUR", "reference": f"undo-{round}", "original": f"late-{round}"}
    assert door.post("rollback", undone).status == 200


def test_a_newer_schema_takes_what_older_code_writes_and_its_books_balance(newer_schema: Door) -> None:
    play(newer_schema, "after")
    bonus_scenario.wagering("10.00", cash="5.00")
    assert scenario.word(scenario.bet("bob", "2.00", round="bonus")) == "posted"
    assert scenario.word(scenario.hold(reference="hold", amount="1.00")) == "posted"
    assert scenario.word(scenario.settle("hold")) == "posted"
    for command in ("expire_bonuses", "refresh_reports", "reconcile", "open_rounds"):
        call_command(command)
    call_command("reconcile", full=True)
    call_command("refresh_reports", check=True)
    clean_books.reconciled()


def test_a_newer_schema_gives_what_older_code_reads(newer_schema: Door) -> None:
    play(newer_schema, "after")
    shop = rest_client.key()
    for path in ("", "/wallets/EUR", "/wallets/EUR/transactions", "/bonuses", "/limits"):
        assert shop.get(f"players/alice{path}").status == 200, path
    for path in ("offers", "feed"):
        assert shop.get(path).status == 200, path
    for path in ("me", "me/wallets", "me/transactions", "me/limits", "me/offers", "me/bonuses"):
        assert rest_client.player("alice").get(path).status == 200, path
    sue = operators.sue()
    for model, page in admin.site._registry.items():
        if model._meta.app_label in ("wallet", "bonus"):
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
            assert sue.get(reverse(name)).status_code == 200, page
