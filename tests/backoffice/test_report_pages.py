"""The pages of the reports: what is asked is checked, what is shown adds up, what is taken away is in the trail."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from casino_pam import spreadsheet
from casino_pam.backoffice import report_pages
from casino_pam.backoffice.report_list import REPORTS
from tests import operators, scenario
from tests.wallet import corruption, report_history
from tests.wallet.report_history import FIRST, LAST
from wallet import money
from wallet.models import AuditEntry, Player
from wallet.reports import figures
from wallet.reports.sums import snapshot

SPAN = {"since": str(FIRST), "until": str(LAST)}
ASKED: dict[str, dict[str, str]] = {
    "revenue": {**SPAN, "per": "day.source.game"},
    "bonuses": SPAN,
    "offers": {**SPAN, "per": "day"},
    "flows": SPAN,
    "trial-balance": {"day": str(LAST)},
    "open-rounds": SPAN,
    "balances": {"day": str(LAST), "holding": "any"},
}


@pytest.fixture
def finance(books: None) -> Client:
    """Fay may see reports, and nothing else."""
    report_history.history()
    return fay()


def fay() -> Client:
    operator = User.objects.create_user("fay", password=operators.PASSWORD, is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(codename="view_reports"))
    return operators.logged_in(operator)


def page(name: str) -> str:
    return reverse("backoffice:report", args=[name])


def taken(client: Client, name: str, asked: dict[str, str]) -> tuple[Any, list[list[str]]]:
    """A file: the answer, and its lines."""
    answer = client.get(reverse("backoffice:report_file", args=[name]), asked)
    assert answer.streaming, answer.content

    async def whole() -> str:
        # As a spreadsheet reads it: the mark at its beginning says that it is UTF-8.
        return b"".join([piece async for piece in answer]).decode("utf-8-sig")

    return answer, list(csv.reader(io.StringIO(async_to_sync(whole)())))


def body(answer: Any) -> str:
    return str(answer.content.decode())


def test_every_report_is_listed_and_opens_on_its_usual_question(finance: Client) -> None:
    assert set(ASKED) == set(REPORTS)
    index = body(finance.get(reverse("backoffice:reports")))
    for name, report in REPORTS.items():
        assert page(name) in index
        answer = finance.get(page(name))
        assert answer.status_code == 200, name
        assert report.about.split(".")[0].replace("'", "&#x27;") in body(answer)


@pytest.mark.parametrize("name", list(REPORTS))
def test_page_and_file_say_the_same(finance: Client, name: str) -> None:
    shown = body(finance.get(page(name), ASKED[name]))
    answer, lines = taken(finance, name, ASKED[name])
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="{name}-' in answer.headers["Content-Disposition"]
    columns = REPORTS[name].columns({"per": ASKED[name].get("per", "")})
    assert lines[0] == [column.code for column in columns]
    assert len(lines) > 1
    for line in lines[1:]:
        assert len(line) == len(columns)
        for column, cell in zip(columns, line, strict=True):
            if column.code not in ("since", "verdict") and not cell.isdigit():
                # People read thousands apart.
                read = money.grouped(cell) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", cell) else cell
                assert f">{read}<" in shown, (column, cell)


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "trial-balance"])
def test_a_day_without_anything_explains_itself(finance: Client, name: str) -> None:
    day = "2025-01-01"
    shown = body(finance.get(page(name), ASKED[name] | dict.fromkeys(SPAN, day) | {"day": day}))
    assert "Nothing to report" in shown
    assert REPORTS[name].empty in shown


def test_totals_stand_below_the_rows_one_line_for_each_currency(finance: Client) -> None:
    foot = body(finance.get(page("revenue"), ASKED["revenue"])).partition("<tfoot>")[2].partition("</tfoot>")[0]
    with snapshot() as own:
        totals = list(figures.revenue(own, FIRST, LAST))
    assert [each.currency for each in totals] == ["EUR", "JPY"]
    assert foot.count("<tr>") == 2
    for each in totals:
        digits = 100 if each.currency == "EUR" else 1
        number = f"{each.ngr / digits:.2f}" if digits == 100 else str(each.ngr)
        assert f">{number}<" in foot


REFUSED: list[tuple[dict[str, str], str]] = [
    (
        {"since": "2025-04-02", "until": "2025-04-01"},
        "The range ends before it begins: 2025-04-02 is after 2025-04-01.",
    ),
    ({"since": "1999-12-31", "until": "2025-04-01"}, "No house has books from before 2000-01-01."),
    ({"since": "2025-04-01", "until": "9999-12-31"}, "This day has not come yet."),
    ({"since": "2001-04-01", "until": "2025-04-01"}, "A report covers at most three years."),
    ({"since": "2025-02-30", "until": "2025-04-01"}, "This is no day."),
    ({"since": "1.4.2025", "until": "2025-04-01"}, "This is no day."),
    ({"since": "", "until": "2025-04-01"}, "Name a day."),
    ({"until": "2025-04-01"}, "Name a day."),
    ({"since": "0000-00-00", "until": "' OR 1=1 --"}, "This is no day."),
    ({**SPAN, "per": "player"}, "Select a valid choice."),
]


@pytest.mark.parametrize(("asked", "said"), REFUSED)
def test_an_absurd_question_is_answered_with_what_is_wrong(finance: Client, asked: dict[str, str], said: str) -> None:
    for address in (page("revenue"), reverse("backoffice:report_file", args=["revenue"])):
        answer = finance.get(address, asked)
        assert answer.status_code == 400
        assert said in body(answer)
    assert not AuditEntry.objects.filter(act="export report").exists()


def test_an_unknown_report_is_not_found(finance: Client) -> None:
    for address in (page("profit"), reverse("backoffice:report_file", args=["profit"])):
        assert finance.get(address).status_code == 404


def test_only_those_who_may_see_reports_open_them(finance: Client) -> None:
    nobody = operators.nobody()
    for name in REPORTS:
        for address in (page(name), reverse("backoffice:report_file", args=[name])):
            assert nobody.get(address).status_code == 403
            assert Client().get(address).headers["Location"].startswith("/admin/login/")
    assert nobody.get(reverse("backoffice:reports")).status_code == 403
    assert reverse("backoffice:reports") not in body(nobody.get("/admin/"))
    assert reverse("backoffice:reports") in body(finance.get("/admin/"))


def test_a_file_that_is_taken_leaves_a_row_in_the_trail(finance: Client) -> None:
    taken(finance, "flows", ASKED["flows"])
    entry = AuditEntry.objects.get(act="export report")
    assert (entry.actor, entry.subject) == ("fay", f"flows since={FIRST}&until={LAST}")
    assert entry.after == SPAN


def test_no_cell_of_a_file_is_a_formula(books: None) -> None:
    scenario.catalogue()
    scenario.player('=HYPERLINK("http://127.0.0.1","x")', "0")
    scenario.deposit('=HYPERLINK("http://127.0.0.1","x")', amount=100, at=report_history.at(FIRST))
    scenario.bet('=HYPERLINK("http://127.0.0.1","x")', "1.00", game="@SUM(A1)", round="+1", at=report_history.at(LAST))
    client = fay()
    _, rounds = taken(client, "open-rounds", SPAN)
    assert rounds[1][2:5] == ['\'=HYPERLINK("http://127.0.0.1","x")', "'+1", "'@SUM(A1)"]
    _, revenue = taken(client, "revenue", {**SPAN, "per": "source.game"})
    assert revenue[1][1] == "'@SUM(A1)"


@pytest.mark.parametrize("text", ["=1", "+1", "-x", "@a", "\tx", "\rx", "-1-1", " =1", "\nx", "\uff1d1", "\uff20a"])
def test_what_a_spreadsheet_would_calculate_is_written_as_text(text: str) -> None:
    assert spreadsheet.safe(text) == "'" + text


@pytest.mark.parametrize("text", ["-1.50", "12", "anna", ""])
def test_numbers_and_names_are_written_as_they_are(text: str) -> None:
    assert spreadsheet.safe(text) == text


def test_a_file_begins_with_the_mark_that_excel_looks_for(finance: Client) -> None:
    answer: Any = finance.get(reverse("backoffice:report_file", args=["revenue"]), SPAN)

    async def whole() -> bytes:
        return b"".join([piece async for piece in answer])

    file = async_to_sync(whole)()
    assert file.startswith(b"\xef\xbb\xbf")
    assert file.count(b"\xef\xbb\xbf") == 1


def test_a_long_report_is_cut_on_the_page_and_whole_in_the_file(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_pages, "SHOWN", 2)
    monkeypatch.setattr(report_pages, "LINES", 2)
    shown = body(finance.get(page("balances"), ASKED["balances"]))
    assert "These are the first 2 rows." in shown
    assert "3 players" not in shown and "2 players" in shown
    assert len(taken(finance, "balances", ASKED["balances"])[1]) == 4


def test_the_rows_of_a_file_are_fetched_as_they_are_sent(finance: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read to its end before the first piece is sent, and who leaves ends the reading."""
    monkeypatch.setattr(report_pages, "LINES", 1)
    asked = {"day": LAST, "holding": "any"}
    pieces = report_pages._pieces(REPORTS["balances"], asked)
    next(pieces)
    next(pieces)
    assert cursors() == ["report"]
    pieces.close()
    assert cursors() == []


