"""Field shapes: the right value, or a sentence that says what would have been right."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from casino_pam.api import fields
from wallet.errors import InvalidField

SOURCES = ("game", "jackpot")

read_amount = partial(fields.amount, digits=2)
read_source = partial(fields.choice, allowed=SOURCES)
read_limit = partial(fields.integer, least=1, most=100)
read_parts = partial(fields.parts, most=2)
Read = Callable[[dict[str, Any], str], Any]


def refusal(read: Read, body: dict[str, Any]) -> str:
    """What the door says about field ``x`` of this body."""
    with pytest.raises(InvalidField) as refused:
        read(body, "x")
    assert refused.value.code == "invalid_field"
    assert refused.value.status == 400
    assert refused.value.facts["field"] == "x"
    return str(refused.value.facts["detail"])


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (fields.text_id, "r 1", "r 1"),
        (fields.currency, "EUR", "EUR"),
        (fields.currency, "USDT_TRC20", "USDT_TRC20"),
        (fields.currency, "A" * 32, "A" * 32),
        (read_amount, "10.5", 1050),
        (read_amount, "0", 0),
        (partial(fields.signed_amount, digits=0), "-7", -7),
        (fields.amount_text, "0.000000001", "0.000000001"),
        (fields.flag, True, True),
        (fields.flag, False, False),
        (read_source, "jackpot", "jackpot"),
        (read_limit, "1", 1),
        (read_limit, "100", 100),
        (fields.instant, "2026-11-22T10:30:00Z", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        (fields.instant, "2026-11-22T10:30:00.25+00:00", datetime(2026, 11, 22, 10, 30, 0, 250_000, tzinfo=UTC)),
        (read_parts, [{}, 1], [{}, 1]),
    ],
)
def test_reads_a_field_of_the_right_shape(read: Read, value: Any, expected: Any) -> None:
    found = read({"x": value}, "x")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("read", "value", "says"),
    [
        (fields.text_id, 5, "x must be a string, not a number"),
        (fields.text_id, None, "x must be a string, not null"),
        (fields.text_id, "", "x must be 1 to 128 printable ASCII characters without a space at either end"),
        (fields.text_id, " a", "x must be 1 to 128 printable ASCII characters without a space at either end"),
        (fields.currency, ["EUR"], 'x must be a string such as "EUR", not an array'),
        (read_amount, 10, 'x must be a string such as "10.00", not a number'),
        (read_amount, 10.0, 'x must be a string such as "10.00", not a number'),
        (read_amount, True, 'x must be a string such as "10.00", not a boolean'),
        (read_amount, "1.001", "x must have at most 2 decimal places in this currency"),
        (read_amount, "1000000000000.01", "x must be at most 1000000000000.00"),
        (fields.amount_text, None, 'x must be a string such as "10.00", not null'),
        (fields.flag, 1, "x must be true or false, not a number"),
        (fields.flag, "true", "x must be true or false, not a string"),
        (fields.flag, None, "x must be true or false, not null"),
        (read_source, "Game", 'x must be one of "game", "jackpot"'),
        (read_source, {}, 'x must be one of "game", "jackpot", not an object'),
        (partial(read_source, default="game"), None, 'x must be one of "game", "jackpot", not null'),
        (read_parts, {}, "x must be an array of objects, not an object"),
        (read_parts, [], "x must hold 1 to 2 objects"),
        (read_parts, [1, 2, 3], "x must hold 1 to 2 objects"),
    ],
)
def test_says_what_would_have_been_right(read: Read, value: Any, says: str) -> None:
    assert refusal(read, {"x": value}) == says


@pytest.mark.parametrize(
    "code", ["", "EU", "A" * 33, "eur", "EUr", "EUR ", " EUR", "EUR\n", "1EU", "_EU", "E-R", "ÉUR"]
)
def test_never_mends_a_currency_silently(code: str) -> None:
    assert refusal(fields.currency, {"x": code}).startswith("x must be 3 to 32 capital letters")


@pytest.mark.parametrize("text", ["-1", "1_0", "\u0661", " 7", "01", "1e3", "", "+5"])
def test_refuses_what_is_not_a_plain_amount(text: str) -> None:
    for read in (fields.amount_text, read_amount):
        assert refusal(read, {"x": text}).startswith("x must be a plain decimal number")


@pytest.mark.parametrize("text", ["", "0", "101", "1_0", "01", "+1", " 1", "1\n", "1.0", "\u0661", "9" * 5000])
def test_refuses_a_number_out_of_bounds_or_shape(text: str) -> None:
    assert refusal(read_limit, {"x": text}) == "x must be a whole number from 1 to 100"


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-11-22", "2026-11-22T10:30Z", "2026-11-22T10:30:00", "2026-11-22 10:30:00Z",
        "2026-11-22T10:30:00z", "2026-11-22T10:30:00.Z", "2026-11-22T10:30:00 01:00", "2026-11-22T10:30:00+1:00",
        "2026-11-22T10:30:00+24:00", "2026-11-22T10:30:00+01:60", "2026-11-22T10:30:00+01:00:00",
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
        "2026-11-22T10:30:00.1234567Z", "20261122T103000Z", "2026-W47-7T10:30:00Z",
        "2026-02-30T10:30:00Z", "2026-11-22T24:00:00Z", "2026-11-22T23:59:60Z", "0000-01-01T00:00:00Z",
        "2026-11-22T10:30:00Z\n", "\u0662026-11-22T10:30:00Z",
    ],
)  # fmt: skip
def test_refuses_what_is_no_moment_with_its_offset(text: str) -> None:
    assert "2026-11-22T10:30:00Z" in refusal(fields.instant, {"x": text})


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:30:00Z", "2026-11-22T10:30:00+00:00", "2026-11-22T10:30:00-00:00", "2026-11-22T12:30:00+02:00",
        "2026-11-22T12:30:00+0200", "2026-11-22T12:30:00+02", "2026-11-22T05:00:00-05:30", "2026-11-23T00:30:00+14:00",
    ],
)  # fmt: skip
def test_takes_a_moment_with_any_offset(text: str) -> None:
    assert fields.instant({"x": text}, "x") == datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (fields.text_id, "x is missing: it must be a string"),
        (fields.currency, 'x is missing: it must be a string such as "EUR"'),
        (read_amount, 'x is missing: it must be a string such as "10.00"'),
        (read_source, 'x is missing: it must be one of "game", "jackpot"'),
        (read_parts, "x is missing: it must be an array of objects"),
    ],
)
def test_names_a_missing_field(read: Read, says: str) -> None:
    assert refusal(read, {"y": 1}) == says


def test_an_optional_field_may_be_absent_but_not_null() -> None:
    assert fields.optional(fields.text_id, {}, "bet") is None
    assert fields.optional(fields.text_id, {"bet": "r-1"}, "bet") == "r-1"
    assert fields.optional(fields.amount, {"bet": "5"}, "bet", 2) == 500
    assert refusal(partial(fields.optional, fields.text_id), {"x": None}) == "x may be left out, but not null"
    assert refusal(partial(fields.optional, fields.text_id), {"x": 1}) == "x must be a string, not a number"


def test_a_flag_and_a_choice_have_their_defaults() -> None:
    assert fields.flag({}, "end_round") is False
    assert fields.choice({}, "source", SOURCES, "game") == "game"


def test_a_part_is_an_object_read_in_its_place() -> None:
    assert fields.part({"op": "bet"}, "operations[0]") == {"op": "bet"}
    with pytest.raises(InvalidField) as refused:
        fields.part("bet", "operations[1]")
    assert refused.value.facts == {
        "field": "operations[1]",
        "detail": "operations[1] must be an object, not a string",
    }


def test_a_field_of_a_part_is_named_with_its_place() -> None:
    inner = InvalidField("amount", "is missing")
    assert inner.inside("operations[1]").facts == {
        "field": "operations[1].amount",
        "detail": "operations[1].amount is missing",
    }
