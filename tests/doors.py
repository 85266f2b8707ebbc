"""Every kind of call that a house takes, one after the other, as callers send them."""

from __future__ import annotations

import time
from typing import Final

from tests import game_client, scenario
from tests.running_system import START_SECONDS, Answer, WebGroup

PASSWORD: Final = "correct horse battery staple"
DOORS: Final = ("bet", "read", "write", "page", "log in")
GOOD: Final = {"bet": 200, "read": 200, "write": 200, "page": 200, "log in": 302}
# A program that makes an operator, and prints the cookie of a session of hers.
OPERATOR: Final = """
from django.conf import settings
from tests import operators
print(operators.sue().cookies[settings.SESSION_COOKIE_NAME].value)
"""

_TOKEN: Final = "0123456789abcdefghijklmnopqrstuv"


def check_good(web: WebGroup, key: str, session: str, cell: str = "") -> None:
    """Every door serves; where the machine is crowded it may have to be asked again, as the answer says."""
    until = time.monotonic() + START_SECONDS
    found = answers(web, key, session, cell)
    while any(answer.status == 503 for answer in found.values()) and time.monotonic() < until:
        found = answers(web, key, session, cell)
    assert {door: answer.status for door, answer in found.items()} == GOOD, found


def bet(web: WebGroup, player: str = "alice", **terms: str) -> Answer:
    client = game_client.Client(web.port)
    try:
        usual = {"player": player, "currency": "EUR", "round": "r-1", "game": "g-1", "amount": "1.00"}
        reply = client.post("bet", {**usual, "reference": scenario.fresh(), **terms})
    finally:
        client.connection.close()
    return Answer.of(reply.status, reply.headers.items(), reply.body)


def cookie(name: str, cell: str) -> str:
    """What a cookie is called; a cell's are its own."""
    return f"{name}_{cell}" if cell else name


def log_in(web: WebGroup, name: str, password: str, cell: str = "") -> Answer:
    form = f"csrfmiddlewaretoken={_TOKEN}&username={name}&password={password.replace(' ', '+')}&next=/admin/"
    kind = "application/x-www-form-urlencoded"
    return web.ask("POST", "/admin/login/", form, Cookie=f"{cookie('csrftoken', cell)}={_TOKEN}", Content_Type=kind)


def answers(web: WebGroup, key: str, session: str, cell: str = "") -> dict[str, Answer]:
    """One call at each door; ``key`` of a back end, ``session`` of an operator."""
    locks, kind, own = '{"locks": {"deposit": false}}', "application/json", f"Api-Key {key}"
    return {
        "bet": bet(web),
        "read": web.ask("GET", "/api/v1/players/alice/wallets/EUR", Authorization=own),
        "write": web.ask("PATCH", "/api/v1/players/alice", locks, Authorization=own, Content_Type=kind),
        "page": web.ask("GET", "/admin/wallet/player/", Cookie=f"{cookie('sessionid', cell)}={session}"),
        "log in": log_in(web, "sue", PASSWORD, cell),
    }
