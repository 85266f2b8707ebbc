"""The checker finds what it is there to find: each kind of lie and each kind of broken ledger, planted singly."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from casino_pam.local.os_support import PROJECT
from tests import bonus_scenario, scenario
from tests.concurrency import our_database
from tests.faults.checker import judge
from tests.faults.journal import Entry
from tests.game_client import Door
from tests.wallet import corruption
from wallet.models import Wallet

RUN = "f"
Journal = list[Entry]


def a_play(reference: str, **fields: Any) -> dict[str, Any]:
    names = {"player": "alice", "currency": "EUR", "reference": f"{RUN}-{reference}", "round": "r", "game": "g"}
    return {**names, "amount": "10.00", **fields}


def exchange(door: Door, journal: Journal, call: str, body: dict[str, Any]) -> None:
    """Make a call and write it down as the clients do."""
    id = len(journal) // 2
    facts = {"id": id, "try": 1, "seat": "p0", "t": float(len(journal))}
    journal.append({"e": "sent", **facts, "call": call, "path": f"/api/game/v1/{call}", "body": body, "copies": 1})
    answer = door.post(call, body)
    journal.append({"e": "got", **facts, "status": answer.status, "body": answer.json, "retry_after": None})


@pytest.fixture
def journal(broken_books: None) -> Journal:
    """An honest journal: a bet, its repeat, a win, a bet undone, an undone before, a refusal, a batch, a bulk."""
    scenario.catalogue()
    scenario.alice("100.00")
    written: Journal = []
    undo = {"player": "alice", "reference": f"{RUN}-b-2-r", "original": f"{RUN}-b-2"}
    operations = [{"op": "bet", **a_play("b-4")}, {"op": "win", **a_play("b-4-w", amount="3.00")}]
    with Door() as door:
        exchange(door, written, "bet", a_play("b-1"))
        exchange(door, written, "bet", a_play("b-1"))
        exchange(door, written, "win", a_play("b-1-w", amount="5.00", bet=f"{RUN}-b-1"))
        exchange(door, written, "bet", a_play("b-2"))
        exchange(door, written, "rollback", undo)
        early = {**undo, "reference": f"{RUN}-b-3-r", "original": f"{RUN}-b-3"}
        exchange(door, written, "rollback", early)
        exchange(door, written, "bet", a_play("b-3"))
        exchange(door, written, "bet", a_play("b-5", amount="9999.00"))
        exchange(door, written, "bulk", {"operations": operations})
        exchange(
            door,
            written,
            "batch",
            {"player": "alice", "currency": "EUR", "operations": [{"op": "bet"} | a_play("b-6")]},
        )
    return written


def violations(journal: Journal) -> list[str]:
    return judge(our_database(), journal, RUN).violations


def answered(journal: Journal, call: str, nth: int = 0) -> Entry:
    """The n-th answer to such a call."""
    ids = [entry["id"] for entry in journal if entry.get("call") == call]
    return next(entry for entry in journal if entry["e"] == "got" and entry["id"] == ids[nth])


def test_an_honest_journal_of_a_whole_ledger_has_no_violations(journal):
    verdict = judge(our_database(), journal, RUN)
    assert verdict.violations == []
    assert (verdict.figures["operations acknowledged"], verdict.figures["operations refused"]) == (9, 2)


def test_wagering_that_adds_up_is_no_violation(broken_books):
    scenario.catalogue()
    bonus_scenario.wagering("30.00", who="bob")
    scenario.bet("bob", "10.00")
    assert violations([]) == []


# --- lies ----------------------------------------------------------------------------------------


def forget_a_row(journal: Journal) -> None:
    """As if PostgreSQL had lost what was acknowledged."""
    for entry in [each for each in journal if each["id"] == journal[-1]["id"]]:
        copied = deepcopy(entry) | {"id": 99}
        if "path" in copied:
            copied["body"]["operations"][0]["reference"] = f"{RUN}-lost"
        journal.append(copied)


def refuse_what_stands(journal: Journal) -> None:
    answered(journal, "win").update(status=422, body={"code": "insufficient_funds"})


LIES: dict[str, tuple[Callable[[Journal], object], str]] = {
    "an acknowledged row that is not there": (forget_a_row, "not in the ledger"),
    "another balance": (lambda j: answered(j, "win")["body"].update(cash="1.00"), "the ledger has"),
    "another version": (lambda j: answered(j, "win")["body"].update(version=77), "version"),
    "another amount asked": (lambda j: j[4]["body"].update(amount="5.01"), "the ledger has 500"),
    "another amount told": (lambda j: answered(j, "win")["body"].update(amount="5.01"), "the ledger has 500"),
    "another row": (lambda j: answered(j, "win")["body"].update(transaction="0"), "the ledger has"),
    "a repeat that says otherwise": (lambda j: answered(j, "bet", 1)["body"].update(version=1), "told otherwise"),
    "a refusal of what stands": (refuse_what_stands, "moved money"),
    "a refusal with another code": (lambda j: answered(j, "bet", 4)["body"].update(code="wallet_locked"), "the ledger"),
    "a rollback of a bet that stands": (lambda j: j[8]["body"].update(original=f"{RUN}-b-1"), "was undone"),
    "rolled back, and it stands": (
        lambda j: answered(j, "bet", 1).update(status=409, body={"code": "rolled_back"}),
        "stands",
    ),
    "a 500": (lambda j: answered(j, "win").update(status=500, body={"code": "internal"}), "answered 500"),
    "a code of no page": (lambda j: answered(j, "bet", 4)["body"].update(code="who_knows"), "who_knows"),
    "a 503 that does not say when": (lambda j: answered(j, "win").update(status=503), "no Retry-After"),
    "no answer at all": (lambda j: j.remove(answered(j, "win")), "never answered"),
    "a row that nobody asked for": (lambda j: j.__delitem__(slice(4, 6)), "nobody has asked"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found(journal, lie):
    tell, words = LIES[lie]
    tell(journal)
    found = violations(journal)
    assert any(words in each for each in found), found


# --- broken ledgers ------------------------------------------------------------------------------

BREAKS: dict[str, tuple[Callable[[], object], str]] = {
    "a row is removed": (lambda: corruption.remove("alice", 3), "the version before it is 2"),
    "the tail is cut off": (lambda: corruption.remove("alice", 11), "its rows make"),
    "a text is changed": (lambda: corruption.change("alice", 2, "game = 'other'"), "digest"),
    "a time is changed": (lambda: corruption.change("alice", 4, "created_at = '2020-01-01Z'"), "older"),
    "a balance is changed": (lambda: Wallet.objects.filter(player__code="alice").update(cash=1), "its rows make"),
    "a digest is changed": (
        lambda: Wallet.objects.filter(player__code="alice").update(digest=b"\0" * 32),
        "its rows make",
    ),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_ledger_is_found(journal, broken):
    do, words = BREAKS[broken]
    do()
    found = violations(journal)
    assert any(words in each for each in found), found


def test_the_judges_import_nothing_of_the_product():
    for judge_of in ("checker", "episodes", "journal", "clients", "http_line"):
        text = (PROJECT / "tests" / "faults" / f"{judge_of}.py").read_text()
        imported = set(re.findall(r"^(?:from|import) (\w+)(?:\.(\w+))?", text, re.MULTILINE))
        assert {part for name, part in imported if name == "tests"} <= {"faults"}
        assert {name for name, _ in imported}.isdisjoint({"wallet", "bonus", "casino_pam", "django"})
