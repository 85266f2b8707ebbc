"""The text of a row, which is digested and written, whatever its values hold."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallet import ledger
from wallet.state import Row

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
NUMBERS = st.integers(-(2**63), 2**63 - 1)
# What looks like the separators, the escapes and the words of the formats on the way.
SPECIAL = (
    *("null", ",null", "true", "a,b", '"', '""', "\\", "(a)", "{}", "\x1f", "ä€𝄞", "", " ", "NULL"),
    *("]", "[", "],[", "a]", "[[", ")"),
)


def spelled_out(row: Row) -> str:
    values = {None: "", True: "true", False: "false"}
    return "\n".join(
        value if isinstance(value, str) else str(value) if type(value) is int else values[value]
        for value in msgspec.structs.astuple(row)
    )


def row(**columns: Any) -> Row:
    return Row(**{"id": "i", "command": "c", "wallet": 1, "version": 1, "kind": "BET", "status": "POSTED"} | columns)


def written(*rows: Row) -> None:
    """What is digested of each of these rows, which are written together, is its values; so is what is written."""
    for drawn, line in zip(rows, ledger.lines(rows), strict=True):
        assert line.text == spelled_out(drawn)
        assert read_back(line.values) == ["" if value is None else value for value in spelled_out(drawn).split("\n")]


def read_back(values: str) -> list[str]:
    """As PostgreSQL reads a composite value inside of an array; an empty text is NULL."""
    inside = re.sub(r"\\(.)", r"\1", values, flags=re.DOTALL)
    found = re.findall(r'("(?:[^"\\]|\\.)*"|[^,"\\)]*)(?:,|$)', inside, flags=re.DOTALL)[: len(ledger.COLUMNS)]
    assert ",".join(found) == inside
    return [re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text[:1] == '"' else text for text in found]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    source=TEXTS, reference=TEXTS | st.sampled_from(SPECIAL), game=st.none() | TEXTS, amount=NUMBERS, late=st.booleans()
)
def test_the_canonical_text_of_any_row_is_its_values_one_a_line(**columns: Any) -> None:
    written(row(**columns), row(source="s", reference="r"))


@pytest.mark.parametrize("text", SPECIAL)
def test_a_text_that_looks_like_a_separator_stays_one_value(text: str) -> None:
    written(row(source="s", reference=text, round=text, reason=text))
    written(row(source=text, reference="r"), row(source="s", reference="r"))


def test_brackets_of_two_texts_side_by_side_part_no_row() -> None:
    written(row(source="s", reference="r", round="a]", game="[b"), row(source="s", reference="r"))


def test_many_plain_rows_are_written_as_each_alone() -> None:
    rows = [row(source="s", reference=f"r-{n}", round="null" if n % 2 else None) for n in range(5)]
    written(*rows)
    assert [line.text for line in ledger.lines(rows)] == [ledger.canonical(each) for each in rows]
