"""Bodies are read in one go or field by field, and both come to the same: a command, or the same refusal."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casino_pam.api import strict_json
from casino_pam.api.game.dialects import door as protocol
from casino_pam.api.game.dialects.door import Reader
from tests.api.game.test_game_fields import AMOUNTS, CURRENCIES, FLAGS, GOOD, MISSING, NAMES, ORIGINAL_KINDS, SOURCES
from wallet.errors import Refused

READERS = {
    "balance": Reader.balance,
    "bet": Reader.bet,
    "win": Reader.win,
    "rollback": Reader.rollback,
    "end-round": Reader.end_round,
    "transaction": Reader.find,
}
VALUES: dict[str, list[Any]] = {
    **dict.fromkeys(("player", "reference", "round", "game", "bet", "original"), NAMES),
    "currency": [*CURRENCIES, "JPY", "XXX"],
    "amount": [*AMOUNTS, "1:0", "5"],
    "end_round": [*FLAGS, True, False, MISSING],
    "source": [*SOURCES, "jackpot", "promo", MISSING],
    "original_kind": [*ORIGINAL_KINDS, "win", MISSING],
    "kind": ["win", "end_round", "end-round", "a:b"],
    "note": ["x", {"a": [":"]}, None],
}

CHANGES = st.lists(
    st.sampled_from(list(VALUES)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(VALUES[name]))),
    max_size=3,
).map(dict)
both = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**body, **changes}.items() if value is not MISSING}


def outcome(read: Any, body: bytes, *, per_player: bool) -> Any:
    """The commands, or each refusal as what it says."""
    reader = Reader("acme", {"EUR": 2, "JPY": 0}, per_player=per_player, at=1, deadline=2.0, secrets_version=3)
    try:
        found = read(reader, body)
    except Refused as refusal:
        return refusal.code, refusal.facts
    if isinstance(found, list):
        return [(each.code, each.facts) if isinstance(each, Refused) else each for each in found]
    return found


def reads_alike(read: Any, value: dict[str, Any], *, spaced: bool, per_player: bool) -> None:
    body = json.dumps(value, separators=None if spaced else (",", ":"), ensure_ascii=False).encode()
    at_once = outcome(read, body, per_player=per_player)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "decode", lambda decoder, body: None)
        patch.setattr(strict_json, "convert", lambda value, shape: None)
        assert at_once == outcome(read, body, per_player=per_player)


@pytest.mark.parametrize("call", READERS)
def test_reads_a_body_at_once_as_it_does_field_by_field(call: str) -> None:
    @both
    @given(CHANGES, st.booleans(), st.booleans())
    def alike(changes: dict[str, Any], spaced: bool, per_player: bool) -> None:
        reads_alike(READERS[call], changed(GOOD[call], changes), spaced=spaced, per_player=per_player)

    alike()


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(list(protocol.PLAYS)), CHANGES).map(
        lambda pair: changed({**GOOD[pair[0]], "op": pair[0]}, pair[1])
    ),
    min_size=1,
    max_size=4,
)


@both
@given(OPERATIONS, CHANGES, st.booleans(), st.booleans())
def test_reads_a_list_at_once_as_it_does_field_by_field(
    operations: list[dict[str, Any]], changes: dict[str, Any], spaced: bool, per_player: bool
) -> None:
    bulk = {"operations": operations}
    reads_alike(Reader.bulk, bulk, spaced=spaced, per_player=per_player)
    batch = {**changed({"player": "alice", "currency": "EUR"}, changes), **bulk}
    reads_alike(Reader.batch, batch, spaced=spaced, per_player=per_player)


@pytest.mark.parametrize("call", READERS)
def test_reads_every_usual_body_at_once(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> Any:
        raise AssertionError("looked at twice")

    monkeypatch.setattr(strict_json, "parse", slow)
    for body in (GOOD[call], {**GOOD[call], "player": "a:b c"}):
        assert outcome(READERS[call], json.dumps(body).encode(), per_player=True)
    operations = [{"op": call, **GOOD[call], **GOOD["balance"]}]
    if call in protocol.PLAYS:
        assert outcome(Reader.bulk, msgspec.json.encode({"operations": operations}), per_player=True)
