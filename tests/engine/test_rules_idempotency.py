"""PLAY.md rules 1-6: a reference is spent once, and answers for ever as it did the first time."""

from __future__ import annotations

import pytest
from django.db import connection

from casino_pam.engine import commands, posting
from tests import scenario
from wallet.models import Transaction


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")


def find(reference, kind="BET", who="alice", source="acme"):
    return scenario.do(commands.Find(source=source, player=who, at=scenario.NOON, kind=kind, reference=reference))


def told(receipt):
    """What must be equal in a first and a repeated answer."""
    return {
        name: getattr(receipt, name)
        for name in ("row", "player", "currency", "digits", "cash", "bonus", "held", "version", "status", "amount")
    }


# --- 1: the key ---------------------------------------------------------------------------------


def test_rule_1_different_kinds_may_share_a_reference():
    assert scenario.bet(reference="same").status == "posted"
    assert scenario.win(reference="same").status == "posted"
    assert scenario.end_round(reference="same", round="another").status == "posted"
    assert scenario.rollback("unheard-of", reference="same").status == "void"
    assert Transaction.objects.filter(reference="same").count() == 4


def test_rule_1_two_providers_collide_freely():
    assert scenario.bet(reference="same").cash == 9000
    receipt = scenario.bet(reference="same", source="zenith", amount="1.00")
    assert (receipt.status, receipt.replayed, receipt.cash) == ("posted", False, 8900)


def test_rule_1_a_reference_scoped_to_its_player_is_another_one_for_every_player():
    hers = scenario.bet(reference="alice\x1fsame")
    his = scenario.bet("bob", reference="bob\x1fsame", amount="3.00")
    assert (hers.replayed, his.replayed, his.cash) == (False, False, 9700)
    assert scenario.rollback("bob\x1fsame", "bob", reference="bob\x1fsame").cash == 10000
    assert scenario.bet(reference="alice\x1fsame").replayed


# --- 2: repeats ---------------------------------------------------------------------------------

VERBS = {
    "bet": lambda: scenario.bet(reference="r", round="new", ends_round=True),
    "win": lambda: scenario.win(reference="r", bet="earlier"),
    "late win": lambda: scenario.win(reference="r", round="over"),
    "jackpot": lambda: scenario.win(reference="r", round=None, game=None, win_source="jackpot"),
    "rollback": lambda: scenario.rollback("undone", reference="r"),
    "unknown rollback": lambda: scenario.rollback("unheard-of", reference="r"),
    "end of round": lambda: scenario.end_round(reference="r"),
    "deposit": lambda: scenario.deposit("alice", reference="r", amount=500, captured=True),
    "hold": lambda: scenario.hold(reference="r"),
    "settle": lambda: scenario.settle("held"),
    "release": lambda: scenario.release("held"),
    "adjust": lambda: scenario.adjust(reference="r", amount="-5.00"),
}


def what_came_before():
    scenario.bet(reference="earlier", amount="1.00")
    scenario.bet(reference="undone", amount="2.00", round="other")
    scenario.end_round(reference="end", round="over")
    scenario.hold(reference="held", amount="3.00")


@pytest.mark.parametrize("verb", VERBS)
def test_rule_2_a_repeat_answers_as_the_first_time_and_writes_nothing(verb):
    what_came_before()
    first = VERBS[verb]()
    scenario.deposit("alice", amount=4200)
    rows = Transaction.objects.count()
    repeat = VERBS[verb]()
    assert told(repeat) == told(first)
    assert (first.replayed, repeat.replayed) == (False, True)
    assert Transaction.objects.count() == rows


@pytest.mark.parametrize(
    "verb", [verb for verb in VERBS if verb not in ("deposit", "hold", "settle", "release", "adjust")]
)
def test_rule_2_replay_balance_current_shows_the_balances_of_now(verb):
    scenario.profile(replay_balance="current")
    what_came_before()
    first = VERBS[verb]()
    now = scenario.deposit("alice", amount=4200)
    repeat = VERBS[verb]()
    assert (repeat.cash, repeat.held, repeat.version) == (now.cash, now.held, now.version)
    assert (repeat.row, repeat.amount, repeat.status, repeat.replayed) == (first.row, first.amount, first.status, True)


