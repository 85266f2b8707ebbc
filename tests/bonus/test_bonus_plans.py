"""How the database finds and writes bonuses: by index, whatever the planner knows of the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from bonus import store
from bonus.models import BonusStatus, Offer
from bonus.offers import create_offer
from casino_pam.engine import posting
from tests import scenario
from tests.bonus.stored_bonuses import grant, wallet_of
from tests.sample_offers import WELCOME
from wallet.pg.session import numbered

TABLES = ("wallet_player", "wallet_wallet", "wallet_provider", "wallet_transaction", "bonus_offer", "bonus_bonus")


@pytest.fixture
def welcome(broken_books: None) -> Offer:
    scenario.catalogue()
    return create_offer(WELCOME)


# Bob's bonus again and again, each a player's own: as many active as waiting, with a deposit and a stake of it.
_MANY = """
INSERT INTO wallet_player (code, bet_locked, deposit_locked, withdraw_locked, created_at)
SELECT 'p' || n, false, false, false, now() FROM generate_series(1, 600) n;
INSERT INTO wallet_wallet (player_id, currency_id, cash, bonus, held, version, staked_total, paid_total,
    deposited_total, created_at)
SELECT id, 'EUR', 0, 0, 0, 0, 0, 0, 0, now() FROM wallet_player WHERE code <> 'bob';
INSERT INTO bonus_bonus (id, offer_id, player_id, wallet_id, status, source, reference, ordinal, terms, deposit,
    amount, base, required, wagered, converted, version, created_at, activated_at, expires_at, claim_by)
SELECT gen_random_uuid(), b.offer_id, w.player_id, w.id, s.status, b.source, s.status || w.id, s.ordinal, b.terms,
    0, 0, 0, 0, 0, 0, 0, now(), CASE WHEN s.ordinal = 1 THEN now() END, now() + w.id * interval '1 day',
    now() + w.id * interval '1 day'
FROM bonus_bonus b, wallet_wallet w, (VALUES (1, 'active'), (2, 'queued')) s(ordinal, status)
WHERE w.player_id <> b.player_id;
INSERT INTO wallet_transaction (id, command, wallet_id, version, kind, status, source, reference, round, bonus, amount,
    cash_delta, bonus_delta, held_delta, cash_after, bonus_after, held_after, staked_total, paid_total,
    deposited_total, contribution, ends_round, late, captured, void_amount, shortfall, digest, digest_version,
    created_at)
SELECT gen_random_uuid(), gen_random_uuid(), b.wallet_id, s.version, s.kind, 'POSTED', 'acme', b.id::text, b.id::text,
    b.id, 100, s.cash, s.bonus, 0, 100, 100, 0, 0, 0, 0, 0, false, false, false, 0, 0, sha256('x'), 1, now()
