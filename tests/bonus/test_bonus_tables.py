"""Offers and bonuses in the database: what is saved, and what the database itself refuses."""

import json

import pytest
from django.db import Error, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from bonus.models import LIVE, Bonus, BonusStatus, GameWeight, Offer
from bonus.offers import InvalidOffer, create_offer, edit_offer, offer_to_json, show_offer, validate_offer
from bonus.rules import MAX_REQUIRED, MAX_WAGERED
from bonus.terms import decode
from tests.bonus.stored_bonuses import NOON, PLAYED, grant, wallet_of
from tests.sample_offers import CASHBACK, CURRENCIES, FIXED, SPINS, WELCOME
from wallet.errors import Busy, Refused
from wallet.models import Currency
from wallet.money import MAX_AMOUNT


@pytest.fixture
def currencies(broken_books):
    Currency.objects.bulk_create(Currency(code=code, digits=digits) for code, digits in CURRENCIES.items())


@pytest.fixture
def welcome(currencies):
    return create_offer(WELCOME)


def refusal_of(statement, *parameters):
    """The error with which the database refuses a statement, None when it does not."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            # What is checked at commit must be checked inside the test.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except Error as error:
        return error
    return None


def broken_constraint(statement, *parameters):
    error = refusal_of(statement, *parameters)
    assert isinstance(error, IntegrityError), f"accepted, or refused otherwise: {error!r}"
    return error.__cause__.diag.constraint_name


# Saving offers


@pytest.mark.parametrize("offer", [WELCOME, FIXED, SPINS, CASHBACK], ids=lambda offer: offer["code"])
def test_an_offer_is_shown_as_it_was_saved(currencies, offer):
    create_offer(offer)
    shown = json.loads(json.dumps(offer_to_json(Offer.objects.get())))
    assert shown == show_offer(validate_offer(offer, CURRENCIES), CURRENCIES)


def test_an_offer_gives_the_terms_of_its_json(welcome):
    terms = Offer.objects.get().terms_for("EUR")
    assert (terms.cap, terms.max_stake, terms.which_deposit) == (200_00, 5_00, "first")
    assert terms.weights.game == {"blackjack-1": 1000}
    assert terms.excluded.game == {"slot-9"}


def test_keeps_the_number_of_the_deposit_an_offer_asks_for(currencies):
    assert create_offer({**WELCOME, "which_deposit": 2}).terms_for("EUR").which_deposit == 2


def test_a_game_may_have_a_weight_and_be_excluded(currencies):
    offer = create_offer({**WELCOME, "excluded": {"game": ["blackjack-1"]}})
    assert GameWeight.objects.filter(offer=offer, scope="game").count() == 1
    terms = offer.terms_for("EUR")
    assert (terms.weights.game, terms.excluded.game) == ({"blackjack-1": 1000}, {"blackjack-1"})


def test_an_offer_and_its_weights_are_read_in_one_statement(welcome):
    with CaptureQueriesContext(connection) as queries:
        Offer.objects.get(code="welcome").terms_for("EUR")
    assert len(queries) == 1


def test_a_bonus_leads_to_its_offer_with_its_weights(welcome):
    grant(welcome, wallet_of("bob"))
    assert Bonus.objects.get().offer.terms_for("EUR").weights.category == {"live": 500}


def test_a_code_that_is_taken_is_already_there(welcome):
    with pytest.raises(Refused) as refused:
        create_offer({**FIXED, "code": "welcome"})
    assert refused.value.code == "already_exists"
    assert Offer.objects.get().name == WELCOME["name"]


def test_an_edit_replaces_what_it_names_and_keeps_the_rest(welcome):
    edited = edit_offer(welcome, {"multiplier": 20, "weights": {"provider": {"acme": 5000}}, "enabled": False})
    assert (edited.multiplier, edited.enabled, edited.name) == (20, False, WELCOME["name"])
    terms = edited.terms_for("EUR")
    assert (terms.weights.game, terms.weights.provider) == ({}, {"acme": 5000})
    assert terms.excluded.game == {"slot-9"}


def test_an_edit_is_judged_as_a_whole_offer(welcome):
    with pytest.raises(InvalidOffer) as refused:
        edit_offer(welcome, {"countries": ["GB"]})
    assert refused.value.facts["field"] == "multiplier"


def test_an_edit_cannot_change_the_code(welcome):
    with pytest.raises(InvalidOffer) as refused:
        edit_offer(welcome, {"code": "hello"})
    assert refused.value.facts["field"] == "code"


def test_an_edit_changes_no_bonus_already_granted(welcome):
    promised = grant(welcome, wallet_of("bob"))
    edit_offer(welcome, {"multiplier": 20, "enabled": False})
    assert decode(Bonus.objects.get().terms).multiplier == 30
    assert Bonus.objects.get().terms == promised.terms


def test_an_edit_does_not_forget_what_was_granted_meanwhile(welcome):
    Offer.objects.update(granted=7)
    assert edit_offer(welcome, {"total": 10}).granted == 7


def test_a_total_below_what_was_granted_is_refused(welcome):
    Offer.objects.update(granted=7)
    with pytest.raises(InvalidOffer) as refused:
        edit_offer(Offer.objects.get(), {"total": 6})
    assert refused.value.facts["detail"] == "total must be at least 7: so many have been granted."


def test_a_total_overtaken_by_grants_since_it_was_read_is_looked_at_again(welcome):
    Offer.objects.update(granted=7)
    with pytest.raises(Busy):
        edit_offer(welcome, {"total": 6})
    assert Offer.objects.get().total is None


def test_of_two_operators_editing_at_once_the_second_looks_again(welcome):
    mine = Offer.objects.get()
    edit_offer(welcome, {"multiplier": 20})
    with pytest.raises(Busy):
        edit_offer(mine, {"multiplier": 25, "weights": {}})
    left = Offer.objects.get()
    assert (left.multiplier, left.spec().weights.game) == (20, {"blackjack-1": 1000})


# What the database refuses of an offer


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("offer_code_shape", "code = 'Welcome'"),
        ("offer_multiplier", "multiplier = 1001"),
        ("bonus_offer_multiplier_check", "multiplier = -1"),
        ("offer_default_weight", "default_weight_bp = 20001"),
        ("offer_granted_within_total", "total = 10, granted = 11"),
        ("bonus_offer_granted_check", "granted = -1"),
        ("offer_ends_after_it_begins", "valid_from = '2026-12-01Z', valid_until = '2026-12-01Z'"),
    ],
)
def test_the_database_refuses_a_wrong_offer(welcome, constraint, change):
    assert broken_constraint(f"UPDATE bonus_offer SET {change}") == constraint


def test_the_database_grants_an_offer_no_more_often_than_its_total(welcome):
    edit_offer(welcome, {"total": 2})
    once_more = "UPDATE bonus_offer SET granted = granted + 1"
    assert refusal_of(once_more) is None
    assert refusal_of(once_more) is None
    assert broken_constraint(once_more) == "offer_granted_within_total"


def test_the_database_keeps_an_offer_that_was_granted(welcome):
    grant(welcome, wallet_of("bob"))
    assert refusal_of("DELETE FROM bonus_gameweight") is None
    assert broken_constraint("DELETE FROM bonus_offer").startswith("bonus_bonus_offer_id")


@pytest.mark.parametrize(
    ("constraint", "scope", "name", "weight_bp", "excluded"),
    [
        ("game_weight_said_once", "game", "blackjack-1", 500, False),
        ("game_weight_range", "game", "slot-1", 20001, False),
        ("game_weight_says_something", "game", "slot-1", None, False),
        ("game_weight_excludes_no_provider", "provider", "acme", None, True),
    ],
)
def test_the_database_refuses_a_wrong_weight(welcome, constraint, scope, name, weight_bp, excluded):
    insert = "INSERT INTO bonus_gameweight (offer_id, scope, name, weight_bp, excluded) VALUES (%s, %s, %s, %s, %s)"
    assert broken_constraint(insert, welcome.pk, scope, name, weight_bp, excluded) == constraint


# What the database refuses of a bonus


@pytest.mark.parametrize(
    ("constraint", "status", "change"),
    [
        *[
            (f"bonus_{column}_bounds", BonusStatus.ACTIVE, f"{column} = {wrong}")
            for column, highest in [
                ("deposit", MAX_AMOUNT),
                ("amount", MAX_AMOUNT),
                ("base", MAX_REQUIRED),
                ("required", MAX_REQUIRED),
                ("wagered", MAX_WAGERED),
            ]
            for wrong in (-1, highest + 1)
        ],
        ("bonus_converted_bounds", BonusStatus.COMPLETED, "converted = -1"),
        ("bonus_ended_at_its_end", BonusStatus.ACTIVE, "status = 'completed'"),
        ("bonus_ended_at_its_end", BonusStatus.ACTIVE, "ended_at = now()"),
        ("bonus_activated_when_played", BonusStatus.QUEUED, "status = 'active'"),
        ("bonus_activated_when_played", BonusStatus.QUEUED, "activated_at = now()"),
        ("bonus_wagered_once_active", BonusStatus.QUEUED, "wagered = 1"),
        ("bonus_wagered_once_active", BonusStatus.PENDING, "converted = 1"),
        ("bonus_needs_two_people", BonusStatus.PENDING, "actor = 'olga', approver = 'olga'"),
    ],
)
def test_the_database_refuses_a_wrong_bonus(welcome, constraint, status, change):
    grant(welcome, wallet_of("bob"), status)
    assert broken_constraint(f"UPDATE bonus_bonus SET {change}") == constraint


def test_the_database_accepts_the_bounds_themselves(welcome):
    grant(welcome, wallet_of("bob"), BonusStatus.ACTIVE)
    for column, highest in [("amount", MAX_AMOUNT), ("required", MAX_REQUIRED), ("wagered", MAX_WAGERED)]:
        assert refusal_of(f"UPDATE bonus_bonus SET {column} = {highest}") is None
        assert refusal_of(f"UPDATE bonus_bonus SET {column} = 0") is None


def test_the_database_accepts_a_grant_approved_by_another(welcome):
    grant(welcome, wallet_of("bob"))
    assert refusal_of("UPDATE bonus_bonus SET actor = 'olga', approver = 'oscar'") is None


COPY = """
INSERT INTO bonus_bonus (id, offer_id, player_id, wallet_id, status, source, reference, ordinal, terms, deposit, amount,
    base, required, wagered, converted, version, created_at, activated_at)