def test_rule_2_replay_balance_current_holds_for_a_refusal_too():
    scenario.profile(replay_balance="current")
    first = scenario.bet(reference="r", amount="500.00")
    now = scenario.deposit("alice", amount=4200)
    repeat = scenario.bet(reference="r", amount="500.00")
    assert repeat.facts == {
        **first.facts,
        "replayed": True,
        "balance": now.cash,
        "cash": now.cash,
        "version": now.version,
    }


@pytest.mark.parametrize(
    ("verb", "kind"), [("bet", "BET"), ("win", "WIN"), ("rollback", "ROLLBACK"), ("end of round", "END_ROUND")]
)
@pytest.mark.parametrize("replay_balance", ["first", "current"])
def test_rule_2_transaction_answers_what_a_repeat_would(verb, kind, replay_balance):
    scenario.profile(replay_balance=replay_balance)
    what_came_before()
    VERBS[verb]()
    scenario.deposit("alice", amount=4200)
    assert told(find("r", kind)) == told(VERBS[verb]())
    assert find("r", kind).replayed


def test_rule_2_transaction_answers_a_remembered_refusal_and_an_undone_bet_as_their_repeats():
    scenario.bet(reference="refused", amount="500.00")
    assert (find("refused").code, find("refused").facts) == (
        "insufficient_funds",
        scenario.bet(reference="refused", amount="500.00").facts,
    )
    scenario.bet(reference="undone")
    scenario.rollback("undone")
    assert (find("undone").code, find("undone").facts) == ("rolled_back", scenario.bet(reference="undone").facts)


def test_rule_2_transaction_is_unknown_for_others_and_for_nothing():
    scenario.bet(reference="r")
    assert find("r", who="bob").code == "unknown_transaction"
    assert find("r", source="zenith").code == "unknown_transaction"
    assert find("r", kind="WIN").code == "unknown_transaction"
    assert find("r", who="nobody").code == "unknown_player"


def test_rule_2_a_repeat_reads_a_handful_of_rows_however_many_there_are():
    """The ledger is the memory: the repeat of a bet goes by index past ten thousand other rows."""
    first = scenario.bet(reference="r")
    rounds = (f"many-{n // 10}" for n in range(5000))
    asked = [
        commands.Bet(
            source="acme",
            player="bob",
            at=scenario.NOON,
            reference=f"m{n}",
            currency="EUR",
            amount=0,
            round=round,
            game="g",
        )
        for n, round in enumerate(rounds)
    ]
    assert {outcome.status for outcome in posting.post(asked)} == {"posted"}
    with connection.cursor() as cursor:
        before = pages_read(cursor)
        repeat = scenario.bet(reference="r")
        assert told(repeat) == told(first)
        assert pages_read(cursor) - before < 200
        cursor.execute("ANALYZE wallet_transaction")


def pages_read(cursor):
    cursor.execute("SELECT pg_stat_force_next_flush()")
    cursor.execute(
        "SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)"
        " FROM pg_statio_user_tables WHERE relname = 'wallet_transaction'"
    )
    return cursor.fetchone()[0]


# --- 3: undone bets and wins ---------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{}, {"amount": "77.00"}, {"round": "elsewhere"}, {"game": "other"}])
@pytest.mark.parametrize("rollback_came", ["before", "after"])
def test_rule_3_a_late_bet_is_rolled_back_whichever_came_first_and_is_never_compared(changed, rollback_came):
    undo(lambda: scenario.bet(reference="b"), "b", "BET", rollback_came)
    late = scenario.bet(reference="b", **changed)
    assert (late.code, late.facts["balance"], late.facts["currency"]) == ("rolled_back", 10000, "EUR")
    assert scenario.balances() == (10000, 0, 0)


