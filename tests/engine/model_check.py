"""Asks the engine and the model the same thing, and hears whether they agree."""

from __future__ import annotations

from typing import Any

from casino_pam.engine import commands
from casino_pam.engine.results import Receipt
from tests import scenario
from tests.engine.play_model import Answer
from wallet import money
from wallet.errors import Refused

KINDS: dict[str, Any] = {
    "bet": commands.Bet,
    "win": commands.Win,
    "rollback": commands.Rollback,
    "end_round": commands.EndRound,
    "deposit": commands.Deposit,
    "hold": commands.Hold,
    "settle": commands.Settle,
    "release": commands.Release,
    "adjust": commands.Adjust,
}
PLAYS = ("bet", "win", "rollback", "end_round")
RENAMED = {"ends": "ends_round", "source": "win_source"}


def command(verb: str, asked: dict[str, Any], *, digits: int = 2) -> commands.AnyRequest:
    """The product's command for a question put to the model."""
    if verb == "batch":
        operations = [command(each, told, digits=digits) for each, told in asked["operations"]]
        return commands.Batch(operations=tuple(operations))  # type: ignore[arg-type]
    fields = {RENAMED.get(name, name): value for name, value in asked.items()}
    if verb == "rollback" and fields.get("amount") is not None:
        fields["amount"] = money.show(fields["amount"], digits)
    if verb == "adjust":
        fields["reason"] = "a correction"
    source = "acme" if verb in PLAYS else "operator" if verb == "adjust" else "cashier"
    return KINDS[verb](source=source, at=scenario.NOON, **fields)


def heard(outcome: Any) -> Answer | list[Answer]:
    """The engine's outcome in the model's words."""
    if isinstance(outcome, list):
        return [_heard(each) for each in outcome]
    return _heard(outcome)


def _heard(outcome: Receipt | Refused) -> Answer:
    if isinstance(outcome, Receipt):
        return Answer(outcome.status, outcome.cash, outcome.held, outcome.version, outcome.amount, outcome.replayed)
    told = outcome.facts.get
    differing = told("differing")
    if differing is not None and outcome.code == "reference_reused" and "player" in differing:
        # Whose it is decides; what else differs from a stranger's row is a courtesy.
        differing = ["player"]
    return Answer(
        outcome.code,
        cash=told("cash"),
        version=told("version"),
        replayed=told("replayed"),
        differing=None if differing is None else tuple(sorted(differing)),
        index=told("index"),
    )
