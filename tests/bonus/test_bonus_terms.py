"""Offers as JSON, and the terms a bonus keeps: what is read, what is refused, in which words."""

import json
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonus.offers import MAX_NAMES, InvalidOffer, show_offer, validate_offer
from bonus.rules import Base, Conversion, Counted, Excluded, SpendOrder, Weights
from bonus.terms import OfferKind, OfferSpec, OnWithdrawal, OverMaxStake, Terms, decode, encode, jurisdiction_breaches
from casino_pam.local.os_support import PROJECT
from tests.sample_offers import CASHBACK, CURRENCIES, FIXED, SPINS, WELCOME, changed
from wallet.errors import Refused


def problems(offer):
    with pytest.raises(InvalidOffer) as refused:
        validate_offer(offer, CURRENCIES)
    return {problem.field: problem.message for problem in refused.value.problems}


# Reading


def test_reads_the_offer_of_the_handbook():
    assert validate_offer(WELCOME, CURRENCIES).terms_for("EUR") == Terms(
        offer="welcome",
        currency="EUR",
        kind=OfferKind.DEPOSIT_MATCH,
        percent_bp=10000,
        cap=200_00,
        amount=None,
        min_deposit=10_00,
        which_deposit="first",
        multiplier=30,
        base=Base.BONUS,
        counted=Counted.ALL,
        spend_order=SpendOrder.CASH_FIRST,
        weights=Weights(default=10000, game={"blackjack-1": 1000}, category={"live": 500}),
        excluded=Excluded(game=frozenset({"slot-9"})),
        max_stake=5_00,
        max_stake_bp=1000,
        over_max_stake=OverMaxStake.REFUSE,
        max_conversion=1000_00,
        conversion=Conversion.BALANCE,
        sticky=False,
        depleted_below=0,
        claim_days=7,
        spend_days=30,
        on_withdrawal=OnWithdrawal.FORFEIT,
    )


def test_fills_in_the_defaults_of_the_handbook():
    offer = validate_offer(FIXED, CURRENCIES)
    assert (offer.spend_order, offer.sticky, offer.base) == ("cash_first", False, "bonus")
    assert (offer.counted, offer.weights.default, offer.over_max_stake) == ("all", 10000, "refuse")
    assert (offer.on_withdrawal, offer.conversion, offer.per_player) == ("forfeit", "balance", 1)
    assert (offer.countries, offer.total, offer.enabled) == ((), None, True)


def test_free_rounds_count_winnings_without_being_told():
    assert validate_offer(SPINS, CURRENCIES).base is Base.WINNINGS


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("max_convertion", 'is no term here; "conversion" is'),
        ("colour", "is no term here; known are code, name"),
        ("Multiplier", 'is no term here; "multiplier" is'),
        ("weights.games", 'is no term here; "game" is'),
        ("excluded.provider", "is no term here; known are game, category"),
        ("amounts.EUR.max_convertion", 'is no term here; "max_conversion" is'),
        ("amounts.EUR.currency", "is no term here; known are cap"),
    ],
)
def test_refuses_terms_it_does_not_know_wherever_they_stand(path, words):
    found = problems(changed(WELCOME, path, "1.00"))
    assert list(found) == [path]
    assert words in found[path]


def test_tells_some_of_many_terms_it_does_not_know():
    found = problems({**FIXED, **{f"term-{n}\ud800{'x' * 100}": 1 for n in range(1000)}})
    assert len(found) == 10
    assert all(field.isascii() and len(field) < 80 for field in found)


@pytest.mark.parametrize(("currency", "text", "minor"), [("EUR", "5", 500), ("JPY", "5", 5), ("BTC", "0.00000005", 5)])
def test_reads_amounts_in_the_digits_of_their_currency(currency, text, minor):
    offer = validate_offer({**FIXED, "amounts": {currency: {"amount": text}}}, CURRENCIES)
    assert offer.terms_for(currency).amount == minor


