"""Operators and their roles, the trail of what they did, and the runs that watch over the money."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode, urlsafe_base64_encode
from django.utils.safestring import SafeString
from unfold.forms import UserChangeForm

from wallet import audit, formatting, money
from wallet.admin.admin_classes import AnyForm, AuditedAdmin, ReadOnlyAdmin
from wallet.admin.date_fields import read_day, today
from wallet.admin.player_filters import distinct
from wallet.models import Approval, AuditEntry, Checkpoint, ProviderRun, ReconciliationRun, SecondFactor, Wallet
from wallet.models.oversight import INDEPENDENT_AFTER_DAYS
from wallet.reconcile.checks import Discrepancy
from wallet.time import midnight

if TYPE_CHECKING:
    AnyUserAdmin = DjangoUserAdmin[User]
else:
    AnyUserAdmin = DjangoUserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)
# Pages and messages call them as the menu does. Migrations look at the names a model was declared with.
User._meta.verbose_name, User._meta.verbose_name_plural = "operator", "operators"
Group._meta.verbose_name, Group._meta.verbose_name_plural = "role", "roles"


class OperatorForm(UserChangeForm):  # type: ignore[misc]
    """What may be changed about an operator: anything but the password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password"]


class NewOperatorForm(AnyForm):
    """A name and nothing else: the password is set by its owner, through a one-time link."""

    class Meta:
        model = User
        fields = ["username"]
        field_classes = {"username": UsernameField}

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("An operator of this name exists.")
        return name

    def save(self, commit: bool = True) -> User:
        operator: User = super().save(commit=False)
        operator.set_unusable_password()
        if commit:
            operator.save()
        return operator


