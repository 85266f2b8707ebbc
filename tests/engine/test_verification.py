"""Where a player must be verified: before a withdrawal is settled, and before a bonus becomes cash (decision 0030)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from bonus.models import Bonus
from casino_pam.engine import accounts, commands, jobs, posting
from tests import bonus_scenario, scenario
from tests.bonus_scenario import kinds, the
from tests.interleaving import meanwhile
from tests.scenario import DAY, NOON, balances, eur, word
from wallet import jurisdictions, ledger
from wallet.errors import Refused
from wallet.jurisdictions import Demand, Rule
from wallet.models import Player
from wallet.state import Book

LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@pytest.fixture(autouse=True)
def house(books: None, settings: Any) -> None:
    scenario.catalogue()
    settings.VERIFIED_BEFORE = {Demand.VERIFIED_WITHDRAWAL, Demand.VERIFIED_CONVERSION}


def verify(who: str = "bob", verification: str = "verified") -> None:
    accounts.change(who, verification=verification)


# --- withdrawals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verification", ["unverified", "pending", "rejected"])
def test_a_withdrawal_is_held_and_released_but_not_settled_before_the_player_is_verified(verification: str) -> None:
    scenario.bob("100.00")
    verify(verification=verification)
    assert word(scenario.hold("bob", "10.00", reference="h")) == "posted"
    refused = scenario.settle("h", "bob")
    assert (refused.code, refused.status, refused.facts) == (
        "player_not_verified",
        422,
        {"needed_for": "withdrawal", "verification": verification},
    )
    # Nothing was spent: the very same request goes through once the player is verified.
    verify()
    settled = scenario.settle("h", "bob")
    assert (word(settled), settled.replayed) == ("posted", False)
    verify(verification="rejected")
    assert scenario.settle("h", "bob").replayed
    scenario.hold("bob", "10.00", reference="back")
    assert word(scenario.release("back", "bob")) == "posted"
    assert balances("bob") == (eur("90.00"), 0, 0)


@pytest.mark.parametrize(
    ("country", "asked", "demanded"),
    [(None, False, False), ("MT", False, False), ("DE", False, True), (None, True, True), ("MT", True, True)],
)
def test_the_house_or_the_country_demands_it(settings: Any, country: str | None, asked: bool, demanded: bool) -> None:
    settings.VERIFIED_BEFORE = {Demand.VERIFIED_WITHDRAWAL} if asked else set()
    scenario.player("bob", "10.00", country=country)
    scenario.hold("bob", "10.00", reference="h")
    assert word(scenario.settle("h", "bob")) == ("player_not_verified" if demanded else "posted")


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of a player is taken for what still is."""
    monkeypatch.setattr(ledger, "_hold", lambda *_: None)