def test_has_no_terms_in_a_currency_it_names_no_amounts_for():
    with pytest.raises(Refused) as refused:
        validate_offer(FIXED, CURRENCIES).terms_for("JPY")
    assert (refused.value.code, refused.value.facts) == ("offer_not_available", {"why": "currency"})


@pytest.mark.parametrize(
    "offer",
    [
        WELCOME,
        FIXED,
        SPINS,
        CASHBACK,
        changed(WELCOME, "which_deposit", 3),
        changed(WELCOME, "valid_until", "2026-12-31T23:59:59.5Z"),
        changed(WELCOME, "countries", ["DE", "FR"]),
    ],
    ids=lambda offer: offer["code"],
)
def test_shows_what_it_has_read(offer):
    spec = validate_offer(offer, CURRENCIES)
    shown = json.loads(json.dumps(show_offer(spec, CURRENCIES)))
    assert validate_offer(shown, CURRENCIES) == spec


def test_shows_the_offer_of_the_handbook_as_it_was_written():
    shown = show_offer(validate_offer(WELCOME, CURRENCIES), CURRENCIES)
    told = WELCOME | {"promo_code": None}
    assert shown == changed(told, "amounts.EUR", {**WELCOME["amounts"]["EUR"], "amount": None})


def test_shows_times_in_utc():
    offer = validate_offer({**FIXED, "valid_from": "2026-12-01T01:00:00+01:00"}, CURRENCIES)
    assert show_offer(offer, CURRENCIES)["valid_from"] == "2026-12-01T00:00:00Z"


# Refusing single fields

TOO_LARGE = "1000000000000.01"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("code", "Welcome", "lower-case"),
        ("code", "welcome\n", "lower-case"),
        ("code", "w" * 65, "1 to 64"),
        ("code", None, "lower-case"),
        ("name", "", "printable"),
        ("name", " padded", "spaces"),
        ("name", "nul \x00", "printable"),
        ("name", "half \ud800", "printable"),
        ("kind", "jackpot", "one of deposit_match, fixed, free_rounds, cashback"),
        ("kind", ["fixed"], "one of"),
        ("kind", None, "one of"),
        ("percent_bp", 0, "from 1 to 100000"),
        ("percent_bp", 5000.0, "whole number"),
        ("percent_bp", True, "whole number"),
        ("percent_bp", "5000", "whole number"),
        ("multiplier", -1, "from 0 to 1000"),
        ("multiplier", 1001, "from 0 to 1000"),
        ("multiplier", None, "from 0 to 1000"),
        ("base", "deposit", "one of bonus, deposit_plus_bonus, winnings"),
        ("base", None, "one of"),
        ("counted", "none", "one of all, bonus, cash"),
        ("spend_order", "bonus", "one of cash_first, bonus_first, proportional"),
        ("which_deposit", "second", "whole number"),
        ("which_deposit", 0, "whole number"),
        ("which_deposit", True, "whole number"),
        ("which_deposit", None, "whole number"),
        ("max_stake_bp", 0, "from 1"),
        ("over_max_stake", "allow", "one of refuse, forfeit"),
        ("conversion", "all", "one of balance, original"),
        ("sticky", "yes", "true or false"),
        ("sticky", None, "true or false"),
        ("on_withdrawal", "allow", "one of forfeit, refuse, keep"),
        ("claim_days", 0, "from 1 to 3650"),
        ("spend_days", 3651, "from 1 to 3650"),
        ("valid_from", "2026-12-01T00:00:00", "offset"),
        ("valid_from", "tomorrow", "ISO 8601"),
        ("valid_from", 1796083200, "ISO 8601"),
        ("valid_until", "0001-01-01T00:00:00+01:00", "ISO 8601"),
        ("valid_until", "9999-12-31T23:00:00-01:00", "ISO 8601"),
        ("per_player", 0, "from 1"),
        ("per_player", None, "from 1"),
        ("total", 0, "from 1"),
        ("countries", "GB", "a list"),
        ("countries", ["DE"] * (MAX_NAMES + 1), f"at most {MAX_NAMES}"),
        ("enabled", 1, "true or false"),
        ("weights", [], "an object"),
        ("weights.default", 20001, "from 0 to 20000"),
        ("weights.game", {"": 0}, "printable ASCII"),
        ("weights.game", {"é": 0}, "printable ASCII"),
        ("weights.category", {"Live Games": 0}, "lower-case"),
        ("weights.provider", None, "an object"),
        ("weights", {"game": {f"slot-{n}": 0 for n in range(MAX_NAMES + 1)}}, f"at most {MAX_NAMES}"),
        ("excluded.game", {"slot-9": True}, "a list"),
        ("amounts", {}, "at least one currency"),
        ("amounts", None, "at least one currency"),
        ("amounts", {"XXX": {"cap": "1.00"}}, '"XXX", which is not one of this house'),
        ("amounts.EUR", None, "an object"),
        ("amounts.EUR.cap", "200.001", "2 decimal places"),
        ("amounts.EUR.cap", 200, "in quotes"),
        ("amounts.EUR.cap", "-1.00", "without sign"),
        ("amounts.EUR.cap", "0.00", "above zero"),
        ("amounts.EUR.cap", TOO_LARGE, "at most 1000000000000.00"),
        ("amounts.EUR.min_deposit", None, "in quotes"),
        ("amounts.EUR.max_stake", "0.00", "above zero"),
        ("amounts.EUR.max_conversion", "0", "above zero"),
        ("amounts.EUR.depleted_below", "1e2", "exponent"),
    ],
)
def test_refuses_a_wrong_field_by_its_name(path, value, words):
    found = problems(changed(WELCOME, path, value))
    assert list(found) == [path]
    assert words in found[path]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("weights.game", {"slot-1": -1}, "weights.game.slot-1"),
        ("weights.provider", {"acme": None}, "weights.provider.acme"),
        ("excluded.game", ["slot-1", 7], "excluded.game[1]"),
        ("excluded.category", ["Live"], "excluded.category[0]"),
        ("countries", ["DE", "gb"], "countries[1]"),
        ("countries", ["UK", "GB"], "countries[0]"),
        ("countries", ["XX"], "countries[0]"),
        ("amounts.JPY", {"cap": "1.5"}, "amounts.JPY.cap"),
    ],
)
def test_names_the_very_entry_that_is_wrong(path, value, field):
    assert list(problems(changed(WELCOME, path, value))) == [field]