@admin.register(User)
class OperatorAdmin(AnyUserAdmin, AuditedAdmin):  # type: ignore[misc]  # the stubs disagree on lookup_allowed
    """Operators are switched off, never deleted: their names stand behind what they did.

    Nobody sets another's password. A new operator, and one whose password a superuser has reset, gets a link that
    is good once and for a day; who hands it out may have used it, so wallet/second_person.py bars the two from
    approving each other's requests for a week.
    """

    form = OperatorForm
    add_form = NewOperatorForm
    add_fieldsets = [(None, {"fields": ["username"]})]
    fieldsets = [
        (None, {"fields": ["username", ("first_name", "last_name"), "email"]}),
        ("What they may do", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("When", {"fields": [("last_login", "date_joined")]}),
    ]
    change_form_before_template = "admin/auth/user/reset.html"
    search_prefix = "username"
    search_help_text = "The beginning of the user name"
    list_display = ["username", "roles", "use", "seen"]
    list_filter = ["is_active", "is_superuser", "groups"]
    ordering = ["username"]
    compressed_fields = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who could change a superuser would be one."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or bool(request.user.is_superuser))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Nobody but a superuser hands out power: else it could be handed to oneself.

        A name never changes: under another one, an operator could approve what was asked under the first.
        """
        fixed = ["last_login", "date_joined", *(["username"] if obj else [])]
        return fixed if request.user.is_superuser else [*fixed, "is_superuser", "groups", "user_permissions"]

    def page_context(self, row: User, request: HttpRequest) -> dict[str, Any]:
        return {
            "may_reset": request.user.is_superuser and row != request.user,
            "second_factor": SecondFactor.objects.filter(pk=row.pk).exists(),
        }

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        return self._link_page(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Ask first; then end the operator's password and log-ins, and show the link to a new one, once."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        operator = self.get_object(request, unquote(id))
        if not request.user.is_superuser:
            raise PermissionDenied
        if operator is None:
            raise Http404
        if operator == request.user:
            return redirect("admin:password_change")
        if request.method != "POST":
            heading = self.heading(operator.username, "reset the password")
            context = self.admin_site.each_context(request) | heading | {"operator": operator}
            return render(request, "admin/auth/user/reset_question.html", context)
        with transaction.atomic():
            operator.set_unusable_password()
            operator.save(update_fields=["password"])
            audit.record(request, "reset password", subject=operator)
            self.log_change(request, operator, "Reset the password.")
        return self._link_page(request, operator)

    def _link_page(self, request: HttpRequest, operator: User) -> HttpResponse:
        """The answer to the POST is the only page that ever shows the link."""
        path = reverse("new_password", args=[urlsafe_base64_encode(force_bytes(operator.pk))])
        query = urlencode({"token": default_token_generator.make_token(operator)})
        context = self.admin_site.each_context(request) | {
            **self.heading(operator.username),
            "operator": operator,
            "link": request.build_absolute_uri(f"{path}?{query}"),
            "days": INDEPENDENT_AFTER_DAYS,
        }
        return render(request, "admin/auth/user/new_link.html", context)

    @admin.display(description="Roles")
    def roles(self, operator: User) -> SafeString:
        names = ["superuser"] * operator.is_superuser + [group.name for group in operator.groups.all()]
        return format_html_join(" ", "{}", ((formatting.badge(name, "blue"),) for name in names)) or formatting.utc(
            None
        )

    @admin.display(description="May log in")
    def use(self, operator: User) -> SafeString:
        return formatting.switch(operator.is_active and operator.is_staff, yes="yes", no="no")

    @admin.display(description="Last log-in")
    def seen(self, operator: User) -> SafeString:
        return formatting.utc(operator.last_login)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, AuditedAdmin):
    search_prefix = "name"
    search_help_text = "The beginning of the role's name"
    empty_text = "A role is a set of permissions; superusers need none."
    list_display = ["name"]
    ordering = ["name"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A role is power too."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)


_SEARCHED: Final = ("actor", "player", "act", "reference")
_DAYS: Final = {"today": 0, "week": 6, "month": 29}


class ActionFilter(admin.SimpleListFilter):
    title = "act"
    parameter_name = "act"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(act, act) for act in distinct("wallet_auditentry", "act")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(act=self.value()) if self.value() else queryset


class _Exactly(admin.SimpleListFilter):
    """What the address names, letter by letter; offered only where it does."""

    parameter_name = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        text = request.GET.get(self.parameter_name, "")
        return [(text, text)] if text else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class SubjectFilter(_Exactly):
    title = "subject"
    parameter_name = "subject"


class PlayerFilter(_Exactly):
    title = "player"
    parameter_name = "player"


class WalletFilter(_Exactly):
    """Acts that concern the money in the player's wallet in this currency; the player is the one the address names.

    These are the acts on the wallet or on anything in it, and those on the player as a whole. Acts on the player's
    other wallets are left out, and so are acts that change nothing about money.
    """

    title = "wallet"
    parameter_name = "wallet"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        player = request.GET.get(PlayerFilter.parameter_name)
        if not self.value() or not player:
            return queryset
        others = Wallet.objects.filter(player__code=player).exclude(currency=self.value())
        elsewhere = Q()
        for currency in others.values_list("currency", flat=True):
            elsewhere |= Q(subject__endswith=f"{player}, {currency}")
            elsewhere |= Q(subject__contains=f" for {player}, {currency}, asked for by ")
        return queryset.exclude(Q(act__in=audit.WITHOUT_MONEY) | elsewhere)


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
        named = read_day(request.GET.get(self.parameter_name))
        return [*offered, (named.isoformat(), named.isoformat())] if named else offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        named = read_day(self.value())
        if named is not None:
            return queryset.filter(at__gte=midnight(named), at__lt=midnight(named) + timedelta(days=1))
        if self.value() in _DAYS:
            since = today() - timedelta(days=_DAYS[self.value() or ""])
            return queryset.filter(at__gte=midnight(since))
        return queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    menu_name = "Audit trail"
    search_help_text = "The beginning of an operator's, a player's, an act's or a reference's name"
    empty_text = "Nobody has done anything yet, not even logged in."
    list_display = ["when", "actor", "what", "player", "subject", "why", "result", "address"]
    list_filter = [ActionFilter, OutcomeFilter, DayFilter, PlayerFilter, WalletFilter, SubjectFilter]
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
        return formatting.utc(entry.at)

    @admin.display(description="Act")
    def what(self, entry: AuditEntry) -> str:
        return formatting.words(entry.act)

    @admin.display(description="Reason")
    def why(self, entry: AuditEntry) -> str:
        return entry.reason

    @admin.display(description="Outcome")
    def result(self, entry: AuditEntry) -> SafeString:
        colours = {audit.DONE: "green", audit.WAITS: "orange"}
        return formatting.badge(formatting.words(entry.outcome), colours.get(entry.outcome, "red"))

    @admin.display(description="Roles then")
    def held(self, entry: AuditEntry) -> SafeString:
        return format_html_join(
            " ", "{}", ((formatting.badge(role, "blue"),) for role in entry.roles)
        ) or formatting.utc(None)

    @admin.display(description="Before and after")
    def changed(self, entry: AuditEntry) -> SafeString:
        """One line for each field, in words where both sides are known."""
        before, after = entry.before or {}, entry.after or {}
        names = sorted({*before, *after})
        if not names:
            return formatting.utc(None)
        lines = [(name, _cell(before, name), _cell(after, name)) for name in names]
        head = "<thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>"
        body = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", lines)
        return format_html('<table class="ledger changed">' + head + "<tbody>{}</tbody></table>", body)


def _cell(told: dict[str, Any], name: str) -> str:
    if name not in told:
        return formatting.NOTHING
    value = told[name]
    return value if isinstance(value, str) else json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def verdict(run: ReconciliationRun) -> SafeString:
    count = run.discrepancy_count
    if count == 0:
        return formatting.badge("the books balance", "green")
    return formatting.badge(f"{money.grouped(count)} discrepanc{'y' if count == 1 else 'ies'}", "red")


def _linked(found: Discrepancy) -> SafeString:
    """What was found, leading to the row it was found in."""
    if found.wallet is None:
        return format_html("{}", str(found))
    link = reverse("admin:wallet_wallet_change", args=[found.wallet])
    return format_html('<a class="link" href="{}?to={}#statement">{}</a>', link, found.version or "", str(found))


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ReadOnlyAdmin):
    menu_name = "Reconciliations"
    empty_text = "Nobody has proven the books yet: manage.py reconcile does, and leaves its findings here."
    list_display = ["started", "scope", "result", "wallets_checked", "rows_checked", "took"]
    ordering = ["-id"]
    fields = [("result", "scope"), ("started", "took"), ("wallets_checked", "rows_checked"), "seal", "found"]
    readonly_fields = ["result", "started", "took", "wallets_checked", "rows_checked", "found"]

    @admin.display(description="Result")
    def result(self, run: ReconciliationRun) -> SafeString:
        return verdict(run)

    @admin.display(description="Started")
    def started(self, run: ReconciliationRun) -> SafeString:
        return formatting.utc(run.started_at)

    @admin.display(description="Wallets")
    def wallets_checked(self, run: ReconciliationRun) -> str:
        return money.grouped(run.wallets)

    @admin.display(description="Rows")
    def rows_checked(self, run: ReconciliationRun) -> str:
        return money.grouped(run.rows)

    @admin.display(description="Took")
    def took(self, run: ReconciliationRun) -> str:
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"

    @admin.display(description="Discrepancies")
    def found(self, run: ReconciliationRun) -> SafeString:
        """The first ones in full; the run itself printed them all."""
        lines = [(_linked(Discrepancy(**found)),) for found in run.discrepancies]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", lines)) if lines else formatting.utc(None)


@admin.register(ProviderRun)
class ProviderRunAdmin(ReadOnlyAdmin):
    empty_text = "No provider's file has been compared yet: manage.py reconcile_provider does it, and the upload page."
    list_display = ["started", "provider", "day", "result", "lines_read", "rows_read", "actor"]
    ordering = ["-id"]
    fields = [("result", "provider", "day"), ("started", "file", "actor"), ("lines_read", "rows_read"), "found"]
    readonly_fields = ["result", "started", "lines_read", "rows_read", "found"]

    @admin.display(description="Result")
    def result(self, run: ProviderRun) -> SafeString:
        count = run.difference_count
        if count == 0:
            return formatting.badge("both agree", "green")
        return formatting.badge(f"{money.grouped(count)} difference{'' if count == 1 else 's'}", "red")

    @admin.display(description="Lines")
    def lines_read(self, run: ProviderRun) -> str:
        return money.grouped(run.lines)

    @admin.display(description="Our rows")
    def rows_read(self, run: ProviderRun) -> str:
        return money.grouped(run.rows)

    @admin.display(description="Started")
    def started(self, run: ProviderRun) -> SafeString:
        return formatting.utc(run.started_at)

    @admin.display(description="Differences")
    def found(self, run: ProviderRun) -> SafeString:
        """What it came to by sort and currency; each of them stands on the run's own page."""
        return render_to_string("admin/wallet/providerrun/differences.html", {"run": run})


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    search_prefix = "wallet__player__code"
    search_help_text = "The beginning of the player's code"
    empty_text = "Reconciliation remembers here up to which row it has proven each wallet."
    list_display = ["owner", "proven", "trust"]
    list_filter = ["suspect"]
    list_select_related = ["wallet__player"]
    ordering = ["wallet_id"]
    fields = [("owner", "proven", "trust")]
    readonly_fields = ["owner", "proven", "trust"]

    @admin.display(description="Wallet")
    def owner(self, checkpoint: Checkpoint) -> str:
        return f"{checkpoint.wallet.player.code}, {checkpoint.wallet.currency_id}"

    @admin.display(description="Proven up to row")
    def proven(self, checkpoint: Checkpoint) -> str:
        return money.grouped(checkpoint.version)

    @admin.display(description="State")
    def trust(self, checkpoint: Checkpoint) -> SafeString:
        return formatting.switch(checkpoint.suspect, yes="suspect", no="proven", good=False)


_APPROVAL_COLOURS: Final = {
    Approval.State.PENDING: "orange",
    Approval.State.APPROVED: "red",
    Approval.State.POSTED: "green",
    Approval.State.REFUSED: "red",
    Approval.State.REJECTED: "grey",
}


def approval_state(state: Approval.State, refusal: str | None) -> SafeString:
    """How a request for a second person stands; one that was refused with the code of why."""
    text = f"{state.label}: {formatting.words(refusal)}" if refusal else str(state.label)
    return formatting.badge(text, _APPROVAL_COLOURS[state])


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    empty_text = "Adjustments and completions above a currency's threshold wait here for a second operator."
    list_display = ["asked", "act", "decision", "owner", "sum", "reason", "author", "approver"]
    list_filter = ["state", "act"]
    list_select_related = ["wallet__player", "wallet__currency"]
    ordering = ["-created_at"]
    fields = [
        ("act", "decision"),
        ("owner", "sum"),
        ("author", "asked", "reason"),
        ("approver", "decided", "decision_reason"),
        ("source", "reference"),
    ]
    readonly_fields = ["decision", "owner", "sum", "asked", "decided"]

    @admin.display(description="State")
    def decision(self, approval: Approval) -> SafeString:
        return approval_state(Approval.State(approval.state), approval.refusal)

    @admin.display(description="Wallet")
    def owner(self, approval: Approval) -> str:
        return f"{approval.wallet.player.code}, {approval.wallet.currency_id}"

    @admin.display(description="Amount")
    def sum(self, approval: Approval) -> SafeString:
        return formatting.amount(approval.amount, approval.wallet.currency)

    @admin.display(description="Asked")
    def asked(self, approval: Approval) -> SafeString:
        return formatting.utc(approval.created_at)

    @admin.display(description="Decided")
    def decided(self, approval: Approval) -> SafeString:
        return formatting.utc(approval.decided_at)
