"""A provider's file of a day, uploaded and held against the ledger (docs/reports.md)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminFileFieldWidget

from casino_pam import spreadsheet
from casino_pam.backoffice import permissions
from casino_pam.backoffice.report_pages import together
from casino_pam.guard import COMPARISON_SECONDS, RECONCILE
from wallet import audit, games, money
from wallet.admin.date_fields import DayField, today
from wallet.kinds import unscoped
from wallet.models import Currency, Provider, ProviderDifference, ProviderRun
from wallet.pg import deadline
from wallet.provider_file import HEADER, KEPT, NotAFile, Outcome, compare, preview
from wallet.provider_file.comparison import TO_DO, Difference
from wallet.provider_file.lines import Line

VIEW: Final = "wallet.view_providerrun"
RUNS: Final = 20
SHOWN: Final = 300
COLUMNS: Final = ("what", "line", "kind", "reference", "player", "currency", "theirs", "ours", "detail")
SIDES: Final = ("theirs", "ours")


class FileForm(forms.Form):
    provider = forms.ModelChoiceField(Provider.objects.order_by("code"), to_field_name="code", empty_label="Whose file")
    day = DayField("Day")
    file = forms.FileField(label="File", widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}))

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if (file.size or 0) > settings.PROVIDER_FILE_MB * 1024 * 1024:
            raise forms.ValidationError(
                f"The file is larger than {settings.PROVIDER_FILE_MB} MiB. Run manage.py reconcile_provider, which"
                " takes a file of any size."
            )
        return file


@permissions.page(RECONCILE)
def upload(request: HttpRequest) -> HttpResponse:
    """The newest runs, and a form for another one."""
    with deadline.afresh(time.monotonic() + COMPARISON_SECONDS):
        return _upload(request)


def _upload(request: HttpRequest) -> HttpResponse:
    form = FileForm(request.POST or None, request.FILES or None, initial={"day": today()})
    first: FirstLines | None = None
    if request.method == "POST" and form.is_valid():
        try:
            first = _unseen_lines(request, form.cleaned_data)
            if first is None:
                outcome = _compared(request, form.cleaned_data)
                return redirect("backoffice:provider_file", outcome.run)
        except NotAFile as error:
            form.add_error("file", str(error))
    context = {
        "title": "Provider files",
        "form": form,
        "first": first,
        "header": HEADER,
        "largest": settings.PROVIDER_FILE_MB,
        "runs": ProviderRun.objects.all()[:RUNS],
    }
    status = 400 if form.errors else 200
    return render(request, "backoffice/provider_files.html", admin.site.each_context(request) | context, status=status)


class FirstLines(NamedTuple):
    """What the page shows of a file before it is compared; ``seen`` is sent along with it."""

    lines: list[dict[str, Any]]
    seen: str


def _first_lines(provider: Provider, file: BinaryIO) -> FirstLines:
    """Raises NotAFile."""
    digits = dict(Currency.objects.values_list("code", "digits"))
    lines, seen = preview(provider, file, digits)
    return FirstLines([_read(line, digits) for line in lines], seen)


def _read(line: Line, digits: dict[str, int]) -> dict[str, Any]:
    """A line as it will be read: kinds and amounts as our own rows show them."""
    if line.wrong is not None:
        return {"number": line.number, "wrong": line.wrong}
    told = line._asdict() | {"reference": unscoped(line.reference or ""), "kind": (line.kind or "").lower()}
    return told | {"amount": money.show(line.amount or 0, digits[line.currency or ""])}


def _unseen_lines(request: HttpRequest, asked: dict[str, Any]) -> FirstLines | None:
    """The first lines of a report that is read by a mapping, unless the form had shown them when it was sent."""
    if not asked["provider"].file_mapping:
        return None
    first = _first_lines(asked["provider"], asked["file"].file)
    return None if request.POST.get("seen") == first.seen else first


@permissions.page(RECONCILE)
def lines(request: HttpRequest) -> HttpResponse:
    """A part of the page: the first lines of the file that was chosen, of which its beginning (``head``) was sent."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    provider = Provider.objects.filter(code=request.POST.get("provider", "")).first()
    head = request.FILES.get("head")
    context: dict[str, Any] = {}
    if provider is not None and head is not None:
        try:
            # The last line may be cut in two: what was sent is longer than what is shown.
            context["first"] = _first_lines(provider, cast("BinaryIO", head.file))
        except NotAFile as error:
            context["wrong"] = str(error)
    return render(request, "backoffice/provider_file_lines.html", context)


