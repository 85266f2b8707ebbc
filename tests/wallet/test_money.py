"""Amounts at the edges: exact both ways, and a refusal that says what is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.money import MAX_AMOUNT, MAX_BALANCE, InvalidAmount, is_reference, parse, parse_signed, show

DIGITS = st.integers(0, 8)


@pytest.mark.parametrize(
    ("text", "digits", "minor"),
    [
        ("0", 2, 0),
        ("0.00", 2, 0),
        ("10.00", 2, 1000),
        ("10.0", 2, 1000),
        ("10", 2, 1000),
        ("0.01", 2, 1),
        ("0.10", 2, 10),
        ("500", 0, 500),
        ("1.005", 3, 1005),
        ("0.00000001", 8, 1),
        ("1000000.00000000", 8, MAX_AMOUNT),
        ("1000000000000.00", 2, MAX_AMOUNT),
        ("100000000000000", 0, MAX_AMOUNT),
        ("0.000000000000000001", 18, 1),
    ],
)
def test_reads_minor_units(text: str, digits: int, minor: int) -> None:
    assert parse(text, digits) == minor


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "-", "+1", "-1", "--1", "1.", ".5", "01", "00", "00.1", "1.2.3", "1,00",
        "1_0", " 7", "7 ", "7\n", "\n7", "1e3", "1E+1000000", "0x1", "NaN", "inf", "Infinity",
        "\u0661\u0662", "1\u066b5", "\uff11", "1\u00a0000", "1\x00", "\ud800", "½",
    ],
)  # fmt: skip
def test_refuses_every_other_shape(text: str) -> None:
    with pytest.raises(InvalidAmount, match="plain decimal number"):
        parse(text, 2)


@pytest.mark.parametrize(
    ("text", "digits", "says"),
    [
        ("5.00", 0, "whole number"),
        ("5.0", 0, "whole number"),
        ("1.000", 2, "at most 2 decimal places"),
        ("1.001", 2, "at most 2 decimal places"),
        ("1.00", 1, "at most 1 decimal place in"),
        ("0." + "0" * 60_000, 2, "at most 2 decimal places"),
    ],
)
def test_never_rounds_a_finer_amount(text: str, digits: int, says: str) -> None:
    with pytest.raises(InvalidAmount, match=says):
        parse(text, digits)


@pytest.mark.parametrize(
    ("text", "digits", "limit"),
    [
        ("1000000000000.01", 2, "1000000000000.00"),
        ("100000000000001", 0, "100000000000000"),
        ("1000000.00000001", 8, "1000000.00000000"),
        ("9" * 60_000, 2, "1000000000000.00"),
    ],
)
def test_says_the_largest_amount_there_is(text: str, digits: int, limit: str) -> None:
    with pytest.raises(InvalidAmount, match=f"at most {limit}$"):
        parse(text, digits)


@pytest.mark.parametrize(
    ("minor", "digits", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (0, 8, "0.00000000"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (-1, 0, "-1"),
        (99, 2, "0.99"),
        (100, 2, "1.00"),
        (-123456, 3, "-123.456"),
        (MAX_BALANCE, 2, "1000000000000000.00"),
    ],
)
def test_shows_exactly_the_digits_of_the_currency(minor: int, digits: int, text: str) -> None:
    assert show(minor, digits) == text


@given(st.integers(0, MAX_AMOUNT), DIGITS)
def test_reads_back_what_it_shows(minor: int, digits: int) -> None:
    assert parse(show(minor, digits), digits) == minor


@given(st.integers(-MAX_AMOUNT, MAX_AMOUNT), DIGITS)
def test_reads_back_a_signed_amount(minor: int, digits: int) -> None:
    assert parse_signed(show(minor, digits), digits) == minor


@given(st.from_regex(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?", fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_reads_the_value_whatever_the_trailing_zeros(text: str) -> None:
    assert parse(text, 3) == parse(show(parse(text, 3), 3), 3) == round(float(text) * 1000)


@given(st.text(max_size=20), DIGITS)
def test_answers_any_text_with_an_amount_or_a_refusal(text: str, digits: int) -> None:
    try:
        minor = parse(text, digits)
    except InvalidAmount:
        return
    assert show(minor, digits).startswith(text)


@pytest.mark.parametrize("text", ["--1", "-", "+1", "- 1", "-.5", "\u22121"])
def test_takes_one_ascii_minus_before_an_adjustment_and_nothing_else(text: str) -> None:
    with pytest.raises(InvalidAmount, match="plain decimal number"):
        parse_signed(text, 2)


@pytest.mark.parametrize("text", ["a", "r-1", "a b", "~", "!", "x" * 128, "a" + " " * 126 + "b", '"\\{}'])
def test_accepts_printable_ascii_as_a_reference(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", " a", "a ", "x" * 129, "a\n", "\na", "a\x00", "a\x1fb", "a\x7f", "é", "a\u00a0b", "\ud800", "\u0661"],
)
def test_refuses_any_other_reference(text: str) -> None:
    assert not is_reference(text)
