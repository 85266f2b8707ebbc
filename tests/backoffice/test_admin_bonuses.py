"""Bonuses in the admin: a window on progress, promises and rows; nobody changes anything here."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bonus.models import Bonus, Offer
from tests import bonus_scenario, operators, scenario
from wallet.models import Transaction

LIST = reverse("admin:bonus_bonus_changelist")


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()


def page(bonus: Bonus, what: str = "change") -> str:
    return reverse(f"admin:bonus_bonus_{what}", args=[bonus.pk])


def played() -> Bonus:
    """A bonus with a bet, a win, a small bet on a game of 5 %, and a rollback."""
    bonus = bonus_scenario.wagering("30.00", cash="20.00", weights={"game": {"live-1": 500}})
    scenario.bet("bob", "25.00", reference="b-1")
    scenario.win("bob", "50.00", reference="w-1")
    scenario.bet("bob", "0.05", game="live-1", round="r-2", reference="b-2")
    scenario.bet("bob", "10.00", round="r-3", reference="b-3")
    scenario.rollback("b-3", "bob", reference="x-3")
    return bonus


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Bonus, Offer, Transaction)]


def test_a_bonus_page_shows_progress_status_terms_and_dates():
    bonus = played()
    body = operators.rita().get(page(bonus)).content.decode()
    assert '25.00 <span class="unit">EUR</span>' in body
    assert '<progress class="wagering" max="100" value="8"' in body
    assert "8 % of" in body
    assert "is being wagered" in body
    assert "10 times the bonus." in body
    assert "live-1 5 %, every other game 100 %" in body
    assert " UTC" in body


def test_a_bonus_page_shows_every_row_that_contributed_and_no_other():
    bonus = played()
    scenario.hold("bob", "1.00", reference="elsewhere")
    other = bonus_scenario.gift("5.00", code="other")
    bonus_scenario.grant(other.code)
    shown = operators.rita().get(page(bonus))
    rows = shown.context["ledger_page"].rows
    assert [row.reference for row in rows][:1] == [str(bonus.pk)]
    assert [row.kind for row in rows[-6:]] == ["ROLLBACK", "BET", "BET", "WIN", "BET", "GRANT"]
    assert {row.pk for row in rows} == set(Transaction.objects.filter(bonus=bonus.pk).values_list("pk", flat=True))
    body = shown.content.decode()
    assert "+25.00" in body
    assert "+0.002500" in body
    assert "-10.00" in body


def test_a_bonus_of_many_rows_is_leafed_through():
    bonus = bonus_scenario.wagering("30.00", cash="20.00")
    for n in range(70):
        scenario.bet("bob", "0.01", round=f"r-{n}")
    client = operators.rita()
    seen: list[int] = []
    query: str | None = "?"
    while query:
        ledger_page = client.get(page(bonus) + query).context["ledger_page"]
        seen += [row.version for row in ledger_page.rows]
        query = ledger_page.older
    newest_first = Transaction.objects.filter(bonus=bonus.pk).order_by("-version")
    assert seen == list(newest_first.values_list("version", flat=True))
    for to in ("0", "x", "-1", "9" * 18):
        assert client.get(page(bonus), {"to": to}).context["ledger_page"].rows[0].version == seen[0]


def test_not_even_a_superuser_can_touch_a_bonus_by_any_url():
    bonus = played()
    client = operators.sue()
    before = everything()
    form = dict.fromkeys([field.name for field in Bonus._meta.fields], "7") | {"_save": "Save", "post": "yes"}
    add = reverse("admin:bonus_bonus_add")
    assert client.get(add).status_code == client.post(add, form).status_code == 403
    assert client.post(page(bonus), form).status_code == 403
    assert client.post(page(bonus), form | {"_saveasnew": "1"}).status_code == 403
    assert client.get(page(bonus, "delete")).status_code == client.post(page(bonus, "delete"), form).status_code == 403
    client.post(page(bonus, "history"), form)
    for action in ("delete_selected", "anything"):
        client.post(LIST, form | {"action": action, "_selected_action": str(bonus.pk)})
    edits = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(bonus.pk), "form-0-status": "active"}
    client.post(LIST, form | edits)
    assert everything() == before
    assert 'name="_save"' not in client.get(page(bonus)).content.decode()


def test_without_a_role_nothing_of_a_bonus_is_seen():
    bonus = played()
    client = operators.nobody()
    assert client.get(LIST).status_code == client.get(page(bonus)).status_code == 403


def listed(client: Any, **query: str) -> list[str]:
    return [bonus.offer.code for bonus in client.get(LIST, query).context["cl"].result_list]


def test_bonuses_are_found_by_player_by_offer_and_by_id():
    bonus = played()
    scenario.alice("0.00")
    bonus_scenario.gift("5.00", code="spring")
    bonus_scenario.grant("spring", who="alice")
    client = operators.rita()
    assert listed(client) == ["spring", "gift"]
    assert listed(client, q="bo") == ["gift"]
    assert listed(client, q="ALI") == ["spring"]
    assert listed(client, q="spr") == ["spring"]
    assert listed(client, q=str(bonus.pk)) == ["gift"]
    assert listed(client, q="nobody") == []


def test_bonuses_are_narrowed_by_status_offer_and_currency():
    played()
    bonus_scenario.gift("5.00", code="next")
    bonus_scenario.grant("next")
    client = operators.rita()
    assert listed(client, status__exact="active") == ["gift"]
    assert listed(client, status__exact="queued") == ["next"]
    assert listed(client, offer__id__exact=str(Offer.objects.get(code="next").pk)) == ["next"]
    assert listed(client, wallet__currency__code__exact="EUR") == ["next", "gift"]
    assert listed(client, wallet__currency__code__exact="JPY") == []


def test_a_completed_bonus_that_fell_back_is_up_for_review():
    bonus = bonus_scenario.wagering("10.00", cash="20.00", multiplier=1)
    scenario.bet("bob", "10.00", reference="b")
    client = operators.rita()
    assert listed(client, review="yes") == []
    scenario.rollback("b", "bob")
    assert listed(client, review="yes") == ["gift"]
    body = client.get(page(bonus)).content.decode()
    assert "Up for review" in body
    assert "100 % of" in body


def test_a_bonus_past_its_time_is_shown_as_expired_before_its_row_is_there():
    bonus = bonus_scenario.wagering("10.00", spend_days=1)
    Bonus.objects.update(expires_at=scenario.moment(scenario.NOON - 3000 * scenario.DAY))
    body = operators.rita().get(page(bonus)).content.decode()
    assert "ran out of time" in body
    assert "Its time is over" in body
    Bonus.objects.update(expires_at=bonus.expires_at)


def test_a_waiting_bonus_says_that_it_has_no_row_yet():
    scenario.bob()
    bonus_scenario.match(claim_days=None)
    bonus_scenario.claim("welcome")
    body = operators.rita().get(page(bonus_scenario.the("welcome"))).content.decode()
    assert "its money enters when it becomes active" in body
    assert "waits for its deposit" in body


def test_pages_of_bonuses_need_no_query_a_row():
    bonus_scenario.gift("5.00", per_player=50)
    scenario.bob()
    bonus_scenario.grant()
    client = operators.sue()
    client.get(LIST)
    few, many = [], []
    for counts in (few, many):
        for url in (LIST, page(bonus_scenario.the())):
            with CaptureQueriesContext(connection) as queries:
                client.get(url)
            counts.append(len(queries))
        for n in range(20):
            bonus_scenario.grant()
            scenario.bet("bob", "0.01", round=f"r-{n}")
    assert many == few
    assert max(few) <= 16
