"""The text of a row, which is digested and written, whatever its values hold."""

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
SPECIAL = ("null", ",null", "true", "a,b", '"', '""', "\\", "(a)", "{}", "\x1f", "ä€𝄞", "", " ", "NULL")


def spelled_out(row: Row) -> str:
    values = {None: "", True: "true", False: "false"}
    return "\n".join(
        value if isinstance(value, str) else str(value) if type(value) is int else values[value]
        for value in msgspec.structs.astuple(row)
    )


def row(**columns: Any) -> Row:
    return Row(**{"id": "i", "command": "c", "wallet": 1, "version": 1, "kind": "BET", "status": "POSTED"} | columns)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    source=TEXTS, reference=TEXTS | st.sampled_from(SPECIAL), game=st.none() | TEXTS, amount=NUMBERS, late=st.booleans()
)
def test_the_canonical_text_of_any_row_is_its_values_one_a_line(**columns: Any) -> None:
    drawn = row(**columns)
    assert ledger.canonical(drawn) == spelled_out(drawn)


@pytest.mark.parametrize("text", SPECIAL)
def test_a_text_that_looks_like_a_separator_stays_one_value(text: str) -> None:
    for drawn in (row(source="s", reference=text, round=text, reason=text), row(source=text, reference="r")):
        assert ledger.canonical(drawn) == spelled_out(drawn)
