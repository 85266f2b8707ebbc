"""Who is granted what: deposits with an offer, claims, grants by a back end (docs/bonus.md, PLAY.md rule 29)."""

from datetime import UTC, datetime

import pytest

from bonus.models import Bonus, Offer
from bonus.offers import create_offer, edit_offer
from bonus.rules import MAX_REQUIRED
from casino_pam.engine import commands
from tests import bonus_scenario, scenario
from tests.sample_offers import CASHBACK
from tests.scenario import DAY, NOON, SECOND, eur
from wallet.models import Player, Transaction


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.bob()


def statuses():
    return list(Bonus.objects.order_by("id").values_list("status", flat=True))


def instant(microseconds):
    return datetime.fromtimestamp(microseconds / SECOND, UTC).isoformat()


def why(refused):
    assert refused.code == "offer_not_available", refused
    return refused.facts["why"]


# --- deposits with an offer --------------------------------------------------------------------


def test_a_deposit_and_its_bonus_are_one_command():
    bonus_scenario.match()
    receipt = bonus_scenario.deposit("20.00", reference="d")
    deposit, grant = Transaction.objects.order_by("version")
    assert (deposit.kind, grant.kind, grant.command) == ("DEPOSIT", "GRANT", deposit.id)
    assert (receipt.cash, receipt.bonus, receipt.version) == (eur("20.00"), eur("20.00"), 2)
    granted = receipt.facts["granted"]
    assert (granted.offer, granted.status, granted.required) == ("welcome", "active", eur("600.00"))
    assert (granted.id, receipt.facts["grant_refusal"]) == (str(deposit.bonus), None)


def test_a_repeated_deposit_grants_once_and_shows_the_present_state():
    bonus_scenario.match()
    bonus_scenario.deposit("20.00", reference="d")
    bonus_scenario.forfeit(bonus_scenario.the("welcome").id)
    again = bonus_scenario.deposit("20.00", reference="d")
    assert (again.replayed, again.bonus, again.facts["granted"].status) == (True, eur("20.00"), "forfeited")
    assert statuses() == ["forfeited"]


def test_a_deposit_while_another_bonus_is_active_queues_its_own():
    bonus_scenario.gift()
    bonus_scenario.grant()
    bonus_scenario.match()
    receipt = bonus_scenario.deposit("20.00")
    assert (receipt.facts["granted"].status, receipt.bonus) == ("queued", eur("5.00"))


@pytest.mark.parametrize(
    ("fields", "amount", "code"),
    [
        ({"eur": {"min_deposit": "20.01"}}, "20.00", "offer_not_available"),
        ({"enabled": False}, "20.00", "offer_not_available"),
        ({"countries": ["MT"]}, "20.00", "offer_not_available"),
        ({"which_deposit": 2}, "20.00", "offer_not_available"),
        ({"percent_bp": 1}, "20.00", "offer_not_available"),
        ({"code": "other"}, "20.00", "unknown_offer"),
    ],
    ids=["too little", "disabled", "country", "which deposit", "nothing to grant", "unknown"],
)
def test_a_deposit_stands_even_if_its_offer_does_not(fields, amount, code):
    bonus_scenario.match(**fields)
    receipt = bonus_scenario.deposit(amount, reference="d")
    assert (receipt.status, receipt.cash, receipt.bonus) == ("posted", eur(amount), 0)
    assert receipt.facts == {"granted": None, "grant_refusal": code}
    assert bonus_scenario.deposit(amount, reference="d").facts == receipt.facts
    assert statuses() == []


def test_a_refused_deposit_grants_nothing():
    bonus_scenario.match()
    Player.objects.update(deposit_locked=True)
    assert bonus_scenario.deposit("20.00").code == "wallet_locked"
    assert statuses() == []
    captured = bonus_scenario.deposit("20.00", captured=True)
    assert captured.facts["grant_refusal"] == "wallet_locked"


def test_the_first_deposit_is_the_wallets_first():
    bonus_scenario.match(which_deposit="first", per_player=5)
    scenario.win("bob", "5.00")
    assert bonus_scenario.deposit("20.00").facts["granted"] is not None
    assert bonus_scenario.deposit("20.00").facts["grant_refusal"] == "offer_not_available"


def test_a_refused_deposit_is_not_the_first():
    bonus_scenario.match(which_deposit="first")
    Player.objects.update(deposit_locked=True)
    bonus_scenario.deposit("20.00")
    Player.objects.update(deposit_locked=False)
    assert bonus_scenario.deposit("20.00").facts["granted"] is not None


def test_the_third_deposit_is_the_third():
    bonus_scenario.match(which_deposit=3, per_player=5)
    granted = [bonus_scenario.deposit("20.00").facts["granted"] is not None for _ in range(4)]
    assert granted == [False, False, True, False]


