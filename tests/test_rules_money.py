"""PLAY.md rules 26-30: money in and out, locks and exclusion, and what every row knows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from casino_pam.engine import commands, posting
from tests import books, cast
from tests.cast import word
from wallet.models import Currency, Player, Transaction, Wallet
from wallet.money import MAX_BALANCE


@pytest.fixture(autouse=True)
def house(books):
    cast.house()
    cast.alice("100.00")


# --- 26, 27: who is gated by what ----------------------------------------------------------------

COMMANDS = {
    "bet": lambda: cast.bet(),
    "win": lambda: cast.win(),
    "rollback": lambda: cast.rollback("played"),
    "end of round": lambda: cast.end_round(),
    "deposit": lambda: cast.deposit("alice", amount=500),
    "captured deposit": lambda: cast.deposit("alice", amount=500, captured=True),
    "hold": lambda: cast.hold(amount="1.00"),
    "settle": lambda: cast.settle("held"),
    "release": lambda: cast.release("held"),
    "adjustment": lambda: cast.adjust(amount="-1.00"),
}

GATES = {
    "bet lock": (lambda: Player.objects.update(bet_locked=True), {"bet": "wallet_locked"}),
    "deposit lock": (lambda: Player.objects.update(deposit_locked=True), {"deposit": "wallet_locked"}),
    "withdraw lock": (lambda: Player.objects.update(withdraw_locked=True), {"hold": "wallet_locked"}),
    "exclusion": (
        lambda: Player.objects.update(excluded_until=cast.moment(cast.NOON + 1)),
        {"bet": "player_excluded", "deposit": "player_excluded"},
    ),
    "exclusion that ended": (lambda: Player.objects.update(excluded_until=cast.moment(cast.NOON)), {}),
    "disabled provider": (lambda: cast.profile(enabled=False), {"bet": "forbidden"}),
    "disabled currency": (lambda: Currency.objects.update(enabled=False), {"bet": "currency_disabled"}),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("gate", GATES)
def test_rules_26_and_27_each_gate_stops_only_what_it_is_for(gate, command):
    cast.bet(reference="played", amount="1.00", round="earlier")
    cast.hold(reference="held", amount="1.00")
    shut, refusals = GATES[gate]
    shut()
    assert word(COMMANDS[command]()) == refusals.get(command, "posted")


def test_rule_27_excluded_comes_before_locked():
    Player.objects.update(excluded_until=cast.moment(cast.NOON + 1), bet_locked=True, deposit_locked=True)
    assert word(cast.bet()) == "player_excluded"
    assert word(cast.deposit("alice", amount=1)) == "player_excluded"


@pytest.mark.parametrize(("lock", "act"), [("bet", cast.bet), ("withdraw", cast.hold)])
def test_rule_27_a_lock_says_which_it_is(lock, act):
    Player.objects.update(**{f"{lock}_locked": True})
    assert act().facts["lock"] == lock


# --- 28: withdrawals -----------------------------------------------------------------------------


def test_rule_28_a_withdrawal_is_held_then_settled():
    held = cast.hold(reference="h", amount="30.00")
    assert (held.status, held.amount, held.cash, held.held) == ("posted", 3000, 7000, 3000)
    settled = cast.settle("h")
    assert (settled.status, settled.amount, settled.cash, settled.held) == ("posted", 3000, 7000, 0)
    assert cast.balances() == (7000, 0, 0)


def test_rule_28_a_withdrawal_is_held_then_released():
    cast.hold(reference="h", amount="30.00")
    released = cast.release("h")
    assert (released.status, released.amount, released.cash, released.held) == ("posted", 3000, 10000, 0)


@pytest.mark.parametrize(
    ("first", "then", "code"), [("settle", "release", "already_settled"), ("release", "settle", "already_released")]
)
def test_rule_28_once_and_never_both(first, then, code):
    ends = {"settle": cast.settle, "release": cast.release}
    cast.hold(reference="h", amount="30.00")
    ended = ends[first]("h")
    repeat = ends[first]("h")
    assert (repeat.replayed, repeat.row) == (True, ended.row)
    assert ends[then]("h").code == code
    assert Transaction.objects.filter(reference="h").count() == 2


@pytest.mark.parametrize("end", [cast.settle, cast.release])
def test_rule_28_what_was_never_held_cannot_end(end):
    assert (end("h").code, end("h").facts["reference"]) == ("unknown_withdrawal", "h")
    cast.hold(reference="refused", amount="500.00")
    assert end("refused").code == "unknown_withdrawal"
    assert cast.balances() == (10000, 0, 0)


@pytest.mark.parametrize("end", [cast.settle, cast.release])
def test_rule_28_a_withdrawal_is_its_players_its_wallets_and_its_sources(end):
    cast.bob("100.00")
    cast.player("alice", "500", currency="JPY")
    cast.hold(reference="h")
    assert end("h", "bob").code == "unknown_withdrawal"
    assert end("h", currency="JPY").code == "unknown_withdrawal"
    assert end("h", source="cashier:another").code == "unknown_withdrawal"
    assert word(end("h")) == "posted"


def test_rule_28_a_hold_takes_only_cash_that_is_there():
    assert cast.hold(reference="h1", amount="100.01").code == "insufficient_funds"
    assert cast.hold(amount="100.00").cash == 0
    assert cast.hold(amount="0.01").code == "insufficient_funds"


def test_rule_28_holding_settling_and_holding_again_in_one_posting():
    given = {"source": "cashier", "player": "alice", "at": cast.NOON, "currency": "EUR"}
    held, twin, settled, released, more = posting.post(
        [
            commands.Hold(reference="h", amount=4000, **given),
            commands.Hold(reference="h", amount=4000, **given),
            commands.Settle(reference="h", **given),
            commands.Release(reference="h", **given),
            commands.Hold(reference="h2", amount=6001, **given),
        ]
    )
    assert (word(held), twin.replayed, word(settled)) == ("posted", True, "posted")
    assert (word(released), word(more)) == ("already_settled", "insufficient_funds")
    assert cast.balances() == (6000, 0, 0)


# --- 29: deposits --------------------------------------------------------------------------------


def test_rule_29_a_deposit_adds_cash_and_counts_as_deposited():
    receipt = cast.deposit("alice", amount=2500)
    assert (receipt.status, receipt.amount, receipt.cash) == ("posted", 2500, 12500)
    assert not receipt.row.captured
    assert Wallet.objects.get().deposited_total == 12500


@pytest.mark.parametrize("gate", [{"deposit_locked": True}, {"excluded_until": cast.moment(cast.NOON + 1)}])
def test_rule_29_a_captured_deposit_passes_the_gates_and_is_marked_for_review(gate):
    Player.objects.update(**gate)
    refused = cast.deposit("alice", reference="d", amount=500)
    assert refused.facts["transaction"] == str(Transaction.objects.get(reference="d").id)
    # After a remembered refusal it needs a new reference.
    assert cast.deposit("alice", reference="d", amount=500, captured=True).code == refused.code
    receipt = cast.deposit("alice", reference="d2", amount=500, captured=True)
    assert (receipt.status, receipt.cash, receipt.row.captured) == ("posted", 10500, True)
    assert Transaction.objects.get(reference="d2").captured


@pytest.mark.parametrize("captured", [False, True])
def test_rule_29_even_a_captured_deposit_cannot_pass_the_bound_of_a_balance(captured):
    Wallet.objects.update(cash=MAX_BALANCE)
    refused = cast.deposit("alice", reference="d", amount=1, captured=captured)
    assert refused.code == "limit_reached"
    row = Transaction.objects.get(reference="d")
    assert (row.status, row.captured, row.cash_after) == ("REFUSED", captured, MAX_BALANCE)
    assert cast.deposit("alice", reference="d", amount=1, captured=captured).facts["replayed"]
    set_right()


def test_a_balance_reaches_its_bound_to_the_last_unit():
    Wallet.objects.update(cash=MAX_BALANCE - 1)
    assert cast.win(reference="w", amount="0.02").code == "limit_reached"
    assert not Transaction.objects.filter(reference="w").exists()
    assert cast.win(reference="w", amount="0.01").cash == MAX_BALANCE
    assert cast.win(amount="0.00").status == "posted"
    cast.bet(reference="b", amount="5.00", round="round-2")
    cast.adjust(amount="5.00")
    assert cast.rollback("b").code == "limit_reached"
    cast.hold(reference="h", amount="5.00")
    cast.adjust(amount="5.00")
    assert cast.release("h").code == "limit_reached"
    assert cast.settle("h").held == 0
    set_right()


def set_right():
    """Empty the books: they had a balance that no row explains."""
    books.emptied()


# --- adjustments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("5.00", ("posted", 10500)), ("-100.00", ("posted", 0)), ("-100.01", ("insufficient_funds", 10000))],
)
def test_an_adjustment_moves_cash_either_way_but_not_below_zero(amount, expected):
    outcome = cast.adjust(reference="a", amount=amount)
    assert (word(outcome), cast.balances()[0]) == expected
    row = Transaction.objects.get(reference="a")
    assert (row.reason, row.amount) == ("a correction", cast.eur(amount))


# --- 30: what every row knows --------------------------------------------------------------------


def test_rule_30_every_row_knows_where_it_stands_and_who_asked():
    receipt = cast.bet(reference="b", round="round-7", game="slot-9", actor="oscar")
    row = Transaction.objects.get(reference="b")
    assert (row.source, row.round, row.game, row.actor) == ("acme", "round-7", "slot-9", "oscar")
    assert (row.cash_after, row.bonus_after, row.held_after, row.version) == (9000, 0, 0, 2)
    assert row.created_at == cast.moment(cast.NOON) and row.created_at.utcoffset() == timedelta(0)
    assert (str(row.id), str(row.command)) == (receipt.row.id, receipt.row.id)


def test_rule_30_version_order_is_time_order():
    cast.bet(at=cast.NOON + cast.SECOND)
    assert cast.bet(reference="late", at=cast.NOON).row.created_at == cast.NOON + cast.SECOND
    times = Transaction.objects.order_by("version").values_list("created_at", flat=True)
    assert list(times) == sorted(times)


def test_rule_30_lifetime_totals_are_net_of_rollbacks():
    cast.profile(rollback_wins=True, rollback_after_win="allow")
    cast.bet(reference="b1", amount="7.00")
    cast.bet(reference="b2", amount="2.00")
    cast.win(reference="w1", amount="5.00")
    cast.win(reference="w2", amount="3.00")
    cast.rollback("b1")
    cast.rollback("w1")
    cast.hold(amount="1.00")
    cast.adjust(amount="1.00")
    wallet = Wallet.objects.get()
    assert (wallet.staked_total, wallet.paid_total, wallet.deposited_total) == (200, 300, 10000)
    newest = Transaction.objects.latest("version")
    assert (newest.staked_total, newest.paid_total, newest.deposited_total) == (200, 300, 10000)
