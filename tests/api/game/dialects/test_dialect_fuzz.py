"""Whatever a provider signs, and whatever anybody sends: an answer of its dialect, no fault of ours, books in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casino_pam.api.game.dialects import DIALECTS
from casino_pam.provider_side import Call, php_query
from tests.api.game.dialects.dialect_scenario import SAYS, SIX, TRY_AGAIN, Partner, word
from tests.api.game.dialects.test_dialect_shapes import form_call, resigned
from tests.game_client import Door

# The database goes on from one example to the next, as the door's would.
for_every_example = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

WORDS = ["anna", "EUR", "JPY", "b-1", "w-1", "bet", "win", "refund", "rollback", "0", "1.00", "-1.00", "1e9", "r-1"]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=150), st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), max_size=2), st.dictionaries(st.sampled_from(WORDS), st.none(), max_size=1),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=0, max_value=50).map(str),
)  # fmt: skip
KINDS = ("balance", "bet", "win", "undo")


def is_no_fault_of_ours(partner: Partner, call: Call) -> None:
    reply = partner.send(call)
    if partner.dialect in ("slotegrator", "hub88"):
        # One word for all that is wrong, but no other status and no sentence of a fault.
        assert reply.status == 200 and b"our side" not in reply.body, (call, reply)
    else:
        assert word(partner.dialect, reply) not in (TRY_AGAIN[partner.dialect], "500"), (call, reply)


@pytest.mark.parametrize("dialect", SIX)
def test_answers_any_fields_that_are_signed(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    session = partner.player(cash="1000.00")
    said = {"reference": "b-1", "amount": "1.00", "round": "r-1", "original": "b-1", "bet": "b-1", "currency": "EUR"}
    wholes = [SAYS[dialect](kind, "anna", session, dict(said)) for kind in KINDS]
    fields = sorted(
        {name for _, whole in wholes for name in whole} | {"finished", "is_free", "promoWinReference", "token"}
    )
    names = [f"/{name.decode()}" for name in DIALECTS[dialect].calls]
    changes = st.dictionaries(st.sampled_from(fields), VALUES, max_size=3)

    @for_every_example
    @given(st.sampled_from(wholes), changes, st.one_of(st.none(), st.sampled_from(names)))
    def answers(whole: tuple[str, dict[str, Any]], changed: dict[str, Any], other: str | None) -> None:
        """The right fields but for a few, mostly on the right path."""
        own, fields = whole
        if dialect in ("beexar", "hub88", "evolution") or (dialect == "swipegames" and own != "/balance"):
            body = json.dumps({**fields, **changed}, default=lambda raw: float(bytes(raw))).encode()
            call = resigned(partner, body, partner.written(own, {}))
        elif dialect == "swipegames":
            call = partner.written(own, query={name: str(value) for name, value in {**fields, **changed}.items()})
        else:
            merged = {**fields, **changed}
            call = form_call(
                partner, [(name, str(value).encode("utf-8", "replace").decode()) for name, value in merged.items()]
            )
        if other is not None and call.method == "POST":
            _, mark, query = call.path.partition("?")
            call = call._replace(path=f"/api/game/{dialect}/{dialect}{other}{mark}{query}")
        is_no_fault_of_ours(partner, call)

    answers()


@pytest.mark.parametrize("dialect", SIX)
def test_answers_any_bytes_that_are_signed(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    good = partner.asked("bet", "b-1")
    spoilt = st.builds(
        lambda at, junk: good.body[:at] + junk + good.body[at + len(junk) :],
        st.integers(0, len(good.body)),
        st.binary(max_size=20),
    )

    @for_every_example
    @given(st.one_of(st.binary(max_size=200), spoilt), st.sampled_from(sorted(DIALECTS[dialect].calls)))
    def answers(body: bytes, name: bytes) -> None:
        call = resigned(partner, body, good)
        _, mark, query = call.path.partition("?")
        call = call._replace(path=f"/api/game/{dialect}/{dialect}/{name.decode()}{mark}{query}")
        is_no_fault_of_ours(partner, call)

    answers()


@pytest.mark.parametrize("dialect", SIX)
def test_answers_whatever_anybody_sends(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    good = partner.asked("bet", "b-1")
    printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
    headers = st.dictionaries(st.sampled_from(sorted({*good.headers, "Host", "X-More"})), printable, max_size=3)

    @for_every_example
    @given(st.sampled_from(["POST", "GET", "PUT", "x"]), printable, headers, st.binary(max_size=60), st.booleans())
    def answers(method: str, tail: str, changed: dict[str, str], body: bytes, known: bool) -> None:
        path = good.path if known else f"/api/game/{dialect}/{tail.replace('?', '')}"
        call = Call(method, path, {**good.headers, **changed}, body)
        is_no_fault_of_ours(partner, call._replace(path=f"{path.partition('?')[0]}?{php_query([('x', tail)])}"))

    answers()