def test_deposits_of_one_posting_are_counted_one_after_the_other():
    from casino_pam.engine import posting
    from casino_pam.engine.commands import Deposit

    bonus_scenario.match(which_deposit="first", per_player=5)
    common = {"source": "cashier", "player": "bob", "currency": "EUR", "amount": 2000, "at": NOON, "offer": "welcome"}
    receipts = posting.post([Deposit(reference=f"d{n}", **common) for n in range(3)])
    assert [receipt.facts["grant_refusal"] for receipt in receipts] == [None] + ["offer_not_available"] * 2


def test_a_reference_that_granted_something_else_grants_nothing_more():
    bonus_scenario.match()
    bonus_scenario.gift()
    bonus_scenario.grant(reference="same")
    receipt = bonus_scenario.deposit("20.00", reference="same")
    assert (receipt.cash, receipt.facts["grant_refusal"]) == (eur("20.00"), "reference_reused")


def test_a_fixed_bonus_may_come_with_a_deposit():
    bonus_scenario.gift("5.00", eur={"min_deposit": "20.00"}, base="deposit_plus_bonus")
    assert bonus_scenario.deposit("19.99", "gift").facts["grant_refusal"] == "offer_not_available"
    receipt = bonus_scenario.deposit("20.00", "gift")
    assert (receipt.bonus, receipt.facts["granted"].required) == (eur("5.00"), eur("250.00"))


# --- claims ------------------------------------------------------------------------------------


def test_a_claimed_deposit_match_waits_for_the_deposit():
    bonus_scenario.match(claim_days=7)
    claimed = bonus_scenario.claim("welcome")
    assert (claimed.bonus.status, claimed.bonus.amount, claimed.bonus.expires_at) == ("pending", 0, NOON + 7 * DAY)
    receipt = bonus_scenario.deposit("20.00", None)
    assert (receipt.facts["granted"].id, receipt.facts["granted"].status) == (claimed.bonus.id, "active")
    assert (receipt.bonus, statuses()) == (eur("20.00"), ["active"])


def test_a_claim_comes_before_a_new_grant_of_the_same_offer():
    bonus_scenario.match(per_player=2)
    claimed = bonus_scenario.claim("welcome")
    assert bonus_scenario.deposit("20.00").facts["granted"].id == claimed.bonus.id
    assert statuses() == ["active"]


def test_a_claim_is_kept_with_the_terms_of_its_day():
    offer = bonus_scenario.match()
    bonus_scenario.claim("welcome")
    edit_offer(offer, {"enabled": False, "percent_bp": 100, "multiplier": 99})
    granted = bonus_scenario.deposit("20.00").facts["granted"]
    assert (granted.amount, granted.required) == (eur("20.00"), eur("600.00"))


def test_a_deposit_too_small_for_the_claim_leaves_it_waiting():
    bonus_scenario.match(eur={"min_deposit": "20.00"})
    bonus_scenario.claim("welcome")
    assert bonus_scenario.deposit("19.99", None).facts == {"granted": None, "grant_refusal": None}
    assert bonus_scenario.deposit("19.99").facts["grant_refusal"] == "offer_not_available"
    assert statuses() == ["pending"]
    assert bonus_scenario.deposit("20.00", None).bonus == eur("20.00")


def test_a_claimed_gift_starts_at_once_or_queues():
    bonus_scenario.gift(code="one")
    bonus_scenario.gift(code="two")
    assert [bonus_scenario.claim(code).bonus.status for code in ("one", "two")] == ["active", "queued"]


def test_a_second_claim_is_told_which_bonus_the_first_one_was():
    bonus_scenario.gift()
    first = bonus_scenario.claim()
    again = bonus_scenario.claim()
    assert (why(again), again.facts["id"]) == ("already_claimed", first.bonus.id)
    assert (again.facts["cash"], again.facts["bonus"]) == (0, eur("5.00"))


def test_an_offer_may_be_claimed_several_times():
    bonus_scenario.gift(per_player=2)
    assert [bonus_scenario.claim().bonus.status for _ in range(2)] == ["active", "queued"]
    assert why(bonus_scenario.claim()) == "already_claimed"
    assert list(Bonus.objects.order_by("id").values_list("ordinal", flat=True)) == [1, 2]


# --- grants ------------------------------------------------------------------------------------


def test_a_grant_spends_its_reference_on_the_bonus():
    bonus_scenario.gift(per_player=5)
    first = bonus_scenario.grant(reference="g")
    again = bonus_scenario.grant(reference="g")
    assert (again.replayed, again.bonus.id) == (True, first.bonus.id)
    assert (Bonus.objects.get().source, Bonus.objects.get().reference) == ("cashier", "g")


