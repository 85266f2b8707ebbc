"""What the back office shows: the queue of withdrawals, a round, a player's panel; and to whom."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from uuid_utils.compat import uuid7

from casino_pam.backoffice import foresight, player_panel, withdrawals
from casino_pam.engine import approvals
from tests import bonus_scenario, operators, scenario
from tests.backoffice import action_scenario
from tests.scenario import eur
from wallet import history
from wallet.models import Approval, Player, Transaction, Wallet


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    scenario.bob("100.00")


def bob() -> Player:
    return Player.objects.get(code="bob")


def wallet() -> Wallet:
    return Wallet.objects.get(player__code="bob")


def player_page(client: Client) -> str:
    body: str = client.get(reverse("admin:wallet_player_change", args=[bob().pk])).content.decode()
    return body


def asked(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200, url
    return len(captured)


# --- withdrawals ---------------------------------------------------------------------------------


def waiting(client: Client) -> list[str]:
    answer = client.get(reverse("backoffice:withdrawals"))
    return [each.row.reference for each in answer.context["waiting"]]


def test_the_queue_shows_what_is_held_and_not_yet_ended_oldest_first():
    client = operators.sue()
    assert b"Nothing waits" in client.get(reverse("backoffice:withdrawals")).content
    scenario.alice("50.00")
    for number, reference in enumerate(("h-1", "h-2", "h-3", "h-4")):
        scenario.hold("bob", "10.00", reference=reference, at=scenario.NOON + number * scenario.SECOND)
    scenario.hold("alice", "5.00", reference="h-0", at=scenario.NOON - scenario.SECOND)
    scenario.hold("alice", "500.00", reference="too-much")
    scenario.settle("h-2", "bob")
    scenario.release("h-3", "bob")
    assert waiting(client) == ["h-0", "h-1", "h-4"]
    page = client.get(reverse("backoffice:withdrawals")).content.decode()
    assert "3 open withdrawals" in page
    assert action_scenario.address("settle", Transaction.objects.get(reference="h-1")) in page


def test_the_front_page_tells_how_many_wait_and_whom_it_concerns():
    scenario.hold("bob", "10.00")
    assert b"Open withdrawals" in operators.of("payments").get("/admin/").content
    assert b"Open withdrawals" not in operators.of("support").get("/admin/").content


def test_the_queue_is_for_those_who_pay_and_read_by_the_auditor_without_a_button():
    scenario.hold("bob", "10.00", reference="h-1")
    queue = reverse("backoffice:withdrawals")
    assert operators.of("support").get(queue).status_code == 403
    settle = action_scenario.address("settle", Transaction.objects.get(reference="h-1"))
    assert settle in operators.of("payments").get(queue).content.decode()
    page = operators.of("auditor").get(queue)
    assert (page.status_code, settle in page.content.decode(), "the chosen" in page.content.decode()) == (
        200,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (timedelta(0), "0 min"),
        (timedelta(minutes=-1), "0 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1, minutes=5), "1 h 5 min"),
        (timedelta(days=62, hours=23, minutes=59), "62 d 23 h"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(since, said):
    assert withdrawals.age(since) == said


@pytest.mark.parametrize(
    ("rows", "indexes"),
    [
        # However many holds were ended before: nobody looks at those of wallets that hold nothing.
        (lambda: withdrawals.held()[:100], ("wallet_holding", "ledger_holds")),
        # Where the ledger is nearly empty, that of everything which is no play is as good.
        (lambda: history._holds("cashier").order_by("-id")[:100], ("ledger_withdrawals|ledger_beside_play",)),
        (lambda: foresight.adjustments_of(bob())[:5], ("ledger_adjustments",)),
        (lambda: player_panel._acts_on(bob())[:10], ("audit_acts_on_player",)),
        (approvals.unposted, ("approval_unposted",)),
    ],
    ids=["queue", "withdrawals", "adjustments", "acts", "unposted"],
)
def test_what_a_page_lists_is_found_by_an_index_of_its_own(rows: Any, indexes: tuple[str, ...]):
    # Of a table of one page any way is as good as its own index.
    pending = {"wallet": wallet(), "source": "operator", "amount": 1, "author": "olga", "created_at": timezone.now()}
    Approval.objects.bulk_create(Approval(id=uuid7(), reference=f"a-{number}", **pending) for number in range(1_000))
    slow = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_bitmapscan")
    sql, values = rows().query.sql_with_params()
    with transaction.atomic(), connection.cursor() as cursor:
        for setting in slow:
            cursor.execute(f"SET LOCAL {setting} = off")
        cursor.execute(f"EXPLAIN {sql}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    for index in indexes:
        assert re.search(index, plan), plan


# --- a round -------------------------------------------------------------------------------------


def round_url(name: str = "round-1", source: str = "acme", **fields: Any) -> str:
    query = {"wallet": wallet().pk, "source": source, "round": name, **fields}
    return f"{reverse('backoffice:round')}?" + "&".join(f"{key}={value}" for key, value in query.items())


def test_a_round_shows_how_each_part_of_it_was_split():
    bonus_scenario.gift("30.00", spend_order="bonus_first")
    bonus_scenario.grant()
    scenario.profile(rollback_wins=True)
    scenario.bet("bob", "40.00", reference="b-1")
    scenario.win("bob", "8.00", reference="w-1")
    scenario.win("bob", "4.00", reference="w-2")
    scenario.rollback("w-2", "bob", original_kind="WIN")
    scenario.bet("bob", "1.00", round="round-2")
    page = operators.rita().get(round_url())
    lines = {line.about: (line.cash, line.bonus) for line in page.context["lines"]}
    assert lines == {
        "Staked": (-eur("10.00"), -eur("30.00")),
        "Won": (eur("3.00"), eur("9.00")),
        "Wins taken back": (-eur("1.00"), -eur("3.00")),
    }
    assert page.context["total"][1:] == (-eur("8.00"), -eur("24.00"))
    assert [row.reference for row in page.context["ledger_page"].rows][:3] == ["b-1", "w-1", "w-2"]
    assert page.context["games"] == ["slot-1"]


def test_a_round_is_open_until_its_end_stands():
    client = operators.rita()
    scenario.profile(rollback_after_win="allow")
    scenario.bet("bob", reference="b-1", ends_round=True)
    assert client.get(round_url()).context["closed"]
    scenario.rollback("b-1", "bob")
    page = client.get(round_url())
    assert not page.context["closed"]
    assert page.context["total"].sum == 0
    scenario.end_round("bob")
    assert client.get(round_url()).context["closed"]


def test_a_round_is_one_provider_s_and_one_wallet_s():
    client = operators.rita()
    scenario.bet("bob")
    assert client.get(round_url(source="zenith")).status_code == 404
    for wrong in (
        {"name": "nope"},
        {"name": "%01"},
        {"source": ""},
        {"wallet": "x"},
        {"wallet": "9" * 18},
        {"wallet": ""},
    ):
        assert client.get(round_url(**wrong)).status_code == 404
    assert action_scenario.olga(name="ollie").get(round_url()).status_code == 200
    assert operators.nobody().get(round_url()).status_code == 403


# --- a player ------------------------------------------------------------------------------------


def test_a_player_s_page_tells_the_whole_story():
    bonus_scenario.gift("30.00", name="A gift for Bob")
    bonus_scenario.grant()
    scenario.hold("bob", "20.00", reference="h-1")
    client = operators.sue()
    action_scenario.acted(client, "adjust", wallet(), amount="1.50", reason="a goodwill")
    page = player_page(client)
    for part in ("A gift for Bob", "h-1", "a goodwill", "not restricted", "Open withdrawals", "What was done"):
        assert part in page
    assert page.index("Open withdrawals") < page.index("Bonuses</h2>") < page.index("What was done")


def test_each_sees_the_parts_of_it_that_are_theirs():
    from django.contrib.auth.models import Permission, User

    olga = User.objects.create_user("olga", password=operators.PASSWORD, is_staff=True)
    olga.user_permissions.add(Permission.objects.get(codename="view_player"))
    page = player_page(operators.logged_in(olga))
    for part in ("Open withdrawals", "Bonuses</h2>", "/admin/wallet/auditentry/"):
        assert part not in page
    assert "What was done to this player" in page


BUTTONS = {
    "wallet.lock_player": {"lock"},
    "wallet.exclude_player": {"cool-off", "exclude"},
    "wallet.adjust_wallet": {"adjust"},
    "bonus.grant_bonus": {"grant"},
    "wallet.settle_withdrawal": {"settle", "release"},
    "wallet.rollback_bet": {"roll-back"},
    "bonus.forfeit_bonus": {"forfeit"},
    "bonus.extend_bonus": {"extend"},
    "bonus.complete_bonus": {"complete"},
}


@pytest.mark.parametrize("permission", BUTTONS)
def test_buttons_are_for_those_who_may_and_where_there_is_something_to_do(permission):
    bonus_scenario.gift("30.00", on_withdrawal="keep")
    bonus_scenario.grant()
    scenario.bet("bob", "1.00", reference="b-1")
    scenario.hold("bob", "20.00", reference="h-1")
    scenario.end_round("bob")
    client = action_scenario.olga(permission)
    rows = {row.kind: row for row in Transaction.objects.all()}
    pages = [
        reverse("admin:wallet_player_change", args=[bob().pk]),
        reverse("admin:wallet_wallet_change", args=[wallet().pk]),
        reverse("admin:bonus_bonus_change", args=[bonus_scenario.the().pk]),
        *(reverse("admin:wallet_transaction_change", args=[row.pk]) for row in rows.values()),
    ]
    bodies = [client.get(page).content.decode() for page in pages]
    found = {act for acts in BUTTONS.values() for act in acts if any(f"/{act}/" in body for body in bodies)}
    assert found == BUTTONS[permission]
    deposit = pages.index(reverse("admin:wallet_transaction_change", args=[rows["DEPOSIT"].pk]))
    assert "/admin/office/transaction/" not in bodies[deposit]


def test_a_wallet_s_page_shows_its_live_bonuses_and_its_open_withdrawals():
    bonus_scenario.gift("30.00", name="A gift for Bob", per_player=3, on_withdrawal="keep")
    bonus_scenario.grant()
    bonus_scenario.grant()
    scenario.hold("bob", "20.00", reference="h-1")
    page = operators.rita().get(reverse("admin:wallet_wallet_change", args=[wallet().pk])).content.decode()
    assert page.count("A gift for Bob") == 2
    assert page.index("active</span>") < page.index("queued</span>")
    assert "Open withdrawals" in page


def test_a_transaction_s_page_shows_its_neighbours():
    for number in range(6):
        scenario.bet("bob", "1.00", reference=f"b-{number}")
    middle = Transaction.objects.get(reference="b-2")
    page = operators.rita().get(reverse("admin:wallet_transaction_change", args=[middle.pk]))
    assert [row.reference for row in page.context["neighbours"].rows] == ["b-4", "b-3", "b-2", "b-1", "b-0"]
    assert page.context["neighbours"].marked == middle.pk


# --- no page asks more as the house grows --------------------------------------------------------


def furnish(times: int) -> None:
    """More of everything that the pages list."""
    client = operators.logged_in(operators.User.objects.get(username="sue"))
    for _ in range(times):
        scenario.bet("bob", "0.10", round="round-1")
        scenario.win("bob", "0.10", round="round-1")
        scenario.hold("bob", "0.10")
        bonus_scenario.grant()
        action_scenario.acted(client, "adjust", wallet(), amount="0.01")


def test_no_page_asks_more_with_twenty_rows_than_with_one():
    bonus_scenario.gift("1.00", per_player=99)
    client = operators.sue()
    # The second bet is the first that a bonus counts.
    furnish(2)
    bet = Transaction.objects.filter(kind="BET").earliest("version")
    hold = Transaction.objects.filter(kind="HOLD").earliest("version")
    urls = [
        "/admin/",
        reverse("backoffice:withdrawals"),
        round_url(),
        reverse("admin:wallet_player_change", args=[bob().pk]),
        reverse("admin:wallet_wallet_change", args=[wallet().pk]),
        reverse("admin:wallet_wallet_change", args=[wallet().pk]) + "?kind=BET",
        reverse("admin:bonus_bonus_change", args=[bonus_scenario.the().pk]),
        *(reverse("admin:wallet_transaction_change", args=[row.pk]) for row in (bet, hold)),
        *(action_scenario.address(act, wallet()) for act in ("adjust", "grant")),
        *(action_scenario.address(act, hold) for act in ("settle", "release")),
        action_scenario.address("roll-back", bet),
        *(action_scenario.address(act, bob()) for act in ("lock", "cool-off", "exclude", "lift")),
        *(action_scenario.address(act, bonus_scenario.the()) for act in ("forfeit", "extend", "complete")),
    ]
    first = [asked(client, url) for url in urls]
    furnish(18)
    assert [(url, before) for url, before in zip(urls, first, strict=True) if asked(client, url) > before] == []
    assert max(first) <= 20