def cursors() -> list[str]:
    """Connections that hold a cursor of a report open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 'report' FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle in transaction' AND query LIKE %s",
            ["FETCH FORWARD%report_%"],
        )
        return [name for (name,) in cursor.fetchall()]


def test_a_page_asks_no_more_of_the_database_for_more_rows(finance: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert finance.get(page("balances"), ASKED["balances"]).status_code == 200
        return len(queries)

    before = asked()
    for number in range(10):
        scenario.player(f"more-{number}", "0")
        scenario.deposit(f"more-{number}", amount=100, at=report_history.at(FIRST))
    assert asked() == before


def test_a_report_that_takes_too_long_says_what_to_do(finance: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_BALANCES", "SELECT pg_sleep(30)")
    monkeypatch.setattr(report_pages, "SECONDS", 1)
    answer = finance.get(page("trial-balance"), ASKED["trial-balance"])
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "manage.py refresh_reports" in body(answer)


@pytest.mark.usefixtures("broken_books")
def test_books_that_do_not_balance_are_shown_in_red_with_what_to_do() -> None:
    report_history.history()
    client = fay()
    assert "does not balance" not in body(client.get(page("trial-balance"), ASKED["trial-balance"]))
    corruption.sql("UPDATE wallet_wallet SET bonus = bonus + 7 WHERE id = %s", corruption.wallet_id("anna"))
    shown = body(client.get(page("trial-balance"), ASKED["trial-balance"]))
    assert '<span class="badge badge-red">does not balance</span>' in shown
    assert "Run manage.py reconcile --full" in shown
    assert ">0.07<" in shown


def test_open_rounds_are_those_of_the_days_by_their_bets(finance: Client) -> None:
    _, lines = taken(finance, "open-rounds", SPAN)
    rounds = {line[3] for line in lines[1:]}
    assert rounds == {"b-2", "b-3", *(f"j-{number}" for number in range(5))}
    _, later = taken(finance, "open-rounds", {"since": str(report_history.DAYS[2]), "until": str(LAST)})
    assert {line[3] for line in later[1:]} == {"b-2", "b-3"}
    assert lines[1][0] == datetime(2025, 3, 30, 20, tzinfo=UTC).isoformat().replace("+00:00", "Z")


def test_the_page_says_when_the_sums_were_taken(finance: Client) -> None:
    assert "Nobody has run" in body(finance.get(page("flows"), SPAN))
    report_history.refreshed()
    assert f'Sums by day were taken <time class="utc" datetime="{datetime.now(UTC):%Y-%m-%d}' in body(
        finance.get(page("flows"), SPAN)
    )


def test_players_of_a_house_without_money_are_none(books: None) -> None:
    scenario.catalogue()
    assert not Player.objects.exists()
    assert "There is no wallet yet." in body(fay().get(page("trial-balance"), {"day": str(date(2025, 1, 1))}))
