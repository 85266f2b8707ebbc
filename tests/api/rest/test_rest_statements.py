"""Statements, balances of the past, and files: through the REST door and beneath it."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from casino_pam.spreadsheet import BOM
from tests import rest_client, scenario
from wallet import history
from wallet.models import Game, Provider, Transaction, Wallet

EUR = "players/alice/wallets/EUR"
START = scenario.NOON - scenario.DAY


def iso(at: int) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


@pytest.fixture
def shop(books: None) -> rest_client.Caller:
    """Alice deposited 100.00 a day before NOON."""
    scenario.catalogue()
    scenario.alice("100.00")
    return rest_client.key()


def plays(count: int, *, currency: str = "EUR", first: int = 1) -> None:
    """Bets of 1, one a second from NOON on, each in a round of its own."""
    for number in range(first, first + count):
        scenario.bet(
            amount="0.01",
            reference=f"b-{currency}-{number}",
            round=f"round-{number}",
            currency=currency,
            at=scenario.NOON + number * scenario.SECOND,
        )


def versions(answer: rest_client.Reply) -> list[int]:
    assert answer.status == 200, answer
    return [entry["version"] for entry in answer["results"]]


def all_pages(caller: rest_client.Caller, path: str, **query: Any) -> list[dict[str, Any]]:
    results, cursor = [], {}
    while True:
        page = caller.get(path, **query, **cursor)
        assert page.status == 200, page
        results += page["results"]
        if page["next"] is None:
            return results
        cursor = {"cursor": page["next"]}


# --- statements ------------------------------------------------------------------------------


def test_shows_every_column_of_a_row(shop: rest_client.Caller) -> None:
    scenario.bet(amount="10.00", reference="b-1", at=scenario.NOON)
    row = Transaction.objects.get(reference="b-1")
    answer = shop.get(f"{EUR}/transactions")
    assert answer["next"] is None
    assert answer["results"][0] == {
        "transaction": str(row.id),
        "command": str(row.command),
        "kind": "bet",
        "status": "posted",
        "source": "acme",
        "reference": "b-1",
        "round": "round-1",
        "game": "slot-1",
        "currency": "EUR",
        "amount": "10.00",
        "cash_delta": "-10.00",
        "bonus_delta": "0.00",
        "held_delta": "0.00",
        "cash": "90.00",
        "bonus": "0.00",
        "held": "0.00",
        "version": 2,
        "refusal": None,
        "end_round": False,
        "created_at": iso(scenario.NOON).replace("Z", ".000000Z"),
    }


def test_pages_newest_first_without_gap_or_repeat(shop: rest_client.Caller) -> None:
    plays(250)
    first = shop.get(f"{EUR}/transactions")
    second = shop.get(f"{EUR}/transactions", cursor=first["next"])
    third = shop.get(f"{EUR}/transactions", cursor=second["next"])
    assert [len(page["results"]) for page in (first, second, third)] == [100, 100, 51]
    assert versions(first) + versions(second) + versions(third) == list(range(251, 0, -1))
    assert third["next"] is None


def test_keeps_its_pages_while_rows_are_added(shop: rest_client.Caller) -> None:
    plays(150)
    first = shop.get(f"{EUR}/transactions")
    plays(30, first=151)
    second = shop.get(f"{EUR}/transactions", cursor=first["next"])
    assert versions(first) + versions(second) == list(range(151, 0, -1))


def test_shows_a_full_last_page_without_a_next(shop: rest_client.Caller) -> None:
    plays(99)
    page = shop.get(f"{EUR}/transactions")
    assert (len(page["results"]), page["next"]) == (100, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "deposit"}, [1]),
        ({"kind": "bet"}, [6, 5, 4, 3, 2]),
        ({"kind": "end_round"}, []),
        ({"status": "refused"}, [6]),
        ({"status": "refused", "kind": "win"}, []),
        ({"round": "round-2"}, [3]),
        ({"round": "unheard-of"}, []),
        ({"reference": "b-EUR-3"}, [4]),
        ({"reference": "unheard-of"}, []),
        ({"since": iso(scenario.NOON + 3 * scenario.SECOND)}, [6, 5, 4]),
        ({"until": iso(scenario.NOON + 3 * scenario.SECOND)}, [3, 2, 1]),
        ({"since": iso(scenario.NOON), "until": iso(scenario.NOON + 2 * scenario.SECOND)}, [2]),
        ({"since": iso(scenario.NOON + 2 * scenario.SECOND), "until": iso(scenario.NOON)}, []),
        ({"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59.999999Z"}, [6, 5, 4, 3, 2, 1]),
        ({"unheard_of": "1", "kind": "deposit"}, [1]),
    ],
)
def test_filters_a_statement(shop: rest_client.Caller, query: dict[str, str], expected: list[int]) -> None:
    plays(4)
    scenario.bet(amount="1000.00", reference="refused", at=scenario.NOON + 5 * scenario.SECOND)
    assert versions(shop.get(f"{EUR}/transactions", **query)) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", ""),
        ("kind", "BET"),
        ("kind", "bets"),
        ("kind", ["bet", "win"]),
        ("status", "open"),
        ("round", ""),
        ("round", "\0"),
        ("round", " r"),
        ("round", "r" * 129),
        ("reference", "é"),
        ("reference", b"\xff"),
        ("reference", "\x1f"),
        ("since", "yesterday"),
        ("since", "2026-02-30T00:00:00Z"),
        ("since", "2026-01-01T00:00:00+25:00"),
        ("until", "0000-01-01T00:00:00Z"),
        ("until", "٢٠٢٦-01-01T00:00:00Z"),
        ("cursor", ""),
        ("cursor", "-1"),
        ("cursor", "1_0"),
        ("cursor", "1.2"),
        ("cursor", "9" * 19),
        ("cursor", "٣"),
    ],
)
def test_refuses_garbage_filters(shop: rest_client.Caller, field: str, value: Any) -> None:
    answer = shop.get(f"{EUR}/transactions", **{field: value})
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", field)
    if field != "cursor":
        answer = shop.get(f"{EUR}/transactions.csv", **{field: value})
        assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", field)


def test_goes_on_below_what_a_page_could_look_through(
    shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays(25)
    monkeypatch.setattr(history, "REACH", 10)
    found = all_pages(shop, f"{EUR}/transactions", kind="deposit")
    assert [entry["version"] for entry in found] == [1]
    assert shop.get(f"{EUR}/transactions", kind="deposit")["results"] == []
    assert versions(shop.get(f"{EUR}/transactions", reference="b-EUR-1")) == [2]


# --- several wallets in one ------------------------------------------------------------------


def test_merges_a_players_wallets_in_the_order_of_time(shop: rest_client.Caller) -> None:
    scenario.player("alice", "100", currency="JPY")
    for number in range(1, 121):
        plays(1, first=2 * number)
        plays(1, first=2 * number + 1, currency="JPY")
    mine = all_pages(rest_client.player("alice"), "me/transactions")
    times = [entry["created_at"] for entry in mine]
    assert (len(mine), times) == (242, sorted(times, reverse=True))
    for currency in ("EUR", "JPY"):
        numbers = [entry["version"] for entry in mine if entry["currency"] == currency]
        assert numbers == list(range(121, 0, -1))


def test_merges_wallets_whatever_a_page_could_look_through(
    shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.player("alice", "100", currency="JPY")
    plays(23)
    plays(5, currency="JPY")
    monkeypatch.setattr(history, "REACH", 4)
    found = all_pages(rest_client.player("alice"), "me/transactions", kind="bet")
    keys = [(entry["created_at"], entry["currency"]) for entry in found]
    assert (len(keys), len(set(keys))) == (28, 28)
    assert [key[0] for key in keys] == sorted((key[0] for key in keys), reverse=True)


def test_leaves_a_wallet_opened_meanwhile_out_of_older_pages(shop: rest_client.Caller) -> None:
    plays(120)
    me = rest_client.player("alice")
    first = me.get("me/transactions")
    scenario.player("alice", "100", currency="JPY")
    second = me.get("me/transactions", cursor=first["next"])
    assert {entry["currency"] for entry in second["results"]} == {"EUR"}
    assert len(second["results"]) == 21


def test_calls_games_by_their_names_where_the_player_reads_them(shop: rest_client.Caller) -> None:
    plays(2)
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-1", name="Slot of the First")
    mine = rest_client.player("alice").get("me/transactions")["results"]
    assert [(entry["game"], entry["game_name"]) for entry in mine] == [
        ("slot-1", "Slot of the First"),
        ("slot-1", "Slot of the First"),
        (None, ""),
    ]
    # What back ends read is as it is agreed.
    assert "game_name" not in shop.get(f"{EUR}/transactions")["results"][0]


def test_shows_one_of_several_wallets(shop: rest_client.Caller) -> None:
    scenario.player("alice", "100", currency="JPY")
    me = rest_client.player("alice")
    assert [entry["currency"] for entry in me.get("me/transactions", currency="JPY")["results"]] == ["JPY"]
    assert me.get("me/transactions", currency="KWD")["code"] == "unknown_wallet"
    assert me.get("me/transactions", currency="eur")["field"] == "currency"


@pytest.mark.parametrize("repeated", ["kind", "until", "cursor"])
def test_refuses_a_parameter_given_twice_before_it_looks_for_the_wallet(
    shop: rest_client.Caller, repeated: str
) -> None:
    twice = {repeated: ["a", "b"]}
    asked = [
        shop.get("players/alice/wallets/KWD/transactions", **twice),
        rest_client.player("alice").get("me/transactions", currency="KWD", **twice),
        rest_client.player("alice").get("me/transactions", currency="eur", **twice),
    ]
    assert [(answer.status, answer["field"], answer["detail"].partition(" ")[2]) for answer in asked] == [
        (400, repeated, "must be given once")
    ] * 3


# --- balances of the past --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "version", "cash"),
    [
        (START - 1, 0, "0.00"),
        (START, 1, "100.00"),
        (scenario.NOON, 1, "100.00"),
        (scenario.NOON + scenario.SECOND, 2, "99.99"),
        (scenario.NOON + 4 * scenario.SECOND - 1, 4, "99.97"),
        (scenario.NOON + 4 * scenario.SECOND, 5, "99.96"),
        (scenario.NOON + 900 * scenario.SECOND, 8, "99.93"),
    ],
)
def test_knows_the_balances_of_any_instant(shop: rest_client.Caller, at: int, version: int, cash: str) -> None:
    plays(7)
    answer = shop.get(EUR, at=iso(at))
    assert (answer.status, answer["version"], answer["cash"], answer["balance"]) == (200, version, cash, cash)


def test_finds_every_version_by_its_time(shop: rest_client.Caller) -> None:
    plays(20)
    wallet = Wallet.objects.get()
    for row in Transaction.objects.all():
        assert history.version_at(wallet, row.created_at) == row.version


def test_finds_the_last_of_rows_of_one_instant(shop: rest_client.Caller) -> None:
    for number in range(5):
        scenario.bet(amount="0.01", reference=f"b-{number}", at=scenario.NOON)
    assert shop.get(EUR, at=iso(scenario.NOON))["version"] == 6


@pytest.mark.parametrize("offset", ["+00:00", "+02:00", "-11:30", "+14:00", "+0530", "-03"])
@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "with its plus as it is"])
def test_takes_instants_of_any_offset(shop: rest_client.Caller, offset: str, escaped: bool) -> None:
    """A plus that is sent as it is means an offset too, though a form's query would have a space there."""
    plays(7)
    zone = datetime.fromisoformat(f"2026-01-01T00:00:00{offset}").tzinfo
    local = scenario.moment(scenario.NOON + 3 * scenario.SECOND).astimezone(zone)
    text = local.strftime("%Y-%m-%dT%H:%M:%S") + offset
    text = quote(text) if escaped else text
    assert shop.get(f"{EUR}?at={text}")["version"] == 4
    assert [row["version"] for row in shop.get(f"{EUR}/transactions?since={text}")["results"]] == [8, 7, 6, 5, 4]
    assert [row["version"] for row in shop.get(f"{EUR}/transactions?until={text}")["results"]] == [3, 2, 1]
    assert len(shop.get(f"{EUR}/transactions.csv?until={text}").body.splitlines()) == 4
    assert len(rest_client.player("alice").get(f"me/transactions?since={text}")["results"]) == 5