@pytest.mark.parametrize("changed", [{}, {"amount": "77.00"}, {"round": "elsewhere"}, {"bet": "b"}])
@pytest.mark.parametrize("rollback_came", ["before", "after"])
def test_rule_3_a_late_win_is_rolled_back_likewise(changed, rollback_came):
    scenario.profile(rollback_wins=True)
    undo(lambda: scenario.win(reference="w"), "w", "WIN", rollback_came)
    assert scenario.win(reference="w", **changed).code == "rolled_back"
    assert scenario.balances() == (10000, 0, 0)


@pytest.mark.parametrize("rollback_came", ["before", "after"])
def test_rule_3_accept_void_answers_a_late_bet_with_its_stored_receipt_voided(rollback_came):
    scenario.profile(late_bet="accept_void")
    undo(lambda: scenario.bet(reference="b"), "b", "BET", rollback_came)
    now = scenario.deposit("alice", amount=100)
    late = scenario.bet(reference="b", amount="77.00")
    stored = Transaction.objects.get(kind="BET", reference="b")
    assert (late.status, late.amount, late.replayed, late.row.id) == ("void", 0, True, str(stored.id))
    assert (late.cash, late.version) == (now.cash, now.version)
    assert told(find("b")) == told(late)


@pytest.mark.parametrize("rollback_came", ["before", "after"])
def test_rule_3_accept_void_answers_a_late_win_likewise(rollback_came):
    scenario.profile(late_bet="accept_void", rollback_wins=True)
    undo(lambda: scenario.win(reference="w"), "w", "WIN", rollback_came)
    late = scenario.win(reference="w")
    assert (late.status, late.amount, late.replayed, late.cash) == ("void", 0, True, 10000)


@pytest.mark.parametrize("changed", [{}, {"amount": "77.00"}, {"round": "elsewhere", "game": "other"}])
@pytest.mark.parametrize("rollback_came", ["before", "after"])
def test_rule_3_anybody_else_is_told_that_the_player_differs_and_nothing_more(changed, rollback_came):
    undo(lambda: scenario.bet(reference="b"), "b", "BET", rollback_came)
    reused = scenario.bet("bob", reference="b", **changed)
    assert (reused.code, reused.facts["differing"]) == ("reference_reused", ["player"])


def undo(act, reference, kind, rollback_came):
    if rollback_came == "after":
        assert act().status == "posted"
    undone = scenario.rollback(reference, original_kind=kind)
    assert undone.status == ("posted" if rollback_came == "after" else "void")


# --- 4: reuse -----------------------------------------------------------------------------------

REUSED = [
    ("bet", {"amount": "10.01"}, ["amount"]),
    ("bet", {"round": "other"}, ["round"]),
    ("bet", {"game": "other"}, ["game"]),
    ("bet", {"currency": "JPY"}, ["currency"]),
    ("bet", {"amount": "1.00", "round": "other", "game": "other"}, ["amount", "round", "game"]),
    ("win", {"amount": "10.01"}, ["amount"]),
    ("win", {"round": "other"}, ["round"]),
    ("win", {"round": None}, ["round"]),
    ("win", {"game": "other"}, ["game"]),
    ("win", {"currency": "JPY"}, ["currency"]),
    ("win", {"bet": "other"}, ["bet"]),
    ("win", {"win_source": "free_round"}, ["source"]),
    ("rollback", {"original": "other"}, ["original"]),
    ("rollback", {"original_kind": "WIN"}, ["original_kind"]),
    ("rollback", {"original": "other", "original_kind": "WIN"}, ["original", "original_kind"]),
    ("rollback", {"currency": "JPY"}, ["currency"]),
    ("rollback", {"amount": "9.99"}, ["amount"]),
    ("rollback", {"amount": "10.001"}, ["amount"]),
    ("rollback", {"round": "other"}, ["round"]),
    ("rollback", {"game": "other"}, ["game"]),
    ("unknown", {"original": "other"}, ["original"]),
    ("unknown", {"original_kind": "WIN"}, ["original_kind"]),
    ("unknown", {"amount": "9.99"}, ["amount"]),
    ("unknown", {"round": "other"}, ["round"]),
    ("end_round", {"round": "other"}, ["round"]),
    ("end_round", {"currency": "JPY"}, ["currency"]),
    ("deposit", {"amount": 1}, ["amount"]),
    ("deposit", {"currency": "JPY"}, ["currency"]),
    ("hold", {"amount": "1.00"}, ["amount"]),
    ("adjust", {"amount": "-5.00"}, ["amount"]),
]

