"""What the game door answers: receipts, lists of them, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from casino_pam.api import responses
from casino_pam.engine import commands, posting
from casino_pam.engine.commands import AnyRequest
from casino_pam.engine.queue import PostingQueue
from casino_pam.engine.results import Receipt
from tests import scenario
from tests.game_client import Door, Reply, raw
from wallet.errors import Busy, Refused
from wallet.models import Transaction
from wallet.state import Row

WALLET = {"player": "alice", "currency": "EUR"}
PLAY = {**WALLET, "reference": "r-1", "round": "round-1", "game": "slot-1"}
RECEIPT = [
    "transaction", "kind", "status", "reference", "currency", "amount", "bonus_amount", "balance", "cash",
    "bonus", "version", "replayed", "wagering",
]  # fmt: skip


def bet(reference: str = "r-1", amount: str = "10.00", **fields: Any) -> dict[str, Any]:
    return {**PLAY, "reference": reference, "amount": amount, **fields}


def operation(op: str, reference: str = "r-1", amount: str = "10.00", **fields: Any) -> dict[str, Any]:
    return {"op": op, **bet(reference, amount, **fields)}


def shows(reply: Reply | dict[str, Any], **expected: Any) -> None:
    """Fail unless the answer has these members, among others."""
    body = reply.json if isinstance(reply, Reply) else reply
    assert {name: body.get(name) for name in expected} == expected, body


def plays() -> int:
    return Transaction.objects.exclude(kind="DEPOSIT").count()


# --- receipts --------------------------------------------------------------------------------


def test_answers_a_receipt_with_exactly_the_members_of_the_contract(door: Door) -> None:
    reply = door.post("bet", bet())
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json) == RECEIPT
    row = Transaction.objects.get(kind="BET")
    assert reply.json == {
        "transaction": str(row.id),
        "kind": "bet",
        "status": "posted",
        "reference": "r-1",
        "currency": "EUR",
        "amount": "10.00",
        "bonus_amount": "0.00",
        "balance": "90.00",
        "cash": "90.00",
        "bonus": "0.00",
        "version": 2,
        "replayed": False,
        "wagering": None,
    }


def test_answers_every_call_in_its_own_words(door: Door) -> None:
    shows(door.post("bet", bet()), kind="bet", status="posted", amount="10.00", balance="90.00", version=2)
    shows(door.post("win", bet("w-1", "2.5")), kind="win", status="posted", amount="2.50", balance="92.50", version=3)
    shows(door.post("bet", bet("r-2", round="round-2")), balance="82.50", version=4)
    undo = {"player": "alice", "reference": "u-1", "original": "r-2"}
    shows(door.post("rollback", undo), kind="rollback", status="posted", amount="10.00", balance="92.50", version=5)
    unknown = {**undo, "reference": "u-2", "original": "r-9"}
    shows(door.post("rollback", unknown), kind="rollback", status="void", amount="0.00", balance="92.50")
    end = {**WALLET, "reference": "e-1", "round": "round-1"}
    shows(door.post("end-round", end), kind="end_round", status="posted", amount="0.00", reference="e-1")
    shows(door.post("win", bet("w-2", "1")), late=True, balance="93.50")
    assert list(door.post("balance", WALLET).json) == ["currency", "balance", "cash", "bonus", "version", "wagering"]


@pytest.mark.parametrize(
    ("code", "amount", "shown", "balance"),
    [("JPY", "5", "5", "95"), ("KWD", "5.5", "5.500", "94.500"), ("BTC", "0.00000001", "0.00000001", "99.99999999")],
)
def test_shows_exactly_the_digits_of_the_currency(door: Door, code: str, amount: str, shown: str, balance: str) -> None:
    scenario.player("dora", "100", currency=code)
    dora = {"player": "dora", "currency": code}
    shows(door.post("bet", bet("d-1", amount, **dora)), amount=shown, balance=balance, cash=balance, currency=code)
    shows(door.post("balance", dora), balance=balance)


def row(**fields: Any) -> Row:
    """A posted row of 10.00 with the fields that matter."""
    blank: dict[str, Any] = dict.fromkeys(Row.__struct_fields__)
    numbers = dict.fromkeys(("amount", "shortfall", "void_amount", "version"), 0)
    named = {"id": "0198c0", "kind": "ROLLBACK", "reference": "r-1", "late": False}
    return Row(**{**blank, **numbers, **named, **fields})


def receipt(its: Row, **fields: Any) -> dict[str, Any]:
    money = {"cash": 9000, "bonus": 500, "held": 700, "amount": 1000, "digits": 2}
    return responses.receipt(
        Receipt(row=its, player="alice", currency="EUR", version=7, status="posted", **money, **fields)
    )


def test_shows_what_was_missing_and_what_was_void_only_where_there_is_any() -> None:
    assert list(receipt(row())) == RECEIPT
    shown = receipt(row(shortfall=1, void_amount=250, late=True))
    assert list(shown) == [*RECEIPT, "late", "shortfall", "voided"]
    shows(shown, late=True, shortfall="0.01", voided="2.50", balance="95.00", cash="90.00", bonus="5.00")
    # What waits in a withdrawal is no business of a provider.
    assert "held" not in shown


def test_shows_wagering_with_the_digits_of_the_currency() -> None:
    progress = {"bonus": "0198bf", "wagered": 25000, "required": 75000, "percent": 33, "status": "active"}
    shown = receipt(row(), wagering=progress)["wagering"]
    assert shown == {**progress, "wagered": "250.00", "required": "750.00"}
    assert list(shown) == ["bonus", "wagered", "required", "percent", "status"]


def test_answers_thirty_two_copies_of_one_bet_alike(door: Door) -> None:
    replies = [each.result() for each in [door.send("bet", bet()) for _ in range(32)]]
    assert {each.status for each in replies} == {200}
    assert sorted(each["replayed"] for each in replies) == [False] + [True] * 31
    assert len({raw({**each.json, "replayed": None}) for each in replies}) == 1
    assert plays() == 1


# --- transaction -----------------------------------------------------------------------------


def test_finds_what_a_repeat_would_be_answered(door: Door) -> None:
    end = {**WALLET, "reference": "r-1", "round": "round-2"}
    undo = {"player": "alice", "reference": "r-1", "original": "r-2"}
    sent = [("bet", bet()), ("win", bet(amount="1")), ("end-round", end), ("rollback", undo)]
    for call, body in sent:
        first = door.post(call, body)
        found = door.post("transaction", {"player": "alice", "reference": "r-1", "kind": first["kind"]})
        assert found.json == {**first.json, "replayed": True}
    refused = door.post("bet", bet("r-3", "1000.00"))
    found = door.post("transaction", {"player": "alice", "reference": "r-3", "kind": "bet"})
    assert (found.status, found["replayed"], found["balance"]) == (422, True, refused["balance"])


def test_finds_no_transaction_of_another_kind_player_or_provider(door: Door) -> None:
    scenario.bob()
    door.post("bet", bet())
    wanted = {"player": "alice", "reference": "r-1", "kind": "bet"}
    for other in ({"kind": "win"}, {"player": "bob"}, {"reference": "r-2"}):
        reply = door.post("transaction", {**wanted, **other})
        assert (reply.status, reply["code"]) == (404, "unknown_transaction")
    assert door.post("transaction", wanted, provider="zenith").status == 404
    assert door.post("transaction", {**wanted, "player": "nobody"})["code"] == "unknown_player"


# --- references of one player ----------------------------------------------------------------


def test_keeps_references_of_two_players_apart_where_the_provider_does(door: Door) -> None:
    scenario.profile(reference_scope="player")
    scenario.player("bob", "50.00")
    for player, balance in (("alice", "90.00"), ("bob", "40.00")):
        own = {"player": player}
        shows(door.post("bet", bet(**own)), reference="r-1", balance=balance, replayed=False)
        shows(door.post("bet", bet(**own)), reference="r-1", balance=balance, replayed=True)
        shows(door.post("win", bet("w-1", "1", bet="r-1", **own)), reference="w-1", status="posted")
        shows(door.post("transaction", {**own, "reference": "r-1", "kind": "bet"}), reference="r-1", replayed=True)
        shows(door.post("transaction", {**own, "reference": "r-7", "kind": "bet"}), reference="r-7", status=404)
        undo = {**own, "reference": "u-1", "original": "w-1", "original_kind": "win"}
        shows(door.post("rollback", undo), code="forbidden")
        batch = {**WALLET, **own, "operations": [operation("bet", "r-2"), operation("rollback", "r-2", original="r-2")]}
        assert [each["reference"] for each in door.post("batch", batch)["results"]] == ["r-2", "r-2"]
    stored = Transaction.objects.filter(kind="WIN").values_list("reference", "original")
    assert set(stored) == {(f"{who}\x1fw-1", f"{who}\x1fr-1") for who in ("alice", "bob")}


# --- refusals --------------------------------------------------------------------------------


def test_tells_the_balances_with_a_refusal_and_repeats_it(door: Door) -> None:
    first = door.post("bet", bet(amount="100.01"))
    assert (first.status, first.headers["content-type"]) == (422, "application/problem+json")
    shows(first, code="insufficient_funds", balance="100.00", cash="100.00", bonus="0.00", currency="EUR", version=2)
    assert first["transaction"] == str(Transaction.objects.get(status="REFUSED").id)
    again = door.post("bet", bet(amount="100.01"))
    assert {**again.json, "request_id": 0} == {**first.json, "replayed": True, "request_id": 0}


def test_names_what_differs_when_a_reference_is_used_again(door: Door) -> None:
    door.post("bet", bet())
    reply = door.post("bet", bet(amount="11.00", round="round-2"))
    shows(reply, status=409, code="reference_reused", differing=["amount", "round"], retry=False)
    assert "balance" not in reply.json


def test_refuses_a_bet_of_zero_where_the_provider_sends_none(door: Door) -> None:
    assert door.post("bet", bet("r-0", "0")).status == 200
    scenario.profile(zero_amount="refuse")
    shows(door.post("bet", bet(amount="0.00")), status=400, code="invalid_field", field="amount")
    batch = {**WALLET, "operations": [operation("bet"), operation("bet", "r-2", "0")]}
    shows(door.post("batch", batch), status=400, code="invalid_field", field="operations[1].amount")
    first, second = door.post("bulk", {"operations": [operation("bet", "r-3", "0"), operation("bet")]})["results"]
    shows(first, status=400, code="invalid_field", field="operations[0].amount")
    shows(second, status="posted")
    shows(door.post("win", bet("w-0", "0")), status="posted")


# --- batch -----------------------------------------------------------------------------------


def test_carries_out_a_batch_in_order(door: Door) -> None:
    operations = [
        operation("bet", "r-1", "60.00"),
        operation("win", "r-1", "5.00"),
        operation("bet", "r-2", "45.00"),
        operation("rollback", "r-3", original="r-9", amount="1.00"),
        operation("end-round", "r-1"),
    ]
    reply = door.post("batch", {**WALLET, "operations": operations})
    results = reply["results"]
    assert [each["balance"] for each in results] == ["40.00", "45.00", "0.00", "0.00", "0.00"]
    assert [each["kind"] for each in results] == ["bet", "win", "bet", "rollback", "end_round"]
    assert all(list(each) == RECEIPT for each in results)
    again = door.post("batch", {**WALLET, "operations": operations})
    assert again["results"] == [{**each, "replayed": True} for each in results]


def test_undoes_the_whole_batch_at_its_first_refusal_and_names_the_place(door: Door) -> None:
    operations = [operation("bet"), operation("win", "w-1"), operation("bet", "r-2", "500.00"), operation("bet", "r-3")]
    for replayed in (False, True):
        reply = door.post("batch", {**WALLET, "operations": operations})
        shows(reply, status=422, code="insufficient_funds", index=2, balance="100.00", cash="100.00", replayed=replayed)
    assert list(Transaction.objects.exclude(kind="DEPOSIT").values_list("reference", "status")) == [("r-2", "REFUSED")]


def test_takes_a_hundred_operations_in_a_batch_and_a_thousand_in_a_bulk(door: Door) -> None:
    many = [operation("bet", f"r-{number}", "0.01") for number in range(1000)]
    shows(door.post("batch", {**WALLET, "operations": many[:100]})["results"][-1], balance="99.00")
    shows(door.post("bulk", {"operations": many})["results"][-1], balance="90.00")


# --- bulk ------------------------------------------------------------------------------------


def test_answers_each_operation_of_a_bulk_in_its_place(door: Door) -> None:
    scenario.player("bob", "5.00")
    operations = [
        operation("bet", "r-1", "60.00"),
        operation("bet", "b-1", "5.01", player="bob"),
        {"op": "bet"},
        operation("bet", "r-2", "50.00"),
        operation("bet", "r-3", "1.00", currency="XXX"),
        operation("bet", "r-4", "1.00", player="nobody"),
        operation("win", "r-2", "20.00"),
        operation("bet", "r-5", "60.00"),
        operation("rollback", "r-6", "60.00", original="r-5"),
        operation("bet", "r-1", "60.00"),
    ]
    reply = door.post("bulk", {"operations": operations})
    assert reply.status == 200
    told = [each.get("code") or each["balance"] for each in reply["results"]]
    assert told == [
        "40.00", "insufficient_funds", "invalid_field", "insufficient_funds", "unknown_currency", "unknown_player",
        "60.00", "0.00", "60.00", "40.00",
    ]  # fmt: skip
    assert [each["status"] for each in reply["results"]] == ["posted", 422, 400, 422, 404, 404, *["posted"] * 4]
    assert [each.get("replayed") for each in reply["results"]][-1] is True
    assert {each["request_id"] for each in reply["results"] if "code" in each} == {reply.headers["x-request-id"]}


class Hesitant(PostingQueue):
    """Takes only so many requests, and answers 503 to those of some players."""

    def __init__(self, takes: int, too_late: Sequence[str] = ()) -> None:
        super().__init__(self._post_some)
        self.takes = takes
        self.too_late = too_late

    def submit(self, request: AnyRequest) -> Any:
        if self.takes == 0:
            raise Busy
        self.takes -= 1
        return super().submit(request)

    def _post_some(self, asked: Sequence[AnyRequest]) -> list[posting.Outcome]:
        return [Busy() if each.player in self.too_late else posting.ask(each) for each in asked]


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice("100.00")


def is_503(reply: Reply) -> None:
    shows(reply, status=503, code="busy", retry=True)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")


@pytest.mark.usefixtures("house")
def test_says_503_at_once_when_the_queue_is_full() -> None:
    with Door(Hesitant(takes=0)) as door:
        for call in ("bet", "win", "balance"):
            is_503(door.post(call, bet()))
        is_503(door.post("batch", {**WALLET, "operations": [operation("bet")]}))
        is_503(door.post("bulk", {"operations": [operation("bet"), {"op": "bet"}]}))
    assert plays() == 0


@pytest.mark.usefixtures("house")
def test_says_503_of_those_operations_of_a_bulk_that_were_not_taken() -> None:
    operations = [operation("bet"), operation("bet", "b-1", player="bob"), operation("bet", "r-3"), {"op": "bet"}]
    with Door(Hesitant(takes=2, too_late=("bob",))) as door:
        reply = door.post("bulk", {"operations": operations})
    assert reply.status == 200
    assert [each["status"] for each in reply["results"]] == ["posted", 503, 503, 400]
    assert [each.get("retry") for each in reply["results"]] == [None, True, True, False]


@pytest.mark.usefixtures("house")
def test_answers_a_bulk_without_a_readable_operation_in_full() -> None:
    with Door(Hesitant(takes=0)) as door:
        reply = door.post("bulk", {"operations": [{"op": "bet"}, 5]})
    assert [each["status"] for each in reply["results"]] == [400, 400]


def test_leaves_a_poisoned_operation_without_harm_to_its_neighbours(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(execution: Any, command: Any) -> Any:
        if command.reference == "r-2":
            raise ValueError("a rule was missed")
        return honest(execution, command)

    honest = posting.VERBS[commands.Bet]
    monkeypatch.setitem(posting.VERBS, commands.Bet, poisoned)
    operations = [operation("bet", f"r-{number}", "1.00") for number in range(5)]
    results = door.post("bulk", {"operations": operations})["results"]
    assert [each["status"] for each in results] == ["posted", "posted", 500, "posted", "posted"]
    shows(results[2], code="internal", retry=True)
    assert plays() == 4


def test_shows_a_stored_reference_as_its_source_knows_it() -> None:
    assert responses.own_reference("alice\x1fr-1") == "r-1"
    assert responses.own_reference("r-1") == "r-1"
    problem = responses.problem(Refused("unknown_transaction", reference="alice\x1fr-1"), "id")
    assert problem["reference"] == "r-1"
