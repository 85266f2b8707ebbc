"""Every field of every call at the game door: what is refused with 400, under which name, and what is taken.

Each test goes through a whole table and looks at the end whether the books are what they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.game_client import Door, Reply
from wallet.models import Player, Transaction, Wallet

WALLET = {"player": "alice", "currency": "EUR"}
PLAY = {**WALLET, "reference": "r-1", "round": "round-1", "game": "slot-1"}
GOOD: dict[str, dict[str, Any]] = {
    "balance": WALLET,
    "bet": {**PLAY, "amount": "10.00", "end_round": False},
    "win": {**PLAY, "amount": "10.00", "bet": "b-1", "source": "game", "end_round": False},
    "rollback": {**PLAY, "original": "b-1", "original_kind": "bet", "amount": "10.00"},
    "end-round": {**WALLET, "reference": "r-1", "round": "round-1"},
    "transaction": {"player": "alice", "reference": "r-1", "kind": "bet"},
    "batch": {**WALLET, "operations": []},
    "bulk": {"operations": []},
}
PLAYS = ("bet", "win", "rollback", "end-round")

MISSING = object()
OTHER_TYPES = [None, 1, 1.5, True, [], {}, ["EUR"], {"a": 1}]
NAMES = [
    MISSING, *OTHER_TYPES, "", " ", " r", "r ", "r" * 129, "r\n", "\nr", "r\tr", "r\x7f", "r\x1fr", "é", "r\u200b",
    "\u0661", "r\u0000",
]  # fmt: skip
CURRENCIES = [
    MISSING,
    *OTHER_TYPES,
    "",
    "eur",
    "Eur",
    "EU",
    "EUR ",
    " EUR",
    "EUR\n",
    "1EU",
    "_EU",
    "E" * 33,
    "\u0415UR",
    "E-R",
]
AMOUNTS = [
    MISSING, *OTHER_TYPES, 10, 10.0, 10**30, "", " 1", "1 ", "1\n", "-1", "+1", "-0", "01", "00", "1.", ".5", "1.0.0",
    "1,00", "1e2", "1E2", "0x10", "1_0", "NaN", "nan", "Infinity", "-Infinity", "\u0661", "\uff11", "10.000", "0.001",
    "1000000000000.01", "9" * 40, "9" * 5000, "1." + "0" * 5000, "1/2", "$1",
]  # fmt: skip
FLAGS = [None, 0, 1, "true", "false", "", [], {}]
KINDS = [MISSING, *OTHER_TYPES, "", "BET", "Bet", "bet ", "deposit", "end-round", "grant"]
ORIGINAL_KINDS = [*OTHER_TYPES, "", "BET", "rollback", "end_round"]
SOURCES = [*OTHER_TYPES, "", "GAME", "bonus", "free-round"]
OPERATIONS = [MISSING, None, 1, "x", {}, []]


def without_missing(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not MISSING]


REQUIRED = {"player": NAMES, "currency": CURRENCIES, "reference": NAMES, "round": NAMES, "game": NAMES}
BAD: dict[str, dict[str, list[Any]]] = {
    "balance": {"player": NAMES, "currency": CURRENCIES},
    "bet": {**REQUIRED, "amount": AMOUNTS, "end_round": FLAGS},
    "win": {
        **REQUIRED,
        "amount": AMOUNTS,
        "bet": without_missing(NAMES),
        "source": SOURCES,
        "end_round": FLAGS,
    },
    "rollback": {
        "player": NAMES,
        "reference": NAMES,
        "original": NAMES,
        "original_kind": ORIGINAL_KINDS,
        "currency": without_missing(CURRENCIES),
        "round": without_missing(NAMES),
        "game": without_missing(NAMES),
        "amount": without_missing(AMOUNTS),
    },
    "end-round": {"player": NAMES, "currency": CURRENCIES, "reference": NAMES, "round": NAMES},
    "transaction": {"player": NAMES, "reference": NAMES, "kind": KINDS},
    "batch": {
        "player": NAMES,
        "currency": CURRENCIES,
        "operations": [*OPERATIONS, [{"op": "bet"}] * 101, [1], [None], ["bet"], [[]]],
    },
    "bulk": {"operations": [*OPERATIONS, [{"op": "bet"}] * 1001]},
}


def spoilt(body: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    if value is MISSING:
        return {name: old for name, old in body.items() if name != field}
    return {**body, field: value}


def cases(call: str) -> Iterator[tuple[str, Any]]:
    for field, values in BAD[call].items():
        for value in values:
            yield field, value


def cannot_be_read(value: Any) -> bool:
    """A NUL is refused by the JSON parser, before anybody looks at a field."""
    return isinstance(value, str) and "\0" in value


def state() -> tuple[Any, ...]:
    return (
        list(Wallet.objects.order_by("id").values_list()),
        list(Transaction.objects.order_by("id").values_list("id", flat=True)),
        list(Player.objects.order_by("id").values_list()),
    )


@pytest.fixture
def unchanged(door: Door) -> Iterator[None]:
    """At the end of the test the books are as they were."""
    before = state()
    yield
    assert state() == before


def refused(reply: Reply, field: str, value: Any) -> None:
    """Fail unless the reply is the 400 that names the field."""
    shown = f"{field} = {value!r:.200}: {reply.status} {reply.body!r}"
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json"), shown
    problem = reply.json
    assert problem["code"] == ("malformed" if cannot_be_read(value) else "invalid_field"), shown
    assert problem["status"] == 400
    assert problem["retry"] is False
    assert problem["request_id"] == reply.headers["x-request-id"]
    if not cannot_be_read(value):
        assert problem["field"].startswith(field), shown
        assert problem["detail"].startswith(problem["field"] + " "), shown


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("call", BAD)
def test_refuses_every_bad_value_of_every_field(door: Door, call: str) -> None:
    for field, value in cases(call):
        refused(door.post(call, spoilt(GOOD[call], field, value)), field, value)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("call", PLAYS)
def test_names_a_malformed_operation_of_a_batch_and_posts_none(door: Door, call: str) -> None:
    first = {**GOOD["bet"], "op": "bet", "reference": "first"}
    for field, value in cases(call):
        if field not in WALLET:
            operation = {**spoilt(GOOD[call], field, value), "op": call}
            reply = door.post("batch", {**WALLET, "operations": [first, operation]})
            refused(reply, f"operations[1].{field}", value)


def test_takes_player_and_currency_of_a_batch_from_the_batch(door: Door) -> None:
    operations = [
        {**GOOD["bet"], "op": "bet", "player": "bob", "currency": None},
        {**GOOD["rollback"], "op": "rollback", "original": "r-1", "player": 5, "currency": "JPY"},
        {**GOOD["end-round"], "op": "end-round", "player": "", "currency": "JPY"},
    ]
    reply = door.post("batch", {**WALLET, "operations": operations})
    assert [(each["currency"], each["balance"]) for each in reply["results"]] == [
        ("EUR", "90.00"),
        ("EUR", "100.00"),
        ("EUR", "100.00"),
    ]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("call", PLAYS)
def test_answers_a_malformed_operation_of_a_bulk_in_its_place(door: Door, call: str) -> None:
    bad = [(field, value) for field, value in cases(call) if not cannot_be_read(value)]
    operations = [{**spoilt(GOOD[call], field, value), "op": call} for field, value in bad]
    reply = door.post("bulk", {"operations": operations})
    assert reply.status == 200
    assert len(reply["results"]) == len(bad)
    for place, (result, (field, value)) in enumerate(zip(reply["results"], bad, strict=True)):
        assert (result["status"], result["code"]) == (400, "invalid_field"), (field, value)
        assert result["field"] == f"operations[{place}].{field}"
        assert result["request_id"] == reply.headers["x-request-id"]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("call", ["batch", "bulk"])
def test_refuses_an_operation_of_another_kind(door: Door, call: str) -> None:
    for op in (MISSING, *OTHER_TYPES, "", "BET", "end_round", "balance", "transaction", "deposit", "batch"):
        operation = spoilt({**GOOD["bet"], "op": "bet"}, "op", op)
        reply = door.post(call, {**GOOD[call], "operations": [operation]})
        problem = reply.json if call == "batch" else reply["results"][0]
        assert (problem["status"], problem["field"]) == (400, "operations[0].op"), op


@pytest.mark.usefixtures("unchanged")
def test_refuses_a_member_of_bulk_that_is_no_object(door: Door) -> None:
    members = [None, 1, "bet", [], True]
    for place, result in enumerate(door.post("bulk", {"operations": members})["results"]):
        assert (result["status"], result["field"]) == (400, f"operations[{place}]")


@pytest.mark.usefixtures("unchanged")
def test_wants_round_and_game_of_a_win_that_has_them(door: Door) -> None:
    for source in (MISSING, "game", "free_round"):
        body = spoilt(GOOD["win"], "source", source)
        for field in ("round", "game"):
            refused(door.post("win", spoilt(body, field, MISSING)), field, MISSING)


def test_takes_a_jackpot_or_promotion_without_round_and_game(door: Door) -> None:
    for source, balance in (("jackpot", "105.00"), ("promo", "110.00")):
        body = {**WALLET, "reference": source, "amount": "5", "source": source}
        assert door.post("win", body)["balance"] == balance
        refused(door.post("win", {**body, "round": None}), "round", None)
        refused(door.post("win", {**body, "game": ""}), "game", "")


@pytest.mark.usefixtures("unchanged")
def test_refuses_an_amount_finer_or_greater_than_its_currency_has(door: Door) -> None:
    for code, amount in (
        ("JPY", "5.00"),
        ("JPY", "5.0"),
        ("KWD", "0.0001"),
        ("EUR", "5.000"),
        ("BTC", "0.000000001"),
        ("JPY", "100000000000001"),
        ("BTC", "1000000.00000001"),
    ):
        for call in ("bet", "win", "rollback"):
            refused(door.post(call, {**GOOD[call], "currency": code, "amount": amount}), "amount", amount)


@pytest.mark.usefixtures("unchanged")
def test_says_400_before_404(door: Door) -> None:
    nobody = {"player": "nobody", "currency": "XXX"}
    for call in ("bet", "win"):
        refused(door.post(call, {**GOOD[call], **nobody, "amount": "1,0"}), "amount", "1,0")
        refused(door.post(call, {**GOOD[call], **nobody, "game": 5}), "game", 5)
        assert door.post(call, {**GOOD[call], **nobody})["code"] == "unknown_currency"
        assert door.post(call, {**GOOD[call], "player": "nobody"})["code"] == "unknown_player"
        assert door.post(call, {**GOOD[call], "currency": "JPY", "amount": "5"})["code"] == "unknown_wallet"
    malformed = [{**GOOD["bet"], "op": "bet"}, {**GOOD["bet"], "op": "bet", "end_round": 1}]
    refused(door.post("batch", {**nobody, "operations": malformed}), "operations[1].end_round", 1)


def test_takes_any_printable_name_as_it_is(door: Door) -> None:
    names = [
        "r",
        "!",
        "~",
        "a b",
        "r-1:2/3",
        "r" * 128,
        '"',
        "\\",
        "'; drop table wallet_wallet; --",
        "{}",
        "%00",
        "null",
    ]
    for name in names:
        body = {**GOOD["bet"], "reference": name, "round": name, "game": name, "amount": "1"}
        assert door.post("bet", body)["reference"] == name
        again = door.post("transaction", {"player": "alice", "reference": name, "kind": "bet"})
        assert (again["reference"], again["replayed"]) == (name, True)


def test_compares_amounts_by_value(door: Door) -> None:
    assert door.post("bet", GOOD["bet"])["replayed"] is False
    for amount in ("10", "10.0", "10.00"):
        again = door.post("bet", {**GOOD["bet"], "amount": amount})
        assert (again.status, again["amount"], again["replayed"]) == (200, "10.00", True)


def test_ignores_unknown_fields(door: Door) -> None:
    more = {"token": None, "extra": [[[]]], "Amount": "5.00", "": 1, "provider": "zenith", "player ": "bob"}
    assert door.post("bet", {**GOOD["bet"], **more})["balance"] == "90.00"


NOT_STRICT = [
    b"", b" ", b"null", b"[]", b"1", b'"x"', b"true", b"{", b"{}x", b"{'a':1}", b"\xff", b"\xef\xbb\xbf{}", b"{} {}",
    b'{"a":1,}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":01}', b'{"a":"\xff"}', b'{"a":"\n"}',
    b'{"a":"\\ud800"}', b'{"a":"\\u0000"}', b'{"a":"\x00"}', b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}',
    b'{"player":"alice","player":"alice"}', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", b"[" * 30_000,
    b'{"a":' * 10_000, b'{"a":1e999}', "{}".encode("utf-16"), "{}".encode("utf-32"),
]  # fmt: skip


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("call", GOOD)
def test_refuses_a_body_that_is_not_one_strict_json_object(door: Door, call: str) -> None:
    for body in NOT_STRICT:
        reply = door.post(call, body)
        assert (reply.status, reply["code"]) == (400, "malformed"), body[:60]


@pytest.mark.usefixtures("unchanged")
def test_refuses_a_repeated_key_wherever_it_stands(door: Door) -> None:
    bet = json.dumps(GOOD["bet"])[1:-1]
    twice = f'{{{bet}, "amount": "1.00"}}'
    operation = f'{{{bet}, "op": "bet", "player": "bob"}}'
    for call, body in [
        ("bet", twice),
        ("bet", f'{{{bet}, "\\u0061mount": "1.00"}}'),
        ("bulk", f'{{"operations": [{operation}]}}'),
        ("batch", f'{{"player": "alice", "currency": "EUR", "operations": [{operation}]}}'),
    ]:
        reply = door.post(call, body.encode())
        assert (reply.status, reply["code"]) == (400, "malformed")
