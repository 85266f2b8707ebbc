"""The trail of what operators did: searched, narrowed and taken away as a file, never touched."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from wallet import audit, shown
from wallet.admin.pages import Window
from wallet.models import AuditEntry

_SEARCHED: Final = ("actor", "player", "act", "reference")
_DAYS: Final = {"today": 0, "week": 6, "month": 29}

# One look into the index for every act there is, where DISTINCT would read the whole of it.
_ACTS: Final = """
WITH RECURSIVE acts(act) AS (
    (SELECT act FROM wallet_auditentry ORDER BY act LIMIT 1)
    UNION ALL
    SELECT (SELECT e.act FROM wallet_auditentry e WHERE e.act > acts.act ORDER BY e.act LIMIT 1)
    FROM acts WHERE acts.act IS NOT NULL
)
SELECT act FROM acts WHERE act IS NOT NULL
"""


class ActFilter(admin.SimpleListFilter):
    title = "act"
    parameter_name = "act"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(_ACTS)
            return [(act, act) for (act,) in cursor.fetchall()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(act=self.value()) if self.value() else queryset


class OutcomeFilter(admin.SimpleListFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("done", "done"), ("refused", "refused")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        if self.value() == "done":
            return queryset.filter(outcome__in=audit.WENT_THROUGH)
        return queryset.exclude(outcome__in=audit.WENT_THROUGH) if self.value() == "refused" else queryset


class DayFilter(admin.SimpleListFilter):
    """Up to today, or one day that the box above the list names (``2026-11-22``, UTC)."""

    title = "day"
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        offered = [("today", "today"), ("week", "the last 7 days"), ("month", "the last 30 days")]
        named = _day(request.GET.get(self.parameter_name))
        return [*offered, (named.isoformat(), named.isoformat())] if named else offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        named = _day(self.value())
        if named is not None:
            return queryset.filter(at__gte=_midnight(named), at__lt=_midnight(named) + timedelta(days=1))
        if self.value() in _DAYS:
            since = timezone.now().astimezone(UTC).date() - timedelta(days=_DAYS[self.value() or ""])
            return queryset.filter(at__gte=_midnight(since))
        return queryset


def _day(text: str | None) -> date | None:
    try:
        # The last day there is has no day after it.
        found = date.fromisoformat(text or "")
        return found if found < date.max else None
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@admin.register(AuditEntry)
class AuditEntryAdmin(Window):
    search_help_text = "The beginning of an operator's, a player's, an act's or a reference's name"
    empty_text = "Nobody has done anything yet, not even logged in."
    list_display = ["when", "actor", "what", "player", "subject", "why", "result", "address"]
    list_filter = [ActFilter, OutcomeFilter, DayFilter]
    # The ids are in order of time, and indexed.
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": [("when", "what"), ("actor", "held"), ("address", "result"), ("player", "subject")]}),
        ("Why, and what changed", {"fields": ["reason", "changed", "reference"]}),
    ]
    readonly_fields = ["when", "what", "result", "held", "changed"]
    list_before_template = "admin/wallet/auditentry/narrow.html"

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return _SEARCHED

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        begins = Q()
        for name in _SEARCHED:
            begins |= Q(**{f"{name}__startswith": term})
        return queryset.filter(begins), False

    @admin.display(description="When")
    def when(self, entry: AuditEntry) -> SafeString:
        return shown.utc(entry.at)

    @admin.display(description="Act")
    def what(self, entry: AuditEntry) -> str:
        return shown.words(entry.act)

    @admin.display(description="Reason")
    def why(self, entry: AuditEntry) -> str:
        return entry.reason

    @admin.display(description="Outcome")
    def result(self, entry: AuditEntry) -> SafeString:
        colours = {audit.DONE: "green", audit.WAITS: "orange"}
        return shown.badge(shown.words(entry.outcome), colours.get(entry.outcome, "red"))

    @admin.display(description="Roles then")
    def held(self, entry: AuditEntry) -> SafeString:
        return format_html_join(" ", "{}", ((shown.badge(role, "blue"),) for role in entry.roles)) or shown.utc(None)

    @admin.display(description="Before and after")
    def changed(self, entry: AuditEntry) -> SafeString:
        """One line for each field, in words where both sides are known."""
        before, after = entry.before or {}, entry.after or {}
        names = sorted({*before, *after})
        if not names:
            return shown.utc(None)
        lines = [(name, _cell(before, name), _cell(after, name)) for name in names]
        head = "<thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>"
        body = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", lines)
        return format_html('<table class="ledger changed">' + head + "<tbody>{}</tbody></table>", body)


def _cell(told: dict[str, Any], name: str) -> str:
    if name not in told:
        return shown.NOTHING
    value = told[name]
    return value if isinstance(value, str) else json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
