"""The pages of the reports, and their files (docs/reports.md)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from psycopg.errors import QueryCanceled

from casino_pam import spreadsheet
from casino_pam.backoffice import permissions
from casino_pam.backoffice.report_list import REPORTS, Cell, Cells, Criteria, Money, Report, ReportForm, Share, Verdict
from wallet import audit, formatting, money
from wallet.pg import deadline
from wallet.pg.standby import Freshness
from wallet.reports import sums
from wallet.reports.sums import Connected, reports_snapshot

# Rows on a page; the file has them all.
SHOWN: Final = 300
# How long a page may read. Only rows that nobody took into the sums for long make it slow.
SECONDS: Final = 15
# Lines of a file that are sent together.
LINES: Final = 500

VIEW: Final = "wallet.view_reports"
PATH: Final = "/admin/office/reports/"


@permissions.page(VIEW)
def index(request: HttpRequest) -> HttpResponse:
    """Every report there is."""
    return _page(request, "backoffice/reports.html", {"title": "Reports", "reports": REPORTS.values()})


@permissions.page(VIEW)
def show(request: HttpRequest, name: str) -> HttpResponse:
    # PostgreSQL ends what takes longer than SECONDS; it needs a moment to say so, and the page around it another.
    with deadline.afresh(time.monotonic() + SECONDS + 2):
        return _shown(request, name)


def _shown(request: HttpRequest, name: str) -> HttpResponse:
    report = _report(name)
    form = _form(report, request)
    context: dict[str, Any] = {"title": report.title, "report": report, "form": form, "presets": _presets(form)}
    if not form.is_valid():
        return _page(request, "backoffice/report.html", context, status=400)
    try:
        with reports_snapshot(SECONDS) as (own, fresh):
            context |= _table(report, own, form.cleaned_data)
            context |= {"refreshed": sums.refreshed_at(own), "fresh": fresh}
    except QueryCanceled:
        return _page(request, "backoffice/report.html", context | {"too_long": SECONDS}, status=503)
    context["file"] = f"{_address(report, '_file')}?{_query(form.cleaned_data)}"
    return _page(request, "backoffice/report.html", context)


@permissions.page(VIEW)
def file(request: HttpRequest, name: str) -> HttpResponseBase:
    """The whole report as CSV. Who took it is in the audit trail."""
    report = _report(name)
    form = _form(report, request)
    if not form.is_valid():
        return _page(request, "backoffice/report.html", {"title": report.title, "report": report, "form": form}, 400)
    criteria = form.cleaned_data
    said = {name: str(value) for name, value in criteria.items()}
    audit.record(request, "export report", subject=f"{report.name} {_query(criteria)}", after=said)
    return spreadsheet.download(_file_name(report, criteria, sums.reports_freshness()), _pieces(report, criteria))


def patterns() -> list[URLPattern]:
    return [
        path("reports/", index, name="reports"),
        path("reports/<slug:name>/", show, name="report"),
        path("reports/<slug:name>.csv", file, name="report_file"),
    ]


def _report(name: str) -> Report:
    if name not in REPORTS:
        raise Http404
    return REPORTS[name]


def _form(report: Report, request: HttpRequest) -> ReportForm:
    """What was asked; a page that is opened without a question answers its usual one."""
    return report.form(request.GET.dict() or report.form.fresh())


def _presets(form: ReportForm) -> list[tuple[str, str]]:
    """What is asked for often, in words and as a query; what else was asked stays."""
    asked = {name: value for name, value in form.data.items() if name in form.fields}
    return [(title, urlencode({**asked, **days})) for title, days in form.presets()]


def _page(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return render(request, template, admin.site.each_context(request) | context, status=status)


def _address(report: Report, what: str = "") -> str:
    return reverse(f"backoffice:report{what}", args=[report.name])


def _query(criteria: Criteria) -> str:
    return urlencode({name: str(value) for name, value in criteria.items()})


# --- the page ----------------------------------------------------------------------------------


def _table(report: Report, own: Connected, criteria: Criteria) -> dict[str, Any]:
    rows = list(itertools.islice(report.rows(own, criteria), SHOWN + 1))
    totals = list(report.totals(own, criteria))
    heads = [(column.label, _numeric(rows or totals, place)) for place, column in enumerate(report.columns(criteria))]
    judged = [cell.good for cells in rows for cell in cells if isinstance(cell, Verdict)]
    return {
        "heads": heads,
        "rows": [_cells(cells) for cells in rows[:SHOWN]],
        "totals": [_cells(cells) for cells in totals],
        "cut": SHOWN if len(rows) > SHOWN else 0,
        "alarm": "" if all(judged) else report.alarm,
    }


def _numeric(rows: list[Cells], place: int) -> bool:
    return any(isinstance(cells[place], int | Money | Share) for cells in rows)


def _cells(cells: Cells) -> list[tuple[SafeString | str, bool]]:
    return [(_cell_text(cell), isinstance(cell, int | Money | Share)) for cell in cells]


def _cell_text(cell: Cell) -> SafeString | str:
    if isinstance(cell, Money):
        css = "money negative" if cell.minor < 0 else "money"
        return format_html('<span class="{}">{}</span>', css, formatting.number(cell.minor, cell.digits))
    if isinstance(cell, Share):
        return format_html('<span class="money">{}</span>', _percent(cell)) if cell.whole else formatting.NOTHING
    if isinstance(cell, Verdict):
        return formatting.badge(cell.text, "green" if cell.good else "red")
    if isinstance(cell, datetime):
        return formatting.utc(cell)
    if isinstance(cell, int):
        return format_html('<span class="money">{}</span>', money.grouped(cell))
    if cell == "":
        return formatting.NOTHING
    return "" if cell is None else str(cell)


def _percent(share: Share) -> str:
    return money.show(10_000 * share.part // share.whole, 2)


# --- the file ----------------------------------------------------------------------------------


def _file_name(report: Report, criteria: Criteria, fresh: Freshness) -> str:
    """The days asked for, and what a standby may be missing: the file goes where the page's words do not."""
    days = [str(value) for value in criteria.values() if isinstance(value, date)]
    if not fresh.is_complete:
        days += ["as-of", "unknown" if fresh.as_of is None else f"{fresh.as_of.astimezone(UTC):%Y-%m-%dT%H%M%SZ}"]
    return "-".join([report.name, *days]) + ".csv"


def _pieces(report: Report, criteria: Criteria) -> Iterator[str]:
    yield spreadsheet.line(column.code for column in report.columns(criteria))
    with reports_snapshot() as (own, _):
        yield from together(map(_plain, cells) for cells in report.rows(own, criteria))


def together(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Lines of a file, some hundred at a time."""
    lines = map(spreadsheet.line, rows)
    while piece := "".join(itertools.islice(lines, LINES)):
        yield piece


def _plain(cell: Cell) -> str | int | None:
    if isinstance(cell, Money):
        return money.show(cell.minor, cell.digits)
    if isinstance(cell, Share):
        return _percent(cell) if cell.whole else None
    if isinstance(cell, Verdict):
        return cell.text
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(cell) if isinstance(cell, date) else cell
