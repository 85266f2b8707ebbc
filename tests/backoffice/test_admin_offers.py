"""Offers in the admin: the form says what the API says, explains itself, and never touches a bonus."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from bonus.models import Bonus, GameWeight, Offer
from bonus.offers import create_offer, edit_offer, offer_to_json, show_offer, validate_offer
from tests import bonus_scenario, operators, scenario
from tests.sample_offers import CASHBACK, CURRENCIES, FIXED, SPINS, WELCOME
from wallet import models

ADD = reverse("admin:bonus_offer_add")


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


def page(offer: Offer) -> str:
    return reverse("admin:bonus_offer_change", args=[offer.pk])


def typed(client: Any, url: str, **changes: Any) -> dict[str, Any]:
    """The form as a browser would send it back, with some of its fields typed anew."""
    form = client.get(url).context["adminform"].form
    sent: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        if hasattr(bound.field.widget, "decompress"):
            parts = bound.field.widget.decompress(value)
            sent |= {f"{bound.html_name}_{n}": str(part or "") for n, part in enumerate(parts)}
        elif value is True:
            sent[bound.html_name] = "on"
        elif value not in (None, False):
            sent[bound.html_name] = str(value)
    for name, value in changes.items():
        sent[name] = value
    return {name: value for name, value in sent.items() if value is not None} | {"_save": "Save"}


WRITTEN = {
    "code": "welcome",
    "name": "Welcome 100 %",
    "percent_bp": "100",
    "which_deposit": "first",
    "multiplier": "30",
    "weights.game": "blackjack-1 = 10 %",
    "weights.category": "live = 5",
    "excluded.game": "slot-9\n",
    "max_stake_bp": "10 %",
    "claim_days": "7",
    "spend_days": "30",
    "amounts.EUR": "on",
    "amounts.EUR.cap": "200.00",
    "amounts.EUR.min_deposit": "10.00",
    "amounts.EUR.max_stake": "5.00",
    "amounts.EUR.max_conversion": "1000.00",
}


def write(client: Any, url: str = ADD, **changes: Any) -> Any:
    begun = WRITTEN if url == ADD else {}
    return client.post(url, typed(client, url, **{**begun, **changes}))


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    form = response.context["adminform"].form
    return {name: [str(said) for said in messages] for name, messages in form.errors.items()}


def test_the_form_writes_the_very_offer_that_the_api_would():
    write(operators.sue())
    assert offer_to_json(Offer.objects.get()) == show_offer(validate_offer(WELCOME, CURRENCIES), CURRENCIES)


@pytest.mark.parametrize("json", [WELCOME, FIXED, SPINS, CASHBACK], ids=lambda json: json["kind"])
def test_an_offer_saved_as_it_is_shown_stays_what_it_was(json):
    offer = create_offer({**json, "valid_from": "2026-01-01T00:00:00.123456Z", "countries": ["DE", "MT"]})
    before = offer_to_json(offer)
    client = operators.sue()
    write(client, page(offer))
    assert offer_to_json(Offer.objects.get()) == before


def test_what_the_form_does_not_show_stays_what_it_was():
    offer = create_offer({**FIXED, "amounts": {"EUR": {"amount": "5.00"}, "JPY": {"amount": "500"}}})
    models.Currency.objects.filter(code="KWD").update(enabled=False)
    response = write(operators.sue(), page(offer), multiplier="7")
    assert response.status_code == 302
    assert offer_to_json(Offer.objects.get())["amounts"]["JPY"]["amount"] == "500"
    assert Offer.objects.get().multiplier == 7


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("code", "Wel come", "lower-case"),
        ("name", "", "printable"),
        ("multiplier", "1001", "from 0 to 1000"),
        ("multiplier", "", "whole number"),
        ("percent_bp", "", "is required when kind is deposit_match"),
        ("percent_bp", "10.001", "at most 2 decimal places"),
        ("percent_bp", "-5", "without sign"),
        ("which_deposit", "second", "any"),
        ("amounts.EUR.cap", "", "is required"),
        ("amounts.EUR.cap", "200.001", "at most 2 decimal places"),
        ("amounts.EUR.max_stake", "0", "above zero"),
        ("weights.game", "blackjack-1", "a name, =, and a percentage"),
        ("weights.game", "blackjack-1 = 500", "blackjack-1 must be"),
        ("weights.game", "a = 1\na = 2", "twice"),
        ("weights.category", "Live = 5", "lower-case"),
        ("weights.default", "201", "from 0 to 20000"),
        ("excluded.category", "live\nLi ve", "lower-case"),
        ("countries", "GB Germany", "two capital letters"),
        ("countries", "UK", "&quot;UK&quot; is &quot;GB&quot; (United Kingdom)"),
        ("countries", "GB", None),
        ("per_player", "0", "from 1"),
        ("total", "0", "from 1"),
        ("spend_days", "3651", "from 1 to 3650"),
        ("valid_until_0", "1999-13-01", "valid date"),
        ("base", "winnings", "only when kind is free_rounds"),
        ("kind", "free_rounds", None),
    ],
)
def test_what_is_wrong_is_said_at_its_field(field, text, said):
    found = errors(write(operators.sue(), **{field: text}))
    where = {"countries": "multiplier", "kind": "base", "valid_until_0": "valid_until"}
    at = field if said and field in found else where[field]
    assert (said or "must be") in " ".join(found[at])
    assert "__all__" not in found
    assert Offer.objects.count() == 0


def test_an_offer_in_no_currency_is_told_so():
    assert "at least one currency" in errors(write(operators.sue(), **{"amounts.EUR": None}))["__all__"][0]


def test_a_code_that_is_taken_is_told_so():
    create_offer(WELCOME)
    assert "already" in errors(write(operators.sue()))["code"][0]
    assert Offer.objects.count() == 1


def test_the_code_never_changes():
    offer = create_offer(WELCOME)
    write(operators.sue(), page(offer), code="other", name="New")
    assert (Offer.objects.get().code, Offer.objects.get().name) == ("welcome", "New")


def test_the_total_cannot_fall_below_what_was_granted():
    offer = bonus_scenario.gift(per_player=5)
    scenario.bob()
    bonus_scenario.grant()
    bonus_scenario.grant()
    assert "2" in errors(write(operators.sue(), page(offer), total="1"))["total"][0]


def test_editing_what_somebody_else_has_edited_meanwhile_changes_nothing():
    client = operators.sue()
    offer = create_offer(WELCOME)
    form = typed(client, page(offer), name="Mine")
    edit_offer(offer, {"multiplier": 5})
    assert "Somebody else" in errors(client.post(page(offer), form))["__all__"][0]
    assert (Offer.objects.get().name, Offer.objects.get().multiplier) == ("Welcome 100 %", 5)


def test_editing_changes_no_bonus_and_says_so():
    offer = bonus_scenario.gift("5.00", multiplier=10)
    scenario.bob()
    bonus_scenario.grant()
    before = Bonus.objects.values().get()
    client = operators.sue()
    body = client.get(page(offer)).content.decode()
    assert "the terms of the day they were promised" in body
    write(client, page(offer), multiplier="20", **{"amounts.EUR.amount": "7.00"})
    assert Offer.objects.get().multiplier == 20
    assert Bonus.objects.values().get() == before


def test_saving_leads_to_the_page_with_the_example_and_leaves_a_trace():
    client = operators.sue()
    saved = write(client)
    offer = Offer.objects.get()
    assert saved.headers["Location"] == page(offer)
    assert LogEntry.objects.get().object_id == str(offer.pk)
    body = client.get(page(offer)).content.decode()
    assert "On a deposit of 10.00 EUR" in body
    assert "300.00 EUR" in body


def example(response: Any) -> dict[str, str]:
    return dict(response.context["explained"][0].example)


def test_a_preview_works_the_example_for_the_numbers_typed_in_and_saves_nothing():
    client = operators.sue()
    shown = client.post(ADD, typed(client, ADD, **WRITTEN, _preview="yes") | {"multiplier": "20"})
    worked = example(shown)
    assert worked.pop("Started now, it runs out").endswith("UTC")
    assert worked == {
        "On a deposit of 10.00 EUR": "10.00 EUR of bonus money",
        "To be wagered": "200.00 EUR",
        "10.00 EUR on a 100 % game counts": "10.00 EUR",
        "10.00 EUR on a 10 % game counts": "1.00 EUR",
        "10.00 EUR on a 5 % game counts": "0.50 EUR",
        "Largest stake": "1.00 EUR",
    }
    assert "not saved yet" in shown.content.decode()
    assert Offer.objects.count() == 0


def test_a_preview_of_what_is_wrong_says_so_and_works_nothing():
    client = operators.sue()
    shown = client.post(ADD, typed(client, ADD, **WRITTEN, _preview="yes") | {"multiplier": "x"})
    assert "multiplier" in errors(shown)
    assert shown.context["explained"] == []


def test_a_preview_of_an_edit_changes_nothing():
    offer = create_offer(WELCOME)
    client = operators.sue()
    shown = client.post(page(offer), typed(client, page(offer), _preview="yes", multiplier="3"))
    assert example(shown)["To be wagered"] == "30.00 EUR"
    assert Offer.objects.get().multiplier == 30


def test_a_reader_sees_terms_and_example_and_no_form():
    offer = create_offer(WELCOME)
    client = operators.rita()
    body = client.get(page(offer)).content.decode()
    assert "30 times the bonus." in body
    assert "300.00 EUR" in body
    assert 'name="_save"' not in body and 'name="_preview"' not in body
    assert client.post(page(offer), {"name": "mine", "_save": "Save"}).status_code == 403
    assert client.post(ADD, WRITTEN).status_code == 403
    assert client.get(ADD).status_code == 403
    assert operators.nobody().get(page(offer)).status_code == 403


def test_no_offer_can_be_deleted_by_any_url():
    offer = create_offer(WELCOME)
    client = operators.sue()
    url = reverse("admin:bonus_offer_delete", args=[offer.pk])
    assert client.get(url).status_code == 403
    assert client.post(url, {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": str(offer.pk), "post": "yes"}
    client.post(reverse("admin:bonus_offer_changelist"), bulk)
    assert Offer.objects.count() == 1
    assert GameWeight.objects.count() == 3


def test_the_list_of_offers_needs_no_query_an_offer(django_assert_max_num_queries):
    client = operators.sue()
    url = reverse("admin:bonus_offer_changelist")
    for n in range(30):
        create_offer({**WELCOME, "code": f"offer-{n}"})
    with django_assert_max_num_queries(10):
        assert client.get(url).status_code == 200
    assert client.get(url, {"q": "OFFER-2"}).context["cl"].result_list[0].code == "offer-2"


def test_what_is_wrong_in_a_folded_currency_is_not_hidden():
    offer = create_offer(WELCOME)
    client = operators.sue()
    sent = {"amounts.KWD": "on", "amounts.KWD.cap": "1.0001"}
    response = write(client, page(offer), **sent)
    assert "at most 3 decimal places" in errors(response)["amounts.KWD.cap"][0]
    folded = [part.name for part in response.context["adminform"] if part.is_collapsible]
    assert folded == ["In BTC", "In JPY"]


# --- the fields of a kind, and the example beside them -------------------------------------------


@pytest.mark.parametrize("json", [WELCOME, FIXED, SPINS, CASHBACK], ids=lambda json: json["kind"])
def test_fields_that_a_kind_does_not_have_need_not_be_sent(json):
    """The form hides them (static/bonus/offer_form.js); they then say what such an offer says by itself."""
    offer = create_offer(json)
    before = offer_to_json(offer)
    client = operators.sue()
    form = client.get(page(offer)).context["adminform"].form
    hidden = [
        name
        for name, field in form.fields.items()
        if json["kind"] not in field.widget.attrs.get("data-kinds", json["kind"]).split()
    ]
    assert len(hidden) == {"deposit_match": 4, "fixed": 5, "free_rounds": 12, "cashback": 7}[json["kind"]]
    assert write(client, page(offer), **dict.fromkeys(hidden)).status_code == 302
    assert offer_to_json(Offer.objects.get()) == before
    # What was typed for another kind does not stay behind when the kind changes.
    if json is WELCOME:
        sent = {
            "kind": "free_rounds",
            **dict.fromkeys(["percent_bp", "base", "conversion", "sticky", "amounts.EUR.cap"]),
        }
        assert write(client, page(offer), **sent).status_code == 302
        changed = offer_to_json(Offer.objects.get())
        assert (changed["percent_bp"], changed["base"], changed["amounts"]["EUR"]["cap"]) == (None, "winnings", None)


def test_the_example_is_worked_for_what_is_typed_and_nothing_is_saved():
    client = operators.sue()
    address = reverse("admin:bonus_offer_example")
    shown = client.post(address, typed(client, ADD, **WRITTEN)).content.decode()
    assert "As players in EUR meet it" in shown and "Not an offer yet" not in shown
    wrong = client.post(address, typed(client, ADD, **WRITTEN | {"multiplier": "1001"}))
    assert wrong.status_code == 200
    for said in ("Not an offer yet", "Times to wager: must be a whole number from 0 to 1000."):
        assert said in wrong.content.decode()
    assert not Offer.objects.exists()
    offer = create_offer(FIXED)
    of = reverse("admin:bonus_offer_example_of", args=[offer.pk])
    shown = client.post(of, typed(client, page(offer), **{"amounts.EUR.amount": "7.77"})).content.decode()
    assert "7.77 EUR" in shown and offer_to_json(Offer.objects.get()) == offer_to_json(offer)
    assert client.get(of).status_code == 405
    assert client.post(reverse("admin:bonus_offer_example_of", args=[offer.pk + 1])).status_code == 404


def test_the_list_shows_the_codes_that_players_type() -> None:
    bonus_scenario.create_offer(WELCOME | {"promo_code": "HELLO-26"})
    page = operators.sue().get(reverse("admin:bonus_offer_changelist")).content.decode()
    assert ("Promo code" in page, "HELLO-26" in page) == (True, True)