@pytest.mark.parametrize("field", ["code", "name", "kind", "multiplier", "amounts"])
def test_asks_for_what_has_no_default(field):
    offer = {name: value for name, value in WELCOME.items() if name != field}
    assert problems(offer) == {field: "is required"}


@pytest.mark.parametrize(
    "path",
    ["valid_from", "valid_until", "total", "max_stake_bp", "claim_days", "spend_days"]
    + [f"amounts.EUR.{amount}" for amount in ("amount", "max_stake", "max_conversion")],
)
def test_accepts_null_where_a_term_may_be_missing(path):
    assert validate_offer(changed(WELCOME, path, None), CURRENCIES).code == WELCOME["code"]


def test_tells_everything_that_is_wrong_at_once():
    offer = changed(changed(WELCOME, "multiplier", "30"), "amounts.EUR.cap", "1.001")
    assert list(problems(offer)) == ["multiplier", "amounts.EUR.cap"]


def test_refuses_in_the_words_of_the_doors():
    with pytest.raises(Refused) as refused:
        validate_offer({**FIXED, "multiplier": -1, "sticky": 1}, CURRENCIES)
    assert (refused.value.code, refused.value.status) == ("invalid_field", 400)
    assert refused.value.facts == {
        "field": "multiplier",
        "detail": "multiplier must be a whole number from 0 to 1000.",
        "problems": [
            {"field": "multiplier", "message": "must be a whole number from 0 to 1000"},
            {"field": "sticky", "message": "must be true or false"},
        ],
    }


@pytest.mark.parametrize("body", [None, [], "offer", 7])
def test_refuses_what_is_not_an_object(body):
    assert "must be an object" in problems(body)[""]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["EUR", "1.00", "game"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["EUR", "cap"]), inner),
    max_leaves=8,
)
paths = st.sampled_from(
    [*WELCOME, *(f"weights.{name}" for name in WELCOME["weights"]), "excluded.game", "amounts.EUR", "amounts.EUR.cap"]
)