SELECT gen_random_uuid(), offer_id, player_id, {wallet}, '{status}', '{source}', {reference}, {ordinal}, terms, 0, 0,
    0, 0, 0, 0, 0, now(), CASE WHEN '{status}' = 'active' THEN now() END
FROM bonus_bonus
"""


def copy(wallet="wallet_id", status="pending", source="cashier", reference="reference || '-2'", ordinal=2):
    return COPY.format(wallet=wallet, status=status, source=source, reference=reference, ordinal=ordinal)


def test_the_database_spends_a_reference_once_for_each_source(welcome):
    grant(welcome, wallet_of("bob"))
    assert broken_constraint(copy(reference="reference")) == "bonus_reference"
    assert refusal_of(copy(reference="reference", source="operator")) is None


def test_the_database_grants_the_nth_bonus_of_an_offer_to_a_player_once(welcome):
    grant(welcome, wallet_of("bob"))
    assert broken_constraint(copy(ordinal=1)) == "bonus_nth_of_player"
    assert broken_constraint(copy(ordinal=0)) == "bonus_ordinal_from_one"


def test_the_database_allows_one_active_bonus_a_wallet(welcome):
    yens = wallet_of("bob", "JPY")
    grant(welcome, wallet_of("bob"), BonusStatus.ACTIVE)
    assert broken_constraint(copy(status="active")) == "bonus_one_active"
    assert refusal_of(copy(status="active", wallet=yens.pk)) is None


def test_the_database_lets_further_bonuses_of_a_wallet_wait(welcome):
    grant(welcome, wallet_of("bob"), BonusStatus.ACTIVE)
    assert refusal_of(copy(status="queued")) is None


@pytest.mark.parametrize(
    "change",
    [
        "terms = '{}'",
        "offer_id = offer_id + 1",
        "player_id = player_id + 1",
        "wallet_id = wallet_id + 1",
        "source = 'operator'",
        "reference = 'another'",
        "ordinal = 2",
        "created_at = now()",
    ],
)
def test_the_database_freezes_what_was_promised(welcome, change):
    grant(welcome, wallet_of("bob"), BonusStatus.ACTIVE)
    assert "Cannot update rows from bonus_bonus" in str(refusal_of(f"UPDATE bonus_bonus SET {change}"))


def test_the_database_never_deletes_a_bonus(welcome):
    grant(welcome, wallet_of("bob"), BonusStatus.COMPLETED)
    assert "Cannot delete rows from bonus_bonus" in str(refusal_of("DELETE FROM bonus_bonus"))
    assert "Cannot truncate rows from bonus_bonus" in str(refusal_of("TRUNCATE bonus_bonus"))


# Several arrows may be passed in one posting, so also in one write.
STARTED = {"active", "completed", "depleted", "expired", "forfeited"}
NEXT = {
    "pending": {"queued", "cancelled", *STARTED},
    "queued": {"cancelled", *STARTED},
    "active": STARTED - {"active"},
}


@pytest.mark.parametrize("status", list(BonusStatus))
def test_the_database_knows_the_life_of_a_bonus(welcome, status):
    """Above all, what has ended stays ended."""
    grant(welcome, wallet_of("bob"), status)
    reached = {other for other in BonusStatus.values if other != status and _may_become(other)}
    assert reached == NEXT.get(status, set())


def _may_become(status):
    """Whether the database lets the bonus take a status, with the times that belong to it; undone again."""
    ended = None if status in LIVE else NOON
    change = "UPDATE bonus_bonus SET status = %s, ended_at = %s"
    if status in PLAYED:
        change += ", activated_at = created_at"
    with transaction.atomic():
        error = refusal_of(change, status, ended)
        transaction.set_rollback(True)
    return error is None


def test_the_database_knows_every_status(welcome):
    grant(welcome, wallet_of("bob"))
    assert broken_constraint(copy(status="lost")) == "bonus_activated_when_played"


def test_progress_follows_rollbacks_after_the_end(welcome):
    grant(welcome, wallet_of("bob"), BonusStatus.COMPLETED, wagered=100)
    assert refusal_of("UPDATE bonus_bonus SET wagered = 50, version = version + 1") is None
