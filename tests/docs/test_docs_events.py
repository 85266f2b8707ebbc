"""docs/events.md: its examples are real events, its schemas those of the shapes, and its verifier verifies."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest
from django.utils import timezone

from casino_pam import delivery
from casino_pam.engine import accounts, outbox
from casino_pam.local.os_support import PROJECT
from tests import bonus_scenario, scenario
from tests.limit_scenario import forget, limit
from wallet.models import Delivery, Endpoint

PAGE = (PROJECT / "docs" / "events.md").read_text()
SCHEMA = PROJECT / "docs" / "events.schema.json"


@pytest.fixture
def events(books: None) -> dict[str, dict[str, Any]]:
    """One event of each kind, with ids and instants that do not differ from run to run."""
    scenario.catalogue()
    scenario.alice("100.00")
    endpoint = Endpoint(code="crm", url="https://crm.example/events")
    endpoint.renew()
    endpoint.save()
    bonus_scenario.gift("5.00", multiplier=10)
    bonus_scenario.forfeit(bonus_scenario.grant(who="alice").bonus.id, "alice")
    bonus_scenario.gift("5.00", multiplier=0, code="present")
    bonus_scenario.grant("present", who="alice")
    for reference, end in (("w-1", scenario.settle), ("w-2", scenario.release)):
        scenario.hold(reference=reference, amount="10.00")
        end(reference)
    forget()
    limit("alice", stake_day="10.00")
    scenario.bet(amount="11.00")
    accounts.exclude("alice", timezone.now() + timedelta(days=3))
    accounts.change("alice", excluded_until=None)
    rows = Delivery.objects.order_by("position", "id")
    return {row.kind: json.loads(row.body) for row in reversed(rows)}


def still(event: dict[str, Any]) -> dict[str, Any]:
    """The event as any run makes it."""
    text = json.dumps(event, indent=1)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "019a3f0e-7d2b-7c41-9b6e-2f0d8a51c3e4", text)
    if event["type"].startswith("player."):
        text = re.sub(r'"at": "[^"]+"', '"at": "2026-09-21T14:13:20.000000Z"', text)
        text = re.sub(r'"until": "[^"]+"', '"until": "2026-09-24T14:13:20.000000Z"', text)
    found: dict[str, Any] = json.loads(text)
    return found


def section(events: dict[str, dict[str, Any]]) -> str:
    """What the page says of each event."""
    parts = []
    for shape in get_args(outbox.AnyEvent):
        kind = shape.__struct_config__.tag
        parts.append(f"### {kind}\n\n{shape.__doc__}\n\n```json\n{json.dumps(still(events[kind]), indent=1)}\n```\n")
    return "\n".join(parts)


def test_the_page_shows_each_event_as_it_is_sent(events: dict[str, dict[str, Any]]):
    assert PAGE.partition("## Each event\n")[2].partition("\n\n### ")[2] == section(events).removeprefix("### ")


def test_the_schema_beside_the_page_is_that_of_the_shapes():
    assert json.loads(SCHEMA.read_text()) == msgspec.json.schema(outbox.AnyEvent)


def test_the_verifier_of_the_page_believes_us_and_nobody_else():
    found: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], found)  # noqa: S102
    is_ours, body = found["is_ours"], b'{"type": "player.excluded"}'
    headers = {name.lower(): value for name, value in delivery.signed("crm", b"secret", "/events", body).items()}
    assert is_ours("secret", "/events", headers, body)
    assert not is_ours("secret", "/events", headers, body + b" ")
    assert not is_ours("secret", "/other", headers, body)
    assert not is_ours("another", "/events", headers, body)
    assert not is_ours("secret", "/events", headers | {"x-timestamp": "1"}, body)
    assert not is_ours("secret", "/events", {}, body)


def test_every_kind_is_in_the_table_of_the_page():
    table = PAGE.partition("## Set up")[0]
    for shape in get_args(outbox.AnyEvent):
        head, _, tail = shape.__struct_config__.tag.partition(".")
        assert f"`{head}.{tail}`" in table or f"`.{tail}`" in table