def _compared(request: HttpRequest, asked: dict[str, Any]) -> Outcome:
    file = asked["file"]
    actor = request.user.get_username()
    provider, day, name = asked["provider"], asked["day"], file.name or ""
    outcome = compare(provider, day, file.file, name=name, actor=actor, tell=_untold, progress=_unseen)
    said = {"run": outcome.run, "lines": outcome.lines, "differences": outcome.count}
    audit.record(request, "reconcile provider", subject=f"{provider.code} {day} {name}", after=said)
    return outcome


def _untold(difference: Difference) -> None:
    """Says nothing of a difference: the run keeps it, and its page shows it."""


def _unseen(lines: int) -> None:
    """Says nothing of the progress: a form has no place for it."""


@permissions.page(VIEW)
def show(request: HttpRequest, run: int) -> HttpResponse:
    """What one run found, what each sort of it means, and the totals of both sides."""
    found = get_object_or_404(ProviderRun, pk=run)
    digits = dict(Currency.objects.values_list("code", "digits"))
    context = {
        "title": str(found),
        "run": found,
        "summary": [each | {"to_do": TO_DO[each["what"]]} for each in found.summary],
        "totals": _named(found),
        "rows": [_cells(each, digits) for each in found.differences.order_by("id")[:SHOWN]],
        "shown": SHOWN,
        "cut": found.difference_count > SHOWN,
        "kept": KEPT,
        "lost": found.difference_count > KEPT,
    }
    return render(request, "backoffice/provider_file.html", admin.site.each_context(request) | context)


def _named(run: ProviderRun) -> list[dict[str, Any]]:
    """The totals of each game, with what people call it."""
    known = games.names((run.provider, total["game"]) for total in run.totals)
    return [total | {"game_name": known.get((run.provider, total["game"]), "")} for total in run.totals]


@permissions.page(VIEW)
def file(request: HttpRequest, run: int) -> HttpResponseBase:
    """The differences that the run kept, as CSV."""
    found = get_object_or_404(ProviderRun, pk=run)
    audit.record(request, "export provider differences", subject=f"{found} run {found.pk}")
    return spreadsheet.download(f"{found.provider}-{found.day}-differences.csv", _pieces(found))


def patterns() -> list[URLPattern]:
    return [
        path("provider-files/", upload, name="provider_files"),
        path("provider-files/lines/", lines, name="provider_file_lines"),
        path("provider-files/<int:run>/", show, name="provider_file"),
        path("provider-files/<int:run>.csv", file, name="provider_file_csv"),
    ]


def _pieces(run: ProviderRun) -> Iterator[str]:
    digits = dict(Currency.objects.values_list("code", "digits"))
    yield spreadsheet.line(COLUMNS)
    rows = run.differences.order_by("id").iterator(chunk_size=1_000)
    yield from together(_cells(each, digits).values() for each in rows)


def _cells(each: ProviderDifference, digits: dict[str, int]) -> dict[str, Any]:
    """A difference by COLUMNS, its amounts as decimal strings."""
    cells = {name: getattr(each, name) for name in COLUMNS}
    for side in SIDES:
        if cells[side] is not None:
            cells[side] = money.show(cells[side], digits.get(each.currency, 0))
    return cells | {"kind": each.kind.lower()}
