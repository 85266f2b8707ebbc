"""The life of a bonus: queue, completion, expiry, forfeiture (docs/bonus.md)."""

import pytest
from django.db import connection

from tests import bonus_scenario, scenario
from tests.bonus_scenario import kinds, statuses
from tests.scenario import DAY, NOON, SECOND, eur
from wallet.models import Transaction

ENDS = NOON - SECOND + DAY


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


# --- activation and the queue ------------------------------------------------------------------


def test_money_enters_at_activation_and_never_before():
    scenario.bob()
    bonus_scenario.gift("5.00", per_player=3)
    assert bonus_scenario.grant().bonus.status == "active"
    assert [bonus_scenario.grant().bonus.status for _ in range(2)] == ["queued", "queued"]
    assert (scenario.balances("bob"), kinds()) == ((0, eur("5.00"), 0), ["GRANT"])


def test_a_grant_without_a_row_of_its_own_is_known_by_its_first_row():
    scenario.bob()
    bonus_scenario.gift()
    granted = bonus_scenario.grant()
    row = Transaction.objects.get()
    assert (row.command, row.source, row.reference, str(row.bonus)) == (
        row.id,
        "bonus",
        granted.bonus.id,
        granted.bonus.id,
    )


def test_further_grants_start_in_the_order_in_which_they_queued():
    scenario.bob()
    for code in ("one", "two", "three"):
        bonus_scenario.gift(code=code)
        bonus_scenario.grant(code)
    bonus_scenario.forfeit(bonus_scenario.the("one").id)
    assert statuses() == ["forfeited", "active", "queued"]
    bonus_scenario.forfeit(bonus_scenario.the("two").id)
    assert statuses() == ["forfeited", "forfeited", "active"]


@pytest.mark.parametrize("analysed", ["an empty table", "the table as it is"])
def test_a_bonus_older_than_the_one_before_it_takes_over_in_the_same_write(analysed):
    """The slot is freed before it is taken, whichever of the two the database would come to first."""
    scenario.bob()
    if analysed == "an empty table":
        analyse()
    bonus_scenario.match()
    bonus_scenario.claim("welcome")
    bonus_scenario.gift(code="younger")
    bonus_scenario.grant("younger")
    bonus_scenario.deposit("20.00", None)
    assert statuses() == ["queued", "active"]
    if analysed == "the table as it is":
        analyse()
    bonus_scenario.forfeit(bonus_scenario.the("younger").id)
    assert statuses() == ["active", "forfeited"]


