"""Every order in which a bet, its win, its rollback and the end of its round can arrive, once or twice.

Each sequence is played by a player of its own and compared, answer by answer, with the model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests import scenario
from tests.concurrency import insisting
from tests.engine.model_check import command, heard
from tests.engine.play_model import PlayModel, Wallet
from wallet.models import Player, Transaction
from wallet.models import Wallet as StoredWallet

START, STAKE, PAYOUT = 10_000, 1_000, 2_500

MESSAGES: dict[str, dict[str, Any]] = {
    "bet": {"reference": "b", "currency": "EUR", "round": "round", "game": "slot", "amount": STAKE},
    "win": {"reference": "w", "currency": "EUR", "round": "round", "game": "slot", "amount": PAYOUT},
    "rollback": {"reference": "r", "original": "b"},
    "end_round": {"reference": "e", "currency": "EUR", "round": "round"},
}
Step = tuple[str, dict[str, Any]]


def orders(*, most: int) -> Iterator[tuple[str, ...]]:
    """Every distinct order of one or two deliveries of each message, ``most`` deliveries at the most."""
    for counts in itertools.product((1, 2), repeat=len(MESSAGES)):
        delivered = [verb for verb, count in zip(MESSAGES, counts, strict=True) for _ in range(count)]
        if len(delivered) <= most:
            yield from distinct(delivered)


def distinct(delivered: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The distinct permutations: equal messages are not told apart."""
    if not delivered:
        yield ()
    for first in sorted(set(delivered)):
        rest = list(delivered)
        rest.remove(first)
        yield from ((first, *after) for after in distinct(rest))


def told(place: int, order: Sequence[str], changes: dict[str, dict[str, Any]]) -> list[Step]:
    """The messages of an order as its own player's provider sends them."""
    steps = []
    for verb in order:
        asked = {**MESSAGES[verb], **changes.get(verb, {}), "player": f"p{place}"}
        for name in ("reference", "original", "bet"):
            if asked.get(name):
                asked[name] = f"{asked[name]}-{place}"
        steps.append((verb, asked))
    return steps


def players(count: int) -> None:
    """So many players with START each."""
    made = Player.objects.bulk_create(Player(code=f"p{place}") for place in range(count))
    StoredWallet.objects.bulk_create(StoredWallet(player=player, currency_id="EUR") for player in made)
    given = [
        command("deposit", {"player": player.code, "currency": "EUR", "reference": player.code, "amount": START})
        for player in made
    ]
    posted(given)


def posted(asked: list[Any]) -> list[Any]:
    """The outcomes, posted some hundreds at a time, as the queue would."""
    return [outcome for chunk in range(0, len(asked), 500) for outcome in insisting(asked[chunk : chunk + 500])]


def expected(steps: list[Step], place: int, profile: dict[str, Any]) -> tuple[PlayModel, list[Any]]:
    house = PlayModel(wallets=[Wallet(f"p{place}", "EUR", cash=START, version=1)])
    house.profile.update(profile)
    return house, [house.ask(verb, **asked) for verb, asked in steps]


def play(stories: list[list[Step]], *, at_once: bool) -> list[list[Any]]:
    """What the engine answers: to whole stories in one posting, or to one message of each at a time."""
    if at_once:
        flat = iter(posted([command(*step) for steps in stories for step in steps]))
        return [[heard(next(flat)) for _ in steps] for steps in stories]
    answers: list[list[Any]] = [[] for _ in stories]
    for entry in range(max(map(len, stories))):
        waiting = [place for place, steps in enumerate(stories) if entry < len(steps)]
        for place, outcome in zip(waiting, posted([command(*stories[place][entry]) for place in waiting]), strict=True):
            answers[place].append(heard(outcome))
    return answers


