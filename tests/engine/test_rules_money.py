"""PLAY.md rules 26-30: money in and out, locks and exclusion, and what every row knows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from casino_pam.engine import commands, posting
from tests import clean_books, scenario
from tests.scenario import word
from wallet.models import Currency, Player, Transaction, Wallet
from wallet.money import MAX_BALANCE


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("100.00")


# --- 26, 27: who is gated by what ----------------------------------------------------------------

COMMANDS = {
    "bet": lambda: scenario.bet(),
    "win": lambda: scenario.win(),
    "rollback": lambda: scenario.rollback("played"),
    "end of round": lambda: scenario.end_round(),
    "deposit": lambda: scenario.deposit("alice", amount=500),
    "captured deposit": lambda: scenario.deposit("alice", amount=500, captured=True),
    "hold": lambda: scenario.hold(amount="1.00"),
    "settle": lambda: scenario.settle("held"),
    "release": lambda: scenario.release("held"),
    "adjustment": lambda: scenario.adjust(amount="-1.00"),
}

GATES = {
    "bet lock": (lambda: Player.objects.update(bet_locked=True), {"bet": "wallet_locked"}),
    "deposit lock": (lambda: Player.objects.update(deposit_locked=True), {"deposit": "wallet_locked"}),
    "withdraw lock": (lambda: Player.objects.update(withdraw_locked=True), {"hold": "wallet_locked"}),
    "exclusion": (
        lambda: Player.objects.update(excluded_until=scenario.moment(scenario.NOON + 1)),
        {"bet": "player_excluded", "deposit": "player_excluded"},
    ),
    "exclusion that ended": (lambda: Player.objects.update(excluded_until=scenario.moment(scenario.NOON)), {}),
    "disabled provider": (lambda: scenario.profile(enabled=False), {"bet": "forbidden"}),
    "disabled currency": (lambda: Currency.objects.update(enabled=False), {"bet": "currency_disabled"}),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("gate", GATES)
def test_rules_26_and_27_each_gate_stops_only_what_it_is_for(gate, command):
    scenario.bet(reference="played", amount="1.00", round="earlier")
    scenario.hold(reference="held", amount="1.00")
    shut, refusals = GATES[gate]
    shut()
    assert word(COMMANDS[command]()) == refusals.get(command, "posted")


def test_rule_27_excluded_comes_before_locked():
    Player.objects.update(excluded_until=scenario.moment(scenario.NOON + 1), bet_locked=True, deposit_locked=True)
    assert word(scenario.bet()) == "player_excluded"
    assert word(scenario.deposit("alice", amount=1)) == "player_excluded"


@pytest.mark.parametrize(("lock", "act"), [("bet", scenario.bet), ("withdraw", scenario.hold)])
def test_rule_27_a_lock_says_which_it_is(lock, act):
    Player.objects.update(**{f"{lock}_locked": True})
    assert act().facts["lock"] == lock


# --- 28: withdrawals -----------------------------------------------------------------------------


def test_rule_28_a_withdrawal_is_held_then_settled():
    held = scenario.hold(reference="h", amount="30.00")
    assert (held.status, held.amount, held.cash, held.held) == ("posted", 3000, 7000, 3000)
    settled = scenario.settle("h")
    assert (settled.status, settled.amount, settled.cash, settled.held) == ("posted", 3000, 7000, 0)
    assert scenario.balances() == (7000, 0, 0)


def test_rule_28_a_withdrawal_is_held_then_released():
    scenario.hold(reference="h", amount="30.00")
    released = scenario.release("h")
    assert (released.status, released.amount, released.cash, released.held) == ("posted", 3000, 10000, 0)


@pytest.mark.parametrize(
    ("first", "then", "code"), [("settle", "release", "already_settled"), ("release", "settle", "already_released")]
)
def test_rule_28_once_and_never_both(first, then, code):
    ends = {"settle": scenario.settle, "release": scenario.release}
    scenario.hold(reference="h", amount="30.00")
    ended = ends[first]("h")
    repeat = ends[first]("h")
    assert (repeat.replayed, repeat.row) == (True, ended.row)
    assert ends[then]("h").code == code
    assert Transaction.objects.filter(reference="h").count() == 2


@pytest.mark.parametrize("end", [scenario.settle, scenario.release])
def test_rule_28_what_was_never_held_cannot_end(end):
    assert (end("h").code, end("h").facts["reference"]) == ("unknown_withdrawal", "h")
    scenario.hold(reference="refused", amount="500.00")
    assert end("refused").code == "unknown_withdrawal"
    assert scenario.balances() == (10000, 0, 0)


@pytest.mark.parametrize("end", [scenario.settle, scenario.release])
def test_rule_28_a_withdrawal_is_its_players_its_wallets_and_its_sources(end):
    scenario.bob("100.00")
    scenario.player("alice", "500", currency="JPY")
    scenario.hold(reference="h")
    assert end("h", "bob").code == "unknown_withdrawal"
    assert end("h", currency="JPY").code == "unknown_withdrawal"
    assert end("h", source="cashier:another").code == "unknown_withdrawal"
    assert word(end("h")) == "posted"


def test_rule_28_a_hold_takes_only_cash_that_is_there():
    assert scenario.hold(reference="h1", amount="100.01").code == "insufficient_funds"
    assert scenario.hold(amount="100.00").cash == 0
    assert scenario.hold(amount="0.01").code == "insufficient_funds"


def test_rule_28_holding_settling_and_holding_again_in_one_posting():
    given = {"source": "cashier", "player": "alice", "at": scenario.NOON, "currency": "EUR"}
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
    assert scenario.balances() == (6000, 0, 0)


# --- 29: deposits --------------------------------------------------------------------------------


def test_rule_29_a_deposit_adds_cash_and_counts_as_deposited():
    receipt = scenario.deposit("alice", amount=2500)
    assert (receipt.status, receipt.amount, receipt.cash) == ("posted", 2500, 12500)
    assert not receipt.row.captured
    assert Wallet.objects.get().deposited_total == 12500


@pytest.mark.parametrize("gate", [{"deposit_locked": True}, {"excluded_until": scenario.moment(scenario.NOON + 1)}])
def test_rule_29_a_captured_deposit_passes_the_gates_and_is_marked_for_review(gate):
    Player.objects.update(**gate)
    refused = scenario.deposit("alice", reference="d", amount=500)
    assert refused.facts["transaction"] == str(Transaction.objects.get(reference="d").id)
    # After a remembered refusal it needs a new reference.
    assert scenario.deposit("alice", reference="d", amount=500, captured=True).code == refused.code
    receipt = scenario.deposit("alice", reference="d2", amount=500, captured=True)
    assert (receipt.status, receipt.cash, receipt.row.captured) == ("posted", 10500, True)
    assert Transaction.objects.get(reference="d2").captured


@pytest.mark.parametrize("captured", [False, True])
def test_rule_29_even_a_captured_deposit_cannot_pass_the_bound_of_a_balance(captured):
    Wallet.objects.update(cash=MAX_BALANCE)
    refused = scenario.deposit("alice", reference="d", amount=1, captured=captured)
    assert refused.code == "limit_reached"
    row = Transaction.objects.get(reference="d")
    assert (row.status, row.captured, row.cash_after) == ("REFUSED", captured, MAX_BALANCE)
    assert scenario.deposit("alice", reference="d", amount=1, captured=captured).facts["replayed"]
    set_right()


def test_a_balance_reaches_its_bound_to_the_last_unit():
    Wallet.objects.update(cash=MAX_BALANCE - 1)
    assert scenario.win(reference="w", amount="0.02").code == "limit_reached"
    assert not Transaction.objects.filter(reference="w").exists()
    assert scenario.win(reference="w", amount="0.01").cash == MAX_BALANCE
    assert scenario.win(amount="0.00").status == "posted"
    scenario.bet(reference="b", amount="5.00", round="round-2")
    scenario.adjust(amount="5.00")
    assert scenario.rollback("b").code == "limit_reached"
    scenario.hold(reference="h", amount="5.00")
    scenario.adjust(amount="5.00")
    assert scenario.release("h").code == "limit_reached"
    assert scenario.settle("h").held == 0
    set_right()


def set_right():
    """Empty the books: they had a balance that no row explains."""
    clean_books.emptied()


# --- nothing, and no reason, whatever the door ---------------------------------------------------

NOTHING = {
    "deposit": (lambda: scenario.deposit("alice", reference="z", amount=0), "amount"),
    "captured deposit": (lambda: scenario.deposit("alice", reference="z", amount=0, captured=True), "amount"),
    "hold": (lambda: scenario.hold(reference="z", amount="0.00"), "amount"),
    "adjustment": (lambda: scenario.adjust(reference="z", amount="0.00"), "amount"),
    "adjustment for nobody": (lambda: scenario.adjust("nobody", reference="z", amount="0.00"), "amount"),
    "adjustment without a reason": (lambda: blank(""), "reason"),
    "adjustment with a blank reason": (lambda: blank(" \u00a0"), "reason"),
}


def blank(reason):
    given = {"source": "operator", "player": "alice", "at": scenario.NOON, "currency": "EUR"}
    return scenario.do(commands.Adjust(**given, reference="z", amount=1, reason=reason))


@pytest.mark.parametrize("case", NOTHING)
def test_what_moves_nothing_or_has_no_reason_is_malformed_and_leaves_nothing(case):
    act, field = NOTHING[case]
    refused = act()
    assert (refused.code, refused.facts["field"]) == ("invalid_field", field)
    assert not Transaction.objects.filter(reference="z").exists()
    assert scenario.deposit("alice", reference="z", amount=5).status == "posted"


# --- adjustments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("5.00", ("posted", 10500)), ("-100.00", ("posted", 0)), ("-100.01", ("insufficient_funds", 10000))],
)
def test_an_adjustment_moves_cash_either_way_but_not_below_zero(amount, expected):
    outcome = scenario.adjust(reference="a", amount=amount)
    assert (word(outcome), scenario.balances()[0]) == expected
    row = Transaction.objects.get(reference="a")
    assert (row.reason, row.amount) == ("a correction", scenario.eur(amount))


# --- 30: what every row knows --------------------------------------------------------------------


def test_rule_30_every_row_knows_where_it_stands_and_who_asked():
    receipt = scenario.bet(reference="b", round="round-7", game="slot-9", actor="oscar")
    row = Transaction.objects.get(reference="b")
    assert (row.source, row.round, row.game, row.actor) == ("acme", "round-7", "slot-9", "oscar")
    assert (row.cash_after, row.bonus_after, row.held_after, row.version) == (9000, 0, 0, 2)
    assert row.created_at == scenario.moment(scenario.NOON) and row.created_at.utcoffset() == timedelta(0)
    assert (str(row.id), str(row.command)) == (receipt.row.id, receipt.row.id)


def test_rule_30_version_order_is_time_order():
    scenario.bet(at=scenario.NOON + scenario.SECOND)
    assert scenario.bet(reference="late", at=scenario.NOON).row.created_at == scenario.NOON + scenario.SECOND
    times = Transaction.objects.order_by("version").values_list("created_at", flat=True)
    assert list(times) == sorted(times)


def test_rule_30_lifetime_totals_are_net_of_rollbacks():
    scenario.profile(rollback_wins=True, rollback_after_win="allow")
    scenario.bet(reference="b1", amount="7.00")
    scenario.bet(reference="b2", amount="2.00")
    scenario.win(reference="w1", amount="5.00")
    scenario.win(reference="w2", amount="3.00")
    scenario.rollback("b1")
    scenario.rollback("w1")
    scenario.hold(amount="1.00")
    scenario.adjust(amount="1.00")
    wallet = Wallet.objects.get()
    assert (wallet.staked_total, wallet.paid_total, wallet.deposited_total) == (200, 300, 10000)
    newest = Transaction.objects.latest("version")
    assert (newest.staked_total, newest.paid_total, newest.deposited_total) == (200, 300, 10000)
