"""Bonuses under many hands: nothing is earned, completed or granted twice, and nothing is forgotten."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from bonus import grants, store
from bonus.models import Bonus, Offer
from bonus.rules import BASIS_POINTS
from casino_pam.engine import posting
from tests import bonus_scenario, scenario, threads
from tests.interleaving import meanwhile
from tests.scenario import eur
from wallet.errors import Refused
from wallet.models import Transaction

MANY = 32
LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


@pytest.fixture(params=LEVELS)
def level(request, monkeypatch):
    begin = posting._BEGIN.replace("READ COMMITTED", request.param)
    assert request.param in begin
    monkeypatch.setattr(posting, "_BEGIN", begin)


def word(outcome) -> str:
    if isinstance(outcome, Refused):
        return outcome.facts.get("why", outcome.code)
    return "posted" if hasattr(outcome, "row") else "granted"


def said(act) -> str:
    """A 503 means that nothing is known to have happened: the same is sent again, as a provider would."""
    for _ in range(20):
        if (outcome := word(act())) != "busy":
            break
    return outcome


def everywhere(acts) -> Counter[str]:
    """What became of each act, called from four processes."""
    return Counter(threads.processes(4, [partial(said, act) for act in acts]))


def rows(kind):
    return Transaction.objects.filter(kind=kind)


# --- completion --------------------------------------------------------------------------------


def test_a_bonus_is_completed_exactly_once_by_many_bets(level):
    bonus_scenario.wagering("100.00", multiplier=1)
    bonus_scenario.gift("50.00", code="next", multiplier=100)
    bonus_scenario.grant("next")
    acts = [partial(scenario.bet, "bob", "5.00", reference=f"b{n}", round=f"r{n}") for n in range(MANY)]
    outcomes = everywhere(acts)
    completed, following = bonus_scenario.the(), bonus_scenario.the("next")
    posted = rows("BET").filter(status="POSTED").count()
    assert outcomes["posted"] == posted
    assert (completed.status, completed.wagered) == ("completed", completed.required * BASIS_POINTS)
    assert (rows("CONVERT").count(), rows("GRANT").count()) == (1, 2)
    assert following.wagered == (posted - 20) * eur("5.00") * BASIS_POINTS


def test_many_copies_of_the_completing_bet_complete_once(level):
    bonus_scenario.wagering("10.00", multiplier=1)
    outcomes = everywhere([partial(scenario.bet, "bob", "10.00", reference="b")] * MANY)
    assert set(outcomes) <= {"posted", "busy"} and outcomes["posted"]
    bonus = bonus_scenario.the()
    assert (bonus.status, bonus.wagered) == ("completed", bonus.required * BASIS_POINTS)
    assert (rows("BET").count(), rows("CONVERT").count()) == (1, 1)


def test_bets_and_their_rollbacks_in_any_order_earn_nothing(level):
    bonus_scenario.wagering("40.00", cash="40.00")
    acts = []
    for n in range(MANY // 2):
        acts.append(partial(scenario.bet, "bob", "5.00", reference=f"b{n}", round=f"r{n}"))
        acts.append(partial(scenario.rollback, f"b{n}", "bob", reference=f"x{n}"))
    everywhere(acts)
    for n in range(MANY // 2):
        scenario.rollback(f"b{n}", "bob", reference=f"x{n}")
    assert (bonus_scenario.the().wagered, scenario.balances("bob")) == (0, (eur("40.00"), eur("40.00"), 0))


# --- grants ------------------------------------------------------------------------------------


def test_two_deposits_racing_for_a_first_deposit_offer_grant_it_once(level):
    bonus_scenario.match(which_deposit="first", per_player=99)
    scenario.bob()
    acts = [partial(bonus_scenario.deposit, "20.00", reference=f"d{n}") for n in range(MANY)]
    outcomes = everywhere(acts)
    assert Bonus.objects.count() == 1
    assert rows("DEPOSIT").filter(refusal__isnull=True).count() == 1
    assert scenario.balances("bob") == (outcomes["posted"] * eur("20.00"), eur("20.00"), 0)


def test_the_wallets_version_is_what_stops_the_second_first_deposit(monkeypatch):
    """The other deposit comes after everything was read and before anything is written."""
    bonus_scenario.match(which_deposit="first", per_player=99)
    scenario.bob()
    other = meanwhile(monkeypatch, posting.ledger, "write", partial(bonus_scenario.deposit, "20.00", reference="other"))
    mine = bonus_scenario.deposit("20.00", reference="mine")
    assert other[0].facts["granted"] is not None
    assert mine.facts["grant_refusal"] == "offer_not_available"


def test_an_offer_of_ten_claimed_by_many_players_at_once_grants_ten(level):
    bonus_scenario.gift(total=10)
    for n in range(MANY):
        scenario.player(f"p{n}")
    outcomes = everywhere([partial(bonus_scenario.claim, who=f"p{n}") for n in range(MANY)])
    assert set(outcomes) <= {"granted", "exhausted", "busy", "unavailable"}
    # Whoever was told to try again does, and finds what is left.
    for n in range(MANY):
        bonus_scenario.claim(who=f"p{n}")
    assert (Bonus.objects.count(), Offer.objects.get().granted) == (10, 10)
    assert (rows("GRANT").count(), Bonus.objects.filter(status="active").count()) == (10, 10)


def test_the_last_of_an_offer_goes_to_one_of_two(monkeypatch):
    bonus_scenario.gift(total=1)
    scenario.bob()
    scenario.alice()
    other = meanwhile(monkeypatch, store, "write", partial(bonus_scenario.claim, who="alice"))
    assert word(bonus_scenario.claim()) == "exhausted"
    assert word(other[0]) == "granted"


def test_without_its_guard_the_last_of_an_offer_would_go_to_both(monkeypatch):
    """The race is real: what stops it is the condition of that one statement."""
    bonus_scenario.gift(total=1)
    scenario.bob()
    scenario.alice()
    guarded = store._COUNT_GRANTS
    unguarded = guarded.replace("AND (o.total IS NULL OR o.granted + n.made <= o.total)", "")
    assert unguarded != guarded
    monkeypatch.setattr(store, "_COUNT_GRANTS", unguarded.replace("o.granted + n.made", "1"))
    meanwhile(monkeypatch, store, "write", partial(bonus_scenario.claim, who="alice"))
    bonus_scenario.claim()
    assert Bonus.objects.count() == 2


def test_many_claims_of_one_player_make_one_bonus(level):
    bonus_scenario.gift()
    scenario.bob()
    outcomes = everywhere([partial(bonus_scenario.claim)] * MANY)
    assert set(outcomes) <= {"granted", "already_claimed", "busy"}
    assert outcomes["granted"] == Bonus.objects.count() == 1


def test_many_copies_of_one_grant_make_one_bonus(level):
    bonus_scenario.gift(per_player=99)
    scenario.bob()
    outcomes = everywhere([partial(bonus_scenario.grant, reference="g")] * MANY)
    assert set(outcomes) <= {"granted", "busy"}
    assert Bonus.objects.count() == 1


@pytest.mark.parametrize("looking", ["_read_offers", "_know"])
def test_a_twin_that_comes_between_two_looks_is_answered_like_the_first(monkeypatch, looking):
    """On a wallet that plays another bonus nothing else would send the second one back to look again."""
    scenario.bob()
    bonus_scenario.gift(per_player=2)
    bonus_scenario.grant()
    happened = meanwhile(monkeypatch, store, looking, partial(bonus_scenario.grant, reference="twin"))
    mine = bonus_scenario.grant(reference="twin")
    assert (mine.replayed, mine.bonus.id) == (True, happened[0].bonus.id)


def test_one_players_grants_in_two_currencies_keep_to_the_players_share(level):
    bonus_scenario.gift(amounts={"EUR": {"amount": "5.00"}, "JPY": {"amount": "500"}})
    scenario.bob()
    scenario.player("bob", "0", currency="JPY")
    acts = [partial(bonus_scenario.claim, currency=currency) for currency in ("EUR", "JPY") * 8]
    everywhere(acts)
    assert Bonus.objects.count() == 1


# --- the queue ---------------------------------------------------------------------------------


def freed_meanwhile(monkeypatch):
    """A grant finds the slot taken; before it is written, the slot is freed elsewhere."""
    bonus = bonus_scenario.wagering("10.00")
    bonus_scenario.gift("7.00", code="next")
    meanwhile(monkeypatch, store, "write", partial(bonus_scenario.forfeit, bonus.id))
    return bonus_scenario.grant("next")


def test_a_bonus_queued_while_the_slot_was_freed_starts_all_the_same(monkeypatch):
    assert freed_meanwhile(monkeypatch).bonus.status == "active"
    assert (bonus_scenario.the("next").status, scenario.balances("bob")) == ("active", (0, eur("7.00"), 0))


def test_without_its_guard_it_would_be_left_in_the_queue(monkeypatch):
    monkeypatch.setattr(grants, "_hold_slot", lambda bonuses, bonus: None)
    assert freed_meanwhile(monkeypatch).bonus.status == "queued"
    assert (bonus_scenario.the("next").status, scenario.balances("bob")) == ("queued", (0, 0, 0))
    # Even so the player's next command would start it.
    scenario.deposit("bob", amount=100)
    assert bonus_scenario.the("next").status == "active"


def test_grants_and_ends_at_once_leave_no_slot_empty_and_no_two_in_it(level):
    bonus_scenario.gift(per_player=99)
    scenario.bob()
    for _ in range(8):
        bonus_scenario.grant()
    waiting = [str(bonus.id) for bonus in Bonus.objects.all()]
    acts = [partial(bonus_scenario.forfeit, bonus, reference=f"f-{bonus}") for bonus in waiting]
    acts += [partial(bonus_scenario.grant, reference=f"g{n}") for n in range(8)]
    everywhere(acts)
    for n in range(8):
        bonus_scenario.forfeit(waiting[n], reference=f"f-{waiting[n]}")
        bonus_scenario.grant(reference=f"g{n}")
    statuses = Counter(Bonus.objects.values_list("status", flat=True))
    assert (statuses["active"], statuses["queued"]) == (1, 7)


# --- rows of stale wallets ---------------------------------------------------------------------


def test_what_a_stale_wallet_decided_of_its_bonus_is_not_written(monkeypatch):
    bonus_scenario.wagering("10.00", multiplier=10)
    scenario.alice("10.00")
    meanwhile(monkeypatch, posting.ledger, "write", partial(scenario.bet, "bob", "1.00", round="other"))
    receipt = scenario.bet("bob", "2.00")
    assert receipt.wagering["wagered"] == eur("3.00")
    assert bonus_scenario.the().wagered == eur("3.00") * BASIS_POINTS


def test_what_a_stale_wallet_decided_is_not_written_of_a_bonus_that_stands_as_it_was_read(monkeypatch):
    """The bonus's own version does not stop it: only its wallet moved."""
    bonus_scenario.wagering("10.00", multiplier=10)
    meanwhile(monkeypatch, posting.ledger, "write", partial(scenario.deposit, "bob", amount=1))
    receipt = scenario.bet("bob", "2.00")
    assert receipt.wagering["wagered"] == eur("2.00")
    assert bonus_scenario.the().wagered == eur("2.00") * BASIS_POINTS


def test_a_bonus_that_changed_since_it_was_read_sends_the_posting_back(monkeypatch):
    bonus_scenario.wagering("10.00")
    bonus_scenario.gift(code="next")
    meanwhile(monkeypatch, store, "write", partial(bonus_scenario.grant, "next"))
    receipt = scenario.bet("bob", "2.00")
    assert receipt.status == "posted"
    assert (bonus_scenario.the().wagered, rows("BET").count()) == (eur("2.00") * BASIS_POINTS, 1)


def test_what_a_stale_wallet_decided_of_its_bonus_is_announced_to_nobody(monkeypatch):
    """Each posting that lost tells of nothing; the one that won tells of the wallet."""
    bonus_scenario.wagering("10.00")
    told = []
    monkeypatch.setattr(posting, "after_commit", [lambda execution: told.append(execution.bonuses.changed_wallets())])
    wallet = bonus_scenario.the().wallet_id
    meanwhile(monkeypatch, posting.ledger, "write", partial(scenario.bet, "bob", "1.00", round="other"))
    scenario.bet("bob", "2.00")
    # The other's, the one that lost, and the one that looked again.
    assert told == [{wallet}, set(), {wallet}]
