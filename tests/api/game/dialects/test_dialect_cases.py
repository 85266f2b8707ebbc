"""The cases given with the contract, each against the door, and the ledger after it."""

from __future__ import annotations

import json
import re
import time
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from tests import scenario
from tests.api.game.dialects.dialect_scenario import CASES, SIX, Partner
from tests.game_client import Door
from wallet import money
from wallet.models import GameSession, Transaction, Wallet

_names = re.compile(r"\{(\w+)(!uuid)?\}")


class Case:
    """One case as it is played: what its names stand for, and what was saved of answers."""

    def __init__(self, partner: Partner, case: dict[str, Any]) -> None:
        self.partner, self.case = partner, case
        self.player = scenario.fresh(case["id"].lower())
        self.saved: dict[str, Any] = {}
        partner.player(self.player, case["setup"].get("balance", "100.00"))
        self.values = {"player": self.player, "currency": "EUR", "session": partner.session(self.player)}

    def filled(self, value: Any) -> Any:
        """With the names replaced: the same value within a case, fresh in each."""
        if isinstance(value, dict):
            if set(value) == {"$raw"}:
                return msgspec.Raw(value["$raw"].encode())
            return {name: self.filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        return _names.sub(self._value, value) if isinstance(value, str) else value

    def _value(self, found: re.Match[str]) -> str:
        name, as_uuid = found.groups()
        fresh = str(uuid.uuid4()) if as_uuid else scenario.fresh(name)
        return self.values.setdefault(found[0] if as_uuid else name, fresh)

    def play(self) -> None:
        for place, step in enumerate(self.case["steps"]):
            where = f"{self.case['id']} step {place}"
            if "do" in step:
                self.act(step)
                continue
            more = {name: step[name] for name in ("sign",) if name in step}
            query = self.filled(step["query"]) if "query" in step else None
            fields = self.filled(step.get("body", {}))
            at = time.time() + step.get("skew", 0)
            reply = self.partner.call(step["call"], fields, query=query, at=at, **more)
            assert reply.status == step["expect"]["status"], (where, reply)
            body = json.loads(reply.body, parse_float=Decimal)
            self.matches(self.filled(step["expect"]["body"]), body, where)
            self.check_ledger(step.get("ledger", {}), where)

    def act(self, step: dict[str, Any]) -> None:
        if step["do"] == "deposit":
            scenario.deposit(self.player, amount=scenario.eur(step["amount"]))
        else:
            assert step["do"] == "expire"
            ago = timezone.now() - timedelta(seconds=1)
            GameSession.objects.filter(pk=self.values["session"]).update(expires_at=ago)

    def matches(self, wanted: Any, found: Any, where: str) -> None:
        """Fail unless what was found has all that is wanted."""
        if isinstance(wanted, list):
            assert len(wanted) == len(found), (where, found)
            for one, other in zip(wanted, found, strict=True):
                self.matches(one, other, where)
        elif not isinstance(wanted, dict):
            assert wanted == found and type(wanted) is type(found), (where, wanted, found)
        elif any(name.startswith("$") for name in wanted):
            ((rule, value),) = wanted.items()
            assert self.follows(rule, value, found), (where, wanted, found)
        else:
            for name, each in wanted.items():
                if isinstance(each, dict) and "$absent" in each:
                    assert name not in found, (where, found)
                else:
                    assert name in found, (where, name, found)
                    self.matches(each, found[name], where)

    def follows(self, rule: str, value: Any, found: Any) -> bool:
        if rule == "$num":
            return type(found) in (int, Decimal) and Decimal(value) == found
        if rule == "$text":
            return isinstance(found, str) and found != ""
        if rule == "$save":
            self.saved[value] = found
            return True
        if rule == "$in":
            return any(
                self.follows("$num", each["$num"], found) if isinstance(each, dict) else each == found for each in value
            )
        return (self.saved[value] == found) is (rule == "$eq")

    def check_ledger(self, wanted: dict[str, Any], where: str) -> None:
        wallet = Wallet.objects.get(player__code=self.player, currency="EUR")
        if "cash" in wanted:
            assert money.show(wallet.cash, 2) == wanted["cash"], where
        if "rows" in wanted:
            rows = wanted["rows"]
            of_kind = Transaction.objects.filter(
                wallet=wallet, kind=rows["kind"].upper(), status=rows["status"].upper()
            )
            assert of_kind.count() == rows["count"], where


@pytest.mark.parametrize("dialect", SIX)
def test_answers_every_given_case_of(dialect: str, books: None) -> None:
    scenario.catalogue()
    cases = [case for case in CASES if case["dialect"] == dialect]
    assert len(cases) >= 8
    with Door() as door:
        partner = Partner(door, dialect)
        for case in cases:
            Case(partner, case).play()
