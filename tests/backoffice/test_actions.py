"""Every act of the back office: once, twice under one reference, at once, refused, and not allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from casino_pam.backoffice.actions import action_page
from tests import bonus_scenario, operators, scenario
from tests.backoffice import action_scenario
from tests.backoffice.action_scenario import (
    DAY,
    ENDS,
    balances,
    ended,
    excluded,
    expires,
    gifts,
    limited,
    locks,
    notes,
    player,
    row,
    session,
    tags,
    verification,
    wallet,
)
from tests.threads import threads
from wallet.models import AuditEntry, Player


class Case(NamedTuple):
    """An act in the house below: on what, with which fields, and what it changes, once."""

    act: str
    row: Callable[[], Model]
    fields: dict[str, Any]
    effect: Callable[[], Any]
    before: Any
    after: Any


CASES = [
    Case("lock", player, {"locks": ["bet", "withdraw"]}, locks, (False, True, False), (True, True, True)),
    Case("unlock", player, {"locks": ["deposit"]}, locks, (False, True, False), (False, False, False)),
    Case("cool-off", player, {"days": "7"}, excluded, False, True),
    Case("exclude", player, DAY, excluded, False, True),
    Case("lift", player, {}, excluded, True, False),
    Case("verify", player, {"verification": "verified"}, verification, "unverified", "verified"),
    Case("note", player, {}, notes, [], [("olga", "because")]),
    Case("tag", player, {"names": "vip, high-roller vip"}, tags, ["old"], ["high-roller", "old", "vip"]),
    Case("untag", player, {"names": ["old"]}, tags, ["old"], []),
    Case("end-session", session, {}, ended, False, True),
    Case("limit", wallet, {"stake_day": "50.00"}, limited, None, 5000),
    Case("adjust", wallet, {"amount": "-2.50"}, balances, (7500, 3000, 2000), (7250, 3000, 2000)),
    Case("grant", wallet, {"offer": "gift"}, gifts, ["active"], ["active", "queued"]),
    Case("settle", row("h-1", "HOLD"), {}, balances, (7500, 3000, 2000), (7500, 3000, 0)),
    Case("release", row("h-1", "HOLD"), {"why": "duplicate"}, balances, (7500, 3000, 2000), (9500, 3000, 0)),
    Case("roll-back", row("b-1", "BET"), {}, balances, (7500, 3000, 2000), (8500, 3000, 2000)),
    Case("forfeit", bonus_scenario.the, {}, balances, (7500, 3000, 2000), (7500, 0, 2000)),
    Case("extend", bonus_scenario.the, DAY, expires, f"{scenario.moment(ENDS):%Y-%m-%d}", "2099-01-01"),
    Case("complete", bonus_scenario.the, {}, balances, (7500, 3000, 2000), (10500, 0, 2000)),
]
every = pytest.mark.parametrize("case", CASES, ids=[case.act for case in CASES])


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    action_scenario.furnish()


def prepared(case: Case) -> None:
    """What the act needs to find."""
    if case.act == "lift":
        Player.objects.update(excluded_until=scenario.moment(ENDS))
    if case.act in ("lock", "unlock"):
        Player.objects.update(deposit_locked=True)


def permission(case: Case) -> str:
    return next(act.permission for act in action_page.ACTIONS if act.name == case.act)


def operator(case: Case) -> Client:
    return action_scenario.olga(permission(case))


def trail(case: Case) -> list[tuple[str, str, str, str]]:
    entries = AuditEntry.objects.filter(act=case.act).order_by("id")
    return [(entry.actor, entry.player or "", entry.reason, entry.outcome) for entry in entries]


def test_every_act_has_a_case():
    # What is done to operators and offers has tests of its own (test_second_factor.py, test_grant_lists.py and others).
    assert {case.act for case in CASES} | {"copy", "end-log-ins", "reset-second-factor"} == {
        act.name for act in action_page.ACTIONS
    }


@every
def test_an_act_is_explained_first_and_done_once(case: Case) -> None:
    prepared(case)
    client = operator(case)
    assert case.effect() == case.before
    page = client.get(action_scenario.address(case.act, case.row()))
    assert escape(page.context["effect"]) in page.content.decode()
    assert case.effect() == case.before
    answer = action_scenario.acted(client, case.act, case.row(), **case.fields)
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        reverse("admin:wallet_player_change", args=[player().pk]),
    )
    assert action_scenario.told(answer)
    assert case.effect() == case.after
    assert trail(case) == [("olga", "bob", "because", "done")]
    entry = AuditEntry.objects.get(act=case.act)
    assert entry.before != entry.after
    assert entry.reference


@every
def test_the_same_form_sent_twice_acts_once_and_says_the_same(case: Case) -> None:
    prepared(case)
    client = operator(case)
    form = {**action_scenario.opened(client, case.act, case.row()), "reason": "because", **case.fields}
    first, second = (action_scenario.sent(client, case.act, case.row(), form) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert action_scenario.told(first) == action_scenario.told(second)
    assert case.effect() == case.after
    assert trail(case) == [("olga", "bob", "because", "done")]


@every
def test_two_copies_of_a_form_at_once_act_once(case: Case) -> None:
    prepared(case)
    client = operator(case)
    form = {**action_scenario.opened(client, case.act, case.row()), "reason": "because", **case.fields}
    session = client.cookies

    def act() -> int:
        twin = Client()
        twin.cookies = session
        # The form comes back with the same reference where the books were too busy: it is sent again.
        answers = (action_scenario.sent(twin, case.act, case.row(), form).status_code for _ in range(20))
        return next(status for status in answers if status != 503)

    assert threads([act] * 4) == [302] * 4
    assert case.effect() == case.after
    assert [entry for entry in trail(case) if entry[-1] != "busy"] == [("olga", "bob", "because", "done")]


@every
def test_who_lacks_the_one_permission_is_refused_and_that_is_audited(case: Case) -> None:
    prepared(case)
    others = {act.permission for act in action_page.ACTIONS} - {permission(case)}
    client = action_scenario.olga(*others)
    address = action_scenario.address(case.act, case.row())
    assert client.get(address).status_code == 403
    assert client.post(address, {"reason": "because", **case.fields}).status_code == 403
    assert case.effect() == case.before
    refused = AuditEntry.objects.filter(actor="olga", outcome="refused")
    assert [entry.subject for entry in refused.order_by("id")] == [f"GET {address}", f"POST {address}"]


@every
def test_a_post_without_its_csrf_token_is_refused(case: Case) -> None:
    prepared(case)
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("sue"), backend="django.contrib.auth.backends.ModelBackend")
    form = {**action_scenario.opened(client, case.act, case.row()), "reason": "because", **case.fields}
    assert action_scenario.sent(client, case.act, case.row(), form).status_code == 403
    assert case.effect() == case.before


@every
def test_a_form_without_its_reference_or_its_reason_acts_on_nothing(case: Case) -> None:
    prepared(case)
    client = operator(case)
    without = action_scenario.sent(client, case.act, case.row(), {"reason": "because", **case.fields})
    crooked = action_scenario.sent(client, case.act, case.row(), {"reference": "x", "reason": "because", **case.fields})
    assert (without.status_code, crooked.status_code) == (400, 400)
    two_lines = action_scenario.acted(client, case.act, case.row(), **{**case.fields, "reason": "one\u2028two"})
    assert two_lines.status_code == 400
    if case.act not in ("settle", "grant", "tag", "untag"):
        assert action_scenario.acted(client, case.act, case.row(), **{**case.fields, "reason": " "}).status_code == 400
    assert case.effect() == case.before
    assert trail(case) == []


@every
def test_a_stranger_is_led_to_the_log_in(case: Case) -> None:
    address = action_scenario.address(case.act, case.row())
    assert "/admin/login/" in Client().post(address, case.fields).headers["Location"]


def test_what_is_not_there_is_not_found():
    client = operators.sue()
    for act in action_page.ACTIONS:
        key = "0" if act.subject.key == "int" else "01900000-0000-7000-8000-000000000001"
        assert client.get(f"/admin/office/{act.subject.name}/{key}/{act.name}/").status_code == 404
        assert client.get(f"/admin/office/{act.subject.name}/x/{act.name}/").status_code == 404