def analyse():
    """Tell the planner how many bonuses there are now."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE bonus_bonus")


def test_a_bonus_that_asks_for_nothing_converts_at_once():
    scenario.bob("1.00")
    bonus_scenario.gift("5.00", multiplier=0)
    granted = bonus_scenario.grant()
    assert granted.bonus.status == "completed"
    assert (kinds()[-2:], scenario.balances("bob")) == (["GRANT", "CONVERT"], (eur("6.00"), 0, 0))


def test_bonuses_that_ask_for_nothing_pass_through_the_slot_in_one_command():
    bonus_scenario.wagering("10.00", multiplier=1)
    for code in ("one", "two"):
        bonus_scenario.gift("5.00", code=code, multiplier=0)
        bonus_scenario.grant(code)
    bonus_scenario.gift("7.00", code="three")
    bonus_scenario.grant("three")
    receipt = scenario.bet("bob", "10.00", reference="b")
    assert kinds()[-7:] == ["BET", "CONVERT", "GRANT", "CONVERT", "GRANT", "CONVERT", "GRANT"]
    assert (receipt.cash, receipt.bonus) == (eur("10.00"), eur("7.00"))
    command = Transaction.objects.get(reference="b").id
    assert Transaction.objects.filter(command=command).count() == 7
    again = scenario.bet("bob", "10.00", reference="b")
    assert (again.cash, again.bonus, again.version) == (receipt.cash, receipt.bonus, receipt.version)


# --- completion --------------------------------------------------------------------------------


def test_the_bet_that_completes_a_bonus_converts_it():
    bonus = bonus_scenario.wagering("10.00", cash="5.00", multiplier=1)
    receipt = scenario.bet("bob", "10.00")
    assert kinds()[-2:] == ["BET", "CONVERT"]
    assert (receipt.cash, receipt.bonus, receipt.wagering["status"]) == (eur("5.00"), 0, "completed")
    bonus.refresh_from_db()
    assert (bonus.status, bonus.converted) == ("completed", eur("5.00"))


def test_a_sticky_bonus_pays_only_what_was_won_on_top_of_it():
    bonus_scenario.wagering("10.00", multiplier=1, sticky=True)
    scenario.bet("bob", "9.00", round="a")
    scenario.win("bob", "20.00", round="a")
    scenario.bet("bob", "1.00", round="b")
    assert scenario.balances("bob") == (eur("10.00"), 0, 0)


def test_a_bonus_that_converts_the_original_pays_no_more_than_was_granted():
    bonus_scenario.wagering("10.00", multiplier=1, conversion="original")
    scenario.bet("bob", "9.00", round="a")
    scenario.win("bob", "20.00", round="a")
    scenario.bet("bob", "1.00", round="b")
    assert scenario.balances("bob") == (eur("10.00"), 0, 0)


def test_wagering_shows_the_completed_bonus_and_then_the_one_that_follows():
    first = bonus_scenario.wagering("10.00", multiplier=1)
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    receipt = scenario.bet("bob", "10.00")
    assert (receipt.wagering["bonus"], receipt.wagering["status"]) == (str(first.id), "completed")
    assert scenario.bet("bob", "1.00", round="r2").wagering["bonus"] == str(bonus_scenario.the("next").id)


def test_a_repeat_shows_the_present_state_of_the_bonus_it_touched():
    bonus = bonus_scenario.wagering("10.00", cash="30.00", multiplier=2)
    first = scenario.bet("bob", "10.00", reference="b")
    assert first.wagering["percent"] == 50
    scenario.bet("bob", "10.00", round="r2")
    again = scenario.bet("bob", "10.00", reference="b")
    assert (again.wagering["bonus"], again.wagering["status"]) == (str(bonus.id), "completed")
    assert (again.cash, again.bonus) == (first.cash, first.bonus)


def test_a_deposit_or_a_refusal_shows_the_active_bonus():
    bonus = bonus_scenario.wagering("10.00")
    assert scenario.deposit("bob", amount=100).wagering["bonus"] == str(bonus.id)
    assert scenario.end_round("bob").wagering["bonus"] == str(bonus.id)


# --- expiry ------------------------------------------------------------------------------------


def test_expiry_comes_before_the_named_row_and_the_next_bonus_after_it():
    bonus_scenario.wagering("10.00", cash="5.00", spend_days=1)
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    receipt = scenario.bet("bob", "5.00", at=ENDS, reference="b")
    assert kinds()[-3:] == ["EXPIRE", "BET", "GRANT"]
    assert receipt.wagering["bonus"] == str(bonus_scenario.the("next").id)
    assert receipt.wagering["wagered"] == 0


def test_a_bonus_lives_until_the_instant_at_which_it_expires():
    bonus_scenario.wagering("10.00", spend_days=1)
    assert scenario.bet("bob", "1.00", at=ENDS - 1).wagering["wagered"] == eur("1.00")
    assert scenario.bet("bob", "1.00", at=ENDS, round="r2").code == "insufficient_funds"


def test_expiry_stands_even_if_the_command_is_refused():
    bonus_scenario.wagering("10.00", spend_days=1)
    refused = scenario.bet("bob", "5.00", at=ENDS)
    assert refused.code == "insufficient_funds"
    assert (kinds()[-2:], statuses(), scenario.balances("bob")) == (["EXPIRE", "BET"], ["expired"], (0, 0, 0))
    assert refused.facts["version"] == 3


def test_expiry_stands_where_the_refusal_leaves_no_row():
    bonus_scenario.wagering("10.00", spend_days=1)
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    scenario.profile(win_requires_bet=True)
    assert scenario.win("bob", "5.00", at=ENDS, round="none").code == "unknown_original"
    assert kinds() == ["GRANT", "EXPIRE", "GRANT"]
    expire, grant = Transaction.objects.order_by("version")[1:]
    assert (expire.command, grant.command) == (expire.id, expire.id)


def test_a_refused_batch_expires_nothing():
    from casino_pam.engine.commands import Batch, Bet

    bonus_scenario.wagering("10.00", cash="5.00", spend_days=1)
    common = {"source": "acme", "player": "bob", "at": ENDS, "currency": "EUR", "round": "r", "game": "slot-1"}
    operations = [Bet(reference=f"b{n}", amount=eur("4.00"), **common) for n in range(2)]
    refused = scenario.do(Batch(operations=tuple(operations)))
    assert (refused.code, refused.facts["index"]) == ("insufficient_funds", 1)
    assert (statuses(), scenario.balances("bob")) == (["active"], (eur("5.00"), eur("10.00"), 0))
    # Alone, the same command does what is due.
    scenario.bet("bob", "1.00", at=ENDS, round="r2")
    assert statuses() == ["expired"]


def test_a_batch_may_complete_one_bonus_and_play_the_next():
    from casino_pam.engine.commands import Batch, Bet

    bonus_scenario.wagering("10.00", multiplier=1)
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR", "game": "slot-1"}
    operations = [Bet(reference=f"b{n}", round=f"r{n}", amount=eur("5.00"), **common) for n in range(3)]
    receipts = scenario.do(Batch(operations=tuple(operations)))
    assert [receipt.wagering["status"] for receipt in receipts] == ["active", "completed", "active"]
    assert receipts[2].wagering["wagered"] == eur("5.00")
    assert statuses() == ["completed", "active"]


def test_a_refused_batch_leaves_the_bonuses_as_they_were():
    from casino_pam.engine.commands import Batch, Bet

    bonus_scenario.wagering("10.00", multiplier=1)
    bonus_scenario.gift("7.00", code="next")
    bonus_scenario.grant("next")
    common = {"source": "acme", "player": "bob", "at": NOON, "currency": "EUR", "game": "slot-1"}
    amounts = ["5.00", "5.00", "100.00"]
    operations = [Bet(reference=f"b{n}", round=f"r{n}", amount=eur(a), **common) for n, a in enumerate(amounts)]
    assert scenario.do(Batch(operations=tuple(operations))).code == "insufficient_funds"
    assert (statuses(), bonus_scenario.the().wagered) == (["active", "queued"], 0)
    assert kinds() == ["GRANT", "BET"]


def test_what_waits_expires_with_its_days_to_be_claimed():
    scenario.bob()
    bonus_scenario.gift(code="one")
    bonus_scenario.gift(code="two", claim_days=1)
    bonus_scenario.match(claim_days=1)
    bonus_scenario.grant("one")
    bonus_scenario.grant("two")
    bonus_scenario.claim("welcome")
    assert statuses() == ["active", "queued", "pending"]
    receipt = bonus_scenario.deposit("20.00", None, at=NOON + DAY)
    assert statuses() == ["active", "expired", "expired"]
    assert receipt.facts == {"granted": None, "grant_refusal": None}


def test_a_read_shows_a_bonus_past_its_time_as_gone():
    from casino_pam.engine.commands import Balance

    bonus_scenario.wagering("10.00", spend_days=1)
    ask = {"source": "acme", "player": "bob", "currency": "EUR"}
    assert scenario.do(Balance(at=ENDS - 1, **ask)).wagering["status"] == "active"
    assert scenario.do(Balance(at=ENDS, **ask)).wagering is None
    assert statuses() == ["active"]


def test_a_repeat_past_the_time_shows_the_bonus_as_expired_and_writes_nothing():
    bonus_scenario.wagering("10.00", spend_days=1)
    scenario.bet("bob", "1.00", reference="b")
    assert scenario.bet("bob", "1.00", reference="b", at=ENDS).wagering["status"] == "expired"
    assert (statuses(), kinds()) == (["active"], ["GRANT", "BET"])


# --- forfeiture --------------------------------------------------------------------------------


def test_giving_up_an_active_bonus_takes_its_money_and_keeps_the_reference():
    bonus = bonus_scenario.wagering("10.00", cash="3.00")
    given_up = bonus_scenario.forfeit(bonus.id, reference="f1")
    row = bonus_scenario.ended("FORFEIT", bonus)
    assert (given_up.bonus.status, given_up.replayed) == ("forfeited", False)
    assert (row.bonus_delta, row.original, row.command, scenario.balances("bob")) == (
        eur("-10.00"),
        "f1",
        row.id,
        (eur("3.00"), 0, 0),
    )
    again = bonus_scenario.forfeit(bonus.id, reference="f1")
    assert (again.bonus.status, again.replayed) == ("forfeited", True)
    assert bonus_scenario.forfeit(bonus.id, reference="f2").code == "bonus_ended"


def test_giving_up_a_waiting_bonus_cancels_it():
    bonus_scenario.wagering("10.00")
    bonus_scenario.gift(code="next")
    bonus_scenario.grant("next")
    queued = bonus_scenario.the("next")
    assert bonus_scenario.forfeit(queued.id, reference="f1").bonus.status == "cancelled"
    assert bonus_scenario.forfeit(queued.id, reference="f1").replayed
    assert bonus_scenario.forfeit(queued.id, reference="f2").code == "bonus_ended"
    assert kinds() == ["GRANT"]


def test_nobody_gives_up_another_players_bonus():
    bonus = bonus_scenario.wagering("10.00")
    scenario.alice()
    assert bonus_scenario.forfeit(bonus.id, who="alice").code == "unknown_bonus"
    assert statuses() == ["active"]


def test_a_bonus_past_its_time_cannot_be_given_up_any_more():
    bonus = bonus_scenario.wagering("10.00", spend_days=1)
    assert bonus_scenario.forfeit(bonus.id, at=ENDS).code == "bonus_ended"
    assert statuses() == ["expired"]
