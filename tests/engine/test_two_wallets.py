"""A player with two wallets: what one decides by the other's rows, and what a stale one costs the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from casino_pam.engine import commands, posting
from tests import bonus_scenario, scenario
from tests.concurrency import insisting
from tests.interleaving import meanwhile
from tests.scenario import word
from wallet import ledger
from wallet.models import Transaction, Wallet
from wallet.state import Book


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.player("alice", "10000", currency="JPY")


def a_bet(reference: str, currency: str = "EUR", **fields: Any) -> commands.Bet:
    given: dict[str, Any] = {"amount": 1000, "round": "round", "game": "slot", **fields}
    return play(commands.Bet, reference, currency=currency, **given)


def a_win(reference: str, currency: str = "EUR", **fields: Any) -> commands.Win:
    given: dict[str, Any] = {"round": "elsewhere", "game": "slot", **fields}
    return play(commands.Win, reference, currency=currency, amount=500, **given)


def an_undo(reference: str, original: str, **fields: Any) -> commands.Rollback:
    return play(commands.Rollback, reference, original=original, **fields)


def play(kind: Any, reference: str, **fields: Any) -> Any:
    return kind(source="acme", player="alice", at=scenario.NOON, reference=reference, **fields)


# --- what rests on the other wallet --------------------------------------------------------------


def test_rule_18_a_win_in_another_wallet_is_a_payout_of_the_bet_it_names() -> None:
    posting.ask(a_bet("b"))
    assert word(posting.ask(a_win("w", "JPY", bet="b"))) == "posted"
    assert word(posting.ask(an_undo("r", "b"))) == "has_payout"
    assert (scenario.balances()[0], scenario.balances(currency="JPY")[0]) == (9000, 10500)


def test_rule_18_a_win_of_another_player_is_no_payout_of_the_bet_it_names() -> None:
    scenario.bob()
    posting.ask(a_bet("b"))
    scenario.win("bob", bet="b", round="elsewhere")
    assert word(posting.ask(an_undo("r", "b"))) == "posted"


def test_rule_14_a_win_whose_bet_was_rolled_back_in_another_wallet_is_rolled_back() -> None:
    posting.ask(a_bet("b"))
    posting.ask(an_undo("r", "b"))
    refused = posting.ask(a_win("w", "JPY", bet="b"))
    assert (word(refused), refused.facts["currency"], refused.facts["cash"]) == ("rolled_back", "JPY", 10000)


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is decided relies on another wallet."""
    monkeypatch.setattr(Book, "rely_on", lambda self, wallet: None)


def only_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version of the other wallet is looked at, as that of a wallet whose balances are shown, and not held."""
    monkeypatch.setattr(Book, "rely_on", lambda self, wallet: setattr(wallet, "balances_shown", True))


WIN_AND_ROLLBACK: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "the rollback comes first": (lambda: a_win("w", "JPY", bet="b"), lambda: an_undo("r", "b")),
    "the win comes first": (lambda: an_undo("r", "b"), lambda: a_win("w", "JPY", bet="b")),
    "the rollback names its wallet": (lambda: an_undo("r", "b", currency="EUR"), lambda: a_win("w", "JPY", bet="b")),
}


@pytest.mark.parametrize("guarded", [False, True], ids=["without the guard", "with it"])
@pytest.mark.parametrize("case", WIN_AND_ROLLBACK)
def test_a_win_and_the_rollback_of_its_bet_in_another_wallet_are_both_carried_out_only_without_the_guard(
    monkeypatch: pytest.MonkeyPatch, case: str, guarded: bool
) -> None:
    posting.ask(a_bet("b"))
    if not guarded:
        unguarded(monkeypatch)
    second, first = WIN_AND_ROLLBACK[case]
    rival = meanwhile(monkeypatch, ledger, "write", lambda: posting.ask(first()))
    mine = posting.ask(second())
    assert word(rival[0]) == "posted"
    if not guarded:
        assert word(mine) == "posted"
    else:
        assert word(mine) == ("rolled_back" if isinstance(second(), commands.Win) else "has_payout")
        assert Transaction.objects.filter(kind__in=("WIN", "ROLLBACK")).count() == 1


def both_at_once(monkeypatch: pytest.MonkeyPatch, *asked: Any) -> list[Any]:
    """The outcomes of requests of which each has decided before any of them writes for the first time."""
    together = threading.Barrier(len(asked))
    writing = ledger.write
    outcomes: list[Any] = [None] * len(asked)
    arrived = threading.local()

    def write(*args: Any) -> set[int]:
        if not getattr(arrived, "once", False):
            arrived.once = True
            together.wait()
        return writing(*args)

    def post(place: int) -> None:
        try:
            (outcomes[place],) = insisting([asked[place]])
        finally:
            connection.close()

    monkeypatch.setattr(ledger, "write", write)
    threads = [threading.Thread(target=post, args=(place,)) for place in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_win_and_the_rollback_of_its_bet_that_write_at_once_never_both_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        posting.ask(a_bet(f"b{number}", round=f"round-{number}"))
        with monkeypatch.context() as racing:
            win, undo = both_at_once(
                racing, a_win(f"w{number}", "JPY", bet=f"b{number}"), an_undo(f"r{number}", f"b{number}")
            )
        assert (word(win), word(undo)) in (("posted", "has_payout"), ("rolled_back", "posted"))


def test_to_look_at_the_other_wallet_without_holding_it_would_let_both_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looks before the other has committed: why the wallet that is relied on is written, too."""
    posting.ask(a_bet("b"))
    only_looked_at(monkeypatch)
    together = threading.Barrier(2)
    looking = ledger._unmoved

    def unmoved(*args: Any) -> set[int]:
        seen = looking(*args)
        together.wait()
        return seen

    monkeypatch.setattr(ledger, "_unmoved", unmoved)
    assert list(map(word, both_at_once(monkeypatch, a_win("w", "JPY", bet="b"), an_undo("r", "b")))) == ["posted"] * 2


