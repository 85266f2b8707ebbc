"""The player's page: totals from sums that are there, notes and tags, the way to the casino's own system."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import bonus_scenario, operators, scenario
from tests.backoffice.action_scenario import acted, told
from tests.scenario import DAY, NOON, SECOND, eur
from wallet import history
from wallet.models import AuditEntry, Player, PlayerNote, PlayerTag, Transaction, Wallet


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """Bob deposited twice, withdrew once of three times, played, and turned 10.00 of bonus money into cash."""
    scenario.catalogue()
    scenario.player("bob", "100.00")
    scenario.deposit("bob", amount=eur("50.00"), at=NOON + DAY)
    for number, amount in enumerate(("10.00", "5.00", "3.00")):
        scenario.hold("bob", amount, reference=f"h{number}", at=NOON + number)
    scenario.settle("h0", "bob", at=NOON + 5)
    scenario.release("h1", "bob", at=NOON + 5)
    bonus_scenario.gift("10.00", multiplier=0)
    bonus_scenario.grant(at=NOON + 6)
    scenario.bet("bob", "20.00", reference="b1", at=NOON + 7 * SECOND)
    scenario.bet("bob", "30.00", reference="b2", round="r2", at=NOON + 8 * SECOND)
    scenario.win("bob", "12.00", round="r2", at=NOON + 9 * SECOND)
    scenario.rollback("b1", "bob", at=NOON + 10 * SECOND)


def bob() -> Player:
    return Player.objects.get(code="bob")


def opened(client: Client, **query: str) -> Any:
    return client.get(reverse("admin:wallet_player_change", args=[bob().pk]), query)


def text(client: Client) -> str:
    return str(opened(client).content.decode())


def totals() -> Any:
    wallet = Wallet.objects.get(player__code="bob", currency="EUR")
    return wallet, history.lifetimes([wallet])[wallet.pk]


def test_the_totals_are_those_of_the_ledger() -> None:
    wallet, life = totals()
    rows = Transaction.objects.filter(wallet=wallet, status="POSTED")
    assert (wallet.deposited_total, wallet.staked_total, wallet.paid_total) == (
        eur("150.00"),
        eur("30.00"),
        eur("12.00"),
    )
    assert life.withdrawn == sum(row.amount for row in rows.filter(kind="SETTLE")) == eur("10.00")
    deposits, bets = rows.filter(kind="DEPOSIT").order_by("version"), rows.filter(kind="BET").order_by("version")
    assert [life.first_deposit, life.last_deposit] == [deposits[0].created_at, deposits.last().created_at]  # type: ignore[union-attr]
    assert [life.first_bet, life.last_bet] == [bets[0].created_at, bets.last().created_at]  # type: ignore[union-attr]
    page = text(operators.of("support"))
    line = page[page.index('id="totals"') :]
    for amount in ("150.00", "10.00", "30.00", "12.00", "18.00"):
        assert amount in line[: line.index("</section>")]


def test_the_totals_of_a_wallet_without_rows_are_nothing() -> None:
    empty = scenario.player("bob", "0", currency="JPY")
    life = history.lifetimes([empty])[empty.pk]
    assert (life.withdrawn, life.first_deposit, life.last_bet) == (0, None, None)
    assert text(operators.of("support")).count("<dt>Last bet</dt>") == 2


def test_a_bet_is_looked_for_among_the_rows_at_either_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are: the statement reads no more of them than that."""
    monkeypatch.setattr(history, "_LIFETIMES", history._LIFETIMES.replace("1000", "2"))
    _, life = totals()
    assert (life.first_bet, life.last_bet) == (None, None)


def test_the_page_needs_no_more_queries_for_more_wallets_notes_tags_and_rows() -> None:
    client = operators.sue()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert opened(client).status_code == 200
        return len(captured)

    few = queries()
    for currency in ("JPY", "KWD", "BTC"):
        Wallet.objects.create(player=bob(), currency_id=currency)
    for number in range(20):
        acted(client, "note", bob(), reason=f"note {number}")
        PlayerTag.objects.create(player=bob(), name=f"tag-{number}")
        scenario.bet("bob", "0.10", round=f"more-{number}")
    assert queries() <= few <= 20


def test_notes_stand_newest_first_with_author_and_time_and_never_change() -> None:
    sam, pam = operators.of("support", "sam"), operators.of("payments", "pam")
    acted(sam, "note", bob(), reason="Called: <b>angry</b>")
    acted(pam, "note", bob(), reason="Calm again")
    page = text(operators.of("auditor"))
    assert page.index("Calm again") < page.index("Called: &lt;b&gt;angry&lt;/b&gt;")
    assert ("sam" in page, "pam" in page) == (True, True)
    entry = AuditEntry.objects.filter(act="note").latest("id")
    assert (entry.actor, entry.player, entry.reason, entry.outcome) == ("pam", "bob", "Calm again", "done")
    for change in (
        "UPDATE wallet_playernote SET text = 'x'",
        "DELETE FROM wallet_playernote",
        "TRUNCATE wallet_playernote",
    ):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(change)
        connection.rollback()
    assert PlayerNote.objects.count() == 2


@pytest.mark.parametrize("names", ["VIP", "a_b", "-a", "x" * 33, "é", " ".join(f"t{n}" for n in range(21)), "  "])
def test_what_is_no_tag_changes_nothing(names: str) -> None:
    answer = acted(operators.of("support"), "tag", bob(), names=names)
    assert answer.status_code == 400
    assert told(answer)
    assert not PlayerTag.objects.exists()


def test_the_page_leads_to_the_casino_s_own_system_with_the_code_escaped(settings: Any) -> None:
    client = operators.of("support")
    assert "in the CRM" not in text(client)
    settings.CRM_PLAYER_URL = "https://crm.example.com/players/{player}?tab=notes&from=pam"
    Player.objects.filter(code="bob").update(code='b/o"b?&<{player}>')
    page = str(client.get(reverse("admin:wallet_player_change", args=[Player.objects.get().pk])).content.decode())
    wanted = "https://crm.example.com/players/b%2Fo%22b%3F%26%3C%7Bplayer%7D%3E?tab=notes&amp;from=pam"
    assert f'href="{wanted}" target="_blank" rel="noopener noreferrer"' in page


def test_who_pays_out_does_not_verify_and_who_verifies_does_not_pay_out(settings: Any) -> None:
    settings.VERIFIED_BEFORE = {"verified_withdrawal"}
    sam, pam = operators.of("support", "sam"), operators.of("payments", "pam")
    row = Transaction.objects.get(reference="h2", kind="HOLD")
    refused = acted(pam, "settle", row)
    assert (refused.status_code, "has to be verified before that" in told(refused)) == (422, True)
    assert AuditEntry.objects.get(act="settle").outcome == "player_not_verified"
    assert pam.get(reverse("backoffice:verify", args=[bob().pk])).status_code == 403
    assert acted(sam, "verify", bob(), verification="verified", reason="Passport seen, file 12").status_code == 302
    assert acted(pam, "settle", row).status_code == 302
    assert scenario.balances("bob")[2] == 0
