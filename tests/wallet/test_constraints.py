"""The database refuses wrong money by itself, whatever the application believes.

Every statement here is raw SQL by the application's own role. Each refused row differs in one
thing from a row that is accepted, so that none is refused for another reason.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from tests import scenario
from tests.wallet import corruption
from tests.wallet.database_refusals import execute, refused
from wallet.kinds import KINDS

ROW: dict[str, Any] = {
    "status": "POSTED",
    "source": "acme",
    "amount": 0,
    "cash_delta": 0,
    "bonus_delta": 0,
    "held_delta": 0,
    "cash_after": 1000,
    "bonus_after": 1000,
    "held_after": 1000,
    "staked_total": 0,
    "paid_total": 0,
    "deposited_total": 0,
    "contribution": 0,
    "ends_round": False,
    "late": False,
    "captured": False,
    "void_amount": 0,
    "shortfall": 0,
    "digest": b"\0" * 32,
    "digest_version": 1,
}
CLOSING = ("ROLLBACK", "SETTLE", "RELEASE")
# Every text column but kind and status, which are words of lists.
TEXTS = (
    "source",
    "reference",
    "round",
    "game",
    "original",
    "original_kind",
    "win_source",
    "refusal",
    "actor",
    "reason",
)


@pytest.fixture(autouse=True)
def alice(books: None) -> Iterator[int]:
    """Alice's wallet, without a row; what a test writes is taken back at its end."""
    scenario.catalogue()
    scenario.player("alice")
    with transaction.atomic():
        yield corruption.wallet_id("alice")
        transaction.set_rollback(True)


def insert(kind: str, **columns: Any) -> uuid.UUID:
    """Write a ledger row; returns its id."""
    row = ROW | {"id": uuid.uuid4(), "reference": str(uuid.uuid4()), "kind": kind} | columns
    row.setdefault("command", row["id"])
    row.setdefault("wallet_id", corruption.wallet_id("alice"))
    if kind in CLOSING and row["status"] == "POSTED":
        row.setdefault("closes", uuid.uuid4())
    with connection.cursor() as cursor:
        if "version" not in row:
            cursor.execute("SELECT count(*) + 1 FROM wallet_transaction")
            row["version"] = cursor.fetchone()[0]
        holes = ", ".join(["%s"] * len(row))
        cursor.execute(
            f"INSERT INTO wallet_transaction ({', '.join(row)}, created_at) VALUES ({holes}, now())", list(row.values())
        )
    return row["id"]


# Cash, bonus and held of an accepted row of 100, and of rows that move what the kind may not.
MOVES = {
    "DEPOSIT": ((100, 0, 0), [(99, 0, 0), (101, 0, 0), (-100, 0, 0), (100, 1, 0), (100, 0, 1), (0, 100, 0)]),
    "HOLD": ((-100, 0, 100), [(-100, 0, 0), (-100, 0, 99), (0, 0, 100), (100, 0, -100), (0, -100, 100)]),
    "SETTLE": ((0, 0, -100), [(0, 0, -99), (0, 0, 100), (100, 0, -100), (-100, 0, 0), (0, 1, -100)]),
    "RELEASE": ((100, 0, -100), [(100, 0, 0), (0, 0, -100), (99, 0, -100), (0, 100, -100), (-100, 0, 100)]),
    "BET": ((-60, -40, 0), [(-60, -39, 0), (-61, -40, 0), (60, 40, 0), (-140, 40, 0), (-60, -40, 1), (0, 0, 0)]),
    "WIN": ((60, 40, 0), [(60, 39, 0), (61, 40, 0), (-60, -40, 0), (140, -40, 0), (60, 40, 1), (0, 0, 0)]),
    "ROLLBACK": ((60, 40, 0), [(60, 39, 0), (61, 40, 0), (-60, -39, 0), (140, -40, 0), (60, 40, 1), (0, 0, 0)]),
    "END_ROUND": ((0, 0, 0), [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0)]),
    "GRANT": ((0, 100, 0), [(0, 99, 0), (0, -100, 0), (100, 0, 0), (1, 100, 0), (0, 100, 1)]),
    "CONVERT": ((60, -100, 0), [(101, -100, 0), (-1, -100, 0), (60, -99, 0), (60, 100, 0), (60, -100, 1)]),
    "FORFEIT": ((0, -100, 0), [(0, -99, 0), (0, 100, 0), (-100, 0, 0), (1, -100, 0), (0, -100, 1)]),
    "EXPIRE": ((0, -100, 0), [(0, -99, 0), (0, 100, 0), (-100, 0, 0), (1, -100, 0), (0, -100, 1)]),
    "ADJUST": ((100, 0, 0), [(99, 0, 0), (-100, 0, 0), (100, 1, 0), (100, 0, 1), (0, 100, 0)]),
}