FIRST = {
    "bet": lambda who, **fields: scenario.bet(who, **{"reference": "r", **fields}),
    "win": lambda who, **fields: scenario.win(who, **{"reference": "r", "bet": "earlier", **fields}),
    "rollback": lambda who, **fields: scenario.rollback(
        fields.pop("original", "undone"), who, **{"reference": "r", **fields}
    ),
    "unknown": lambda who, **fields: scenario.rollback(
        fields.pop("original", "never"), who, **{"reference": "r", "amount": "10.00", "round": "round-1", **fields}
    ),
    "end_round": lambda who, **fields: scenario.end_round(who, **{"reference": "r", **fields}),
    "deposit": lambda who, **fields: scenario.deposit(who, **{"reference": "r", "amount": 500, **fields}),
    "hold": lambda who, **fields: scenario.hold(who, **{"reference": "r", **fields}),
    "adjust": lambda who, **fields: scenario.adjust(who, **{"reference": "r", **fields}),
}


@pytest.mark.parametrize(("verb", "changed", "differing"), REUSED)
def test_rule_4_a_reused_reference_is_told_which_fields_differ(verb, changed, differing):
    scenario.player("alice", "500", currency="JPY")
    scenario.bet(reference="earlier", round="another")
    scenario.bet(reference="undone", round="undone-round")
    first = FIRST[verb]("alice")
    rows, money = Transaction.objects.count(), scenario.balances()
    reused = FIRST[verb]("alice", **changed)
    assert (reused.code, reused.facts["differing"]) == ("reference_reused", differing)
    assert (Transaction.objects.count(), scenario.balances()) == (rows, money)
    assert told(FIRST[verb]("alice")) == told(first)


@pytest.mark.parametrize("verb", FIRST)
def test_rule_4_another_players_reference_is_reused(verb):
    scenario.bet(reference="undone", round="undone-round")
    FIRST[verb]("alice")
    rows = Transaction.objects.count()
    reused = FIRST[verb]("bob")
    assert (reused.code, reused.facts["differing"]) == ("reference_reused", ["player"])
    assert Transaction.objects.count() == rows


def test_rule_4_a_refused_reference_is_compared_like_any_other():
    scenario.bet(reference="r", amount="500.00")
    reused = scenario.bet(reference="r", amount="1.00")
    assert (reused.code, reused.facts["differing"]) == ("reference_reused", ["amount"])


def test_rule_4_what_was_not_named_is_not_compared():
    scenario.win(reference="w", bet="b", win_source="free_round")
    assert scenario.win(reference="w").replayed
    scenario.bet(reference="undone", round="other", game="other")
    scenario.rollback("undone", reference="r", amount="10.00", round="other", game="other", currency="EUR")
    assert scenario.rollback("undone", reference="r").replayed
    assert scenario.rollback("undone", reference="r", original_kind="BET", amount="10.0").replayed


def test_rule_4_end_round_is_not_compared_and_a_repeat_closes_no_round():
    scenario.bet(reference="r")
    assert scenario.bet(reference="r", ends_round=True).replayed
    assert scenario.bet(amount="1.00").status == "posted"