@pytest.mark.parametrize("guarded", [False, True], ids=["without the guard", "with it"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_rejection_while_a_withdrawal_is_settled_slips_through_only_without_the_guard(
    monkeypatch: pytest.MonkeyPatch, level: str, guarded: bool
) -> None:
    monkeypatch.setattr(posting, "_BEGIN", posting._BEGIN.replace("READ COMMITTED", level))
    scenario.bob("100.00")
    verify()
    scenario.hold("bob", "10.00", reference="h")
    if not guarded:
        unguarded(monkeypatch)
    meanwhile(monkeypatch, ledger, "write", lambda: verify(verification="rejected") or True)
    assert word(scenario.settle("h", "bob")) == ("player_not_verified" if guarded else "posted")
    assert balances("bob")[2] == (eur("10.00") if guarded else 0)


# --- bonuses -------------------------------------------------------------------------------------


def wagered(**fields: Any) -> Bonus:
    """Bob has wagered 10.00 of bonus money ten times, and has 10.00 of it left and 100.00 in cash."""
    bonus_scenario.wagering("10.00", cash="200.00", **fields)
    assert word(scenario.bet("bob", "100.00", reference="last", round="r")) == "posted"
    return the()


def test_what_is_wagered_waits_set_aside_and_becomes_cash_when_the_player_is_verified() -> None:
    bonus = wagered(spend_days=1)
    assert (bonus.status, bonus.unverified_since, bonus.expires_at) == ("active", scenario.moment(NOON), None)
    assert (bonus.unverified, balances("bob"), "CONVERT" in kinds()) == (True, (eur("100.00"), eur("10.00"), 0), False)
    verify(verification="pending")
    assert the().unverified
    verify()
    bonus = the()
    assert (bonus.status, bonus.converted, bonus.unverified) == ("completed", eur("10.00"), False)
    assert balances("bob") == (eur("110.00"), 0, 0)
    verify(verification="rejected")
    assert balances("bob") == (eur("110.00"), 0, 0)


NOTHING_TAKES_IT: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "its end": ({"spend_days": 1}, lambda: scenario.bet("bob", "1.00", round="later", at=NOON + 9 * DAY)),
    "the job after its end": ({"spend_days": 1}, lambda: jobs.run_due(NOON + 9 * DAY)),
    "a withdrawal": ({"on_withdrawal": "forfeit"}, lambda: scenario.hold("bob", "1.00")),
    "a stake above its limit": (
        {"eur": {"max_stake": "100.00"}, "over_max_stake": "forfeit"},
        lambda: scenario.bet("bob", "100.00", round="high"),
    ),
    "a stake that it would have paid in part": (
        {"spend_order": "proportional"},
        lambda: scenario.bet("bob", "90.00", round="more"),
    ),
    "the rollback of the bet that completed it": ({}, lambda: scenario.rollback("last", "bob")),
    "an exclusion": ({}, lambda: accounts.exclude("bob", scenario.moment(NOON + 9_000 * DAY))),
}


@pytest.mark.parametrize("what", NOTHING_TAKES_IT)
def test_nothing_takes_what_is_set_aside_but(what: str) -> None:
    terms, act = NOTHING_TAKES_IT[what]
    before = wagered(**terms)
    kept = balances("bob")[1]
    outcome = act()
    assert not isinstance(outcome, Refused)
    bonus = the()
    assert (bonus.unverified, bonus.unverified_since, balances("bob")[1]) == (True, before.unverified_since, kept)
    verify()
    assert (the().status, the().converted) == ("completed", kept)


def test_no_stake_is_paid_from_what_is_set_aside_and_none_counts() -> None:
    wagered()
    refused = scenario.bet("bob", "100.01", round="more")
    assert (refused.code, refused.facts["balance"]) == ("insufficient_funds", eur("110.00"))
    assert word(scenario.bet("bob", "100.00", round="more")) == "posted"
    assert (the().wagered, balances("bob")) == (eur("100.00") * 10_000, (0, eur("10.00"), 0))


def test_a_late_win_of_its_own_stake_is_set_aside_too() -> None:
    bonus_scenario.wagering("100.00", multiplier=1)
    scenario.bet("bob", "60.00", round="first")
    scenario.bet("bob", "40.00", round="last")
    assert (the().unverified, balances("bob")) == (True, (0, 0, 0))
    scenario.win("bob", "30.00", round="last")
    assert balances("bob") == (0, eur("30.00"), 0)
    verify()
    assert (the().status, the().converted, balances("bob")) == ("completed", eur("30.00"), (eur("30.00"), 0, 0))


def test_nothing_waits_where_no_money_is_left_and_no_stake_is_open() -> None:
    """The slot is free for the next bonus, and no conversion of nothing needs a passport."""
    bonus_scenario.wagering("100.00", multiplier=1)
    bonus_scenario.gift("5.00", code="next", multiplier=10)
    bonus_scenario.grant("next")
    scenario.bet("bob", "100.00", round="last")
    assert bonus_scenario.statuses() == ["active", "queued"]
    scenario.end_round("bob", "last")
    assert (bonus_scenario.statuses(), the().converted) == (["completed", "active"], 0)


def test_a_bonus_that_asks_for_nothing_waits_as_well_and_so_does_the_one_behind_it() -> None:
    bonus_scenario.wagering("10.00", multiplier=0)
    bonus_scenario.gift("5.00", code="next", multiplier=0)
    bonus_scenario.grant("next")
    assert (bonus_scenario.statuses(), balances("bob")) == (["active", "queued"], (0, eur("10.00"), 0))
    verify()
    assert (bonus_scenario.statuses(), balances("bob")) == (["completed", "completed"], (eur("15.00"), 0, 0))


@pytest.mark.parametrize("ends", ["player", "operator"])
def test_whoever_gives_it_up_ends_it(ends: str) -> None:
    bonus = wagered()
    assert bonus_scenario.forfeit(bonus.id, reason=ends).bonus.status == "forfeited"
    assert balances("bob") == (eur("100.00"), 0, 0)


def test_an_operator_completes_no_bonus_of_a_player_who_is_not_verified() -> None:
    bonus_scenario.wagering("10.00")

    def complete() -> Any:
        asked = {"source": "operator", "player": "bob", "at": NOON, "actor": "olga", "reference": "c", "reason": "kind"}
        return posting.ask(commands.Complete(bonus=str(the().id), **asked))

    refused = complete()
    assert (refused.code, refused.facts) == (
        "player_not_verified",
        {"needed_for": "conversion", "verification": "unverified"},
    )
    verify()
    assert complete().bonus.status == "completed"


def test_a_rule_of_the_country_makes_it_wait_and_another_country_lets_it_go(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.VERIFIED_BEFORE = set()
    rule = Rule("SE", Demand.VERIFIED_CONVERSION, 0, "said", "law", date(2026, 1, 1))
    monkeypatch.setitem(jurisdictions._RULES, ("SE", Demand.VERIFIED_CONVERSION), rule)
    bonus_scenario.wagering("10.00", multiplier=0)
    assert the().status == "completed"
    Player.objects.update(country="SE")
    bonus_scenario.gift("20.00", code="more", multiplier=0)
    bonus_scenario.grant("more")
    assert the("more").unverified
    accounts.change("bob", country="MT")
    assert the("more").status == "completed"


@pytest.mark.parametrize("released", ["verified", "lifted"])
def test_the_job_converts_what_waits_for_nothing_any_more(settings: Any, released: str) -> None:
    """As after a crash between the change of the status and what follows from it."""
    wagered()
    assert not jobs.run_due(NOON)
    if released == "verified":
        Player.objects.update(verification="verified")
    else:
        settings.VERIFIED_BEFORE = set()
    assert jobs.run_due(NOON) == {"done": 1}
    assert the().status == "completed"


@pytest.mark.parametrize("guarded", [False, True], ids=["without the guard", "with it"])
def test_a_verification_beside_the_bet_that_completes_is_not_overlooked(
    monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Without the guard the bet sets aside what nobody will look at again before the job or the next command."""
    bonus_scenario.wagering("10.00", cash="200.00")
    if not guarded:
        unguarded(monkeypatch)
    meanwhile(monkeypatch, ledger, "write", lambda: verify() or True)
    scenario.bet("bob", "100.00", reference="last", round="r")
    assert the().status == ("completed" if guarded else "active")


def test_bets_that_complete_nothing_hold_no_player(monkeypatch: pytest.MonkeyPatch) -> None:
    relied: list[int] = []
    asked = Book.is_unverified
    monkeypatch.setattr(Book, "is_unverified", lambda *args: relied.append(1) or asked(*args))
    bonus_scenario.wagering("10.00", cash="200.00")
    scenario.bet("bob", "1.00", round="r")
    assert not relied