def test_a_wallet_that_is_relied_on_stays_as_it_was() -> None:
    scenario.player("alice", currency="KWD")
    posting.ask(a_bet("b"))
    before = list(ledger_of("JPY")), list(ledger_of("KWD"))
    assert word(posting.ask(an_undo("r", "b"))) == "posted"
    assert (list(ledger_of("JPY")), list(ledger_of("KWD"))) == before
    assert before[1][0]["newest_at"] is None and before[1][0]["digest"] is None


def ledger_of(currency: str) -> Any:
    return Wallet.objects.filter(player__code="alice", currency=currency).values()


# --- a stale wallet beside one that is not -------------------------------------------------------


def test_a_first_bet_beside_one_on_a_stale_wallet_is_no_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, ledger, "write", lambda: posting.ask(a_bet("rival", "JPY")))
    euros, yen = posting.post([a_bet("b1"), a_bet("b2", "JPY", round="other")])
    assert (word(euros), euros.replayed, euros.version) == ("posted", False, 2)
    assert (word(yen), yen.replayed, yen.version) == ("posted", False, 3)


def test_a_first_grant_beside_a_bet_on_a_stale_wallet_is_no_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    bonus_scenario.gift()
    asked = {"source": "cashier", "player": "alice", "at": scenario.NOON}
    grant = commands.Grant(**asked, currency="EUR", reference="g", offer="gift")
    meanwhile(monkeypatch, ledger, "write", lambda: posting.ask(a_bet("rival", "JPY")))
    granted, yen = posting.post([grant, a_bet("b", "JPY", round="other")])
    assert (granted.replayed, granted.bonus.status, word(yen)) == (False, "active", "posted")


def test_what_collides_with_a_reference_on_a_stale_wallet_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bet in yen was not written when the one in euros was refused for it; then the rival's turns out to be it."""
    meanwhile(monkeypatch, ledger, "write", lambda: posting.ask(a_bet("rival", "JPY")))
    yen, euros, undo = posting.post([a_bet("b", "JPY", round="other"), a_bet("b"), an_undo("r", "b", currency="EUR")])
    assert (word(yen), yen.replayed, word(euros), euros.facts["differing"]) == (
        "posted",
        False,
        "reference_reused",
        ["currency", "round"],
    )
    assert (word(undo), undo.facts["differing"]) == ("original_mismatch", ["currency"])


def test_a_win_that_names_a_bet_of_the_same_posting_stands_and_falls_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bet in yen loses its wallet; a win in euros that was decided by it must not be written without it."""
    scenario.profile(win_requires_bet=True)
    rival = play(commands.Bet, "rival", currency="JPY", amount=10_000, round="other", game="slot")
    meanwhile(monkeypatch, ledger, "write", lambda: posting.ask(rival))
    bet, win = posting.post([a_bet("b", "JPY"), a_win("w", bet="b")])
    assert (word(bet), word(win)) == ("insufficient_funds", "unknown_original")
    assert not Transaction.objects.filter(kind="WIN").exists()
