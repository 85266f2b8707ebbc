"""Every order of a bet, its win, its rollback and the end of its round again: through the signed door of real workers.

The messages of a story travel one turn at a time in `bulk` calls on changing connections, so that
with two workers successive messages are carried out by different processes.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests import scenario
from tests.engine.test_orderings import Step, expected, orders, players, told
from tests.game_client import Client, served
from wallet import money
from wallet.models import Transaction
from wallet.models import Wallet as StoredWallet

MOST_OPERATIONS = 1_000


def operation(step: Step) -> dict[str, Any]:
    verb, asked = step
    shown = {name: value for name, value in asked.items() if name != "amount"}
    if "amount" in asked:
        shown["amount"] = money.show(asked["amount"], 2)
    return {"op": verb.replace("_", "-"), **shown}


def word(result: dict[str, Any]) -> str:
    return str(result.get("code") or result["status"])


def delivered(port: int, stories: list[list[Step]]) -> list[list[str]]:
    """What each story's messages were answered."""
    connections = [Client(port) for _ in range(4)]
    answers: list[list[str]] = [[] for _ in stories]
    for entry in range(max(map(len, stories))):
        waiting = [place for place, steps in enumerate(stories) if entry < len(steps)]
        for first in range(0, len(waiting), MOST_OPERATIONS):
            places = waiting[first : first + MOST_OPERATIONS]
            client = connections[(entry + first // MOST_OPERATIONS) % len(connections)]
            reply = client.post("bulk", {"operations": [operation(stories[place][entry]) for place in places]})
            assert reply.status == 200
            for place, result in zip(places, reply["results"], strict=True):
                answers[place].append(word(result))
    return answers


@pytest.mark.parametrize("workers", [1, 2])
def test_every_order_ends_as_documented_through_the_door(books: None, workers: int) -> None:
    scenario.catalogue()
    stories = [told(place, order, {}) for place, order in enumerate(orders(most=8))]
    players(len(stories))
    with served(workers=workers) as client:
        answers = delivered(client.port, stories)
    cash = dict(StoredWallet.objects.values_list("player__code", "cash"))
    rows = Transaction.objects.count() - len(stories)
    for place, steps in enumerate(stories):
        house, wanted = expected(steps, place, {})
        story = " ".join(verb for verb, _ in steps)
        assert answers[place] == [answer.word for answer in wanted], story
        assert cash[f"p{place}"] == house.wallets[0].cash, story
        rows -= len(house.rows)
    assert rows == 0