@given(path=paths, value=json_values)
def test_any_json_in_any_field_is_read_or_refused(path, value):
    try:
        spec = validate_offer(changed(WELCOME, path, value), CURRENCIES)
    except InvalidOffer as refused:
        # The answer must be valid UTF-8 whatever was sent: msgspec refuses half a surrogate pair.
        msgspec.json.encode(refused.facts)
    else:
        assert validate_offer(show_offer(spec, CURRENCIES), CURRENCIES) == spec


# Refusing contradictions


@pytest.mark.parametrize(
    ("offer", "field"),
    [
        (changed(WELCOME, "percent_bp", None), "percent_bp"),
        (changed(WELCOME, "amounts.EUR.cap", None), "amounts.EUR.cap"),
        (changed(WELCOME, "amounts.JPY", {}), "amounts.JPY.cap"),
        (changed(CASHBACK, "percent_bp", None), "percent_bp"),
        (changed(CASHBACK, "amounts.EUR.cap", None), "amounts.EUR.cap"),
        (changed(FIXED, "amounts.EUR", {"cap": "5.00"}), "amounts.EUR.amount"),
        (changed(SPINS, "base", "bonus"), "base"),
        (changed(SPINS, "conversion", "original"), "conversion"),
        (changed(FIXED, "base", "winnings"), "base"),
        (changed(CASHBACK, "base", "deposit_plus_bonus"), "base"),
        ({**FIXED, "sticky": True, "conversion": "original"}, "sticky"),
        ({**FIXED, "valid_from": "2026-12-01T00:00:00Z", "valid_until": "2026-12-01T01:00:00+01:00"}, "valid_until"),
    ],
)
def test_refuses_terms_that_contradict_each_other(offer, field):
    assert list(problems(offer)) == [field]


# Jurisdictions

HARSH = {"multiplier": 11, "base": "deposit_plus_bonus", "on_withdrawal": "refuse"}


def test_an_offer_that_names_gb_keeps_the_rules_of_gb():
    found = problems({**WELCOME, **HARSH, "countries": ["DE", "GB"]})
    assert found == {
        "multiplier": "must be at most 10 for players in GB",
        "base": "must not include the deposit for players in GB",
        "on_withdrawal": "must not refuse withdrawals to players in GB",
    }


PLAIN = {"weights": {}, "excluded": {}, "multiplier": 10, "countries": ["GB"]}
CATEGORY = {"category": {"live": 500}}


# M x 10000 / the smallest weight of a game that is not excluded, at most 10.
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"multiplier": 1, "weights": {"default": 1000}},
        {"multiplier": 1, "weights": {"game": {"blackjack-1": 1000}}},
        {"weights": {"game": {"blackjack-1": 1000}}, "excluded": {"game": ["blackjack-1"]}},
        {"weights": CATEGORY, "excluded": {"category": ["live"]}},
        {"multiplier": 20, "weights": {"default": 20000}},
        {"multiplier": 5, "weights": {"provider": {"acme": 5000}}},
        {"multiplier": 0, "weights": {"default": 0}},
    ],
)
def test_an_offer_within_the_rules_of_gb_is_saved(fields):
    assert validate_offer({**WELCOME, **PLAIN, **fields}, CURRENCIES).code == WELCOME["code"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"multiplier": 11}, "must be at most 10 for players in GB"),
        ({"weights": {"default": 9999}}, "every other game counts 9999 of 10000 basis points"),
        ({"weights": {"game": {"blackjack-1": 1000}}}, "blackjack-1 counts 1000 of"),
        ({"weights": {"game": {"a": 0}}, "multiplier": 1}, "a counts 0 of"),
        ({"weights": CATEGORY}, "all of live counts 500 of"),
        ({"weights": CATEGORY, "excluded": {"game": ["live"]}}, "all of live counts 500 of"),
        ({"weights": {"provider": {"acme": 5000}}, "multiplier": 6}, "provider acme counts 5000 of"),
        ({"weights": {"default": 20000, "game": {"a": 10000}}, "multiplier": 11}, "at most 10"),
        ({"weights": {"default": 15000}, "multiplier": 16}, "every other game counts 15000 of"),
    ],
)
def test_more_than_ten_times_on_any_game_is_refused_in_gb(fields, words):
    found = problems({**WELCOME, **PLAIN, **fields})
    assert list(found) == ["multiplier"]
    assert words in found["multiplier"]


