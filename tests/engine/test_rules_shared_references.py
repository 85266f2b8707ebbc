"""Bets and wins that share their references (DIALECTS.md §8.2): a captured bet must not come back as a win."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from casino_pam.engine import commands, posting
from tests import clean_books as the_books
from tests import scenario
from tests.concurrency import OtherProcess, insisting
from tests.scenario import word
from wallet import ledger
from wallet.models import Transaction
from wallet.reconcile import ledger_wide


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    scenario.profile(share_references=True)
    scenario.alice("100.00")
    scenario.bob("100.00")


def rows(reference: str) -> list[tuple[str, str]]:
    return list(Transaction.objects.filter(reference=reference).order_by("version").values_list("kind", "status"))


def test_a_bet_that_comes_again_as_a_win_does_not_pay():
    scenario.bet(reference="x")
    refused = scenario.win(reference="x")
    assert (word(refused), refused.facts) == ("reference_reused", {"differing": ["kind"]})
    assert scenario.balances() == (9000, 0, 0)
    assert word(scenario.bet(reference="x")) == "posted"


def test_a_win_that_comes_again_as_a_bet_takes_nothing():
    scenario.win(reference="x")
    refused = scenario.bet(reference="x")
    assert (word(refused), refused.facts) == ("reference_reused", {"differing": ["kind"]})
    assert rows("x") == [("WIN", "POSTED")]


def test_a_refused_bet_has_spent_the_reference_for_a_win_too():
    scenario.bet(reference="x", amount="500.00")
    assert word(scenario.win(reference="x")) == "reference_reused"


def test_a_bet_that_was_rolled_back_does_not_pay_as_a_win():
    scenario.bet(reference="x")
    scenario.rollback("x", reference="undo")
    assert word(scenario.win(reference="x")) == "reference_reused"
    assert scenario.balances() == (10000, 0, 0)


@pytest.mark.parametrize("late", [scenario.bet, scenario.win])
def test_what_was_undone_before_it_came_is_rolled_back_whichever_it_is(late: Any):
    scenario.rollback("x", reference="undo")
    assert word(late(reference="x")) == "rolled_back"
    scenario.profile(late_bet="accept_void")
    answer = late(reference="x")
    assert (word(answer), answer.amount, answer.bonus_amount) == ("void", 0, 0)
    assert scenario.balances() == (10000, 0, 0)


def test_an_undone_bet_whose_reference_a_win_has_leaves_the_rollback_alone():
    scenario.win(reference="x")
    assert word(scenario.rollback("x", reference="undo", original_kind="BET")) == "void"
    assert rows("x") == [("WIN", "POSTED")]
    scenario.profile(unknown_rollback="not_found")
    assert word(scenario.rollback("x", reference="undo-2", original_kind="BET")) == "unknown_original"
    assert word(scenario.rollback("x", reference="undo-2", original_kind="BET")) == "unknown_original"


def test_another_player_learns_of_both_differences():
    scenario.bet(reference="x")
    refused = scenario.win("bob", reference="x")
    assert (word(refused), refused.facts) == ("reference_reused", {"differing": ["player", "kind"]})


def test_references_of_each_player_are_shared_by_that_player_alone():
    scenario.profile(reference_scope="player")
    scenario.bet(reference="alice\x1fx")
    assert word(scenario.win("bob", reference="bob\x1fx")) == "posted"
    assert word(scenario.win(reference="alice\x1fx")) == "reference_reused"


def test_a_batch_with_one_reference_for_a_bet_and_a_win_posts_neither():
    common: dict[str, Any] = {"source": "acme", "player": "alice", "at": scenario.NOON, "currency": "EUR"}
    play = {**common, "reference": "x", "round": "r", "game": "g", "amount": 100}
    refused = scenario.do(commands.Batch(operations=(commands.Bet(**play), commands.Win(**play))))
    assert (word(refused), refused.facts["index"], refused.facts["differing"]) == ("reference_reused", 1, ["kind"])
    assert rows("x") == []


def test_both_in_one_posting_of_two_players_pay_one():
    play: dict[str, Any] = {"source": "acme", "at": scenario.NOON, "currency": "EUR", "reference": "x", "amount": 100}
    told = posting.post(
        [
            commands.Bet(player="alice", round="r", game="g", **play),
            commands.Win(player="bob", round="r", game="g", **play),
        ]
    )
    assert [word(each) for each in told] == ["posted", "reference_reused"]


def test_without_sharing_a_bet_and_its_win_may_have_one_reference():
    scenario.profile(share_references=False)
    assert word(scenario.bet(reference="x")) == "posted"
    assert word(scenario.win(reference="x")) == "posted"


def test_rows_from_before_it_was_switched_on_count():
    scenario.profile(share_references=False)
    scenario.bet(reference="x")
    scenario.profile(share_references=True)
    assert word(scenario.win(reference="x")) == "reference_reused"


# --- both at once, in two processes --------------------------------------------------------------


@pytest.fixture(scope="module")
def other(django_db_setup: None) -> Iterator[OtherProcess]:
    with OtherProcess() as process:
        # Started before anything waits for it.
        process.do(len, "")
        yield process


def both_at_once(monkeypatch: pytest.MonkeyPatch, other: OtherProcess) -> tuple[str, str]:
    """Alice's bet, and between its reading and its writing Bob's win under the same reference from another process."""
    play: dict[str, Any] = {"source": "acme", "at": scenario.NOON, "currency": "EUR", "reference": "x", "amount": 100}
    win = commands.Win(player="bob", round="r", game="g", **play)
    write, answers = ledger.write, []

    def after_the_other(*args: Any) -> Any:
        if not answers:
            answers.extend(other.do(insisting, [win]))
        return write(*args)

    monkeypatch.setattr(ledger, "write", after_the_other)
    (bet,) = insisting([commands.Bet(player="alice", round="r", game="g", **play)])
    return word(bet), word(answers[0])


def test_of_a_bet_and_a_win_at_once_one_is_posted(monkeypatch: pytest.MonkeyPatch, other: OtherProcess):
    assert both_at_once(monkeypatch, other) == ("reference_reused", "posted")
    assert rows("x") == [("WIN", "POSTED")]


def test_the_key_by_kind_alone_would_post_both(monkeypatch: pytest.MonkeyPatch, other: OtherProcess):
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'ledger_shared_reference'")
        (guard,) = cursor.fetchone()
        cursor.execute("DROP INDEX ledger_shared_reference")
        try:
            assert both_at_once(monkeypatch, other) == ("posted", "posted")
            assert sorted(rows("x")) == [("BET", "POSTED"), ("WIN", "POSTED")]
            found = list(ledger_wide.spent_once(connection.connection.cursor()))
            assert len(found) == 2
            assert all("source reference 'acme x' stands in 2 rows" in str(each) for each in found)
        finally:
            the_books.emptied()
            cursor.execute(guard)