def compare(most: int, *, at_once: bool, profile: dict[str, Any], changes: dict[str, dict[str, Any]]) -> None:
    scenario.catalogue()
    scenario.profile(**profile)
    stories = [told(place, order, changes) for place, order in enumerate(orders(most=most))]
    players(len(stories))
    answers = play(stories, at_once=at_once)
    cash = dict(StoredWallet.objects.values_list("player__code", "cash"))
    rows = Transaction.objects.count() - len(stories)
    for place, steps in enumerate(stories):
        house, wanted = expected(steps, place, profile)
        story = " ".join(verb for verb, _ in steps)
        assert answers[place] == wanted, story
        assert cash[f"p{place}"] == house.wallets[0].cash, story
        rows -= len(house.rows)
        means_what_it_says(steps, answers[place], cash[f"p{place}"])
    assert rows == 0


def means_what_it_says(steps: list[Step], answers: list[Any], cash: int) -> None:
    """Whatever the model says: the money that moved is what the answers told the provider."""
    money = {"bet": 0, "win": 0}
    for (verb, asked), answer in zip(steps, answers, strict=True):
        if answer.word == "posted" and verb in ("bet", "win"):
            money[verb] = -asked["amount"] if verb == "bet" else asked["amount"]
        if verb == "rollback" and answer.word in ("posted", "void", "unknown_original"):
            money["win" if asked.get("original_kind") == "WIN" else "bet"] = 0
    assert cash == START + sum(money.values()), steps


def test_there_are_as_many_orders_as_arithmetic_says():
    """4! with one of each, and n! divided by 2 for each message that comes twice."""
    counted = len(list(orders(most=8)))
    assert counted == 24 + 4 * 60 + 6 * 180 + 4 * 630 + 2520
    assert len(set(orders(most=8))) == counted


def test_every_order_ends_as_documented(books):
    compare(8, at_once=False, profile={}, changes={})


def test_every_order_ends_as_documented_when_all_arrives_in_one_posting(books):
    compare(6, at_once=True, profile={}, changes={})


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "the win names its bet": ({}, {"win": {"bet": "b"}}),
    "the win ends the round": ({}, {"win": {"ends": True}}),
    "the bet ends the round": ({}, {"bet": {"ends": True}}),
    "the rollback tells the round": ({}, {"rollback": {"round": "round", "game": "slot", "amount": STAKE}}),
    "the stake is not there": ({}, {"bet": {"amount": START + 1}}),
    "a free round": ({}, {"bet": {"amount": 0}, "win": {"source": "free_round"}}),
    "the win is rolled back": (
        {"rollback_wins": True},
        {"rollback": {"original": "w", "original_kind": "WIN"}},
    ),
    "undone bets are accepted void": ({"late_bet": "accept_void"}, {}),
    "balances of now": ({"replay_balance": "current"}, {}),
    "rollbacks after wins": ({"rollback_after_win": "allow"}, {"win": {"bet": "b"}}),
    "bets and wins share their references": ({"share_references": True}, {"win": {"reference": "b"}}),
    "they share them, and undone bets are accepted void": (
        {"share_references": True, "late_bet": "accept_void", "unknown_rollback": "not_found"},
        {"win": {"reference": "b"}},
    ),
    "a bet and its win have one reference and share none": ({}, {"win": {"reference": "b"}}),
    "all have one reference": (
        {"unknown_rollback": "not_found", "win_requires_bet": True, "replay_balance": "current"},
        {"win": {"reference": "b", "bet": "b"}, "rollback": {"reference": "b", "original_kind": "BET"}},
    ),
    "everything strict": (
        {"win_requires_bet": True, "late_win": "refuse", "unknown_rollback": "not_found"},
        {"win": {"ends": True}},
    ),
    "everything lax": (
        {"late_bet": "accept_void", "rollback_after_win": "allow", "replay_balance": "current"},
        {"rollback": {"currency": "EUR"}},
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_order_ends_as_documented_when(books, variant):
    profile, changes = VARIANTS[variant]
    compare(5, at_once=False, profile=profile, changes=changes)
