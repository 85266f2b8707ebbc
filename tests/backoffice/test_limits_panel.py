"""A player's limits in the back office: the panel on the player's page, and the form that sets them."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import conditional_escape

from tests import scenario
from tests.backoffice import action_scenario
from tests.limit_scenario import forget, limit
from wallet.jurisdictions import RULES
from wallet.models import AuditEntry, Player, Wallet, WalletLimits

NOON = scenario.NOON / scenario.SECOND
HOURS = 3600


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    scenario.bob("1000.00")
    forget()


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def wallet(currency: str = "EUR") -> Wallet:
    return Wallet.objects.get(player__code="bob", currency=currency)


def olga() -> Client:
    return action_scenario.olga("wallet.limit_player")


def shown(client: Client) -> dict[str, str]:
    """The form as a browser would send it back untouched: every field, and what was shown in it."""
    form = client.get(action_scenario.address("limit", wallet())).context["form"]
    fields = {name: form[name].value() or "" for name in form.fields if name not in ("reference", "reason")}
    hidden = {f"initial-{name}": value for name, value in fields.items()}
    return {"reference": str(form["reference"].value()), "reason": "asked by phone", **fields, **hidden}


def send(client: Client, **fields: str) -> Any:
    return action_scenario.sent(client, "limit", wallet(), {**shown(client), **fields})


def kept(name: str) -> Any:
    return WalletLimits.objects.values_list(name, flat=True).get()


def page(client: Client) -> str:
    return client.get(reverse("admin:wallet_player_change", args=[wallet().player_id])).content.decode()


def test_sets_what_was_changed_and_nothing_else(clock: Any) -> None:
    client = olga()
    limit("bob", stake_day="50.00")
    assert "asked for" in action_scenario.told(send(client, stake_day="60.00"))
    said = action_scenario.told(send(client, loss_week="20", deposit_month="300.00"))
    assert said == "Limits of bob, EUR: deposit in a month, loss in a week set."
    assert (kept("stake_day"), kept("loss_week"), kept("deposit_month")) == (5000, 2000, 30000)
    # The increase waits on: its field was sent as it was shown.
    assert list(kept("increases")) == ["stake_day"]


def test_a_higher_limit_is_confirmed_by_sending_it_again_a_day_later(clock: Any) -> None:
    limit("bob", stake_day="50.00", loss_day="9.00")
    client = olga()
    send(client, stake_day="60.00", loss_day="")
    opened = client.get(action_scenario.address("limit", wallet())).content.decode()
    assert "Asked for: 60.00 EUR. It can be confirmed from 2026-09-22 14:13:20 UTC." in opened
    early = send(client, stake_day="60.00")
    assert action_scenario.told(early) == "Nothing was changed: what was asked for waits already."
    clock.shift(24 * HOURS)
    client = action_scenario.olga("wallet.limit_player", name="otto")
    opened = client.get(action_scenario.address("limit", wallet())).content.decode()
    assert "Asked for: 60.00 EUR. To confirm it, enter it and send the form." in opened
    assert "Asked for: no limit. To confirm it, empty this field and send the form." in opened
    assert "It lapses at 2026-09-29 14:13:20 UTC." in opened
    send(client, stake_day="60.00", loss_day="")
    assert (kept("stake_day"), kept("loss_day"), kept("increases")) == (6000, None, {})


def test_the_trail_keeps_who_changed_which_limit_from_what_to_what(clock: Any) -> None:
    limit("bob", stake_day="50.00")
    send(olga(), stake_day="20.00")
    entry = AuditEntry.objects.get(act="limit")
    assert (entry.actor, entry.player, entry.subject, entry.reason) == ("olga", "bob", "bob, EUR", "asked by phone")
    assert entry.before == {"stake in a day": "50.00 EUR"}
    assert entry.after["stake in a day"] == "20.00 EUR"


def test_a_form_that_changes_nothing_is_told_so() -> None:
    limit("bob", stake_day="50.00")
    answer = send(olga())
    assert (answer.status_code, action_scenario.told(answer)) == (400, "No limit was changed.")


@pytest.mark.parametrize("amount", ["-1", "1.001", "1e3", "+1", "one", "1,00", "9" * 40])
def test_a_malformed_limit_is_told_to_its_field(amount: str) -> None:
    answer = send(olga(), stake_day="5.00", loss_day=amount)
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["loss_day"])
    assert not WalletLimits.objects.exists()


def test_the_players_page_shows_the_limits_that_are_set(clock: Any) -> None:
    scenario.bet("bob", "20.00")
    limit("bob", stake_day="50.00", loss_month="20.00")
    text = " ".join(page(olga()).split())
    assert "stake in a day" in text and "30.00" in text
    assert "used up" in text
    assert "deposit in a day" not in text
    assert action_scenario.address("limit", wallet()) in text


def test_the_players_page_says_that_there_are_none_and_offers_no_more_than_one_may() -> None:
    text = page(action_scenario.olga())
    assert "EUR: the player has set no limit." in text
    assert action_scenario.address("limit", wallet()) not in text


def test_the_players_page_asks_no_more_for_more_wallets(clock: Any) -> None:
    client = action_scenario.olga()
    counted = []
    for currency in ("EUR", "JPY", "BTC"):
        if currency != "EUR":
            scenario.player("bob", "10", currency=currency)
        limit("bob", currency, stake_day="1.00")
        with CaptureQueriesContext(connection) as queries:
            page(client)
        counted.append(sum("walletlimits" in query["sql"] for query in queries))
    assert counted == [1, 1, 1]


@pytest.mark.parametrize(("country", "words"), [(None, "A limit holds for its currency"), ("GB", "for the account")])
def test_the_players_page_and_the_form_say_what_a_limit_holds_for(country: str | None, words: str) -> None:
    Player.objects.update(country=country)
    assert words in page(olga())
    otto = action_scenario.olga("wallet.limit_player", name="otto")
    form = otto.get(action_scenario.address("limit", wallet())).content.decode()
    assert ("for the account" if country else "in another one has limits of its own") in form


def test_tells_how_long_the_players_country_lets_a_higher_limit_wait(clock: Any) -> None:
    Player.objects.update(country="SE")
    limit("bob", stake_day="50.00", loss_month="9.00")
    said = action_scenario.told(send(olga(), stake_day="60.00", loss_month="10.00"))
    assert said == (
        "Limits of bob, EUR: stake in a day asked for: send it again in 72 hours to confirm it; "
        "loss in a month asked for: send it again in 226 hours to confirm it."
    )


def test_the_page_of_jurisdictions_has_every_rule(clock: Any) -> None:
    text = action_scenario.olga().get(reverse("backoffice:jurisdictions")).content.decode()
    for rule in RULES:
        assert conditional_escape(rule.text) in text
        assert conditional_escape(rule.source) in text
        assert f"{rule.since}" in text
