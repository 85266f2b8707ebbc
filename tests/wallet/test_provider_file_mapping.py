"""A provider's own report: what a mapping makes of its lines, and what is wrong with it is said."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.wallet import report_history
from tests.wallet.sample_provider_files import DAY, compared, honest
from wallet.models import Provider
from wallet.provider_file import NotAFile
from wallet.provider_file.lines import Line, read
from wallet.provider_file.mapping import SHOWN, Opened, WrongMapping, first_lines, read_mapping

DIGITS = {"EUR": 2, "JPY": 0, "BTC": 8}
# A report as one family might write it: semicolons, a decimal comma, local time, words of its own, stakes negative.
COLUMNS = {
    "reference": "txId",
    "kind": "Type",
    "player": "User",
    "amount": "Amount",
    "time": "Created",
    "round": "Round",
}
MAPPING: dict[str, Any] = {
    "columns": COLUMNS,
    "constants": {"currency": "EUR"},
    "kinds": {"DEBIT": "bet", "CREDIT": "win", "CANCEL": "rollback", "LOGIN": ""},
    "delimiter": ";",
    "decimal_comma": True,
    "signed": True,
    "time_format": "%d.%m.%Y %H:%M:%S",
    "time_zone": "Europe/Malta",
}
HEADER = "Created;txId;Type;User;Amount;Round;Fee"
SUMMER = "01.07.2026 01:30:00;t-1;DEBIT;anna;-10,50;r-1;0"


def lines(text: str, **changes: Any) -> list[Line]:
    mapping = read_mapping({**MAPPING, **changes})
    assert mapping is not None
    opened = Opened(mapping, {"mBTC": "BTC"}, DIGITS)
    return list(read(io.BytesIO(text.encode()), DIGITS, scoped=False, opened=opened))


def line(text: str, header: str = HEADER, **changes: Any) -> Line:
    (found,) = lines(f"{header}\n{text}\n", **changes)
    return found


def test_a_line_is_read_by_columns_words_units_and_local_time():
    assert line(SUMMER) == Line(
        2, "t-1", "BET", "anna", "EUR", "r-1", None, 1050, datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    )


def test_winter_is_an_hour_nearer():
    assert line(SUMMER.replace("01.07", "01.01")).time == datetime(2026, 1, 1, 0, 30, tzinfo=UTC)


def test_lines_of_no_interest_are_passed_over_and_keep_their_numbers():
    found = lines(f"{HEADER}\n{SUMMER.replace('DEBIT', 'LOGIN')}\n{SUMMER}\n")
    assert [each.number for each in found] == [3]


def test_a_header_may_be_quoted_and_begin_with_a_bom():
    header = "\ufeff" + ";".join(f'"{name}"' for name in HEADER.split(";"))
    assert line(SUMMER, header).amount == 1050


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_cells_stand_between_any_of_four(delimiter: str):
    text = SUMMER.replace(";", delimiter).replace("-10,50", "-10.50")
    assert line(text, HEADER.replace(";", delimiter), delimiter=delimiter, decimal_comma=False).amount == 1050


@pytest.mark.parametrize(
    ("unit", "amount", "minor"),
    [
        ("main", "10,5", 1050),
        ("minor", "1050", 1050),
        (100_000, "1050000", 1050),
        (1000, "10500", 1050),
        ("main", "1E1", 1000),
    ],
)
def test_amounts_come_in_any_unit_and_exactly(unit: Any, amount: str, minor: int):
    assert line(SUMMER.replace("-10,50", amount), unit=unit).amount == minor


@pytest.mark.parametrize(
    ("form", "text", "instant"),
    [
        ("iso", "2026-07-01T01:30:00", datetime(2026, 6, 30, 23, 30, tzinfo=UTC)),
        ("iso", "2026-07-01T01:30:00+05:00", datetime(2026, 6, 30, 20, 30, tzinfo=UTC)),
        ("iso", "2026-07-01 01:30:00.123456Z", datetime(2026, 7, 1, 1, 30, 0, 123456, tzinfo=UTC)),
        ("unix", "1782869400", datetime(2026, 7, 1, 1, 30, tzinfo=UTC)),
        ("unix_ms", "1782869400123", datetime(2026, 7, 1, 1, 30, 0, 123000, tzinfo=UTC)),
        ("%m/%d/%Y %I:%M:%S %p %z", "07/01/2026 01:30:00 AM +0200", datetime(2026, 6, 30, 23, 30, tzinfo=UTC)),
    ],
)
def test_times_come_in_any_form(form: str, text: str, instant: datetime):
    assert line(SUMMER.replace("01.07.2026 01:30:00", text), time_format=form).time == instant


def test_their_name_of_a_currency_is_ours():
    found = line(SUMMER.replace("-10,50", "-1,5"), constants={"currency": "mBTC"})
    assert (found.currency, found.amount) == ("BTC", 150_000_000)


@pytest.mark.parametrize(
    ("old", "new", "changes", "wrong"),
    [
        ("DEBIT", "REFUND", {}, "kind 'REFUND' is none of"),
        ("-10,50", "ten", {}, "is no number"),
        ("-10,50", "NaN", {}, "is no amount"),
        ("-10,50", "1E40", {}, "is no amount"),
        ("-10,50", "10,505", {}, "finer than the currency"),
        ("-10,50", "1050001", {"unit": 100_000}, "finer than the currency"),
        ("DEBIT;anna;-10,50", "CREDIT;anna;-10,50", {}, "is no amount"),
        ("-10,50", "-10,50", {"signed": False}, "is no amount"),
        ("01.07.2026", "2026-07-01", {}, "is not of the form"),
        ("01.07.2026 01:30:00", "1e9", {"time_format": "unix"}, "is not of the form"),
        (";r-1", "", {}, "has 6 fields, not 7"),
        ("anna", "ä", {}, "player must be"),
        ("t-1", "", {}, "reference must be"),
        ("t-1", '"t', {}, "quotation mark"),
        ("", "", {"constants": {"currency": "XXX"}}, "currency is none of this house"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(old: str, new: str, changes: dict[str, Any], wrong: str):
    found = line(SUMMER.replace(old, new), **changes)
    assert found.wrong is not None
    assert wrong in found.wrong


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (HEADER.replace("txId", "id"), "'txId', which is our reference, is not there"),
        (HEADER.replace("Fee", "User"), "'User', which is our player, stands twice"),
        ('"a', "quotation mark"),
    ],
)
def test_a_file_of_another_report_is_none(header: str, told: str):
    with pytest.raises(NotAFile, match=told):
        lines(f"{header}\n{SUMMER}\n")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"columns": []}, "object"),
        ({"columns": {**COLUMNS, "moon": "x"}}, "moon"),
        ({"columns": {"reference": "a"}}, "nothing says where kind is"),
        ({"constants": {}}, "nothing says where currency is"),
        ({"kinds": {"DEBIT": "stake"}}, "stake"),
        ({"delimiter": ":"}, "delimiter"),
        ({"unit": 0}, "unit"),
        ({"unit": 10**10}, "unit"),
        ({"unit": "euro"}, "unit"),
        ({"time_zone": "Mars"}, "Mars"),
        ({"time_zone": "../etc/passwd"}, "time zone"),
        ({"time_format": "%d.%m.%Y"}, "to the second"),
        ({"time_format": "%Q"}, "to the second"),
        ({"colums": {}}, "colums"),
    ],
)
def test_what_cannot_be_a_mapping_says_why(changes: dict[str, Any], told: str):
    with pytest.raises(WrongMapping, match=told):
        read_mapping({**MAPPING, **changes})


def test_no_mapping_is_none():
    assert read_mapping({}) is None


def test_the_first_lines_are_shown_as_they_will_be_read_and_have_a_name():
    mapping = read_mapping(MAPPING)
    assert mapping is not None
    opened = Opened(mapping, {}, DIGITS)
    file = io.BytesIO("\n".join([HEADER, *[SUMMER] * 20]).encode())
    shown, seen = first_lines(file, DIGITS, scoped=False, opened=opened)
    assert (len(shown), shown[0], file.tell()) == (SHOWN, line(SUMMER), 0)
    other = Opened(read_mapping({**MAPPING, "time_zone": "UTC"}), {}, DIGITS)  # type: ignore[arg-type]
    assert first_lines(file, DIGITS, scoped=False, opened=other)[1] != seen


def as_theirs(ours: dict[str, str]) -> str:
    """One of our lines as the report has it: minor units, unix time."""
    at = datetime.fromisoformat(ours["time"])
    millis = int(at.timestamp() * 1000)
    minor = round(float(ours["amount"]) * 10 ** DIGITS[ours["currency"]])
    word = {"bet": "D", "win": "C", "rollback": "X"}[ours["kind"]]
    return f"{ours['reference']}|{word}|{ours['player']}|{ours['currency']}|{minor}|{millis}|{ours['round']}"


def test_a_report_by_its_mapping_agrees_as_the_file_itself_does(books: None):
    report_history.history()
    columns = {name: name for name in ("reference", "kind", "player", "currency", "amount", "time", "round")}
    Provider.objects.filter(code="acme").update(
        file_mapping={
            "columns": columns,
            "kinds": {"D": "bet", "C": "win", "X": "rollback"},
            "delimiter": "|",
            "unit": "minor",
            "time_format": "unix_ms",
        }
    )
    theirs = [each for each in honest() if each["currency"] in DIGITS]
    header = "reference|kind|player|currency|amount|time|round"
    file = "\n".join([header, *map(as_theirs, theirs)]).encode()
    outcome, differences = compared(file, DAY)
    assert outcome.lines == len(theirs) > 3
    assert [each.what for each in differences if each.line is not None] == []
    with pytest.raises(NotAFile):
        compared(b"reference,kind,player,currency,round,game,amount,time\n", DAY)
