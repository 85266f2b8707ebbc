"""What the gates use is what the rows say: any history, replayed from its rows with a calendar and a pencil."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casino_pam.engine import commands, posting
from tests import clean_books as the_books
from tests import scenario
from tests.limit_scenario import forget, limit
from wallet import limits
from wallet.kinds import LIMIT_NAMES
from wallet.models import Transaction, Wallet
from wallet.time import to_datetime

HOUR = 3600 * scenario.SECOND
AMOUNTS = st.integers(0, 3000)
# Steps of every length, so that some cross a midnight and some a month.
STEPS = st.sampled_from([0, 1, HOUR, 9 * HOUR, scenario.DAY, 5 * scenario.DAY, 20 * scenario.DAY])
VERBS = st.one_of(
    st.tuples(st.just("bet"), AMOUNTS),
    st.tuples(st.just("win"), AMOUNTS),
    st.tuples(st.just("deposit"), st.integers(1, 3000)),
    st.tuples(st.just("rollback"), st.integers(0, 5)),
    st.tuples(st.just("rollback_win"), st.integers(0, 5)),
)
HISTORIES = st.lists(st.tuples(STEPS, st.booleans(), st.lists(VERBS, min_size=1, max_size=4)), min_size=1, max_size=8)
SET = st.dictionaries(st.sampled_from(LIMIT_NAMES), st.integers(0, 8000), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        the_books.emptied()
        scenario.catalogue()
        scenario.profile(rollback_wins=True, win_rollback="clamp", rollback_after_win="allow")
        yield
        the_books.reconciled()


def from_rows(wallet: Wallet, name: str, at: int) -> int:
    """The sum of a period as an accountant would find it; a rollback is of its original's period."""
    subject, _, period = name.partition("_")
    now = to_datetime(at)
    begin = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        begin -= timedelta(days=now.weekday())
    if period == "month":
        begin = begin.replace(day=1)
    staked = paid = deposited = 0
    rows = {row.id: row for row in Transaction.objects.filter(wallet=wallet, status="POSTED")}
    for row in rows.values():
        money = row.cash_delta + row.bonus_delta
        original = rows[row.closes] if row.kind == "ROLLBACK" else row
        if original.created_at >= begin:
            deposited += money if original.kind == "DEPOSIT" else 0
            staked -= money if original.kind == "BET" else 0
            paid += money if original.kind == "WIN" else 0
    return {"deposit": deposited, "stake": staked, "loss": staked - paid}[subject]


def command(verb: str, value: int, who: str, at: int, plays: list[str]) -> Any:
    reference = scenario.fresh("h")
    named = {"player": who, "at": at, "reference": reference}
    if verb in ("rollback", "rollback_win"):
        made = [each for each in plays if each.startswith("w-") is (verb == "rollback_win")]
        original = made[-1 - value] if value < len(made) else "never"
        kind = "WIN" if verb == "rollback_win" else "BET"
        return commands.Rollback(source="acme", original=original, original_kind=kind, **named)
    named |= {"currency": "EUR", "amount": value}
    if verb == "deposit":
        return commands.Deposit(source="cashier", **named)
    if verb == "win":
        named["reference"] = f"w-{reference}"
    plays.append(named["reference"])
    named |= {"round": reference, "game": "slot-1"}
    return (commands.Win if verb == "win" else commands.Bet)(source="acme", **named)


@given(history=HISTORIES, amounts=SET)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_gates_use_what_the_rows_of_the_period_add_up_to(
    database: None, history: list[Any], amounts: dict[str, int]
) -> None:
    who = scenario.fresh("player")
    wallet = scenario.player(who)
    scenario.deposit(who, amount=10**6, at=scenario.NOON - 90 * scenario.DAY)
    limit(who, **{name: f"{amount / 100:.2f}" for name, amount in amounts.items()})
    forget()
    at, plays = scenario.NOON, []
    for step, forgets, verbs in history:
        at += step
        if forgets:
            forget()
        if len(verbs) > 1:
            # Together, to see the same rules apply to rows that are not yet in the database.
            posting.post([command(*verb, who, at, plays) for verb in verbs])
        else:
            check_alone(wallet, verbs[0], at, amounts, plays)
        wallet.refresh_from_db()
        for each in limits.of(wallet, at):
            name = f"{each.subject}_{each.period}"
            assert (each.used, each.amount) == (from_rows(wallet, name, at), amounts.get(name)), name


def check_alone(wallet: Wallet, verb: tuple[str, int], at: int, amounts: dict[str, int], plays: list[str]) -> None:
    """What one request comes to, and why, foretold from the rows."""
    kind, value = verb
    subjects = {"bet": ("stake", "loss"), "deposit": ("deposit",)}.get(kind, ())
    room = {
        name: amount - from_rows(wallet, name, at)
        for name, amount in amounts.items()
        if name.partition("_")[0] in subjects
    }
    passed = {name: left for name, left in room.items() if value > max(left, 0)}
    outcome = posting.ask(command(kind, value, wallet.player.code, at, plays))
    if not passed:
        assert scenario.word(outcome) in ("posted", "void", "already_rolled_back", "insufficient_funds")
    else:
        facts = outcome.facts
        assert outcome.code == "limit_reached"
        assert facts["left"] == max(0, min(passed.values())) == max(0, room[facts["limit"]])