@pytest.mark.parametrize(
    ("fields", "differing"),
    [({"offer": "other"}, ["offer"]), ({"who": "alice"}, ["player"]), ({"currency": "JPY"}, ["currency"])],
)
def test_the_same_reference_for_another_grant_is_reused(fields, differing):
    bonus_scenario.gift(per_player=5)
    bonus_scenario.gift(code="other")
    scenario.alice()
    scenario.player("bob", "0", currency="JPY")
    bonus_scenario.grant(reference="g")
    refused = bonus_scenario.grant(reference="g", **fields)
    assert (refused.code, refused.facts["differing"]) == ("reference_reused", differing)


def test_a_refused_grant_is_judged_anew():
    offer = bonus_scenario.gift(enabled=False)
    assert why(bonus_scenario.grant(reference="g")) == "disabled"
    edit_offer(offer, {"enabled": True})
    assert bonus_scenario.grant(reference="g").bonus.status == "active"


def test_an_unknown_offer_is_unknown():
    assert bonus_scenario.grant("nothing").code == "unknown_offer"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"enabled": False}, "disabled"),
        ({"valid_from": instant(NOON + 1)}, "not_yet_valid"),
        ({"valid_until": instant(NOON)}, "no_longer_valid"),
        ({"countries": ["MT", "SE"]}, "country"),
    ],
)
def test_an_offer_says_why_it_is_not_available(fields, reason):
    bonus_scenario.gift(**fields)
    assert why(bonus_scenario.grant()) == reason
    assert Offer.objects.get().granted == 0


def test_an_offer_is_valid_from_its_first_instant_to_its_last():
    bonus_scenario.gift(valid_from=instant(NOON), valid_until=instant(NOON + 1))
    assert bonus_scenario.grant().bonus.status == "active"


def test_an_offer_without_amounts_in_the_currency_is_not_available():
    bonus_scenario.gift()
    scenario.player("bob", "0", currency="JPY")
    assert why(bonus_scenario.grant(currency="JPY")) == "currency"


def test_a_player_of_a_named_country_gets_the_offer():
    bonus_scenario.gift(countries=["MT"])
    Player.objects.update(country="MT")
    assert bonus_scenario.grant().bonus.status == "active"


@pytest.mark.parametrize("country", [None, "SE"])
def test_a_player_of_no_country_or_another_gets_no_offer_that_names_countries(country):
    bonus_scenario.gift(countries=["MT"])
    Player.objects.update(country=country)
    assert why(bonus_scenario.grant()) == why(bonus_scenario.claim()) == "country"


@pytest.mark.parametrize(
    "fields",
    [
        {"multiplier": 11},
        {"base": "deposit_plus_bonus"},
        {"on_withdrawal": "refuse"},
        {"weights": {"game": {"blackjack-1": 1000}}},
        {"weights": {"default": 0}},
        {"counted": "bonus"},
    ],
)
def test_what_britain_forbids_is_not_granted_to_its_players(fields):
    bonus_scenario.gift(**{"multiplier": 10, **fields})
    Player.objects.update(country="GB")
    assert why(bonus_scenario.grant()) == "jurisdiction"
    scenario.alice()
    assert bonus_scenario.grant(who="alice").bonus.status == "active"


def test_what_britain_forbids_does_not_begin_for_a_player_who_has_moved_there():
    bonus_scenario.match(multiplier=30)
    assert bonus_scenario.claim("welcome").bonus.status == "pending"
    Player.objects.update(country="GB")
    deposited = bonus_scenario.deposit("20.00")
    assert (deposited.status, deposited.facts["granted"]) == ("posted", None)
    assert deposited.facts["grant_refusal"] == "offer_not_available"
    assert bonus_scenario.the("welcome").status == "pending"
    # Nor by a deposit that names no offer.
    assert bonus_scenario.deposit("20.00", offer=None).facts["granted"] is None
    Player.objects.update(country="MT")
    assert bonus_scenario.deposit("20.00", offer=None).facts["granted"].status == "active"


def test_what_britain_forbids_is_not_approved_for_its_players():
    bonus_scenario.gift(multiplier=30)
    waiting = scenario.do(
        commands.Grant(
            source="operator",
            player="bob",
            currency="EUR",
            offer="gift",
            reference="g",
            actor="olga",
            at=scenario.NOON,
            waits_above=1,
        )
    )
    assert waiting.bonus.status == "pending"
    Player.objects.update(country="GB")
    approved = scenario.do(
        commands.Approve(source="operator", player="bob", bonus=waiting.bonus.id, actor="otto", at=scenario.NOON)
    )
    assert why(approved) == "jurisdiction"
    assert bonus_scenario.the().status == "pending"


