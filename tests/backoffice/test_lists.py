"""Lists narrowed, taken away as files and printed; a round found by its name; the history of a row."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from casino_pam.backoffice import list_files
from casino_pam.engine import accounts, commands
from tests import bonus_scenario, operators, scenario
from tests.backoffice.list_scenario import taken
from wallet import audit
from wallet.admin import transaction_list
from wallet.admin.date_fields import today
from wallet.models import AuditEntry, Game, Player, Provider, Transaction, Wallet
from wallet.time import FOR_GOOD

ROWS = "/admin/wallet/transaction/"
PLAYERS = "/admin/wallet/player/"


@pytest.fixture
def house(books: None) -> Client:
    """Alice in EUR has played, Yuki in JPY has deposited; everything happened just now. Rita sees it all."""
    scenario.catalogue()
    scenario.player("alice", "100.00", country="MT")
    scenario.player("yuki", "1000", currency="JPY", country="JP")
    scenario.player("zoe", country="MT")
    at = commands.now()
    scenario.bet(reference="b-1", round="spin-1", at=at)
    scenario.bet(amount="7.50", reference="b-2", round="spin-2", at=at)
    scenario.bet(amount="9000.00", reference="too-much", round="spin-3", at=at)
    scenario.win(amount="2500.00", reference="w-2", round="spin-2", source="zenith", at=at)
    scenario.hold(reference="h-1", amount="20.00", at=at)
    return operators.rita()


# --- transactions --------------------------------------------------------------------------------


def found(client: Client, **query: Any) -> list[str]:
    answer = client.get(ROWS, query)
    assert answer.status_code == 200, answer.content
    return [row.reference for row in answer.context["ledger_page"].rows]


def test_everybody_s_rows_are_narrowed_by_each_choice_and_all_together(house: Client) -> None:
    assert len(found(house)) == 7
    assert found(house, kind="BET") == ["too-much", "b-2", "b-1"]
    assert found(house, kind="HOLD") == ["h-1"]
    assert found(house, status="REFUSED") == ["too-much"]
    assert found(house, source="zenith") == ["w-2"]
    assert found(house, currency="EUR", least="7.50", most="20") == ["h-1", "b-2", "b-1"]
    assert len(found(house, currency="JPY")) == 1
    day = str(today())
    assert found(house, since=day, until=day) == ["h-1", "w-2", "too-much", "b-2", "b-1"]
    assert found(house, since="2020-01-01", until="2020-01-01") == []
    assert found(house, kind="BET", status="POSTED", currency="EUR", most="7.50", since=day) == ["b-2"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"least": "5"}, "Choose the currency of the amounts."),
        ({"least": "5.005", "currency": "EUR"}, "at most 2 decimal places"),
        ({"most": "1e3", "currency": "EUR"}, "plain decimal number"),
        ({"since": "01/12/2026"}, "Write it as 2026-12-01."),
        ({"since": "2026-02-30"}, "This is no day."),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "The days end before they begin"),
        ({"kind": "bets"}, "Select a valid choice"),
        ({"source": "x' OR 1=1"}, "Select a valid choice"),
        ({"currency": "XXX"}, "Select a valid choice"),
        ({"until": "9999-12-31"}, "This day has not come yet."),
        ({"since": "\u0662\u0660\u0662\u0666-12-01"}, "This is no day."),
    ],
)
def test_a_choice_that_says_nothing_is_named_and_finds_nothing(house: Client, query: dict[str, str], said: str) -> None:
    answer = house.get(ROWS, query)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert answer.context["ledger_page"].rows == []


def test_a_page_looks_through_a_bounded_span_says_so_and_goes_on(house: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(transaction_list, "REACH", 2)
    answer = house.get(ROWS, {"kind": "BET"})
    page = answer.context["ledger_page"]
    assert page.rows == []
    assert "Looked through 2 rows, back to" in answer.content.decode()
    seen = []
    while page.older:
        page = house.get(ROWS + page.older).context["ledger_page"]
        seen += [row.reference for row in page.rows]
    assert seen == ["too-much", "b-2", "b-1"]
    # What is no play has an index: all of it is looked at.
    assert found(house, kind="DEPOSIT") != []


def plan_of(rows: Any) -> str:
    sql, values = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
        cursor.execute(f"EXPLAIN {sql}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan; RESET enable_sort")
    return plan


def test_rows_come_along_an_index_whatever_is_chosen(house: Client) -> None:
    # Of a table of one page any way is as good as the right one.
    scenario.many_bets(500)
    for query, index in (
        ({"kind": "DEPOSIT"}, "ledger_beside_play"),
        ({"kind": "BET"}, "wallet_transaction_pkey"),
        ({"since": "2026-01-01", "until": "2026-01-02", "status": "REFUSED"}, "wallet_transaction_pkey"),
    ):
        choices = transaction_list.TransactionChoices(query)
        assert choices.is_valid()
        rows = transaction_list.rows_from(choices, None)
        assert index in plan_of(rows[:50]), query
    assert "ledger_rounds" in plan_of(Transaction.objects.filter(round="spin-1").order_by()[:50])
    audit.many("olga", "grant", ({"subject": f"s-{number}", "reference": f"r-{number}"} for number in range(1_000)))
    assert "audit_subject" in plan_of(AuditEntry.objects.filter(subject="acme")[:50])


# --- players -------------------------------------------------------------------------------------


def players(client: Client, **query: str) -> list[str]:
    answer = client.get(PLAYERS, query)
    assert answer.status_code == 200, answer.content
    return [player.code for player in answer.context["cl"].result_list]


def test_players_are_narrowed_by_country_exclusion_and_money(house: Client) -> None:
    Player.objects.create(code="nobody-knows")
    # From before the codes were asked for.
    Player.objects.create(code="w", country="UK")
    accounts.exclude("yuki", datetime.now(UTC) + timedelta(days=1))
    Player.objects.filter(code="zoe").update(excluded_until=datetime.now(UTC) - timedelta(days=1))
    assert players(house, country="MT") == ["alice", "zoe"]
    assert players(house, country="none") == ["nobody-knows"]
    assert players(house, excluded="now") == ["yuki"]
    assert players(house, excluded="before") == ["zoe"]
    assert players(house, money="held") == ["alice"]
    assert players(house, money="some") == ["alice", "yuki"]
    assert players(house, money="none") == ["nobody-knows", "w", "zoe"]
    assert players(house, country="UK") == ["w"]
    assert players(house, balance="2562.50 EUR") == ["alice"]
    assert players(house, balance="2562.51 eur") == []
    assert players(house, balance="1000 JPY", country="JP") == ["yuki"]
    body = house.get(PLAYERS, {"balance": "10,00 EUR"}).content.decode()
    assert "10,00 EUR is not an amount and its currency, such as 100.00 EUR" in body
    for garbage in ("EUR", "1e9 EUR", "-5 EUR", "5 XXX", "5 \u0395UR", "\u0665 EUR"):
        assert players(house, balance=garbage) == []
    assert players(house, excluded="x", money="y", country="??") == []
    Player.objects.filter(code="zoe").update(verification="verified")
    Player.objects.get(code="alice").tags.create(name="vip")
    assert (players(house, verification="verified"), players(house, tag="vip")) == (["zoe"], ["alice"])


# --- files ---------------------------------------------------------------------------------------


def test_players_are_taken_as_a_file_a_line_for_each_wallet(house: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(list_files, "LINES", 1)
    accounts.exclude("yuki", FOR_GOOD)
    lines = taken(house, reverse("backoffice:players"))
    assert [(line["player"], line["currency"], line["cash"], line["held"]) for line in lines] == [
        ("alice", "EUR", "2562.50", "20.00"),
        ("yuki", "JPY", "1000", "0"),
        ("zoe", "EUR", "0.00", "0.00"),
    ]
    assert (lines[1]["excluded_until"], lines[1]["bets_locked"]) == ("9999-12-31T00:00:00.000000Z", "no")
    assert [line["player"] for line in taken(house, reverse("backoffice:players"), country="JP")] == ["yuki"]
    entry = AuditEntry.objects.filter(act="export players").latest("id")
    assert (entry.actor, entry.subject) == ("rita", "country=JP")


def test_bonuses_are_taken_as_their_list_shows_them(house: Client) -> None:
    bonus_scenario.gift("5.00", multiplier=10)
    bonus_scenario.grant(who="alice", at=commands.now())
    (line,) = taken(house, reverse("backoffice:bonuses"))
    assert (line["player"], line["offer"], line["granted"], line["to_be_wagered"]) == ("alice", "gift", "5.00", "50.00")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["promised_at"])
    assert taken(house, reverse("backoffice:bonuses"), status="expired") == []


def test_open_withdrawals_are_taken_with_their_age(house: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(list_files, "LINES", 1)
    scenario.player("bob", "10.00")
    scenario.hold("bob", reference="h-2", amount="1.00", at=commands.now() - 50 * 3600 * scenario.SECOND)
    lines = taken(operators.of("payments"), reverse("backoffice:withdrawals_file"))
    assert [(line["reference"], line["amount"], line["waits_hours"]) for line in lines] == [
        ("h-2", "1.00", "50"),
        ("h-1", "20.00", "0"),
    ]
    assert AuditEntry.objects.filter(act="export withdrawals", actor="payments").exists()


def statement(name: str, who: str = "alice") -> str:
    return reverse(f"backoffice:statement_{name}", args=[Wallet.objects.get(player__code=who).pk])


def test_a_statement_is_taken_as_it_is_narrowed_and_names_its_games(house: Client) -> None:
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-1", name="Book of =Days")
    lines = taken(house, statement("file"))
    assert [line["reference"] for line in lines][:5] == ["h-1", "w-2", "too-much", "b-2", "b-1"]
    assert (lines[4]["cash"], lines[4]["cash_after"], lines[4]["game_name"]) == ("-10.00", "90.00", "Book of =Days")
    assert [line["reference"] for line in taken(house, statement("file"), kind="BET", round="spin-2")] == ["b-2"]
    entry = AuditEntry.objects.filter(act="export statement").latest("id")
    assert (entry.player, entry.after) == ("alice", {"kind": "BET", "round": "spin-2"})
    assert house.get(statement("file"), {"since": "01/12/2026"}).status_code == 400


def test_a_statement_is_printed_with_the_balances_before_and_after_its_days(house: Client) -> None:
    answer = house.get(statement("print"), {"since": str(today()), "until": str(today())})
    assert [row.reference for row in answer.context["rows"]] == ["b-1", "b-2", "too-much", "w-2", "h-1"]
    assert (answer.context["before"].cash, answer.context["after"].cash) == (10_000, 256_250)
    body = answer.content.decode()
    assert f"{today()} to {today()}, days and times in UTC" in body
    assert "2,562.50" in body
    assert '<td data-label="Cash" class="number">-10.00</td>' in body
    nothing = house.get(statement("print"), {"until": "2020-01-01"})
    assert (list(nothing.context["rows"]), nothing.context["after"].cash) == ([], 0)
    assert house.get(statement("print"), {"until": "yesterday"}).status_code == 400


def test_a_statement_too_long_to_print_says_so(house: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(list_files, "PRINTED", 2)
    answer = house.get(statement("print"))
    assert [row.reference for row in answer.context["rows"]] == ["w-2", "h-1"]
    assert "These are the newest 2 rows" in answer.content.decode()


# --- rounds and history --------------------------------------------------------------------------


def test_a_round_is_found_by_its_name_alone(house: Client) -> None:
    search = reverse("admin:search")
    answer = house.get(search, {"q": "spin-1"})
    assert answer.headers["Location"].endswith("&source=acme&round=spin-1")
    assert house.get(answer.headers["Location"]).status_code == 200
    scenario.bet("yuki", "1.00", currency="JPY", round="spin-1")
    both = house.get(search, {"q": "spin-1"})
    assert {each.wallet.player.code for each in both.context["found"].rounds} == {"alice", "yuki"}
    assert "spin-1</a> of yuki, JPY, by acme" in both.content.decode()
    # Two providers may have one round each of that name, and a reference may be called like a round.
    assert len(house.get(search, {"q": "spin-2"}).context["found"].rounds) == 2
    scenario.bet(reference="spin-3", round="other")
    named = house.get(search, {"q": "spin-3"}).context["found"]
    assert ([row.reference for row in named.rows], len(named.rounds)) == (["spin-3"], 1)
    assert house.get(search, {"q": "spin-9"}).context["found"].rounds == []


def test_history_opens_the_audit_trail_of_that_row(house: Client) -> None:
    sue = operators.sue()
    alice, acme = Player.objects.get(code="alice"), Provider.objects.get(code="acme")
    provider = reverse("admin:wallet_provider_change", args=[acme.pk])
    sue.post(provider, {**sue.get(provider).context["adminform"].form.initial, "name": "Acme Games"})
    for address, expected in (
        (reverse("admin:wallet_player_history", args=[alice.pk]), "player=alice"),
        (reverse("admin:wallet_wallet_history", args=[alice.wallets.get().pk]), "player=alice&wallet=EUR"),
        (reverse("admin:wallet_transaction_history", args=[Transaction.objects.first().pk]), "player="),
        (reverse("admin:wallet_provider_history", args=[acme.pk]), "subject=acme"),
    ):
        answer = house.get(address)
        assert expected in answer.headers["Location"]
        assert house.get(answer.headers["Location"]).status_code == 200
    trail = reverse("admin:wallet_auditentry_changelist")
    listed = house.get(trail, {"subject": "acme"}).context["cl"].result_list
    assert [(entry.act, entry.subject) for entry in listed] == [("change provider", "acme")]
    assert list(house.get(trail, {"subject": "acm"}).context["cl"].result_list) == []
    support = operators.of("support")
    page = support.get(reverse("admin:wallet_player_change", args=[alice.pk])).content.decode()
    assert "/history/" not in page
    assert support.get(reverse("admin:wallet_player_history", args=[alice.pk])).status_code == 403
    assert house.get(reverse("admin:wallet_player_history", args=[999_999])).status_code == 404


def test_the_history_of_a_wallet_is_what_touches_its_money(house: Client) -> None:
    alice = Player.objects.get(code="alice")
    Wallet.objects.create(player=alice, currency_id="JPY")
    for act, subject in (
        ("lock", "alice"),
        ("issue token", "alice"),
        ("note", "alice"),
        ("adjust", "alice, EUR"),
        ("settle", "HOLD w-1 of alice, EUR"),
        ("forfeit", "gift of alice, JPY"),
        ("limit", "alice, JPY"),
        ("approve adjustment", "adjustment for alice, EUR, asked for by otto"),
        ("approve adjustment", "adjustment for alice, JPY, asked for by otto"),
    ):
        audit.named(None, "olga", act, roles=[], player="alice", subject=subject)
    trail = house.get(reverse("admin:wallet_wallet_history", args=[alice.wallets.get(currency="JPY").pk]), follow=True)
    found = [(entry.act, entry.subject) for entry in trail.context["cl"].result_list]
    assert found == [
        ("approve adjustment", "adjustment for alice, JPY, asked for by otto"),
        ("limit", "alice, JPY"),
        ("forfeit", "gift of alice, JPY"),
        ("lock", "alice"),
    ]
    whole = house.get(reverse("admin:wallet_player_history", args=[alice.pk]), follow=True)
    assert len(whole.context["cl"].result_list) == 9
