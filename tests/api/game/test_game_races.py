"""Races through HTTP against two worker processes: thirty-two callers, two hundred rounds of each race.

No answer may be a 5xx or a conflict, whoever wins.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from casino_pam.api.game.signing import sign
from casino_pam.local.simulator import Connection
from tests import scenario
from tests.game_client import path_of, served
from wallet.models import Transaction

CALLERS = 32
ROUNDS = 200

Call = tuple[str, dict[str, Any]]
Reply = tuple[int, dict[str, Any]]


@pytest.fixture
def port(books: None) -> Iterator[int]:
    """Two workers, and Alice with money for one bet of 10.00."""
    scenario.catalogue()
    scenario.alice("10.00")
    with served(workers=2) as client:
        yield client.port


def bet(reference: str) -> Call:
    fields = {"player": "alice", "currency": "EUR", "round": reference, "game": "slot-1", "amount": "10.00"}
    return "bet", {**fields, "reference": reference}


def rollback(reference: str, original: str) -> Call:
    return "rollback", {"player": "alice", "reference": reference, "original": original}


async def send(line: Connection, call: Call) -> Reply:
    name, body = call
    raw = json.dumps(body).encode()
    path = path_of(name)
    return await line.post(path, raw, sign("acme", "acme-secret", path, int(time.time()), raw))


def raced(port: int, rounds: list[list[Call]]) -> list[list[Reply]]:
    """The answers to each round's calls, all calls of a round sent at once on connections of their own."""

    async def run() -> list[list[Reply]]:
        lines = [Connection(f"http://127.0.0.1:{port}") for _ in range(CALLERS)]
        answers = [
            list(await asyncio.gather(*(send(line, call) for line, call in zip(lines, calls, strict=True))))
            for calls in rounds
        ]
        for line in lines:
            line.close()
        return answers

    return asyncio.run(run())


def outcomes(replies: list[Reply]) -> Counter[str]:
    return Counter(str(body.get("code") or body["status"]) for _, body in replies)


def test_copies_of_one_bet_leave_one_row_and_get_equal_answers(port: int) -> None:
    names = [f"copy-{number}" for number in range(ROUNDS)]
    # Every second round is refused for want of money: a remembered refusal races as a bet does.
    answers = raced(port, [[bet(name)] * CALLERS for name in names])
    for number, (name, replies) in enumerate(zip(names, answers, strict=True)):
        word = "posted" if number == 0 else "insufficient_funds"
        assert outcomes(replies) == {word: CALLERS}, name
        told = [{k: v for k, v in body.items() if k not in ("replayed", "request_id")} for _, body in replies]
        assert all(each == told[0] for each in told), name
        assert sum(not body["replayed"] for _, body in replies) == 1, name
    assert Transaction.objects.filter(kind="BET").count() == ROUNDS


def test_of_many_bets_with_money_for_one_exactly_one_is_posted(port: int) -> None:
    def pay_back(number: int) -> list[Call]:
        """A win that gives the stake back for the next round, sent by one caller while the others ask."""
        win = {"player": "alice", "currency": "EUR", "round": f"w-{number}", "game": "slot-1", "amount": "10.00"}
        asks: list[Call] = [("balance", {"player": "alice", "currency": "EUR"})] * (CALLERS - 1)
        return [("win", {**win, "reference": f"w-{number}"}), *asks]

    rounds: list[list[Call]] = []
    for number in range(ROUNDS):
        rounds += [[bet(f"one-{number}-{caller}") for caller in range(CALLERS)], pay_back(number)]
    answers = raced(port, rounds)
    for bets in answers[::2]:
        assert outcomes(bets) == {"posted": 1, "insufficient_funds": CALLERS - 1}
    assert all(status == 200 for replies in answers[1::2] for status, _ in replies)
    assert scenario.balances() == (1000, 0, 0)
    assert Transaction.objects.filter(kind="BET", status="POSTED").count() == ROUNDS


def test_a_bet_racing_its_own_rollback_never_moves_money(port: int) -> None:
    rounds = []
    for number in range(ROUNDS):
        name = f"race-{number}"
        bets, rollbacks = [bet(name)] * (CALLERS // 2), [rollback(f"undo-{number}", name)] * (CALLERS // 2)
        pairs = zip(bets, rollbacks, strict=True)
        rounds.append([call for pair in pairs for call in (pair if number % 2 else pair[::-1])])
    answers = raced(port, rounds)
    for replies in answers:
        assert {status for status, _ in replies} <= {200, 409}
        assert set(outcomes(replies)) <= {"posted", "void", "rolled_back"}
    assert scenario.balances() == (1000, 0, 0)
    spent = Transaction.objects.filter(kind="BET").values_list("reference", flat=True)
    assert sorted(spent) == sorted(f"race-{number}" for number in range(ROUNDS))