def test_an_offer_is_exhausted_at_its_total():
    bonus_scenario.gift(total=1)
    scenario.alice()
    bonus_scenario.grant()
    assert why(bonus_scenario.grant(who="alice")) == "exhausted"
    assert Offer.objects.get().granted == 1


def test_more_than_can_be_wagered_is_not_granted():
    bonus_scenario.gift("1000000000.00", multiplier=1000 + 0)
    assert eur("1000000000.00") * 1000 == MAX_REQUIRED
    assert bonus_scenario.grant().bonus.required == MAX_REQUIRED
    bonus_scenario.gift("1000000000.01", code="more", multiplier=1000)
    assert why(bonus_scenario.grant("more")) == "requirement_too_large"


def test_a_cashback_is_not_granted_without_its_loss():
    create_offer(CASHBACK)
    assert why(bonus_scenario.grant("cashback")) == "kind"
    assert why(bonus_scenario.claim("cashback")) == "kind"
    granted = bonus_scenario.grant("cashback", loss=eur("199.99"))
    assert (granted.bonus.amount, granted.bonus.status) == (eur("19.99"), "active")


def test_an_offers_own_totals_survive_a_refusal_that_comes_later():
    """What was made and then undone in memory is not counted."""
    bonus_scenario.gift("5.00", total=5)
    Player.objects.update(deposit_locked=True)
    bonus_scenario.grant()
    Player.objects.update(deposit_locked=False)
    bonus_scenario.grant()
    assert Offer.objects.get().granted == 1


# --- four eyes ---------------------------------------------------------------------------------


def approve(bonus, actor="olga", **fields):
    from casino_pam.engine.commands import Approve

    given = {"source": "operator", "player": "bob", "at": NOON, "bonus": str(bonus), "actor": actor, **fields}
    return scenario.do(Approve(**given))


def waiting():
    bonus_scenario.gift()
    return bonus_scenario.grant(waits_above=499, actor="oscar").bonus


def test_a_grant_may_wait_for_a_second_person():
    bonus = waiting()
    assert (bonus.status, bonus.amount, scenario.balances("bob")) == ("pending", eur("5.00"), (0, 0, 0))
    approved = approve(bonus.id)
    assert (approved.bonus.status, scenario.balances("bob")) == ("active", (0, eur("5.00"), 0))
    assert (Bonus.objects.get().actor, Bonus.objects.get().approver) == ("oscar", "olga")


def test_approving_twice_grants_once():
    bonus = waiting()
    assert [approve(bonus.id).replayed for _ in range(2)] == [False, True]
    assert Transaction.objects.filter(kind="GRANT").count() == 1


@pytest.mark.parametrize(("actor", "reason"), [("oscar", "needs_a_second_person"), (None, "needs_a_second_person")])
def test_nobody_approves_a_grant_of_his_own(actor, reason):
    refused = approve(waiting().id, actor)
    assert (refused.code, refused.facts["why"], statuses()) == ("forbidden", reason, ["pending"])


def test_what_waits_for_its_deposit_is_not_approved():
    bonus_scenario.match()
    claimed = bonus_scenario.claim("welcome").bonus
    assert approve(claimed.id).facts["why"] == "waits_for_no_approval"


def test_a_grant_given_up_meanwhile_is_not_approved():
    bonus = waiting()
    bonus_scenario.forfeit(bonus.id)
    assert approve(bonus.id).code == "bonus_ended"


def test_nobody_approves_another_players_bonus():
    bonus = waiting()
    scenario.alice()
    assert approve(bonus.id, player="alice").code == "unknown_bonus"


# --- more time ---------------------------------------------------------------------------------


def extend(bonus, until, **fields):
    from casino_pam.engine.commands import Extend

    given = {"source": "operator", "player": "bob", "at": NOON, "bonus": str(bonus), "until": until, **fields}
    return scenario.do(Extend(**given))


def test_an_active_bonus_may_be_given_more_time():
    bonus_scenario.gift(spend_days=1)
    bonus = bonus_scenario.grant().bonus
    assert extend(bonus.id, NOON + 9 * DAY).bonus.expires_at == NOON + 9 * DAY
    assert scenario.bet("bob", "1.00", at=NOON + 8 * DAY).wagering["status"] == "active"


def test_a_waiting_bonus_may_be_given_more_time():
    bonus_scenario.match(claim_days=1)
    claimed = bonus_scenario.claim("welcome").bonus
    extend(claimed.id, NOON + 9 * DAY)
    assert bonus_scenario.deposit("20.00", None, at=NOON + 8 * DAY).bonus == eur("20.00")


def test_no_time_is_given_to_what_has_ended():
    bonus_scenario.gift(spend_days=1)
    bonus = bonus_scenario.grant().bonus
    assert extend(bonus.id, NOON + 9 * DAY, at=NOON + DAY).code == "bonus_ended"
    assert statuses() == ["expired"]