@pytest.mark.parametrize("at", ["", "now", "2026-01-01", "2026-13-01T00:00:00Z", "\0"])
def test_refuses_what_is_no_instant(shop: rest_client.Caller, at: str) -> None:
    answer = shop.get(EUR, at=at)
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", "at")


# --- files -----------------------------------------------------------------------------------


def test_streams_the_whole_statement(shop: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casino_pam.api.rest.wallet_views.CSV_PAGE", 7)
    plays(30)
    answer = shop.get(f"{EUR}/transactions.csv")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    lines = list(csv.DictReader(io.StringIO(answer.body.removeprefix(BOM))))
    entries = all_pages(shop, f"{EUR}/transactions")
    assert lines == [{name: "" if cell is None else str(cell) for name, cell in entry.items()} for entry in entries]


def test_filters_a_file(shop: rest_client.Caller) -> None:
    plays(3)
    lines = shop.get(f"{EUR}/transactions.csv", kind="deposit").body.removeprefix(BOM).splitlines()
    assert (len(lines), lines[0].split(",")[:3]) == (2, ["transaction", "command", "kind"])


def test_puts_no_formula_into_a_file(shop: rest_client.Caller) -> None:
    for reference in ("=1+1", "+1", "-1+1", "@sum", "-5"):
        scenario.bet(amount="1.00", reference=reference, round=reference)
    answer = shop.get(f"{EUR}/transactions.csv", kind="bet")
    lines = list(csv.DictReader(io.StringIO(answer.body.removeprefix(BOM))))
    assert [line["reference"] for line in lines] == ["-5", "'@sum", "'-1+1", "'+1", "'=1+1"]
    assert {line["cash_delta"] for line in lines} == {"-1.00"}


# --- how much is asked of the database -------------------------------------------------------


@pytest.mark.parametrize("currencies", [1, 4])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("me", 2),
        ("me/wallets", 1),
        ("me/transactions", 3),
        ("me/transactions?kind=bet&since=2026-01-01T00:00:00Z", None),
    ],
)
def test_asks_no_more_for_more_wallets_and_rows(
    shop: rest_client.Caller, django_assert_num_queries: Any, currencies: int, path: str, queries: int | None
) -> None:
    """Times are looked up wallet by wallet; all the rest is one query and one for names, whatever there is."""
    for currency in ("JPY", "KWD", "BTC")[: currencies - 1]:
        scenario.player("alice", "100", currency=currency)
    plays(5 * currencies)
    with django_assert_num_queries(3 + currencies if queries is None else queries):
        assert rest_client.player("alice").get(path).status == 200


def test_asks_no_more_for_a_longer_feed(shop: rest_client.Caller, django_assert_num_queries: Any) -> None:
    feeder = rest_client.key("feed", name="feeder")
    for count in (1, 30):
        plays(count, first=count)
        with django_assert_num_queries(3):
            assert feeder.get("feed").status == 200