def deltas(moved: tuple[int, int, int]) -> dict[str, int]:
    return dict(zip(("cash_delta", "bonus_delta", "held_delta"), moved, strict=True))


def amount_of(kind: str) -> int:
    return 0 if kind == "END_ROUND" else 100


def test_the_role_is_an_ordinary_one() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False)


class TestMoves:
    def test_every_kind_is_in_the_table(self) -> None:
        assert tuple(MOVES) == KINDS

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_a_kind_may_move_is_accepted_and_nothing_else(self, kind: str) -> None:
        right, wrong = MOVES[kind]
        insert(kind, amount=amount_of(kind), **deltas(right))
        for moved in wrong:
            with refused("ledger_moves"):
                insert(kind, amount=amount_of(kind), **deltas(moved))

    @pytest.mark.parametrize("status", ["REFUSED", "VOID"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_refused_or_void_row_moves_nothing(self, kind: str, status: str) -> None:
        row = {"status": status, "amount": amount_of(kind)}
        if status == "REFUSED":
            row["refusal"] = "insufficient_funds"
        insert(kind, **row)
        for column in ("cash_delta", "bonus_delta", "held_delta"):
            with refused("ledger_moves"):
                insert(kind, **row, **{column: 1})
        with refused("ledger_moves"):
            insert(kind, **row, contribution=1, bonus=uuid.uuid4())

    def test_a_rollback_of_a_win_takes_and_may_fall_short(self) -> None:
        insert("ROLLBACK", amount=100, cash_delta=-50, bonus_delta=-20, void_amount=10, shortfall=20)
        with refused("ledger_moves"):
            insert("ROLLBACK", amount=100, cash_delta=-50, bonus_delta=-20, void_amount=10, shortfall=19)

    def test_a_refund_never_falls_short(self) -> None:
        insert("ROLLBACK", amount=100, cash_delta=90, void_amount=10)
        with refused("ledger_moves"):
            insert("ROLLBACK", amount=100, cash_delta=90, shortfall=10)

    @pytest.mark.parametrize(
        ("kind", "columns"),
        [
            ("WIN", {"amount": 10, "cash_delta": 10, "shortfall": 1}),
            ("WIN", {"amount": 9, "cash_delta": 10, "void_amount": -1}),
            ("ROLLBACK", {"amount": 9, "cash_delta": -10, "shortfall": -1}),
            ("ROLLBACK", {"status": "VOID", "shortfall": 1}),
            ("BET", {"amount": 10, "cash_delta": -10, "void_amount": 1}),
            ("BET", {"amount": 10, "cash_delta": -10, "shortfall": 1}),
            ("DEPOSIT", {"amount": 10, "cash_delta": 10, "void_amount": 1}),
            ("END_ROUND", {"shortfall": 1}),
        ],
    )
    def test_money_that_did_not_move_is_told_where_it_can_be_so_only(self, kind: str, columns: dict[str, Any]) -> None:
        insert("WIN", amount=10, cash_delta=4, void_amount=6)
        with refused("ledger_extras"):
            insert(kind, **columns)

    def test_an_adjustment_may_take(self) -> None:
        insert("ADJUST", amount=-100, cash_delta=-100)
        with refused("ledger_amount"):
            insert("DEPOSIT", amount=-100, cash_delta=-100)


class TestRows:
    def test_a_version_is_taken_once(self) -> None:
        insert("END_ROUND", version=1)
        with refused("ledger_version"):
            insert("END_ROUND", version=1)

    def test_versions_begin_with_1(self) -> None:
        with refused("ledger_version_positive"):
            insert("END_ROUND", version=0)

    def test_a_reference_is_spent_once_for_each_kind_and_source(self) -> None:
        insert("END_ROUND", reference="r")
        insert("END_ROUND", reference="r", source="zenith")
        insert("BET", reference="r")
        with refused("ledger_reference"):
            insert("END_ROUND", reference="r")

    def test_a_reference_stays_spent_when_it_was_refused(self) -> None:
        insert("BET", reference="r", status="REFUSED", refusal="insufficient_funds")
        with refused("ledger_reference"):
            insert("BET", reference="r")

    def test_an_original_is_rolled_back_once(self) -> None:
        bet = insert("BET")
        insert("ROLLBACK", closes=bet)
        with refused("ledger_closes"):
            insert("ROLLBACK", closes=bet)

    @pytest.mark.parametrize("first", ["SETTLE", "RELEASE"])
    @pytest.mark.parametrize("second", ["SETTLE", "RELEASE"])
    def test_a_hold_is_settled_or_released_and_never_both(self, first: str, second: str) -> None:
        hold = insert("HOLD")
        insert(first, closes=hold)
        with refused("ledger_closes"):
            insert(second, closes=hold)

    @pytest.mark.parametrize("kind", sorted(set(KINDS) - set(CLOSING)))
    def test_nothing_else_closes_a_row(self, kind: str) -> None:
        right, _ = MOVES[kind]
        with refused("ledger_closing"):
            insert(kind, amount=amount_of(kind), **deltas(right), closes=uuid.uuid4())

    @pytest.mark.parametrize("kind", CLOSING)
    def test_what_undoes_or_ends_names_what(self, kind: str) -> None:
        right, _ = MOVES[kind]
        with refused("ledger_closing"):
            insert(kind, amount=100, **deltas(right), closes=None)

    def test_a_void_rollback_may_have_found_nothing_to_undo(self) -> None:
        insert("ROLLBACK", status="VOID")
        insert("ROLLBACK", status="VOID", closes=uuid.uuid4())

    def test_a_contribution_belongs_to_a_bonus(self) -> None:
        insert("BET", contribution=10_000, bonus=uuid.uuid4())
        with refused("ledger_contribution"):
            insert("BET", contribution=10_000)

    def test_a_kind_or_status_nobody_knows(self) -> None:
        with refused("ledger_"):
            insert("PAYOUT")
        with refused("ledger_moves"):
            insert("BET", status="PENDING")

    @pytest.mark.parametrize("column", ["cash_after", "bonus_after", "held_after"])
    def test_a_balance_stays_within_its_bounds(self, column: str) -> None:
        insert("END_ROUND", **{column: 0})
        insert("END_ROUND", **{column: 10**17})
        for value in (-1, 10**17 + 1):
            with refused("ledger_balances"):
                insert("END_ROUND", **{column: value})

    @pytest.mark.parametrize("column", ["staked_total", "paid_total", "deposited_total"])
    def test_a_total_is_never_negative(self, column: str) -> None:
        with refused("ledger_totals"):
            insert("END_ROUND", **{column: -1})

    def test_an_amount_stays_within_its_bounds(self) -> None:
        for amount in (10**14, -(10**14)):
            insert("ADJUST", amount=amount, cash_delta=amount)
        for amount in (10**14 + 1, -(10**14) - 1):
            with refused("ledger_amount"):
                insert("ADJUST", amount=amount, cash_delta=amount)
        insert("DEPOSIT", amount=10**14, cash_delta=10**14)
        with refused("ledger_amount"):
            insert("DEPOSIT", amount=10**14 + 1, cash_delta=10**14 + 1)

    @pytest.mark.parametrize("kind", ["CONVERT", "FORFEIT", "EXPIRE"])
    def test_a_bonus_that_ends_takes_its_whole_balance_along(self, kind: str) -> None:
        insert(kind, amount=10**17, bonus_delta=-(10**17))
        with refused("ledger_amount"):
            insert(kind, amount=10**17 + 1, bonus_delta=-(10**17) - 1)

    def test_a_refusal_is_told_by_refused_rows(self) -> None:
        insert("DEPOSIT", refusal="offer_not_available")
        with refused("ledger_refusal"):
            insert("BET", refusal="insufficient_funds")
        with refused("ledger_refusal"):
            insert("BET", status="REFUSED")

    @pytest.mark.parametrize("column", TEXTS)
    def test_no_line_break_can_blur_what_is_digested(self, column: str) -> None:
        fitting = {"status": "REFUSED"} if column == "refusal" else {}
        insert("END_ROUND", **fitting, **{column: "one line"})
        for character in "\n\r\t\x01\x1e\x7f":
            with refused("ledger_one_line"):
                insert("END_ROUND", **fitting, **{column: f"two{character}lines"})

    def test_a_reference_may_be_its_players_own(self) -> None:
        insert("BET", reference="alice\x1fbet-1")
        insert("ROLLBACK", reference="alice\x1fback-1", original="alice\x1fbet-1", reason="läuft über")

    def test_a_row_belongs_to_a_wallet(self) -> None:
        insert("END_ROUND", wallet_id=corruption.wallet_id("alice") + 1_000)
        with refused("wallet_transaction_wallet_id"):
            execute("SET CONSTRAINTS ALL IMMEDIATE")


class TestAppendOnly:
    """The ledger's triggers."""

    def test_no_row_is_changed(self) -> None:
        row = insert("END_ROUND")
        with refused("Cannot update"):
            execute("UPDATE wallet_transaction SET reason = 'another' WHERE id = %s", row)

    def test_no_row_is_deleted(self) -> None:
        row = insert("END_ROUND")
        with refused("Cannot update or delete"):
            execute("DELETE FROM wallet_transaction WHERE id = %s", row)

    @pytest.mark.parametrize("tables", ["wallet_transaction", "wallet_wallet CASCADE", "wallet_player CASCADE"])
    def test_no_table_is_emptied_from_under_it(self, tables: str) -> None:
        with refused("Cannot truncate"):
            execute(f"TRUNCATE {tables}")

    def test_no_wallet_is_deleted_from_under_its_rows(self, alice: int) -> None:
        insert("END_ROUND")
        execute("DELETE FROM wallet_wallet WHERE id = %s", alice)
        with refused("wallet_transaction_wallet_id"):
            execute("SET CONSTRAINTS ALL IMMEDIATE")


class TestWallets:
    @pytest.mark.parametrize("column", ["cash", "bonus", "held"])
    def test_a_balance_stays_within_its_bounds(self, alice: int, column: str) -> None:
        execute(f"UPDATE wallet_wallet SET {column} = %s WHERE id = %s", 10**17, alice)
        for value in (-1, 10**17 + 1):
            with refused(f"wallet_{column}_bounds"):
                execute(f"UPDATE wallet_wallet SET {column} = %s WHERE id = %s", value, alice)

    def test_a_version_is_never_negative(self, alice: int) -> None:
        with refused("wallet_"):
            execute("UPDATE wallet_wallet SET version = -1, digest = sha256('') WHERE id = %s", alice)

    def test_a_digest_comes_with_the_first_row(self, alice: int) -> None:
        with refused("wallet_digest_since_first_row"):
            execute("UPDATE wallet_wallet SET version = 1 WHERE id = %s", alice)
        with refused("wallet_digest_since_first_row"):
            execute("UPDATE wallet_wallet SET digest = sha256('') WHERE id = %s", alice)

    def test_a_player_has_one_wallet_in_a_currency(self, alice: int) -> None:
        with refused("wallet_of_player"):
            execute(
                "INSERT INTO wallet_wallet (player_id, currency_id, cash, bonus, held, version, staked_total,"
                " paid_total, deposited_total, created_at)"
                " SELECT player_id, currency_id, 0, 0, 0, 0, 0, 0, 0, now() FROM wallet_wallet WHERE id = %s",
                alice,
            )


class TestApprovals:
    @pytest.fixture
    def asked(self, alice: int) -> uuid.UUID:
        """Olga asked for an adjustment."""
        id = uuid.uuid4()
        execute(
            "INSERT INTO wallet_approval (id, wallet_id, source, reference, act, amount, reason, state,"
            " author, created_at)"
            " VALUES (%s, %s, 'operator', 'a-1', 'adjust', 1, 'why', 'pending', 'olga', now())",
            id,
            alice,
        )
        return id

    def test_nobody_approves_what_they_asked_for(self, asked: uuid.UUID) -> None:
        decide = "UPDATE wallet_approval SET state = 'approved', approver = %s, decided_at = now() WHERE id = %s"
        with refused("approval_needs_two_people"):
            execute(decide, "olga", asked)
        execute(decide, "oscar", asked)

    def test_what_is_decided_was_decided_by_someone(self, asked: uuid.UUID) -> None:
        with refused("approval_decided_by_someone"):
            execute("UPDATE wallet_approval SET state = 'approved' WHERE id = %s", asked)

    def test_a_completion_names_its_bonus_and_an_adjustment_none(self, alice: int) -> None:
        for act, bonus in (("complete", None), ("adjust", uuid.uuid4()), ("forget", None)):
            with refused("approval_names_its_subject"):
                execute(
                    "INSERT INTO wallet_approval (id, wallet_id, source, reference, act, bonus, amount, reason, state,"
                    " author, created_at)"
                    " VALUES (%s, %s, 'operator', 'a-1', %s, %s, 1, 'why', 'pending', 'olga', now())",
                    uuid.uuid4(),
                    alice,
                    act,
                    bonus,
                )


class TestNames:
    @pytest.mark.parametrize("code", ["eur", "EU", "EUR-X", "1EUR", ""])
    def test_a_currency_has_a_code_in_capitals(self, code: str) -> None:
        with refused("currency_code_shape"):
            execute("UPDATE wallet_currency SET code = %s WHERE code = 'JPY'", code)

    @pytest.mark.parametrize("code", ["cashier", "bonus", "operator", "Acme", "a b", ""])
    def test_a_provider_is_not_one_of_the_house(self, code: str) -> None:
        with refused("provider_code_shape"):
            execute("UPDATE wallet_provider SET code = %s WHERE code = 'acme'", code)