FROM bonus_bonus b, (VALUES (1, 'DEPOSIT', 100, 0), (2, 'BET', 0, -100)) s(version, kind, cash, bonus)
WHERE b.status = 'active';
"""


def fill(offer: Offer) -> None:
    grant(offer, wallet_of("bob"), BonusStatus.ACTIVE)
    with connection.cursor() as cursor:
        cursor.execute(_MANY)
    analyse()


def analyse() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")


@pytest.fixture(params=["empty", "filled"])
def tables(request: pytest.FixtureRequest, welcome: Offer) -> str:
    """Tables as a new house has them, or a busy one; the planner knows which."""
    if request.param == "filled":
        fill(welcome)
    else:
        analyse()
    return str(request.param)


def lookups(statement: str) -> set[tuple[str, str]]:
    """Every index that a statement of the engine reads, and by what it is searched."""
    values = ", ".join(["NULL"] * statement.count("%s"))
    with posting._transaction() as session:
        session.command(f"PREPARE asked AS {numbered(statement)}")
        ((plan,),) = session.rows(f"EXPLAIN (FORMAT JSON) EXECUTE asked({values})", [])
        session.command("DEALLOCATE asked")
    return set(_reads((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]))


def _reads(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "Index Name" in node:
        yield node["Index Name"], node.get("Index Cond", "")
    elif node["Node Type"] == "Seq Scan":
        yield f"all of {node['Relation Name']}", ""
    for inner in node.get("Plans", ()):
        yield from _reads(inner)


# By which index of a busy house a statement looks up what it reads, and by which columns.
BY_KEY = {
    store._READ_LIVE: ("bonus_live", "(wallet_id = n.wallet)"),
    store._READ_NAMED: ("bonus_bonus_pkey", "(id = n.id)"),
    store._READ_SPENT: (
        "bonus_reference",
        "(((source)::text = n.source) AND ((reference)::text = n.reference))",
    ),
    store._COUNT_DEPOSITS: ("ledger_deposits", "(wallet_id = n.wallet)"),
}


@pytest.mark.parametrize("statement", BY_KEY, ids=["live", "named", "spent", "deposits"])
def test_what_is_read_is_looked_up_by_its_key(tables: str, statement: str) -> None:
    """Of empty tables the planner may take any index that narrows the search: all of them cost the same there."""
    ((index, searched),) = lookups(statement)
    assert searched
    assert tables == "empty" or (index, searched) == BY_KEY[statement]


def test_what_an_offer_granted_is_looked_up_by_player(tables: str) -> None:
    found = lookups(store._READ_ORDINALS)
    assert any("player_id = p.id" in searched for _, searched in found), found
    assert all(searched for _, searched in found), found


def test_what_settles_a_stake_is_looked_up_for_each(tables: str) -> None:
    """No index is read as a whole, though the statement may have been prepared when there was nothing in it."""
    found = lookups(store._READ_OPEN_STAKES)
    assert found
    assert all(searched for _, searched in found), found


def test_of_a_busy_house_the_young_stakes_of_a_bonus_are_read(welcome: Offer) -> None:
    """And for each its closer, its round, the wins that name it, and their closers."""
    fill(welcome)
    found = lookups(store._READ_OPEN_STAKES)
    (stakes,) = (searched for index, searched in found if index == "ledger_bonus")
    assert "bonus = n.bonus" in stakes
    assert "created_at >" in stakes
    closers = {searched for index, searched in found if index == "ledger_closes"}
    assert closers == {"(closes = x.id)", "(closes = r_1.id)", "(closes = r_2.id)"}
    indexes = {index for index, _ in found if index.startswith("ledger_")}
    assert indexes == {"ledger_bonus", "ledger_closes", "ledger_answers", "ledger_rounds"}


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (store._UPDATE, "bonus_bonus_pkey"),
        (store._UPDATE_PROGRESS, "bonus_bonus_pkey"),
        (store._COUNT_GRANTS, "bonus_offer_pkey"),
    ],
    ids=["bonuses", "progress", "offers"],
)
def test_what_is_written_is_found_by_its_id(tables: str, statement: str, index: str) -> None:
    assert {found for found, _ in lookups(statement)} == {index}


def test_what_the_engine_and_the_expiry_look_for_has_an_index(welcome: Offer) -> None:
    # Enough live bonuses that reading all of them is not the cheapest plan.
    fill(welcome)
    for index, condition in [
        ("bonus_live", "wallet_id = ANY ('{1,2,3}') AND status IN ('pending', 'queued', 'active')"),
        ("bonus_expiring", "status = 'active' AND expires_at <= '2026-09-22Z'"),
        ("bonus_unclaimed", "status IN ('pending', 'queued') AND claim_by <= '2026-09-22Z'"),
    ]:
        assert index in plan_of(f"SELECT * FROM bonus_bonus WHERE {condition}")


def plan_of(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_counting_a_bet_touches_no_index(welcome: Offer) -> None:
    grant(welcome, wallet_of("bob"), BonusStatus.ACTIVE)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE bonus_bonus SET wagered = wagered + 1, version = version + 1")
        cursor.execute("SELECT pg_stat_get_xact_tuples_hot_updated('bonus_bonus'::regclass)")
        assert cursor.fetchone() == (1,)
