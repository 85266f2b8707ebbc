"""Two kinds of admin pages: those that only show, and those whose changes reach the audit trail. None deletes.

Whatever concerns money is read-only for everybody, superusers included. Every list stays fast at a
million rows: it is counted up to a bound, sorted by an index only, and searched by the beginning
of one indexed column.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.text import capfirst

from wallet import audit
from wallet.models import Player, Wallet

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.contrib.admin.views.main import ChangeList

    AnyAdmin = ModelAdmin[Any]
    AnyForm = forms.ModelForm[Any]
    AnyPaginator = Paginator[Any]
else:
    # Django's own classes cannot be subscripted when they run.
    from unfold.admin import ModelAdmin as AnyAdmin
    from unfold.views import ChangeList

    AnyForm = forms.ModelForm
    AnyPaginator = Paginator

# A list of more rows than this is to be searched, not leafed through.
COUNTED = 1_000


class BoundedPaginator(AnyPaginator):
    """Counts no further than COUNTED, so that no page waits for a million rows to be counted."""

    template_name = "admin/bounded_pagination.html"

    @cached_property
    def found(self) -> int:
        """How many rows there are, COUNTED + 1 standing for more than COUNTED."""
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: COUNTED + 1].count()

    @property
    def count(self) -> int:
        return min(self.found, COUNTED)

    @property
    def more(self) -> bool:
        return self.found > COUNTED


class PlainChangeList(ChangeList):
    """A list whose order nobody can choose by URL: it would sort the whole table."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            # Else the page would offer to "show all" of what it already shows.
            self.full_result_count = self.result_count


def _told(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """These columns of a row for the audit trail; another row is told by its name."""
    values = {name: getattr(row, name) for name in names}
    return {name: str(value) if isinstance(value, Model) else value for name, value in values.items()}


def _names(rows: Iterable[Model]) -> list[str]:
    return sorted(str(row) for row in rows)


def _without(told: dict[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """The same with nothing but a mark in the place of secrets."""
    return {**told, **dict.fromkeys(secrets, "***")}


def _parameter(item: Any) -> str:
    """What a filter of a list is called in addresses: a field, or a filter of one's own."""
    name: str = item if isinstance(item, str) else item.parameter_name
    return name


class AuditedAdmin(AnyAdmin):
    """Rows that may be changed, never deleted. ``search_prefix`` is the indexed column a search begins with."""

    search_prefix: str | None = None
    # What the menu calls these pages and their titles say; by itself the plural of the rows' name.
    menu_name = ""
    # Said where there is nothing to show, so that an empty page explains itself.
    empty_text = "Nothing has been recorded yet."

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    actions = None
    sortable_by = ()
    # Unfold's: columns of fields side by side, and a question before unsaved changes are left behind.
    compressed_fields = True
    warn_unsaved_form = True

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return (self.search_prefix,) if self.search_prefix else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows whose name begins with the term as typed; codes are lower case more often than people type them so."""
        term = search_term.strip()
        if term and self.search_prefix:
            begins = f"{self.search_prefix}__startswith"
            queryset = queryset.filter(Q(**{begins: term}) | Q(**{begins: term.lower()}))
        return queryset, False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """Only the filters on the page: others would read the whole table, or guess at what is not shown."""
        offered = [_parameter(item) for item in self.list_filter]
        return any(lookup == name or lookup.startswith(f"{name}__") for name in offered)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, which a page that is only looked at reads once: what is beside the form is made of the same."""
        if request.method not in ("GET", "HEAD"):
            return super().get_object(request, object_id, from_field)
        rows: dict[tuple[Any, str], Any] = vars(request).setdefault("rows_shown", {})
        if (self.model, object_id) not in rows:
            rows[self.model, object_id] = super().get_object(request, object_id, from_field)
        return rows[self.model, object_id]

    def page_context(self, row: Any, request: HttpRequest) -> dict[str, Any]:
        """What the page of a row shows beside its fields."""
        return {}

    def heading(self, *names: str) -> dict[str, Any]:
        """The title of a page and the way to it: the list, then ``names``. The list's name is the menu's."""
        title = self.menu_name or capfirst(str(self.opts.verbose_name_plural))
        to_list = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return {"title": title, "crumbs": [{"title": title, "link": to_list}, *({"title": name} for name in names)]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**self.heading(), **(extra_context or {})})

    def history_of(self, row: Any) -> dict[str, str]:
        """What narrows the audit trail to a row: its subject there, or the player or the wallet it belongs to."""
        if isinstance(row, Player):
            return {"player": row.code}
        wallet = row if isinstance(row, Wallet) else getattr(row, "wallet", None)
        if isinstance(wallet, Wallet):
            return {"player": wallet.player.code, "wallet": wallet.currency_id}
        player = getattr(row, "player", None)
        return {"player": player.code} if isinstance(player, Player) else {"subject": str(row)}

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What was done to the row: the audit trail, where Django would tell of its own forms alone."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row) or not request.user.has_perm("wallet.view_auditentry"):
            raise PermissionDenied
        return redirect(f"{reverse('admin:wallet_auditentry_changelist')}?{urlencode(self.history_of(row))}")

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """A page of its own, where Django goes to the overview and says that the row was perhaps deleted."""
        raise Http404

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id else None
        if row is not None and self.has_view_permission(request, row):
            extra_context = {**self.heading(str(row)), **self.page_context(row, request), **(extra_context or {})}
        elif object_id is None:
            extra_context = {**self.heading(f"add {self.opts.verbose_name}"), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra_context)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Choices of other rows come without buttons to make or change those rows in passing."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Write only what was changed here, so that nothing changed elsewhere meanwhile is put back."""
        if not change:
            obj.save(force_insert=True)
            return
        columns = {field.name for field in obj._meta.concrete_fields} & set(form.changed_data)
        form.before = _told(type(obj)._base_manager.get(pk=obj.pk), columns)
        obj.save(update_fields=columns)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """What was added or changed goes into the audit trail, in the transaction that changes it."""
        # The form of a new password knows its operator by another name.
        row = form.instance if hasattr(form, "instance") else form.user
        before, after = self.changes(form, row, add)
        if after:
            audit.record(
                request,
                f"{'add' if add else 'change'} {row._meta.verbose_name}",
                player=row.code if isinstance(row, Player) else None,
                subject=row,
                before=before,
                after=after,
            )
        return super().construct_change_message(request, form, formsets, add)

    def changes(self, form: Any, row: Model, add: bool) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The changed fields as they were and as they are; of passwords only that they changed."""
        names = set(form.fields if add else form.changed_data)
        columns = names & {field.name for field in row._meta.concrete_fields}
        sets = names & {field.name for field in row._meta.many_to_many}
        before = {**getattr(form, "before", {}), **{name: _names(form.initial.get(name, ())) for name in sets}}
        after = {**_told(row, columns), **{name: _names(form.cleaned_data[name]) for name in sets}}
        secrets = {name for name in names if "password" in name}
        return None if add else _without(before, secrets), _without(after, secrets)


class ReadOnlyAdmin(AuditedAdmin):
    """Rows that can be looked at and nothing else."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