@pytest.mark.parametrize("counted", ["bonus", "cash"])
def test_a_stake_counts_whole_in_gb(counted):
    assert problems({**WELCOME, **PLAIN, "counted": counted}) == {"counted": "must be all for players in GB"}
    assert validate_offer({**WELCOME, **PLAIN, "counted": counted, "countries": ["MT"]}, CURRENCIES).counted == counted


@pytest.mark.parametrize("countries", [[], ["DE"]])
def test_an_offer_that_does_not_name_gb_is_judged_at_grant(countries):
    terms = validate_offer({**WELCOME, **HARSH, "countries": countries}, CURRENCIES).terms_for("EUR")
    assert [problem.field for problem in jurisdiction_breaches("GB", terms)] == ["multiplier", "base", "on_withdrawal"]
    assert list(jurisdiction_breaches("DE", terms)) == []
    assert list(jurisdiction_breaches(None, terms)) == []


# Frozen terms


@pytest.mark.parametrize("offer", [WELCOME, FIXED, SPINS, CASHBACK], ids=lambda offer: offer["code"])
def test_terms_survive_being_written_and_read(offer):
    terms = validate_offer(offer, CURRENCIES).terms_for("EUR")
    assert decode(encode(terms)) == terms


def test_equal_terms_are_equal_texts():
    one = {"default": 1, "game": {"a": 1, "b": 2}, "category": {}, "provider": {}}
    other = {"provider": {}, "game": {"b": 2, "a": 1}, "category": {}, "default": 1}
    texts = {
        encode(validate_offer({**FIXED, "weights": weights, "excluded": {"game": games}}, CURRENCIES).terms_for("EUR"))
        for weights, games in [(one, ["x", "y", "z"]), (other, ["z", "y", "x"])]
    }
    assert len(texts) == 1


def test_terms_spell_out_their_defaults():
    """A default that changes in a later version must not change a promise made before."""
    written = json.loads(encode(validate_offer(FIXED, CURRENCIES).terms_for("EUR")))
    assert set(written) == set(Terms.__struct_fields__)
    assert set(written["weights"]) == set(Weights.__struct_fields__)


def test_terms_cannot_be_changed():
    terms = validate_offer(FIXED, CURRENCIES).terms_for("EUR")
    with pytest.raises(AttributeError):
        terms.multiplier = 0


def test_refuses_to_read_a_text_that_is_not_terms():
    with pytest.raises(msgspec.ValidationError):
        decode('{"offer": "welcome"}')


def test_terms_carry_every_condition_of_their_offer():
    shared = set(OfferSpec.__struct_fields__) & set(Terms.__struct_fields__)
    spec = validate_offer(WELCOME, CURRENCIES)
    terms = spec.terms_for("EUR")
    assert {field: getattr(terms, field) for field in shared} == {field: getattr(spec, field) for field in shared}


_MEET_AT_ONCE = """
import sys, threading
import msgspec
from bonus.terms import OfferSpec
sys.setswitchinterval(1e-6)
together = threading.Barrier(16)
def meet():
    together.wait()
    try:
        msgspec.convert({"code": "x"}, OfferSpec)
    except msgspec.ValidationError:
        pass
threads = [threading.Thread(target=meet) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_threads_that_read_their_first_offer_at_once_do_not_end_the_process():
    """Every second process died of it; of eight one survives by chance in 256 tries."""
    ended = [subprocess.run([sys.executable, "-c", _MEET_AT_ONCE], cwd=PROJECT).returncode for _ in range(8)]
    assert ended == [0] * 8
