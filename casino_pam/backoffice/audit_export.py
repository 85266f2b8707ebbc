"""The audit trail as a file: what the list shows, narrowed as the list is, all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import SuspiciousOperation
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from casino_pam import spreadsheet
from casino_pam.backoffice import permissions
from wallet import audit
from wallet.models import AuditEntry

LINES: Final = 500
COLUMNS: Final = (
    "id",
    "at",
    "actor",
    "roles",
    "address",
    "act",
    "outcome",
    "player",
    "subject",
    "reason",
    "before",
    "after",
    "reference",
)


@permissions.page("wallet.view_auditentry")
def file(request: HttpRequest) -> HttpResponseBase:
    """The list's own filters and search, in its order. Taking it away is noted in it."""
    window = cast("Any", admin.site._registry[AuditEntry])
    try:
        rows = window.get_changelist_instance(request).get_queryset(request)
    except IncorrectLookupParameters:
        raise SuspiciousOperation("no such filter of the trail") from None
    # Before the first page is read: the file ends with the rows there are now.
    pieces = _pieces(rows, AuditEntry.objects.values_list("id", flat=True).first())
    audit.record(request, "export audit trail", subject=request.GET.urlencode())
    return spreadsheet.download("audit-trail.csv", pieces)


def patterns() -> list[URLPattern]:
    return [path("audit-trail.csv", file, name="audit_trail")]


def _pieces(rows: QuerySet[AuditEntry], newest: Any) -> Iterator[str]:
    """Page by page along the ids, newest first; between two pages no connection is kept from anybody."""
    yield spreadsheet.line(COLUMNS)
    page = list(rows.filter(id__lte=newest)[:LINES]) if newest else []
    while page:
        piece = "".join(spreadsheet.line(_cells(entry)) for entry in page)
        connection.close()
        yield piece
        page = list(rows.filter(id__lt=page[-1].id)[:LINES])
    connection.close()


def _cells(entry: AuditEntry) -> list[Any]:
    values = [getattr(entry, name) for name in COLUMNS]
    texts = {"at": entry.at.isoformat(), "roles": ", ".join(entry.roles)}
    for name in ("before", "after"):
        told = getattr(entry, name)
        texts[name] = "" if told is None else json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False)
    return [texts.get(name, value) for name, value in zip(COLUMNS, values, strict=True)]
